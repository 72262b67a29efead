//! Descriptions of definitions and fields, for documentation alone: `data/descriptions.bin`, inflated when asked for and
//! dropped by the caller, so that an idle server does not hold them.

use super::{builtin, take_text};
use object::schema::{Shape, TypeId};
use std::collections::HashMap;
use std::io::Read;

static TABLE: &[u8] = include_bytes!("../../data/descriptions.bin");

/// The texts, by definition and field.
#[derive(Debug, Default)]
pub struct Descriptions {
    text: Vec<u8>,
    /// Per described type: its own text and those of its fields in the graph's order, as offsets.
    types: HashMap<TypeId, Vec<(usize, usize)>>,
}

/// Inflates the table (about 1 MB).
pub fn descriptions() -> Descriptions {
    let mut text = Vec::new();
    // The table is part of this crate and a test reads it whole, so it cannot be malformed.
    if flate2::read::ZlibDecoder::new(TABLE).read_to_end(&mut text).is_err() {
        return Descriptions::default();
    }
    let mut types = HashMap::new();
    let mut rest = text.as_slice();
    for (at, ty) in builtin().types.iter().enumerate() {
        if ty.name.is_empty() || rest.is_empty() {
            break;
        }
        let fields = if let Shape::Struct(s) = &ty.shape { s.fields.len() } else { 0 };
        let mut spans = Vec::with_capacity(fields + 1);
        for _ in 0..=fields {
            let Some(told) = take_text(&mut rest) else { break };
            let end = text.len() - rest.len();
            spans.push((end - told.len(), end));
        }
        types.insert(TypeId(u32::try_from(at).unwrap_or(u32::MAX)), spans);
    }
    Descriptions { text, types }
}

impl Descriptions {
    /// What a definition is.
    pub fn of_type(&self, id: TypeId) -> Option<&str> {
        let own = builtin().get(id).map(|t| t.description.as_ref()).filter(|d| !d.is_empty());
        own.or_else(|| self.span(id, 0))
    }

    /// What a field of a definition is for.
    pub fn of_field(&self, id: TypeId, field: &str) -> Option<&str> {
        let Shape::Struct(s) = builtin().at(id).shape() else { return None };
        let at = s.fields.iter().position(|f| f.name.as_ref() == field)?;
        let own = s.fields.get(at).map(|f| f.description.as_ref()).filter(|d| !d.is_empty());
        own.or_else(|| self.span(id, at + 1))
    }

    fn span(&self, id: TypeId, at: usize) -> Option<&str> {
        let (start, end) = *self.types.get(&id)?.get(at)?;
        std::str::from_utf8(self.text.get(start..end)?).ok()
    }
}
