//! JSON merge patch, RFC 7386.

use serde_json::{Map, Value};

/// Null removes, objects merge, anything else replaces.
pub fn apply(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(map) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            map.remove(key);
        } else if let Some(slot) = map.get_mut(key) {
            apply(slot, value);
        } else {
            let mut slot = Value::Null;
            apply(&mut slot, value);
            map.insert(key.clone(), slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The cases of RFC 7386, appendix A.
    #[test]
    fn rfc_cases() {
        let table = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ];
        for (target, patch, expect) in table {
            let mut got = target.clone();
            apply(&mut got, &patch);
            assert_eq!(got, expect, "{target} + {patch}");
        }
    }

    fn random(seed: &mut u64, depth: u32) -> Value {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let pick = *seed >> 33;
        match pick % 4 {
            0 if depth > 0 => {
                Value::Object((0..pick % 5).map(|n| (["a", "b", "c"][n as usize % 3].to_owned(), random(seed, depth - 1))).collect())
            }
            1 if depth > 0 => Value::Array((0..pick % 3).map(|_| random(seed, depth - 1)).collect()),
            2 => json!(pick % 3),
            _ => Value::Bool(pick.is_multiple_of(2)),
        }
    }

    fn difference(from: &Value, to: &Value) -> Value {
        let (Value::Object(a), Value::Object(b)) = (from, to) else { return to.clone() };
        let gone = a.keys().filter(|k| !b.contains_key(*k)).map(|k| (k.clone(), Value::Null));
        let changed =
            b.iter().filter(|(k, v)| a.get(*k) != Some(v)).map(|(k, v)| (k.clone(), difference(a.get(k).unwrap_or(&Value::Null), v)));
        Value::Object(gone.chain(changed).collect())
    }

    /// The difference of two trees, applied to the first, gives the second.
    #[test]
    fn undoes_a_difference() {
        let mut seed = 7;
        for _ in 0..5000 {
            let (a, b) = (random(&mut seed, 4), random(&mut seed, 4));
            let mut got = a.clone();
            apply(&mut got, &difference(&a, &b));
            assert_eq!(got, b);
        }
    }
}
