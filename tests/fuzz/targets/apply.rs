//! Server-side apply never panics, applying the same twice changes nothing, and every write leaves a book that the next
//! one can read.

#![no_main]

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use object::Object;
use object::patch::apply::{self, ApplyContext, ApplyError};

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
                match apply::apply(Some(&applied), &object, &context) {
                    Ok(again) => assert_eq!(again, applied, "twice: {object:?}"),
                    Err(error) => panic!("the second time it fails with {error}: {object:?}"),
                }
                live = Some(applied);
            }
            Err(ApplyError::Conflicts(conflicts)) => {
                assert!(!conflicts.is_empty() && !context.force);
                assert!(conflicts.iter().all(|c| !c.field.is_empty() && !c.manager.is_empty()));
            }
            Err(ApplyError::Invalid(_)) => {}
            Err(ApplyError::Live(error)) => assert!(!error.starts_with("failed to decode managed fields"), "{error}"),
        }
    }
    Ok(())
}
