//! Values at run time. Data stays JSON: a list or object of a request is read item by item when an expression asks.

mod equal;
mod json;
mod output;

pub(crate) use equal::{compare, equal, equal_keys};
pub(crate) use json::from_json;

use crate::declare::{Decl, ListKind};
use crate::error::EvalError;
use crate::types::{ObjectType, Type};
use serde_json::Value as Json;
use std::any::Any;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

pub(crate) type Result<T> = std::result::Result<T, EvalError>;

/// `'a` is the life of the bound data and of the program.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Text<'a>),
    Bytes(Arc<[u8]>),
    Timestamp(Timestamp),
    Duration(Duration),
    List(List<'a>),
    Map(Map<'a>),
    Optional(Option<Arc<Value<'a>>>),
    Type(Type),
    /// Of a library.
    Opaque(Arc<dyn Opaque>),
    /// Preserved without a schema: equality only.
    Preserved(&'a Json),
    /// What could not be computed, as part of a map or bound to a variable: reading it gives the error. (Policies bind their
    /// `variables` so: a failed one matters only to expressions that read it.)
    Failed(Arc<EvalError>),
}

/// A moment within the years 1 to 9999. Two are equal when they are the same moment.
#[derive(Clone, Copy, Debug)]
pub struct Timestamp {
    /// Since the epoch.
    pub nanos: i128,
    /// Seconds east of UTC in which it was written, and is written again.
    pub offset: i32,
}

/// Nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub i64);

#[derive(Clone)]
pub enum Text<'a> {
    Borrowed(&'a str),
    Shared(Arc<str>),
}

#[derive(Clone, Debug)]
pub enum List<'a> {
    Json {
        items: &'a [Json],
        item: &'a Decl,
        kind: &'a ListKind,
    },
    Built(Arc<Vec<Value<'a>>>),
    /// What `+` made of a set or map list: of the same kind.
    Keyed(Arc<Vec<Value<'a>>>, &'a ListKind),
}

#[derive(Clone, Debug)]
pub enum Map<'a> {
    /// An object with known fields: keys are their escaped names.
    Object {
        entries: &'a serde_json::Map<String, Json>,
        ty: &'a ObjectType,
    },
    Json {
        entries: &'a serde_json::Map<String, Json>,
        value: &'a Decl,
    },
    Built(Arc<BTreeMap<Key, Value<'a>>>),
}

/// What maps can be keyed by. Numbers compare by amount, as `==` does.
#[derive(Clone, Debug)]
pub enum Key {
    Bool(bool),
    Int(i64),
    Uint(u64),
    String(Arc<str>),
}

/// A library's value.
pub trait Opaque: Any + fmt::Debug + Send + Sync {
    /// As declared: [`Type::Opaque`].
    fn type_name(&self) -> &str;
    fn equals(&self, other: &dyn Opaque) -> bool;
    /// What `string()` gives, where the library has it.
    fn to_text(&self) -> Option<String> {
        None
    }
    /// What the cost model counts: bytes of an address, 1 for most.
    fn size(&self) -> u64 {
        1
    }
    /// For `optional.ofNonZeroValue`.
    fn is_zero(&self) -> bool {
        false
    }
}

impl Timestamp {
    pub fn utc(nanos: i128) -> Self {
        Self { nanos, offset: 0 }
    }
}
impl PartialEq for Timestamp {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}
impl Eq for Timestamp {}
impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}
impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<'a> Value<'a> {
    pub fn string(text: impl Into<Arc<str>>) -> Self {
        Self::String(Text::Shared(text.into()))
    }
    pub fn list(items: Vec<Value<'a>>) -> Self {
        Self::List(List::Built(Arc::new(items)))
    }
    pub fn opaque(value: impl Opaque) -> Self {
        Self::Opaque(Arc::new(value))
    }
    pub fn optional(value: Option<Value<'a>>) -> Self {
        Self::Optional(value.map(Arc::new))
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(b) => Some(*b),
            _ => None,
        }
    }
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The library's value inside, if it is of this Rust type.
    pub fn downcast<T: Opaque>(&self) -> Option<&T> {
        match self {
            Self::Opaque(inner) => (inner.as_ref() as &dyn Any).downcast_ref(),
            _ => None,
        }
    }

    /// The type that `type()` gives.
    pub fn type_of(&self) -> Type {
        match self {
            Self::Null => Type::Null,
            Self::Bool(_) => Type::Bool,
            Self::Int(_) => Type::Int,
            Self::Uint(_) => Type::Uint,
            Self::Double(_) => Type::Double,
            Self::String(_) => Type::String,
            Self::Bytes(_) => Type::Bytes,
            Self::Timestamp(_) => Type::Timestamp,
            Self::Duration(_) => Type::Duration,
            Self::List(_) => Type::list(Type::Dyn),
            Self::Map(_) => Type::map(Type::Dyn, Type::Dyn),
            Self::Optional(_) => Type::optional(Type::Dyn),
            Self::Type(_) => Type::Type(None),
            Self::Opaque(of) => Type::opaque(of.type_name()),
            Self::Preserved(_) | Self::Failed(_) => Type::Dyn,
        }
    }

    /// What the cost model takes as its size: characters, bytes, items, entries; 1 for all else.
    pub(crate) fn size(&self) -> u64 {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        match self {
            Self::String(text) => count(text.chars().count()),
            Self::Bytes(bytes) => count(bytes.len()),
            Self::List(list) => count(list.len()),
            Self::Map(map) => count(map.len()),
            Self::Optional(Some(of)) => of.size(),
            Self::Opaque(of) => of.size(),
            _ => 1,
        }
    }

    /// Whether it is what an absent value would be: `optional.ofNonZeroValue`.
    pub(crate) fn is_zero(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(b) => !b,
            Self::Int(n) => *n == 0,
            Self::Uint(n) => *n == 0,
            Self::Double(d) => *d == 0.0,
            Self::String(text) => text.is_empty(),
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::Duration(d) => d.0 == 0,
            // The zero time of Go.
            Self::Timestamp(at) => at.nanos == -62_135_596_800_000_000_000,
            Self::Type(_) | Self::Preserved(_) | Self::Failed(_) => false,
            Self::List(list) => list.is_empty(),
            Self::Map(map) => map.is_empty(),
            Self::Optional(of) => of.is_none(),
            Self::Opaque(of) => of.is_zero(),
        }
    }
}

