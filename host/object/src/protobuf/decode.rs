//! Messages to JSON trees.

use super::wire::{self, Wire};
use super::{DEPTH, Error, invalid, union};
use crate::schema::{Field, Graph, List, Message, Presence, Scalar, Schema, Shape, Slot, Struct, Target};
use crate::time;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};
use std::time::{Duration, UNIX_EPOCH};

/// The zero time of Go and the last second that RFC 3339 can tell.
pub(super) const FIRST_SECOND: i64 = -62_135_596_800;
const LAST_SECOND: i64 = 253_402_300_799;

/// What may still be made of a body. Two bytes can be an object of several fields, which takes hundreds of bytes as a tree:
/// without a bound a small body would fill the memory. Go's clients send more than a tree costs here.
pub(super) struct Budget {
    left: usize,
}

/// What one object and one of its values count.
const OBJECT_COST: usize = 8;
const VALUE_COST: usize = 1;

impl Budget {
    pub(super) fn of(raw: &[u8]) -> Self {
        Self { left: raw.len().saturating_mul(2).saturating_add(8192) }
    }

    pub(super) fn spend(&mut self, cost: usize) -> Result<(), Error> {
        self.left = self.left.checked_sub(cost).ok_or(Error::Size)?;
        Ok(())
    }
}

pub(super) fn decode(raw: &[u8], schema: Schema<'_>) -> Result<Value, Error> {
    message(raw, schema, None, 0, &mut Budget::of(raw))
}

/// A message of a type; a later occurrence is merged into what an earlier one left in `present`.
pub(super) fn message(raw: &[u8], schema: Schema<'_>, present: Option<Value>, depth: usize, budget: &mut Budget) -> Result<Value, Error> {
    if depth > DEPTH {
        return Err(Error::Depth);
    }
    match (schema.graph.messages.get(&schema.id), schema.shape()) {
        (Some(Message::Struct(slots)), Shape::Struct(shape)) => {
            let mut out = match present {
                Some(Value::Object(map)) => map,
                _ => {
                    budget.spend(OBJECT_COST)?;
                    Map::new()
                }
            };
            Decoder { graph: schema.graph, shape, depth }.fields(raw, slots, &mut out, budget)?;
            finish(schema.graph, shape, slots, &mut out, budget)?;
            Ok(Value::Object(out))
        }
        (Some(Message::Raw), _) => json(raw, schema.name()),
        (Some(Message::Empty), _) => Ok(Value::Object(Map::new())),
        (Some(Message::SchemaOrArray(inner)), _) => union::or_array(raw, schema.graph.at(*inner), depth, budget),
        (Some(Message::SchemaOrBool(inner)), _) => union::or_bool(raw, schema.graph.at(*inner), depth, budget),
        (Some(Message::SchemaOrStrings(inner)), _) => union::or_strings(raw, schema.graph.at(*inner), depth, budget),
        _ => Err(Error::NoMessage(schema.name().to_owned())),
    }
}

/// JSON text in field 1; without it `null`.
fn json(mut raw: &[u8], name: &str) -> Result<Value, Error> {
    let mut text = &[][..];
    while let Some((tag, wire)) = wire::next(&mut raw)? {
        match (tag, wire) {
            (1, Wire::Bytes(found)) => text = found,
            (1, wire) => return Err(wire.wrong("Raw")),
            _ => {}
        }
    }
    if text.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(text).map_err(|_| invalid(name, "raw value is not JSON")) }
}

struct Decoder<'g> {
    graph: &'g Graph,
    shape: &'g Struct,
    depth: usize,
}

impl<'g> Decoder<'g> {
    fn fields(&self, mut raw: &[u8], slots: &[Slot], out: &mut Map<String, Value>, budget: &mut Budget) -> Result<(), Error> {
        while let Some((tag, wire)) = wire::next(&mut raw)? {
            let slot = slots.binary_search_by_key(&tag, |slot| slot.tag).ok().and_then(|at| slots.get(at));
            match (slot.map(|slot| &slot.target), wire) {
                (None, _) => {}
                (Some(Target::Embedded(slots)), Wire::Bytes(raw)) => self.fields(raw, slots, out, budget)?,
                (Some(Target::Embedded(_)), wire) => return Err(wire.wrong("embedded")),
                (Some(Target::Field(at, presence)), wire) => {
                    let Some(field) = self.shape.fields.get(usize::from(*at)) else { continue };
                    budget.spend(VALUE_COST)?;
                    self.field(wire, field, *presence, out, budget)?;
                }
            }
        }
        Ok(())
    }

