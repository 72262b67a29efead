//! What is asked of the authorizers: borrowed from the request, so that asking costs no allocation.

use crate::query::Query;
use crate::request::RequestInfo;
use interfaces::authorize::{Attributes, UserInfo};
use object::selector::FieldSelector;
use object::{GroupResource, Reason, StatusError};

#[derive(Clone, Copy)]
pub struct Ask<'a> {
    pub user: &'a UserInfo,
    pub verb: &'a str,
    pub is_resource: bool,
    pub group: &'a str,
    pub version: &'a str,
    pub resource: &'a str,
    pub subresource: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
    pub path: &'a str,
    /// Of lists, watches and collection deletes.
    pub fields: Option<&'a FieldSelector>,
}

impl<'a> Ask<'a> {
    /// About a request. A list or watch that selects one object by `metadata.name` is about that object
    /// (`k8s.io/apiserver/pkg/endpoints/request/requestinfo.go`).
    pub fn of(user: &'a UserInfo, info: &'a RequestInfo, fields: Option<&'a FieldSelector>) -> Self {
        let selected = || fields.and_then(|f| f.exact("metadata.name")).unwrap_or_default();
        Self {
            user,
            verb: &info.verb,
            is_resource: info.is_resource,
            group: &info.group,
            version: &info.version,
            resource: &info.resource,
            subresource: &info.subresource,
            namespace: &info.namespace,
            name: if info.name.is_empty() { selected() } else { &info.name },
            path: &info.path,
            fields,
        }
    }

    /// About an object or collection.
    pub fn resource(user: &'a UserInfo, verb: &'a str, group: &'a str, resource: &'a str, namespace: &'a str, name: &'a str) -> Self {
        let empty = "";
        Self {
            user,
            verb,
            is_resource: true,
            group,
            version: "v1",
            resource,
            subresource: empty,
            namespace,
            name,
            path: empty,
            fields: None,
        }
    }

    pub fn attributes(&self) -> Attributes {
        Attributes {
            user: self.user.clone(),
            verb: self.verb.to_owned(),
            group: self.group.to_owned(),
            version: self.version.to_owned(),
            resource: self.resource.to_owned(),
            subresource: self.subresource.to_owned(),
            namespace: self.namespace.to_owned(),
            name: self.name.to_owned(),
            path: self.path.to_owned(),
        }
    }

    /// The 403 of a refusal: `k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go` forbiddenMessage.
    pub fn forbidden(&self, reason: &str) -> StatusError {
        let name = &self.user.name;
        let tail = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        if !self.is_resource {
            let message = format!("forbidden: User \"{name}\" cannot {} path \"{}\"{tail}", self.verb, self.path);
            return StatusError::new(403, Reason::Forbidden, message);
        }
        let resource =
            if self.subresource.is_empty() { self.resource.to_owned() } else { format!("{}/{}", self.resource, self.subresource) };
        let place =
            if self.namespace.is_empty() { "at the cluster scope".to_owned() } else { format!("in the namespace \"{}\"", self.namespace) };
        let cause = format!("User \"{name}\" cannot {} resource \"{resource}\" in API group \"{}\" {place}{tail}", self.verb, self.group);
        let about = GroupResource { group: self.group.to_owned(), resource: self.resource.to_owned() };
        StatusError::forbidden(&about, self.name, &cause)
    }
}

/// The field selector of a request that has one; what is malformed selects nothing here and is refused later.
pub fn fields(info: &RequestInfo, query: &Query) -> Option<FieldSelector> {
    let collective = matches!(info.verb.as_str(), "list" | "watch" | "deletecollection");
    if !collective || !info.is_resource || !query.has("fieldSelector") {
        return None;
    }
    FieldSelector::parse(query.get("fieldSelector")).ok()
}
