//! Stable hashes for names.

use crate::names::safe_encode;
use serde_json::Value;
use std::io;

/// FNV-1a, 32 bits.
pub fn fnv32a(bytes: &[u8]) -> u32 {
    let mut hash = Fnv32a::default();
    hash.add(bytes);
    hash.0
}

/// The `pod-template-hash` of a PodTemplateSpec, safe in names and label values.
///
/// Upstream (`pkg/controller/controller_utils.go`, ComputeHash) hashes a dump of the Go struct, which has no meaning
/// outside Go. Ours is as stable: FNV-1a over the canonical JSON (sorted keys, nulls dropped) and the collision count as
/// upstream appends it, written with upstream's alphabet. It does not depend on process, version or field order.
pub fn pod_template_hash(template: &Value, collision_count: Option<i32>) -> String {
    let mut hash = Fnv32a::default();
    write_canonical(template, &mut hash);
    if let Some(count) = collision_count {
        let mut bytes = [0u8; 8];
        bytes.iter_mut().zip(count.to_le_bytes()).for_each(|(to, from)| *to = from);
        hash.add(&bytes);
    }
    safe_encode(hash.0)
}

struct Fnv32a(u32);

impl Default for Fnv32a {
    fn default() -> Self {
        Self(0x811c_9dc5)
    }
}

impl Fnv32a {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    }
}

impl io::Write for Fnv32a {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_canonical(value: &Value, hash: &mut Fnv32a) {
    match value {
        Value::Object(map) => {
            hash.add(b"{");
            for (key, value) in map.iter().filter(|(_, v)| !v.is_null()) {
                write_scalar(&Value::String(key.clone()), hash);
                hash.add(b":");
                write_canonical(value, hash);
                hash.add(b",");
            }
            hash.add(b"}");
        }
        Value::Array(items) => {
            hash.add(b"[");
            for item in items {
                write_canonical(item, hash);
                hash.add(b",");
            }
            hash.add(b"]");
        }
        scalar => write_scalar(scalar, hash),
    }
}

fn write_scalar(value: &Value, hash: &mut Fnv32a) {
    // Writing into a hash cannot fail.
    let _ = serde_json::to_writer(hash, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn known_values() {
        assert_eq!(fnv32a(b""), 0x811c_9dc5);
        assert_eq!(fnv32a(b"a"), 0xe40c_292c);
        assert_eq!(fnv32a(b"foobar"), 0xbf9c_f968);
    }

    #[test]
    fn stable_and_sensitive() {
        let a: Value = serde_json::from_str(r#"{"spec":{"a":1,"b":[1,2]},"metadata":{"labels":null}}"#).unwrap();
        let b: Value = serde_json::from_str(r#"{"metadata":{},"spec":{"b":[1,2],"a":1}}"#).unwrap();
        // The literal pins the function: a change of it would roll every Deployment.
        assert_eq!(pod_template_hash(&a, None), pod_template_hash(&b, None));
        assert_eq!(pod_template_hash(&json!({"a": ["b", 1, null, {}]}), Some(1)), "79d74f989f");
        assert_ne!(pod_template_hash(&a, None), pod_template_hash(&a, Some(0)));
        assert_ne!(pod_template_hash(&a, Some(1)), pod_template_hash(&a, Some(2)));
        assert_ne!(pod_template_hash(&json!({"a": [1, 2]}), None), pod_template_hash(&json!({"a": [2, 1]}), None));
    }
}