    /// One occurrence of a field.
    fn field(
        &self,
        wire: Wire<'_>,
        field: &'g Field,
        presence: Presence,
        out: &mut Map<String, Value>,
        budget: &mut Budget,
    ) -> Result<(), Error> {
        let schema = self.graph.at(field.ty);
        match schema.shape() {
            Shape::List(list) => {
                let slot = out.entry(&*field.name).or_insert_with(|| Value::Array(Vec::new()));
                if slot.is_null() {
                    *slot = Value::Array(Vec::new());
                }
                let Value::Array(items) = slot else { return Err(invalid(&field.name, "is no list")) };
                match (presence.wrapped, wire) {
                    (false, wire) => self.item(wire, list, &field.name, items, budget),
                    (true, Wire::Bytes(raw)) => self.wrapped(raw, list, &field.name, items, budget),
                    (true, wire) => Err(wire.wrong(&field.name)),
                }
            }
            Shape::Map { value, .. } => {
                let Wire::Bytes(raw) = wire else { return Err(wire.wrong(&field.name)) };
                let slot = out.entry(&*field.name).or_insert_with(|| Value::Object(Map::new()));
                if slot.is_null() {
                    *slot = Value::Object(Map::new());
                }
                let Value::Object(map) = slot else { return Err(invalid(&field.name, "is no map")) };
                let (key, value) = self.entry(raw, self.graph.at(*value), &field.name, budget)?;
                map.insert(key, value);
                Ok(())
            }
            _ => {
                let present = out.remove(&*field.name);
                let found = self.value(wire, schema, &field.name, present, budget)?;
                out.insert(field.name.to_string(), found);
                Ok(())
            }
        }
    }

    /// A list that is a message of its own.
    fn wrapped(&self, mut raw: &[u8], list: &List, name: &str, items: &mut Vec<Value>, budget: &mut Budget) -> Result<(), Error> {
        while let Some((tag, wire)) = wire::next(&mut raw)? {
            if tag == 1 {
                budget.spend(VALUE_COST)?;
                self.item(wire, list, name, items, budget)?;
            }
        }
        Ok(())
    }

    fn item(&self, wire: Wire<'_>, list: &List, name: &str, items: &mut Vec<Value>, budget: &mut Budget) -> Result<(), Error> {
        let item = self.graph.at(list.item);
        match (item.shape(), wire) {
            // Numbers may come packed.
            (Shape::Scalar(Scalar::Int32 | Scalar::Int64 | Scalar::Boolean), Wire::Bytes(mut packed)) => {
                while !packed.is_empty() {
                    budget.spend(VALUE_COST)?;
                    items.push(self.value(Wire::Varint(wire::varint(&mut packed)?), item, name, None, budget)?);
                }
            }
            _ => items.push(self.value(wire, item, name, None, budget)?),
        }
        Ok(())
    }

    fn entry(&self, mut raw: &[u8], schema: Schema<'_>, name: &str, budget: &mut Budget) -> Result<(String, Value), Error> {
        let (mut key, mut found) = (String::new(), None);
        while let Some((tag, wire)) = wire::next(&mut raw)? {
            match (tag, wire) {
                (1, Wire::Bytes(text)) => key = wire::text(text, name)?,
                (2, wire) => {
                    found = Some(match (schema.shape(), wire) {
                        (Shape::List(list), Wire::Bytes(raw)) => {
                            let mut items = Vec::new();
                            self.wrapped(raw, list, name, &mut items, budget)?;
                            Value::Array(items)
                        }
                        _ => self.value(wire, schema, name, None, budget)?,
                    });
                }
                (1, wire) => return Err(wire.wrong(name)),
                _ => {}
            }
        }
        let found = match found {
            Some(found) => found,
            None => zero(schema, budget)?,
        };
        Ok((key, found))
    }

