//! Types as the checker knows them (cel-go `common/types/types.go`) and their way of being written in messages.

mod signature;
mod unify;

pub(crate) use signature::signature;
pub(crate) use unify::{Mapping, is_dyn, most_general};

use crate::declare::Decl;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Names of opaque types of the Kubernetes libraries.
pub(crate) const QUANTITY: &str = "kubernetes.Quantity";
pub(crate) const URL: &str = "kubernetes.URL";
pub(crate) const IP: &str = "net.IP";
pub(crate) const CIDR: &str = "net.CIDR";
pub(crate) const SEMVER: &str = "kubernetes.Semver";
pub(crate) const FORMAT: &str = "kubernetes.NamedFormat";

/// Larger types are refused: each step of nesting can double them.
pub(crate) const MAX_TYPE_SIZE: usize = 2_000;

#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// Known at run time only.
    Dyn,
    /// Of an expression already reported as wrong; assignable to everything.
    Error,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Timestamp,
    Duration,
    List(Arc<Type>),
    Map(Arc<Type>, Arc<Type>),
    Object(Arc<ObjectType>),
    Optional(Arc<Type>),
    /// The type of a type: `type(1)` is `type(int)`.
    Type(Option<Arc<Type>>),
    /// Of a library: known by its name.
    Opaque(Arc<str>),
    /// A type variable: a letter in a declaration, a number above [`FIRST_FREE`] while checking.
    Param(u32),
}

/// Type variables made by the checker start here; below are letters of declarations.
pub(crate) const FIRST_FREE: u32 = 256;

/// An object with known fields. Two are equal when their names are.
#[derive(Debug)]
pub struct ObjectType {
    pub name: Arc<str>,
    /// By the name that expressions use ([`crate::escape`]).
    pub fields: BTreeMap<Arc<str>, Field>,
}

#[derive(Clone, Debug)]
pub struct Field {
    /// The name in JSON.
    pub json: Arc<str>,
    pub decl: Arc<Decl>,
}

impl ObjectType {
    /// By the name in an expression; reserved words need no escaping behind a dot.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.get(name).or_else(|| self.fields.get(format!("__{name}__").as_str()).filter(|f| *f.json == *name))
    }
}

impl PartialEq for ObjectType {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Type {
    pub fn list(item: Type) -> Self {
        Self::List(Arc::new(item))
    }
    pub fn map(key: Type, value: Type) -> Self {
        Self::Map(Arc::new(key), Arc::new(value))
    }
    pub fn optional(of: Type) -> Self {
        Self::Optional(Arc::new(of))
    }
    pub fn opaque(name: &str) -> Self {
        Self::Opaque(name.into())
    }

    /// What an optional holds, and whether it was one.
    pub(crate) fn unwrap_optional(&self) -> (&Type, bool) {
        match self {
            Self::Optional(of) => (of, true),
            other => (other, false),
        }
    }

    /// Whether the type has more than [`MAX_TYPE_SIZE`] parts.
    pub(crate) fn is_too_large(&self) -> bool {
        fn count(ty: &Type, left: &mut usize) {
            if *left == 0 {
                return;
            }
            *left -= 1;
            match ty {
                Type::List(a) | Type::Optional(a) | Type::Type(Some(a)) => count(a, left),
                Type::Map(a, b) => {
                    count(a, left);
                    count(b, left);
                }
                _ => {}
            }
        }
        let mut left = MAX_TYPE_SIZE;
        count(self, &mut left);
        left == 0
    }

    /// The name that `type()` answers at run time; objects are maps there.
    pub(crate) fn runtime_name(&self) -> &str {
        match self {
            Self::Dyn | Self::Error | Self::Param(_) => "dyn",
            Self::Null => "null_type",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Timestamp => "google.protobuf.Timestamp",
            Self::Duration => "google.protobuf.Duration",
            Self::List(_) => "list",
            Self::Map(..) | Self::Object(_) => "map",
            Self::Optional(_) => "optional_type",
            Self::Type(_) => "type",
            Self::Opaque(name) => name,
        }
    }
}

/// As in compile errors: `list(int)`, `map(string, dyn)`, `timestamp`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dyn => f.write_str("dyn"),
            Self::Error => f.write_str("!error!"),
            Self::Null => f.write_str("null"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Duration => f.write_str("duration"),
            Self::List(item) => write!(f, "list({item})"),
            Self::Map(key, value) => write!(f, "map({key}, {value})"),
            Self::Object(object) => f.write_str(&object.name),
            Self::Optional(of) => write!(f, "optional_type({of})"),
            Self::Type(Some(of)) => write!(f, "type({of})"),
            Self::Type(None) => f.write_str("type"),
            Self::Param(id) if *id < FIRST_FREE => write!(f, "{}", char::from_u32(*id).unwrap_or('T')),
            Self::Param(id) => write!(f, "_var{}", id - FIRST_FREE),
            other => f.write_str(other.runtime_name()),
        }
    }
}
