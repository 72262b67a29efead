//! Lists of conditions in a status.

use crate::view::text;
use object::{Value, json};

/// One condition to be set.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    pub ty: &'static str,
    pub status: &'static str,
    pub reason: String,
    pub message: String,
}

impl Condition {
    pub(crate) fn new(ty: &'static str, status: &'static str, reason: &str, message: impl Into<String>) -> Self {
        Self { ty, status, reason: reason.to_owned(), message: message.into() }
    }
}

pub(crate) fn get<'c>(conditions: &'c [Value], ty: &str) -> Option<&'c Value> {
    conditions.iter().find(|c| text(c, "type") == ty)
}

pub(crate) fn remove(conditions: &mut Vec<Value>, ty: &str) {
    conditions.retain(|c| text(c, "type") != ty);
}

/// Sets a condition without `lastUpdateTime`, as namespaces and replica sets have them. Nothing changes while status and
/// reason are the same; the transition time moves only with the status.
pub(crate) fn set(conditions: &mut Vec<Value>, new: &Condition, now: &str) {
    put(conditions, new, now, false);
}

/// The same for deployments, whose conditions also have `lastUpdateTime`.
pub(crate) fn set_updated(conditions: &mut Vec<Value>, new: &Condition, now: &str) {
    put(conditions, new, now, true);
}

fn put(conditions: &mut Vec<Value>, new: &Condition, now: &str, with_update_time: bool) {
    let current = get(conditions, new.ty);
    if current.is_some_and(|c| text(c, "status") == new.status && text(c, "reason") == new.reason) {
        return;
    }
    let since = current.filter(|c| text(c, "status") == new.status).map(|c| text(c, "lastTransitionTime").to_owned());
    remove(conditions, new.ty);
    let mut condition = json!({
        "type": new.ty, "status": new.status, "reason": new.reason, "message": new.message,
        "lastTransitionTime": since.unwrap_or_else(|| now.to_owned()),
    });
    if with_update_time {
        condition["lastUpdateTime"] = json!(now);
    }
    conditions.push(condition);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transition_times_move_with_the_status_only() {
        let mut list = Vec::new();
        set_updated(&mut list, &Condition::new("A", "True", "One", "m"), "t1");
        set_updated(&mut list, &Condition::new("A", "True", "One", "other"), "t2");
        assert_eq!(list[0]["lastUpdateTime"], "t1", "same status and reason change nothing");
        set_updated(&mut list, &Condition::new("A", "True", "Two", "m"), "t3");
        assert_eq!((&list[0]["lastUpdateTime"], &list[0]["lastTransitionTime"]), (&json!("t3"), &json!("t1")));
        set_updated(&mut list, &Condition::new("A", "False", "Two", "m"), "t4");
        assert_eq!(list[0]["lastTransitionTime"], "t4");
        assert_eq!(list.len(), 1);
    }
}
