//! Strategic merge patch: `k8s.io/apimachinery/pkg/util/strategicpatch/patch.go`.
//!
//! A merge patch that knows the schema: lists with a merge key merge by it, and directives in the patch say what a plain
//! merge cannot: `$patch: replace | delete`, `$retainKeys`, `$deleteFromPrimitiveList/<field>`,
//! `$setElementOrder/<field>`. Without a declared strategy lists are replaced.

mod order;

use super::PatchError;
use crate::schema::{ListMerge, Schema, Shape};
use order::{Items, Places, normalize};
use serde_json::{Map, Value};

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";
const ELEMENT_ORDER: &str = "$setElementOrder";

/// Merges `patch` into `target`, whose type is `schema`. Changes nothing when it fails.
pub fn apply(target: &mut Value, patch: &Value, schema: Schema<'_>) -> Result<(), PatchError> {
    let (Value::Object(original), Value::Object(patch)) = (&*target, patch) else {
        return Err(malformed("invalid JSON document"));
    };
    let mut merged = original.clone();
    merge_map(&mut merged, patch.clone(), Some(schema))?;
    *target = Value::Object(merged);
    Ok(())
}

fn malformed(message: impl Into<String>) -> PatchError {
    PatchError::Malformed(message.into())
}

fn merge_map(original: &mut Map<String, Value>, mut patch: Map<String, Value>, schema: Option<Schema<'_>>) -> Result<(), PatchError> {
    if let Some(directive) = patch.remove(PATCH) {
        *original = match directive.as_str() {
            Some("replace") => patch,
            Some("delete") => Map::new(),
            _ => return Err(unknown_directive(&directive, &patch)),
        };
        return Ok(());
    }
    retain_keys(original, &mut patch)?;
    ordered_lists(original, &mut patch, schema)?;

    for (name, value) in patch {
        let deletes = match name.strip_prefix(DELETE_FROM) {
            Some(rest) => Some(rest.strip_prefix('/').ok_or_else(|| malformed("invalid patch format of primitive list"))?),
            None => None,
        };
        let key = deletes.unwrap_or(&name);
        if value.is_null() {
            original.remove(key);
            continue;
        }
        match (original.get_mut(key), value) {
            (Some(Value::Object(map)), Value::Object(value)) => merge_map(map, value, below(schema, key)?)?,
            (Some(Value::Array(items)), Value::Array(value)) if deletes.is_some() => items.retain(|item| !value.contains(item)),
            (Some(Value::Array(items)), Value::Array(value)) => {
                let (merge, item) = list_facts(schema, key)?;
                match merge {
                    Some(merge) => *items = merge_list(std::mem::take(items), value, &merge, item)?,
                    None => *items = value,
                }
            }
            _ if deletes.is_some() => {}
            (_, value) => match without_directives(value) {
                Some(value) => {
                    original.insert(key.to_owned(), value);
                }
                None => {
                    original.remove(key);
                }
            },
        }
    }
    Ok(())
}

/// The schema below a field. Unknown fields of a struct are an error, as the patch may say no more than the type has.
fn below<'g>(schema: Option<Schema<'g>>, key: &str) -> Result<Option<Schema<'g>>, PatchError> {
    let Some(schema) = schema else { return Ok(None) };
    match schema.shape() {
        Shape::Struct(shape) if !shape.preserve_unknown => {
            let unknown = || malformed(format!("unable to find api field in struct {} for the json field {key:?}", last_name(schema)));
            schema.child(key).ok_or_else(unknown).map(Some)
        }
        _ => Ok(schema.child(key)),
    }
}

fn last_name(schema: Schema<'_>) -> &str {
    schema.name().rsplit('.').next().unwrap_or_default()
}

type ListFacts<'g> = (Option<ListMerge>, Option<Schema<'g>>);

fn list_facts<'g>(schema: Option<Schema<'g>>, key: &str) -> Result<ListFacts<'g>, PatchError> {
    let Some(field) = below(schema, key)? else { return Ok((None, None)) };
    match field.shape() {
        Shape::List(list) => Ok((list.merge.clone(), field.item())),
        _ => Ok((None, None)),
    }
}

/// `$retainKeys`: of this map only these keys stay. What the patch sets must be among them.
fn retain_keys(original: &mut Map<String, Value>, patch: &mut Map<String, Value>) -> Result<(), PatchError> {
    let Some(directive) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let wrong = || malformed("invalid patch format of retainKeys");
    let Value::Array(list) = directive else { return Err(wrong()) };
    let keeps = |key: &str| list.iter().any(|k| k.as_str() == Some(key));
    for (key, value) in patch.iter() {
        let directive = key.starts_with(DELETE_FROM) || key.starts_with(ELEMENT_ORDER);
        if !value.is_null() && !directive && !keeps(key) {
            return Err(wrong());
        }
    }
    original.retain(|key, _| keeps(key));
    Ok(())
}

