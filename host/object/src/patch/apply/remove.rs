//! Taking fields out of an object: `structured-merge-diff/typed/remove.go`.

use super::element::PathElement;
use super::set::Set;
use super::ty::{Form, Ty};
use serde_json::{Map, Value};

/// Without the members of `items`. A list or map that loses its last item becomes null, so that the loss can be told from
/// never having been there.
pub(super) fn from_map(map: &Map<String, Value>, items: &Set, ty: Ty<'_>) -> Map<String, Value> {
    let mut out = Map::new();
    for (key, value) in map {
        let (_, below) = ty.child(key);
        match items.get(&PathElement::field(key)) {
            Some(node) if node.member => {}
            Some(node) => {
                out.insert(key.clone(), from_value(value, &node.children, below));
            }
            None => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    out
}

fn from_value(value: &Value, items: &Set, ty: Ty<'_>) -> Value {
    match (ty.form(value), value) {
        (Form::Map, Value::Object(map)) => {
            let left = from_map(map, items, ty);
            if left.is_empty() { Value::Null } else { Value::Object(left) }
        }
        (Form::List(list), Value::Array(values)) => {
            let keep = |item: &Value| match list.element(item).ok().as_ref().and_then(|element| items.get(element)) {
                Some(node) if node.member => None,
                Some(node) => Some(from_value(item, &node.children, list.item)),
                None => Some(item.clone()),
            };
            let left: Vec<Value> = values.iter().filter_map(keep).collect();
            if left.is_empty() { Value::Null } else { Value::Array(left) }
        }
        // Something inside of an atomic value is to go: it goes whole.
        (Form::Leaf, Value::Object(_) | Value::Array(_)) => Value::Null,
        _ => value.clone(),
    }
}