    fn value(&self, wire: Wire<'_>, schema: Schema<'_>, name: &str, present: Option<Value>, budget: &mut Budget) -> Result<Value, Error> {
        match (schema.shape(), wire) {
            (Shape::Scalar(scalar), wire) => scalar_value(*scalar, wire, name),
            (_, Wire::Bytes(raw)) => message(raw, schema, present, self.depth + 1, budget),
            (_, wire) => Err(wire.wrong(name)),
        }
    }
}

/// Leaves out what Go's encoder leaves out, and adds what it writes without being told.
fn finish(graph: &Graph, shape: &Struct, slots: &[Slot], out: &mut Map<String, Value>, budget: &mut Budget) -> Result<(), Error> {
    for slot in slots {
        let (at, presence) = match &slot.target {
            Target::Embedded(slots) => {
                finish(graph, shape, slots, out, budget)?;
                continue;
            }
            Target::Field(at, presence) => (*at, *presence),
        };
        let Some(field) = shape.fields.get(usize::from(at)) else { continue };
        let schema = graph.at(field.ty);
        match out.get(&*field.name) {
            Some(value) if !presence.pointer && omitted(value, schema, presence) => _ = out.remove(&*field.name),
            // A pointer to what JSON has as null is read as none.
            Some(Value::Null) if presence.pointer && presence.omit_empty => _ = out.remove(&*field.name),
            Some(_) => {}
            None if presence.pointer && presence.omit_empty => {}
            None => {
                let value = if presence.pointer { Value::Null } else { zero(schema, budget)? };
                if presence.pointer || !omitted(&value, schema, presence) {
                    budget.spend(VALUE_COST)?;
                    out.insert(field.name.to_string(), value);
                }
            }
        }
    }
    Ok(())
}

/// Whether Go leaves the value of a field that is no pointer out of JSON.
fn omitted(value: &Value, schema: Schema<'_>, presence: Presence) -> bool {
    let scalar = match schema.shape() {
        Shape::Scalar(scalar) => match scalar {
            Scalar::String | Scalar::Boolean | Scalar::Int32 | Scalar::Int64 | Scalar::Float64 | Scalar::Bytes => true,
            // Structs in Go.
            Scalar::IntOrString | Scalar::Quantity | Scalar::Time | Scalar::MicroTime | Scalar::Duration => false,
        },
        Shape::List(_) | Shape::Map { .. } => true,
        Shape::Struct(_) | Shape::Any => false,
    };
    let zero = match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    };
    zero && (presence.omit_zero || (presence.omit_empty && scalar))
}

/// The JSON of a zero value that is no pointer.
fn zero(schema: Schema<'_>, budget: &mut Budget) -> Result<Value, Error> {
    Ok(match schema.shape() {
        Shape::Struct(_) => message(&[], schema, None, 0, budget)?,
        Shape::Map { .. } | Shape::List(_) => Value::Null,
        Shape::Any => match schema.graph.messages.get(&schema.id) {
            Some(Message::Empty) => Value::Object(Map::new()),
            Some(Message::SchemaOrBool(_)) => Value::Bool(false),
            _ => Value::Null,
        },
        Shape::Scalar(scalar) => match scalar {
            Scalar::String => Value::from(""),
            Scalar::Boolean => Value::from(false),
            Scalar::Int32 | Scalar::Int64 | Scalar::Float64 | Scalar::IntOrString => Value::from(0),
            Scalar::Bytes | Scalar::Time | Scalar::MicroTime => Value::Null,
            Scalar::Quantity => Value::from("0"),
            Scalar::Duration => Value::from("0s"),
        },
    })
}

