//! Server-side apply and the book of field owners (KEP-555).
//!
//! Mechanism of `sigs.k8s.io/structured-merge-diff` (fieldpath, typed, merge) and
//! `k8s.io/apimachinery/pkg/util/managedfields`: each manager owns a set of field paths, kept as `fieldsV1` in
//! `metadata.managedFields`. Applying merges the applied configuration into the live object, refuses to change what others
//! own unless forced, and removes what the same manager applied before and no longer does. Every other write makes its
//! writer the owner of what it changed.
//!
//! Versions of one group are taken to share a schema: an entry of another version is kept as it is read, and one of another
//! group is dropped, as upstream drops obsolete versions.

mod compare;
mod element;
mod managers;
mod merge;
mod remove;
mod set;
mod ty;
mod update;

pub use element::PathElement;
pub use set::Set;

use crate::schema::Schema;
use crate::status::{Reason, StatusCause, StatusError};
use crate::tree::Object;
use managers::{ManagerId, Managers, Operation};
use serde_json::{Map, Value};
use ty::Ty;

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Annotations of one object may not be larger in all (`pkg/api/validation`, TotalAnnotationSizeLimitB).
const MAX_ANNOTATIONS: usize = 256 * 1024;
/// Manager names whose conflicts with what client-side apply wrote are resolved for them.
const KUBECTL: &str = "kubectl";
/// Owns what an object held before anyone's fields were tracked.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Who writes what, how and when.
#[derive(Clone, Copy, Debug)]
pub struct ApplyContext<'a> {
    /// Of the kind, at `api_version`.
    pub schema: Schema<'a>,
    /// `fieldManager` of the request, or the user agent's first part.
    pub manager: &'a str,
    /// `group/version` of the request.
    pub api_version: &'a str,
    /// `status`, `scale`, … or empty.
    pub subresource: &'a str,
    /// Take over what others own. Of apply only.
    pub force: bool,
    /// `metav1.Time` of the write.
    pub now: &'a str,
    /// Paths that this endpoint does not let be written (upstream's GetResetFields), e.g. `[["status"]]`: never owned.
    pub reset_fields: &'a [&'a [&'a str]],
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ApplyError {
    /// Others own fields that would change. Never empty.
    #[error("{}", conflict_message(.0))]
    Conflicts(Vec<Conflict>),
    /// The applied configuration is not of the schema, or not of the endpoint's version.
    #[error("{0}")]
    Invalid(String),
    /// The configuration is not of the schema. Upstream has no code for it.
    #[error("{0}")]
    Untyped(String),
    /// The live object cannot be merged with; its `managedFields` or lists are broken.
    #[error("{0}")]
    Live(String),
}

/// One field that another manager owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// As upstream prints it: `"mgr" using apps/v1`, or `"mgr"` when it applied.
    pub manager: String,
    /// `.spec.replicas`
    pub field: String,
    path: Vec<PathElement>,
}

/// Merges `applied` into `live` (none: create) and returns the new object with its `managedFields`. The caller defaults,
/// prunes and validates it. `applied` is what the client sent, without defaults and without `managedFields`.
pub fn apply(live: Option<&Object>, applied: &Object, ctx: &ApplyContext<'_>) -> Result<Object, ApplyError> {
    check_applied(applied, ctx)?;
    let ty = Ty::root(ctx.schema);
    let empty = Map::new();
    let live_map = live.map_or(&empty, Object::as_map);
    let mut book =
        Managers::decode(managed_fields(live_map)).map_err(|e| ApplyError::Live(format!("failed to decode managed fields: {e}")))?;
    if book.is_empty() && live.is_some() {
        update::update(&empty, live_map, &mut book, ctx, BEFORE_FIRST_APPLY).map_err(ApplyError::Live)?;
    }
    let id = ManagerId::new(ctx, ctx.manager, Operation::Apply);
    let mut tried = book.clone();
    let outcome = match update::apply(live_map, applied.as_map(), &mut tried, ctx, &id, ctx.force) {
        Err(ApplyError::Conflicts(conflicts)) if ctx.manager == KUBECTL => {
            let Some(allowed) = allowed_by_last_applied(live_map, ctx) else { return Err(ApplyError::Conflicts(conflicts)) };
            let left: Vec<Conflict> = conflicts.into_iter().filter(|c| !allowed.has(&c.path)).collect();
            if !left.is_empty() {
                return Err(ApplyError::Conflicts(left));
            }
            tried = book;
            update::apply(live_map, applied.as_map(), &mut tried, ctx, &id, true)
        }
        other => other,
    };
    let mut object = Object::from_map(outcome?);
    ty::drop_nulls(&mut object, ty);
    if ctx.manager == KUBECTL && object.annotation(LAST_APPLIED).is_some_and(|text| !text.is_empty()) {
        set_last_applied(&mut object, applied);
    }
    set_managed_fields(&mut object, &tried);
    Ok(object)
}

