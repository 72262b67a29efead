//! Kubernetes' protobuf: JSON trees to messages and back, guided by the schema graph
//! (`k8s.io/apimachinery/pkg/runtime/serializer/protobuf` and the `generated.pb.go` of each API package).
//!
//! The bytes are those that Go's generated code writes: fields in order of their numbers, whatever is no pointer also when it
//! is zero, maps by sorted keys. The trees are those that Go's JSON encoder makes of the same struct: `omitempty` leaves out
//! zero scalars and empty lists, structs stay (`status: {}`), a list without `omitempty` is `null` when there is none.
//!
//! Every body is in an envelope, `runtime.Unknown`, behind four magic bytes; messages themselves do not tell their kind.

mod decode;
mod encode;
mod union;
mod wire;

#[cfg(test)]
mod tests;

pub use wire::{put_bytes, put_head, put_message};

use crate::schema::{Message, Schema};
use serde_json::Value;
use wire::Wire;

/// First bytes of every body: `k8s` and a zero.
pub const MAGIC: &[u8] = b"k8s\0";
/// Messages within messages. CRDs' schemas nest deepest; JSON of more than twice this depth is refused as well.
const DEPTH: usize = 60;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("provided data does not appear to be a protobuf message, expected prefix {MAGIC:?}")]
    Magic,
    #[error("unexpected EOF")]
    Truncated,
    #[error("proto: integer overflow")]
    Overflow,
    #[error("proto: illegal wireType {0}")]
    IllegalWireType(u64),
    #[error("proto: wrong wireType = {found} for field {field}")]
    WireType { field: String, found: u8 },
    #[error("object {0} does not implement the protobuf marshalling interface and cannot be encoded to a protobuf message")]
    NoMessage(String),
    #[error("{field}: {what}")]
    Value { field: String, what: &'static str },
    #[error("messages are nested too deeply")]
    Depth,
    #[error("message becomes too large when written out")]
    Size,
}

/// The envelope, `runtime.Unknown`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unknown<'b> {
    pub api_version: String,
    pub kind: String,
    /// The message of the kind.
    pub raw: &'b [u8],
    pub content_encoding: String,
    pub content_type: String,
}

/// Reads the envelope of a body.
pub fn unwrap(body: &[u8]) -> Result<Unknown<'_>, Error> {
    let mut rest = body.strip_prefix(MAGIC).ok_or(Error::Magic)?;
    let mut found = Unknown::default();
    while let Some((tag, wire)) = wire::next(&mut rest)? {
        match (tag, wire) {
            (1, Wire::Bytes(mut meta)) => {
                while let Some((tag, wire)) = wire::next(&mut meta)? {
                    match (tag, wire) {
                        (1, Wire::Bytes(text)) => found.api_version = wire::text(text, "apiVersion")?,
                        (2, Wire::Bytes(text)) => found.kind = wire::text(text, "kind")?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(raw)) => found.raw = raw,
            (3, Wire::Bytes(text)) => found.content_encoding = wire::text(text, "contentEncoding")?,
            (4, Wire::Bytes(text)) => found.content_type = wire::text(text, "contentType")?,
            _ => {}
        }
    }
    Ok(found)
}

/// A body: the magic bytes and the envelope around a message.
pub fn wrap(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + api_version.len() + kind.len() + 24);
    wrap_into(&mut out, api_version, kind, raw);
    out
}

/// As [`wrap`], into a buffer.
pub fn wrap_into(out: &mut Vec<u8>, api_version: &str, kind: &str, raw: &[u8]) {
    out.extend_from_slice(MAGIC);
    put_message(out, 1, |out| {
        put_bytes(out, 1, api_version.as_bytes());
        put_bytes(out, 2, kind.as_bytes());
    });
    put_bytes(out, 2, raw);
    // Content encoding and type: no pointers, so written, and empty.
    put_bytes(out, 3, b"");
    put_bytes(out, 4, b"");
}

/// Whether a type has a protobuf form.
pub fn is_message(schema: Schema<'_>) -> bool {
    matches!(schema.graph.messages.get(&schema.id), Some(Message::Struct(_)))
}

/// The JSON tree of a message, without `apiVersion` and `kind`, which messages do not hold.
pub fn decode(raw: &[u8], schema: Schema<'_>) -> Result<Value, Error> {
    decode::decode(raw, schema)
}

/// A whole body's tree, with `apiVersion` and `kind`. `schema` is the type of a kind, given both; without one the error is
/// [`Error::NoMessage`].
pub fn decode_body<'g>(body: &[u8], schema: impl FnOnce(&str, &str) -> Option<Schema<'g>>) -> Result<Value, Error> {
    let unknown = unwrap(body)?;
    let found = schema(&unknown.api_version, &unknown.kind).filter(|s| is_message(*s));
    let found = found.ok_or_else(|| Error::NoMessage(format!("{}, Kind={}", unknown.api_version, unknown.kind)))?;
    let mut value = decode(unknown.raw, found)?;
    if let Value::Object(map) = &mut value {
        map.insert("apiVersion".to_owned(), Value::String(unknown.api_version));
        map.insert("kind".to_owned(), Value::String(unknown.kind));
    }
    Ok(value)
}

/// The message of a JSON tree. Fields that the type does not have are left out, `null` is absent; a value of another JSON
/// type than the field's is an error.
pub fn encode(value: &Value, schema: Schema<'_>) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    encode::encode(&mut out, value, schema)?;
    Ok(out)
}

fn invalid(field: &str, what: &'static str) -> Error {
    Error::Value { field: field.to_owned(), what }
}
