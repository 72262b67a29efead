//! Questions about rights: the SubjectAccessReview family (`pkg/registry/authorization`).

use super::review::{Review, strings};
use crate::auth::{self, Ask, Rule};
use crate::call::{Call, Response, Target};
use crate::subresource::Handler;
use async_trait::async_trait;
use interfaces::authorize::UserInfo;
use object::field::{ErrorList, Path};
use object::selector::FieldSelector;
use object::{Object, StatusError, Value, json};

/// Of whom a review asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Anyone,
    /// Anyone, in the namespace of the path.
    AnyoneHere,
    Oneself,
}

pub struct AccessReview(About);
pub struct RulesReview;

pub const SUBJECT: AccessReview = AccessReview(About::Anyone);
pub const LOCAL: AccessReview = AccessReview(About::AnyoneHere);
pub const OWN: AccessReview = AccessReview(About::Oneself);

#[async_trait]
impl Handler for AccessReview {
    async fn answer(&self, call: &Call, target: &Target) -> Result<Response, StatusError> {
        let review = Review::read(call, target)?;
        let mut errors = ErrorList::new();
        let spec = review.object.at(&["spec"]).cloned().unwrap_or_default();
        validate(&spec, self.0, &mut errors);
        review.refuse_metadata(&mut errors);
        if self.0 == About::AnyoneHere {
            in_namespace(&review.object, &spec, &call.info.namespace, &mut errors)?;
        }
        review.invalid(errors)?;
        let own;
        let user = match self.0 {
            About::Oneself => &*call.user,
            About::Anyone | About::AnyoneHere => {
                own = subject(&spec);
                &own
            }
        };
        let empty = Value::Null;
        let asked = spec.get("resourceAttributes").filter(|a| !a.is_null());
        let path = spec.get("nonResourceAttributes").unwrap_or(&empty);
        let selector = asked.and_then(|a| a.get("fieldSelector"));
        let (fields, warning) = match selector.map(fields) {
            Some(Ok(fields)) => (Some(fields), None),
            Some(Err(cause)) => (None, Some(cause)),
            None => (None, None),
        };
        let ask = match asked {
            Some(asked) => Ask {
                version: text(asked, "version"),
                subresource: text(asked, "subresource"),
                fields: fields.as_ref(),
                ..Ask::resource(
                    user,
                    text(asked, "verb"),
                    text(asked, "group"),
                    text(asked, "resource"),
                    text(asked, "namespace"),
                    text(asked, "name"),
                )
            },
            None => Ask { is_resource: false, path: text(path, "path"), ..Ask::resource(user, text(path, "verb"), "", "", "", "") },
        };
        let (allowed, reason) = match auth::decide(&call.shared, &ask, true).await {
            Ok(granted) => (true, granted.reason),
            Err(reason) => (false, reason),
        };
        let mut status = json!({ "allowed": allowed });
        if !reason.is_empty() {
            status["reason"] = json!(reason);
        }
        if let Some(warning) = warning {
            status["evaluationError"] = json!(warning);
        }
        review.answer(status).await
    }
}

