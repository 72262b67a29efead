//! Values against schemas, in the words of `k8s.io/kube-openapi/pkg/validation/{validate,errors}` as
//! `apiextensions-apiserver/pkg/apiserver/validation` translates them to causes.
//!
//! Updates ratchet (KEP-4008): what a part that did not change violates is no error. Which part of the old object
//! corresponds to one of the new is told by [`Correlated`].

mod number;

use super::formats;
use super::pattern;
use super::props::{Additional, Props};
use object::Value;
use object::field::{ErrorList, Path};
use regex::Regex;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Compiled patterns of one schema.
#[derive(Debug, Default)]
pub struct Patterns(Mutex<HashMap<String, Option<Regex>>>);

/// A value and what stood in its place before: `k8s.io/apiserver/pkg/cel/common/equality.go` CorrelatedObject.
#[derive(Clone, Copy, Debug)]
pub struct Correlated<'v> {
    pub new: &'v Value,
    pub old: Option<&'v Value>,
    /// Without one there is nothing to correlate below.
    pub schema: Option<&'v Props>,
}

impl<'v> Correlated<'v> {
    pub fn new(new: &'v Value, old: &'v Value, schema: &'v Props) -> Self {
        Self { new, old: Some(old), schema: Some(schema) }
    }

    pub fn is_same(self) -> bool {
        match self.old {
            Some(old) => old == self.new,
            None => self.new.is_null(),
        }
    }

    /// The field of both, when both are maps and the schema knows it.
    pub fn key(self, field: &str) -> Option<Self> {
        let (new, old) = (self.new.as_object()?, self.old?.as_object()?);
        let schema = self.schema?.of_field(field)?;
        Some(Self { new: new.get(field)?, old: old.get(field), schema: Some(schema) })
    }

    /// The item at an index and the old one with the same keys; only lists of type `map` have such.
    pub fn index(self, index: usize) -> Option<Self> {
        let list = self.schema?;
        let new = self.new.as_array()?.get(index)?;
        let old = same_item(list, self.old?.as_array()?, new)?;
        Some(Self { new, old: Some(old), schema: Some(list.items.as_deref()?) })
    }
}

/// The item of a map list with the same keys.
pub fn same_item<'v>(list: &Props, old: &'v [Value], item: &Value) -> Option<&'v Value> {
    if !list.is_map_list() || list.list_map_keys.is_empty() {
        return None;
    }
    let keys = |item: &Value| -> Option<Vec<Value>> {
        let map = item.as_object()?;
        Some(list.list_map_keys.iter().map(|key| map.get(key).cloned().unwrap_or_default()).collect())
    };
    let wanted = keys(item)?;
    // Of duplicates the last counts, as in the map that upstream fills.
    old.iter().rev().find(|other| keys(other).as_ref() == Some(&wanted))
}

/// Which upstream error a fault is translated to.
#[derive(Clone, Debug, PartialEq)]
enum Code {
    Invalid,
    /// Of no single value: `anyOf` and the like.
    Composite,
    TypeInvalid,
    Required,
    Enum(Vec<String>),
    TooLong(i64),
    TooMany(i64, i64),
}

#[derive(Clone, Debug)]
struct Fault {
    path: String,
    code: Code,
    value: Value,
    message: String,
}

#[derive(Clone, Debug, Default)]
struct Outcome {
    faults: Vec<Fault>,
    /// Checks that held: tells which alternative came closest.
    matched: usize,
}

impl Outcome {
    fn add(&mut self, fault: Fault) {
        if !self.faults.iter().any(|f| f.message == fault.message) {
            self.faults.push(fault);
        }
    }
    fn merge(&mut self, other: Outcome) {
        self.matched += other.matched;
        other.faults.into_iter().for_each(|f| self.add(f));
    }
    fn is_valid(&self) -> bool {
        self.faults.is_empty()
    }
}

/// All violations of a value. `at` is where it stands in its object; the root of the object is `Path::root()`.
/// `ratchet`: the old value, when violations of unchanged parts are to be let pass.
pub fn validate(schema: &Props, patterns: &Patterns, value: &Value, at: &Path, ratchet: Option<Correlated<'_>>, errors: &mut ErrorList) {
    let walk = Walk { patterns };
    let outcome = walk.node(schema, value, "", ratchet);
    if ratchet.is_some_and(Correlated::is_same) {
        return;
    }
    for fault in outcome.faults {
        tell(fault, at, errors);
    }
}

