//! The three unions of CRDs' schemas (`k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1/marshal.go`): JSON tells their
//! members by the JSON type, protobuf by field.

use super::decode::{Budget, message};
use super::wire::{self, Wire, put_bytes, put_message, put_number};
use super::{Error, encode, invalid};
use crate::schema::Schema;
use serde_json::Value;

/// A schema (1), or a list of them (2); the list wins when it is not empty.
pub(super) fn or_array(mut raw: &[u8], schema: Schema<'_>, depth: usize, budget: &mut Budget) -> Result<Value, Error> {
    let (mut one, mut many) = (None, Vec::new());
    while let Some((tag, wire)) = wire::next(&mut raw)? {
        match (tag, wire) {
            (1, Wire::Bytes(raw)) => one = Some(message(raw, schema, one, depth + 1, budget)?),
            (2, Wire::Bytes(raw)) => many.push(message(raw, schema, None, depth + 1, budget)?),
            (1 | 2, wire) => return Err(wire.wrong("JSONSchemas")),
            _ => {}
        }
    }
    Ok(if many.is_empty() { one.unwrap_or_default() } else { Value::Array(many) })
}

/// Whether it is true (1), and a schema (2), which wins.
pub(super) fn or_bool(mut raw: &[u8], schema: Schema<'_>, depth: usize, budget: &mut Budget) -> Result<Value, Error> {
    let (mut allows, mut one) = (false, None);
    while let Some((tag, wire)) = wire::next(&mut raw)? {
        match (tag, wire) {
            (1, Wire::Varint(flag)) => allows = flag != 0,
            (2, Wire::Bytes(raw)) => one = Some(message(raw, schema, one, depth + 1, budget)?),
            (1 | 2, wire) => return Err(wire.wrong("Allows")),
            _ => {}
        }
    }
    Ok(one.unwrap_or(Value::Bool(allows)))
}

/// A schema (1), or strings (2), which win when there are any.
pub(super) fn or_strings(mut raw: &[u8], schema: Schema<'_>, depth: usize, budget: &mut Budget) -> Result<Value, Error> {
    let (mut one, mut strings) = (None, Vec::new());
    while let Some((tag, wire)) = wire::next(&mut raw)? {
        match (tag, wire) {
            (1, Wire::Bytes(raw)) => one = Some(message(raw, schema, one, depth + 1, budget)?),
            (2, Wire::Bytes(text)) => {
                budget.spend(1)?;
                strings.push(Value::String(wire::text(text, "Property")?));
            }
            (1 | 2, wire) => return Err(wire.wrong("Property")),
            _ => {}
        }
    }
    Ok(if strings.is_empty() { one.unwrap_or_default() } else { Value::Array(strings) })
}

pub(super) fn put_or_array(out: &mut Vec<u8>, value: &Value, schema: Schema<'_>) -> Result<(), Error> {
    match value {
        Value::Array(many) => many.iter().try_for_each(|one| put_message(out, 2, |out| encode::encode(out, one, schema))),
        Value::Null => Ok(()),
        one => put_message(out, 1, |out| encode::encode(out, one, schema)),
    }
}

pub(super) fn put_or_bool(out: &mut Vec<u8>, value: &Value, schema: Schema<'_>) -> Result<(), Error> {
    match value {
        Value::Bool(_) | Value::Null => {
            put_number(out, 1, u64::from(*value == Value::Bool(true)));
            Ok(())
        }
        one => {
            put_number(out, 1, 1);
            put_message(out, 2, |out| encode::encode(out, one, schema))
        }
    }
}

pub(super) fn put_or_strings(out: &mut Vec<u8>, value: &Value, schema: Schema<'_>) -> Result<(), Error> {
    match value {
        Value::Array(strings) => strings.iter().try_for_each(|text| {
            let text = text.as_str().ok_or_else(|| invalid("Property", "is no string"))?;
            put_bytes(out, 2, text.as_bytes());
            Ok(())
        }),
        Value::Null => Ok(()),
        one => put_message(out, 1, |out| encode::encode(out, one, schema)),
    }
}
