//! A tree against its schema.

use super::{At, MAX_WARNINGS, Step};
use crate::quantity::Quantity;
use crate::schema::{Field, Scalar, Schema, Shape};
use crate::time;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

#[derive(Default)]
pub(super) struct Walk {
    pub(super) warnings: Vec<String>,
    pub(super) errors: Vec<String>,
}

impl Walk {
    /// `owner` is the struct whose field this is, for the words of errors.
    pub(super) fn visit(&mut self, value: &mut Value, schema: Schema<'_>, at: &At<'_>, owner: &str) {
        match (schema.shape(), value) {
            (Shape::Any, _) => {}
            (Shape::Struct(shape), Value::Object(map)) => {
                let name = short(schema.name());
                map.retain(|key, value| match shape.field(key) {
                    Some(field) => self.visit_field(value, schema, field, at, name),
                    None if shape.preserve_unknown => true,
                    None => {
                        if self.warnings.len() < MAX_WARNINGS {
                            self.warnings.push(format!("unknown field \"{}\"", at.down(Step::Key(key)).path()));
                        }
                        false
                    }
                });
            }
            (Shape::Map { value: inner, .. }, Value::Object(map)) => {
                let inner = schema.graph.at(*inner);
                for (key, value) in map.iter_mut() {
                    zero_for_null(value, inner);
                    self.visit(value, inner, &at.down(Step::Key(key)), owner);
                }
            }
            (Shape::List(list), Value::Array(items)) => {
                let inner = schema.graph.at(list.item);
                for (index, item) in items.iter_mut().enumerate() {
                    zero_for_null(item, inner);
                    self.visit(item, inner, &at.down(Step::Index(index)), owner);
                }
            }
            (Shape::Scalar(scalar), value) => self.scalar(value, *scalar, at, owner),
            (_, value) => self.wrong_type(value, &go_type(schema), at, owner),
        }
    }

    /// Whether the field stays.
    fn visit_field(&mut self, value: &mut Value, parent: Schema<'_>, field: &Field, at: &At<'_>, owner: &str) -> bool {
        if value.is_null() {
            return field.nullable;
        }
        let schema = parent.graph.at(field.ty);
        self.visit(value, schema, &at.down(Step::Field(&field.name)), owner);
        // Upstream's structs leave out empty lists and maps (`omitempty`); what has no protobuf tag is a custom resource,
        // where empty and absent differ.
        let omit_empty = field.tag > 0 && !field.required;
        let empty = match (schema.shape(), &*value) {
            (Shape::List(_), Value::Array(items)) => items.is_empty(),
            (Shape::Map { .. }, Value::Object(map)) => map.is_empty(),
            _ => false,
        };
        !(omit_empty && empty)
    }

    fn scalar(&mut self, value: &mut Value, scalar: Scalar, at: &At<'_>, owner: &str) {
        match (scalar, &*value) {
            (Scalar::String, Value::String(_)) | (Scalar::Boolean, Value::Bool(_)) | (Scalar::Float64, Value::Number(_)) => {}
            (Scalar::Int32, Value::Number(n)) => {
                if n.as_i64().is_none_or(|n| i32::try_from(n).is_err()) {
                    self.wrong_number(&n.to_string(), "int32", at, owner);
                }
            }
            (Scalar::Int64, Value::Number(n)) => {
                if !n.is_i64() {
                    self.wrong_number(&n.to_string(), "int64", at, owner);
                }
            }
            (Scalar::IntOrString, Value::String(_)) => {}
            (Scalar::IntOrString, Value::Number(n)) => {
                if n.as_i64().is_none_or(|n| i32::try_from(n).is_err()) {
                    self.errors.push(format!("json: cannot unmarshal number {n} into Go value of type int32 ({})", at.path()));
                }
            }
            (Scalar::Bytes, Value::String(text)) => {
                let dense: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
                if let Err(error) = STANDARD.decode(dense) {
                    let offset = match error {
                        base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
                        _ => text.len(),
                    };
                    self.errors.push(format!("{}: illegal base64 data at input byte {offset}", at.path()));
                }
            }
            (Scalar::Quantity, Value::String(_) | Value::Number(_)) => match Quantity::from_value(value) {
                Ok(quantity) => set(value, quantity.to_string()),
                Err(error) => self.errors.push(format!("{}: {error}", at.path())),
            },
            (Scalar::Time | Scalar::MicroTime, Value::String(text)) => match time::parse(text) {
                Some(at) if scalar == Scalar::Time => set(value, time::format(at)),
                Some(at) => set(value, time::format_micro(at)),
                None => {
                    let told =
                        format!("{}: parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?} as RFC 3339", at.path());
                    self.errors.push(told);
                }
            },
            (Scalar::Duration, Value::String(text)) => match time::parse_duration(text) {
                Some(nanos) => set(value, time::format_duration(nanos)),
                None => {
                    let told = format!("{}: time: invalid duration {text:?}", at.path());
                    self.errors.push(told);
                }
            },
            (_, other) => self.wrong_type(other, go_scalar(scalar), at, owner),
        }
    }

