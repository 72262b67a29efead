//! JSON into a tree, telling duplicate keys.

use super::{At, MAX_WARNINGS, Step};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

pub(super) fn tree(bytes: &[u8]) -> Result<(Value, Vec<String>), serde_json::Error> {
    let duplicates = RefCell::new(Vec::new());
    let value = read(bytes, &Notes { duplicates: &duplicates, order: None })?;
    Ok((value, duplicates.into_inner()))
}

/// Findings of a text that [`tree`] could read, in the order in which the text has what they are about, as a decoder that goes
/// through it once tells them.
pub(super) fn in_order(bytes: &[u8], mut findings: Vec<String>) -> Vec<String> {
    let (duplicates, order) = (RefCell::new(Vec::new()), RefCell::new(HashMap::new()));
    for finding in &findings {
        order.borrow_mut().insert(finding.clone(), usize::MAX);
    }
    if read(bytes, &Notes { duplicates: &duplicates, order: Some(&order) }).is_ok() {
        let order = order.into_inner();
        findings.sort_by_key(|finding| order.get(finding).copied().unwrap_or(usize::MAX));
    }
    findings
}

fn read(bytes: &[u8], notes: &Notes<'_>) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Tree { at: &At::ROOT, notes }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// What is written down while reading.
struct Notes<'n> {
    duplicates: &'n RefCell<Vec<String>>,
    /// The place in the text of each finding of interest.
    order: Option<&'n RefCell<HashMap<String, usize>>>,
}

impl Notes<'_> {
    fn duplicate(&self, at: &At<'_>) {
        let told = format!("duplicate field \"{}\"", at.path());
        self.place(&told);
        let mut duplicates = self.duplicates.borrow_mut();
        if duplicates.len() < MAX_WARNINGS && !duplicates.contains(&told) {
            duplicates.push(told);
        }
    }

    fn key(&self, at: &At<'_>) {
        if self.order.is_some() {
            self.place(&format!("unknown field \"{}\"", at.path()));
        }
    }

    fn place(&self, told: &str) {
        let Some(order) = self.order else { return };
        let mut order = order.borrow_mut();
        let next = order.values().filter(|place| **place != usize::MAX).count();
        if let Some(place) = order.get_mut(told).filter(|place| **place == usize::MAX) {
            *place = next;
        }
    }
}

struct Tree<'a> {
    at: &'a At<'a>,
    notes: &'a Notes<'a>,
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }
    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let at = self.at.down(Step::Index(list.len()));
            match items.next_element_seed(Tree { at: &at, notes: self.notes })? {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let at = self.at.down(Step::Key(&key));
            if map.contains_key(&key) {
                self.notes.duplicate(&at);
            } else {
                self.notes.key(&at);
            }
            let value = entries.next_value_seed(Tree { at: &at, notes: self.notes })?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}
