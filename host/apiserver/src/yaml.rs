//! YAML to JSON text. Unlike a tree, the text keeps duplicate keys, so that strict decoding can name them.

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// Bytes of JSON that one body may become: aliases can repeat a large scalar very often.
const LIMIT: usize = 16 * 1024 * 1024;

/// Openers times indicators of flow collections in one body. The scanner looks at every open collection for each token, so a
/// few hundred kilobytes of `[` would keep a core busy for hours; this many steps take well below a second. JSON has no such
/// bound: it is not read as YAML.
const FLOW_STEPS: usize = 250_000_000;

/// An upper bound of the scanner's work, whatever is quoted or commented out.
fn flow_steps(yaml: &[u8]) -> usize {
    let openers = yaml.iter().filter(|b| matches!(b, b'[' | b'{')).count();
    let indicators = yaml.iter().filter(|b| matches!(b, b'[' | b'{' | b']' | b'}' | b',' | b':' | b'?')).count();
    openers.saturating_mul(indicators)
}

fn within<E: Error>(out: &str) -> Result<(), E> {
    if out.len() > LIMIT { Err(E::custom("document is too large when its aliases are written out")) } else { Ok(()) }
}

/// JSON text of one YAML value.
struct Json(String);

/// One YAML document as JSON text. JSON, which is YAML too, stays as it is.
pub fn to_json(yaml: &[u8]) -> Result<Vec<u8>, serde_yaml_ng::Error> {
    if serde_json::from_slice::<serde::de::IgnoredAny>(yaml).is_ok() {
        return Ok(yaml.to_vec());
    }
    if flow_steps(yaml) > FLOW_STEPS {
        return Err(Error::custom("document has too many flow collections; send it as JSON"));
    }
    serde_yaml_ng::from_slice::<Json>(yaml).map(|json| json.0.into_bytes())
}

/// Duplicates looked for in one document; each costs a reading.
const DUPLICATES: usize = 10;

/// Keys that a mapping has twice, as the YAML library of Kubernetes tells them; `None` when there are none.
pub fn duplicates(yaml: &[u8]) -> Option<String> {
    if flow_steps(yaml) > FLOW_STEPS {
        return None;
    }
    let mut told = String::new();
    for skip in 0..DUPLICATES {
        let left = std::cell::Cell::new(skip);
        let reader = serde_yaml_ng::Deserializer::from_slice(yaml);
        let Err(error) = Unique { left: &left }.deserialize(reader) else { break };
        let message = error.to_string();
        let Some((_, key)) = message.split_once(DUPLICATE) else { break };
        let key = serde_json::Deserializer::from_str(key).into_iter::<String>().next()?.ok()?;
        let line = error.location().map_or(0, |l| l.line());
        told.push_str(&format!("\n  line {line}: key {key:?} already set in map"));
    }
    (!told.is_empty()).then(|| format!("yaml: unmarshal errors:{told}"))
}

const DUPLICATE: &str = "duplicate key ";

/// Reads a value and fails at a key that its mapping has already; so the error has the key's place.
#[derive(Clone, Copy)]
struct Unique<'u> {
    /// Duplicates to overlook.
    left: &'u std::cell::Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = entries.next_key_seed(NewKey { seen: &seen, left: self.left })? {
            seen.insert(key);
            entries.next_value_seed(self)?;
        }
        Ok(())
    }
}

struct NewKey<'k> {
    seen: &'k HashSet<String>,
    left: &'k std::cell::Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for NewKey<'_> {
    type Value = String;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NewKey<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E: Error>(self, key: &str) -> Result<String, E> {
        match (self.seen.contains(key), self.left.get()) {
            (true, 0) => Err(E::custom(format!("{DUPLICATE}{}", serde_json::Value::from(key)))),
            (true, left) => {
                self.left.set(left - 1);
                Ok(key.to_owned())
            }
            (false, _) => Ok(key.to_owned()),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ToJson)
    }
}

struct ToJson;

fn text<E: Error>(value: &impl serde::Serialize) -> Result<Json, E> {
    serde_json::to_string(value).map(Json).map_err(E::custom)
}

impl<'de> Visitor<'de> for ToJson {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON has")
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        text(&value)
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        text(&value)
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        text(&value)
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        if value.is_finite() { text(&value) } else { Err(E::custom("json: unsupported value")) }
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        text(&value)
    }
    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json("null".to_owned()))
    }
    fn visit_none<E: Error>(self) -> Result<Json, E> {
        self.visit_unit()
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        Json::deserialize(deserializer)
    }
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        Json::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut out = String::from("[");
        while let Some(Json(item)) = items.next_element()? {
            if out.len() > 1 {
                out.push(',');
            }
            out.push_str(&item);
            within(&out)?;
        }
        out.push(']');
        Ok(Json(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut out = String::from("{");
        while let Some((Json(key), Json(value))) = entries.next_entry()? {
            if out.len() > 1 {
                out.push(',');
            }
            // Keys that YAML reads as numbers or booleans are strings in JSON.
            if key.starts_with('"') {
                out.push_str(&key);
            } else {
                out.push_str(&serde_json::to_string(&key).map_err(A::Error::custom)?);
            }
            out.push(':');
            out.push_str(&value);
            within(&out)?;
        }
        out.push('}');
        Ok(Json(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(yaml: &str, expect: Option<&str>) {
        let found = to_json(yaml.as_bytes()).ok().map(|json| String::from_utf8(json).unwrap());
        assert_eq!(found.as_deref(), expect, "{yaml}");
    }

    #[test]
    fn tells_the_lines_of_duplicates() {
        for (yaml, expect) in [
            ("a: 1\nb: 2\n", None),
            ("\na: 1\nb:\n  c: 1\n  c: 2\n", Some("yaml: unmarshal errors:\n  line 5: key \"c\" already set in map")),
            (
                "{\"a\": 1, \"a\": [{\"b\": 1,\n \"b\": 2}]}",
                Some("yaml: unmarshal errors:\n  line 1: key \"a\" already set in map\n  line 2: key \"b\" already set in map"),
            ),
            ("- 1: x\n  1: y\n", Some("yaml: unmarshal errors:\n  line 2: key \"1\" already set in map")),
        ] {
            assert_eq!(duplicates(yaml.as_bytes()).as_deref(), expect, "{yaml}");
        }
    }

    #[test]
    fn keeps_what_json_has() {
        check("a: b", Some(r#"{"a":"b"}"#));
        check("a: 1\na: 2", Some(r#"{"a":1,"a":2}"#));
        check("1: true\ntrue: ~", Some(r#"{"1":true,"true":null}"#));
        check("[1, 2.5, \"x\", {a: []}]", Some(r#"[1,2.5,"x",{"a":[]}]"#));
        check("a: |\n  x\n  y\n", Some(r#"{"a":"x\ny\n"}"#));
        check("a: &x {b: c}\nd: *x", Some(r#"{"a":{"b":"c"},"d":{"b":"c"}}"#));
        let large = format!("a: &x {}\nb: [{}]", "y".repeat(1 << 20), "*x,".repeat(20));
        check(&large, None);
        check(&format!("a: {}", "[".repeat(20_000)), None);
        check("{\"a\": 1.50, \"a\": 2}", Some(r#"{"a": 1.50, "a": 2}"#));
        check("a: .nan", None);
        check("a: [", None);
    }
}