    fn wrong_type(&mut self, value: &Value, expected: &str, at: &At<'_>, owner: &str) {
        let got = match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        self.told_wrong(got, expected, at, owner);
    }

    fn wrong_number(&mut self, number: &str, expected: &str, at: &At<'_>, owner: &str) {
        self.told_wrong(&format!("number {number}"), expected, at, owner);
    }

    fn told_wrong(&mut self, got: &str, expected: &str, at: &At<'_>, owner: &str) {
        let fields = at.fields();
        self.errors.push(if fields.is_empty() {
            format!("json: cannot unmarshal {got} into Go value of type {expected}")
        } else {
            format!("json: cannot unmarshal {got} into Go struct field {owner}.{fields} of type {expected}")
        });
    }
}

/// A null where Go has no pointer to leave nil is the type's zero value.
fn zero_for_null(value: &mut Value, schema: Schema<'_>) {
    if !value.is_null() {
        return;
    }
    *value = match schema.shape() {
        Shape::Any => return,
        Shape::Struct(_) | Shape::Map { .. } => Value::Object(Map::new()),
        Shape::List(_) => Value::Array(Vec::new()),
        Shape::Scalar(Scalar::Boolean) => Value::Bool(false),
        Shape::Scalar(Scalar::Int32 | Scalar::Int64 | Scalar::Float64 | Scalar::IntOrString) => Value::from(0),
        Shape::Scalar(Scalar::Quantity) => Value::from("0"),
        Shape::Scalar(_) => Value::from(""),
    };
}

fn set(value: &mut Value, text: String) {
    if value.as_str() != Some(&text) {
        *value = Value::String(text);
    }
}

/// `PodSpec` of `io.k8s.api.core.v1.PodSpec`.
fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or_default()
}

/// How Go prints the type.
fn go_type(schema: Schema<'_>) -> String {
    match schema.shape() {
        Shape::Struct(_) => {
            let name = schema.name();
            let package = name.rsplit('.').nth(1).unwrap_or("struct");
            if name.is_empty() { "object".to_owned() } else { format!("{package}.{}", short(name)) }
        }
        Shape::Map { value, .. } => format!("map[string]{}", go_type(schema.graph.at(*value))),
        Shape::List(list) => format!("[]{}", go_type(schema.graph.at(list.item))),
        Shape::Scalar(scalar) => go_scalar(*scalar).to_owned(),
        Shape::Any => "interface {}".to_owned(),
    }
}

fn go_scalar(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Boolean => "bool",
        Scalar::Int32 => "int32",
        Scalar::Int64 => "int64",
        Scalar::Float64 => "float64",
        Scalar::Bytes => "[]uint8",
        Scalar::IntOrString => "intstr.IntOrString",
        Scalar::Quantity => "resource.Quantity",
        Scalar::String | Scalar::Time | Scalar::MicroTime | Scalar::Duration => "string",
    }
}
