//! JSON patch and merge patch against naive models; strategic merge is all or nothing, and carried out twice it is as once.

#![no_main]

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use object::Value;
use object::patch::{json, merge, strategic};

fuzz_target!(|bytes: &[u8]| {
    let _ = check(&mut Unstructured::new(bytes));
});

fn check(u: &mut Unstructured<'_>) -> Result<()> {
    match u.int_in_range(0..=2)? {
        0 => check_merge(u),
        1 => check_json(u),
        _ => check_strategic(u),
    }
}

fn check_merge(u: &mut Unstructured<'_>) -> Result<()> {
    let (target, patch) = (fuzz::any(u, 4)?, fuzz::any(u, 4)?);
    let mut got = target.clone();
    merge::apply(&mut got, &patch);
    assert_eq!(got, merged(Some(&target), &patch), "{target} + {patch}");
    let once = got.clone();
    merge::apply(&mut got, &patch);
    assert_eq!(got, once, "twice: {target} + {patch}");
    Ok(())
}

/// RFC 7386, section 2, to the letter.
fn merged(target: Option<&Value>, patch: &Value) -> Value {
    let Value::Object(changes) = patch else { return patch.clone() };
    let mut map = target.and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, value) in changes {
        let old = map.remove(name);
        if !value.is_null() {
            map.insert(name.clone(), merged(old.as_ref(), value));
        }
    }
    Value::Object(map)
}

fn check_json(u: &mut Unstructured<'_>) -> Result<()> {
    let target = fuzz::any(u, 4)?;
    let mut operations = Vec::new();
    for _ in 0..u.int_in_range(0..=6)? {
        let op = *u.choose(&["add", "remove", "replace", "move", "copy", "test", "nonsense"])?;
        let mut operation = object::json!({"op": op, "path": pointer(u)?});
        if u.ratio(9, 10)? {
            operation["from"] = pointer(u)?.into();
            operation["value"] = fuzz::any(u, 2)?;
        }
        operations.push(operation);
    }
    let patch = Value::Array(operations);
    let mut got = target.clone();
    let outcome = json::apply(&mut got, &patch);
    let mut expect = Some(target.clone());
    for operation in patch.as_array().expect("it was made as one") {
        expect = expect.and_then(|document| operated(document, operation));
    }
    match expect {
        Some(expect) => assert_eq!((got, outcome), (expect, Ok(())), "{target} + {patch}"),
        None => {
            assert!(outcome.is_err(), "{target} + {patch} gave {got}");
            assert_eq!(got, target, "a failed patch changed something: {patch}");
        }
    }
    Ok(())
}

fn pointer(u: &mut Unstructured<'_>) -> Result<String> {
    let mut text = String::new();
    for _ in 0..u.int_in_range(0..=3)? {
        text.push('/');
        text.push_str(u.choose(&["a", "b", "c", "0", "1", "-1", "-", "~1", "x~1y", ""])?);
    }
    Ok(text)
}

/// One operation of RFC 6902, on a copy, by recursion.
fn operated(document: Value, operation: &Value) -> Option<Value> {
    let steps = |member: &str| -> Option<Vec<String>> {
        let text = operation.get(member)?.as_str()?;
        Some(text.split('/').skip(1).map(|s| s.replace("~1", "/").replace("~0", "~")).collect())
    };
    let path = steps("path")?;
    let value = operation.get("value").cloned();
    match operation["op"].as_str()? {
        "add" => at(document, &path, &mut |_| value.clone().map(Change::Insert)),
        "remove" => at(document, &path, &mut |slot| slot.map(|_| Change::Remove)).filter(|_| !path.is_empty()),
        "replace" => at(document, &path, &mut |slot| slot.and(value.clone()).map(Change::Set)),
        "test" => (found(&document, &path).unwrap_or(&Value::Null) == value.as_ref().unwrap_or(&Value::Null)).then_some(document),
        "copy" => {
            let copied = found(&document, &steps("from")?)?.clone();
            at(document, &path, &mut |_| Some(Change::Insert(copied.clone())))
        }
        "move" => {
            let from = steps("from")?;
            if from.is_empty() || path.len() > from.len() && path.starts_with(&from) {
                return None;
            }
            let moved = found(&document, &from)?.clone();
            let without = at(document, &from, &mut |slot| slot.map(|_| Change::Remove))?;
            at(without, &path, &mut |_| Some(Change::Insert(moved.clone())))
        }
        _ => None,
    }
}

enum Change {
    Set(Value),
    Insert(Value),
    Remove,
}

fn found<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    let Some((first, rest)) = path.split_first() else { return Some(value) };
    match value {
        Value::Object(map) => found(map.get(first)?, rest),
        Value::Array(items) => found(items.get(counted(first, items.len())?)?, rest),
        _ => None,
    }
}

fn counted(step: &str, len: usize) -> Option<usize> {
    let number: i64 = step.parse().ok()?;
    if number < 0 { len.checked_sub(number.unsigned_abs() as usize) } else { Some(number as usize) }
}

