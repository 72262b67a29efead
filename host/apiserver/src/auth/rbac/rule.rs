//! One rule of a role, and what it allows: `kubernetes/pkg/apis/rbac/v1/evaluation_helpers.go`.

use crate::auth::Ask;
use object::{Map, Value};
use std::collections::BTreeSet;

const ALL: &str = "*";

/// `rbac.authorization.k8s.io/v1` PolicyRule.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    pub verbs: Vec<String>,
    pub groups: Vec<String>,
    pub resources: Vec<String>,
    pub names: Vec<String>,
    pub urls: Vec<String>,
}

impl Rule {
    pub fn from_value(value: &Value) -> Self {
        let list = |key: &str| -> Vec<String> {
            let items = value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Self {
            verbs: list("verbs"),
            groups: list("apiGroups"),
            resources: list("resources"),
            names: list("resourceNames"),
            urls: list("nonResourceURLs"),
        }
    }

    pub fn to_value(&self) -> Value {
        let fields = [
            ("verbs", &self.verbs),
            ("apiGroups", &self.groups),
            ("resources", &self.resources),
            ("resourceNames", &self.names),
            ("nonResourceURLs", &self.urls),
        ];
        let filled = fields.into_iter().filter(|(key, list)| *key == "verbs" || !list.is_empty());
        Value::Object(filled.map(|(key, list)| (key.to_owned(), Value::from(list.clone()))).collect::<Map<_, _>>())
    }

    pub fn allows(&self, ask: &Ask<'_>) -> bool {
        if !has_or_all(&self.verbs, ask.verb) {
            return false;
        }
        if !ask.is_resource {
            return self.urls.iter().any(|url| url_matches(url, ask.path));
        }
        has_or_all(&self.groups, ask.group)
            && self.resources.iter().any(|resource| resource_matches(resource, ask.resource, ask.subresource))
            && (self.names.is_empty() || self.names.iter().any(|name| name == ask.name))
    }

    /// Split into rules of one verb and one resource, name or path each: `BreakdownRule` of
    /// `k8s.io/component-helpers/auth/rbac/validation/policy_comparator.go`.
    fn parts(&self) -> Vec<Rule> {
        let mut parts = Vec::new();
        for verb in &self.verbs {
            for group in &self.groups {
                for resource in &self.resources {
                    let one = Rule {
                        verbs: vec![verb.clone()],
                        groups: vec![group.clone()],
                        resources: vec![resource.clone()],
                        ..Rule::default()
                    };
                    if self.names.is_empty() {
                        parts.push(one);
                        continue;
                    }
                    parts.extend(self.names.iter().map(|name| Rule { names: vec![name.clone()], ..one.clone() }));
                }
            }
            parts.extend(self.urls.iter().map(|url| Rule { verbs: vec![verb.clone()], urls: vec![url.clone()], ..Rule::default() }));
        }
        parts
    }

    fn covers(&self, part: &Rule) -> bool {
        let all = |mine: &[String], theirs: &[String]| theirs.iter().all(|one| has_or_all(mine, one));
        let resources = part.resources.iter().all(|wanted| {
            let (resource, subresource) = wanted.split_once('/').unwrap_or((wanted, ""));
            self.resources.iter().any(|mine| mine == wanted || resource_matches(mine, resource, subresource))
        });
        let urls = part.urls.iter().all(|wanted| self.urls.iter().any(|mine| url_matches(mine, wanted)));
        let names = match (self.names.is_empty(), part.names.is_empty()) {
            (true, _) => true,
            (false, true) => false,
            (false, false) => part.names.iter().all(|name| self.names.contains(name)),
        };
        all(&self.verbs, &part.verbs) && all(&self.groups, &part.groups) && resources && urls && names
    }

    /// As a refusal shows it: `CompactString` of `pkg/apis/rbac/v1/helpers.go`.
    fn told(&self) -> String {
        let list = |list: &[String]| list.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>().join(" ");
        let fields = [
            ("APIGroups", &self.groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.urls),
            ("ResourceNames", &self.names),
            ("Verbs", &self.verbs),
        ];
        let filled = fields.into_iter().filter(|(_, values)| !values.is_empty());
        let parts: Vec<String> = filled.map(|(key, values)| format!("{key}:[{}]", list(values))).collect();
        format!("{{{}}}", parts.join(", "))
    }
}

fn has_or_all(list: &[String], one: &str) -> bool {
    list.iter().any(|entry| entry == one || entry == ALL)
}

/// `pods`, `pods/log`, `*/scale` or `*`.
fn resource_matches(rule: &str, resource: &str, subresource: &str) -> bool {
    if rule == ALL {
        return true;
    }
    if subresource.is_empty() {
        return rule == resource;
    }
    rule.split_once('/').is_some_and(|(left, right)| (left == resource || left == ALL) && right == subresource)
}

/// A path, or all that begin with what stands before the last `*`.
fn url_matches(rule: &str, path: &str) -> bool {
    rule == ALL || rule == path || rule.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix.trim_end_matches('*')))
}

