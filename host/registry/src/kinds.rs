//! Kind rows, one file per group, and the words they are written in.

pub mod admissionregistration;
pub mod apiextensions;
pub mod apiregistration;
pub mod apps;
pub mod authentication;
pub mod authorization;
pub mod autoscaling;
pub mod batch;
pub mod certificates;
pub mod coordination;
pub mod coracle;
pub mod core;
pub mod discovery;
pub mod events;
pub mod flowcontrol;
pub mod metrics;
pub mod networking;
pub mod node;
pub mod policy;
pub mod policy_group;
pub mod rbac;
pub mod resource;
pub mod scheduling;
pub mod storage;
pub mod storagemigration;

use crate::kind::{Cell, Column, Conversion, Kind, NameRule, Persistence, Scope, SelectableField, StoredAs, Subresource, Verb};
use object::{Gvk, Object, Value};

/// What most resources allow.
const ALL_VERBS: [Verb; 8] =
    [Verb::Get, Verb::List, Verb::Watch, Verb::Create, Verb::Update, Verb::Patch, Verb::Delete, Verb::DeleteCollection];

/// A computed cell.
pub(crate) type Compute = fn(&Object) -> Value;

/// Starts a namespaced row: all verbs, durable, subdomain names, no columns yet.
fn row(group: &str, version: &str, kind: &str, resource: &str) -> Kind {
    Kind {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        resource: resource.to_owned(),
        singular: kind.to_lowercase(),
        short_names: Vec::new(),
        categories: Vec::new(),
        scope: Scope::Namespaced,
        verbs: ALL_VERBS.to_vec(),
        subresources: Vec::new(),
        columns: Vec::new(),
        selectable_fields: Vec::new(),
        has_generation: false,
        create_on_update: false,
        name_rule: NameRule::Subdomain,
        persistence: Persistence::Durable,
        schema: String::new(),
        graph: None,
        stored_as: None,
        is_virtual: false,
        deprecation: None,
        custom: None,
        sample: String::new(),
    }
}

impl Kind {
    fn definition(mut self, definition: &str) -> Self {
        self.schema = definition.to_owned();
        self
    }
    /// In upstream's words (`zz_generated.prerelease-lifecycle.go` of the group).
    fn deprecated(mut self, told: &str) -> Self {
        self.deprecation = Some(told.to_owned());
        self
    }
    fn cluster(mut self) -> Self {
        self.scope = Scope::Cluster;
        self
    }
    fn short(mut self, names: &[&str]) -> Self {
        self.short_names = names.iter().map(|n| (*n).to_owned()).collect();
        self
    }
    /// Shown by `kubectl get all`.
    fn in_all(self) -> Self {
        self.category("all")
    }
    /// Shown by `kubectl get <name>`.
    fn category(mut self, name: &str) -> Self {
        self.categories.push(name.to_owned());
        self
    }
    fn generation(mut self) -> Self {
        self.has_generation = true;
        self
    }
    fn create_on_update(mut self) -> Self {
        self.create_on_update = true;
        self
    }
    fn names(mut self, rule: NameRule) -> Self {
        self.name_rule = rule;
        self
    }
    fn lazy(mut self) -> Self {
        self.persistence = Persistence::Lazy;
        self
    }
    fn heartbeat(mut self) -> Self {
        self.persistence = Persistence::Heartbeat;
        self
    }
    fn without(mut self, verb: Verb) -> Self {
        self.verbs.retain(|v| *v != verb);
        self
    }
    fn status(self) -> Self {
        self.sub("status", &[Verb::Get, Verb::Update, Verb::Patch], None)
    }
    fn sub(mut self, name: &str, verbs: &[Verb], body: Option<Gvk>) -> Self {
        self.subresources.push(Subresource { name: name.to_owned(), verbs: verbs.to_vec(), gvk: body });
        self
    }
    fn scale(self) -> Self {
        self.sub("scale", &[Verb::Get, Verb::Update, Verb::Patch], Some(Gvk::new("autoscaling", "v1", "Scale")))
    }
    /// A connection to a container; the body is of the core group's kind `options`.
    fn stream(self, name: &str, options: &str) -> Self {
        self.sub(name, &[Verb::Get, Verb::Create], Some(Gvk::new("", "v1", options)))
    }
    /// Requests passed on to the object, with any method and path.
    fn proxy(self, options: &str) -> Self {
        let verbs = [Verb::Get, Verb::Create, Verb::Update, Verb::Patch, Verb::Delete];
        self.sub("proxy", &verbs, Some(Gvk::new("", "v1", options)))
    }
    /// A selectable field that reads as `absent` when it is not set.
    fn select(mut self, name: &str, absent: &str) -> Self {
        self.selectable_fields.push(SelectableField { name: name.to_owned(), absent: absent.to_owned() });
        self
    }
    /// Objects are kept in the form of another row.
    #[allow(dead_code)]
    fn stored_as(mut self, group: &str, version: &str, resource: &str, conversion: Conversion) -> Self {
        let (group, version, resource) = (group.to_owned(), version.to_owned(), resource.to_owned());
        self.stored_as = Some(StoredAs { group, version, resource, conversion });
        self
    }
    /// Answered by code and never stored; `verbs` is all that it can.
    fn virtual_kind(mut self, verbs: &[Verb]) -> Self {
        self.is_virtual = true;
        self.verbs = verbs.to_vec();
        self
    }
    fn sample(mut self, json: &str) -> Self {
        self.sample = json.to_owned();
        self
    }
    fn column(self, name: &str, ty: &str, priority: i32, description: &str, cell: Cell) -> Self {
        self.column_format(name, ty, "", priority, description, cell)
    }
    fn column_format(mut self, name: &str, ty: &str, format: &str, priority: i32, description: &str, cell: Cell) -> Self {
        self.columns.push(Column {
            name: name.to_owned(),
            ty: ty.to_owned(),
            format: format.to_owned(),
            description: description.to_owned(),
            priority,
            cell,
        });
        self
    }
    /// The first column of nearly every kind.
    fn name_column(self) -> Self {
        let description = "Unique within its namespace; chosen when the object is created and never changed.";
        self.column_format("Name", "string", "name", 0, description, Cell::Path("metadata.name".to_owned()))
    }
    /// Time since creation, as `kubectl` prints it.
    fn age_column(self) -> Self {
        self.column("Age", "string", 0, "Time since the object was created.", Cell::Computed(crate::columns::age::since_creation))
    }
    /// Shown always.
    fn show(self, name: &str, ty: &str, description: &str, cell: Compute) -> Self {
        self.column(name, ty, 0, description, Cell::Computed(cell))
    }
    /// Shown with `-o wide`.
    fn wide(self, name: &str, ty: &str, description: &str, cell: Compute) -> Self {
        self.column(name, ty, 1, description, Cell::Computed(cell))
    }
}
