//! Controllers that are plugins, mirrored by `wit/controller.wit`: what they watch, and one call to make one key right.
//! The driver that calls them cannot tell a native one from a wasm one.

use crate::schedule::PluginError;
use async_trait::async_trait;
use object::{Gvr, Object};
use std::sync::Arc;
use std::time::Duration;

/// Which objects. Selectors are as in a request, empty for none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Watch {
    pub gvr: Gvr,
    /// Empty: all namespaces.
    pub namespace: String,
    pub label_selector: String,
    pub field_selector: String,
    /// Dotted paths of what counts as a change and is handed over; empty: everything.
    pub fields: Vec<String>,
}

/// From an object that changed to the keys it concerns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Mapping {
    /// The controlling owner, if it is of the primary kind.
    Owner,
    /// Every owner of the primary kind.
    AnyOwner,
    /// The label's value is a name in the same namespace.
    Label(String),
    /// The annotation's value is a name in the same namespace, or `namespace/name`.
    Annotation(String),
    /// Every object of the primary watch.
    Every,
    /// As [`Reconciler::keys`] answers.
    Exported,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secondary {
    pub watch: Watch,
    pub mapping: Mapping,
}

/// One controller of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// Unique in the plugin.
    pub name: String,
    /// The objects whose names are the controller's keys.
    pub primary: Watch,
    pub secondaries: Vec<Secondary>,
    pub finalizer: Option<String>,
    /// Zero: never.
    pub resync: Duration,
}

/// Names an object; the namespace is empty for kinds that have none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub namespace: String,
    pub name: String,
}

/// One call for one key.
#[derive(Clone, Debug)]
pub struct Request {
    /// The declaration's name.
    pub controller: String,
    pub key: Key,
    /// Cut to the primary watch's fields. `None`: gone, or not in the selection.
    pub object: Option<Object>,
    pub deleting: bool,
    /// How often the key failed in a row.
    pub failures: u32,
}

/// A change of an object whose watch is mapped by the plugin itself.
#[derive(Clone, Debug)]
pub struct MapEvent {
    pub controller: String,
    /// Index into the declaration's `secondaries`.
    pub secondary: u32,
    pub key: Key,
    /// Its newest known state, also of one that is gone; `None` when nothing but its name is known.
    pub object: Option<Arc<Object>>,
    pub deleted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    RequeueAfter(Duration),
}

#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The controller's own words: try again after the back-off.
    #[error("{0}")]
    Retry(String),
    /// The controller's own words: nothing helps until something changes.
    #[error("{0}")]
    Final(String),
    /// It trapped, took too long or answered nonsense: tried again after the back-off.
    #[error(transparent)]
    Plugin(#[from] PluginError),
}

/// One loaded plugin with its controllers. Calls for one key never overlap; calls for several do.
#[async_trait]
pub trait Reconciler: Send + Sync {
    /// The plugin's name, for logs, events and metrics.
    fn name(&self) -> &str;

    /// What to watch; called once per load.
    ///
    /// # Errors
    /// The plugin failed, or what it declared makes no sense.
    async fn declare(&self) -> Result<Vec<Declaration>, PluginError>;

    /// The keys that a change concerns, for watches mapped by [`Mapping::Exported`].
    ///
    /// # Errors
    /// The plugin failed: the change is mapped again later.
    async fn keys(&self, event: MapEvent) -> Result<Vec<Key>, PluginError>;

    /// Makes the world as the object says.
    ///
    /// # Errors
    /// What is to be tried again, and what is not.
    async fn reconcile(&self, request: Request) -> Result<Outcome, ReconcileError>;

    /// It was idle for long: lets go of what the next call can make anew.
    fn rest(&self) {}
}
