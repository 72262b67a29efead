//! Decoding never panics, and what it gave decodes to itself: stored objects have one form. Defaults settle at once.

#![no_main]

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use object::{Object, Value, decode, defaults};

fuzz_target!(|bytes: &[u8]| {
    let _ = check(&mut Unstructured::new(bytes));
});

fn check(u: &mut Unstructured<'_>) -> Result<()> {
    let (kind, schema) = fuzz::kind(u)?;
    let decoded = if u.ratio(1, 4)? {
        decode::strict(u.bytes(u.len())?, schema)
    } else {
        let tree = fuzz::tree(u, schema)?;
        decode::strict(tree.to_string().as_bytes(), schema)
    };
    if !decoded.errors.is_empty() {
        return Ok(());
    }
    let text = decoded.value.to_string();
    let again = decode::strict(text.as_bytes(), schema);
    assert_eq!(again.errors, [""; 0], "{text}");
    assert_eq!(again.warnings, [""; 0], "{text}");
    assert_eq!(again.value, decoded.value, "{text}");

    let Some(mut once) = Object::from_value(decoded.value) else { return Ok(()) };
    fill(&mut once, &kind, schema);
    let mut twice = once.clone();
    fill(&mut twice, &kind, schema);
    assert_eq!(twice, once, "defaults of defaults");
    let text = once.to_value().to_string();
    let read = decode::strict(text.as_bytes(), schema);
    assert_eq!((read.errors, read.warnings), (vec![], vec![]), "defaults are not of the schema: {text}");
    assert_eq!(read.value, once.to_value(), "defaults are not in stored form: {text}");
    Ok(())
}

fn fill(object: &mut Object, kind: &registry::Kind, schema: object::schema::Schema<'_>) {
    let mut value: Value = std::mem::take(object).into_value();
    defaults::apply(&mut value, schema);
    *object = Object::from_value(value).expect("still an object");
    registry::defaults::apply(kind, object);
}
