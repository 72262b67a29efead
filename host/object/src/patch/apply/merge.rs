//! Merging an applied configuration into the live object: `structured-merge-diff/typed/merge.go`.

use super::element::PathElement;
use super::ty::{Form, ListTy, Ty};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

static NULL: Value = Value::Null;

/// The union of both; where both have a leaf, `rhs` wins.
pub(super) fn maps(lhs: &Map<String, Value>, rhs: &Map<String, Value>, ty: Ty<'_>) -> Result<Map<String, Value>, String> {
    let mut out = lhs.clone();
    for (key, r) in rhs {
        let (_, below) = ty.child(key);
        let merged = match lhs.get(key) {
            Some(l) => value(l, r, below)?,
            None => r.clone(),
        };
        out.insert(key.clone(), merged);
    }
    Ok(out)
}

fn value(lhs: &Value, rhs: &Value, ty: Ty<'_>) -> Result<Value, String> {
    match (ty.form(rhs), lhs, rhs) {
        (Form::Map, Value::Object(l), Value::Object(r)) => Ok(Value::Object(maps(l, r, ty)?)),
        (Form::List(list), Value::Array(l), Value::Array(r)) => Ok(Value::Array(lists(l, r, list)?)),
        // A null does not empty a map or list whose items have owners of their own.
        (Form::Map, Value::Object(l), Value::Null) if !l.is_empty() => Ok(lhs.clone()),
        (Form::List(_), Value::Array(l), Value::Null) if !l.is_empty() => Ok(lhs.clone()),
        _ => Ok(rhs.clone()),
    }
}

/// Items of both, each once. Shared items come in `rhs`' order, the others stay near their neighbours.
fn lists(lhs: &[Value], rhs: &[Value], list: ListTy<'_>) -> Result<Vec<Value>, String> {
    let elements = |items: &[Value]| -> Result<Vec<PathElement>, String> {
        let element = |(index, item)| list.element(item).map_err(|e| format!("element {index}: {e}"));
        items.iter().enumerate().map(element).collect()
    };
    let (left, right) = (elements(lhs)?, elements(rhs)?);
    let mut in_left: BTreeMap<&PathElement, &Value> = BTreeMap::new();
    for (element, item) in left.iter().zip(lhs) {
        // Duplicates are not merged with, only replaced.
        in_left.entry(element).and_modify(|v| *v = &NULL).or_insert(item);
    }
    let mut in_right: BTreeMap<&PathElement, &Value> = BTreeMap::new();
    for (element, item) in right.iter().zip(rhs) {
        if in_right.insert(element, item).is_some() {
            return Err(format!("duplicate entries for key {element}"));
        }
    }
    let mut shared = right.iter().filter(|e| in_left.contains_key(e));
    let mut next_shared = shared.next();
    let mut merged: BTreeSet<&PathElement> = BTreeSet::new();
    let mut out = Vec::with_capacity(left.len().max(right.len()));
    let merge = |element: &PathElement| match (in_left.get(element), in_right.get(element)) {
        (Some(l), Some(r)) => value(l, r, list.item),
        (None, Some(one)) | (Some(one), None) => Ok((*one).clone()),
        (None, None) => Ok(Value::Null),
    };
    let mut lefts = left.iter().zip(lhs).peekable();
    let mut rights = right.iter().peekable();
    loop {
        let (l, r) = (lefts.peek().copied(), rights.peek().copied());
        if let (Some((l, _)), Some(r)) = (l, r) {
            if l == r {
                merged.insert(r);
                out.push(merge(r)?);
                lefts.next();
                rights.next();
                next_shared = shared.next();
                continue;
            }
            if in_right.contains_key(l) && next_shared.is_some_and(|next| next != l) {
                // Shared, but its turn comes later.
                lefts.next();
                continue;
            }
        }
        if let Some((l, item)) = l {
            if !in_right.contains_key(l) {
                out.push(item.clone());
                lefts.next();
                continue;
            }
            if merged.contains(l) {
                lefts.next();
            }
        }
        if let Some(r) = r {
            merged.insert(r);
            out.push(merge(r)?);
            rights.next();
            if next_shared == Some(r) {
                next_shared = shared.next();
            }
        } else if l.is_none() {
            return Ok(out);
        }
    }
}