fn at(value: Value, path: &[String], change: &mut dyn FnMut(Option<&Value>) -> Option<Change>) -> Option<Value> {
    let Some((first, rest)) = path.split_first() else {
        return match change(Some(&value))? {
            Change::Set(new) | Change::Insert(new) => Some(new),
            Change::Remove => Some(Value::Null),
        };
    };
    match value {
        Value::Object(mut map) => {
            if rest.is_empty() {
                match change(map.get(first))? {
                    Change::Set(new) | Change::Insert(new) => drop(map.insert(first.clone(), new)),
                    Change::Remove => drop(map.remove(first)),
                }
            } else {
                let below = at(map.remove(first)?, rest, change)?;
                map.insert(first.clone(), below);
            }
            Some(Value::Object(map))
        }
        Value::Array(mut items) => {
            if rest.is_empty() {
                let place = counted(first, items.len());
                match change(place.and_then(|p| items.get(p)))? {
                    Change::Set(new) => *items.get_mut(place?)? = new,
                    Change::Remove => drop(items.remove(place?)),
                    Change::Insert(new) => {
                        // Places to insert at are one more than there are items.
                        let place = if first == "-" { items.len() } else { counted(first, items.len() + 1)? };
                        (place <= items.len()).then(|| items.insert(place, new))?;
                    }
                }
            } else {
                let place = counted(first, items.len())?;
                let below = at(items.get(place)?.clone(), rest, change)?;
                items[place] = below;
            }
            Some(Value::Array(items))
        }
        _ => None,
    }
}

fn check_strategic(u: &mut Unstructured<'_>) -> Result<()> {
    let (kind, schema) = fuzz::kind(u)?;
    let Some(target) = fuzz::stored(u, &kind, schema)? else { return Ok(()) };
    let target = Value::Object(target);
    let mut patch = fuzz::tree(u, schema)?;
    let directives = u.ratio(1, 2)?;
    if directives {
        direct(u, &mut patch)?;
    }
    let mut got = target.clone();
    if let Err(error) = strategic::apply(&mut got, &patch, schema) {
        assert_eq!(got, target, "a failed patch changed something: {error}");
        return Ok(());
    }
    if directives || repeats(&patch) || repeats(&target) || null_in_list(&patch, false) {
        return Ok(());
    }
    // The road decodes what a patch made before it patches it again.
    let decoded = object::decode::prune(got, schema);
    if !decoded.errors.is_empty() || !decoded.warnings.is_empty() {
        return Ok(());
    }
    let (once, mut got) = (decoded.value.clone(), decoded.value);
    // What met no list before may lack the key that it would be merged by now.
    if strategic::apply(&mut got, &patch, schema).is_ok() {
        assert_eq!(object::decode::prune(got, schema).value, once, "twice: {target} + {patch}");
    }
    Ok(())
}

/// Puts directives of strategic merge somewhere into the patch.
fn direct(u: &mut Unstructured<'_>, patch: &mut Value) -> Result<()> {
    match patch {
        Value::Object(map) => {
            for value in map.values_mut() {
                direct(u, value)?;
            }
            if u.ratio(1, 4)? {
                let names: Vec<String> = map.keys().cloned().collect();
                let name = if names.is_empty() { fuzz::word(u)? } else { u.choose(&names)?.clone() };
                match u.int_in_range(0..=3)? {
                    0 => map.insert("$patch".into(), (*u.choose(&["replace", "delete", "merge", "x"])?).into()),
                    1 => map.insert("$retainKeys".into(), names.into()),
                    2 => map.insert(format!("$deleteFromPrimitiveList/{name}"), fuzz::any(u, 1)?),
                    _ => {
                        let order = map.get(&name).cloned().unwrap_or(Value::Array(vec![]));
                        map.insert(format!("$setElementOrder/{name}"), order)
                    }
                };
            }
        }
        Value::Array(items) => {
            for value in items {
                direct(u, value)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// A null in a list that is replaced stays, as upstream leaves it, while one in a list that is new goes.
fn null_in_list(value: &Value, within: bool) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| null_in_list(item, true)),
        Value::Object(map) => map.values().any(|item| null_in_list(item, within)),
        other => within && other.is_null(),
    }
}

/// A list that names an item twice has no one meaning: which of them a merge meets changes with the first merge.
fn repeats(value: &Value) -> bool {
    let same = |a: &Value, b: &Value| {
        a == b
            || ["name", "type", "uid", "key", "ip", "port", "containerPort", "mountPath", "devicePath", "topologyKey"]
                .iter()
                .any(|k| a.get(k).is_some() && a.get(k) == b.get(k))
    };
    match value {
        Value::Array(items) => {
            items.iter().enumerate().any(|(n, a)| items[n + 1..].iter().any(|b| same(a, b))) || items.iter().any(repeats)
        }
        Value::Object(map) => map.values().any(repeats),
        _ => false,
    }
}
