//! The schema as this engine sees it: what is a leaf, what is a map, what is a list with identities.

use super::element::PathElement;
use crate::schema::{Field, List, ListKind, Schema, Shape};
use crate::tree::Object;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The type of a place. Without a schema it is deduced from the value: maps merge by key, lists are atomic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ty<'g> {
    schema: Option<Schema<'g>>,
    /// Declared atomic by the field that led here.
    atomic: bool,
}

/// How a value of the type merges.
pub(super) enum Form<'g> {
    /// Replaced and owned whole: scalars and whatever is atomic.
    Leaf,
    Map,
    List(ListTy<'g>),
}

/// A list whose items have identities.
#[derive(Clone, Copy)]
pub(super) struct ListTy<'g> {
    list: &'g List,
    pub(super) item: Ty<'g>,
}

impl<'g> Ty<'g> {
    const DEDUCED: Ty<'static> = Ty { schema: None, atomic: false };

    pub(super) fn root(schema: Schema<'g>) -> Self {
        Self { schema: Some(schema), atomic: false }
    }

    fn of_field(schema: Schema<'g>, field: &Field) -> Self {
        Self { schema: Some(schema.graph.at(field.ty)), atomic: field.atomic }
    }

    pub(super) fn form(self, value: &Value) -> Form<'g> {
        if self.is_atomic() {
            return Form::Leaf;
        }
        let Some(schema) = self.schema else {
            // A null may become either; as a map it leaves alone what others keep there.
            return if value.is_object() || value.is_null() { Form::Map } else { Form::Leaf };
        };
        match schema.shape() {
            Shape::Struct(_) | Shape::Map { .. } => Form::Map,
            Shape::List(list) => Form::List(ListTy { list, item: Self { schema: Some(schema.graph.at(list.item)), atomic: false } }),
            Shape::Scalar(_) | Shape::Any => Form::Leaf,
        }
    }

    pub(super) fn is_atomic(self) -> bool {
        self.atomic
            || self.schema.is_some_and(|schema| match schema.shape() {
                Shape::Struct(shape) => shape.atomic,
                Shape::Map { atomic, .. } => *atomic,
                Shape::List(list) => list.kind == ListKind::Atomic,
                Shape::Any => true,
                Shape::Scalar(_) => false,
            })
    }

    /// Whether `key` is a declared field of a struct here, and the type below it.
    pub(super) fn child(self, key: &str) -> (bool, Ty<'g>) {
        let Some(schema) = self.schema else { return (false, Ty::DEDUCED) };
        match schema.shape() {
            Shape::Struct(shape) => match shape.field(key) {
                Some(field) => (true, Ty::of_field(schema, field)),
                None => (false, Ty::DEDUCED),
            },
            Shape::Map { value, .. } => (false, Ty { schema: Some(schema.graph.at(*value)), atomic: false }),
            _ => (false, Ty::DEDUCED),
        }
    }

    /// The same for any path element; no type where the element does not fit.
    pub(super) fn step(self, element: &PathElement) -> (bool, Option<Ty<'g>>) {
        match element {
            PathElement::Field(name) => {
                let (declared, below) = self.child(name);
                (declared, Some(below))
            }
            PathElement::Key(_) | PathElement::Value(_) => {
                let item = self.schema.and_then(Schema::item);
                (false, item.map(|schema| Ty { schema: Some(schema), atomic: false }))
            }
            PathElement::Index(_) => (false, None),
        }
    }

    /// A struct of a built-in type: a Go struct that the root holds by value, never absent.
    pub(super) fn is_embedded_struct(self, key: &str) -> bool {
        let field = self.schema.and_then(|schema| schema.field(key));
        let (Some(field), Some(schema)) = (field, self.schema) else { return false };
        field.tag > 0 && matches!(schema.graph.at(field.ty).shape(), Shape::Struct(_))
    }
}

