//! How pods spread over domains: `validateTopologySpreadConstraints`.

use super::affinity::selector_at;
use super::{given, given_text, is_empty_list, keys};
use crate::strategy::at::At;
use crate::strategy::read::{items, number, text};
use object::Value;
use object::field::ErrorList;

pub(super) fn validate(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    for (index, constraint) in items(spec, "topologySpreadConstraints") {
        let at = at.index(index);
        let skew = number(constraint, "maxSkew").unwrap_or(0);
        if skew <= 0 {
            at.child("maxSkew").invalid(errors, skew, "must be greater than zero");
        }
        let (key, action) = (text(constraint, "topologyKey"), text(constraint, "whenUnsatisfiable"));
        if key.is_empty() {
            at.child("topologyKey").required(errors, "can not be empty");
        }
        if !matches!(action, "DoNotSchedule" | "ScheduleAnyway") {
            at.child("whenUnsatisfiable").not_supported(errors, action, &["DoNotSchedule", "ScheduleAnyway"]);
        }
        let twin = |other: &Value| text(other, "topologyKey") == key && text(other, "whenUnsatisfiable") == action;
        if items(spec, "topologySpreadConstraints").skip(index + 1).any(|(_, other)| twin(other)) {
            at.child("{topologyKey, whenUnsatisfiable}").duplicate(errors, format!("{{{key}, {action}}}"));
        }
        if let Some(domains) = number(constraint, "minDomains") {
            let at = at.child("minDomains");
            if domains <= 0 {
                at.invalid(errors, domains, "must be greater than zero");
            }
            if action != "DoNotSchedule" {
                let detail = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
                at.invalid(errors, domains, &detail);
            }
        }
        for field in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            at.child(field).one_of_given(errors, given_text(constraint, field), &["Honor", "Ignore"]);
        }
        label_keys(constraint, &at.child("matchLabelKeys"), errors);
        if let Some(selector) = given(constraint, "labelSelector") {
            selector_at(selector, &at.child("labelSelector"), errors);
        }
    }
}

/// `validateMatchLabelKeysInTopologySpread`.
fn label_keys(constraint: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if is_empty_list(constraint, "matchLabelKeys") {
        return;
    }
    let selector = given(constraint, "labelSelector");
    if selector.is_none() {
        at.forbidden(errors, "must not be specified when labelSelector is not set");
    }
    for (index, key) in items(constraint, "matchLabelKeys") {
        let (at, key) = (at.index(index), key.as_str().unwrap_or_default());
        at.qualified(errors, key);
        let chosen = selector.is_some_and(|selector| {
            keys(selector, "matchLabels").any(|k| k == key)
                || items(selector, "matchExpressions").any(|(_, requirement)| text(requirement, "key") == key)
        });
        if chosen {
            at.invalid(errors, key, "exists in both matchLabelKeys and labelSelector");
        }
    }
}
