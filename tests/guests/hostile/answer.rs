//! Lays out an answer in memory as the canonical ABI has it (component-model `design/mvp/CanonicalABI.md`), from JSON.
//!
//! Records are objects, what they lack is zeros; tuples and lists are arrays; variants and results are `"case"` or
//! `{"case": payload}`; an option is null or the value. And what nobody would write out:
//! `{"$text": n}`: a text (or a list of bytes) of n zero bytes; `{"$times": [n, value]}`: a list of n equal elements, all of which
//! point to the same text; `{"$case": n}`: a case (or a bool) by its number, whether there is one or not; `{"$bytes": [...]}`: a text of these
//! bytes; `{"$at": [place, length]}`: a text or a list wherever it is said to be.

use serde_json::Value;
use wit_parser::{Int, Resolve, SizeAlign, Type, TypeDefKind};

/// Memory from `base` on.
pub struct Layout<'r> {
    resolve: &'r Resolve,
    sizes: SizeAlign,
    base: usize,
    pub bytes: Vec<u8>,
    /// Zero bytes needed behind `bytes`, for long texts.
    pub zeros: usize,
    /// Where those point to, in `bytes`.
    long: Vec<usize>,
}

impl<'r> Layout<'r> {
    /// `base` is a multiple of 8.
    pub fn new(resolve: &'r Resolve, base: u32) -> Self {
        let mut sizes = SizeAlign::default();
        sizes.fill(resolve);
        Self { resolve, sizes, base: base as usize, bytes: Vec::new(), zeros: 0, long: Vec::new() }
    }

    /// Where the value lies.
    pub fn put(&mut self, ty: &Type, value: &Value) -> u32 {
        let at = self.room(self.sizes.size(ty).size_wasm32(), self.sizes.align(ty).align_wasm32());
        self.write(ty, value, at);
        (self.base + at) as u32
    }

    /// Puts the zeros behind the rest.
    pub fn finish(&mut self) {
        let at = self.base + self.room(0, 8);
        for place in std::mem::take(&mut self.long) {
            self.number(place, at as u64, 4);
        }
    }

    fn room(&mut self, size: usize, align: usize) -> usize {
        let at = self.bytes.len().next_multiple_of(align.max(1));
        self.bytes.resize(at + size, 0);
        at
    }

    fn number(&mut self, at: usize, number: u64, width: usize) {
        self.bytes[at..at + width].copy_from_slice(&number.to_le_bytes()[..width]);
    }

    /// Address and length of a text or a list.
    fn slice(&mut self, at: usize, place: usize, length: usize) {
        self.number(at, place as u64, 4);
        self.number(at + 4, length as u64, 4);
    }

    fn text(&mut self, at: usize, bytes: &[u8]) {
        let place = self.room(0, 1);
        self.bytes.extend(bytes);
        self.slice(at, self.base + place, bytes.len());
    }

    /// `{"$what": …}` for texts and lists; false: it is none of these.
    fn special(&mut self, value: &Value, at: usize) -> bool {
        if let Some(length) = value["$text"].as_u64() {
            self.long.push(at);
            self.zeros = self.zeros.max(length as usize);
            self.slice(at, 0, length as usize);
        } else if let Some(bytes) = value["$bytes"].as_array() {
            let bytes: Vec<u8> = bytes.iter().map(|byte| byte.as_u64().unwrap() as u8).collect();
            self.text(at, &bytes);
        } else if let Some([place, length]) = value["$at"].as_array().map(Vec::as_slice) {
            self.slice(at, place.as_u64().unwrap() as usize, length.as_u64().unwrap() as usize);
        } else {
            return false;
        }
        true
    }

    fn write(&mut self, ty: &Type, value: &Value, at: usize) {
        let width = self.sizes.size(ty).size_wasm32();
        match ty {
            Type::Id(id) => {
                let resolve = self.resolve;
                self.defined(&resolve.types[*id].kind, value, at);
            }
            Type::String => {
                if !self.special(value, at) {
                    self.text(at, value.as_str().unwrap_or_else(|| panic!("{value} is no text")).as_bytes());
                }
            }
            Type::F64 => self.number(at, value.as_f64().unwrap().to_bits(), width),
            Type::Bool => self.number(at, value["$case"].as_u64().unwrap_or_else(|| u64::from(value.as_bool().unwrap())), width),
            _ => {
                let number = value.as_u64().or_else(|| value.as_i64().map(|n| n as u64));
                self.number(at, number.unwrap_or_else(|| panic!("{value} is no {ty:?}")), width);
            }
        }
    }

