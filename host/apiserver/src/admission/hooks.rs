//! Admission by plugins: WasmPlugins of world `admission`, and PolicyGroups, which join several of them.
//!
//! Whom a plugin is asked about is read from its object in this server's own cache, and who answers from the set that the
//! loader publishes. So a plugin is in force from the moment that its object is seen: while nobody answers for it, its failure
//! policy decides.
//!
//! Not asked about (`is_exempt`): what must stay repairable when a plugin refuses everything, which is the configuration of
//! admission itself, and questions, which store nothing.
//!
//! A server without such objects pays two comparisons per write. With some, one look into a table by group, resource and
//! operation finds those whose rules can fit at all.

mod answer;
mod body;
mod event;
pub mod expression;
mod form;
mod round;
mod spec;

pub use answer::{Phase, ask};
pub use body::{admit_body, connect};
pub use event::{USER as AUDIT_USER, keep as keep_events};
pub use form::converted;
pub use round::{Round, delete, operation, validate};
pub use spec::{Asked, Mode, Spec};

use crate::cache::KindCache;
use crate::server::Shared;
use arc_swap::ArcSwap;
use event::Events;
use interfaces::admit::{AdmissionRow, AdmissionSet, Operation};
use object::Object;
use parking_lot::{Mutex, RwLock};
use registry::Kind;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use tokio::sync::watch;

pub const GROUP: &str = "coracle.dev";
pub const VERSION: &str = "v1alpha1";
pub const PLUGINS: &str = "wasmplugins";
pub const POLICY_GROUPS: &str = "policygroups";

/// All hooks of a server.
#[derive(Default)]
pub struct Hooks {
    loaded: Option<watch::Receiver<AdmissionSet>>,
    caches: OnceLock<[Arc<KindCache>; 2]>,
    snapshot: ArcSwap<Snapshot>,
    building: Mutex<()>,
    pub events: Events,
}

/// The hooks of one moment, in the order in which they are asked: plugins by name, then groups by name.
#[derive(Default)]
pub struct Snapshot {
    pub hooks: Vec<Hook>,
    /// What it was made of: epoch and revision of each cache, and the loaded plugins.
    made_of: Option<([(u64, u64); 2], AdmissionSet)>,
    index: RwLock<Index>,
}

/// Told when an object or a loaded plugin changes.
pub type Changes = ([watch::Receiver<u64>; 2], Option<watch::Receiver<AdmissionSet>>);

/// Group, resource, and one list of numbers of hooks for each operation. As many as the registry has resources at most.
type Index = HashMap<String, HashMap<String, [Option<Arc<[usize]>>; 4]>>;

pub struct Hook {
    pub spec: Arc<Spec>,
    /// Who answers: the plugin itself, or the members of a group in its order. `None`: it is not loaded.
    pub rows: Vec<Option<AdmissionRow>>,
}

impl Hook {
    /// While it is not loaded, it is asked to validate: that is where its failure refuses.
    pub fn validates(&self) -> bool {
        self.rows.iter().any(|row| row.as_ref().is_none_or(|row| row.validates))
    }

    /// Groups only judge.
    pub fn mutates(&self) -> bool {
        matches!(self.spec.asked, Asked::Plugin) && self.rows.iter().flatten().any(|row| row.mutates)
    }
}

/// What admission never asks hooks about.
pub fn is_exempt(row: &Kind) -> bool {
    let own = row.group == GROUP && matches!(row.resource.as_str(), PLUGINS | POLICY_GROUPS);
    let configuration = row.group == "admissionregistration.k8s.io";
    own || configuration || row.is_virtual
}

impl Hooks {
    pub fn new(loaded: Option<watch::Receiver<AdmissionSet>>) -> Self {
        Self { loaded, ..Self::default() }
    }

    /// The hooks as the objects are now.
    pub fn now(&self, shared: &Shared) -> Arc<Snapshot> {
        let Some(caches) = self.caches(shared) else { return Arc::default() };
        let loaded = self.loaded.as_ref().map(|set| set.borrow().clone()).unwrap_or_default();
        let found = self.snapshot.load();
        let state = state(caches);
        if found.is_made_of(&state, &loaded) {
            return found.clone();
        }
        let _one = self.building.lock();
        let before = self.snapshot.load_full();
        if before.is_made_of(&state, &loaded) {
            return before;
        }
        let made = Arc::new(Snapshot::of(caches, state, loaded, &before));
        self.snapshot.store(made.clone());
        made
    }

