//! What writing a kind does, beside what every kind does (`write`): a row of [`table`], all methods defaulted
//! (`k8s.io/apiserver/pkg/registry/rest/{create,update,delete}.go`).

pub mod admissionregistration;
mod amounts;
mod apiregistration;
pub mod at;
mod autoscaler;
mod budget;
mod certificates;
mod cluster;
mod config;
mod endpoints;
mod event;
mod flowcontrol;
mod limits;
mod namespace;
pub mod net;
mod networking;
mod node;
mod plugin_admission;
mod pod;
mod pod_spec;
pub mod priority;
mod rbac;
pub mod read;
mod resource;
pub mod service;
mod storage;
mod storagemigration;
mod table;
mod volume;
mod words;
mod workload;

pub use table::of;

use crate::crd::Instance;
use registry::Kind;
use std::sync::Arc;

use crate::server::Shared;
use bytes::Bytes;
use interfaces::authorize::UserInfo;
use object::field::ErrorList;
use object::{Object, StatusError};

/// What a hook may know beside the objects.
pub struct Context<'a> {
    pub shared: &'a Shared,
    /// `None` on the main resource.
    pub subresource: Option<&'a str>,
    /// Who asks.
    pub user: &'a UserInfo,
}

/// Keys beside the object that its write takes or gives up in the same transaction.
#[derive(Debug, Default)]
pub struct Claims {
    /// Keys that must not exist, and what is put there.
    pub takes: Vec<(Bytes, Bytes)>,
    pub leaves: Vec<Bytes>,
}

/// What becomes of dependents when a delete does not say (`GarbageCollectionDeleteStrategy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted after it.
    Background,
    /// They stay: ReplicationControllers and Jobs, as in their first days.
    Orphan,
    /// The kind owns nothing and takes no part: events.
    Unsupported,
}

/// The strategy of a row: one of the table, or what a custom row says of itself.
pub enum Chosen {
    Table(&'static dyn Strategy),
    Custom(Instance),
}

impl Chosen {
    pub fn of(kind: &Arc<Kind>) -> Self {
        if kind.is_custom() { Self::Custom(Instance(kind.clone())) } else { Self::Table(of(kind)) }
    }
}

impl std::ops::Deref for Chosen {
    type Target = dyn Strategy;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Table(strategy) => *strategy,
            Self::Custom(instance) => instance,
        }
    }
}

pub trait Strategy: Send + Sync {
    /// Sets what only the server sets, before validation.
    fn prepare_create(&self, _context: &Context, _new: &mut Object) {}

    /// The same for an update. Status and system fields are already kept apart.
    fn prepare_update(&self, _context: &Context, _new: &mut Object, _old: &Object) {}

    /// Of the whole object, on create and on update.
    fn validate(&self, _new: &Object, _errors: &mut ErrorList) {}

    /// What only new objects must not have.
    fn validate_create(&self, _new: &Object, _errors: &mut ErrorList) {}

    /// `validate_update` judges the whole object, so that what did not change may stay as it is.
    fn ratchets(&self) -> bool {
        false
    }

    /// What an update may not change.
    fn validate_update(&self, _new: &Object, _old: &Object, _errors: &mut ErrorList) {}

    /// Of the status, when the status is written.
    fn validate_status(&self, _new: &Object, _old: &Object, _errors: &mut ErrorList) {}

    /// What an update through a subresource that is the object itself may not change: neither `status` nor `scale`.
    fn validate_subresource(&self, _subresource: &str, _new: &Object, _old: &Object, _errors: &mut ErrorList) {}

    /// Told to the client beside success.
    fn warnings(&self, _new: &Object) -> Vec<String> {
        Vec::new()
    }

    fn warnings_on_update(&self, new: &Object, _old: &Object) -> Vec<String> {
        self.warnings(new)
    }

    /// Whether writes take keys beside the object: [`Strategy::allocate`].
    fn allocates(&self) -> bool {
        false
    }

    /// Chooses addresses and ports that are not known to be taken.
    fn allocate(
        &self,
        _context: &Context,
        _new: &mut Object,
        _old: Option<&Object>,
        _taken: &service::Taken,
    ) -> Result<Claims, StatusError> {
        Ok(Claims::default())
    }

    /// Keys that go with the object.
    fn releases(&self, _object: &Object) -> Result<Vec<Bytes>, StatusError> {
        Ok(Vec::new())
    }

    /// Seconds that the object may take to end, for kinds that end gracefully; `None` for all others.
    fn grace_period(&self, _object: &Object, _asked: Option<i64>) -> Option<i64> {
        None
    }

    fn propagation(&self) -> Propagation {
        Propagation::Background
    }

    /// The object waits for more than `metadata.finalizers`: namespaces' `spec.finalizers`.
    fn holds_deletion(&self, _object: &Object) -> bool {
        false
    }

    /// When deletion begins but cannot finish yet.
    fn begin_deletion(&self, _object: &mut Object) {}

    /// A create may bring its status: what a node's agent registers.
    fn creates_with_status(&self) -> bool {
        false
    }

    /// An update must name the revision that it was made from (the opposite of upstream's `AllowUnconditionalUpdate`).
    fn updates_need_revision(&self) -> bool {
        false
    }

    /// Labels, annotations and finalizers may be written through `status`, as upstream's kubelet and service controller do.
    fn status_writes_metadata(&self) -> bool {
        false
    }
}
