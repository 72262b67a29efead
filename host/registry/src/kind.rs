//! The kind row: everything that the road knows of a kind. Built-ins are rows of tables in `kinds/`; a custom resource
//! definition builds the same struct at run time and then has no less than a built-in kind has.

use crate::columns::jsonpath::JsonPath;
use crate::custom::Custom;
use object::schema::{Graph, Schema, TypeId};
use object::{GroupKind, GroupResource, Gvk, Gvr, Object};
use std::sync::Arc;

/// One served resource.
#[derive(Clone, Debug)]
pub struct Kind {
    pub group: String,
    pub version: String,
    pub kind: String,
    /// Lower-case plural, as in paths.
    pub resource: String,
    pub singular: String,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub scope: Scope,
    pub verbs: Vec<Verb>,
    pub subresources: Vec<Subresource>,
    /// Printer columns of the Table form; the first is Name but for events.
    pub columns: Vec<Column>,
    /// Beside `metadata.name` and `metadata.namespace`.
    pub selectable_fields: Vec<SelectableField>,
    /// `spec` changes raise `metadata.generation`.
    pub has_generation: bool,
    /// PUT to an absent name creates it (`AllowCreateOnUpdate`), e.g. leases, endpoints.
    pub create_on_update: bool,
    pub name_rule: NameRule,
    pub persistence: Persistence,
    /// Definition name in the schema graph, e.g. `io.k8s.api.core.v1.Pod`.
    pub schema: String,
    /// The graph that holds the definition; `None`: that of the built-in kinds.
    pub graph: Option<Arc<Graph>>,
    /// The form in which objects lie in the store, when it is not this row's own.
    pub stored_as: Option<StoredAs>,
    /// Never stored: a request is answered by code (reviews, bindings, metrics).
    pub is_virtual: bool,
    /// Told with every answer, as a warning; `None` for kinds with a future.
    pub deprecation: Option<String>,
    /// Of a row made from a custom resource definition.
    pub custom: Option<Arc<Custom>>,
    /// A small valid object as JSON: what the test matrix creates.
    pub sample: String,
}

/// The row whose form is stored, and how objects come there and back.
#[derive(Clone, Debug)]
pub struct StoredAs {
    pub group: String,
    pub version: String,
    pub resource: String,
    pub conversion: Conversion,
}

/// How an object of one version becomes one of another.
#[derive(Clone, Copy)]
pub enum Conversion {
    /// Only `apiVersion` differs.
    Rename,
    /// Fields differ; `apiVersion` and `kind` are set by the caller.
    Code { to_storage: fn(&mut Object), from_storage: fn(&mut Object) },
    /// Asked of the webhook that the custom resource definition names.
    Webhook,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Namespaced,
    Cluster,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
}

/// `status`, `scale`, `binding`, … ; which verbs, and of which kind bodies are.
#[derive(Clone, Debug)]
pub struct Subresource {
    pub name: String,
    pub verbs: Vec<Verb>,
    /// Kind of the body when it is not the parent's, e.g. autoscaling/v1 Scale.
    pub gvk: Option<Gvk>,
}

/// One column of a Table: `metav1.TableColumnDefinition` and where its cell comes from.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    /// `string`, `integer`, `number`, `boolean`, `date`.
    pub ty: String,
    pub format: String,
    pub description: String,
    /// 0 is always shown; above it, with `-o wide`.
    pub priority: i32,
    pub cell: Cell,
}

#[derive(Clone)]
pub enum Cell {
    /// A JSON path in dotted form with optional `[0]`; CRDs' printer columns use it too.
    Path(String),
    /// The same with filters and wildcards, as the columns of custom resources have it.
    JsonPath(Arc<JsonPath>),
    /// Computed by upstream's printer rule for this kind (`pkg/printers/internalversion/printers.go`).
    Computed(fn(&object::Object) -> serde_json::Value),
}

/// A field that `fieldSelector` accepts.
#[derive(Clone, Debug)]
pub struct SelectableField {
    pub name: String,
    /// Value when the field is absent, e.g. `spec.unschedulable` = `false`.
    pub absent: String,
}

/// Which rule `metadata.name` obeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// RFC 1123 subdomain, 253 characters.
    Subdomain,
    /// RFC 1123 label, 63 characters.
    Label,
    /// RFC 1035 label, 63 characters: services.
    Dns1035Label,
    /// Any path segment: RBAC names.
    PathSegment,
}

/// When a write is on disk (invariant 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Before it is acknowledged.
    Durable,
    /// Within seconds: events.
    Lazy,
    /// Within a minute, or with the next durable write: leases.
    Heartbeat,
}

impl Kind {
    pub fn gvk(&self) -> Gvk {
        Gvk::new(&self.group, &self.version, &self.kind)
    }
    pub fn gvr(&self) -> Gvr {
        Gvr::new(&self.group, &self.version, &self.resource)
    }
    pub fn group_kind(&self) -> GroupKind {
        GroupKind { group: self.group.clone(), kind: self.kind.clone() }
    }
    pub fn group_resource(&self) -> GroupResource {
        GroupResource { group: self.group.clone(), resource: self.resource.clone() }
    }
    pub fn api_version(&self) -> String {
        object::gvk::api_version(&self.group, &self.version)
    }
    pub fn is_namespaced(&self) -> bool {
        self.scope == Scope::Namespaced
    }
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|s| s.name == name)
    }
    /// Where its objects lie in the store: `/registry/<group or "core">/<resource>/[<namespace>/]<name>`.
    pub fn storage_prefix(&self) -> String {
        let (group, resource) = match &self.stored_as {
            Some(stored) => (&stored.group, &stored.resource),
            None => (&self.group, &self.resource),
        };
        let group = if group.is_empty() { "core" } else { group };
        format!("/registry/{group}/{resource}/")
    }
    /// Where its objects stand in their graph. A kind whose definition the graph lacks is any JSON.
    pub fn schema(&self) -> Schema<'_> {
        let graph = self.graph.as_deref().unwrap_or_else(|| crate::graph::builtin());
        graph.named(&self.schema).unwrap_or(Schema { graph, id: TypeId(u32::MAX) })
    }
    /// A row made from a custom resource definition.
    pub fn is_custom(&self) -> bool {
        self.custom.is_some()
    }
    /// A row that comes and goes at run time.
    pub fn is_dynamic(&self) -> bool {
        self.graph.is_some()
    }
    /// Both rows are of one definition as it is now: what was loaded for one serves the other.
    pub fn shares_storage(&self, other: &Kind) -> bool {
        match (&self.custom, &other.custom) {
            (Some(a), Some(b)) => Arc::ptr_eq(&a.family, &b.family),
            _ => std::ptr::eq(self, other),
        }
    }
    /// Kind of a list of its objects.
    pub fn list_kind(&self) -> String {
        let told = self.custom.as_ref().map(|c| c.family.list_kind.as_str()).filter(|name| !name.is_empty());
        told.map_or_else(|| format!("{}List", self.kind), str::to_owned)
    }
}

impl std::fmt::Debug for Conversion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Rename => "Rename",
            Self::Code { .. } => "Code",
            Self::Webhook => "Webhook",
        })
    }
}

impl std::fmt::Debug for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::JsonPath(path) => f.debug_tuple("JsonPath").field(path).finish(),
            Self::Computed(_) => f.write_str("Computed"),
        }
    }
}

impl Verb {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }
}