impl ListTy<'_> {
    /// What identifies an item: its keys, with their defaults, or the scalar itself.
    pub(super) fn element(&self, item: &Value) -> Result<PathElement, String> {
        let keys = match &self.list.kind {
            ListKind::Map(keys) => keys,
            ListKind::Set | ListKind::Atomic => {
                return match item {
                    Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
                    Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
                    Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
                    scalar => Ok(PathElement::Value(scalar.clone())),
                };
            }
        };
        let Value::Object(map) = item else {
            let what = if item.is_null() { "a null element" } else { "non-map elements" };
            return Err(format!("associative list with keys may not have {what}"));
        };
        let default = |key: &str| self.item.schema.and_then(|s| s.field(key)).and_then(|f| f.default.clone());
        let value = |key: &str| map.get(key).filter(|v| !v.is_null()).cloned().or_else(|| default(key));
        let mut found: Vec<(String, Value)> = keys.iter().filter_map(|key| Some((key.to_string(), value(key)?))).collect();
        if found.is_empty() {
            let told: Vec<String> = keys.iter().map(|k| format!("{k:?}")).collect();
            return Err(format!(
                "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
                told.join(" ")
            ));
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(PathElement::Key(found))
    }
}

/// How an error of an unknown field ends.
pub(super) const UNDECLARED: &str = ": field not declared in schema";

/// Violations of the schema by an applied configuration, each with its path (`typed/validate.go`).
pub(super) fn validate(object: &Map<String, Value>, ty: Ty<'_>) -> Vec<String> {
    let mut errors = Vec::new();
    validate_map(object, ty, "", &mut errors);
    errors
}

fn validate_map(map: &Map<String, Value>, ty: Ty<'_>, path: &str, errors: &mut Vec<String>) {
    let closed = ty.schema.is_some_and(|s| matches!(s.shape(), Shape::Struct(shape) if !shape.preserve_unknown));
    for (key, value) in map {
        let (declared, below) = ty.child(key);
        let path = format!("{path}.{key}");
        if closed && !declared {
            errors.push(format!("{path}{UNDECLARED}"));
        } else {
            validate_value(value, below, &path, errors);
        }
    }
}

fn validate_value(value: &Value, ty: Ty<'_>, path: &str, errors: &mut Vec<String>) {
    let Some(schema) = ty.schema else { return };
    let mut wrong = |expected: &str| errors.push(format!("{path}: expected {expected}, got {value}"));
    match (schema.shape(), value) {
        (_, Value::Null) | (Shape::Any, _) => {}
        (Shape::Struct(_) | Shape::Map { .. }, Value::Object(map)) => validate_map(map, ty, path, errors),
        (Shape::Struct(_) | Shape::Map { .. }, _) => wrong("map"),
        (Shape::List(list), Value::Array(items)) => {
            let list_ty = ListTy { list, item: Ty { schema: Some(schema.graph.at(list.item)), atomic: false } };
            let mut seen = BTreeSet::new();
            for (index, item) in items.iter().enumerate() {
                if ty.is_atomic() {
                    validate_value(item, list_ty.item, &format!("{path}[{index}]"), errors);
                    continue;
                }
                match list_ty.element(item) {
                    Ok(element) => {
                        validate_value(item, list_ty.item, &format!("{path}{element}"), errors);
                        if seen.contains(&element) {
                            errors.push(format!("{path}: duplicate entries for key {element}"));
                        }
                        seen.insert(element);
                    }
                    Err(error) => {
                        errors.push(format!("{path}: element {index}: {error}"));
                        return;
                    }
                }
            }
        }
        (Shape::List(_), _) => wrong("list"),
        (Shape::Scalar(_), Value::Object(_) | Value::Array(_)) => wrong("any scalar"),
        (Shape::Scalar(_), _) => {}
    }
}

/// Takes away the nulls that pruning leaves where a list or map has lost its last item.
pub(super) fn drop_nulls(object: &mut Object, ty: Ty<'_>) {
    drop_in_map(object.as_map_mut(), ty);
}

fn drop_in_map(map: &mut Map<String, Value>, ty: Ty<'_>) {
    map.retain(|key, value| {
        let nullable = ty.schema.is_none_or(|s| s.field(key).is_none_or(|f| f.nullable));
        nullable || !value.is_null()
    });
    for (key, value) in map.iter_mut() {
        let (_, below) = ty.child(key);
        drop_in_value(value, below);
    }
}

fn drop_in_value(value: &mut Value, ty: Ty<'_>) {
    match (ty.form(value), value) {
        (Form::Map, Value::Object(map)) => drop_in_map(map, ty),
        (Form::List(list), Value::Array(items)) => items.iter_mut().for_each(|item| drop_in_value(item, list.item)),
        _ => {}
    }
}
