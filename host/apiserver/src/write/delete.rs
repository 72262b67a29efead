//! DELETE and deletecollection: preconditions, grace, finalizers, propagation
//! (`k8s.io/apiserver/pkg/registry/generic/registry/store.go` Delete, `rest/delete.go`).

use super::Write;
use super::commit::Outcome;
use super::decode::{body_of, body_value};
use super::update::finished;
use crate::admission;
use crate::call::{Call, Response, Target};
use crate::strategy::Propagation;
use crate::{options, respond, transform, verbs};
use bytes::Bytes;
use futures::future::join_all;
use http::StatusCode;
use object::field::{ErrorList, Path};
use object::{Object, StatusError, Value, json};
use std::time::{Duration, SystemTime};

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";
/// As for updates: every lost race is progress of someone else.
const ATTEMPTS: usize = 1000;
/// Deletions of one collection under way at once: they share the store's commits.
const TOGETHER: usize = 64;

/// `meta.k8s.io/v1 DeleteOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    pub grace_period_seconds: Option<i64>,
    pub uid: String,
    pub resource_version: String,
    /// `Orphan`, `Background`, `Foreground`, or empty.
    pub propagation: String,
    pub dry_run: bool,
    /// `orphanDependents: false` was said: a deletion that goes on is answered with 202.
    accepts: bool,
}

/// What a delete leaves behind.
pub enum Deleted {
    /// The object is gone; its last state.
    Gone(Object),
    /// It waits for its grace period or finalizers.
    Waiting(Bytes),
}

impl DeleteOptions {
    /// From the body, or from the query when there is none.
    pub fn read(call: &Call) -> Result<Self, StatusError> {
        let Some(body) = body_value(call)? else {
            let query = &call.query;
            let policy = query.get("propagationPolicy");
            let grace = query.integer("gracePeriodSeconds")?;
            let dry_run: Vec<&str> = query.all("dryRun").collect();
            return Self { grace_period_seconds: grace, ..Self::default() }.checked(
                query.optional_flag("orphanDependents"),
                policy,
                &dry_run,
            );
        };
        let mut options = Self::of_value(call, &body)?;
        options.dry_run |= call.query.has("dryRun");
        Ok(options)
    }

    /// A tree of that kind.
    pub fn of_value(call: &Call, body: &Value) -> Result<Self, StatusError> {
        // As Go reads it: null is a value without fields.
        let body = if body.is_null() { json!({}) } else { body.clone() };
        let kind = body.get("kind").and_then(Value::as_str).unwrap_or_default();
        if !matches!(kind, "" | "DeleteOptions") {
            return Err(StatusError::bad_request("decoded object cannot be converted to DeleteOptions"));
        }
        let body = body_of(call, "DeleteOptions", body)?;
        let condition = |field: &str| {
            let found = body.get("preconditions").and_then(|p| p.get(field)).and_then(Value::as_str);
            found.unwrap_or_default().to_owned()
        };
        let policy = body.get("propagationPolicy").and_then(Value::as_str).unwrap_or_default();
        let dry_run: Vec<&str> = body.get("dryRun").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let options = Self {
            grace_period_seconds: body.get("gracePeriodSeconds").and_then(Value::as_i64),
            uid: condition("uid"),
            resource_version: condition("resourceVersion"),
            ..Self::default()
        };
        options.checked(body.get("orphanDependents").and_then(Value::as_bool), policy, &dry_run)
    }

    /// `ValidateDeleteOptions`; the older way to say a policy is taken as the newer one.
    fn checked(mut self, orphan: Option<bool>, policy: &str, dry_run: &[&str]) -> Result<Self, StatusError> {
        let (mut errors, path) = (ErrorList::new(), Path::new("propagationPolicy"));
        if orphan.is_some() && !policy.is_empty() {
            errors.invalid(&path, policy, "orphanDependents and deletionPropagation cannot be both set");
        }
        if !matches!(policy, "" | "Orphan" | "Background" | "Foreground") {
            errors.not_supported(&path, policy, &["Foreground", "Background", "Orphan", "nil"]);
        }
        options::check_dry_run(dry_run, &mut errors);
        options::refuse("DeleteOptions", errors)?;
        self.dry_run = !dry_run.is_empty();
        self.accepts = orphan == Some(false);
        self.propagation = match orphan {
            Some(true) => "Orphan".to_owned(),
            Some(false) => "Background".to_owned(),
            None => policy.to_owned(),
        };
        Ok(self)
    }
}

pub async fn delete(call: &Call, target: &Target) -> Result<Response, StatusError> {
    let mut write = Write::new(call, target)?;
    let options = DeleteOptions::read(call)?;
    write.options.dry_run |= options.dry_run;
    match delete_one(&write, &call.info.name, &options).await? {
        Deleted::Waiting(json) => {
            let status = if options.accepts { StatusCode::ACCEPTED } else { StatusCode::OK };
            write.answer(status, &json).await
        }
        Deleted::Gone(object) => Ok(success(&write, &object)),
    }
}

/// `Status` with the object's identity, as upstream answers a finished delete.
fn success(write: &Write<'_>, object: &Object) -> Response {
    let mut details = json!({ "name": object.name(), "kind": write.request.resource, "uid": object.uid() });
    if !write.request.group.is_empty() {
        details["group"] = json!(write.request.group);
    }
    respond::success(details)
}

