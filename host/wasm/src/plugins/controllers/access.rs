//! What a plugin's own identity may do, as the API server says: a feed is read by the process, so whoever joins it must be allowed to
//! read the same.

use client::Client;
use object::{Gvr, Object, Value, json};

fn reviews() -> Gvr {
    Gvr::new("authorization.k8s.io", "v1", "selfsubjectaccessreviews")
}

/// Why `client` may not do all of `verbs` on a resource in a namespace (`""` = all); `None`: it may.
///
/// # Errors
/// The question was not answered.
pub(super) async fn denied(client: &Client, gvr: &Gvr, namespace: &str, verbs: &[&str]) -> client::Result<Option<String>> {
    let mut refused = Vec::new();
    for verb in verbs {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "verb": verb, "group": gvr.group, "version": gvr.version, "resource": gvr.resource, "namespace": namespace,
            }},
        });
        let answer = client.api(&reviews()).create("", &Object::from_value(review).unwrap_or_default()).await?;
        if answer.at(&["status", "allowed"]).and_then(Value::as_bool) != Some(true) {
            refused.push(*verb);
        }
    }
    if refused.is_empty() {
        return Ok(None);
    }
    let place = if namespace.is_empty() { String::new() } else { format!(" in namespace {namespace}") };
    let name = if gvr.group.is_empty() { gvr.resource.clone() } else { format!("{}.{}", gvr.resource, gvr.group) };
    Ok(Some(format!("{} may not {} {name}{place}", client.user().name, refused.join(", "))))
}