#[async_trait]
impl Handler for RulesReview {
    async fn answer(&self, call: &Call, target: &Target) -> Result<Response, StatusError> {
        let review = Review::read(call, target)?;
        let namespace = review.object.str_at(&["spec", "namespace"]).to_owned();
        if namespace.is_empty() {
            return Err(StatusError::bad_request("no namespace on request"));
        }
        let shared = &call.shared;
        let (rules, mut errors) = shared.auth.rbac.rules_for(&shared.caches, &shared.registry, &call.user, &namespace);
        let is_node = call.user.node().is_some();
        if is_node {
            errors.push("node authorizer does not support user rule resolution".to_owned());
        }
        let foreign = shared.config.authorizer.is_some();
        if foreign {
            errors.push("an authorizer of this server does not support user rule resolution".to_owned());
        }
        let (paths, resources): (Vec<&Rule>, Vec<&Rule>) = rules.iter().partition(|rule| rule.resources.is_empty());
        let mut status = json!({
            "incomplete": is_node || foreign,
            "resourceRules": resources.iter().map(|rule| rule.to_value()).collect::<Value>(),
            "nonResourceRules": paths.iter().map(|rule| rule.to_value()).collect::<Value>(),
        });
        if !errors.is_empty() {
            status["evaluationError"] = json!(errors.join(", "));
        }
        review.answer(status).await
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Whom the review asks about. The groups are the review's: nothing is added to them.
fn subject(spec: &Value) -> UserInfo {
    let extra = spec.get("extra").and_then(Value::as_object).into_iter().flatten();
    UserInfo {
        name: text(spec, "user").to_owned(),
        uid: text(spec, "uid").to_owned(),
        groups: strings(spec.get("groups")),
        extra: extra.map(|(key, values)| (key.clone(), strings(Some(values)))).collect(),
    }
}

/// `pkg/apis/authorization/validation/validation.go`.
fn validate(spec: &Value, about: About, errors: &mut ErrorList) {
    let path = Path::new("spec");
    let given = |key: &str| spec.get(key).filter(|v| !v.is_null());
    match (given("resourceAttributes"), given("nonResourceAttributes")) {
        (Some(_), Some(other)) => {
            let told = "cannot be specified in combination with resourceAttributes";
            errors.invalid(&path.child("nonResourceAttributes"), other.clone(), told);
        }
        (None, None) => {
            let told = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            errors.invalid(&path.child("resourceAttributes"), Value::Null, told);
        }
        _ => {}
    }
    if about != About::Oneself && text(spec, "user").is_empty() && strings(spec.get("groups")).is_empty() {
        errors.invalid(&path.child("user"), text(spec, "user"), "at least one of user or group must be specified");
    }
    for selector in ["fieldSelector", "labelSelector"] {
        let path = path.child("resourceAttributes").child(selector);
        let Some(value) = spec.pointer(&format!("/resourceAttributes/{selector}")) else { continue };
        let requirements = value.get("requirements").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let raw = text(value, "rawSelector");
        match (raw.is_empty(), requirements.is_empty()) {
            (true, true) => errors.required(
                &path.child("requirements"),
                &format!("when {} is specified, requirements or rawSelector is required", path.as_str()),
            ),
            (false, false) => errors.invalid(&path.child("rawSelector"), raw, "may not specified at the same time as requirements"),
            _ => {}
        }
        for (at, requirement) in requirements.iter().enumerate() {
            let path = path.child("requirements").index(at);
            if text(requirement, "key").is_empty() {
                errors.required(&path.child("key"), "must be specified");
            }
            let values = strings(requirement.get("values"));
            match (text(requirement, "operator"), values.is_empty()) {
                ("In" | "NotIn", true) => errors.required(&path.child("values"), "must be specified when `operator` is 'In' or 'NotIn'"),
                ("Exists" | "DoesNotExist", false) => {
                    errors.forbidden(&path.child("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
                }
                ("In" | "NotIn" | "Exists" | "DoesNotExist", _) => {}
                (other, _) => errors.not_supported(&path.child("operator"), other, &["DoesNotExist", "Exists", "In", "NotIn"]),
            }
        }
    }
}

fn in_namespace(object: &Object, spec: &Value, namespace: &str, errors: &mut ErrorList) -> Result<(), StatusError> {
    if !object.namespace().is_empty() && object.namespace() != namespace {
        return Err(StatusError::bad_request("namespace in metadata must match the namespace of the path"));
    }
    if spec.get("nonResourceAttributes").is_some_and(|v| !v.is_null()) {
        let path = Path::new("spec").child("nonResourceAttributes");
        errors.invalid(&path, spec.get("nonResourceAttributes").cloned().unwrap_or_default(), "disallowed on this kind of request");
    }
    let given = spec.pointer("/resourceAttributes/namespace").and_then(Value::as_str).unwrap_or_default();
    if given != namespace {
        return Err(StatusError::bad_request(format!("spec.resourceAttributes.namespace must match namespace: {given:?}")));
    }
    Ok(())
}

/// A field selector as authorizers see it. What only some operators can say narrows nothing.
fn fields(selector: &Value) -> Result<FieldSelector, String> {
    let raw = text(selector, "rawSelector");
    if !raw.is_empty() {
        return FieldSelector::parse(raw);
    }
    let requirements = selector.get("requirements").and_then(Value::as_array).into_iter().flatten();
    let terms = requirements.filter_map(|requirement| {
        let values = strings(requirement.get("values"));
        match (text(requirement, "operator"), values.as_slice()) {
            ("In", [one]) => Some(format!("{}={one}", text(requirement, "key"))),
            ("NotIn", [one]) => Some(format!("{}!={one}", text(requirement, "key"))),
            _ => None,
        }
    });
    FieldSelector::parse(&terms.collect::<Vec<_>>().join(","))
}
