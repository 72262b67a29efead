//! Makes and mends the policy at start (`kubernetes/pkg/registry/rbac/rest/storage_rbac.go` and
//! `k8s.io/component-helpers/auth/rbac/reconciliation`): missing objects are made, missing rules, subjects, labels and
//! annotations are added; what is there beyond is kept, and objects that are annotated so are left alone.

use super::policy;
use super::rbac::{Rule, missing, rules_of};
use crate::bootstrap::{checked, send};
use crate::server::{ApiService, Error};
use http::Method;
use object::{Object, Value, json};

const AUTO_UPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";

/// Writes only what differs. Writes go together, so that they share few commits.
pub async fn reconcile(service: &ApiService) -> Result<(), Error> {
    // Aggregated roles get their rules from a controller; nothing else depends on the order of writes but bindings on roles.
    let (roles, bindings): (Vec<_>, Vec<_>) = policy::objects().into_iter().partition(|(_, object)| object.get("roleRef").is_none());
    for batch in [roles, bindings] {
        let writes = batch.into_iter().map(|(path, object)| one(service, path, object));
        futures::future::try_join_all(writes).await?;
    }
    Ok(())
}

async fn one(service: &ApiService, path: String, wanted: Value) -> Result<(), Error> {
    let name = wanted.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let at = format!("{path}/{}", name.replace(':', "%3A"));
    let present = match send(service, Method::GET, &at, &Value::Null).await {
        (200, present) => present,
        (404, _) => match send(service, Method::POST, &path, &wanted).await {
            // Another server made it meanwhile.
            (409, _) => return Ok(()),
            answer => return checked(&wanted, answer),
        },
        answer => return checked(&wanted, answer),
    };
    let Some(present) = Object::from_value(present) else { return Ok(()) };
    if present.annotation(AUTO_UPDATE) == Some("false") {
        return Ok(());
    }
    if present.at(&["roleRef"]).map(role_of) != wanted.get("roleRef").map(role_of) {
        // What a binding binds to cannot change: it is made anew.
        checked(&wanted, send(service, Method::DELETE, &at, &Value::Null).await)?;
        return checked(&wanted, send(service, Method::POST, &path, &wanted).await);
    }
    match mended(&present, &wanted) {
        Some(mended) => match send(service, Method::PUT, &at, &mended.to_value()).await {
            (409, _) => Ok(()),
            answer => checked(&wanted, answer),
        },
        None => Ok(()),
    }
}

fn role_of(reference: &Value) -> [String; 3] {
    ["apiGroup", "kind", "name"].map(|key| reference.get(key).and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// The present object with what it lacks; `None` when it lacks nothing.
fn mended(present: &Object, wanted: &Value) -> Option<Object> {
    let mut made = present.clone();
    for map in ["labels", "annotations"] {
        for (key, value) in wanted.pointer(&format!("/metadata/{map}")).and_then(Value::as_object).into_iter().flatten() {
            if made.at(&["metadata", map, key]).is_none() {
                made.set_at(&["metadata", map, key], value.clone());
            }
        }
    }
    if let Some(aggregation) = wanted.get("aggregationRule") {
        if made.at(&["aggregationRule"]).is_none() {
            made.set_at(&["aggregationRule"], aggregation.clone());
        }
    } else if let Some(rules) = wanted.get("rules").and_then(Value::as_array) {
        let rules: Vec<Rule> = rules.iter().map(Rule::from_value).collect();
        let lacking = missing(&rules_of(present), &rules);
        let mut all = present.at(&["rules"]).and_then(Value::as_array).cloned().unwrap_or_default();
        if !lacking.is_empty() {
            all.extend(lacking.iter().map(Rule::to_value));
            made.set_at(&["rules"], Value::Array(all));
        }
    }
    if let Some(subjects) = wanted.get("subjects").and_then(Value::as_array) {
        let mut all = present.at(&["subjects"]).and_then(Value::as_array).cloned().unwrap_or_default();
        let same = |a: &Value, b: &Value| ["kind", "name", "namespace"].iter().all(|key| a.get(key) == b.get(key));
        let lacking: Vec<Value> = subjects.iter().filter(|s| !all.iter().any(|a| same(a, s))).cloned().collect();
        if !lacking.is_empty() {
            all.extend(lacking);
            made.set_at(&["subjects"], json!(all));
        }
    }
    (made != *present).then_some(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lacks_is_added() {
        let check = |present: Value, wanted: Value, expect: Option<Value>| {
            let present = Object::from_value(present).unwrap();
            assert_eq!(mended(&present, &wanted).map(Object::into_value), expect);
        };
        let rule = |verbs: &[&str]| json!({ "verbs": verbs, "apiGroups": [""], "resources": ["pods"] });
        let role = |rules: &[Value], labels: Value| json!({ "metadata": { "labels": labels }, "rules": rules });
        let wanted = role(&[rule(&["get", "list"])], json!({ "a": "1" }));
        check(wanted.clone(), wanted.clone(), None);
        check(role(&[rule(&["*"])], json!({ "a": "2" })), wanted.clone(), None);
        check(role(&[rule(&["get"])], json!({})), wanted, Some(role(&[rule(&["get"]), rule(&["list"])], json!({ "a": "1" }))));
        let binding = |names: &[&str]| json!({ "subjects": names.iter().map(|n| json!({ "kind": "User", "name": n })).collect::<Value>() });
        check(binding(&["a", "b"]), binding(&["b"]), None);
        check(binding(&["a"]), binding(&["b"]), Some(binding(&["a", "b"])));
    }
}
