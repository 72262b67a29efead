//! Kubernetes' protobuf bodies to JSON trees, guided by the schema graph
//! (`k8s.io/apimachinery/pkg/runtime/serializer/protobuf`). Typed Go clients send it; what is answered is JSON, which they
//! accept beside it.
//!
//! Go writes fields that are no pointers even when they are zero. As JSON would leave them out, zero is dropped unless the
//! field is required or one of those that Go declares as pointers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use object::schema::{Field, Graph, Scalar, Schema, Shape};
use object::{Map, Value, json};

/// First bytes of every body: `k8s` and a zero.
const MAGIC: &[u8] = b"k8s\0";
/// Deeper nesting is an attack: no served type comes near.
const DEPTH: usize = 64;

/// Fields that Go declares as pointers, where zero means zero.
const POINTERS: &[&str] = &[
    "activeDeadlineSeconds",
    "allocateLoadBalancerNodePorts",
    "allowPrivilegeEscalation",
    "automountServiceAccountToken",
    "blockOwnerDeletion",
    "controller",
    "defaultMode",
    "deletionGracePeriodSeconds",
    "enableServiceLinks",
    "expirationSeconds",
    "fsGroup",
    "gracePeriodSeconds",
    "hostUsers",
    "immutable",
    "leaseDurationSeconds",
    "leaseTransitions",
    "mode",
    "optional",
    "orphanDependents",
    "priority",
    "privileged",
    "progressDeadlineSeconds",
    "readOnlyRootFilesystem",
    "ready",
    "replicas",
    "revisionHistoryLimit",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "serving",
    "setHostnameAsFQDN",
    "shareProcessNamespace",
    "started",
    "storageClassName",
    "terminating",
    "terminationGracePeriodSeconds",
    "tolerationSeconds",
];

/// Structs that Go embeds and protobuf nests: type, tag of the nested message, its fields by tag.
const EMBEDDED: &[(&str, u32, Embedded)] = &[
    ("Volume", 2, Embedded::Fields(VOLUME_SOURCES)),
    ("Probe", 1, Embedded::Fields(PROBE_HANDLERS)),
    ("EphemeralContainer", 1, Embedded::Type("io.k8s.api.core.v1.Container")),
    ("ConfigMapEnvSource", 1, REFERENCE),
    ("ConfigMapKeySelector", 1, REFERENCE),
    ("ConfigMapProjection", 1, REFERENCE),
    ("ConfigMapVolumeSource", 1, REFERENCE),
    ("SecretEnvSource", 1, REFERENCE),
    ("SecretKeySelector", 1, REFERENCE),
    ("SecretProjection", 1, REFERENCE),
];
const REFERENCE: Embedded = Embedded::Fields(&[(1, "name")]);
const PROBE_HANDLERS: &[(u32, &str)] = &[(1, "exec"), (2, "httpGet"), (3, "tcpSocket"), (4, "grpc")];
const VOLUME_SOURCES: &[(u32, &str)] = &[
    (1, "hostPath"),
    (2, "emptyDir"),
    (5, "gitRepo"),
    (6, "secret"),
    (7, "nfs"),
    (8, "iscsi"),
    (10, "persistentVolumeClaim"),
    (16, "downwardAPI"),
    (17, "fc"),
    (19, "configMap"),
    (26, "projected"),
    (28, "csi"),
    (29, "ephemeral"),
    (30, "image"),
];

#[derive(Clone, Copy)]
enum Embedded {
    /// Fields of the outer type.
    Fields(&'static [(u32, &'static str)]),
    /// All fields of another type.
    Type(&'static str),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    Magic,
    #[error("unexpected EOF")]
    Truncated,
    #[error("illegal wire type {0}")]
    WireType(u64),
    #[error("no protobuf definition of {0}")]
    Unknown(String),
    #[error("invalid {0}")]
    Value(&'static str),
    #[error("nested too deeply")]
    Depth,
}

/// One field on the wire.
enum Wire<'b> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'b [u8]),
}

