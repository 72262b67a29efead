//! The order of a merged list: the patch's items in the patch's order, the others in theirs, woven by the live order.

use super::{PatchError, holds, malformed, no_merge_key};
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Items {
    Maps,
    Scalars,
}

/// What all items are; mixed lists, lists of lists and nulls are refused.
pub(super) fn kind_of<'v>(items: impl Iterator<Item = &'v Value>) -> Result<Items, PatchError> {
    let mut kind = None;
    for item in items {
        let this = match item {
            Value::Object(_) => Items::Maps,
            Value::Array(_) => return Err(malformed("lists of lists are not supported")),
            Value::Null => return Err(malformed("all list elements must be of the same type, but found a null")),
            _ => Items::Scalars,
        };
        if kind.is_some_and(|k| k != this) {
            return Err(malformed("list element types are not identical"));
        }
        kind = Some(this);
    }
    Ok(kind.unwrap_or(Items::Scalars))
}

/// Items of `merged` that `order` has come in its order; the rest keep the live order and are put before the first item
/// that they preceded there.
pub(super) fn normalize(
    merged: Vec<Value>,
    order: &[Value],
    live: &[Value],
    key: Option<&str>,
    kind: Items,
) -> Result<Vec<Value>, PatchError> {
    let key = if kind == Items::Maps { key } else { None };
    if let Some(key) = key
        && let Some(bad) = merged.iter().chain(order).chain(live).find(|i| i.get(key).is_none())
    {
        return Err(no_merge_key(bad, key));
    }
    let (mut ordered, mut others): (Vec<Value>, Vec<Value>) = merged.into_iter().partition(|item| holds(order, item, key));
    ordered.sort_by_cached_key(|item| position(order, item, key).unwrap_or(usize::MAX));
    others.sort_by_cached_key(|item| position(live, item, key).unwrap_or(usize::MAX));

    let mut woven = Vec::with_capacity(ordered.len() + others.len());
    let mut others = others.into_iter().peekable();
    for item in ordered {
        if let Some(at) = position(live, &item, key) {
            while let Some(other) = others.next_if(|other| position(live, other, key).is_some_and(|o| o < at)) {
                woven.push(other);
            }
        }
        woven.push(item);
    }
    woven.extend(others);
    Ok(woven)
}

/// Where `items` has one that is the same by key, or equal when there is no key.
pub(super) fn position(items: &[Value], item: &Value, key: Option<&str>) -> Option<usize> {
    match key {
        Some(key) => {
            let wanted = item.get(key);
            items.iter().position(|i| i.get(key) == wanted)
        }
        None => items.iter().position(|i| i == item),
    }
}