/// `$setElementOrder/<field>`: merges the field's list and puts it in that order, server-only items kept near their
/// neighbours. What it has merged is taken out of the patch.
fn ordered_lists(original: &mut Map<String, Value>, patch: &mut Map<String, Value>, schema: Option<Schema<'_>>) -> Result<(), PatchError> {
    let names: Vec<String> = patch.keys().filter(|k| k.starts_with(ELEMENT_ORDER)).cloned().collect();
    for name in names {
        let wrong = || malformed("invalid patch format of setElementOrder list");
        let key = name.strip_prefix(ELEMENT_ORDER).and_then(|rest| rest.strip_prefix('/')).ok_or_else(wrong)?;
        let Some(Value::Array(order)) = patch.remove(&name) else { return Err(wrong()) };
        let (merge, item) = list_facts(schema, key)?;
        let merge_key = merge.as_ref().and_then(|m| m.key.as_deref());
        let patched = match patch.get(key) {
            None => None,
            Some(Value::Array(items)) => Some(items.clone()),
            Some(other) => return Err(expected_list(other)),
        };
        let live = match original.get(key) {
            None => None,
            Some(Value::Array(items)) => Some(items.clone()),
            Some(other) => return Err(expected_list(other)),
        };
        check_order(patched.as_deref().unwrap_or_default(), &order, merge_key)?;
        let kind = order::kind_of(live.iter().flatten().chain(patched.iter().flatten()))?;
        let merged = match (live.clone(), patched) {
            (None, None) => continue,
            (Some(live), None) => live,
            (None, Some(patched)) => list_without_directives(patched),
            (Some(live), Some(patched)) => match &merge {
                Some(merge) => merge_list(live, patched, merge, item)?,
                None => patched,
            },
        };
        let both = normalize(merged, &order, live.as_deref().unwrap_or_default(), merge_key, kind)?;
        original.insert(key.to_owned(), Value::Array(both));
        patch.remove(key);
        // A parallel deletion list is carried out by the general loop, on the ordered list.
    }
    Ok(())
}

fn expected_list(got: &Value) -> PatchError {
    malformed(format!("expected a list, but received {got}"))
}

/// The patch's own items must stand in the order that it asks for.
fn check_order(patched: &[Value], order: &[Value], merge_key: Option<&str>) -> Result<(), PatchError> {
    if patched.is_empty() || order.is_empty() {
        return Ok(());
    }
    let mut wanted = order.iter();
    for item in patched.iter().filter(|i| i.get(PATCH).is_none()) {
        let same = |other: &Value| match merge_key {
            Some(key) => match (item.get(key), other.get(key)) {
                (Some(a), Some(b)) => Ok(a == b),
                (None, _) => Err(no_merge_key(item, key)),
                (_, None) => Err(no_merge_key(other, key)),
            },
            None => Ok(item == other),
        };
        loop {
            let Some(next) = wanted.next() else {
                let told = |l: &[Value]| Value::from(l.to_vec()).to_string();
                return Err(malformed(format!(
                    "The order in patch list:\n{}\n doesn't match {ELEMENT_ORDER} list:\n{}\n",
                    told(patched),
                    told(order)
                )));
            };
            if same(next)? {
                break;
            }
        }
    }
    Ok(())
}

fn merge_list(mut original: Vec<Value>, patch: Vec<Value>, merge: &ListMerge, item: Option<Schema<'_>>) -> Result<Vec<Value>, PatchError> {
    if original.is_empty() && patch.is_empty() {
        return Ok(original);
    }
    let kind = order::kind_of(original.iter().chain(&patch))?;
    let merge_key = merge.key.as_deref();
    if kind == Items::Scalars {
        let live = original.clone();
        let mut places = Places::of(&original, None);
        for value in &patch {
            if places.get(value).is_none() {
                places.add(value, original.len());
                original.push(value.clone());
            }
        }
        return normalize(original, &patch, &live, None, kind);
    }
    let Some(key) = merge_key else {
        return Err(malformed("cannot merge lists without merge key"));
    };
    let patch = list_directives(&mut original, patch, key)?;
    let live = original.clone();
    let mut places = Places::of(&original, Some(key));
    for value in &patch {
        if value.get(key).is_none() {
            return Err(no_merge_key(value, key));
        }
        match places.get(value).and_then(|at| original.get_mut(at)) {
            Some(Value::Object(found)) => {
                let Value::Object(value) = value.clone() else { continue };
                merge_map(found, value, item)?;
            }
            // Items new to the list come as they are, and are cleaned of directives and nulls.
            _ => {
                if let Some(added) = without_directives(value.clone()) {
                    places.add(&added, original.len());
                    original.push(added);
                }
            }
        }
    }
    normalize(original, &patch, &live, merge_key, kind)
}

/// Carries out the list's `$patch` items and returns the others.
fn list_directives(original: &mut Vec<Value>, patch: Vec<Value>, key: &str) -> Result<Vec<Value>, PatchError> {
    let (mut plain, mut replace) = (Vec::new(), false);
    for item in patch {
        let Some(directive) = item.get(PATCH) else {
            plain.push(item);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                let Some(wanted) = item.get(key) else { return Err(no_merge_key(&item, key)) };
                original.retain(|o| o.get(key) != Some(wanted));
            }
            Some("replace") => replace = true,
            Some("merge") => return Err(malformed("merging lists cannot yet be specified in the patch")),
            _ => return Err(unknown_directive(directive, &item)),
        }
    }
    if replace {
        *original = plain;
        return Ok(Vec::new());
    }
    Ok(plain)
}

fn no_merge_key(item: &Value, key: &str) -> PatchError {
    malformed(format!("map: {item} does not contain declared merge key: {key}"))
}

fn unknown_directive(directive: &Value, map: &impl serde::Serialize) -> PatchError {
    let told = directive.as_str().map_or_else(|| directive.to_string(), str::to_owned);
    malformed(format!("unknown patch type: {told} in map: {}", serde_json::json!(map)))
}

/// What is left of a value that meets nothing in the original: no directives, no nulls. `None` when it is itself one.
fn without_directives(value: Value) -> Option<Value> {
    Some(match value {
        Value::Object(map) if map.contains_key(PATCH) => return None,
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, v)| !v.is_null());
            Value::Object(kept.filter_map(|(k, v)| Some((k, without_directives(v)?))).collect())
        }
        Value::Array(items) => Value::Array(list_without_directives(items)),
        other => other,
    })
}

fn list_without_directives(items: Vec<Value>) -> Vec<Value> {
    items.into_iter().filter_map(without_directives).collect()
}

#[cfg(test)]
mod tests;