/// Brings `new.metadata.managedFields` up to date for any write but apply: the manager comes to own what it changed, others
/// lose what was changed or removed. Never fails: when the book cannot be kept, it stays as it was, as upstream's
/// `UpdateNoErrors`. A write that changes nothing costs one comparison.
///
/// `live` is the stored object, none for create. Unlike subresources, the main resource may rewrite the book itself: a
/// valid `managedFields` in `new` is taken as a basis, and an empty one (`[]` or `[{}]`) erases it.
pub fn update_managers(live: Option<&Object>, new: &mut Object, ctx: &ApplyContext<'_>) {
    let sent = new.remove_at(&["metadata", "managedFields"]);
    let empty = Map::new();
    let live_map = live.map_or(&empty, Object::as_map);
    let stored = managed_fields(live_map);
    let sent = sent.filter(|_| ctx.subresource.is_empty());
    let basis = match &sent {
        Some(Value::Array(entries)) if is_reset(entries) => None,
        Some(entries) if Managers::decode(Some(entries)).is_ok_and(|m| !m.is_empty()) => Some(entries),
        _ => stored,
    };
    match update_book(live, live_map, new, basis, ctx) {
        Ok(Some(book)) => set_managed_fields(new, &book),
        Ok(None) => restore(new, basis),
        Err(_) => restore(new, stored),
    }
}

/// The new book; none when the basis stands.
fn update_book(
    live: Option<&Object>,
    live_map: &Map<String, Value>,
    new: &Object,
    basis: Option<&Value>,
    ctx: &ApplyContext<'_>,
) -> Result<Option<Managers>, String> {
    let comparison = compare::objects(live_map, new.as_map(), Ty::root(ctx.schema))?;
    if comparison.is_same() {
        return Ok(None);
    }
    let mut book = Managers::decode(basis).unwrap_or_default();
    // An object that lived without a book is not tracked until someone applies.
    if book.is_empty() && live.is_some_and(|l| !l.uid().is_empty()) {
        return Ok(None);
    }
    update::record(comparison, &mut book, ctx, ctx.manager);
    Ok(Some(book))
}

fn restore(new: &mut Object, entries: Option<&Value>) {
    if let Some(entries) = entries {
        new.set_at(&["metadata", "managedFields"], entries.clone());
    }
}

fn managed_fields(object: &Map<String, Value>) -> Option<&Value> {
    object.get("metadata")?.get("managedFields")
}

fn set_managed_fields(object: &mut Object, book: &Managers) {
    if book.is_empty() {
        object.remove_at(&["metadata", "managedFields"]);
    } else {
        object.set_at(&["metadata", "managedFields"], book.encode());
    }
}

fn is_reset(entries: &[Value]) -> bool {
    match entries {
        [] => true,
        [one] => one.as_object().is_some_and(Map::is_empty),
        _ => false,
    }
}

fn check_applied(applied: &Object, ctx: &ApplyContext<'_>) -> Result<(), ApplyError> {
    if applied.api_version() != ctx.api_version {
        return Err(ApplyError::Invalid(format!(
            "Incorrect version specified in apply patch. Specified patch version: {}, expected: {}",
            applied.api_version(),
            ctx.api_version
        )));
    }
    if managed_fields(applied.as_map()).is_some_and(|m| !m.is_null()) {
        return Err(ApplyError::Invalid("metadata.managedFields must be nil".to_owned()));
    }
    not_typed(applied, &ty::validate(applied.as_map(), Ty::root(ctx.schema)))
}