fn scalar_value(scalar: Scalar, wire: Wire<'_>, name: &str) -> Result<Value, Error> {
    Ok(match (scalar, wire) {
        (Scalar::String, Wire::Bytes(text)) => Value::String(wire::text(text, name)?),
        (Scalar::Bytes, Wire::Bytes(bytes)) => Value::String(STANDARD.encode(bytes)),
        (Scalar::Boolean, Wire::Varint(flag)) => Value::Bool(flag != 0),
        // Go keeps the low bits.
        (Scalar::Int32, Wire::Varint(number)) => Value::from(number as u32 as i32),
        (Scalar::Int64, Wire::Varint(number)) => Value::from(number.cast_signed()),
        (Scalar::Float64, Wire::Fixed64(bits)) => float(f64::from_bits(bits)).ok_or_else(|| invalid(name, "number is not finite"))?,
        (Scalar::Quantity, Wire::Bytes(raw)) => match inner(raw, name)? {
            (_, Some(text)) if !text.is_empty() => Value::String(text),
            _ => Value::from("0"),
        },
        (Scalar::Duration, Wire::Bytes(raw)) => Value::String(time::format_duration(inner(raw, name)?.0.unwrap_or(0).cast_signed())),
        (Scalar::IntOrString, Wire::Bytes(raw)) => int_or_string(raw, name)?,
        (Scalar::Time | Scalar::MicroTime, Wire::Bytes(raw)) => timestamp(raw, scalar == Scalar::MicroTime, name)?,
        (_, wire) => return Err(wire.wrong(name)),
    })
}

/// Go writes whole numbers without a fraction.
fn float(number: f64) -> Option<Value> {
    if number.fract() == 0.0 && number.abs() < 9e15 {
        return Some(Value::from(number as i64));
    }
    Number::from_f64(number).map(Value::Number)
}

fn int_or_string(mut raw: &[u8], name: &str) -> Result<Value, Error> {
    let (mut ty, mut number, mut text) = (0, 0, String::new());
    while let Some((tag, wire)) = wire::next(&mut raw)? {
        match (tag, wire) {
            (1, Wire::Varint(found)) => ty = found,
            (2, Wire::Varint(found)) => number = found as u32 as i32,
            (3, Wire::Bytes(found)) => text = wire::text(found, name)?,
            (1..=3, wire) => return Err(wire.wrong(name)),
            _ => {}
        }
    }
    match ty {
        0 => Ok(Value::from(number)),
        1 => Ok(Value::String(text)),
        _ => Err(invalid(name, "impossible IntOrString.Type")),
    }
}

/// Seconds and nanoseconds; nothing, and Go's zero time, are `null`.
fn timestamp(mut raw: &[u8], micro: bool, name: &str) -> Result<Value, Error> {
    if raw.is_empty() {
        return Ok(Value::Null);
    }
    let (mut seconds, mut nanos) = (0_i64, 0_u32);
    while let Some((tag, wire)) = wire::next(&mut raw)? {
        match (tag, wire) {
            (1, Wire::Varint(found)) => seconds = found.cast_signed(),
            (2, Wire::Varint(found)) => nanos = u32::try_from(found).unwrap_or(u32::MAX),
            (1 | 2, wire) => return Err(wire.wrong(name)),
            _ => {}
        }
    }
    let nanos = match nanos {
        0..1_000_000_000 if micro => nanos / 1000 * 1000,
        _ if micro => return Err(invalid(name, "time is out of range")),
        _ => 0,
    };
    if !(FIRST_SECOND..=LAST_SECOND).contains(&seconds) {
        return Err(invalid(name, "time is out of range"));
    }
    if seconds == FIRST_SECOND && nanos == 0 {
        return Ok(Value::Null);
    }
    let far = Duration::from_secs(seconds.unsigned_abs());
    let whole = if seconds < 0 { UNIX_EPOCH.checked_sub(far) } else { UNIX_EPOCH.checked_add(far) };
    let at = whole.and_then(|t| t.checked_add(Duration::from_nanos(nanos.into())));
    let at = at.ok_or_else(|| invalid(name, "time is out of range"))?;
    Ok(Value::String(if micro { time::format_micro(at) } else { time::format(at) }))
}

/// Field 1 of a message with one field.
fn inner(mut raw: &[u8], name: &str) -> Result<(Option<u64>, Option<String>), Error> {
    let mut found = (None, None);
    while let Some((tag, wire)) = wire::next(&mut raw)? {
        match (tag, wire) {
            (1, Wire::Varint(number)) => found.0 = Some(number),
            (1, Wire::Bytes(text)) => found.1 = Some(wire::text(text, name)?),
            (1, wire) => return Err(wire.wrong(name)),
            _ => {}
        }
    }
    Ok(found)
}
