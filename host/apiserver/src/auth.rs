//! Who may do what. Identities come from the connection (`serve`) or from this process; here they are judged.

use crate::request::RequestInfo;
use crate::server::Shared;
use interfaces::authorize::{Attributes, MASTERS, UNAUTHENTICATED, UserInfo};
use object::{GroupResource, Reason, StatusError};

/// What a client may ask before it says who it is: `system:public-info-viewer`.
const PUBLIC: [&str; 4] = ["/healthz", "/livez", "/readyz", "/version"];

pub async fn authorize(shared: &Shared, user: &UserInfo, info: &RequestInfo) -> Result<(), StatusError> {
    if user.is_in(MASTERS) {
        return Ok(());
    }
    let path = info.path.trim_end_matches('/');
    let public = PUBLIC.iter().any(|p| path == *p || path.strip_prefix(p).is_some_and(|rest| rest.starts_with('/')));
    if public && !info.is_resource && matches!(info.verb.as_str(), "get" | "head") {
        return Ok(());
    }
    if user.is_in(UNAUTHENTICATED) {
        return Err(StatusError::unauthorized());
    }
    // Everyone with an identity may find out what is served: `system:discovery`.
    let discovery = ["/api", "/apis", "/openapi"].iter().any(|p| path == *p || path.starts_with(&format!("{p}/")));
    if discovery && !info.is_resource && matches!(info.verb.as_str(), "get" | "head") {
        return Ok(());
    }
    let reason = match &shared.config.authorizer {
        Some(authorizer) => {
            let attributes = Attributes {
                user: user.clone(),
                verb: info.verb.clone(),
                group: info.group.clone(),
                version: info.version.clone(),
                resource: info.resource.clone(),
                subresource: info.subresource.clone(),
                namespace: info.namespace.clone(),
                name: info.name.clone(),
                path: info.path.clone(),
            };
            match authorizer.authorize(&attributes).await {
                Ok(()) => return Ok(()),
                Err(denied) => denied.reason,
            }
        }
        None => String::new(),
    };
    Err(forbidden(user, info, &reason))
}

/// `k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go` forbiddenMessage.
fn forbidden(user: &UserInfo, info: &RequestInfo, reason: &str) -> StatusError {
    let name = &user.name;
    let tail = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    if !info.is_resource {
        let message = format!("forbidden: User \"{name}\" cannot {} path \"{}\"{tail}", info.verb, info.path);
        return StatusError::new(403, Reason::Forbidden, message);
    }
    let resource = if info.subresource.is_empty() { info.resource.clone() } else { format!("{}/{}", info.resource, info.subresource) };
    let place = match (info.namespace.as_str(), info.resource.as_str()) {
        ("", _) | (_, "namespaces") => "at the cluster scope".to_owned(),
        (namespace, _) => format!("in the namespace \"{namespace}\""),
    };
    let cause = format!("User \"{name}\" cannot {} resource \"{resource}\" in API group \"{}\" {place}{tail}", info.verb, info.group);
    StatusError::forbidden(&GroupResource { group: info.group.clone(), resource: info.resource.clone() }, &info.name, &cause)
}
