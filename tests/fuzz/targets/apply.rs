//! Server-side apply never panics, applying the same twice changes nothing, and every write leaves a book that the next
//! one can read.

#![no_main]

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use object::patch::apply::{self, ApplyContext, ApplyError};
use object::{Map, Object, Value};

const NOW: &str = "2026-01-02T03:04:05Z";

fuzz_target!(|bytes: &[u8]| {
    let _ = check(&mut Unstructured::new(bytes));
});

fn check(u: &mut Unstructured<'_>) -> Result<()> {
    let (kind, schema) = fuzz::kind(u)?;
    let api_version = kind.api_version();
    let context = |manager, force| ApplyContext {
        schema,
        manager,
        api_version: &api_version,
        subresource: "",
        force,
        now: NOW,
        reset_fields: &[&["status"]],
    };
    let mut live: Option<Object> = None;
    for _ in 0..u.int_in_range(1..=4)? {
        let manager = *u.choose(&["a", "b", "kubectl"])?;
        let Some(tree) = fuzz::stored(u, &kind, schema)? else { continue };
        let object = Object::from_map(tree);
        if u.ratio(1, 3)? {
            let mut new = object;
            apply::update_managers(live.as_ref(), &mut new, &context(manager, false));
            live = Some(new);
            continue;
        }
        let context = context(manager, u.ratio(1, 2)?);
        match apply::apply(live.as_ref(), &object, &context) {
            Ok(applied) => {
                let again = match apply::apply(Some(&applied), &object, &context) {
                    Ok(again) => again,
                    // An invalid live object, which the road would not have stored.
                    Err(ApplyError::Live(_)) => return Ok(()),
                    Err(error) => panic!("the second time it fails with {error}: {object:?}"),
                };
                // A map that loses its last field goes as upstream's does, and comes back empty with the next apply.
                assert_eq!(filled(again.to_value()), filled(applied.to_value()), "twice: {object:?}");
                match apply::apply(Some(&again), &object, &context) {
                    Ok(third) => assert_eq!(filled(third.to_value()), filled(again.to_value()), "three times: {object:?}"),
                    Err(ApplyError::Live(_)) => return Ok(()),
                    Err(error) => panic!("the third time it fails with {error}: {object:?}"),
                }
                live = Some(applied);
            }
            Err(ApplyError::Conflicts(conflicts)) => {
                assert!(!conflicts.is_empty() && !context.force);
                assert!(conflicts.iter().all(|c| !c.field.is_empty() && !c.manager.is_empty()));
            }
            Err(ApplyError::Invalid(_)) => {}
            Err(ApplyError::Live(error)) => assert!(!error.starts_with("failed to decode managed fields"), "{error}"),
            // Items that lack their keys, or have them twice.
            Err(ApplyError::Untyped(error)) => assert!(error.starts_with("failed to create typed patch object"), "{error}"),
        }
    }
    Ok(())
}

/// Without the book, which an object that nobody owns a field of gets with the next apply, and without what is empty.
fn filled(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    without_empty(object)
}

fn without_empty(value: Value) -> Value {
    let is_empty = |v: &Value| v.as_object().is_some_and(Map::is_empty) || v.as_array().is_some_and(Vec::is_empty);
    match value {
        Value::Object(map) => map.into_iter().map(|(k, v)| (k, without_empty(v))).filter(|(_, v)| !is_empty(v)).collect(),
        Value::Array(items) => items.into_iter().map(without_empty).collect(),
        other => other,
    }
}
