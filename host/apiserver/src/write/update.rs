//! PUT, and the read-modify-write loop that every change of an existing object goes through
//! (`k8s.io/apiserver/pkg/registry/generic/registry/store.go` Update).

use super::Write;
use super::allocate::Choices;
use super::commit::{Committed, Outcome};
use crate::admission;
use crate::call::{Call, Response, Target};
use crate::strategy::Claims;
use http::StatusCode;
use object::field::ErrorList;
use object::{Object, StatusCause, StatusError, Value, json};
use store::Entry;

pub const MODIFIED: &str = "the object has been modified; please apply your changes to the latest version and try again";
/// Every lost race is progress of someone else, so this ends; the bound only keeps a broken engine from spinning.
const ATTEMPTS: usize = 1000;

/// How a change is made of the state that was read, both in the request's version. `None`: the object does not exist.
pub type Change<'f> = dyn Fn(Option<&Object>) -> Result<Edit, StatusError> + Send + Sync + 'f;

pub struct Edit {
    pub object: Object,
    /// Server-side apply has already accounted for the managers.
    pub owned: bool,
}

/// What became of an update.
pub enum Updated {
    Created(Committed),
    Updated(Committed),
}

impl Updated {
    pub fn committed(&self) -> &Committed {
        match self {
            Self::Created(committed) | Self::Updated(committed) => committed,
        }
    }
}

pub async fn update(call: &Call, target: &Target) -> Result<Response, StatusError> {
    let write = Write::new(call, target)?;
    let mut object = write.decode_body()?;
    if object.name().is_empty() {
        let told = format!("the name of the object ({} based on URL) was undeterminable: name must be provided", call.info.name);
        return Err(StatusError::bad_request(told));
    }
    write.identify(&mut object)?;
    let creates = write.kind.create_on_update && write.subresource.is_none();
    let asked = object.resource_version().to_owned();
    let needs_revision = asked.is_empty() && write.strategy.updates_need_revision();
    let updated = edit(&write, &call.info.name, creates && asked.is_empty(), &|old| {
        if needs_revision && old.is_some() {
            let cause = StatusCause {
                reason: "FieldValueInvalid".to_owned(),
                message: "Invalid value: 0x0: must be specified for an update".to_owned(),
                field: "metadata.resourceVersion".to_owned(),
            };
            return Err(StatusError::invalid(&write.request.group_kind(), &call.info.name, vec![cause]));
        }
        Ok(Edit { object: object.clone(), owned: false })
    })
    .await?;
    match updated {
        Updated::Created(committed) => write.answer(StatusCode::CREATED, &committed.json).await,
        Updated::Updated(committed) => write.answer(StatusCode::OK, &committed.json).await,
    }
}

/// Reads, changes and writes an object until no one came between. When the changed object carries a resourceVersion, a
/// lost race is the client's to solve.
pub async fn edit(write: &Write<'_>, name: &str, creates: bool, change: &Change<'_>) -> Result<Updated, StatusError> {
    let resource = write.request.group_resource();
    let mut entry = write.read(name).await?;
    for _ in 0..ATTEMPTS {
        let Some(current) = &entry else {
            if !creates {
                return Err(StatusError::not_found(&resource, name));
            }
            let Edit { mut object, owned } = change(None)?;
            object.remove_at(&["metadata", "resourceVersion"]);
            match write.create(object, owned).await {
                // Made by someone else meanwhile: it is an update now.
                Err(error) if error.is(object::Reason::AlreadyExists) => {
                    entry = write.read(name).await?;
                    continue;
                }
                created => return created.map(Updated::Created),
            }
        };
        let old = write.object_of(current).await?;
        let edited = if write.is_direct() { change(Some(&old))? } else { change(Some(&write.to_request(old.clone()).await?))? };
        let asked = edited.object.resource_version().to_owned();
        // A patch leaves the revision that was read: then it does not insist on it.
        if !asked.is_empty() && asked != "0" && asked != old.resource_version() {
            return Err(StatusError::conflict(&resource, name, MODIFIED));
        }
        match apply(write, name, old, edited, current).await? {
            Outcome::Done(committed) => return Ok(Updated::Updated(committed)),
            Outcome::Raced(now) => entry = now,
        }
    }
    Err(StatusError::conflict(&resource, name, MODIFIED))
}