fn not_typed(applied: &Object, errors: &[String]) -> Result<(), ApplyError> {
    let told = match errors {
        [] => return Ok(()),
        [one] => one.clone(),
        many => format!("errors:\n  {}", many.join("\n  ")),
    };
    let subject = format!("{}/{}; {}", applied.namespace(), applied.name(), applied.gvk());
    Err(ApplyError::Untyped(format!("failed to create typed patch object ({subject}): {told}")))
}

/// Refuses a configuration with fields that the schema does not have. [`apply`] does so as well, but sees no more of them when
/// the configuration was pruned before.
pub fn declared(applied: &Object, schema: Schema<'_>) -> Result<(), ApplyError> {
    let mut errors = ty::validate(applied.as_map(), Ty::root(schema));
    errors.retain(|error| error.ends_with(ty::UNDECLARED));
    not_typed(applied, &errors)
}

/// What client-side apply wrote last and is still so: kubectl may take it over, since it wrote it under another name.
fn allowed_by_last_applied(live: &Map<String, Value>, ctx: &ApplyContext<'_>) -> Option<Set> {
    let text = live.get("metadata")?.get("annotations")?.get(LAST_APPLIED)?.as_str()?;
    let last: Map<String, Value> = serde_json::from_str(text).ok()?;
    if last.get("apiVersion").and_then(Value::as_str) != Some(ctx.api_version) {
        return None;
    }
    let ty = Ty::root(ctx.schema);
    let comparison = compare::objects(&last, live, ty).ok()?;
    let set = set::of_map(&last, ty);
    Some(set.difference(&comparison.modified).difference(&comparison.added).difference(&comparison.removed))
}

/// Keeps the annotation of client-side apply in step, so that going back to it works.
fn set_last_applied(object: &mut Object, applied: &Object) {
    let mut configuration = applied.clone();
    let path = ["metadata", "annotations", LAST_APPLIED];
    configuration.remove_at(&path);
    let text = format!("{}\n", Value::Object(configuration.into_map()));
    let others = object.at(&["metadata", "annotations"]).and_then(Value::as_object).into_iter().flatten();
    let size: usize = others.filter(|(k, _)| *k != LAST_APPLIED).map(|(k, v)| k.len() + v.as_str().unwrap_or_default().len()).sum();
    if size + LAST_APPLIED.len() + text.len() > MAX_ANNOTATIONS {
        object.remove_at(&path);
    } else {
        object.set_at(&path, Value::String(text));
    }
}

impl Conflict {
    fn new(id: &ManagerId, path: Vec<PathElement>) -> Self {
        let field = path.iter().map(ToString::to_string).collect();
        Self { manager: id.told(), field, path }
    }
}

fn conflict_message(conflicts: &[Conflict]) -> String {
    if let [one] = conflicts {
        return format!("Apply failed with 1 conflict: conflict with {}: {}", one.manager, one.field);
    }
    let mut managers: Vec<&str> = conflicts.iter().map(|c| c.manager.as_str()).collect();
    managers.sort_unstable();
    managers.dedup();
    let mut lines = Vec::new();
    for manager in managers {
        lines.push(format!("conflicts with {manager}:"));
        lines.extend(conflicts.iter().filter(|c| c.manager == manager).map(|c| format!("- {}", c.field)));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

/// 409 with a `FieldManagerConflict` cause per field; 400 for a bad configuration; 500 for a broken live object.
impl From<ApplyError> for StatusError {
    fn from(error: ApplyError) -> Self {
        let message = error.to_string();
        match error {
            ApplyError::Conflicts(conflicts) => {
                let mut status = StatusError::new(409, Reason::Conflict, message);
                let cause = |c: Conflict| StatusCause {
                    reason: "FieldManagerConflict".to_owned(),
                    message: format!("conflict with {}", c.manager),
                    field: c.field,
                };
                status.causes = conflicts.into_iter().map(cause).collect();
                status
            }
            ApplyError::Invalid(_) => StatusError::bad_request(message),
            ApplyError::Untyped(_) => StatusError::new(500, Reason::Unknown, message),
            ApplyError::Live(_) => StatusError::internal(message),
        }
    }
}

#[cfg(test)]
mod tests;
