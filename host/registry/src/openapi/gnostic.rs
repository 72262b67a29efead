//! Swagger 2.0 in protobuf: `openapi.v2.Document` of `github.com/google/gnostic-models/openapiv2`, which clients of
//! `/openapi/v2` ask for. Field numbers are the order of properties in Swagger's own schema; only what our documents have is
//! written.

use object::{Map, Value};

/// A message that is being written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn bytes(&mut self, tag: u32, bytes: &[u8]) {
        self.number(u64::from(tag) << 3 | 2);
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, tag: u32, message: Self) {
        self.bytes(tag, &message.0);
    }

    fn text(&mut self, tag: u32, value: Option<&Value>) {
        if let Some(text) = value.and_then(Value::as_str).filter(|t| !t.is_empty()) {
            self.bytes(tag, text.as_bytes());
        }
    }

    fn texts(&mut self, tag: u32, value: Option<&Value>) {
        let list = value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        list.for_each(|text| self.bytes(tag, text.as_bytes()));
    }

    fn flag(&mut self, tag: u32, value: Option<&Value>) {
        if value.and_then(Value::as_bool) == Some(true) {
            self.number(u64::from(tag) << 3);
            self.number(1);
        }
    }

    fn integer(&mut self, tag: u32, value: Option<&Value>) {
        if let Some(number) = value.and_then(Value::as_i64).filter(|n| *n != 0) {
            self.number(u64::from(tag) << 3);
            self.number(number as u64);
        }
    }

    fn float(&mut self, tag: u32, value: Option<&Value>) {
        if let Some(number) = value.and_then(Value::as_f64).filter(|n| *n != 0.0) {
            self.number(u64::from(tag) << 3 | 1);
            self.0.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// `NamedX { name = 1, value = 2 }`, one for each entry.
    fn named<'v>(&mut self, tag: u32, entries: impl Iterator<Item = (&'v String, Self)>) {
        for (name, value) in entries {
            let mut named = Self::default();
            named.bytes(1, name.as_bytes());
            named.message(2, value);
            self.message(tag, named);
        }
    }

    /// `x-…` as `NamedAny`.
    fn extensions(&mut self, tag: u32, of: &Map<String, Value>) {
        self.named(tag, of.iter().filter(|(name, _)| name.starts_with("x-")).map(|(name, value)| (name, any(value))));
    }
}

/// `Any { yaml = 2 }`: JSON is YAML.
fn any(value: &Value) -> Message {
    let mut any = Message::default();
    any.bytes(2, format!("{value}\n").as_bytes());
    any
}

fn entries<'v>(of: &'v Map<String, Value>, field: &str) -> impl Iterator<Item = (&'v String, &'v Map<String, Value>)> {
    of.get(field).and_then(Value::as_object).into_iter().flatten().filter_map(|(name, value)| Some((name, value.as_object()?)))
}

fn maps<'v>(of: &'v Map<String, Value>, field: &str) -> impl Iterator<Item = &'v Map<String, Value>> {
    of.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

/// A Swagger 2.0 document's bytes.
pub(super) fn encode(document: &Value) -> Vec<u8> {
    let mut out = Message::default();
    let Some(document) = document.as_object() else { return out.0 };
    out.text(1, document.get("swagger"));
    if let Some(info) = document.get("info") {
        let mut message = Message::default();
        message.text(1, info.get("title"));
        message.text(2, info.get("version"));
        out.message(2, message);
    }
    let mut paths = Message::default();
    paths.named(2, entries(document, "paths").map(|(path, item)| (path, path_item(item))));
    out.message(8, paths);
    let mut definitions = Message::default();
    definitions.named(1, entries(document, "definitions").map(|(name, definition)| (name, schema(definition))));
    out.message(9, definitions);
    for requirement in maps(document, "security") {
        let mut message = Message::default();
        message.named(1, requirement.iter().map(|(name, scopes)| (name, string_array(scopes))));
        out.message(12, message);
    }
    let mut security = Message::default();
    security.named(1, entries(document, "securityDefinitions").map(|(name, definition)| (name, api_key(definition))));
    out.message(13, security);
    out.0
}

fn string_array(value: &Value) -> Message {
    let mut array = Message::default();
    array.texts(1, Some(value));
    array
}

fn api_key(definition: &Map<String, Value>) -> Message {
    let mut key = Message::default();
    for (tag, field) in [(1, "type"), (2, "name"), (3, "in"), (4, "description")] {
        key.text(tag, definition.get(field));
    }
    let mut item = Message::default();
    item.message(2, key);
    item
}

fn path_item(item: &Map<String, Value>) -> Message {
    let mut out = Message::default();
    for (tag, method) in [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (6, "options"), (7, "head"), (8, "patch")] {
        if let Some(of) = item.get(method).and_then(Value::as_object) {
            out.message(tag, operation(of));
        }
    }
    maps(item, "parameters").for_each(|p| out.message(9, parameter(p)));
    out.extensions(10, item);
    out
}

fn operation(of: &Map<String, Value>) -> Message {
    let mut out = Message::default();
    out.texts(1, of.get("tags"));
    out.text(3, of.get("description"));
    out.text(5, of.get("operationId"));
    out.texts(6, of.get("produces"));
    out.texts(7, of.get("consumes"));
    maps(of, "parameters").for_each(|p| out.message(8, parameter(p)));
    let mut responses = Message::default();
    responses.named(1, entries(of, "responses").map(|(code, one)| (code, response(one))));
    out.message(9, responses);
    out.texts(10, of.get("schemes"));
    out.extensions(13, of);
    out
}

