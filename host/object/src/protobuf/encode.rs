//! JSON trees to messages.

use super::decode::FIRST_SECOND;
use super::wire::{put_bytes, put_double, put_message, put_number};
use super::{Error, invalid, union};
use crate::quantity::Quantity;
use crate::schema::{Field, Graph, Message, Presence, Scalar, Schema, Shape, Slot, Struct, Target};
use crate::time;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use std::time::UNIX_EPOCH;

/// The message of a value, without key and length.
pub(super) fn encode(out: &mut Vec<u8>, value: &Value, schema: Schema<'_>) -> Result<(), Error> {
    match (schema.graph.messages.get(&schema.id), schema.shape()) {
        (Some(Message::Struct(slots)), Shape::Struct(shape)) => match value {
            Value::Object(map) => fields(out, map, schema.graph, shape, slots),
            Value::Null => fields(out, &Map::new(), schema.graph, shape, slots),
            _ => Err(invalid(schema.name(), "is no object")),
        },
        (Some(Message::Raw), _) => {
            if !value.is_null() {
                let text = serde_json::to_vec(value).map_err(|_| invalid(schema.name(), "cannot be written as JSON"))?;
                put_bytes(out, 1, &text);
            }
            Ok(())
        }
        (Some(Message::Empty), _) => Ok(()),
        (Some(Message::SchemaOrArray(inner)), _) => union::put_or_array(out, value, schema.graph.at(*inner)),
        (Some(Message::SchemaOrBool(inner)), _) => union::put_or_bool(out, value, schema.graph.at(*inner)),
        (Some(Message::SchemaOrStrings(inner)), _) => union::put_or_strings(out, value, schema.graph.at(*inner)),
        _ => Err(Error::NoMessage(schema.name().to_owned())),
    }
}

fn fields(out: &mut Vec<u8>, map: &Map<String, Value>, graph: &Graph, shape: &Struct, slots: &[Slot]) -> Result<(), Error> {
    for slot in slots {
        match &slot.target {
            Target::Embedded(slots) => put_message(out, slot.tag, |out| fields(out, map, graph, shape, slots))?,
            Target::Field(at, presence) => {
                let Some(field) = shape.fields.get(usize::from(*at)) else { continue };
                let value = map.get(&*field.name).filter(|v| !v.is_null());
                one(out, slot.tag, value, graph, field, *presence)?;
            }
        }
    }
    Ok(())
}

/// One field, which may be absent.
fn one(out: &mut Vec<u8>, tag: u32, value: Option<&Value>, graph: &Graph, field: &Field, presence: Presence) -> Result<(), Error> {
    let schema = graph.at(field.ty);
    match (schema.shape(), value) {
        (Shape::List(list), Some(Value::Array(items))) => {
            let item = graph.at(list.item);
            let all = |out: &mut Vec<u8>, tag| items.iter().try_for_each(|value| single(out, tag, value, item, &field.name));
            if presence.wrapped { put_message(out, tag, |out| all(out, 1)) } else { all(out, tag) }
        }
        (Shape::Map { value, .. }, Some(Value::Object(map))) => {
            let schema = graph.at(*value);
            map.iter().try_for_each(|(key, value)| {
                put_message(out, tag, |out| {
                    put_bytes(out, 1, key.as_bytes());
                    entry(out, value, schema, &field.name)
                })
            })
        }
        (Shape::List(_) | Shape::Map { .. } | Shape::Scalar(Scalar::Bytes), None) => Ok(()),
        (Shape::List(_), Some(_)) => Err(invalid(&field.name, "is no list")),
        (Shape::Map { .. }, Some(_)) => Err(invalid(&field.name, "is no map")),
        (_, None) if presence.pointer => Ok(()),
        (_, value) => single(out, tag, value.unwrap_or(&Value::Null), schema, &field.name),
    }
}

