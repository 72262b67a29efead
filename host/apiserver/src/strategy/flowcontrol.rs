//! Flow schemas and priority levels: `pkg/apis/flowcontrol/validation/validation.go`.

use super::Strategy;
use super::at::At;
use super::read::{flag, is_empty, items, number, text};
use object::field::{ErrorList, Path};
use object::{Object, Value, json, names};

pub struct FlowSchemaStrategy;
pub struct PriorityLevelStrategy;

const VERBS: [&str; 9] = ["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];
const MAX_PRECEDENCE: i64 = 10_000;
const MAX_QUEUES: i64 = 10_000_000;
/// Bits of a flow's hash that queues are dealt by (`shufflesharding.MaxHashBits`).
const HASH_BITS: u32 = 60;

impl Strategy for FlowSchemaStrategy {
    fn updates_need_revision(&self) -> bool {
        true
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        let (spec, at) = (new.at(&["spec"]).unwrap_or(&empty), At::new("spec"));
        let precedence = number(spec, "matchingPrecedence").unwrap_or(0);
        let place = at.child("matchingPrecedence");
        if precedence <= 0 {
            place.invalid(errors, precedence, "must be a positive value");
        }
        if precedence > MAX_PRECEDENCE {
            place.invalid(errors, precedence, &format!("must not be greater than {MAX_PRECEDENCE}"));
        }
        if precedence == 1 && new.name() != "exempt" {
            place.invalid(errors, precedence, "only the schema named 'exempt' may have matchingPrecedence 1");
        }
        if let Some(method) = spec.get("distinguisherMethod").filter(|m| m.is_object())
            && !matches!(text(method, "type"), "ByUser" | "ByNamespace")
        {
            at.child("distinguisherMethod.type").not_supported(errors, method.clone(), &["ByNamespace", "ByUser"]);
        }
        let level = spec.get("priorityLevelConfiguration").unwrap_or(&empty);
        match text(level, "name") {
            "" => at.child("priorityLevelConfiguration.name").required(errors, "must reference a priority level"),
            name => at.child("priorityLevelConfiguration.name").subdomain(errors, name),
        }
        for (index, one) in items(spec, "rules") {
            rule(one, &at.child("rules").index(index), errors);
        }
        fixed(new, fixed_schema(new.name()), errors);
        statuses(new, errors);
    }

    fn validate_status(&self, new: &Object, _: &Object, errors: &mut ErrorList) {
        statuses(new, errors);
    }
}

impl Strategy for PriorityLevelStrategy {
    fn updates_need_revision(&self) -> bool {
        true
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        let (spec, at) = (new.at(&["spec"]).unwrap_or(&empty), At::new("spec"));
        let ty = text(spec, "type");
        if (new.name() == "exempt") != (ty == "Exempt") {
            at.child("type").invalid(errors, ty, "type must be 'Exempt' if and only if name is 'exempt'");
        }
        let given = |field: &str| spec.get(field).filter(|v| v.is_object());
        match ty {
            "Exempt" => {
                if given("limited").is_some() {
                    at.child("limited").forbidden(errors, "must be nil if the type is not Limited");
                }
                shares(given("exempt"), &at.child("exempt"), errors);
            }
            "Limited" => {
                if given("exempt").is_some() {
                    at.child("exempt").forbidden(errors, "must be nil if the type is Limited");
                }
                match given("limited") {
                    None => at.child("limited").required(errors, "must not be empty when type is Limited"),
                    Some(limits) => limited(limits, &at.child("limited"), errors),
                }
            }
            other => at.child("type").not_supported(errors, other, &["Exempt", "Limited"]),
        }
        fixed(new, fixed_level(new.name()), errors);
        statuses(new, errors);
    }

    fn validate_status(&self, new: &Object, _: &Object, errors: &mut ErrorList) {
        statuses(new, errors);
    }
}

/// Upstream's mandatory objects must be what they are (`apis/flowcontrol/bootstrap/default.go`).
fn fixed(new: &Object, spec: Option<Value>, errors: &mut ErrorList) {
    let is = new.at(&["spec"]).cloned().unwrap_or_default();
    if let Some(must) = spec
        && is != must
    {
        errors.invalid(&Path::new("spec"), is, &format!("spec of '{}' must equal the fixed value", new.name()));
    }
}

fn fixed_schema(name: &str) -> Option<Value> {
    let everything = |subjects: &[&str]| {
        let subjects: Vec<Value> = subjects.iter().map(|g| json!({ "kind": "Group", "group": { "name": g } })).collect();
        json!([{
            "subjects": subjects,
            "resourceRules": [{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": true, "namespaces": ["*"] }],
            "nonResourceRules": [{ "verbs": ["*"], "nonResourceURLs": ["*"] }],
        }])
    };
    match name {
        "exempt" => Some(json!({
            "priorityLevelConfiguration": { "name": "exempt" }, "matchingPrecedence": 1, "rules": everything(&["system:masters"]),
        })),
        "catch-all" => Some(json!({
            "priorityLevelConfiguration": { "name": "catch-all" }, "matchingPrecedence": MAX_PRECEDENCE,
            "distinguisherMethod": { "type": "ByUser" },
            "rules": everything(&["system:unauthenticated", "system:authenticated"]),
        })),
        _ => None,
    }
}

/// The shares of `exempt` are the administrator's to choose.
fn fixed_level(name: &str) -> Option<Value> {
    (name == "catch-all").then(|| {
        json!({ "type": "Limited", "limited": {
            "nominalConcurrencyShares": 5, "lendablePercent": 0, "limitResponse": { "type": "Reject" },
        } })
    })
}

fn statuses(new: &Object, errors: &mut ErrorList) {
    let empty = Value::Null;
    let mut seen = std::collections::HashSet::new();
    for (index, condition) in items(new.at(&["status"]).unwrap_or(&empty), "conditions") {
        let conditions = At::new("status.conditions");
        let at = conditions.index(index);
        let ty = text(condition, "type");
        if !seen.insert(ty) {
            at.child("type").duplicate(errors, ty);
        }
        if ty.is_empty() {
            at.child("type").required(errors, "must not be empty");
        }
    }
}

fn rule(rule: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if is_empty(rule.get("subjects")) {
        at.child("subjects").required(errors, "subjects must contain at least one value");
    }
    for (index, one) in items(rule, "subjects") {
        subject(one, &at.child("subjects").index(index), errors);
    }
    if is_empty(rule.get("resourceRules")) && is_empty(rule.get("nonResourceRules")) {
        at.required(errors, "at least one of resourceRules and nonResourceRules has to be non-empty");
    }
    for (index, one) in items(rule, "resourceRules") {
        resource_rule(one, &at.child("resourceRules").index(index), errors);
    }
    for (index, one) in items(rule, "nonResourceRules") {
        url_rule(one, &at.child("nonResourceRules").index(index), errors);
    }
}

/// Kind of a subject, and the field that tells more of it.
const SUBJECTS: [(&str, &str); 3] = [("ServiceAccount", "serviceAccount"), ("User", "user"), ("Group", "group")];

fn subject(subject: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let kind = text(subject, "kind");
    let Some((_, own)) = SUBJECTS.iter().find(|(name, _)| *name == kind) else {
        return at.child("kind").not_supported(errors, kind, &["Group", "ServiceAccount", "User"]);
    };
    let given = |field: &str| subject.get(field).filter(|v| v.is_object());
    let place = at.child(own);
    match given(own) {
        None => place.required(errors, &format!("{own} is required when subject kind is '{kind}'")),
        Some(account) if *own == "serviceAccount" => {
            match text(account, "name") {
                "" => place.child("name").required(errors, ""),
                "*" => {}
                name => place.child("name").subdomain(errors, name),
            }
            match text(account, "namespace") {
                "" => place.child("namespace").required(errors, "must specify namespace for service account"),
                namespace => place.child("namespace").invalid_all(errors, namespace, &names::dns1123_label(namespace)),
            }
        }
        Some(named) if text(named, "name").is_empty() => place.child("name").required(errors, ""),
        Some(_) => {}
    }
    for (name, field) in SUBJECTS.iter().filter(|(name, field)| *name != kind && given(field).is_some()) {
        at.child(field).forbidden(errors, &format!("{field} is forbidden when subject kind is not '{name}'"));
    }
}

/// A list that must have something, and nothing beside a `*`. Whether it has more to check.
fn listed(rule: &Value, field: &str, empty: &str, others: &str, at: &At<'_>, errors: &mut ErrorList) -> bool {
    let values: Vec<&str> = items(rule, field).filter_map(|(_, v)| v.as_str()).collect();
    let at = at.child(field);
    if values.is_empty() {
        at.required(errors, empty);
        return false;
    }
    let wild = values.contains(&"*");
    if wild && values.len() > 1 {
        at.invalid(errors, json!(values), &format!("if '*' is present, must not specify other {others}"));
    }
    !wild
}

fn verbs(rule: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let more = listed(rule, "verbs", "verbs must contain at least one value", "verbs", at, errors);
    let unknown = items(rule, "verbs").any(|(_, v)| v.as_str().is_none_or(|v| !VERBS.contains(&v)));
    if more && unknown {
        at.child("verbs").not_supported(errors, rule.get("verbs").cloned().unwrap_or_default(), &VERBS);
    }
}

fn resource_rule(rule: &Value, at: &At<'_>, errors: &mut ErrorList) {
    verbs(rule, at, errors);
    listed(rule, "apiGroups", "resource rules must supply at least one api group", "api groups", at, errors);
    listed(rule, "resources", "resource rules must supply at least one resource", "resources", at, errors);
    if is_empty(rule.get("namespaces")) {
        if !flag(rule, "clusterScope") {
            let told = "resource rules that are not cluster scoped must supply at least one namespace";
            at.child("namespaces").required(errors, told);
        }
    } else if listed(rule, "namespaces", "", "namespaces", at, errors) {
        for (index, namespace) in items(rule, "namespaces").filter_map(|(i, v)| Some((i, v.as_str()?))) {
            for fault in names::dns1123_label(namespace) {
                let told = format!("each member of this list must be '*' or a DNS-1123 label; {fault}");
                at.child("namespaces").index(index).invalid(errors, namespace, &told);
            }
        }
    }
}

fn url_rule(rule: &Value, at: &At<'_>, errors: &mut ErrorList) {
    verbs(rule, at, errors);
    let none = "nonResourceURLs must contain at least one value";
    if !listed(rule, "nonResourceURLs", none, "non-resource URLs", at, errors) {
        return;
    }
    for (index, url) in items(rule, "nonResourceURLs").filter_map(|(i, v)| Some((i, v.as_str()?))) {
        let stars = url.matches('*').count();
        let fault = match url {
            "" => "must not be empty",
            "/" => continue,
            _ if !url.starts_with('/') => "must start with slash",
            _ if url.contains(' ') => "must not contain white-space",
            _ if url.contains("//") => "must not contain double slash",
            _ if stars > 1 || (stars == 1 && !url.ends_with("/*")) => "wildcard can only do suffix matching",
            _ => continue,
        };
        at.child("nonResourceURLs").index(index).invalid(errors, url, fault);
    }
}

fn shares(level: Option<&Value>, at: &At<'_>, errors: &mut ErrorList) {
    let Some(level) = level else { return };
    if let Some(shares) = number(level, "nominalConcurrencyShares").filter(|s| *s < 0) {
        at.child("nominalConcurrencyShares").invalid(errors, shares, "must be a non-negative integer");
    }
    at.child("lendablePercent").range(errors, number(level, "lendablePercent"), 0, 100);
}

fn limited(level: &Value, at: &At<'_>, errors: &mut ErrorList) {
    shares(Some(level), at, errors);
    if let Some(percent) = number(level, "borrowingLimitPercent").filter(|p| *p < 0) {
        at.child("borrowingLimitPercent").invalid(errors, percent, "if specified, must be a non-negative integer");
    }
    let empty = Value::Null;
    let (response, at) = (level.get("limitResponse").unwrap_or(&empty), at.child("limitResponse"));
    let queuing = response.get("queuing").filter(|q| q.is_object());
    match (text(response, "type"), queuing) {
        ("Reject", Some(_)) => {
            at.child("queuing").forbidden(errors, "must be nil if limited.limitResponse.type is not Limited");
        }
        ("Reject", None) => {}
        ("Queue", None) => at.child("queuing").required(errors, "must not be empty if limited.limitResponse.type is Limited"),
        ("Queue", Some(queuing)) => queues(queuing, &at.child("queuing"), errors),
        (other, _) => at.child("type").not_supported(errors, other, &["Queue", "Reject"]),
    }
}

fn queues(queuing: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let value = |field: &str| number(queuing, field).unwrap_or(0);
    let (length, queues, hand) = (value("queueLengthLimit"), value("queues"), value("handSize"));
    if length <= 0 {
        at.child("queueLengthLimit").invalid(errors, length, "must be positive");
    }
    if queues <= 0 {
        at.child("queues").invalid(errors, queues, "must be positive");
    } else if queues > MAX_QUEUES {
        at.child("queues").invalid(errors, queues, &format!("must not be greater than {MAX_QUEUES}"));
    }
    let at = at.child("handSize");
    if hand <= 0 {
        at.invalid(errors, hand, "must be positive");
    } else if hand > queues {
        at.invalid(errors, hand, &format!("should not be greater than queues ({queues})"));
    } else if entropy_bits(queues, hand) > HASH_BITS {
        let told = format!("required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {HASH_BITS}");
        at.invalid(errors, hand, &told);
    }
}

/// Bits that choose a hand from a deck: the logarithm of their falling factorial, rounded up.
fn entropy_bits(deck: i64, hand: i64) -> u32 {
    // A hand above this needs more bits than there are, whatever the deck.
    let bits: f64 = (0..hand.min(1000)).map(|taken| ((deck - taken) as f64).log2()).sum();
    bits.ceil() as u32
}