/// `ResponseValue { response = 1 }`.
fn response(of: &Map<String, Value>) -> Message {
    let mut told = Message::default();
    told.text(1, of.get("description"));
    if let Some(body) = of.get("schema").and_then(Value::as_object) {
        let mut item = Message::default();
        item.message(1, schema(body));
        told.message(2, item);
    }
    let mut value = Message::default();
    value.message(1, told);
    value
}

/// `ParametersItem { parameter = 1 }`.
fn parameter(of: &Map<String, Value>) -> Message {
    let place = of.get("in").and_then(Value::as_str).unwrap_or_default();
    let mut parameter = Message::default();
    if place == "body" {
        let mut body = Message::default();
        body.text(1, of.get("description"));
        body.text(2, of.get("name"));
        body.text(3, of.get("in"));
        body.flag(4, of.get("required"));
        if let Some(told) = of.get("schema").and_then(Value::as_object) {
            body.message(5, schema(told));
        }
        parameter.message(1, body);
    } else {
        // Query parameters have one field more than those of paths, so that what follows it is shifted.
        let (kind, shift) = if place == "path" { (4, 0) } else { (3, 1) };
        let mut told = Message::default();
        told.flag(1, of.get("required"));
        told.text(2, of.get("in"));
        told.text(3, of.get("description"));
        told.text(4, of.get("name"));
        told.text(5 + shift, of.get("type"));
        told.flag(19 + shift, of.get("uniqueItems"));
        let mut other = Message::default();
        other.message(kind, told);
        parameter.message(2, other);
    }
    let mut item = Message::default();
    item.message(1, parameter);
    item
}

fn schema(of: &Map<String, Value>) -> Message {
    let mut out = Message::default();
    for (tag, field) in [(1, "$ref"), (2, "format"), (3, "title"), (4, "description")] {
        out.text(tag, of.get(field));
    }
    if let Some(default) = of.get("default") {
        out.message(5, any(default));
    }
    for (tag, field) in [(6, "multipleOf"), (7, "maximum"), (9, "minimum")] {
        out.float(tag, of.get(field));
    }
    out.flag(8, of.get("exclusiveMaximum"));
    out.flag(10, of.get("exclusiveMinimum"));
    for (tag, field) in
        [(11, "maxLength"), (12, "minLength"), (14, "maxItems"), (15, "minItems"), (17, "maxProperties"), (18, "minProperties")]
    {
        out.integer(tag, of.get(field));
    }
    out.text(13, of.get("pattern"));
    out.flag(16, of.get("uniqueItems"));
    out.texts(19, of.get("required"));
    of.get("enum").and_then(Value::as_array).into_iter().flatten().for_each(|value| out.message(20, any(value)));
    match of.get("additionalProperties") {
        Some(Value::Object(told)) => {
            let mut item = Message::default();
            item.message(1, schema(told));
            out.message(21, item);
        }
        Some(told @ Value::Bool(_)) => {
            let mut item = Message::default();
            item.flag(2, Some(told));
            out.message(21, item);
        }
        _ => {}
    }
    if of.get("type").is_some_and(Value::is_string) {
        let mut item = Message::default();
        item.text(1, of.get("type"));
        out.message(22, item);
    }
    if let Some(told) = of.get("items").and_then(Value::as_object) {
        let mut item = Message::default();
        item.message(1, schema(told));
        out.message(23, item);
    }
    if of.get("properties").is_some_and(Value::is_object) {
        let mut properties = Message::default();
        properties.named(1, entries(of, "properties").map(|(name, told)| (name, schema(told))));
        out.message(25, properties);
    }
    out.extensions(31, of);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn messages_have_the_published_tags() {
        let encoded = |value: Value| schema(value.as_object().unwrap()).0;
        let check = |value: Value, expect: &[u8]| assert_eq!(encoded(value.clone()), expect, "{value}");
        check(json!({ "$ref": "#/a" }), b"\x0a\x03#/a");
        check(json!({ "type": "string", "format": "byte" }), b"\x12\x04byte\xb2\x01\x08\x0a\x06string");
        check(json!({ "items": { "$ref": "a" } }), b"\xba\x01\x05\x0a\x03\x0a\x01a");
        check(json!({ "properties": { "p": {} } }), b"\xca\x01\x07\x0a\x05\x0a\x01p\x12\x00");
        check(json!({ "x-a": 1 }), b"\xfa\x01\x0b\x0a\x03x-a\x12\x04\x12\x021\n");
        check(
            json!({ "required": ["a"], "additionalProperties": true, "minimum": 1 }),
            b"\x49\x00\x00\x00\x00\x00\x00\xf0\x3f\x9a\x01\x01a\xaa\x01\x02\x10\x01",
        );
        let query = json!({ "in": "query", "name": "n", "type": "string", "uniqueItems": true });
        assert_eq!(parameter(query.as_object().unwrap()).0, b"\x0a\x19\x12\x17\x1a\x15\x12\x05query\x22\x01n\x32\x06string\xa0\x01\x01");
        let path = json!({ "in": "path", "name": "n", "type": "string", "required": true });
        assert_eq!(parameter(path.as_object().unwrap()).0, b"\x0a\x17\x12\x15\x22\x13\x08\x01\x12\x04path\x22\x01n\x2a\x06string");
    }
}
