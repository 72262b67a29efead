//! [`Registry`]: the rows, found by any of their names.

use crate::graph;
use crate::kind::Kind;
use crate::runtime_config::RuntimeConfig;
use crate::table;
use arc_swap::ArcSwap;
use object::schema::{Graph, Schema};
use object::{Gvk, Gvr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Told after every change of the rows.
type Listener = Box<dyn Fn() + Send + Sync>;

/// All served kinds. Share it by `Arc`: one for each server, as custom rows are a server's own.
pub struct Registry {
    /// Compiled in and served, sorted as `rows`.
    builtin: Vec<Arc<Kind>>,
    /// Compiled in and switched off. Other versions may be stored in their form.
    unserved: Vec<Arc<Kind>>,
    /// Built-in and custom rows, sorted by group, version, resource.
    rows: ArcSwap<Vec<Arc<Kind>>>,
    /// Custom rows that are stored and not served.
    hidden: ArcSwap<Vec<Arc<Kind>>>,
    listeners: Mutex<Vec<Listener>>,
}

impl Registry {
    /// The built-in kinds. Rows are made once per process.
    pub fn builtin() -> Arc<Registry> {
        Self::configured(&RuntimeConfig::default())
    }

    /// Those of the built-in kinds that are switched on.
    pub fn configured(config: &RuntimeConfig) -> Arc<Registry> {
        static ROWS: OnceLock<Vec<Arc<Kind>>> = OnceLock::new();
        let rows = ROWS.get_or_init(|| sorted(table::rows().into_iter().map(Arc::new).collect()));
        let (builtin, unserved) = rows.iter().cloned().partition(|kind: &Arc<Kind>| config.serves(kind));
        Arc::new(Self::of(builtin, unserved))
    }

    fn of(builtin: Vec<Arc<Kind>>, unserved: Vec<Arc<Kind>>) -> Self {
        Self { rows: ArcSwap::from_pointee(builtin.clone()), builtin, unserved, hidden: ArcSwap::default(), listeners: Mutex::default() }
    }

    /// Replaces all custom rows. A row whose name a built-in one has is left out; one without verbs is stored, not served.
    pub fn replace_custom(&self, custom: Vec<Arc<Kind>>) {
        let mut rows = self.builtin.clone();
        let known = |custom: &Kind| self.builtin.iter().chain(&self.unserved).any(|k| order(k) == order(custom));
        let custom = custom.into_iter().filter(|c| !known(c));
        let (hidden, served): (Vec<_>, Vec<_>) = custom.partition(|c| c.verbs.is_empty());
        rows.extend(served);
        self.hidden.store(Arc::new(hidden));
        self.rows.store(Arc::new(sorted(rows)));
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|listener| listener());
    }

    /// Calls the listener after every [`Registry::replace_custom`], on the thread of the change. It lives as long as the
    /// registry.
    pub fn on_change(&self, listener: impl Fn() + Send + Sync + 'static) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(listener));
    }

    /// The row of a resource.
    pub fn kind(&self, gvr: &Gvr) -> Option<Arc<Kind>> {
        self.resource_by_name(&gvr.group, &gvr.version, &gvr.resource)
    }

    /// The row of a kind.
    pub fn kind_of(&self, gvk: &Gvk) -> Option<Arc<Kind>> {
        let rows = self.rows.load();
        let found = rows.iter().find(|k| k.kind == gvk.kind && k.group == gvk.group && k.version == gvk.version);
        found.cloned()
    }

    /// All rows, sorted by group, version and resource.
    pub fn kinds(&self) -> Vec<Arc<Kind>> {
        self.rows.load().to_vec()
    }

    /// The row of a plural resource name; the core group is `""`.
    pub fn resource_by_name(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Kind>> {
        let rows = self.rows.load();
        let at = rows.binary_search_by(|k| order(k).cmp(&(group, version, plural))).ok()?;
        rows.get(at).cloned()
    }

    /// The row in whose form a row's objects are stored; the row itself when it has no other.
    pub fn stored(&self, kind: &Arc<Kind>) -> Arc<Kind> {
        let Some(form) = &kind.stored_as else { return kind.clone() };
        let name = (form.group.as_str(), form.version.as_str(), form.resource.as_str());
        let hidden = self.hidden.load();
        let unserved = || self.unserved.iter().chain(hidden.iter()).find(|k| order(k) == name).cloned();
        self.resource_by_name(name.0, name.1, name.2).or_else(unserved).unwrap_or_else(|| kind.clone())
    }

    /// The rows in whose form anything is stored, whether they are served or not.
    pub fn storage_rows(&self) -> Vec<Arc<Kind>> {
        let unserved = self.unserved.iter().chain(self.hidden.load().iter()).cloned().collect::<Vec<_>>();
        self.kinds().into_iter().chain(unserved).filter(|k| !k.is_virtual && k.stored_as.is_none()).collect()
    }

    /// One served row for each resource that is stored: of several versions the stored one, when it is served.
    pub fn objects(&self) -> Vec<Arc<Kind>> {
        let rows = self.rows.load();
        let is_first = |kind: &Arc<Kind>| match &kind.stored_as {
            None => true,
            Some(form) if self.resource_by_name(&form.group, &form.version, &form.resource).is_some() => false,
            // Of versions whose stored one is not served, the first stands for all.
            Some(_) => rows.iter().find(|k| k.group == kind.group && k.resource == kind.resource).is_some_and(|k| Arc::ptr_eq(k, kind)),
        };
        rows.iter().filter(|k| !k.is_virtual && is_first(k)).cloned().collect()
    }

    /// Where a kind's objects stand in its graph. A kind whose definition the graph lacks is any JSON.
    pub fn schema<'k>(&self, kind: &'k Kind) -> Schema<'k> {
        kind.schema()
    }

    /// The graph of all built-in definitions.
    pub fn graph(&self) -> &'static Graph {
        graph::builtin()
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("rows", &self.rows.load().len()).finish_non_exhaustive()
    }
}

fn sorted(mut rows: Vec<Arc<Kind>>) -> Vec<Arc<Kind>> {
    rows.sort_by(|a, b| order(a).cmp(&order(b)));
    rows
}

fn order(kind: &Kind) -> (&str, &str, &str) {
    (&kind.group, &kind.version, &kind.resource)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn custom(version: &str) -> Arc<Kind> {
        let registry = Registry::builtin();
        let mut kind = registry.resource_by_name("", "v1", "configmaps").unwrap().as_ref().clone();
        (kind.group, kind.version, kind.resource) = ("example.com".to_owned(), version.to_owned(), "widgets".to_owned());
        Arc::new(kind)
    }

    #[test]
    fn custom_rows_come_and_go() {
        let registry = Registry::builtin();
        let told = Arc::new(AtomicUsize::new(0));
        let counter = told.clone();
        registry.on_change(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let builtin = registry.kinds().len();
        let shadow = registry.resource_by_name("", "v1", "pods").unwrap();
        registry.replace_custom(vec![custom("v2"), custom("v1"), shadow]);
        assert_eq!(registry.kinds().len(), builtin + 2);
        assert!(registry.resource_by_name("example.com", "v1", "widgets").is_some());
        assert!(Registry::builtin().resource_by_name("example.com", "v1", "widgets").is_none(), "another server's registry");
        registry.replace_custom(Vec::new());
        assert_eq!((registry.kinds().len(), told.load(Ordering::Relaxed)), (builtin, 2));
    }
}