/// One attempt over the state that was read.
async fn apply(write: &Write<'_>, name: &str, old: Object, edited: Edit, current: &Entry) -> Result<Outcome, StatusError> {
    let resource = write.request.group_resource();
    let Edit { object: mut new, owned } = edited;
    if !new.uid().is_empty() && new.uid() != old.uid() {
        let cause = format!("Precondition failed: UID in precondition: {}, UID in object meta: {}", new.uid(), old.uid());
        return Err(StatusError::conflict(&resource, name, &cause));
    }
    new.set_at(&["metadata", "resourceVersion"], json!(old.resource_version()));
    let mut new = write.to_storage(new).await?;
    admission::mutate(write, &mut new, Some(&old)).await?;
    write.keep_metadata(&mut new, &old);
    separate_status(write, &mut new, &old);
    let context = write.context();
    write.strategy.prepare_update(&context, &mut new, &old);
    write.default(&mut new);
    // A binding is what the pod waited for, not a change of what was wanted.
    let binds = write.subresource.as_deref() == Some("binding");
    if write.kind.has_generation && !binds && body_differs(write, &new, &old) {
        new.set_at(&["metadata", "generation"], json!(old.generation() + 1));
    }
    let mut errors = ErrorList::new();
    write.validate_meta(&new, &mut errors);
    write.validate_meta_update(&new, &old, &mut errors);
    if write.is_status() {
        write.strategy.validate_status(&new, &old, &mut errors);
    } else if !binds {
        if !write.strategy.ratchets() {
            write.strategy.validate(&new, &mut errors);
        }
        match write.subresource.as_deref() {
            None | Some("scale") => write.strategy.validate_update(&new, &old, &mut errors),
            Some(other) => write.strategy.validate_subresource(other, &new, &old, &mut errors),
        }
    }
    write.invalid(name, errors)?;
    if write.subresource.is_none() {
        write.strategy.warnings_on_update(&new, &old).into_iter().for_each(|w| write.call.warn(w));
    }
    admission::validate(write, &new, Some(&old)).await?;
    if !owned {
        write.own(Some(&old), &mut new).await?;
    }
    // The last finalizer of a deleted object went: the update is its end.
    if finished(write, &new) {
        let outcome = write.remove(&old, current.mod_revision).await?;
        if let Outcome::Done(done) = outcome {
            let json = serde_json::to_vec(&new).map_err(StatusError::internal)?.into();
            return Ok(Outcome::Done(Committed { json, revision: done.revision }));
        }
        return Ok(outcome);
    }
    let mut choices = Choices::default();
    loop {
        let (filled, claims) = if write.strategy.allocates() {
            write.allocated(&new, Some(&old), &choices)?
        } else {
            (std::mem::take(&mut new), Claims::default())
        };
        if same(&filled, &old) {
            let json = serde_json::to_vec(&old).map_err(StatusError::internal)?.into();
            return Ok(Outcome::Done(Committed { json, revision: current.mod_revision }));
        }
        match write.put_claiming(&filled, Some(current.mod_revision), claims).await? {
            Ok(outcome) => return Ok(outcome),
            Err(keys) => write.avoid(&mut choices, keys).await?,
        }
    }
}

/// The main resource cannot write status, and `status` can write nothing else.
fn separate_status(write: &Write<'_>, new: &mut Object, old: &Object) {
    if write.kind.subresource("status").is_none() {
        return;
    }
    if !write.is_status() {
        if matches!(write.subresource.as_deref(), None | Some("finalize")) {
            set_or_remove(new, "status", old.at(&["status"]).cloned());
        }
        return;
    }
    let status = new.remove_at(&["status"]);
    let mut metadata = old.at(&["metadata"]).cloned().unwrap_or_else(|| json!({}));
    // Managers are accounted for by whoever made the change.
    let mut taken = vec!["managedFields"];
    if write.strategy.status_writes_metadata() {
        taken.extend(["labels", "annotations", "finalizers"]);
    }
    if let Some(map) = metadata.as_object_mut() {
        for field in taken {
            match new.remove_at(&["metadata", field]) {
                Some(value) => map.insert(field.to_owned(), value),
                None => map.remove(field),
            };
        }
    }
    *new = old.clone();
    new.set_at(&["metadata"], metadata);
    set_or_remove(new, "status", status);
}

fn set_or_remove(object: &mut Object, field: &str, value: Option<Value>) {
    match value {
        Some(value) => object.set_at(&[field], value),
        None => {
            object.remove_at(&[field]);
        }
    }
}

/// Anything beside metadata and status changed.
fn body_differs(write: &Write<'_>, new: &Object, old: &Object) -> bool {
    // Without a subresource of its own, a custom object's status is a part of it like any other.
    let apart = !write.kind.is_custom() || write.kind.subresource("status").is_some();
    let counts = |key: &str| key != "metadata" && !(apart && key == "status");
    let body = |o: &Object| o.as_map().keys().filter(|k| counts(k)).count();
    body(new) != body(old) || new.as_map().iter().any(|(k, v)| counts(k) && old.as_map().get(k) != Some(v))
}

/// Deletion was asked for and nothing holds it any more.
pub fn finished(write: &Write<'_>, object: &Object) -> bool {
    let grace = object.at(&["metadata", "deletionGracePeriodSeconds"]).and_then(Value::as_i64).unwrap_or(0);
    object.is_deleting() && grace == 0 && object.finalizers().is_empty() && !write.strategy.holds_deletion(object)
}

/// Equal but for the times at which managers last wrote.
fn same(new: &Object, old: &Object) -> bool {
    if new == old {
        return true;
    }
    if new.as_map().iter().any(|(k, v)| k != "metadata" && old.as_map().get(k) != Some(v)) || new.as_map().len() != old.as_map().len() {
        return false;
    }
    let timeless = |o: &Object| {
        let mut metadata = o.at(&["metadata"]).cloned().unwrap_or_default();
        if let Some(managers) = metadata.get_mut("managedFields").and_then(Value::as_array_mut) {
            for manager in managers.iter_mut().filter_map(Value::as_object_mut) {
                manager.remove("time");
            }
        }
        metadata
    };
    timeless(new) == timeless(old)
}