impl<'a> List<'a> {
    pub fn len(&self) -> usize {
        match self {
            Self::Json { items, .. } => items.len(),
            Self::Built(items) | Self::Keyed(items, _) => items.len(),
        }
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    pub(crate) fn kind(&self) -> Option<&'a ListKind> {
        match self {
            Self::Json { kind, .. } | Self::Keyed(_, kind) => Some(kind),
            Self::Built(_) => None,
        }
    }

    /// The item at an index; data that its schema does not allow is an error.
    pub fn get(&self, index: usize) -> Result<Value<'a>> {
        let outside = || EvalError::IndexOutOfBounds(i64::try_from(index).unwrap_or(i64::MAX));
        match self {
            Self::Json { items, item, .. } => from_json(items.get(index).ok_or_else(outside)?, item),
            Self::Built(items) | Self::Keyed(items, _) => items.get(index).cloned().ok_or_else(outside),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = Result<Value<'a>>> + '_ {
        (0..self.len()).map(|n| self.get(n))
    }

    /// All items, read.
    pub fn to_vec(&self) -> Result<Vec<Value<'a>>> {
        match self {
            Self::Built(items) | Self::Keyed(items, _) => Ok(items.as_ref().clone()),
            Self::Json { .. } => self.iter().collect(),
        }
    }
}