/// Deletes what the selectors match; the answer is the list of what was there.
pub async fn delete_collection(call: &Call, target: &Target) -> Result<Response, StatusError> {
    let mut write = Write::new(call, target)?;
    let options = DeleteOptions::read(call)?;
    write.options.dry_run |= options.dry_run;
    let (items, meta) = verbs::matching(call, target).await?;
    for some in items.chunks(TOGETHER) {
        for deleted in join_all(some.iter().map(|item| delete_one(&write, item.name(), &options))).await {
            match deleted {
                Ok(_) => {}
                // Gone already: what was asked for.
                Err(error) if error.is(object::Reason::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
    }
    respond::list(&write.accept, &write.request, transform::include_object(&call.query)?, &items, &meta)
}

/// Deletes one object, or marks it for those who hold it.
pub async fn delete_one(write: &Write<'_>, name: &str, options: &DeleteOptions) -> Result<Deleted, StatusError> {
    let resource = write.request.group_resource();
    admission::delete(write, name)?;
    let mut entry = write.read(name).await?;
    for _ in 0..ATTEMPTS {
        let Some(current) = &entry else { return Err(StatusError::not_found(&resource, name)) };
        let old = write.object_of(current).await?;
        if !options.uid.is_empty() && options.uid != old.uid() {
            let cause = format!("Precondition failed: UID in precondition: {}, UID in object meta: {}", options.uid, old.uid());
            return Err(StatusError::conflict(&resource, name, &cause));
        }
        if !options.resource_version.is_empty() && options.resource_version != old.resource_version() {
            let cause = format!(
                "Precondition failed: ResourceVersion in precondition: {}, ResourceVersion in object meta: {}",
                options.resource_version,
                old.resource_version()
            );
            return Err(StatusError::conflict(&resource, name, &cause));
        }
        let marked = mark(write, &old, options);
        let ends = finished(write, &marked);
        // Not again for an object that is on its way already.
        if ends || marked != old {
            admission::hooks::delete(write, &old).await?;
        }
        let outcome = if ends {
            match write.remove(&old, current.mod_revision).await? {
                Outcome::Done(done) => {
                    let mut last = marked;
                    last.set_at(&["metadata", "resourceVersion"], json!(done.revision.to_string()));
                    return Ok(Deleted::Gone(last));
                }
                raced => raced,
            }
        } else if marked == old {
            let json = serde_json::to_vec(&old).map_err(StatusError::internal)?;
            return Ok(Deleted::Waiting(json.into()));
        } else {
            write.put(&marked, Some(current.mod_revision)).await?
        };
        match outcome {
            Outcome::Done(committed) => return Ok(Deleted::Waiting(committed.json)),
            Outcome::Raced(now) => entry = now,
        }
    }
    Err(StatusError::conflict(&resource, name, super::update::MODIFIED))
}

/// The object as the deletion leaves it: timestamp, grace period and the garbage collector's finalizers.
fn mark(write: &Write<'_>, old: &Object, options: &DeleteOptions) -> Object {
    let mut object = old.clone();
    propagate(&mut object, &options.propagation, write.strategy.propagation());
    let grace = write.strategy.grace_period(old, options.grace_period_seconds);
    let grace_now = old.at(&["metadata", "deletionGracePeriodSeconds"]).and_then(Value::as_i64);
    let wanted = grace.unwrap_or(0).max(0);
    match (old.is_deleting(), grace_now) {
        // A second delete can only shorten the grace.
        (true, Some(now)) if wanted >= now => return object,
        (true, _) => {
            let begun = object::time::parse(old.str_at(&["metadata", "deletionTimestamp"]));
            let begun = begun.map(|t| t - Duration::from_secs(grace_now.and_then(|g| u64::try_from(g).ok()).unwrap_or(0)));
            let until = begun.unwrap_or_else(SystemTime::now) + Duration::from_secs(wanted.unsigned_abs());
            object.set_at(&["metadata", "deletionTimestamp"], json!(object::time::format(until.max(SystemTime::now()))));
        }
        (false, _) => {
            let until = SystemTime::now() + Duration::from_secs(wanted.unsigned_abs());
            object.set_at(&["metadata", "deletionTimestamp"], json!(object::time::format(until)));
            if old.generation() > 0 {
                object.set_at(&["metadata", "generation"], json!(old.generation() + 1));
            }
            write.strategy.begin_deletion(&mut object);
        }
    }
    object.set_at(&["metadata", "deletionGracePeriodSeconds"], json!(wanted));
    object
}

/// `deletionFinalizersForGarbageCollection`: what was asked for, else what the object already says, else the kind's way.
fn propagate(object: &mut Object, asked: &str, default: Propagation) {
    let has = |finalizer: &str| object.finalizers().contains(&finalizer);
    let (orphan, foreground) = match asked {
        _ if default == Propagation::Unsupported => return,
        "Orphan" => (true, false),
        "Foreground" => (false, true),
        "Background" => (false, false),
        _ if has(ORPHAN) => (true, false),
        _ if has(FOREGROUND) => (false, true),
        _ => (default == Propagation::Orphan, false),
    };
    if orphan == has(ORPHAN) && foreground == has(FOREGROUND) {
        return;
    }
    let mut finalizers: Vec<String> =
        object.finalizers().into_iter().filter(|f| *f != ORPHAN && *f != FOREGROUND).map(str::to_owned).collect();
    if orphan {
        finalizers.push(ORPHAN.to_owned());
    }
    if foreground {
        finalizers.push(FOREGROUND.to_owned());
    }
    if finalizers.is_empty() {
        object.remove_at(&["metadata", "finalizers"]);
    } else {
        object.set_at(&["metadata", "finalizers"], json!(finalizers));
    }
}