/// Upstream prints the path of an object's root so.
const NO_PATH: &str = "<nil>";

fn tell(fault: Fault, at: &Path, errors: &mut ErrorList) {
    let named = fault.path.strip_prefix('.').unwrap_or(&fault.path);
    let path = match (at.as_str().is_empty(), named.is_empty()) {
        (true, true) => Path::new(NO_PATH),
        (_, true) => at.clone(),
        _ => at.child(named),
    };
    // A value that is not given reads as an empty string; that an enumeration lacks null is told so.
    let absent = if matches!(fault.code, Code::Enum(_)) { "null" } else { "" };
    let value = if fault.value.is_null() { Value::from(absent) } else { fault.value };
    match fault.code {
        Code::Invalid => errors.invalid(&path, value, &fault.message),
        Code::Composite => {
            let path = if at.as_str().is_empty() { Path::new(NO_PATH) } else { at.clone() };
            errors.invalid(&path, "", &fault.message);
        }
        Code::TypeInvalid => errors.type_invalid(&path, value, &fault.message),
        Code::Required => errors.required(&path, ""),
        Code::Enum(supported) => {
            let supported: Vec<&str> = supported.iter().map(String::as_str).collect();
            errors.not_supported(&path, value, &supported);
        }
        Code::TooLong(max) => errors.too_long(&path, usize::try_from(max).unwrap_or_default()),
        Code::TooMany(actual, max) => {
            errors.too_many(&path, usize::try_from(actual).unwrap_or_default(), usize::try_from(max).unwrap_or_default());
        }
    }
}

struct Walk<'s> {
    patterns: &'s Patterns,
}

