//! One step of a field path: `structured-merge-diff/fieldpath/element.go`, `serialize-pe.go`.

use serde_json::{Map, Value};
use std::cmp::Ordering;
use std::fmt;

/// Which child. Ordered by kind, then content.
#[derive(Clone, Debug)]
pub enum PathElement {
    /// A field of a struct or a key of a map.
    Field(String),
    /// The item of a list whose keys have these values; sorted by key.
    Key(Vec<(String, Value)>),
    /// The item of a set that is this value.
    Value(Value),
    /// The item at this place; upstream reads such paths, nothing makes them.
    Index(i64),
}

impl PathElement {
    pub fn field(name: impl Into<String>) -> Self {
        Self::Field(name.into())
    }

    /// The key of `fieldsV1`: `f:replicas`, `k:{"name":"a"}`, `v:"a"`, `i:0`.
    pub(super) fn encode(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => {
                let keys: Map<String, Value> = keys.iter().cloned().collect();
                format!("k:{}", Value::Object(keys))
            }
            Self::Value(value) => format!("v:{value}"),
            Self::Index(index) => format!("i:{index}"),
        }
    }

    /// None for a kind of element that is not known, which readers skip.
    pub(super) fn decode(text: &str) -> Result<Option<Self>, String> {
        let wrong = |e: &dyn fmt::Display| format!("parsing key {text:?} as path element: {e}");
        let Some((kind, rest)) = text.split_at_checked(2) else { return Err(wrong(&"key must be 2 characters long")) };
        if !kind.ends_with(':') {
            return Err(wrong(&"missing colon"));
        }
        Ok(Some(match kind {
            "f:" => Self::Field(rest.to_owned()),
            "k:" => {
                let keys: Map<String, Value> = serde_json::from_str(rest).map_err(|e| wrong(&e))?;
                Self::Key(keys.into_iter().collect())
            }
            "v:" => Self::Value(serde_json::from_str(rest).map_err(|e| wrong(&e))?),
            "i:" => Self::Index(rest.parse().map_err(|e| wrong(&e))?),
            _ => return Ok(None),
        }))
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Field(_) => 0,
            Self::Key(_) => 1,
            Self::Value(_) => 2,
            Self::Index(_) => 3,
        }
    }
}

/// `.name`, `[key=value]`, `[=value]`, `[0]`.
impl fmt::Display for PathElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(keys) => {
                let told: Vec<String> = keys.iter().map(|(k, v)| format!("{k}={v}")).collect();
                write!(f, "[{}]", told.join(","))
            }
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

impl Ord for PathElement {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Field(a), Self::Field(b)) => a.cmp(b),
            (Self::Key(a), Self::Key(b)) => {
                let pairs = a.iter().zip(b).map(|((ka, va), (kb, vb))| ka.cmp(kb).then_with(|| order(va, vb)));
                pairs.fold(Ordering::Equal, Ordering::then).then(a.len().cmp(&b.len()))
            }
            (Self::Value(a), Self::Value(b)) => order(a, b),
            (Self::Index(a), Self::Index(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for PathElement {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for PathElement {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for PathElement {}

/// A total order of JSON values. Numbers are equal by amount: `1` is `1.0`.
pub(super) fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => match (x.as_i64(), y.as_i64()) {
            (Some(x), Some(y)) => x.cmp(&y),
            _ => x.as_f64().unwrap_or_default().total_cmp(&y.as_f64().unwrap_or_default()),
        },
        (Value::String(x), Value::String(y)) => x.cmp(y),
        (Value::Bool(x), Value::Bool(y)) => x.cmp(y),
        (Value::Array(x), Value::Array(y)) => {
            let pairs = x.iter().zip(y).map(|(a, b)| order(a, b));
            pairs.fold(Ordering::Equal, Ordering::then).then(x.len().cmp(&y.len()))
        }
        (Value::Object(x), Value::Object(y)) => {
            let pairs = x.iter().zip(y).map(|((ka, va), (kb, vb))| ka.cmp(kb).then_with(|| order(va, vb)));
            pairs.fold(Ordering::Equal, Ordering::then).then(x.len().cmp(&y.len()))
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    }
}