impl<'a> Map<'a> {
    pub fn len(&self) -> usize {
        match self {
            Self::Object { entries, .. } | Self::Json { entries, .. } => entries.len(),
            Self::Built(entries) => entries.len(),
        }
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a key; a key that no map can have is an error. Nulls of known fields are absent.
    pub fn find(&self, key: &Value<'_>) -> Result<Option<Value<'a>>> {
        match (self, key) {
            (Self::Object { .. } | Self::Json { .. }, Value::String(name)) => self.field(name),
            (Self::Object { .. } | Self::Json { .. }, _) => Err(EvalError::NoSuchOverload),
            (Self::Built(entries), key) => read(Key::lookup(key).and_then(|key| entries.get(&key))),
        }
    }

    /// The value of a string key.
    pub fn field(&self, name: &str) -> Result<Option<Value<'a>>> {
        match self {
            Self::Object { entries, ty } => {
                let Some(field) = ty.field(name) else { return Ok(None) };
                let value = entries.get(field.json.as_ref()).filter(|v| !v.is_null());
                value.map(|v| from_json(v, &field.decl)).transpose()
            }
            Self::Json { entries, value } => entries.get(name).map(|v| from_json(v, value)).transpose(),
            Self::Built(entries) => read(entries.get(&Key::String(name.into()))),
        }
    }

    /// The keys, sorted.
    pub fn keys(&self) -> Vec<Value<'a>> {
        match self {
            Self::Object { entries, ty } => {
                let known = ty.fields.iter().filter(|(_, f)| entries.contains_key(f.json.as_ref()));
                known.map(|(name, _)| Value::String(Text::Shared(name.clone()))).collect()
            }
            Self::Json { entries, .. } => entries.keys().map(|k| Value::String(Text::Borrowed(k))).collect(),
            Self::Built(entries) => entries.keys().map(Key::to_value).collect(),
        }
    }
}

/// An entry, unless it failed.
fn read<'a>(value: Option<&Value<'a>>) -> Result<Option<Value<'a>>> {
    match value {
        Some(Value::Failed(error)) => Err(error.as_ref().clone()),
        other => Ok(other.cloned()),
    }
}

impl Key {
    /// The key that a value makes in a literal; `None` for types that cannot be keys.
    pub(crate) fn of(value: &Value<'_>) -> Option<Self> {
        Some(match value {
            Value::Bool(b) => Self::Bool(*b),
            Value::Int(n) => Self::Int(*n),
            Value::Uint(n) => Self::Uint(*n),
            Value::String(text) => Self::String(text.to_arc()),
            _ => return None,
        })
    }

    /// As [`Key::of`], and whole doubles find numbers.
    fn lookup(value: &Value<'_>) -> Option<Self> {
        match value {
            Value::Double(d) if d.fract() == 0.0 && d.abs() < 9_007_199_254_740_992.0 => Some(Self::Int(*d as i64)),
            other => Self::of(other),
        }
    }

    pub fn to_value<'a>(&self) -> Value<'a> {
        match self {
            Self::Bool(b) => Value::Bool(*b),
            Self::Int(n) => Value::Int(*n),
            Self::Uint(n) => Value::Uint(*n),
            Self::String(text) => Value::String(Text::Shared(text.clone())),
        }
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        let number = |key: &Self| match key {
            Self::Int(n) => Some(i128::from(*n)),
            Self::Uint(n) => Some(i128::from(*n)),
            _ => None,
        };
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::String(a), Self::String(b)) => a.cmp(b),
            (Self::Bool(_), _) => Ordering::Less,
            (_, Self::Bool(_)) => Ordering::Greater,
            (Self::String(_), _) => Ordering::Greater,
            (_, Self::String(_)) => Ordering::Less,
            _ => number(self).cmp(&number(other)),
        }
    }
}
impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Key {}

impl Text<'_> {
    pub fn to_arc(&self) -> Arc<str> {
        match self {
            Self::Borrowed(text) => Arc::from(*text),
            Self::Shared(text) => text.clone(),
        }
    }
}
impl Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(text) => text,
        }
    }
}
impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
impl<'a> From<Cow<'a, str>> for Text<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Self::Borrowed(text),
            Cow::Owned(text) => Self::Shared(text.into()),
        }
    }
}
