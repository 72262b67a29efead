//! The schema graph: what the API road knows of a type. Built-in kinds take it from `registry`'s embedded table, custom
//! kinds from their OpenAPI schema; the engines (decode, prune, default, merge, apply, transcode) cannot tell which.

use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// Index of a [`Type`] in its [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub u32);

/// All types that refer to one another.
#[derive(Debug, Default)]
pub struct Graph {
    pub types: Vec<Type>,
    /// By definition name, e.g. `io.k8s.api.core.v1.Pod`. Anonymous types are not listed.
    pub by_name: HashMap<Arc<str>, TypeId>,
    /// Protobuf forms of the types that have one: built-in structs, and those any-JSON types that are messages.
    pub messages: HashMap<TypeId, Message>,
}

/// How a type lies in protobuf, as Go's generated code writes it (`generated.pb.go` of each API package).
#[derive(Clone, Debug)]
pub enum Message {
    /// In order of their numbers.
    Struct(Box<[Slot]>),
    /// JSON text as bytes in field 1: RawExtension, FieldsV1, JSON.
    Raw,
    /// A struct without fields.
    Empty,
    /// A schema (1), or a list of them (2).
    SchemaOrArray(TypeId),
    /// Whether it is true (1), and a schema (2).
    SchemaOrBool(TypeId),
    /// A schema (1), or strings (2).
    SchemaOrStrings(TypeId),
}

/// One field of a message.
#[derive(Clone, Debug)]
pub struct Slot {
    pub tag: u32,
    pub target: Target,
}

#[derive(Clone, Debug)]
pub enum Target {
    /// Index in [`Struct::fields`].
    Field(u16, Presence),
    /// A struct that Go embeds: JSON has its fields in the outer object.
    Embedded(Box<[Slot]>),
}

/// When a field is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// A pointer in Go: absent differs from zero. All else is on the wire even when it is zero.
    pub pointer: bool,
    /// `omitempty`: zero scalars, empty lists and maps are left out of JSON; structs never are.
    pub omit_empty: bool,
    /// `omitzero`: left out of JSON when zero.
    pub omit_zero: bool,
    /// A list that is a message of its own with its items in field 1.
    pub wrapped: bool,
}

#[derive(Clone, Debug)]
pub struct Type {
    /// Definition name; empty for anonymous types.
    pub name: Arc<str>,
    pub description: Arc<str>,
    pub shape: Shape,
}

/// The JSON form of a value and how two of them merge.
#[derive(Clone, Debug)]
pub enum Shape {
    Struct(Struct),
    /// String keys, values of one type. Atomic maps are replaced and owned whole (`+mapType=atomic`).
    Map {
        value: TypeId,
        atomic: bool,
    },
    List(List),
    Scalar(Scalar),
    /// Any JSON, kept as it is and owned whole (RawExtension, JSON, `x-kubernetes-preserve-unknown-fields` leaves).
    Any,
}

#[derive(Clone, Debug, Default)]
pub struct Struct {
    /// Sorted by JSON name.
    pub fields: Vec<Field>,
    /// Unknown fields are kept instead of pruned or refused.
    pub preserve_unknown: bool,
    /// Replaced and owned whole (`+structType=atomic`), on the type itself.
    pub atomic: bool,
}

#[derive(Clone, Debug)]
pub struct Field {
    pub name: Arc<str>,
    pub ty: TypeId,
    pub description: Arc<str>,
    /// Absent is an error of the schema (CRDs) and listed as `required` in OpenAPI.
    pub required: bool,
    /// An explicit null is kept (CRDs' `nullable`); otherwise null means absent.
    pub nullable: bool,
    /// `+default=…`: set when absent, while the parent is present.
    pub default: Option<Value>,
    /// The struct below is replaced and owned whole when reached by this field.
    pub atomic: bool,
    /// `patchStrategy` contains `retainKeys`.
    pub retain_keys: bool,
    /// Protobuf field number, in the embedded struct if it is in one; 0 when the type has none.
    pub tag: u32,
}

#[derive(Clone, Debug)]
pub struct List {
    pub item: TypeId,
    /// Server-side apply: `+listType`, `+listMapKey`.
    pub kind: ListKind,
    /// Strategic merge: `patchStrategy: merge`. Without it the list is replaced.
    pub merge: Option<ListMerge>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListKind {
    Atomic,
    Set,
    /// Keys in declared order.
    Map(Vec<Arc<str>>),
}

/// Strategic merge of a list: by `patchMergeKey`, or as a set of scalars when there is no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListMerge {
    pub key: Option<Arc<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    String,
    Boolean,
    Int32,
    Int64,
    Float64,
    /// Base64 in JSON.
    Bytes,
    IntOrString,
    /// String or number in; canonical string out.
    Quantity,
    /// RFC 3339, seconds.
    Time,
    /// RFC 3339, always six fractional digits.
    MicroTime,
    /// Go duration string.
    Duration,
}

/// A place in a graph: what engines walk with.
#[derive(Clone, Copy, Debug)]
pub struct Schema<'g> {
    pub graph: &'g Graph,
    pub id: TypeId,
}

/// Of a type that the graph does not hold: treated as any JSON, so that nothing is lost.
static UNKNOWN: Shape = Shape::Any;

impl Graph {
    pub fn named(&self, name: &str) -> Option<Schema<'_>> {
        self.by_name.get(name).map(|id| self.at(*id))
    }
    pub fn at(&self, id: TypeId) -> Schema<'_> {
        Schema { graph: self, id }
    }
    pub fn get(&self, id: TypeId) -> Option<&Type> {
        self.types.get(id.0 as usize)
    }
    /// Adds a type and returns its index.
    pub fn push(&mut self, ty: Type) -> TypeId {
        let id = TypeId(u32::try_from(self.types.len()).unwrap_or(u32::MAX));
        if !ty.name.is_empty() {
            self.by_name.insert(ty.name.clone(), id);
        }
        self.types.push(ty);
        id
    }
}

impl<'g> Schema<'g> {
    pub fn shape(self) -> &'g Shape {
        self.graph.get(self.id).map_or(&UNKNOWN, |t| &t.shape)
    }
    pub fn name(self) -> &'g str {
        self.graph.get(self.id).map_or("", |t| &t.name)
    }
    /// The declared field of a struct.
    pub fn field(self, name: &str) -> Option<&'g Field> {
        match self.shape() {
            Shape::Struct(s) => s.field(name),
            _ => None,
        }
    }
    /// The type below a field of a struct or a key of a map.
    pub fn child(self, name: &str) -> Option<Schema<'g>> {
        match self.shape() {
            Shape::Struct(s) => s.field(name).map(|f| self.graph.at(f.ty)),
            Shape::Map { value, .. } => Some(self.graph.at(*value)),
            _ => None,
        }
    }
    /// The type of a list's items.
    pub fn item(self) -> Option<Schema<'g>> {
        match self.shape() {
            Shape::List(list) => Some(self.graph.at(list.item)),
            _ => None,
        }
    }
}

impl Struct {
    pub fn field(&self, name: &str) -> Option<&Field> {
        let at = self.fields.binary_search_by(|f| f.name.as_ref().cmp(name)).ok()?;
        self.fields.get(at)
    }
}
