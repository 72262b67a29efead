//! The protobuf decoder never panics, makes no more of a body than its length allows, and what it gave is stable; a stored
//! object comes back from its message with everything that it had.

#![no_main]

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use object::protobuf::{self, Error};
use object::schema::Schema;
use object::{Value, decode};

fuzz_target!(|bytes: &[u8]| {
    let _ = check(&mut Unstructured::new(bytes));
});

fn check(u: &mut Unstructured<'_>) -> Result<()> {
    if u.ratio(1, 4)? {
        // CRDs' schemas have forms of their own.
        let definition = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition";
        let schema = registry::graph::builtin().named(definition).expect("the definition is built in");
        any_bytes(u.bytes(u.len())?, schema);
        return Ok(());
    }
    let (kind, schema) = fuzz::kind(u)?;
    if u.ratio(1, 2)? {
        let bytes = u.bytes(u.len())?;
        any_bytes(bytes, schema);
        let _ = protobuf::decode_body(bytes, |_, _| Some(schema));
        return Ok(());
    }
    let Some(map) = fuzz::stored(u, &kind, schema)? else { return Ok(()) };
    // Types, and quantities and times in their one form, are what stored objects have.
    let decoded = decode::strict(Value::Object(map).to_string().as_bytes(), schema);
    if !decoded.errors.is_empty() {
        return Ok(());
    }
    let message = protobuf::encode(&decoded.value, schema).unwrap_or_else(|e| panic!("{e}: {}", decoded.value));
    let read = protobuf::decode(&message, schema).unwrap_or_else(|e| panic!("{e}: {}", decoded.value));
    lost(&decoded.value, &read, "");
    stable(&read, schema);

    // One byte less, more or other.
    let mut other = message;
    if !other.is_empty() {
        let at = u.int_in_range(0..=other.len() - 1)?;
        match u.int_in_range(0..=2)? {
            0 => _ = other.remove(at),
            1 => other.insert(at, u.arbitrary()?),
            _ => other[at] = u.arbitrary()?,
        }
    }
    any_bytes(&other, schema);
    Ok(())
}

fn any_bytes(bytes: &[u8], schema: Schema<'_>) {
    if let Ok(value) = protobuf::decode(bytes, schema) {
        let values = count(&value);
        assert!(values <= 16_384 + 8 * bytes.len(), "{values} values of {} bytes", bytes.len());
        stable(&value, schema);
    }
}

/// What was decoded can be encoded, and decodes to itself.
fn stable(value: &Value, schema: Schema<'_>) {
    let bytes = protobuf::encode(value, schema).unwrap_or_else(|e| panic!("{e}: {value}"));
    match protobuf::decode(&bytes, schema) {
        Ok(again) => assert_eq!(again, *value),
        // What was not of the type had made room.
        Err(Error::Size) => {}
        Err(error) => panic!("{error}: {value}"),
    }
}

fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

/// Whatever is not empty is there again.
fn lost(given: &Value, read: &Value, path: &str) {
    match (given, read) {
        (Value::Object(given), Value::Object(read)) => {
            for (key, value) in given.iter().filter(|(key, _)| !path.is_empty() || !matches!(key.as_str(), "apiVersion" | "kind")) {
                lost(value, read.get(key).unwrap_or(&Value::Null), &format!("{path}.{key}"));
            }
        }
        (Value::Array(given), Value::Array(read)) => {
            assert_eq!(given.len(), read.len(), "{path}");
            given.iter().zip(read).for_each(|(given, read)| lost(given, read, &format!("{path}[]")));
        }
        (Value::Number(given), Value::Number(read)) => assert_eq!(given.as_f64(), read.as_f64(), "{path}"),
        (given, Value::Null) => assert!(empty(given), "{path}: {given} is lost"),
        (given, read) => assert_eq!(given, read, "{path}"),
    }
}

fn empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty() || text.starts_with("0001-01-01T00:00:00"),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(empty),
    }
}
