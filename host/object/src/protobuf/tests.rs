//! What the official pairs (`registry`'s `protobuf_pairs` test) cannot show: zero values, merging, and what is refused.

use super::*;
use crate::schema::{Field, Graph, List, ListKind, Presence, Scalar, Shape, Slot, Struct, Target, Type, TypeId};
use serde_json::json;
use std::sync::Arc;

/// One field of a test type: name, number, type, presence.
type Row = (&'static str, u32, TypeId, Presence);

const PLAIN: Presence = Presence { pointer: false, omit_empty: false, omit_zero: false, wrapped: false };
const OMIT: Presence = Presence { omit_empty: true, ..PLAIN };
const POINTER: Presence = Presence { pointer: true, ..OMIT };
const WRAPPED: Presence = Presence { wrapped: true, ..PLAIN };
const OMIT_ZERO: Presence = Presence { omit_zero: true, ..OMIT };

struct Builder(Graph);

impl Builder {
    fn add(&mut self, name: &str, shape: Shape) -> TypeId {
        self.0.push(Type { name: Arc::from(name), description: Arc::from(""), shape })
    }

    fn scalar(&mut self, scalar: Scalar) -> TypeId {
        self.add("", Shape::Scalar(scalar))
    }

    fn structure(&mut self, name: &str, rows: &[Row]) -> TypeId {
        let mut fields: Vec<Field> = rows
            .iter()
            .map(|(name, tag, ty, _)| Field {
                name: Arc::from(*name),
                ty: *ty,
                description: Arc::from(""),
                required: false,
                nullable: false,
                default: None,
                atomic: false,
                retain_keys: false,
                tag: *tag,
            })
            .collect();
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        let at = |name: &str| u16::try_from(fields.iter().position(|f| &*f.name == name).unwrap()).unwrap();
        let mut slots: Vec<Slot> =
            rows.iter().map(|(name, tag, _, presence)| Slot { tag: *tag, target: Target::Field(at(name), *presence) }).collect();
        slots.sort_by_key(|s| s.tag);
        let id = self.add(name, Shape::Struct(Struct { fields, preserve_unknown: false, atomic: false }));
        self.0.messages.insert(id, Message::Struct(slots.into()));
        id
    }
}

/// A type of every form, by the name `One`; `Embeds` has `name` and, embedded as field 2, `source` and `other`.
fn graph() -> Graph {
    let mut b = Builder(Graph::default());
    let string = b.scalar(Scalar::String);
    let int32 = b.scalar(Scalar::Int32);
    let int64 = b.scalar(Scalar::Int64);
    let boolean = b.scalar(Scalar::Boolean);
    let bytes = b.scalar(Scalar::Bytes);
    let double = b.scalar(Scalar::Float64);
    let quantity = b.scalar(Scalar::Quantity);
    let port = b.scalar(Scalar::IntOrString);
    let time = b.scalar(Scalar::Time);
    let micro = b.scalar(Scalar::MicroTime);
    let duration = b.scalar(Scalar::Duration);
    let list = |b: &mut Builder, item| b.add("", Shape::List(List { item, kind: ListKind::Atomic, merge: None }));
    let map = |b: &mut Builder, value| b.add("", Shape::Map { value, atomic: false });
    let strings = list(&mut b, string);
    let numbers = list(&mut b, int32);
    let by_name = map(&mut b, string);
    let blobs = map(&mut b, bytes);
    let extra = map(&mut b, strings);
    let raw = b.add("Raw", Shape::Any);
    b.0.messages.insert(raw, Message::Raw);
    let inner = b.structure("Inner", &[("a", 1, string, PLAIN), ("b", 2, string, OMIT)]);
    let inners = list(&mut b, inner);
    b.structure(
        "One",
        &[
            ("string", 1, string, OMIT),
            ("int32", 2, int32, OMIT),
            ("int64", 3, int64, POINTER),
            ("flag", 4, boolean, OMIT),
            ("bytes", 5, bytes, OMIT),
            ("double", 6, double, POINTER),
            ("quantity", 7, quantity, POINTER),
            ("port", 8, port, POINTER),
            ("time", 9, time, OMIT_ZERO),
            ("micro", 10, micro, POINTER),
            ("duration", 11, duration, POINTER),
            ("strings", 12, strings, OMIT),
            ("numbers", 13, numbers, OMIT),
            ("map", 14, by_name, OMIT),
            ("blobs", 15, blobs, OMIT),
            ("extra", 16, extra, OMIT),
            ("raw", 17, raw, POINTER),
            ("inner", 18, inner, POINTER),
            ("inners", 19, inners, OMIT),
        ],
    );
    b.structure(
        "Zero",
        &[
            ("string", 1, string, PLAIN),
            ("flag", 2, boolean, PLAIN),
            ("int", 3, int32, PLAIN),
            ("inner", 4, inner, OMIT),
            ("time", 5, time, OMIT),
            ("created", 6, time, OMIT_ZERO),
            ("quantity", 7, quantity, OMIT),
            ("port", 8, port, OMIT),
            ("raw", 9, raw, OMIT),
            ("list", 10, strings, PLAIN),
            ("verbs", 11, strings, WRAPPED),
            ("bytes", 12, bytes, PLAIN),
            ("shown", 13, string, Presence { pointer: true, ..PLAIN }),
        ],
    );
    let embeds = b.structure("Embeds", &[("name", 1, string, PLAIN), ("source", 3, inner, POINTER), ("other", 4, string, OMIT)]);
    // The fields of `Embeds` are sorted: name, other, source.
    let field = |tag, at, presence| Slot { tag, target: Target::Field(at, presence) };
    let embedded = [field(1, 2, POINTER), field(2, 1, OMIT)];
    let slots = [field(1, 0, PLAIN), Slot { tag: 2, target: Target::Embedded(embedded.into()) }];
    b.0.messages.insert(embeds, Message::Struct(slots.into()));
    // A type that contains itself.
    let deep = TypeId(u32::try_from(b.0.types.len() + 1).unwrap());
    let deeper = list(&mut b, deep);
    b.structure("Deep", &[("below", 1, deeper, OMIT)]);
    b.0
}

/// A value and its bytes are one another's.
#[track_caller]
fn check(name: &str, value: &Value, expect: &[u8]) {
    let graph = graph();
    let schema = graph.named(name).unwrap();
    let found = encode(value, schema).unwrap();
    assert_eq!(found, expect, "{value}");
    assert_eq!(decode(&found, schema).unwrap(), *value, "{found:?}");
}

/// `One` with a single field: what its other fields that are no pointers write when they are zero stands around it.
#[track_caller]
fn check_field(value: Value, field: &[u8]) {
    let graph = graph();
    let schema = graph.named("One").unwrap();
    let found = encode(&value, schema).unwrap();
    let shown = &found[..found.len().min(60)];
    assert!(field.is_empty() || found.windows(field.len()).any(|w| w == field), "{shown:?} has no {field:?}");
    assert_eq!(decode(&found, schema).unwrap(), value, "{shown:?}");
}

#[test]
fn every_form() {
    check_field(json!({}), &[0x0a, 0, 0x10, 0, 0x20, 0, 0x4a, 0]);
    check_field(json!({ "string": "a", "int32": 5 }), &[0x0a, 1, b'a', 0x10, 5]);
    check_field(json!({ "int32": -1 }), &[0x10, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
    check_field(json!({ "int64": 0 }), &[0x18, 0]);
    check_field(json!({ "int64": i64::MIN }), &[0x18, 128, 128, 128, 128, 128, 128, 128, 128, 128, 1]);
    check_field(json!({ "flag": true }), &[0x20, 1]);
    check_field(json!({ "bytes": "AAE=" }), &[0x2a, 2, 0, 1]);
    check_field(json!({ "double": 1.5 }), &[0x31, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f]);
    check_field(json!({ "double": -3 }), &[0x31, 0, 0, 0, 0, 0, 0, 8, 0xc0]);
    check_field(json!({ "quantity": "1Gi" }), &[0x3a, 5, 0x0a, 3, b'1', b'G', b'i']);
    check_field(json!({ "port": 80 }), &[0x42, 6, 8, 0, 16, 80, 0x1a, 0]);
    check_field(json!({ "port": "http" }), &[0x42, 10, 8, 1, 16, 0, 0x1a, 4, b'h', b't', b't', b'p']);
    check_field(json!({ "time": "1970-01-01T00:01:00Z" }), &[0x4a, 4, 8, 60, 16, 0]);
    check_field(json!({ "time": "1969-12-31T23:59:59Z" }), &[0x4a, 13, 8, 255, 255]);
    check_field(json!({ "micro": "1970-01-01T00:00:01.000002Z" }), &[0x52, 5, 8, 1, 16, 0xd0, 0x0f]);
    check_field(json!({ "micro": "1969-12-31T23:59:59.999999Z" }), &[]);
    check_field(json!({ "duration": "1.5s" }), &[0x5a, 6, 8, 0x80, 0xde, 0xa0, 0xcb, 5]);
    check_field(json!({ "strings": ["a", ""] }), &[0x62, 1, b'a', 0x62, 0]);
    check_field(json!({ "numbers": [1, 300] }), &[0x68, 1, 0x68, 0xac, 2]);
    check_field(json!({ "map": { "b": "", "a": "x" } }), &[0x72, 6, 0x0a, 1, b'a', 0x12, 1, b'x', 0x72, 5, 0x0a, 1, b'b', 0x12, 0]);
    check_field(json!({ "blobs": { "k": "" } }), &[0x7a, 5, 0x0a, 1, b'k', 0x12, 0]);
    check_field(json!({ "extra": { "k": ["v", "w"] } }), &[0x82, 1, 11, 0x0a, 1, b'k', 0x12, 6, 0x0a, 1, b'v', 0x0a, 1, b'w']);
    check_field(json!({ "raw": { "b": [1, null], "a": "x" } }), b"\x8a\x01\x18\x0a\x16{\"a\":\"x\",\"b\":[1,null]}");
    check_field(json!({ "inner": { "a": "" } }), &[0x92, 1, 4, 0x0a, 0, 0x12, 0]);
    check_field(json!({ "inners": [{ "a": "x" }] }), &[0x9a, 1, 5, 0x0a, 1, b'x', 0x12, 0]);
    let long = "x".repeat(20_000);
    check_field(json!({ "inners": [{ "a": long, "b": long }] }), &[0x9a, 1, 0xc8, 0xb8, 2, 0x0a, 0xa0, 0x9c, 1]);
}

#[test]
fn zero_is_written_and_told_as_go_does() {
    let zero = json!({
        "string": "", "flag": false, "int": 0, "inner": { "a": "" }, "time": null, "quantity": "0", "port": 0, "raw": null,
        "list": null, "verbs": null, "bytes": null, "shown": null,
    });
    let port = [0x42, 6, 8, 0, 16, 0, 0x1a, 0];
    let head = [0x0a, 0, 0x10, 0, 0x18, 0, 0x22, 4, 0x0a, 0, 0x12, 0, 0x2a, 0, 0x32, 0, 0x3a, 3, 0x0a, 1, b'0'];
    check("Zero", &zero, &[&head[..], &port, &[0x4a, 0]].concat());
    let graph = graph();
    let schema = graph.named("Zero").unwrap();
    assert_eq!(encode(&json!({}), schema), encode(&zero, schema));
    assert_eq!(decode(&[], schema).unwrap(), zero);
    let verbs = encode(&json!({ "verbs": ["get"] }), schema).unwrap();
    assert!(verbs.ends_with(&[0x5a, 5, 0x0a, 3, b'g', b'e', b't']), "{verbs:?}");
    let none = encode(&json!({ "verbs": [] }), schema).unwrap();
    assert!(none.ends_with(&[0x5a, 0]), "{none:?}");
}

#[test]
fn embedded_structs_are_flat_in_json() {
    check("Embeds", &json!({ "name": "n", "source": { "a": "s" } }), &[0x0a, 1, b'n', 0x12, 9, 0x0a, 5, 0x0a, 1, b's', 0x12, 0, 0x12, 0]);
    check("Embeds", &json!({ "name": "n", "other": "o" }), &[0x0a, 1, b'n', 0x12, 3, 0x12, 1, b'o']);
}

#[test]
fn bytes_of_other_encoders_are_read() {
    let graph = graph();
    let one = graph.named("One").unwrap();
    let decodes = |bytes: &[u8], expect: Value| assert_eq!(decode(bytes, one).unwrap(), expect, "{bytes:?}");
    // The last scalar counts, messages are merged, lists grow.
    decodes(&[0x10, 1, 0x10, 2], json!({ "int32": 2 }));
    decodes(&[0x92, 1, 3, 0x0a, 1, b'x', 0x92, 1, 3, 0x12, 1, b'y'], json!({ "inner": { "a": "x", "b": "y" } }));
    decodes(&[0x62, 1, b'a', 0x10, 1, 0x62, 1, b'b'], json!({ "int32": 1, "strings": ["a", "b"] }));
    // Packed numbers, groups and unknown fields, low bits.
    decodes(&[0x6a, 3, 1, 0xac, 2], json!({ "numbers": [1, 300] }));
    decodes(&[0xa3, 6, 0x08, 1, 0xa4, 6, 0xf8, 6, 1, 0x10, 7], json!({ "int32": 7 }));
    decodes(&[0x10, 255, 255, 255, 255, 15], json!({ "int32": -1 }));
    // An entry without a value has the zero one.
    decodes(&[0x72, 3, 0x0a, 1, b'k'], json!({ "map": { "k": "" } }));
    decodes(&[0x4a, 13, 8, 0x80, 0x92, 0xb8, 0xc3, 0x98, 0xfe, 0xff, 0xff, 0xff, 1, 16, 0], json!({}));
}

#[test]
fn what_is_no_message_is_refused() {
    let graph = graph();
    let one = graph.named("One").unwrap();
    let refuses = |bytes: &[u8], expect: Error| assert_eq!(decode(bytes, one), Err(expect), "{bytes:?}");
    refuses(&[0x0a, 5, b'a'], Error::Truncated);
    refuses(&[0x10], Error::Truncated);
    refuses(&[0x10, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], Error::Overflow);
    refuses(&[0x0f, 1], Error::IllegalWireType(7));
    refuses(&[0x02, 1, 0], Error::IllegalWireType(2));
    refuses(&[0x10 | 2, 1, 0], Error::WireType { field: "int32".to_owned(), found: 2 });
    refuses(&[0x0a, 1, 0xff], invalid("string", "string is not UTF-8"));
    refuses(&[0x8a, 1, 3, 0x0a, 1, b'{'], invalid("Raw", "raw value is not JSON"));
    refuses(&[0x4a, 8, 8, 255, 255, 255, 255, 255, 255, 127], invalid("time", "time is out of range"));
    // Two bytes a message: as a tree each is hundreds.
    refuses(&[0x9a, 1, 0].repeat(100_000), Error::Size);
    let mut deep = Vec::new();
    for _ in 0..100 {
        let inner = std::mem::take(&mut deep);
        put_bytes(&mut deep, 1, &inner);
    }
    assert_eq!(decode(&deep, graph.named("Deep").unwrap()), Err(Error::Depth));
    let encodes = |value: Value| encode(&value, one).is_ok();
    assert!(!encodes(json!({ "int32": "1" })) && !encodes(json!({ "strings": "a" })) && !encodes(json!({ "time": "yesterday" })));
    assert!(!encodes(json!({ "inner": [] })) && !encodes(json!({ "map": { "a": 1 } })) && !encodes(json!([])));
    assert!(encodes(json!({ "unknown": 1, "string": null })));
}

#[test]
fn bodies_are_in_an_envelope() {
    let graph = graph();
    let body = wrap("v1", "Embeds", &[0x0a, 1, b'n']);
    assert_eq!(body, b"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Embeds\x12\x03\x0a\x01n\x1a\0\"\0");
    let found = unwrap(&body).unwrap();
    assert_eq!((&*found.api_version, &*found.kind, found.raw), ("v1", "Embeds", &[0x0a, 1, b'n'][..]));
    let value = decode_body(&body, |_, kind| graph.named(kind)).unwrap();
    assert_eq!(value, json!({ "apiVersion": "v1", "kind": "Embeds", "name": "n" }));
    assert_eq!(decode_body(&body, |_, _| None), Err(Error::NoMessage("v1, Kind=Embeds".to_owned())));
    assert_eq!(unwrap(b"{}"), Err(Error::Magic));
    assert_eq!(unwrap(b"k8s\0\x0a\xc8"), Err(Error::Truncated));
}
