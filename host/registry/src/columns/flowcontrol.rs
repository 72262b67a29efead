//! Cells of flow schemas and priority levels.

use super::{integer, list, none, str_of, text};
use object::{Object, Value, json};

pub(crate) fn priority_level(item: &Object) -> Value {
    text(item, &["spec", "priorityLevelConfiguration", "name"], "")
}

pub(crate) fn precedence(item: &Object) -> Value {
    json!(integer(item, &["spec", "matchingPrecedence"]))
}

pub(crate) fn distinguisher(item: &Object) -> Value {
    text(item, &["spec", "distinguisherMethod", "type"], "<none>")
}

pub(crate) fn missing_level(item: &Object) -> Value {
    let dangling = list(item, &["status", "conditions"]).iter().find(|c| str_of(c, "type") == "Dangling");
    json!(dangling.map_or("?", |c| str_of(c, "status")))
}

pub(crate) fn level_type(item: &Object) -> Value {
    text(item, &["spec", "type"], "")
}

pub(crate) fn shares(item: &Object) -> Value {
    number(item, &["spec", "limited", "nominalConcurrencyShares"])
}

pub(crate) fn queues(item: &Object) -> Value {
    number(item, &["spec", "limited", "limitResponse", "queuing", "queues"])
}

pub(crate) fn hand_size(item: &Object) -> Value {
    number(item, &["spec", "limited", "limitResponse", "queuing", "handSize"])
}

pub(crate) fn queue_length(item: &Object) -> Value {
    number(item, &["spec", "limited", "limitResponse", "queuing", "queueLengthLimit"])
}

fn number(item: &Object, path: &[&str]) -> Value {
    item.at(path).filter(|v| v.is_number()).cloned().unwrap_or_else(none)
}