/// A body's tree with `apiVersion` and `kind`. `schema` is the type of the kind, given `apiVersion` and `kind`.
pub fn decode<'g>(body: &[u8], schema: impl FnOnce(&str, &str) -> Option<Schema<'g>>) -> Result<Value, Error> {
    let mut envelope = body.strip_prefix(MAGIC).ok_or(Error::Magic)?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    while let Some((tag, wire)) = next(&mut envelope)? {
        match (tag, wire) {
            (1, Wire::Bytes(mut meta)) => {
                while let Some((tag, wire)) = next(&mut meta)? {
                    match (tag, wire) {
                        (1, Wire::Bytes(text)) => api_version = string(text)?,
                        (2, Wire::Bytes(text)) => kind = string(text)?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let schema = schema(&api_version, &kind).filter(|s| matches!(s.shape(), Shape::Struct(_)));
    let schema = schema.ok_or_else(|| Error::Unknown(format!("{api_version}, Kind={kind}")))?;
    let mut map = message(raw, schema, 0)?;
    map.insert("apiVersion".to_owned(), json!(api_version));
    map.insert("kind".to_owned(), json!(kind));
    Ok(Value::Object(map))
}

fn message(bytes: &[u8], schema: Schema<'_>, depth: usize) -> Result<Map<String, Value>, Error> {
    let mut out = Map::new();
    message_into(bytes, schema, depth, &mut out)?;
    Ok(out)
}

fn message_into(mut bytes: &[u8], schema: Schema<'_>, depth: usize, out: &mut Map<String, Value>) -> Result<(), Error> {
    if depth > DEPTH {
        return Err(Error::Depth);
    }
    let Shape::Struct(shape) = schema.shape() else { return Err(Error::Value("message")) };
    let short = schema.name().rsplit('.').next().unwrap_or_default();
    while let Some((tag, wire)) = next(&mut bytes)? {
        if let (Some((_, _, embedded)), Wire::Bytes(nested)) = (EMBEDDED.iter().find(|(name, at, _)| *name == short && *at == tag), &wire) {
            embedded_into(nested, *embedded, schema, depth, out)?;
        } else if let Some(field) = shape.fields.iter().find(|f| f.tag == tag && tag != 0) {
            put(wire, field, schema.graph, depth, out)?;
        }
    }
    Ok(())
}

fn embedded_into(mut bytes: &[u8], embedded: Embedded, outer: Schema<'_>, depth: usize, out: &mut Map<String, Value>) -> Result<(), Error> {
    match embedded {
        Embedded::Type(name) => match outer.graph.named(name) {
            Some(schema) => message_into(bytes, schema, depth + 1, out),
            None => Ok(()),
        },
        Embedded::Fields(fields) => {
            while let Some((tag, wire)) = next(&mut bytes)? {
                let name = fields.iter().find(|(at, _)| *at == tag).map(|(_, name)| *name);
                if let Some(field) = name.and_then(|name| outer.field(name)) {
                    put(wire, field, outer.graph, depth, out)?;
                }
            }
            Ok(())
        }
    }
}

/// One occurrence of a field.
fn put(wire: Wire<'_>, field: &Field, graph: &Graph, depth: usize, out: &mut Map<String, Value>) -> Result<(), Error> {
    let schema = graph.at(field.ty);
    match schema.shape() {
        Shape::List(list) => {
            let item = graph.at(list.item);
            let slot = out.entry(field.name.to_string()).or_insert_with(|| Value::Array(Vec::new()));
            let Value::Array(items) = slot else { return Err(Error::Value("list")) };
            let packed = matches!(item.shape(), Shape::Scalar(Scalar::Int32 | Scalar::Int64 | Scalar::Boolean));
            match wire {
                Wire::Bytes(mut bytes) if packed => {
                    while !bytes.is_empty() {
                        items.push(value(Wire::Varint(varint(&mut bytes)?), item, depth)?.unwrap_or_default());
                    }
                }
                wire => items.push(value(wire, item, depth)?.unwrap_or_default()),
            }
        }
        Shape::Map { value: ty, .. } => {
            let Wire::Bytes(mut entry) = wire else { return Err(Error::Value("map entry")) };
            let slot = out.entry(field.name.to_string()).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(map) = slot else { return Err(Error::Value("map")) };
            let (mut key, mut found) = (String::new(), None);
            while let Some((tag, wire)) = next(&mut entry)? {
                match (tag, wire) {
                    (1, Wire::Bytes(text)) => key = string(text)?,
                    (2, wire) => found = value(wire, graph.at(*ty), depth)?,
                    _ => {}
                }
            }
            map.insert(key, found.unwrap_or_else(|| json!("")));
        }
        shape => {
            let Some(found) = value(wire, schema, depth)? else { return Ok(()) };
            let zero = match &found {
                Value::String(text) => text.is_empty() && !matches!(shape, Shape::Any),
                Value::Number(number) => number.as_f64() == Some(0.0) && !matches!(shape, Shape::Scalar(Scalar::IntOrString)),
                Value::Bool(flag) => !flag,
                _ => false,
            };
            if !zero || field.required || POINTERS.contains(&&*field.name) {
                out.insert(field.name.to_string(), found);
            }
        }
    }
    Ok(())
}

/// A single value; `None` for what JSON leaves out, like the zero time.
fn value(wire: Wire<'_>, schema: Schema<'_>, depth: usize) -> Result<Option<Value>, Error> {
    let found = match (schema.shape(), wire) {
        (Shape::Struct(_), Wire::Bytes(bytes)) => Value::Object(message(bytes, schema, depth + 1)?),
        // RawExtension, JSON and FieldsV1 hold their JSON as field 1.
        (Shape::Any, Wire::Bytes(mut bytes)) => {
            let mut raw = &[][..];
            while let Some((tag, wire)) = next(&mut bytes)? {
                if let (1, Wire::Bytes(found)) = (tag, wire) {
                    raw = found;
                }
            }
            if raw.is_empty() {
                return Ok(None);
            }
            serde_json::from_slice(raw).map_err(|_| Error::Value("raw JSON"))?
        }
        (Shape::Scalar(scalar), wire) => return scalar_value(*scalar, wire),
        _ => return Err(Error::Value("message")),
    };
    Ok(Some(found))
}

fn scalar_value(scalar: Scalar, wire: Wire<'_>) -> Result<Option<Value>, Error> {
    Ok(Some(match (scalar, wire) {
        (Scalar::String, Wire::Bytes(text)) => json!(string(text)?),
        (Scalar::Bytes, Wire::Bytes(bytes)) => json!(STANDARD.encode(bytes)),
        (Scalar::Boolean, Wire::Varint(flag)) => json!(flag != 0),
        (Scalar::Int32 | Scalar::Int64, Wire::Varint(number)) => json!(number.cast_signed()),
        (Scalar::Float64, Wire::Fixed64(bits)) => json!(f64::from_bits(bits)),
        (Scalar::Float64, Wire::Fixed32(bits)) => json!(f32::from_bits(bits)),
        (Scalar::Quantity, Wire::Bytes(bytes)) => match inner(bytes)? {
            (_, Some(text)) if !text.is_empty() => json!(text),
            _ => json!("0"),
        },
        (Scalar::IntOrString, Wire::Bytes(mut bytes)) => {
            let (mut is_text, mut number, mut text) = (false, 0, String::new());
            while let Some((tag, wire)) = next(&mut bytes)? {
                match (tag, wire) {
                    (1, Wire::Varint(kind)) => is_text = kind == 1,
                    (2, Wire::Varint(found)) => number = found.cast_signed(),
                    (3, Wire::Bytes(found)) => text = string(found)?,
                    _ => {}
                }
            }
            // A zero target port is an absent one.
            match (is_text, number) {
                (true, _) => json!(text),
                (false, number) => json!(number),
            }
        }
        (Scalar::Time | Scalar::MicroTime, Wire::Bytes(mut bytes)) => {
            if bytes.is_empty() {
                return Ok(None);
            }
            let (mut seconds, mut nanos) = (0, 0);
            while let Some((tag, wire)) = next(&mut bytes)? {
                match (tag, wire) {
                    (1, Wire::Varint(found)) => seconds = found.cast_signed(),
                    (2, Wire::Varint(found)) => nanos = found,
                    _ => {}
                }
            }
            let since =
                std::time::Duration::new(u64::try_from(seconds).map_err(|_| Error::Value("time"))?, u32::try_from(nanos).unwrap_or(0));
            let time = std::time::UNIX_EPOCH + since;
            json!(if scalar == Scalar::Time { object::time::format(time) } else { object::time::format_micro(time) })
        }
        (Scalar::Duration, Wire::Bytes(bytes)) => match inner(bytes)? {
            (Some(nanos), _) => json!(object::time::format_duration(nanos)),
            _ => json!("0s"),
        },
        _ => return Err(Error::Value("scalar")),
    }))
}

/// Field 1 of a message with one field.
fn inner(mut bytes: &[u8]) -> Result<(Option<i64>, Option<String>), Error> {
    let mut found = (None, None);
    while let Some((tag, wire)) = next(&mut bytes)? {
        match (tag, wire) {
            (1, Wire::Varint(number)) => found.0 = Some(number.cast_signed()),
            (1, Wire::Bytes(text)) => found.1 = Some(string(text)?),
            _ => {}
        }
    }
    Ok(found)
}

fn string(bytes: &[u8]) -> Result<String, Error> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Error::Value("UTF-8"))
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Error> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(Error::Truncated)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Error::Value("varint"))
}

fn take<'b>(bytes: &mut &'b [u8], count: usize) -> Result<&'b [u8], Error> {
    let (head, tail) = bytes.split_at_checked(count).ok_or(Error::Truncated)?;
    *bytes = tail;
    Ok(head)
}

