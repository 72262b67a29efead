//! Writes the tables that `host/registry/src/graph.rs` reads.

use super::{Definition, DefinitionShape, FieldFacts, Json, ListKind, Slot, Target};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::io::Write;

pub(super) struct Tables {
    pub graph: Vec<u8>,
    /// Descriptions of each definition and then of its fields, in the order of the graph; zlib.
    pub descriptions: Vec<u8>,
}

pub(super) fn tables(definitions: &BTreeMap<String, Definition>) -> Result<Tables> {
    let mut writer = Writer::default();
    // Named types come first, so that their ids are known before any of them is written.
    for (id, name) in definitions.keys().enumerate() {
        writer.named.insert(name.clone(), id);
    }
    let mut descriptions = Vec::new();
    let mut bodies = Vec::new();
    for definition in definitions.values() {
        let mut body = Vec::new();
        writer.definition(definition, &mut body)?;
        bodies.push(body);
        put_text(&mut descriptions, &definition.description);
        if let DefinitionShape::Struct { fields, .. } = &definition.shape {
            sorted(fields).iter().for_each(|f| put_text(&mut descriptions, &f.description));
        }
    }
    let mut graph = b"CSG2".to_vec();
    put(&mut graph, writer.strings.len());
    writer.strings.iter().for_each(|s| put_text(&mut graph, s));
    put(&mut graph, bodies.len() + writer.anonymous.len());
    put(&mut graph, bodies.len());
    bodies.iter().chain(&writer.anonymous).for_each(|body| graph.extend_from_slice(body));
    Ok(Tables { graph, descriptions: compressed(&descriptions)? })
}

pub(super) fn compressed(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    zlib.write_all(bytes).context("compress")?;
    zlib.finish().context("compress")
}

#[derive(Default)]
struct Writer {
    strings: Vec<String>,
    interned: BTreeMap<String, usize>,
    named: BTreeMap<String, usize>,
    /// Bodies of anonymous types; their ids follow those of the named ones.
    anonymous: Vec<Vec<u8>>,
    known: BTreeMap<Json, usize>,
}

impl Writer {
    fn definition(&mut self, definition: &Definition, out: &mut Vec<u8>) -> Result<()> {
        let name = self.intern(&definition.name);
        put(out, name);
        match &definition.shape {
            DefinitionShape::Leaf(json) => self.shape(json, out),
            DefinitionShape::Struct { fields, atomic, slots } => {
                out.push(0);
                out.push(u8::from(*atomic));
                put(out, fields.len());
                let fields = sorted(fields);
                fields.iter().try_for_each(|field| self.field(field, out))?;
                put_slots(slots, &fields, out)
            }
        }
    }

    fn field(&mut self, field: &FieldFacts, out: &mut Vec<u8>) -> Result<()> {
        let name = self.intern(&field.name);
        put(out, name);
        let ty = self.type_id(&field.json)?;
        put(out, ty);
        let flags = [field.required, field.atomic, field.retain_keys, field.default.is_some()];
        out.push(flags.iter().enumerate().map(|(bit, set)| u8::from(*set) << bit).sum());
        if let Some(default) = &field.default {
            let default = self.intern(default);
            put(out, default);
        }
        Ok(())
    }

    fn type_id(&mut self, json: &Json) -> Result<usize> {
        if let Json::Named(name) = json {
            return self.named.get(name).copied().with_context(|| format!("no definition {name}"));
        }
        if let Some(id) = self.known.get(json) {
            return Ok(*id);
        }
        let mut body = Vec::new();
        let unnamed = self.intern("");
        put(&mut body, unnamed);
        self.shape(json, &mut body)?;
        let id = self.named.len() + self.anonymous.len();
        self.anonymous.push(body);
        self.known.insert(json.clone(), id);
        Ok(id)
    }

    fn shape(&mut self, json: &Json, out: &mut Vec<u8>) -> Result<()> {
        match json {
            Json::Named(name) => anyhow::bail!("an alias of {name} has no shape of its own"),
            Json::Map { value, atomic } => {
                let value = self.type_id(value)?;
                out.push(1);
                put(out, value);
                out.push(u8::from(*atomic));
            }
            Json::List { item, kind, merge } => {
                let item = self.type_id(item)?;
                out.push(2);
                put(out, item);
                match kind {
                    ListKind::Atomic => out.push(0),
                    ListKind::Set => out.push(1),
                    ListKind::Map(keys) => {
                        out.push(2);
                        put(out, keys.len());
                        for key in keys {
                            let key = self.intern(key);
                            put(out, key);
                        }
                    }
                }
                match merge {
                    None => out.push(0),
                    Some(None) => out.push(1),
                    Some(Some(key)) => {
                        out.push(2);
                        let key = self.intern(key);
                        put(out, key);
                    }
                }
            }
            Json::Scalar(scalar) => out.extend_from_slice(&[3, *scalar as u8]),
            Json::Any(opaque) => out.extend_from_slice(&[4, *opaque as u8]),
        }
        Ok(())
    }

    fn intern(&mut self, text: &str) -> usize {
        if let Some(at) = self.interned.get(text) {
            return *at;
        }
        let at = self.strings.len();
        self.strings.push(text.to_owned());
        self.interned.insert(text.to_owned(), at);
        at
    }
}

/// Each slot is its number, then 0 and the slots of an embedded struct, or a field's index from 1 and its flags.
fn put_slots(slots: &[Slot], fields: &[&FieldFacts], out: &mut Vec<u8>) -> Result<()> {
    put(out, slots.len());
    for slot in slots {
        put(out, slot.tag as usize);
        match &slot.target {
            Target::Embedded(slots) => {
                put(out, 0);
                put_slots(slots, fields, out)?;
            }
            Target::Field { name, pointer, omit_empty, omit_zero, wrapped } => {
                let at = fields.iter().position(|f| f.name == *name).with_context(|| format!("no field {name}"))?;
                put(out, at + 1);
                let flags = [*pointer, *omit_empty, *omit_zero, *wrapped];
                out.push(flags.iter().enumerate().map(|(bit, set)| u8::from(*set) << bit).sum());
            }
        }
    }
    Ok(())
}

fn sorted(fields: &[FieldFacts]) -> Vec<&FieldFacts> {
    let mut fields: Vec<&FieldFacts> = fields.iter().collect();
    fields.sort_by(|a, b| a.name.cmp(&b.name));
    fields
}

/// LEB128, as protobuf's varint.
fn put(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len());
    out.extend_from_slice(text.as_bytes());
}
