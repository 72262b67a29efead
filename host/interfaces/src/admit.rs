//! Admission hooks: what `admission.k8s.io/v1` AdmissionReview asks and is answered (`k8s.io/api/admission/v1/types.go`),
//! mirrored by `wit/admission.wit`. The API server cannot tell a native hook from a wasm one.
//!
//! Whom a hook is asked about, and what its failure means, stands in its object: the API server reads it there. Here is only
//! who answers.

use crate::authorize::UserInfo;
use crate::schedule::PluginError;
use async_trait::async_trait;
use object::{Gvk, Gvr, Object, StatusCause, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    Create,
    Update,
    Delete,
    Connect,
}

impl Operation {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

/// An object as a hook is told it, serialised once for all hooks that are.
#[derive(Clone, Debug, Default)]
pub struct Document {
    object: Object,
    json: OnceLock<Arc<str>>,
}

impl Document {
    pub fn new(object: Object) -> Self {
        Self { object, json: OnceLock::new() }
    }
    pub fn object(&self) -> &Object {
        &self.object
    }
    /// Canonical JSON of the whole object.
    pub fn json(&self) -> &Arc<str> {
        // An object of the API is JSON already: this does not fail.
        self.json.get_or_init(|| serde_json::to_string(self.object.as_map()).unwrap_or_default().into())
    }
}

/// What is asked: the fields of AdmissionRequest.
#[derive(Clone, Debug)]
pub struct AdmissionRequest {
    /// Of this question; not of the object.
    pub uid: String,
    /// Of the objects below: what the rules matched, maybe by an equivalent resource.
    pub kind: Gvk,
    pub resource: Gvr,
    /// `""` on the main resource.
    pub subresource: String,
    /// Of the request as it came.
    pub request_kind: Gvk,
    pub request_resource: Gvr,
    pub request_subresource: String,
    /// `""` of a collection.
    pub name: String,
    /// `""` of cluster resources.
    pub namespace: String,
    pub operation: Operation,
    pub user: Arc<UserInfo>,
    /// `None` on DELETE.
    pub object: Option<Arc<Document>>,
    /// `None` on CREATE and CONNECT.
    pub old_object: Option<Arc<Document>>,
    pub dry_run: bool,
    /// `CreateOptions`, `UpdateOptions`, `PatchOptions` or `DeleteOptions` as JSON; null on CONNECT.
    pub options: Arc<Value>,
}

/// The request may go on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Admitted {
    /// `Warning` headers of the answer.
    pub warnings: Vec<String>,
    /// Keys without the hook's name, which the server puts before them.
    pub audit_annotations: BTreeMap<String, String>,
    /// Of `mutate` only.
    pub change: Option<Change>,
}

/// How the object is to be changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// RFC 6902.
    Patch(Value),
    /// In place of the object that was told.
    Whole(Object),
}

/// The request is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Denial {
    /// HTTP status; 0: 403.
    pub code: u16,
    /// As in a `Status`: `Forbidden`, `Invalid`, …. Empty: that of the code.
    pub reason: String,
    /// For the client; may be empty.
    pub message: String,
    /// With the fields that they are about.
    pub causes: Vec<StatusCause>,
    pub warnings: Vec<String>,
    pub audit_annotations: BTreeMap<String, String>,
}

/// Why a request does not go on: an `Err`, so that it cannot be ignored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{}", .0.message)]
    Denied(Denial),
    /// The hook gave no answer. What that means says its failure policy.
    #[error(transparent)]
    Failed(#[from] PluginError),
}

/// A hook. Methods default to "no objection". Calls may come concurrently; each ends within the hook's own time limit.
#[async_trait]
pub trait AdmissionPlugin: Send + Sync {
    fn name(&self) -> &str;

    /// Asked after everything that changes the object, and after it was validated.
    async fn validate(&self, _request: &AdmissionRequest) -> Result<Admitted, Refusal> {
        Ok(Admitted::default())
    }

    /// Asked after the built-in changes; may be asked twice about one request.
    async fn mutate(&self, _request: &AdmissionRequest) -> Result<Admitted, Refusal> {
        Ok(Admitted::default())
    }
}

/// A loaded hook.
#[derive(Clone)]
pub struct AdmissionRow {
    /// Name and UID of the WasmPlugin that it was made of.
    pub name: String,
    pub uid: String,
    pub plugin: Arc<dyn AdmissionPlugin>,
    /// Which of its methods have something to say.
    pub validates: bool,
    pub mutates: bool,
}

/// The loaded hooks, replaced whole on each change. `wasm` writes, `apiserver` reads. A WasmPlugin of world `admission` that
/// has no row here is not loaded: its failure policy says what that means.
pub type AdmissionSet = Arc<Vec<AdmissionRow>>;
