//! DELETE and deletecollection: preconditions, grace, finalizers, propagation
//! (`k8s.io/apiserver/pkg/registry/generic/registry/store.go` Delete, `rest/delete.go`).

use super::Write;
use super::commit::Outcome;
use super::decode::{body_of, body_value};
use super::update::finished;
use crate::admission;
use crate::call::{Call, Response, Target};
use crate::{negotiate, respond, transform, verbs};
use bytes::Bytes;
use futures::future::join_all;
use http::StatusCode;
use object::{GroupKind, Object, StatusCause, StatusError, Value, json};
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
        let body = body_value(call)?;
        let query = &call.query;
        if body.is_none() && query.has("orphanDependents") && !query.get("propagationPolicy").is_empty() {
            return Err(twice(query.get("propagationPolicy")));
        }
        let mut options = match &body {
            Some(body) => Self::of_value(call, body)?,
            None => Self {
                grace_period_seconds: query.integer("gracePeriodSeconds")?,
                propagation: match query.optional_flag("orphanDependents") {
                    Some(true) => "Orphan".to_owned(),
                    Some(false) => "Background".to_owned(),
                    None => query.get("propagationPolicy").to_owned(),
                },
                ..Self::default()
            },
        };
        options.dry_run |= query.has("dryRun");
        options.check()?;
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
        let mut propagation = body.get("propagationPolicy").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(orphan) = body.get("orphanDependents").and_then(Value::as_bool) {
            if !propagation.is_empty() {
                return Err(twice(&propagation));
            }
            propagation = if orphan { "Orphan" } else { "Background" }.to_owned();
        }
        let dry_run = body.get("dryRun").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if let Some(other) = dry_run.iter().find(|v| v.as_str() != Some("All")) {
            return Err(invalid("dryRun", "FieldValueNotSupported", format!("Unsupported value: {other}: supported values: \"All\"")));
        }
        Ok(Self {
            grace_period_seconds: body.get("gracePeriodSeconds").and_then(Value::as_i64),
            uid: condition("uid"),
            resource_version: condition("resourceVersion"),
            propagation,
            dry_run: !dry_run.is_empty(),
        })
    }

    fn check(&self) -> Result<(), StatusError> {
        if matches!(self.propagation.as_str(), "" | "Orphan" | "Background" | "Foreground") {
            return Ok(());
        }
        let message =
            format!("Unsupported value: \"{}\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"", self.propagation);
        Err(invalid("propagationPolicy", "FieldValueNotSupported", message))
    }
}

fn twice(propagation: &str) -> StatusError {
    let message = format!("Invalid value: \"{propagation}\": orphanDependents and deletionPropagation cannot be both set");
    invalid("propagationPolicy", "FieldValueInvalid", message)
}

fn invalid(field: &str, reason: &str, message: String) -> StatusError {
    let kind = GroupKind { group: "meta.k8s.io".to_owned(), kind: "DeleteOptions".to_owned() };
    StatusError::invalid(&kind, "", vec![StatusCause { reason: reason.to_owned(), message, field: field.to_owned() }])
}

pub async fn delete(call: &Call, target: &Target) -> Result<Response, StatusError> {
    let mut write = Write::new(call, target)?;
    let options = DeleteOptions::read(call)?;
    write.options.dry_run |= options.dry_run;
    match delete_one(&write, &call.info.name, &options).await? {
        Deleted::Waiting(json) => write.answer(StatusCode::OK, &json).await,
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
    let accept = negotiate::accept(call.header("accept"))?;
    let body = transform::list(&write.request, accept.form, transform::include_object(&call.query)?, &items, &meta);
    Ok(respond::encoded(StatusCode::OK, &accept, body))
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
        let outcome = if finished(write, &marked) {
            match write.remove(name, current.mod_revision).await? {
                Outcome::Done(done) => {
                    if !write.options.dry_run {
                        write.strategy.deleted(&write.call.shared, &old);
                    }
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
    propagate(&mut object, &options.propagation);
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

/// `deletionFinalizersForGarbageCollection`.
fn propagate(object: &mut Object, policy: &str) {
    if policy.is_empty() {
        return;
    }
    let mut finalizers: Vec<String> =
        object.finalizers().into_iter().filter(|f| *f != ORPHAN && *f != FOREGROUND).map(str::to_owned).collect();
    match policy {
        "Orphan" => finalizers.push(ORPHAN.to_owned()),
        "Foreground" => finalizers.push(FOREGROUND.to_owned()),
        _ => {}
    }
    if finalizers.is_empty() {
        object.remove_at(&["metadata", "finalizers"]);
    } else {
        object.set_at(&["metadata", "finalizers"], json!(finalizers));
    }
}