impl Walk<'_> {
    /// A field's or an item's value: what it violates is let pass when it did not change.
    fn child(&self, schema: &Props, value: &Value, path: String, at: Option<Correlated<'_>>) -> Outcome {
        let mut outcome = self.node(schema, value, &path, at);
        if !outcome.is_valid() && at.is_some_and(Correlated::is_same) {
            outcome.faults.clear();
        }
        outcome
    }

    fn node(&self, schema: &Props, value: &Value, path: &str, at: Option<Correlated<'_>>) -> Outcome {
        let mut out = Outcome::default();
        let types = schema.types();
        let format = if formats::is_supported(types, &schema.format) { schema.format.as_str() } else { "" };
        if value.is_null() {
            if !types.is_empty() && !schema.nullable {
                out.add(wrong_type(path, &types.join(","), "null"));
            } else {
                out.matched += 1;
            }
            self.enumeration(schema, value, path, &mut out);
            return out;
        }
        if !types.is_empty() || !format.is_empty() {
            match type_fault(types, format, value, path) {
                Some(fault) => out.add(fault),
                None => out.matched += 1,
            }
            out.matched += 1;
        }
        out.merge(self.junctors(schema, value, path, at));
        out.matched += 1;
        match value {
            Value::String(text) => {
                if let Some(fault) = self.string(schema, text, path) {
                    out.add(fault);
                }
                out.matched += 1;
                if !format.is_empty() {
                    if !formats::holds(format, text) {
                        let message = format!("{path} in body must be of type {format}: {}", quote(text));
                        out.add(Fault { path: path.to_owned(), code: Code::TypeInvalid, value: value.clone(), message });
                    }
                    out.matched += 1;
                }
            }
            Value::Number(number) => {
                out.merge(number::check(schema, types, format, number, path));
                out.matched += 1;
            }
            Value::Array(items) => {
                out.merge(self.list(schema, items, path, at));
                out.matched += 1;
            }
            _ => {}
        }
        self.enumeration(schema, value, path, &mut out);
        out.matched += 1;
        if let Value::Object(map) = value {
            out.merge(self.object(schema, map, path, at));
            out.matched += 1;
        }
        out.matched += 1;
        out
    }

    fn enumeration(&self, schema: &Props, value: &Value, path: &str, out: &mut Outcome) {
        if schema.enumeration.is_empty() || schema.enumeration.iter().any(|allowed| number::equal(allowed, value)) {
            return;
        }
        let told = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
        let values: Vec<String> = schema.enumeration.iter().map(told).collect();
        let message = format!("{path} in body should be one of [{}]", values.join(" "));
        let code = Code::Enum(values);
        // The value is told as it is, also null.
        out.add(Fault { path: path.to_owned(), code, value: value.clone(), message });
    }

    fn string(&self, schema: &Props, text: &str, path: &str) -> Option<Fault> {
        let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
        let fault = |code, message| Some(Fault { path: path.to_owned(), code, value: Value::from(text), message });
        if let Some(max) = schema.max_length.filter(|max| length > *max) {
            return fault(Code::TooLong(max), format!("{path} in body should be at most {max} chars long"));
        }
        if let Some(min) = schema.min_length.filter(|min| length < *min) {
            return fault(Code::Invalid, format!("{path} in body should be at least {min} chars long"));
        }
        if !schema.pattern.is_empty() && !self.patterns.matches(&schema.pattern, text) {
            return fault(Code::Invalid, format!("{path} in body should match '{}'", schema.pattern));
        }
        None
    }

    fn list(&self, schema: &Props, items: &[Value], path: &str, at: Option<Correlated<'_>>) -> Outcome {
        let mut out = Outcome::default();
        if let Some(item_schema) = &schema.items {
            for (index, item) in items.iter().enumerate() {
                let at = at.and_then(|at| at.index(index));
                out.merge(self.child(item_schema, item, format!("{path}[{index}]"), at));
            }
        }
        let size = i64::try_from(items.len()).unwrap_or(i64::MAX);
        if let Some(min) = schema.min_items.filter(|min| size < *min) {
            let message = format!("{path} in body should have at least {min} items");
            out.add(Fault { path: path.to_owned(), code: Code::Invalid, value: Value::from(size), message });
        }
        if let Some(max) = schema.max_items.filter(|max| size > *max) {
            let message = format!("{path} in body should have at most {max} items");
            out.add(Fault { path: path.to_owned(), code: Code::TooMany(size, max), value: Value::from(size), message });
        }
        if schema.unique_items && items.iter().enumerate().any(|(at, item)| items.iter().take(at).any(|other| other == item)) {
            let message = format!("{path} in body shouldn't contain duplicates");
            out.add(Fault { path: path.to_owned(), code: Code::Invalid, value: Value::Null, message });
        }
        out.matched += 1;
        out
    }

    fn object(&self, schema: &Props, map: &object::Map<String, Value>, path: &str, at: Option<Correlated<'_>>) -> Outcome {
        let mut out = Outcome::default();
        let size = i64::try_from(map.len()).unwrap_or(i64::MAX);
        if let Some(min) = schema.min_properties.filter(|min| size < *min) {
            let message = format!("{path} in body should have at least {min} properties");
            out.add(Fault { path: path.to_owned(), code: Code::Invalid, value: Value::from(size), message });
        }
        if let Some(max) = schema.max_properties.filter(|max| size > *max) {
            let message = format!("{path} in body should have at most {max} properties");
            out.add(Fault { path: path.to_owned(), code: Code::TooMany(size, max), value: Value::from(size), message });
        }
        // What is hidden by conversion cannot be told to be unchanged.
        let below = |key: &str| at.filter(|_| !(path.is_empty() && matches!(key, "apiVersion" | "kind"))).and_then(|at| at.key(key));
        for (key, value) in map.iter().filter(|(key, _)| !schema.properties.contains_key(*key)) {
            match &schema.additional {
                Some(Additional::Allowed(false)) => {
                    let message = format!("{path}.{key} in body is a forbidden property");
                    out.add(Fault { path: path.to_owned(), code: Code::Invalid, value: Value::from(key.as_str()), message });
                }
                Some(Additional::Schema(schema)) => out.merge(self.child(schema, value, format!("{path}.{key}"), below(key))),
                _ => {}
            }
        }
        for (name, property) in &schema.properties {
            let Some(value) = map.get(name) else { continue };
            let child = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            out.merge(self.child(property, value, child, below(name)));
        }
        for name in schema.required.iter().filter(|name| !map.contains_key(*name)) {
            let path = format!("{path}.{name}");
            let message = format!("{path} in body is required");
            out.add(Fault { path, code: Code::Required, value: Value::Null, message });
        }
        out
    }

    /// `allOf`, `anyOf`, `oneOf`, `not`.
    fn junctors(&self, schema: &Props, value: &Value, path: &str, at: Option<Correlated<'_>>) -> Outcome {
        let mut out = Outcome::default();
        let composite = |message: String| Fault { path: path.to_owned(), code: Code::Composite, value: Value::Null, message };
        let told = quote(path);
        if !schema.any_of.is_empty() {
            let (valid, best) = self.alternatives(&schema.any_of, value, path, at, true);
            if valid == 0 {
                out.add(composite(format!("{told} must validate at least one schema (anyOf)")));
            }
            out.merge(best);
        }
        if !schema.one_of.is_empty() {
            let (valid, best) = self.alternatives(&schema.one_of, value, path, at, false);
            if valid != 1 {
                let found = if valid == 0 { "Found none valid".to_owned() } else { format!("Found {valid} valid alternatives") };
                out.add(composite(format!("{told} must validate one and only one schema (oneOf). {found}")));
            }
            if valid <= 1 {
                out.merge(best);
            }
        }
        if !schema.all_of.is_empty() {
            let mut valid = 0;
            for part in &schema.all_of {
                let outcome = self.node(part, value, path, at);
                valid += usize::from(outcome.is_valid());
                out.merge(outcome);
            }
            if valid != schema.all_of.len() {
                let none = if valid == 0 { ". None validated" } else { "" };
                out.add(composite(format!("{told} must validate all the schemas (allOf){none}")));
            }
        }
        if let Some(not) = &schema.not
            && self.node(not, value, path, at).is_valid()
        {
            out.add(composite(format!("{told} must not validate the schema (not)")));
        }
        out.matched += 1;
        out
    }

    /// How many alternatives hold, and the outcome of the first that does or of the one that came closest.
    fn alternatives(&self, schemas: &[Props], value: &Value, path: &str, at: Option<Correlated<'_>>, stop: bool) -> (usize, Outcome) {
        let (mut valid, mut best): (usize, Option<Outcome>) = (0, None);
        for schema in schemas {
            let outcome = self.node(schema, value, path, at);
            if outcome.is_valid() {
                valid += 1;
                if valid == 1 {
                    best = Some(outcome);
                }
                if stop {
                    break;
                }
            } else if valid == 0 && best.as_ref().is_none_or(|b| outcome.matched > b.matched) {
                best = Some(outcome);
            }
        }
        (valid, best.unwrap_or_default())
    }
}