/// A map's value; lists are messages of their own there, and no bytes are not written.
fn entry(out: &mut Vec<u8>, value: &Value, schema: Schema<'_>, name: &str) -> Result<(), Error> {
    match (schema.shape(), value) {
        (Shape::List(list), Value::Array(items)) => {
            let item = schema.graph.at(list.item);
            put_message(out, 2, |out| items.iter().try_for_each(|value| single(out, 1, value, item, name)))
        }
        (Shape::List(_) | Shape::Scalar(Scalar::Bytes), Value::Null) => Ok(()),
        _ => single(out, 2, value, schema, name),
    }
}

/// A value with its key; `null` is zero.
fn single(out: &mut Vec<u8>, tag: u32, value: &Value, schema: Schema<'_>, name: &str) -> Result<(), Error> {
    match schema.shape() {
        Shape::Scalar(scalar) => put_scalar(out, tag, value, *scalar).ok_or_else(|| invalid(name, "has a value of another type")),
        _ => put_message(out, tag, |out| encode(out, value, schema)),
    }
}

fn put_scalar(out: &mut Vec<u8>, tag: u32, value: &Value, scalar: Scalar) -> Option<()> {
    let absent = value.is_null();
    match scalar {
        Scalar::String => put_bytes(out, tag, if absent { "" } else { value.as_str()? }.as_bytes()),
        Scalar::Bytes => put_bytes(out, tag, &if absent { Vec::new() } else { STANDARD.decode(value.as_str()?).ok()? }),
        Scalar::Boolean => put_number(out, tag, u64::from(!absent && value.as_bool()?)),
        // Negative numbers of both sizes take ten bytes.
        Scalar::Int32 | Scalar::Int64 => put_number(out, tag, if absent { 0 } else { integer(value)? }.cast_unsigned()),
        Scalar::Float64 => put_double(out, tag, if absent { 0.0 } else { value.as_f64()? }),
        Scalar::Quantity => match value {
            Value::Null => put_message(out, tag, |out| put_bytes(out, 1, b"0")),
            Value::String(text) => put_message(out, tag, |out| put_bytes(out, 1, text.as_bytes())),
            other => {
                let text = Quantity::from_value(other).ok()?.to_string();
                put_message(out, tag, |out| put_bytes(out, 1, text.as_bytes()));
            }
        },
        Scalar::IntOrString => {
            let (ty, number, text) = match value {
                Value::String(text) => (1, 0, text.as_str()),
                Value::Null => (0, 0, ""),
                number => (0, integer(number)?, ""),
            };
            put_message(out, tag, |out| {
                put_number(out, 1, ty);
                put_number(out, 2, number.cast_unsigned());
                put_bytes(out, 3, text.as_bytes());
            });
        }
        Scalar::Time | Scalar::MicroTime => {
            let time = match value {
                Value::Null => None,
                text => Some(timestamp(text.as_str()?)?),
            };
            let time = time.filter(|at| *at != (FIRST_SECOND, 0));
            put_message(out, tag, |out| {
                if let Some((seconds, nanos)) = time {
                    put_number(out, 1, seconds.cast_unsigned());
                    // Times in JSON have whole seconds, or microseconds.
                    put_number(out, 2, if scalar == Scalar::Time { 0 } else { u64::from(nanos / 1000 * 1000) });
                }
            });
        }
        Scalar::Duration => {
            let nanos = if absent { 0 } else { time::parse_duration(value.as_str()?)? };
            put_message(out, tag, |out| put_number(out, 1, nanos.cast_unsigned()));
        }
    }
    Some(())
}

fn integer(value: &Value) -> Option<i64> {
    let whole = |number: f64| (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64);
    value.as_i64().or_else(|| value.as_f64().and_then(whole))
}

/// Seconds since 1970, and nanoseconds after them.
fn timestamp(text: &str) -> Option<(i64, u32)> {
    let at = time::parse(text)?;
    Some(match at.duration_since(UNIX_EPOCH) {
        Ok(since) => (i64::try_from(since.as_secs()).ok()?, since.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            let seconds = i64::try_from(before.as_secs()).ok()?;
            match before.subsec_nanos() {
                0 => (-seconds, 0),
                nanos => (-seconds - 1, 1_000_000_000 - nanos),
            }
        }
    })
}
