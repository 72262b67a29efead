//! Custom resources: definitions become rows, their objects take the road of all others
//! (`k8s.io/apiextensions-apiserver`).
//!
//! [`keeper`] follows the definitions, names and establishes them, swaps the registry's rows and ends what is deleted.
//! [`definition`] and [`instance`] are the strategies of definitions and of their objects, [`convert`] goes between versions.
//!
//! Invariants
//! - A write to a definition is answered when its rows are in effect ([`Definitions::settled`]), so that a client that
//!   sees a definition established can use it at once.
//! - Objects are prepared and validated in the version of the request, as upstream does; they are converted where they come
//!   from the store and where they go to it.

mod convert;
mod definition;
mod instance;
mod keeper;
mod names;
mod rules;
pub mod scale;
mod validation;
mod webhook;

pub use convert::{items, object, objects};
pub use definition::DefinitionStrategy;
pub use instance::Instance;
pub use keeper::keep;

use crate::server::Shared;
use crate::stored;
use object::{Object, StatusError, Value};
use registry::Kind;
use std::borrow::Cow;
use std::time::Duration;
use tokio::sync::watch;

pub const GROUP: &str = "apiextensions.k8s.io";
pub const RESOURCE: &str = "customresourcedefinitions";
/// How long an answer waits for the rows of a definition that was written.
const SETTLE: Duration = Duration::from_secs(5);

/// How far the rows follow the definitions.
#[derive(Default)]
pub struct Definitions {
    /// The revision of the last change of a definition that the rows show.
    processed: watch::Sender<u64>,
}

impl Definitions {
    /// Waits until the rows show every definition that was committed up to a revision.
    pub async fn settled(&self, revision: u64) {
        let mut processed = self.processed.subscribe();
        // A row that comes late is no failure of the write.
        let _ = tokio::time::timeout(SETTLE, processed.wait_for(|p| *p >= revision)).await;
    }
}

/// Waits until the rows show every definition that is committed now.
pub async fn settle(shared: &Shared) {
    let Some(row) = shared.registry.resource_by_name(GROUP, "v1", RESOURCE) else { return };
    if shared.caches.current().await.is_ok()
        && let Ok(cache) = shared.caches.of(&row)
    {
        shared.definitions.settled(cache.revision()).await;
    }
}

/// Stored bytes as a reader sees them: with the defaults that the schema of the object's version has now.
pub fn shown<'v>(kind: &Kind, value: &'v [u8]) -> Cow<'v, [u8]> {
    let Some(custom) = &kind.custom else { return Cow::Borrowed(value) };
    // What cannot be read is told where the bytes are.
    let Ok(object) = stored::decode(value, 0) else { return Cow::Borrowed(value) };
    let Some(version) = custom.family.version_of(object.api_version()) else { return Cow::Borrowed(value) };
    let before = object.into_value();
    let mut after = before.clone();
    version.default(&mut after);
    if after == before {
        return Cow::Borrowed(value);
    }
    let encoded = Object::from_value(after).and_then(|object| stored::encode(&object).ok());
    encoded.map_or(Cow::Borrowed(value), |bytes| Cow::Owned(bytes.to_vec()))
}

/// A stored object with the defaults of its own version.
pub fn defaulted(kind: &Kind, object: Object) -> Object {
    let Some(custom) = &kind.custom else { return object };
    let version = custom.family.version_of(object.api_version()).cloned();
    let mut value = object.into_value();
    if let Some(version) = version {
        version.default(&mut value);
    }
    Object::from_value(value).unwrap_or_default()
}

/// What decoding makes of a custom object: its metadata is read strictly, all else by the schema. Returns what strict
/// validation finds.
pub fn decode(kind: &Kind, value: &mut Value) -> Result<Vec<String>, StatusError> {
    use registry::custom::walk;
    let Some(custom) = &kind.custom else { return Ok(Vec::new()) };
    let refused = |detail: &str| {
        let told = format!("{} in version \"{}\" cannot be handled as a {}: {detail}", kind.kind, kind.version, kind.kind);
        StatusError::bad_request(told)
    };
    let mut unknown = Vec::new();
    if let Some(metadata) = value.get_mut("metadata") {
        unknown = walk::object_meta(metadata, "metadata").map_err(|error| refused(&error.detail))?;
    }
    unknown.extend(custom.version.prune(value));
    if !custom.version.preserves {
        unknown.extend(walk::coerce(value, &custom.version.schema, false, "").map_err(|error| refused(&error.to_string()))?);
    }
    unknown.sort();
    Ok(unknown.into_iter().map(|path| format!("unknown field \"{path}\"")).collect())
}
