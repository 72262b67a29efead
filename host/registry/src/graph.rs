//! The schema graph of the built-in kinds, decoded once from the embedded table.
//!
//! `data/schema.bin`, written by `cargo xtask schema`: the bytes `CSG2`; the interned strings; the number of types, and of
//! those among them that have a name; the types, named ones first. Numbers are LEB128, strings have their length before
//! them. A type is its name's index, a shape byte and the shape's parts, as [`Reader::shape`] reads them.
//!
//! Descriptions are most of the text and only documentation needs them, so they lie compressed in a table of their own.

mod admission;
mod build;
mod coracle;
mod describe;
mod metrics;

pub use describe::{Descriptions, descriptions};

use object::Value;
use object::schema::{Field, Graph, List, ListKind, ListMerge, Message, Presence, Scalar, Shape, Slot, Struct, Target, Type, TypeId};
use std::sync::{Arc, OnceLock};

static TABLE: &[u8] = include_bytes!("../data/schema.bin");

/// Indexed by the table's scalar byte.
const SCALARS: [Scalar; 11] = [
    Scalar::String,
    Scalar::Boolean,
    Scalar::Int32,
    Scalar::Int64,
    Scalar::Float64,
    Scalar::Bytes,
    Scalar::IntOrString,
    Scalar::Quantity,
    Scalar::Time,
    Scalar::MicroTime,
    Scalar::Duration,
];

/// Every built-in definition. Type descriptions are empty here; see [`descriptions`].
pub fn builtin() -> &'static Graph {
    static GRAPH: OnceLock<Graph> = OnceLock::new();
    GRAPH.get_or_init(|| {
        // The table is part of this file's crate and a test decodes it, so it cannot be malformed.
        let mut graph = decode(TABLE).unwrap_or_default();
        admission::add(&mut graph);
        coracle::add(&mut graph);
        metrics::describe(&mut graph);
        graph
    })
}

/// Changes when the table does.
pub(crate) fn table_hash() -> u32 {
    object::hash::fnv32a(TABLE)
}

/// Reads a table that `cargo xtask schema` wrote; `None` when it is malformed.
pub fn decode(table: &[u8]) -> Option<Graph> {
    let mut reader = Reader { rest: table.strip_prefix(b"CSG2")?, strings: Vec::new() };
    let strings = reader.number()?;
    for _ in 0..strings {
        let text: Arc<str> = Arc::from(take_text(&mut reader.rest)?);
        reader.strings.push(text);
    }
    let types = reader.number()?;
    let _named = reader.number()?;
    let mut graph = Graph::default();
    graph.types.reserve(types);
    let no_description: Arc<str> = Arc::from("");
    let mut unions = Vec::new();
    for _ in 0..types {
        let name = reader.string()?;
        let (shape, wire) = reader.shape(&no_description)?;
        let id = graph.push(Type { name: name.clone(), description: no_description.clone(), shape });
        match wire {
            Wire::Message(message) => _ = graph.messages.insert(id, message),
            Wire::Union(union) => unions.push((id, name, union)),
            Wire::None => {}
        }
    }
    for (id, name, union) in unions {
        let (package, _) = name.rsplit_once('.')?;
        let schema = *graph.by_name.get(format!("{package}.JSONSchemaProps").as_str())?;
        graph.messages.insert(id, union(schema));
    }
    reader.rest.is_empty().then_some(graph)
}

struct Reader<'t> {
    rest: &'t [u8],
    strings: Vec<Arc<str>>,
}

/// What a type's bytes tell of its protobuf form.
enum Wire {
    None,
    Message(Message),
    /// Of a schema, whose type is known when all are read.
    Union(fn(TypeId) -> Message),
}

