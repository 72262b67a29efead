//! The order of a merged list: the patch's items in the patch's order, the others in theirs, woven by the live order.

use super::{PatchError, malformed, no_merge_key};
use serde_json::Value;
use std::collections::HashMap;

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
    let (order, live) = (Places::of(order, key), Places::of(live, key));
    let (mut ordered, mut others): (Vec<Value>, Vec<Value>) = merged.into_iter().partition(|item| order.get(item).is_some());
    ordered.sort_by_cached_key(|item| order.get(item).unwrap_or(usize::MAX));
    others.sort_by_cached_key(|item| live.get(item).unwrap_or(usize::MAX));

    let mut woven = Vec::with_capacity(ordered.len() + others.len());
    let mut others = others.into_iter().peekable();
    for item in ordered {
        if let Some(at) = live.get(&item) {
            while let Some(other) = others.next_if(|other| live.get(other).is_some_and(|o| o < at)) {
                woven.push(other);
            }
        }
        woven.push(item);
    }
    woven.extend(others);
    Ok(woven)
}

/// Where the items of a list stand: the first of those that are the same by key, or equal when there is no key. Looking each
/// up in the list itself would cost the square of its length.
pub(super) struct Places<'k> {
    key: Option<&'k str>,
    first: HashMap<String, usize>,
}

impl<'k> Places<'k> {
    pub(super) fn of(items: &[Value], key: Option<&'k str>) -> Self {
        let mut places = Self { key, first: HashMap::with_capacity(items.len()) };
        items.iter().enumerate().for_each(|(at, item)| places.add(item, at));
        places
    }

    pub(super) fn add(&mut self, item: &Value, at: usize) {
        self.first.entry(self.name(item)).or_insert(at);
    }

    pub(super) fn get(&self, item: &Value) -> Option<usize> {
        self.first.get(&self.name(item)).copied()
    }

    /// Equal values have the same text, as maps are sorted.
    fn name(&self, item: &Value) -> String {
        match self.key {
            Some(key) => item.get(key).map(Value::to_string).unwrap_or_default(),
            None => item.to_string(),
        }
    }
}
