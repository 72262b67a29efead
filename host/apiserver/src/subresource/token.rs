//! `serviceaccounts/token`: a token by TokenRequest (`pkg/registry/core/serviceaccount/storage/token.go`).

use super::Handler;
use crate::admission::hooks;
use crate::auth::{BoundTo, Tokens, find_core as find};
use crate::call::{Call, Response, Target};
use crate::respond;
use crate::{negotiate, write};
use async_trait::async_trait;
use http::StatusCode;
use object::field::{ErrorList, Path};
use object::gvk::split_api_version;
use object::{GroupKind, GroupResource, Gvk, Object, StatusError, Value, json};

/// `defaults.go` of authentication/v1.
const DEFAULT_SECONDS: i64 = 60 * 60;
const MIN_SECONDS: i64 = 10 * 60;
const MAX_SECONDS: i64 = 1 << 32;

pub struct Token;

#[async_trait]
impl Handler for Token {
    async fn answer(&self, call: &Call, target: &Target) -> Result<Response, StatusError> {
        let Some(tokens) = &call.shared.config.tokens else {
            return Err(StatusError::unavailable("this server has no key to sign service account tokens with"));
        };
        let accept = negotiate::accept(call.header("accept"))?;
        let (namespace, name) = (call.info.namespace.as_str(), call.info.name.as_str());
        let mut request = write::required_body(call, "TokenRequest")?;
        let kind = Gvk::new("authentication.k8s.io", "v1", "TokenRequest");
        let dry_run = call.query.has("dryRun");
        hooks::admit_body(call, &target.kind, "token", &kind, name, dry_run, &mut request).await?;
        default(&mut request, tokens);
        validate(&request, name, namespace)?;
        // Accounts, pods and nodes that were made before this request are seen.
        call.shared.caches.current().await?;
        let account = find(&call.shared, "serviceaccounts", namespace, name);
        let account = account.ok_or_else(|| StatusError::not_found(&target.kind.group_resource(), name))?;
        let bound = bound(call, &request, &account)?;
        restrict(call, &request, &bound)?;
        let seconds = request.pointer("/spec/expirationSeconds").and_then(Value::as_i64).unwrap_or(DEFAULT_SECONDS);
        let audiences: Vec<String> = strings(request.pointer("/spec/audiences"));
        let issued = tokens.issue(&account, &bound, seconds, &audiences);
        let (token, expires) = issued.ok_or_else(|| StatusError::internal("failed to generate token"))?;
        let metadata = json!({ "name": name, "namespace": namespace, "creationTimestamp": object::time::now() });
        let spec = request.get("spec").cloned().unwrap_or_default();
        let status = json!({ "token": token, "expirationTimestamp": object::time::format(expires) });
        let answer = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": metadata, "spec": spec, "status": status,
        });
        let body = serde_json::to_vec(&answer).map_err(StatusError::internal)?;
        Ok(respond::encoded(StatusCode::CREATED, &accept, bytes::Bytes::from(body)))
    }
}

fn strings(list: Option<&Value>) -> Vec<String> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn default(request: &mut Value, tokens: &Tokens) {
    if !request.get("spec").is_some_and(Value::is_object) {
        request["spec"] = json!({});
    }
    let spec = &mut request["spec"];
    if spec.get("expirationSeconds").is_none_or(Value::is_null) {
        spec["expirationSeconds"] = json!(DEFAULT_SECONDS);
    }
    if spec.get("audiences").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        spec["audiences"] = json!(tokens.audiences());
    }
}