impl Reader<'_> {
    /// 0 struct: atomic, fields, slots. 1 map: value, atomic. 2 list: item, kind, merge. 3 scalar. 4 any: its wire form.
    fn shape(&mut self, no_description: &Arc<str>) -> Option<(Shape, Wire)> {
        let shape = match self.byte()? {
            0 => {
                let atomic = self.byte()? != 0;
                let count = self.number()?;
                let mut fields = Vec::with_capacity(count);
                for _ in 0..count {
                    fields.push(self.field(no_description)?);
                }
                let slots = self.slots(&mut fields)?;
                return Some((Shape::Struct(Struct { fields, preserve_unknown: false, atomic }), Wire::Message(Message::Struct(slots))));
            }
            1 => Shape::Map { value: self.type_id()?, atomic: self.byte()? != 0 },
            2 => Shape::List(List { item: self.type_id()?, kind: self.list_kind()?, merge: self.merge()? }),
            3 => Shape::Scalar(*SCALARS.get(usize::from(self.byte()?))?),
            4 => {
                let wire = match self.byte()? {
                    0 => Wire::None,
                    1 => Wire::Message(Message::Raw),
                    2 => Wire::Message(Message::Empty),
                    3 => Wire::Union(Message::SchemaOrArray),
                    4 => Wire::Union(Message::SchemaOrBool),
                    5 => Wire::Union(Message::SchemaOrStrings),
                    _ => return None,
                };
                return Some((Shape::Any, wire));
            }
            _ => return None,
        };
        Some((shape, Wire::None))
    }

    fn field(&mut self, no_description: &Arc<str>) -> Option<Field> {
        let (name, ty, flags) = (self.string()?, self.type_id()?, self.byte()?);
        let default = match flags & 8 {
            0 => None,
            _ => Some(serde_json::from_str::<Value>(&self.string()?).ok()?),
        };
        Some(Field {
            name,
            ty,
            description: no_description.clone(),
            required: flags & 1 != 0,
            nullable: false,
            default,
            atomic: flags & 2 != 0,
            retain_keys: flags & 4 != 0,
            tag: 0,
        })
    }

    /// Each slot is its number, then 0 and the slots of an embedded struct, or a field's index from 1 and its flags.
    fn slots(&mut self, fields: &mut [Field]) -> Option<Box<[Slot]>> {
        let count = self.number()?;
        let mut slots = Vec::with_capacity(count);
        for _ in 0..count {
            let tag = u32::try_from(self.number()?).ok()?;
            let target = match self.number()?.checked_sub(1) {
                None => Target::Embedded(self.slots(fields)?),
                Some(at) => {
                    fields.get_mut(at)?.tag = tag;
                    let flags = self.byte()?;
                    let set = |bit: u8| flags & bit != 0;
                    let presence = Presence { pointer: set(1), omit_empty: set(2), omit_zero: set(4), wrapped: set(8) };
                    Target::Field(u16::try_from(at).ok()?, presence)
                }
            };
            slots.push(Slot { tag, target });
        }
        Some(slots.into_boxed_slice())
    }

    fn list_kind(&mut self) -> Option<ListKind> {
        Some(match self.byte()? {
            0 => ListKind::Atomic,
            1 => ListKind::Set,
            2 => {
                let count = self.number()?;
                ListKind::Map((0..count).map(|_| self.string()).collect::<Option<_>>()?)
            }
            _ => return None,
        })
    }

    fn merge(&mut self) -> Option<Option<ListMerge>> {
        Some(match self.byte()? {
            0 => None,
            1 => Some(ListMerge { key: None }),
            2 => Some(ListMerge { key: Some(self.string()?) }),
            _ => return None,
        })
    }

    fn type_id(&mut self) -> Option<TypeId> {
        Some(TypeId(u32::try_from(self.number()?).ok()?))
    }

    fn string(&mut self) -> Option<Arc<str>> {
        let at = self.number()?;
        self.strings.get(at).cloned()
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<usize> {
        take_number(&mut self.rest)
    }
}

fn take_number(rest: &mut &[u8]) -> Option<usize> {
    let mut number = 0_usize;
    for shift in (0..u32::BITS).step_by(7) {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        number |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn take_text<'t>(rest: &mut &'t [u8]) -> Option<&'t str> {
    let len = take_number(rest)?;
    let (text, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_decodes_whole() {
        let graph = decode(TABLE).unwrap();
        assert!(graph.by_name.len() > 700, "{}", graph.by_name.len());
        let pod = graph.named("io.k8s.api.core.v1.Pod").unwrap();
        let containers = pod.child("spec").unwrap().child("containers").unwrap();
        let Shape::List(list) = containers.shape() else { panic!("{:?}", containers.shape()) };
        assert_eq!(list.kind, ListKind::Map(vec![Arc::from("name")]));
        assert_eq!(list.merge, Some(ListMerge { key: Some(Arc::from("name")) }));
        let port = containers.item().unwrap().child("ports").unwrap().item().unwrap();
        assert_eq!(port.field("protocol").unwrap().default, Some(Value::from("TCP")));
        assert_eq!(port.field("containerPort").unwrap().tag, 3);
        assert!(port.field("containerPort").unwrap().required);
    }

    #[test]
    fn every_row_has_a_definition() {
        for kind in crate::Registry::builtin().kinds() {
            assert!(builtin().named(&kind.schema).is_some(), "{}", kind.schema);
        }
    }

    #[test]
    fn every_field_leads_to_a_type_and_is_described() {
        let graph = builtin();
        let told = descriptions();
        for (at, ty) in graph.types.iter().enumerate() {
            if let Shape::Struct(s) = &ty.shape {
                assert!(s.fields.is_sorted_by(|a, b| a.name < b.name), "{}", ty.name);
                for field in &s.fields {
                    assert!(graph.get(field.ty).is_some(), "{}.{}", ty.name, field.name);
                    assert!(told.of_field(TypeId(at as u32), &field.name).is_some(), "{}.{}", ty.name, field.name);
                }
            }
        }
    }
}
