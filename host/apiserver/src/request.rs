//! What a request is about: `k8s.io/apiserver/pkg/endpoints/request/requestinfo.go`.

use crate::query;
use http::Method;

/// The parts of a path and the verb that follows from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestInfo {
    /// Below `/api/v1/` or `/apis/<group>/<version>/`.
    pub is_resource: bool,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; else the method in lower case.
    pub verb: String,
    pub group: String,
    pub version: String,
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
    /// Decoded segments after the name and subresource: too many make the path unknown.
    pub rest: usize,
    pub path: String,
}

impl RequestInfo {
    /// `watching`: the query asks for a watch.
    pub fn parse(method: &Method, path: &str, watching: bool) -> Self {
        let mut info = Self { verb: method.as_str().to_lowercase(), path: path.to_owned(), ..Self::default() };
        let segments: Vec<String> = path.trim_matches('/').split('/').map(|s| query::decode(s, false)).collect();
        let mut parts: &[String] = match segments.as_slice() {
            [api, version, rest @ ..] if api == "api" && !rest.is_empty() => {
                info.version = version.clone();
                rest
            }
            [apis, group, version, rest @ ..] if apis == "apis" && !rest.is_empty() => {
                (info.group, info.version) = (group.clone(), version.clone());
                rest
            }
            _ => return info,
        };
        info.is_resource = true;
        let mut deprecated = false;
        // The deprecated form /api/v1/watch/….
        if let [watch, rest @ ..] = parts
            && watch == "watch"
            && !rest.is_empty()
        {
            (parts, deprecated) = (rest, true);
        }
        if let [namespaces, namespace, rest @ ..] = parts
            && namespaces == "namespaces"
        {
            info.namespace = namespace.clone();
            // `namespaces/x` and its own subresources are about the namespace object.
            if let [resource, ..] = rest
                && resource != "status"
                && resource != "finalize"
            {
                parts = rest;
            }
        }
        let mut parts = parts.iter();
        info.resource = parts.next().cloned().unwrap_or_default();
        info.name = parts.next().cloned().unwrap_or_default();
        info.subresource = parts.next().cloned().unwrap_or_default();
        info.rest = parts.len();
        if info.resource == "namespaces" {
            info.namespace = info.name.clone();
        }
        let collection = info.name.is_empty();
        info.verb = match *method {
            // One object is watched by the deprecated form only: `?watch` beside a name is not looked at.
            Method::GET | Method::HEAD if deprecated && info.subresource.is_empty() => "watch",
            Method::GET | Method::HEAD if watching && collection => "watch",
            Method::GET | Method::HEAD if collection => "list",
            Method::GET | Method::HEAD => "get",
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE if collection => "deletecollection",
            Method::DELETE => "delete",
            _ => return info,
        }
        .to_owned();
        info
    }

    /// The namespace that a list or watch is limited to; `""` for all, and for cluster resources.
    pub fn watched_namespace(&self, kind: &registry::Kind) -> String {
        if kind.is_namespaced() { self.namespace.clone() } else { String::new() }
    }

    /// Watches, logs and the like: not bounded by time or by the number in flight.
    pub fn is_long_running(&self) -> bool {
        self.verb == "watch" || matches!(self.subresource.as_str(), "log" | "exec" | "attach" | "portforward" | "proxy")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, path: &str, watching: bool, expect: &str) {
        let i = RequestInfo::parse(&method, path, watching);
        let told = format!(
            "{} {}/{}/{} ns={} name={} sub={} rest={}",
            i.verb, i.group, i.version, i.resource, i.namespace, i.name, i.subresource, i.rest
        );
        assert_eq!(told, expect, "{method} {path}");
    }

    #[test]
    fn paths() {
        check(Method::GET, "/api/v1/pods", false, "list /v1/pods ns= name= sub= rest=0");
        check(Method::GET, "/api/v1/pods", true, "watch /v1/pods ns= name= sub= rest=0");
        check(Method::GET, "/api/v1/namespaces/a/pods/p", false, "get /v1/pods ns=a name=p sub= rest=0");
        check(Method::GET, "/api/v1/namespaces/a/pods/p/log", false, "get /v1/pods ns=a name=p sub=log rest=0");
        check(Method::PUT, "/api/v1/namespaces/a/finalize", false, "update /v1/namespaces ns=a name=a sub=finalize rest=0");
        check(Method::GET, "/api/v1/namespaces/a", false, "get /v1/namespaces ns=a name=a sub= rest=0");
        check(Method::POST, "/api/v1/namespaces", false, "create /v1/namespaces ns= name= sub= rest=0");
        check(
            Method::DELETE,
            "/apis/apps/v1/namespaces/a/deployments",
            false,
            "deletecollection apps/v1/deployments ns=a name= sub= rest=0",
        );
        check(
            Method::PATCH,
            "/apis/apps/v1/namespaces/a/deployments/d/scale",
            false,
            "patch apps/v1/deployments ns=a name=d sub=scale rest=0",
        );
        check(
            Method::GET,
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode",
            false,
            "get rbac.authorization.k8s.io/v1/clusterroles ns= name=system:node sub= rest=0",
        );
        check(Method::GET, "/api/v1/watch/namespaces/a/pods", false, "watch /v1/pods ns=a name= sub= rest=0");
        check(Method::GET, "/api/v1/watch/namespaces/a/pods/p", false, "watch /v1/pods ns=a name=p sub= rest=0");
        check(Method::GET, "/api/v1/namespaces/a/pods/p", true, "get /v1/pods ns=a name=p sub= rest=0");
        check(Method::GET, "/version", false, "get // ns= name= sub= rest=0");
        check(Method::GET, "/apis/apps/v1", false, "get // ns= name= sub= rest=0");
    }
}
