//! Cells of certificate signing requests, trust bundles and pods' certificate requests.

use super::{age, list, str_of, text};
use object::{Object, Value, json};
use std::time::Duration;

pub(crate) fn signer(item: &Object) -> Value {
    text(item, &["spec", "signerName"], "<none>")
}

pub(crate) fn requestor(item: &Object) -> Value {
    text(item, &["spec", "username"], "")
}

pub(crate) fn requested_duration(item: &Object) -> Value {
    match item.at(&["spec", "expirationSeconds"]).and_then(Value::as_u64) {
        Some(seconds) => json!(age::human(Duration::from_secs(seconds))),
        None => json!("<none>"),
    }
}

/// `extractCSRStatus`: a denial outweighs an approval.
pub(crate) fn condition(item: &Object) -> Value {
    let has = |ty: &str| list(item, &["status", "conditions"]).iter().any(|c| str_of(c, "type") == ty);
    let mut told = if has("Denied") {
        "Denied"
    } else if has("Approved") {
        "Approved"
    } else {
        "Pending"
    }
    .to_owned();
    if has("Failed") {
        told.push_str(",Failed");
    }
    if !item.str_at(&["status", "certificate"]).is_empty() {
        told.push_str(",Issued");
    }
    json!(told)
}

pub(crate) fn bundle_signer(item: &Object) -> Value {
    text(item, &["spec", "signerName"], "")
}

pub(crate) fn pod_name(item: &Object) -> Value {
    text(item, &["spec", "podName"], "")
}

pub(crate) fn service_account_name(item: &Object) -> Value {
    text(item, &["spec", "serviceAccountName"], "")
}

pub(crate) fn node_name(item: &Object) -> Value {
    text(item, &["spec", "nodeName"], "")
}

pub(crate) fn pod_request_state(item: &Object) -> Value {
    let conditions = list(item, &["status", "conditions"]);
    let known = |ty: &&str| conditions.iter().any(|c| str_of(c, "type") == *ty && str_of(c, "status") == "True");
    json!(["Denied", "Failed", "Issued"].into_iter().find(known).unwrap_or("Pending"))
}
