//! The stored form of an object: the only place that knows it.
//!
//! Layout: 4 bytes little-endian offset, then canonical JSON. The JSON carries `"resourceVersion":""`; the offset points
//! between the quotes, so that the final bytes of an object are made by one splice of the revision, without parsing.

use bytes::{BufMut, Bytes, BytesMut};
use object::{Map, Object, Value};
use std::io::Write;

const HEADER: usize = 4;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("stored object is shorter than its header or its offset lies outside")]
    Layout,
    #[error("stored object is no JSON object")]
    Json(#[from] serde_json::Error),
    #[error("object is too large to store")]
    TooLarge,
}

/// The stored bytes of an object. Its own `resourceVersion` is ignored: the store's revision is the truth.
pub fn encode(object: &Object) -> Result<Bytes, Error> {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(&[0; HEADER]);
    let mut offset = None;
    out.push(b'{');
    let mut first = true;
    let empty = Map::new();
    // `metadata` is always written, as the splice needs a place.
    let mut metadata_written = false;
    for (key, value) in object.as_map() {
        if !metadata_written && key.as_str() > "metadata" {
            metadata_written = true;
            offset = Some(metadata(&mut out, &mut first, &empty)?);
        }
        if key == "metadata" {
            metadata_written = true;
            offset = Some(metadata(&mut out, &mut first, value.as_object().unwrap_or(&empty))?);
            continue;
        }
        field(&mut out, &mut first, key, value)?;
    }
    if !metadata_written {
        offset = Some(metadata(&mut out, &mut first, &empty)?);
    }
    out.push(b'}');
    let offset = offset.and_then(|o| u32::try_from(o - HEADER).ok()).ok_or(Error::TooLarge)?;
    if let Some(header) = out.get_mut(..HEADER) {
        header.copy_from_slice(&offset.to_le_bytes());
    }
    Ok(Bytes::from(out))
}

fn field(out: &mut Vec<u8>, first: &mut bool, key: &str, value: &Value) -> Result<(), Error> {
    name(out, first, key)?;
    serde_json::to_writer(&mut *out, value)?;
    Ok(())
}

fn name(out: &mut Vec<u8>, first: &mut bool, key: &str) -> Result<(), Error> {
    if !std::mem::take(first) {
        out.push(b',');
    }
    serde_json::to_writer(&mut *out, key)?;
    out.push(b':');
    Ok(())
}

/// Writes `metadata` and returns the offset of the revision's place.
fn metadata(out: &mut Vec<u8>, first: &mut bool, map: &Map<String, Value>) -> Result<usize, Error> {
    name(out, first, "metadata")?;
    out.push(b'{');
    let mut first = true;
    let mut offset = None;
    let place = |out: &mut Vec<u8>, first: &mut bool| -> Result<usize, Error> {
        name(out, first, "resourceVersion")?;
        out.extend_from_slice(b"\"\"");
        Ok(out.len() - 1)
    };
    for (key, value) in map {
        if key == "resourceVersion" {
            continue;
        }
        if offset.is_none() && key.as_str() > "resourceVersion" {
            offset = Some(place(out, &mut first)?);
        }
        field(out, &mut first, key, value)?;
    }
    let offset = match offset {
        Some(offset) => offset,
        None => place(out, &mut first)?,
    };
    out.push(b'}');
    Ok(offset)
}

/// Head, tail and JSON of stored bytes.
fn parts(stored: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let (header, json) = stored.split_first_chunk::<HEADER>().ok_or(Error::Layout)?;
    json.split_at_checked(u32::from_le_bytes(*header) as usize).ok_or(Error::Layout)
}

/// The object's final JSON at a revision, and where in it the revision's digits lie.
pub fn splice(stored: &[u8], revision: u64) -> Result<(Bytes, std::ops::Range<usize>), Error> {
    let (head, tail) = parts(stored)?;
    Ok(joined(head, tail, revision))
}

/// The same final JSON with another revision in place of the one at `digits`.
pub fn resplice(json: &[u8], digits: &std::ops::Range<usize>, revision: u64) -> Result<(Bytes, std::ops::Range<usize>), Error> {
    let head = json.get(..digits.start).ok_or(Error::Layout)?;
    let tail = json.get(digits.end..).ok_or(Error::Layout)?;
    Ok(joined(head, tail, revision))
}

fn joined(head: &[u8], tail: &[u8], revision: u64) -> (Bytes, std::ops::Range<usize>) {
    // 20 digits hold any u64.
    let mut out = BytesMut::with_capacity(head.len() + tail.len() + 20);
    out.put_slice(head);
    // Writing into memory cannot fail.
    let _ = write!((&mut out).writer(), "{revision}");
    let digits = head.len()..out.len();
    out.put_slice(tail);
    (out.freeze(), digits)
}

/// The object at a revision.
pub fn decode(stored: &[u8], revision: u64) -> Result<Object, Error> {
    let json = stored.get(HEADER..).ok_or(Error::Layout)?;
    let mut object: Object = serde_json::from_slice(json)?;
    object.set_at(&["metadata", "resourceVersion"], Value::String(revision.to_string()));
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn splices_what_it_encoded() {
        let cases = [
            json!({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","uid":"u","labels":{"resourceVersion":""}},"spec":{}}),
            json!({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}),
            json!({"apiVersion":"v1","kind":"Pod"}),
            json!({"a": 1, "z": 2}),
            json!({"metadata":{"uid":"x","resourceVersion":"77"}}),
        ];
        for value in cases {
            let object = Object::from_value(value.clone()).unwrap();
            let stored = encode(&object).unwrap();
            let (bytes, digits) = splice(&stored, 42).unwrap();
            assert_eq!(&bytes[digits.clone()], b"42");
            let mut expect = object.clone();
            expect.set_at(&["metadata", "resourceVersion"], json!("42"));
            assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), expect.to_value());
            assert_eq!(bytes, serde_json::to_vec(&expect).unwrap());
            assert_eq!(decode(&stored, 42).unwrap(), expect);
            let (again, _) = resplice(&bytes, &digits, 100_000).unwrap();
            assert_eq!(again, splice(&stored, 100_000).unwrap().0);
        }
        assert!(splice(b"abc", 1).is_err());
        assert!(splice(&[255, 255, 0, 0, b'{', b'}'], 1).is_err());
    }
}