/// The next field's tag and value; `None` at the end.
fn next<'b>(bytes: &mut &'b [u8]) -> Result<Option<(u32, Wire<'b>)>, Error> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let key = varint(bytes)?;
    let wire = match key & 7 {
        0 => Wire::Varint(varint(bytes)?),
        1 => Wire::Fixed64(u64::from_le_bytes(take(bytes, 8)?.try_into().map_err(|_| Error::Truncated)?)),
        2 => {
            let length = usize::try_from(varint(bytes)?).map_err(|_| Error::Truncated)?;
            Wire::Bytes(take(bytes, length)?)
        }
        5 => Wire::Fixed32(u32::from_le_bytes(take(bytes, 4)?.try_into().map_err(|_| Error::Truncated)?)),
        other => return Err(Error::WireType(other)),
    };
    Ok(Some((u32::try_from(key >> 3).map_err(|_| Error::Value("tag"))?, wire)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A length-delimited field.
    fn field(tag: u8, body: &[u8]) -> Vec<u8> {
        let mut out = if tag < 16 { vec![tag << 3 | 2] } else { vec![tag << 3 | 2 | 0x80, tag >> 4] };
        out.push(u8::try_from(body.len()).unwrap());
        out.extend_from_slice(body);
        out
    }

    fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
        let meta = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), field(1, &meta), field(2, raw)].concat()
    }

    #[test]
    fn decodes_by_the_graph() {
        let registry = registry::Registry::builtin();
        let schema = |_: &str, kind: &str| registry.graph().named(&format!("io.k8s.api.core.v1.{kind}"));
        let meta = [field(1, b"a"), field(2, b""), field(8, b""), field(11, &[field(1, b"k"), field(2, b"v")].concat())].concat();
        let map = [field(1, &meta), field(2, &[field(1, b"x"), field(2, b"y")].concat())].concat();
        assert_eq!(
            decode(&envelope("v1", "ConfigMap", &map), schema).unwrap(),
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a", "labels": { "k": "v" } }, "data": { "x": "y" } })
        );
        let volume = [field(1, b"v"), field(2, &field(19, &field(1, &field(1, b"cm"))))].concat();
        let port = [3 << 3, 80];
        let container = [field(1, b"c"), field(2, b"i"), field(6, &port), vec![0x80, 1, 0]].concat();
        let spec = [field(1, &volume), field(2, &container), vec![4 << 3, 0], vec![11 << 3, 0]].concat();
        assert_eq!(
            decode(&envelope("v1", "Pod", &field(2, &spec)), schema).unwrap()["spec"],
            json!({
                "volumes": [{ "name": "v", "configMap": { "name": "cm" } }],
                "containers": [{ "name": "c", "image": "i", "ports": [{ "containerPort": 80 }] }],
                "terminationGracePeriodSeconds": 0,
            })
        );
        assert_eq!(decode(b"{}", schema), Err(Error::Magic));
        assert_eq!(decode(&[MAGIC, &[10, 200]].concat(), schema), Err(Error::Truncated));
        assert!(matches!(decode(&envelope("v1", "Nothing", b""), schema), Err(Error::Unknown(_))));
    }
}
