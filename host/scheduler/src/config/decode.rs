//! [`Reader`]: takes a JSON tree apart field by field, and remembers what nobody asked for and what is wrong, each with its
//! path: strict decoding and `field.Error` of apimachinery.

use object::{Map, Value, json};
use std::fmt::{self, Display};

/// All that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    pub causes: Vec<String>,
}

impl Invalid {
    pub(super) fn one(cause: String) -> Self {
        Self { causes: vec![cause] }
    }
}

/// As upstream's aggregates: one as it is, more in brackets.
impl Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.causes.as_slice() {
            [one] => f.write_str(one),
            all => write!(f, "[{}]", all.join(", ")),
        }
    }
}

impl std::error::Error for Invalid {}

/// A place in the tree.
pub struct Reader<'a> {
    value: &'a Value,
    path: String,
    asked: Vec<&'static str>,
    /// What cannot be decoded, what is not known, and what is not valid: told in this order, the later only without the earlier.
    unreadable: Vec<String>,
    unknown: Vec<String>,
    invalid: Vec<String>,
}

impl<'a> Reader<'a> {
    pub fn new(value: &'a Value) -> Self {
        Self::at(value, String::new())
    }

    fn at(value: &'a Value, path: String) -> Self {
        Self { value, path, asked: Vec::new(), unreadable: Vec::new(), unknown: Vec::new(), invalid: Vec::new() }
    }

    /// # Errors
    /// What is wrong.
    pub fn finish(mut self) -> Result<(), Invalid> {
        self.leave();
        if !self.unreadable.is_empty() {
            return Err(Invalid { causes: self.unreadable });
        }
        if !self.unknown.is_empty() {
            return Err(Invalid::one(format!("strict decoding error: {}", self.unknown.join(", "))));
        }
        if self.invalid.is_empty() { Ok(()) } else { Err(Invalid { causes: self.invalid }) }
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// The field at this place is taken as it is.
    pub fn any(&mut self) -> Value {
        self.asked.extend(["*"]);
        self.value.clone()
    }

    /// Fields that are read elsewhere.
    pub fn known(&mut self, fields: &[&'static str]) {
        self.asked.extend(fields);
    }

    pub fn has(&self, field: &str) -> bool {
        self.value.get(field).is_some_and(|value| !value.is_null())
    }

    pub fn text(&mut self, field: &'static str) -> Option<String> {
        self.typed(field, "string", |value| value.as_str().map(str::to_owned))
    }

    pub fn integer(&mut self, field: &'static str) -> Option<i64> {
        self.typed(field, "int", Value::as_i64)
    }

    pub fn number(&mut self, field: &'static str) -> Option<f64> {
        self.typed(field, "float32", Value::as_f64)
    }

    pub fn boolean(&mut self, field: &'static str) -> Option<bool> {
        self.typed(field, "bool", Value::as_bool)
    }

    pub fn texts(&mut self, field: &'static str) -> Option<Vec<String>> {
        self.typed(field, "[]string", |value| value.as_array()?.iter().map(|v| v.as_str().map(str::to_owned)).collect())
    }

    /// A field of any shape, whose reader is elsewhere.
    pub fn raw(&mut self, field: &'static str) -> Option<&'a Value> {
        self.asked.push(field);
        self.value.get(field).filter(|value| !value.is_null())
    }

    pub fn object<T>(&mut self, field: &'static str, read: impl FnOnce(&mut Reader<'a>) -> T) -> Option<T> {
        let value = self.typed_ref(field, "object", |value| value.is_object().then_some(value))?;
        Some(self.inside(value, self.child(field), read))
    }

    pub fn list<T>(&mut self, field: &'static str, read: impl Fn(&mut Reader<'a>) -> T) -> Option<Vec<T>> {
        let values = self.typed_ref(field, "array", |value| value.as_array())?;
        let path = self.child(field);
        Some(values.iter().enumerate().map(|(at, value)| self.inside(value, format!("{path}[{at}]"), &read)).collect())
    }

    /// Runs `read` at a place below.
    pub fn inside<T>(&mut self, value: &'a Value, path: String, read: impl FnOnce(&mut Reader<'a>) -> T) -> T {
        let mut below = Reader::at(value, path);
        let made = read(&mut below);
        below.leave();
        self.unreadable.append(&mut below.unreadable);
        self.unknown.append(&mut below.unknown);
        self.invalid.append(&mut below.invalid);
        made
    }

    /// `field.Invalid`.
    pub fn invalid(&mut self, field: &str, value: impl serde::Serialize, why: &str) {
        let shown = json!(value);
        self.wrong(field, &format!("Invalid value: {shown}: {why}"));
    }

    /// `field.NotSupported`.
    pub fn unsupported(&mut self, field: &str, value: &str, supported: &[&str]) {
        let supported: Vec<String> = supported.iter().map(|one| format!("{one:?}")).collect();
        self.wrong(field, &format!("Unsupported value: {value:?}: supported values: {}", supported.join(", ")));
    }

    /// `field.Required`; without a reason when it is empty.
    pub fn required(&mut self, field: &str, why: &str) {
        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
        self.wrong(field, &format!("Required value{why}"));
    }

    /// `field.Forbidden`.
    pub fn forbidden(&mut self, field: &str, why: &str) {
        self.wrong(field, &format!("Forbidden: {why}"));
    }

    /// `field.Duplicate`.
    pub fn duplicate(&mut self, field: &str, value: &str) {
        self.wrong(field, &format!("Duplicate value: {value:?}"));
    }

    fn wrong(&mut self, field: &str, what: &str) {
        let told = format!("{}: {what}", self.child(field));
        self.invalid.push(told);
    }

    /// What cannot be decoded at all.
    pub fn unreadable(&mut self, told: String) {
        self.unreadable.push(told);
    }

    fn child(&self, field: &str) -> String {
        match (self.path.is_empty(), field.is_empty()) {
            (_, true) => self.path.clone(),
            (true, false) => field.to_owned(),
            (false, false) => format!("{}.{field}", self.path),
        }
    }

    fn typed<T>(&mut self, field: &'static str, kind: &str, take: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        self.typed_ref(field, kind, take)
    }

    fn typed_ref<T>(&mut self, field: &'static str, kind: &str, take: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.raw(field)?;
        let taken = take(value);
        if taken.is_none() {
            let found = match value {
                Value::String(_) => "string",
                Value::Number(_) => "number",
                Value::Bool(_) => "bool",
                Value::Array(_) => "array",
                Value::Object(_) => "object",
                Value::Null => "null",
            };
            self.unreadable.push(format!("json: cannot unmarshal {found} into field {} of type {kind}", self.child(field)));
        }
        taken
    }

    fn leave(&mut self) {
        if self.asked.contains(&"*") {
            return;
        }
        let empty = Map::new();
        for field in self.value.as_object().unwrap_or(&empty).keys() {
            if !self.asked.contains(&field.as_str()) {
                let told = format!("unknown field {:?}", self.child(field));
                self.unknown.push(told);
            }
        }
    }
}
