//! The roles and bindings that every cluster has: `kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy`. Rows of
//! [`cluster`], [`controllers`] and [`namespaced`], each rule a line:
//!
//! `verbs on groups: resources [named names]`, or `verbs at paths`. `core` is the group without a name; `read` and `write`
//! stand for the verbs that they are short for.

mod cluster;
mod controllers;
mod namespaced;

use super::rbac::{GROUP, Rule};
use object::{Value, json};

/// A cluster role.
pub struct Role {
    pub name: &'static str,
    /// `aggregate-to-…`: the role whose rules these become part of.
    pub part_of: &'static str,
    /// The role is made of all that are part of it.
    pub whole: bool,
    pub rules: &'static [&'static str],
}

/// `User:`, `Group:` or `ServiceAccount:namespace:` and the name.
pub struct Binding {
    pub role: &'static str,
    pub subjects: &'static [&'static str],
}

/// A role in a namespace, with whom it is bound to.
pub struct NamespacedRole {
    pub namespace: &'static str,
    pub name: &'static str,
    pub rules: &'static [&'static str],
    pub subjects: &'static [&'static str],
}

const fn role(name: &'static str, rules: &'static [&'static str]) -> Role {
    Role { name, part_of: "", whole: false, rules }
}

/// The rules of node agents, that the node authorizer applies to every node.
pub fn node_rules() -> Vec<Rule> {
    cluster::NODE.iter().map(|line| parse(line)).collect()
}

/// All objects of the policy, in the order in which they are made: path of the collection and object.
pub fn objects() -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let place = |resource: &str| format!("/apis/{GROUP}/v1/{resource}");
    for role in cluster::ROLES.iter().chain(controllers::ROLES) {
        all.push((place("clusterroles"), cluster_role(role)));
    }
    for binding in cluster::BINDINGS {
        all.push((place("clusterrolebindings"), cluster_binding(binding.role, binding.subjects)));
    }
    for role in controllers::ROLES {
        let account = role.name.trim_start_matches(controllers::PREFIX);
        all.push((place("clusterrolebindings"), cluster_binding(role.name, &[&format!("ServiceAccount:kube-system:{account}")])));
    }
    for role in namespaced::ROLES {
        let home = |resource: &str| format!("/apis/{GROUP}/v1/namespaces/{}/{resource}", role.namespace);
        let mut object = object("Role", role.name, Some(role.namespace), &[]);
        object["rules"] = rules(role.rules);
        all.push((home("roles"), object));
        let mut binding = bound("RoleBinding", role.name, Some(role.namespace), role.subjects);
        binding["roleRef"] = json!({ "apiGroup": GROUP, "kind": "Role", "name": role.name });
        all.push((home("rolebindings"), binding));
    }
    all
}

fn cluster_role(role: &Role) -> Value {
    let label = |of: &str| format!("{GROUP}/aggregate-to-{of}");
    let labels: Vec<String> = if role.part_of.is_empty() { Vec::new() } else { vec![label(role.part_of)] };
    let mut made = object("ClusterRole", role.name, None, &labels);
    if role.whole {
        made["aggregationRule"] = json!({ "clusterRoleSelectors": [{ "matchLabels": { label(role.name): "true" } }] });
    } else {
        made["rules"] = rules(role.rules);
    }
    made
}

fn cluster_binding(role: &str, subjects: &[&str]) -> Value {
    let mut binding = bound("ClusterRoleBinding", role, None, subjects);
    binding["roleRef"] = json!({ "apiGroup": GROUP, "kind": "ClusterRole", "name": role });
    binding
}

fn bound(kind: &str, name: &str, namespace: Option<&str>, subjects: &[&str]) -> Value {
    let mut made = object(kind, name, namespace, &[]);
    made["subjects"] = subjects.iter().map(|s| subject(s)).collect();
    made
}

