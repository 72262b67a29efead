//! What an expression may refer to, with what is known of its data: types, sizes and the JSON form.

mod escape;
mod graph;
mod openapi;

pub use escape::{escape, unescape};

use crate::types::{Field, ObjectType, Type};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The type of some data, how to read it from JSON, and how large it can be (`DeclType` of apiserver/pkg/cel/types.go).
#[derive(Clone, Debug)]
pub struct Decl {
    pub ty: Type,
    pub form: Form,
    /// Most characters, bytes, items or entries; 0 where there is nothing to count.
    pub max: u64,
    /// Least bytes that it takes in JSON: the base of how often it can occur in one request.
    pub min_size: u64,
    /// An explicit null is a value.
    pub nullable: bool,
}

/// How JSON becomes a value.
#[derive(Clone, Debug)]
pub enum Form {
    /// By what the JSON is: whole numbers are ints.
    Any,
    /// Kept by `x-kubernetes-preserve-unknown-fields` without a type: only equality is defined.
    Preserved,
    Bool,
    Int,
    Double,
    String,
    /// Base64.
    Bytes,
    /// `1h30m`, and what strfmt knows: `2 days`.
    Duration,
    /// `2006-01-02`
    Date,
    /// RFC 3339 and its relaxed forms.
    DateTime,
    IntOrString,
    List {
        item: Arc<Decl>,
        kind: ListKind,
    },
    /// Keys are strings.
    Map {
        value: Arc<Decl>,
    },
    /// The fields of the type; its JSON names are in there.
    Object(Arc<ObjectType>),
}

/// `x-kubernetes-list-type`: equality and `+` go by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListKind {
    Atomic,
    /// Equal whatever the order; `+` adds what is not there.
    Set,
    /// JSON names of the keys. Equal whatever the order; `+` replaces items of the same keys.
    Map(Vec<Arc<str>>),
}

impl Decl {
    /// Of a type without more knowledge: read by what the JSON is, unbounded.
    pub fn of(ty: Type) -> Self {
        let (form, max) = match &ty {
            Type::Bool => (Form::Bool, 0),
            Type::Int => (Form::Int, 0),
            Type::Double => (Form::Double, 0),
            Type::String => (Form::String, 0),
            Type::Bytes => (Form::Bytes, 0),
            Type::Duration => (Form::Duration, 0),
            Type::Timestamp => (Form::DateTime, 0),
            Type::List(item) => (Form::List { item: Arc::new(Self::of((**item).clone())), kind: ListKind::Atomic }, u64::MAX),
            Type::Map(_, value) => (Form::Map { value: Arc::new(Self::of((**value).clone())) }, u64::MAX),
            Type::Object(object) => (Form::Object(object.clone()), 0),
            Type::Optional(of) => (Self::of((**of).clone()).form, 0),
            _ => (Form::Any, 0),
        };
        Self { ty, form, max, min_size: 1, nullable: false }
    }

    /// An object type. `fields`: JSON name and declaration; names that cannot be escaped are left out.
    pub fn object(name: &str, fields: impl IntoIterator<Item = (Arc<str>, Decl)>) -> Self {
        let field = |(json, decl): (Arc<str>, Decl)| Some((Arc::from(escape(&json)?), Field { json, decl: Arc::new(decl) }));
        let fields: BTreeMap<Arc<str>, Field> = fields.into_iter().filter_map(field).collect();
        let object = Arc::new(ObjectType { name: name.into(), fields });
        Self { ty: Type::Object(object.clone()), form: Form::Object(object), max: 0, min_size: 2, nullable: false }
    }

    pub fn list(item: Decl, max: u64) -> Self {
        let ty = Type::list(item.ty.clone());
        let form = Form::List { item: Arc::new(item), kind: ListKind::Atomic };
        Self { ty, form, max, min_size: 2, nullable: false }
    }

    pub fn map(value: Decl, max: u64) -> Self {
        let ty = Type::map(Type::String, value.ty.clone());
        Self { ty, form: Form::Map { value: Arc::new(value) }, max, min_size: 2, nullable: false }
    }

    /// The same data, perhaps absent: `oldSelf` of rules with `optionalOldSelf`.
    pub fn optional(self) -> Self {
        Self { ty: Type::optional(self.ty.clone()), ..self }
    }

    /// The declaration below a field's escaped name.
    pub fn field(&self, name: &str) -> Option<&Decl> {
        match &self.form {
            Form::Object(object) => object.field(name).map(|f| f.decl.as_ref()),
            _ => None,
        }
    }
    pub fn item(&self) -> Option<&Decl> {
        match &self.form {
            Form::List { item, .. } => Some(item),
            _ => None,
        }
    }
    pub fn value(&self) -> Option<&Decl> {
        match &self.form {
            Form::Map { value } => Some(value),
            _ => None,
        }
    }

    /// How often data of this declaration can occur below unbounded lists or maps of one request (`maxCardinality`,
    /// apiextensions' `compilation.go`): what a rule's estimate is multiplied by.
    pub fn max_cardinality(&self) -> u64 {
        crate::MAX_REQUEST / (self.min_size + 1)
    }
}

/// Variables and named types of one place where expressions stand.
#[derive(Clone, Debug, Default)]
pub struct Declarations {
    pub(crate) variables: Vec<(Arc<str>, Arc<Decl>)>,
    pub(crate) types: BTreeMap<Arc<str>, Arc<ObjectType>>,
}

impl Declarations {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a variable; a later one of the same name hides the earlier.
    #[must_use]
    pub fn variable(mut self, name: &str, decl: impl Into<Arc<Decl>>) -> Self {
        self.variables.push((name.into(), decl.into()));
        self
    }

    /// Adds a type that expressions may construct: `Object.spec{replicas: 1}`.
    #[must_use]
    pub fn object(mut self, ty: Arc<ObjectType>) -> Self {
        self.types.insert(ty.name.clone(), ty);
        self
    }
}
