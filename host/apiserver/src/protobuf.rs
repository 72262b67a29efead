//! Answers in Kubernetes' protobuf (`k8s.io/apimachinery/pkg/runtime/serializer/protobuf`): objects and lists in their
//! envelope, events of a watch in frames.

pub use object::protobuf::{Error, decode_body as decode};

use bytes::Bytes;
use object::protobuf::{self, MAGIC, put_bytes, put_head, put_message};
use object::schema::Schema;
use object::{Gvk, StatusError, Value};
use registry::Registry;

pub const MEDIA: &str = "application/vnd.kubernetes.protobuf";
pub const STREAM: &str = "application/vnd.kubernetes.protobuf;stream=watch";

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

fn failed(error: &Error) -> StatusError {
    match error {
        Error::NoMessage(_) => StatusError::not_acceptable(error.to_string()),
        _ => StatusError::internal(format!("unable to encode as protobuf: {error}")),
    }
}

fn encode(schema: Schema<'_>, value: &Value) -> Result<Bytes, StatusError> {
    protobuf::encode(value, schema).map(Bytes::from).map_err(|e| failed(&e))
}

/// The message of an object's JSON, without its envelope.
pub fn message(schema: Schema<'_>, json: &[u8]) -> Result<Bytes, StatusError> {
    let value = serde_json::from_slice::<Value>(json).map_err(StatusError::internal)?;
    encode(schema, &value)
}

/// A message in its envelope.
pub fn body(api_version: &str, kind: &str, message: &[u8]) -> Bytes {
    protobuf::wrap(api_version, kind, message).into()
}

fn meta(name: &str) -> Result<Schema<'static>, StatusError> {
    let found = registry::graph::builtin().named(&format!("{META}.{name}"));
    found.ok_or_else(|| failed(&Error::NoMessage(name.to_owned())))
}

/// `PartialObjectMetadata`.
pub fn partial_metadata() -> Result<Schema<'static>, StatusError> {
    meta("PartialObjectMetadata")
}

/// A list of messages. In every list type, field 1 is its metadata and field 2 its items.
pub fn list(api_version: &str, kind: &str, items: &[Bytes], list_meta: &Value) -> Result<Bytes, StatusError> {
    let mut head = Vec::new();
    put_bytes(&mut head, 1, &encode(meta("ListMeta")?, list_meta)?);
    let mut heads = Vec::with_capacity(items.len() * 4);
    items.iter().for_each(|item| put_head(&mut heads, 2, item.len()));
    let length = head.len() + heads.len() + items.iter().map(Bytes::len).sum::<usize>();
    let mut out = Vec::with_capacity(length + api_version.len() + kind.len() + 32);
    out.extend_from_slice(MAGIC);
    put_message(&mut out, 1, |out| {
        put_bytes(out, 1, api_version.as_bytes());
        put_bytes(out, 2, kind.as_bytes());
    });
    put_head(&mut out, 2, length);
    out.extend_from_slice(&head);
    for item in items {
        put_bytes(&mut out, 2, item);
    }
    put_bytes(&mut out, 3, b"");
    put_bytes(&mut out, 4, b"");
    Ok(out.into())
}

/// One event of a watch, its object in an envelope of its own, the event in none; its length before it.
pub fn frame(ty: &str, object: &[u8]) -> Bytes {
    let mut out = vec![0; 4];
    put_bytes(&mut out, 1, ty.as_bytes());
    put_message(&mut out, 2, |out| put_bytes(out, 1, object));
    let length = u32::try_from(out.len().saturating_sub(4)).unwrap_or(u32::MAX);
    if let Some(prefix) = out.first_chunk_mut::<4>() {
        *prefix = length.to_be_bytes();
    }
    out.into()
}

/// The body of a document that tells its own kind: of a served kind, a list of one, or one of the API's own types.
pub fn any(registry: &Registry, json: &[u8]) -> Result<Vec<u8>, StatusError> {
    let value = serde_json::from_slice::<Value>(json).map_err(StatusError::internal)?;
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    of_value(registry, text("apiVersion"), text("kind"), &value).map(|body| body.to_vec())
}

fn of_value(registry: &Registry, api_version: &str, kind: &str, value: &Value) -> Result<Bytes, StatusError> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let row = |kind: &str| registry.kind_of(&Gvk { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() });
    if let Some(row) = row(kind) {
        return Ok(body(api_version, kind, &encode(row.schema(), value)?));
    }
    if let Some(row) = kind.strip_suffix("List").and_then(row) {
        let items = value.get("items").and_then(Value::as_array).into_iter().flatten();
        let items = items.map(|item| encode(row.schema(), item)).collect::<Result<Vec<_>, _>>()?;
        return list(api_version, kind, &items, value.get("metadata").unwrap_or(&Value::Null));
    }
    let graph = registry.graph();
    let package = match group {
        "" => "core",
        other => other.split('.').next().unwrap_or(other),
    };
    let names = [format!("io.k8s.api.{package}.{version}.{kind}"), format!("{META}.{kind}")];
    let schema = names.iter().find_map(|name| graph.named(name));
    let schema = schema.ok_or_else(|| failed(&Error::NoMessage(format!("{api_version}, Kind={kind}"))))?;
    Ok(body(api_version, kind, &encode(schema, value)?))
}