/// What of `wanted` the owned rules do not grant, as rules of one verb and one thing each.
pub fn missing(owned: &[Rule], wanted: &[Rule]) -> Vec<Rule> {
    let parts = wanted.iter().flat_map(Rule::parts);
    parts.filter(|part| !owned.iter().any(|rule| rule.covers(part))).collect()
}

/// Rules as lines of a refusal: those that differ in their verbs only are told as one (`CompactRules`).
pub fn told(rules: &[Rule]) -> String {
    let mut compact: Vec<Rule> = Vec::new();
    for rule in rules {
        let same = compact.iter_mut().find(|c| Rule { verbs: Vec::new(), ..(**c).clone() } == Rule { verbs: Vec::new(), ..rule.clone() });
        match same {
            Some(known) => known.verbs.extend(rule.verbs.iter().filter(|v| !known.verbs.contains(v)).cloned().collect::<Vec<_>>()),
            None => compact.push(rule.clone()),
        }
    }
    let lines: BTreeSet<String> = compact.iter().map(Rule::told).collect();
    lines.into_iter().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use interfaces::authorize::UserInfo;
    use object::json;

    fn rule(value: Value) -> Rule {
        Rule::from_value(&value)
    }

    #[test]
    fn rules_allow_what_they_name() {
        let user = UserInfo::component("u", &[]);
        let check = |given: &Value, verb: &str, resource: &str, name: &str, expect: bool| {
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            let ask = Ask { subresource, ..Ask::resource(&user, verb, "g", resource, "ns", name) };
            assert_eq!(rule(given.clone()).allows(&ask), expect, "{given} {verb} {resource}/{subresource} {name}");
        };
        let plain = json!({ "verbs": ["get", "list"], "apiGroups": ["g"], "resources": ["pods", "*/scale"] });
        check(&plain, "get", "pods", "a", true);
        check(&plain, "list", "pods", "", true);
        check(&plain, "watch", "pods", "", false);
        check(&plain, "get", "pods/log", "a", false);
        check(&plain, "get", "things/scale", "a", true);
        check(&plain, "get", "things", "a", false);
        check(&json!({ "verbs": ["get"], "apiGroups": [""], "resources": ["*"] }), "get", "pods", "a", false);
        let all = json!({ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] });
        check(&all, "escalate", "pods/log", "a", true);
        let named = json!({ "verbs": ["get", "list"], "apiGroups": ["g"], "resources": ["pods"], "resourceNames": ["a"] });
        check(&named, "get", "pods", "a", true);
        check(&named, "get", "pods", "b", false);
        check(&named, "list", "pods", "", false);
    }

    #[test]
    fn paths_may_end_in_a_star() {
        let user = UserInfo::component("u", &[]);
        let check = |url: &str, path: &str, expect: bool| {
            let ask = Ask { is_resource: false, path, ..Ask::resource(&user, "get", "", "", "", "") };
            assert_eq!(rule(json!({ "verbs": ["get"], "nonResourceURLs": [url] })).allows(&ask), expect, "{url} {path}");
        };
        check("/healthz", "/healthz", true);
        check("/healthz", "/healthz/ping", false);
        check("/api/*", "/api/v1", true);
        check("/api/*", "/apis", false);
        check("*", "/anything", true);
    }

    #[test]
    fn what_is_not_owned_is_missing() {
        let check = |owned: Value, wanted: Value, expect: &str| {
            assert_eq!(told(&missing(&[rule(owned.clone())], &[rule(wanted.clone())])), expect, "{owned} {wanted}");
        };
        let pods = json!({ "verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"] });
        check(pods.clone(), pods.clone(), "");
        check(
            pods.clone(),
            json!({ "verbs": ["get", "create", "update"], "apiGroups": [""], "resources": ["pods"] }),
            r#"{APIGroups:[""], Resources:["pods"], Verbs:["create" "update"]}"#,
        );
        check(json!({ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }), pods.clone(), "");
        check(
            json!({ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }),
            json!({ "verbs": ["get"], "nonResourceURLs": ["/x"] }),
            r#"{NonResourceURLs:["/x"], Verbs:["get"]}"#,
        );
        let named = json!({ "verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"] });
        check(pods.clone(), named.clone(), "");
        check(
            named,
            json!({ "verbs": ["get"], "apiGroups": [""], "resources": ["pods"] }),
            r#"{APIGroups:[""], Resources:["pods"], Verbs:["get"]}"#,
        );
        let scale = json!({ "verbs": ["get"], "apiGroups": ["apps"], "resources": ["*/scale"] });
        check(scale.clone(), json!({ "verbs": ["get"], "apiGroups": ["apps"], "resources": ["deployments/scale"] }), "");
        check(scale, pods, r#"{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}"#);
    }
}