    fn defined(&mut self, kind: &TypeDefKind, value: &Value, at: usize) {
        match kind {
            TypeDefKind::Type(ty) => self.write(ty, value, at),
            TypeDefKind::Record(record) => {
                let names: Vec<&str> = record.fields.iter().map(|field| field.name.as_str()).collect();
                let given = value.as_object().unwrap_or_else(|| panic!("{value} is no record of {names:?}"));
                given.keys().for_each(|key| assert!(names.contains(&key.as_str()), "{key} is none of {names:?}"));
                let offsets = self.sizes.field_offsets(record.fields.iter().map(|field| &field.ty));
                let places: Vec<(usize, Type)> = offsets.into_iter().map(|(offset, ty)| (offset.size_wasm32(), *ty)).collect();
                for (name, (offset, ty)) in names.iter().zip(places) {
                    if let Some(value) = given.get(*name) {
                        self.write(&ty, value, at + offset);
                    }
                }
            }
            TypeDefKind::Tuple(tuple) => {
                let offsets = self.sizes.field_offsets(&tuple.types);
                let places: Vec<(usize, Type)> = offsets.into_iter().map(|(offset, ty)| (offset.size_wasm32(), *ty)).collect();
                for (value, (offset, ty)) in value.as_array().unwrap().iter().zip(places) {
                    self.write(&ty, value, at + offset);
                }
            }
            TypeDefKind::List(ty) => self.list(ty, value, at),
            TypeDefKind::Variant(variant) => {
                let cases: Vec<(&str, Option<Type>)> = variant.cases.iter().map(|case| (case.name.as_str(), case.ty)).collect();
                self.variant(variant.tag(), &cases, value, at);
            }
            TypeDefKind::Enum(names) => {
                let cases: Vec<(&str, Option<Type>)> = names.cases.iter().map(|case| (case.name.as_str(), None)).collect();
                self.variant(names.tag(), &cases, value, at);
            }
            TypeDefKind::Option(ty) => {
                let chosen = if value.is_null() { Value::from("none") } else { serde_json::json!({ "some": value }) };
                self.variant(Int::U8, &[("none", None), ("some", Some(*ty))], &chosen, at);
            }
            TypeDefKind::Result(result) => self.variant(Int::U8, &[("ok", result.ok), ("err", result.err)], value, at),
            other => panic!("an answer with a {}", other.as_str()),
        }
    }

    fn list(&mut self, ty: &Type, value: &Value, at: usize) {
        if self.special(value, at) {
            return;
        }
        if let (Type::U8, Some(text)) = (ty, value.as_str()) {
            return self.text(at, text.as_bytes());
        }
        let (size, align) = (self.sizes.size(ty).size_wasm32(), self.sizes.align(ty).align_wasm32());
        if let Some([times, element]) = value["$times"].as_array().map(Vec::as_slice) {
            let times = times.as_u64().unwrap() as usize;
            let place = self.room(size * times, align);
            self.slice(at, self.base + place, times);
            self.write(ty, element, place);
            assert!(!self.long.iter().any(|long| (place..place + size).contains(long)), "elements that are repeated have no long texts");
            let element = self.bytes[place..place + size].to_vec();
            (1..times).for_each(|i| self.bytes[place + i * size..place + (i + 1) * size].copy_from_slice(&element));
            return;
        }
        let elements = value.as_array().unwrap_or_else(|| panic!("{value} is no list"));
        let place = self.room(size * elements.len(), align);
        self.slice(at, self.base + place, elements.len());
        for (i, element) in elements.iter().enumerate() {
            self.write(ty, element, place + i * size);
        }
    }

    fn variant(&mut self, tag: Int, cases: &[(&str, Option<Type>)], value: &Value, at: usize) {
        let width = match tag {
            Int::U8 => 1,
            Int::U16 => 2,
            Int::U32 => 4,
            Int::U64 => 8,
        };
        if let Some(number) = value["$case"].as_u64() {
            return self.number(at, number, width);
        }
        let (name, payload) = match value.as_object().and_then(|object| object.iter().next()) {
            Some((name, payload)) => (name.as_str(), Some(payload)),
            None => (value.as_str().unwrap_or_else(|| panic!("{value} is no case")), None),
        };
        let names = || cases.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        let number = cases.iter().position(|(case, _)| *case == name).unwrap_or_else(|| panic!("{name} is none of {:?}", names()));
        self.number(at, number as u64, width);
        if let (Some(ty), Some(payload)) = (cases[number].1, payload) {
            let offset = self.sizes.payload_offset(tag, cases.iter().map(|(_, ty)| ty.as_ref())).size_wasm32();
            self.write(&ty, payload, at + offset);
        }
    }
}
