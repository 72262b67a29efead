//! Nobody grants what it does not have: `kubernetes/pkg/registry/rbac/*/policybased/storage.go` and `escalation_check.go`.
//! A role may hold only rules that its writer has, a binding only a role whose rules its writer has; the verbs `escalate` and
//! `bind` lift that.

use super::Step;
use crate::auth::{self, Ask, RBAC_GROUP, Rule, missing, rules_of, told};
use crate::write::Write;
use async_trait::async_trait;
use interfaces::authorize::MASTERS;
use object::{Object, StatusError, Value};

pub struct Escalation;

#[async_trait]
impl Step for Escalation {
    async fn validate(&self, write: &Write<'_>, new: &Object, old: Option<&Object>) -> Result<(), StatusError> {
        if write.kind.group != RBAC_GROUP || write.call.user.is_in(MASTERS) {
            return Ok(());
        }
        // The garbage collector may take finalizers and owners off what it could not write.
        if old.is_some_and(|old| only_garbage(new, old)) {
            return Ok(());
        }
        match write.kind.resource.as_str() {
            "roles" | "clusterroles" => role(write, new, old).await,
            "rolebindings" | "clusterrolebindings" => binding(write, new).await,
            _ => Ok(()),
        }
    }
}

async fn permitted(write: &Write<'_>, verb: &str, resource: &str, namespace: &str, name: &str) -> bool {
    auth::decide(&write.call.shared, &Ask::resource(&write.call.user, verb, RBAC_GROUP, resource, namespace, name), false).await.is_ok()
}

async fn role(write: &Write<'_>, new: &Object, old: Option<&Object>) -> Result<(), StatusError> {
    if permitted(write, "escalate", &write.kind.resource, new.namespace(), new.name()).await {
        return Ok(());
    }
    let refuse = |cause: &str| StatusError::forbidden(&write.kind.group_resource(), new.name(), cause);
    confirm(write, new.namespace(), &rules_of(new)).map_err(|cause| refuse(&cause))?;
    // An aggregating role can gather anything, so who writes one must already have everything.
    let aggregates =
        |object: &Object| object.at(&["aggregationRule", "clusterRoleSelectors"]).and_then(Value::as_array).is_some_and(|s| !s.is_empty());
    if aggregates(new) || old.is_some_and(aggregates) {
        let all = || vec!["*".to_owned()];
        let everything = [
            Rule { verbs: all(), groups: all(), resources: all(), ..Rule::default() },
            Rule { verbs: all(), urls: all(), ..Rule::default() },
        ];
        confirm(write, "", &everything).map_err(|_| refuse("must have cluster-admin privileges to use the aggregationRule"))?;
    }
    Ok(())
}

async fn binding(write: &Write<'_>, new: &Object) -> Result<(), StatusError> {
    let reference = |field: &str| new.str_at(&["roleRef", field]);
    let (kind, name, namespace) = (reference("kind"), reference("name"), new.namespace());
    let resource = if kind == "Role" { "roles" } else { "clusterroles" };
    if permitted(write, "bind", resource, namespace, name).await {
        return Ok(());
    }
    let shared = &write.call.shared;
    let rules = shared.auth.rbac.rules_of_role(&shared.caches, &shared.registry, kind, namespace, name)?;
    confirm(write, namespace, &rules).map_err(|cause| StatusError::forbidden(&write.kind.group_resource(), new.name(), &cause))
}

/// The writer has all these rules in the namespace (`ConfirmNoEscalation`).
fn confirm(write: &Write<'_>, namespace: &str, rules: &[Rule]) -> Result<(), String> {
    let (shared, user) = (&write.call.shared, &write.call.user);
    let (owned, errors) = shared.auth.rbac.rules_for(&shared.caches, &shared.registry, user, namespace);
    let missing = missing(&owned, rules);
    if missing.is_empty() {
        return Ok(());
    }
    let groups: Vec<String> = user.groups.iter().map(|g| format!("{g:?}")).collect();
    let mut cause = format!(
        "user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
        user.name,
        groups.join(" "),
        told(&missing)
    );
    if !errors.is_empty() {
        cause.push_str(&format!("; resolution errors: [{}]", errors.join(", ")));
    }
    Err(cause)
}

fn only_garbage(new: &Object, old: &Object) -> bool {
    let without = |object: &Object| {
        let mut object = object.clone();
        for field in ["ownerReferences", "finalizers", "managedFields", "resourceVersion", "generation"] {
            object.remove_at(&["metadata", field]);
        }
        object
    };
    without(new) == without(old)
}