fn wrong_type(path: &str, expected: &str, got: &str) -> Fault {
    let message = format!("{path} in body must be of type {expected}: {}", quote(got));
    Fault { path: path.to_owned(), code: Code::TypeInvalid, value: Value::from(got), message }
}

fn type_fault(types: &[&str], format: &str, value: &Value, path: &str) -> Option<Fault> {
    let (got, got_format) = match value {
        Value::Null => return None,
        Value::Bool(_) => ("boolean", ""),
        Value::String(_) => ("string", ""),
        Value::Array(_) => ("array", ""),
        Value::Object(_) => ("object", ""),
        Value::Number(n) if n.is_i64() => ("integer", "int64"),
        Value::Number(_) => ("number", "float64"),
    };
    let whole = got == "number" && types.contains(&"integer") && value.as_f64().is_some_and(number::is_whole);
    let widened = got == "integer" && types.contains(&"number");
    let fits = types.contains(&got) || whole || widened;
    let textual = matches!(value, Value::String(_) | Value::Array(_));
    if !textual && !format.is_empty() && !fits && got_format != format {
        return Some(wrong_type(path, format, got_format));
    }
    if !types.contains(&"number") && !types.contains(&"integer") && !format.is_empty() && textual {
        return None;
    }
    if fits { None } else { Some(wrong_type(path, &types.join(","), got)) }
}

impl Patterns {
    /// A pattern that does not compile matches nothing.
    fn matches(&self, pattern: &str, text: &str) -> bool {
        let mut compiled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let regex = match compiled.get(pattern) {
            Some(found) => found,
            None => compiled.entry(pattern.to_owned()).or_insert_with(|| pattern::compile(pattern).ok()),
        };
        regex.as_ref().is_some_and(|regex| regex.is_match(text))
    }
}

/// As Go's `%q`.
fn quote(text: &str) -> String {
    format!("{text:?}")
}

#[cfg(test)]
mod tests;