fn subject(text: &str) -> Value {
    let (kind, name) = text.split_once(':').unwrap_or(("User", text));
    match (kind, name.split_once(':')) {
        ("ServiceAccount", Some((namespace, name))) => json!({ "kind": kind, "namespace": namespace, "name": name }),
        _ => json!({ "apiGroup": GROUP, "kind": kind, "name": name }),
    }
}

fn object(kind: &str, name: &str, namespace: Option<&str>, labels: &[String]) -> Value {
    let mut metadata = json!({
        "name": name, "labels": { "kubernetes.io/bootstrapping": "rbac-defaults" },
        "annotations": { "rbac.authorization.kubernetes.io/autoupdate": "true" },
    });
    for label in labels {
        metadata["labels"][label] = json!("true");
    }
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    json!({ "apiVersion": format!("{GROUP}/v1"), "kind": kind, "metadata": metadata })
}

fn rules(lines: &[&str]) -> Value {
    lines.iter().map(|line| parse(line).to_value()).collect()
}

fn parse(line: &str) -> Rule {
    let sorted = |text: &str| {
        let mut words: Vec<String> = text.split_whitespace().map(|w| if w == "core" { "" } else { w }.to_owned()).collect();
        words.sort();
        words
    };
    if let Some((verbs, paths)) = line.split_once(" at ") {
        return Rule { verbs: sorted(&spelled(verbs)), urls: sorted(paths), ..Rule::default() };
    }
    let (verbs, rest) = line.split_once(" on ").unwrap_or((line, ""));
    let (groups, rest) = rest.split_once(": ").unwrap_or((rest, ""));
    let (resources, names) = rest.split_once(" named ").unwrap_or((rest, ""));
    Rule { verbs: sorted(&spelled(verbs)), groups: sorted(groups), resources: sorted(resources), names: sorted(names), urls: Vec::new() }
}

fn spelled(verbs: &str) -> String {
    let word = |word: &str| match word {
        "read" => "get list watch".to_owned(),
        "write" => "create delete deletecollection patch update".to_owned(),
        other => other.to_owned(),
    };
    verbs.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn lines_are_rules() {
        let check = |line: &str, expect: Value| assert_eq!(parse(line).to_value(), expect, "{line}");
        check("read on core: pods", json!({ "verbs": ["get", "list", "watch"], "apiGroups": [""], "resources": ["pods"] }));
        check(
            "approve on certificates.k8s.io: signers named a/b",
            json!({ "verbs": ["approve"], "apiGroups": ["certificates.k8s.io"], "resources": ["signers"], "resourceNames": ["a/b"] }),
        );
        check("get at /livez /api/*", json!({ "verbs": ["get"], "nonResourceURLs": ["/api/*", "/livez"] }));
    }

    #[test]
    fn every_line_says_something_and_every_binding_has_its_role() {
        let all = objects();
        let names = |kind: &str| -> HashSet<&str> {
            all.iter().filter(|(_, o)| o["kind"] == kind).filter_map(|(_, o)| o["metadata"]["name"].as_str()).collect()
        };
        let roles = names("ClusterRole");
        for (path, object) in &all {
            if let Some(role) = object.pointer("/roleRef/name").and_then(Value::as_str)
                && object["kind"] == "ClusterRoleBinding"
            {
                assert!(roles.contains(role), "{path} {role}");
                assert_ne!(object["subjects"], json!([]), "{role}");
            }
            for rule in object["rules"].as_array().into_iter().flatten() {
                let rule = Rule::from_value(rule);
                assert!(!rule.verbs.is_empty() && (rule.urls.is_empty() != rule.resources.is_empty()), "{object} {rule:?}");
                assert_eq!(rule.resources.is_empty(), rule.groups.is_empty(), "{object} {rule:?}");
            }
        }
        let keys: HashSet<String> = all.iter().map(|(path, o)| format!("{path}/{}", o["metadata"]["name"])).collect();
        assert_eq!(keys.len(), all.len());
    }
}