/// `pkg/apis/authentication/validation/validation.go`.
fn validate(request: &Value, name: &str, namespace: &str) -> Result<(), StatusError> {
    let text = |pointer: &str| request.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    for (what, pointer, expect) in [("name", "/metadata/name", name), ("namespace", "/metadata/namespace", namespace)] {
        let given = text(pointer);
        if !given.is_empty() && given != expect {
            let told = format!("the {what} of the object ({given}) does not match the {what} on the URL ({expect})");
            return Err(StatusError::bad_request(told));
        }
    }
    let mut errors = ErrorList::new();
    let path = Path::new("spec").child("expirationSeconds");
    let seconds = request.pointer("/spec/expirationSeconds").and_then(Value::as_i64).unwrap_or(DEFAULT_SECONDS);
    if seconds < MIN_SECONDS {
        errors.invalid(&path, seconds, "may not specify a duration less than 10 minutes");
    }
    if seconds > MAX_SECONDS {
        errors.invalid(&path, seconds, "may not specify a duration larger than 2^32 seconds");
    }
    let kind = GroupKind { group: "authentication.k8s.io".to_owned(), kind: "TokenRequest".to_owned() };
    if errors.is_empty() { Ok(()) } else { Err(StatusError::invalid(&kind, name, errors.into_causes())) }
}

/// `NodeRestriction`: a node makes tokens only for pods that it runs.
fn restrict(call: &Call, request: &Value, bound: &BoundTo) -> Result<(), StatusError> {
    let Some(node) = call.user.node() else { return Ok(()) };
    let cause = match &bound.pod {
        None => "node requested token not bound to a pod",
        Some(_) if request.pointer("/spec/boundObjectRef/uid").and_then(Value::as_str).is_none_or(str::is_empty) => {
            "node requested token with a pod binding without a uid"
        }
        Some(pod) if pod.str_at(&["spec", "nodeName"]) != node => "node requested token bound to a pod scheduled on a different node",
        Some(_) => return Ok(()),
    };
    let about = GroupResource { group: String::new(), resource: "serviceaccounts".to_owned() };
    Err(StatusError::forbidden(&about, &call.info.name, cause))
}

/// The objects that the token shall end with.
fn bound(call: &Call, request: &Value, account: &Object) -> Result<BoundTo, StatusError> {
    let Some(reference) = request.pointer("/spec/boundObjectRef").filter(|r| !r.is_null()) else { return Ok(BoundTo::default()) };
    let text = |key: &str| reference.get(key).and_then(Value::as_str).unwrap_or_default();
    let (kind, name) = (text("kind"), text("name"));
    let (group, version) = split_api_version(text("apiVersion"));
    let namespace = call.info.namespace.as_str();
    let get = |resource: &str, namespace: &str| {
        let about = GroupResource { group: String::new(), resource: resource.to_owned() };
        find(&call.shared, resource, namespace, name).ok_or_else(|| StatusError::not_found(&about, name))
    };
    let mut bound = BoundTo::default();
    let uid = match (group, kind) {
        ("", "Pod") => {
            let pod = get("pods", namespace)?;
            if pod.str_at(&["spec", "serviceAccountName"]) != account.name() {
                let account = account.name();
                let told = format!("cannot bind token for serviceaccount \"{account}\" to pod running with different serviceaccount name.");
                return Err(StatusError::bad_request(told));
            }
            let node = pod.str_at(&["spec", "nodeName"]);
            bound.node = if node.is_empty() { None } else { find(&call.shared, "nodes", "", node) };
            bound.pod.insert(pod).uid().to_owned()
        }
        ("", "Secret") => bound.secret.insert(get("secrets", namespace)?).uid().to_owned(),
        ("", "Node") => bound.node.insert(get("nodes", "")?).uid().to_owned(),
        _ => {
            let told = format!("cannot bind token to object of type {group}/{version}, Kind={kind}");
            return Err(StatusError::bad_request(told));
        }
    };
    let wanted = text("uid");
    if !wanted.is_empty() && wanted != uid {
        let about = GroupResource { group: group.to_owned(), resource: kind.to_owned() };
        let cause = format!(
            "the UID in the bound object reference ({wanted}) does not match the UID in record. The object might have been deleted \
             and then recreated"
        );
        return Err(StatusError::conflict(&about, name, &cause));
    }
    Ok(bound)
}