    fn caches(&self, shared: &Shared) -> Option<&[Arc<KindCache>; 2]> {
        if let Some(found) = self.caches.get() {
            return Some(found);
        }
        let of = |resource: &str| {
            let row = shared.registry.resource_by_name(GROUP, VERSION, resource)?;
            shared.caches.of(&row).ok()
        };
        let found = [of(PLUGINS)?, of(POLICY_GROUPS)?];
        Some(self.caches.get_or_init(|| found))
    }

    /// Tells changes of the objects and of the loaded plugins.
    pub fn changes(&self, shared: &Shared) -> Option<Changes> {
        let [plugins, groups] = self.caches(shared)?;
        Some(([plugins.subscribe(), groups.subscribe()], self.loaded.clone()))
    }
}

fn state(caches: &[Arc<KindCache>; 2]) -> [(u64, u64); 2] {
    caches.each_ref().map(|cache| (cache.epoch(), cache.revision()))
}

impl Snapshot {
    fn is_made_of(&self, state: &[(u64, u64); 2], loaded: &AdmissionSet) -> bool {
        self.made_of.as_ref().is_some_and(|(of, set)| of == state && Arc::ptr_eq(set, loaded))
    }

    fn of([plugins, groups]: &[Arc<KindCache>; 2], state: [(u64, u64); 2], loaded: AdmissionSet, before: &Snapshot) -> Self {
        // Status changes far more often than what is compiled here.
        let known: HashMap<(&str, i64), &Arc<Spec>> =
            before.hooks.iter().map(|hook| ((hook.spec.uid.as_str(), hook.spec.generation), &hook.spec)).collect();
        let spec = |object: &Object, read: fn(&Object) -> Spec| match known.get(&(object.uid(), object.generation())) {
            Some(spec) => (*spec).clone(),
            None => Arc::new(read(object)),
        };
        let objects = |cache: &KindCache| cache.snapshot("", None, 0, |_| true).items.into_iter().map(|item| item.object());
        let plugins: Vec<Object> = objects(plugins).filter(|o| spec::is_admission(o) && !o.is_deleting()).collect();
        let row = |name: &str| {
            let object = plugins.iter().find(|o| o.name() == name)?;
            loaded.iter().find(|row| row.name == name && row.uid == object.uid()).cloned()
        };
        let mut hooks: Vec<Hook> =
            plugins.iter().map(|object| Hook { spec: spec(object, Spec::of_plugin), rows: vec![row(object.name())] }).collect();
        for object in objects(groups).filter(|o| !o.is_deleting()) {
            let spec = spec(&object, Spec::of_group);
            let rows = spec.members().map(&row).collect();
            hooks.push(Hook { spec, rows });
        }
        Self { hooks, made_of: Some((state, loaded)), index: RwLock::default() }
    }

    /// Numbers of the hooks whose rules can fit such a request.
    pub fn candidates(&self, shared: &Shared, row: &Kind, operation: Operation) -> Arc<[usize]> {
        if self.hooks.is_empty() || is_exempt(row) {
            return Arc::default();
        }
        let place = operation as usize;
        let find = |index: &Index| index.get(&row.group)?.get(&row.resource)?.get(place)?.clone();
        if let Some(found) = find(&self.index.read()) {
            return found;
        }
        // Equivalent resources of another group: those that are stored in this one's form.
        let prefix = shared.registry.stored(&Arc::new(row.clone())).storage_prefix();
        let others = shared.registry.kinds().into_iter().filter(|other| other.group != row.group);
        let others: Vec<Arc<Kind>> = others.filter(|other| shared.registry.stored(other).storage_prefix() == prefix).collect();
        let concerned = |hook: &Hook| {
            // One that cannot be read fails for everything that it may be about.
            let Ok(matching) = &hook.spec.matching else { return true };
            matching.concerns(&row.group, &row.resource, operation)
                || others.iter().any(|other| matching.concerns(&other.group, &other.resource, operation))
        };
        let found: Arc<[usize]> = self.hooks.iter().enumerate().filter(|(_, hook)| concerned(hook)).map(|(at, _)| at).collect();
        let mut index = self.index.write();
        if let Some(slot) = index.entry(row.group.clone()).or_default().entry(row.resource.clone()).or_default().get_mut(place) {
            *slot = Some(found.clone());
        }
        found
    }
}
