//! [`Api`]: the requests on one resource.

use crate::error::{Error, Result};
use crate::percent::encode;
use crate::transport::{BoxError, ResponseBody, Transport};
use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::BodyExt;
use interfaces::authorize::UserInfo;
use object::{Gvr, Map, Object, StatusError, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// As long as the API server works on one request (`--request-timeout`).
const DEADLINE: Duration = Duration::from_secs(60);

/// The requests on one resource as one identity. `ns` is `""` for cluster-scoped resources and for all namespaces.
#[derive(Clone)]
pub struct Api {
    transport: Transport,
    user: Arc<UserInfo>,
    gvr: Gvr,
}

#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    pub label_selector: String,
    pub field_selector: String,
    /// Objects per page; 0 = all in one.
    pub limit: u32,
    pub continue_token: String,
    /// `""` = newest; `"0"` = whatever the server has at hand.
    pub resource_version: String,
}

#[derive(Clone, Debug, Default)]
pub struct ListPage {
    pub items: Vec<Object>,
    pub resource_version: String,
    /// Empty on the last page.
    pub continue_token: String,
}

#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// Precondition.
    pub uid: Option<String>,
    /// Precondition.
    pub resource_version: Option<String>,
    pub grace_period_seconds: Option<i64>,
    /// `Orphan`, `Background` or `Foreground`.
    pub propagation: Option<String>,
}

#[derive(Clone, Debug)]
pub enum Patch {
    /// RFC 6902.
    Json(Value),
    /// RFC 7386.
    Merge(Value),
    /// Strategic merge: lists by their merge keys.
    Strategic(Value),
    /// Server-side apply.
    Apply { value: Value, manager: String, force: bool },
}

impl Api {
    pub(crate) fn new(transport: Transport, user: Arc<UserInfo>, gvr: Gvr) -> Self {
        Self { transport, user, gvr }
    }

    pub fn gvr(&self) -> &Gvr {
        &self.gvr
    }

    pub async fn get(&self, ns: &str, name: &str) -> Result<Object> {
        self.object(self.request(Method::GET, &self.path(ns, name, ""), &[], None)).await
    }

    /// All matching objects and the revision they were read at. With a limit, pages are fetched until the last.
    pub async fn list(&self, ns: &str, options: &ListOptions) -> Result<(Vec<Object>, String)> {
        let mut options = options.clone();
        let mut all = Vec::new();
        loop {
            let page = self.list_page(ns, &options).await?;
            all.extend(page.items);
            if page.continue_token.is_empty() {
                return Ok((all, page.resource_version));
            }
            options.continue_token = page.continue_token;
            options.resource_version = String::new();
        }
    }

    /// One page. Items carry `apiVersion` and `kind` even where the server leaves them out of lists.
    pub async fn list_page(&self, ns: &str, options: &ListOptions) -> Result<ListPage> {
        let request = self.request(Method::GET, &self.path(ns, "", ""), &options.query(), None);
        let operation = request.operation.clone();
        let body = self.answer(request).await?;
        let list: List = serde_json::from_slice(&body).map_err(|source| Error::Decode { operation, source })?;
        let kind = list.kind.strip_suffix("List").unwrap_or_default().to_owned();
        let named = |mut item: Object| {
            if item.kind().is_empty() && !kind.is_empty() {
                item.set_at(&["kind"], json!(kind));
                item.set_at(&["apiVersion"], json!(list.api_version));
            }
            item
        };
        Ok(ListPage {
            items: list.items.unwrap_or_default().into_iter().map(named).collect(),
            resource_version: list.metadata.resource_version,
            continue_token: list.metadata.continue_token,
        })
    }

    pub async fn create(&self, ns: &str, object: &Object) -> Result<Object> {
        let ns = if ns.is_empty() { object.namespace() } else { ns };
        self.object(self.send_json(Method::POST, &self.path(ns, "", ""), &[], object)).await
    }

    pub async fn update(&self, ns: &str, object: &Object) -> Result<Object> {
        let ns = if ns.is_empty() { object.namespace() } else { ns };
        self.object(self.send_json(Method::PUT, &self.path(ns, object.name(), ""), &[], object)).await
    }

    pub async fn update_status(&self, ns: &str, object: &Object) -> Result<Object> {
        let ns = if ns.is_empty() { object.namespace() } else { ns };
        self.object(self.send_json(Method::PUT, &self.path(ns, object.name(), "status"), &[], object)).await
    }

    pub async fn patch(&self, ns: &str, name: &str, subresource: Option<&str>, patch: &Patch) -> Result<Object> {
        let path = self.path(ns, name, subresource.unwrap_or_default());
        let mut query = Vec::new();
        let (kind, value) = match patch {
            Patch::Json(value) => ("application/json-patch+json", value),
            Patch::Merge(value) => ("application/merge-patch+json", value),
            Patch::Strategic(value) => ("application/strategic-merge-patch+json", value),
            Patch::Apply { value, manager, force } => {
                query.push(("fieldManager", manager.clone()));
                query.push(("force", force.to_string()));
                ("application/apply-patch+yaml", value)
            }
        };
        let body = Bytes::from(value.to_string());
        self.object(self.request(Method::PATCH, &path, &query, Some((kind, body)))).await
    }

    /// Returns when the server accepted the deletion; finalizers or a grace period may keep the object for longer.
    pub async fn delete(&self, ns: &str, name: &str, options: &DeleteOptions) -> Result<()> {
        let body = Bytes::from(options.to_value().to_string());
        let request = self.request(Method::DELETE, &self.path(ns, name, ""), &[], Some(("application/json", body)));
        self.answer(request).await.map(drop)
    }

    pub async fn delete_collection(&self, ns: &str, which: &ListOptions, options: &DeleteOptions) -> Result<()> {
        let body = Bytes::from(options.to_value().to_string());
        let request = self.request(Method::DELETE, &self.path(ns, "", ""), &which.query(), Some(("application/json", body)));
        self.answer(request).await.map(drop)
    }

    pub async fn get_subresource(&self, ns: &str, name: &str, subresource: &str) -> Result<Value> {
        self.value(self.request(Method::GET, &self.path(ns, name, subresource), &[], None)).await
    }

    /// `binding`, `eviction`, `token`, …
    pub async fn create_subresource(&self, ns: &str, name: &str, subresource: &str, body: &Value) -> Result<Value> {
        self.value(self.send_json(Method::POST, &self.path(ns, name, subresource), &[], body)).await
    }

    pub async fn update_subresource(&self, ns: &str, name: &str, subresource: &str, body: &Value) -> Result<Value> {
        self.value(self.send_json(Method::PUT, &self.path(ns, name, subresource), &[], body)).await
    }

    /// Opens a watch; the body is one JSON event per line. Of `which`, the selectors count.
    pub(crate) async fn watch(&self, ns: &str, which: &ListOptions, resource_version: &str, timeout_seconds: u64) -> Result<ResponseBody> {
        let mut query = vec![
            ("watch", "true".to_owned()),
            ("allowWatchBookmarks", "true".to_owned()),
            ("resourceVersion", resource_version.to_owned()),
            ("timeoutSeconds", timeout_seconds.to_string()),
        ];
        for (key, value) in [("labelSelector", &which.label_selector), ("fieldSelector", &which.field_selector)] {
            if !value.is_empty() {
                query.push((key, value.clone()));
            }
        }
        let request = self.request(Method::GET, &self.path(ns, "", ""), &query, None);
        let response = self.exchange(request).await?;
        Ok(response.into_body())
    }

    fn path(&self, ns: &str, name: &str, subresource: &str) -> String {
        let Gvr { group, version, resource } = &self.gvr;
        let mut path = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        if !ns.is_empty() {
            path.push_str("/namespaces/");
            encode(&mut path, ns);
        }
        path.push('/');
        path.push_str(resource);
        for part in [name, subresource] {
            if !part.is_empty() {
                path.push('/');
                encode(&mut path, part);
            }
        }
        path
    }

    fn send_json<T: serde::Serialize>(&self, method: Method, path: &str, query: &[(&str, String)], body: &T) -> Outgoing {
        match serde_json::to_vec(body) {
            Ok(bytes) => self.request(method, path, query, Some(("application/json", Bytes::from(bytes)))),
            Err(e) => Outgoing { operation: format!("{method} {path}"), request: Err(e.into()) },
        }
    }

    fn request(&self, method: Method, path: &str, query: &[(&str, String)], body: Option<(&str, Bytes)>) -> Outgoing {
        let operation = format!("{method} {path}");
        let mut uri = path.to_owned();
        for (i, (key, value)) in query.iter().enumerate() {
            uri.push(if i == 0 { '?' } else { '&' });
            uri.push_str(key);
            uri.push('=');
            encode(&mut uri, value);
        }
        // The server names the field manager by what stands before the slash.
        let agent = format!("{}/coracle", self.user.name.rsplit(':').next().unwrap_or_default());
        let mut builder =
            Request::builder().method(method).uri(uri).header(header::ACCEPT, "application/json").header(header::USER_AGENT, agent);
        let mut bytes = Bytes::new();
        if let Some((kind, body)) = body {
            builder = builder.header(header::CONTENT_TYPE, kind);
            bytes = body;
        }
        Outgoing { operation, request: builder.body(bytes).map_err(BoxError::from) }
    }

    async fn object(&self, outgoing: Outgoing) -> Result<Object> {
        let operation = outgoing.operation.clone();
        let body = self.answer(outgoing).await?;
        serde_json::from_slice(&body).map_err(|source| Error::Decode { operation, source })
    }

    async fn value(&self, outgoing: Outgoing) -> Result<Value> {
        let operation = outgoing.operation.clone();
        let body = self.answer(outgoing).await?;
        serde_json::from_slice(&body).map_err(|source| Error::Decode { operation, source })
    }

    async fn answer(&self, outgoing: Outgoing) -> Result<Bytes> {
        let operation = outgoing.operation.clone();
        let whole = async {
            let response = self.exchange(outgoing).await?;
            collect(&operation, response).await
        };
        match tokio::time::timeout(DEADLINE, whole).await {
            Ok(result) => result,
            Err(_) => Err(Error::Timeout { operation, seconds: DEADLINE.as_secs() }),
        }
    }

    /// The answer's head; a refusal is read whole and becomes an error.
    async fn exchange(&self, outgoing: Outgoing) -> Result<Response<ResponseBody>> {
        let Outgoing { operation, request } = outgoing;
        let request = match request {
            Ok(request) => request,
            Err(source) => return Err(Error::Encode { operation, source }),
        };
        let response = match self.transport.send(&self.user, request).await {
            Ok(response) => response,
            Err(source) => return Err(Error::Transport { operation, source }),
        };
        if response.status().is_success() {
            return Ok(response);
        }
        let code = response.status().as_u16();
        let body = collect(&operation, response).await?;
        Err(refusal(code, &body).into())
    }
}

struct Outgoing {
    operation: String,
    request: std::result::Result<Request<Bytes>, BoxError>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: ListMeta,
    #[serde(default)]
    items: Option<Vec<Object>>,
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ListMeta {
    resource_version: String,
    #[serde(rename = "continue")]
    continue_token: String,
}

impl ListOptions {
    fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = Vec::new();
        let texts = [
            ("labelSelector", &self.label_selector),
            ("fieldSelector", &self.field_selector),
            ("continue", &self.continue_token),
            ("resourceVersion", &self.resource_version),
        ];
        for (key, value) in texts {
            if !value.is_empty() {
                query.push((key, value.clone()));
            }
        }
        if self.limit > 0 {
            query.push(("limit", self.limit.to_string()));
        }
        query
    }
}

impl DeleteOptions {
    fn to_value(&self) -> Value {
        let mut map = Map::new();
        map.insert("kind".to_owned(), json!("DeleteOptions"));
        map.insert("apiVersion".to_owned(), json!("v1"));
        let mut conditions = Map::new();
        if let Some(uid) = &self.uid {
            conditions.insert("uid".to_owned(), json!(uid));
        }
        if let Some(version) = &self.resource_version {
            conditions.insert("resourceVersion".to_owned(), json!(version));
        }
        if !conditions.is_empty() {
            map.insert("preconditions".to_owned(), Value::Object(conditions));
        }
        if let Some(seconds) = self.grace_period_seconds {
            map.insert("gracePeriodSeconds".to_owned(), json!(seconds));
        }
        if let Some(policy) = &self.propagation {
            map.insert("propagationPolicy".to_owned(), json!(policy));
        }
        Value::Object(map)
    }
}

async fn collect(operation: &str, response: Response<ResponseBody>) -> Result<Bytes> {
    match response.into_body().collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(source) => Err(Error::Transport { operation: operation.to_owned(), source }),
    }
}

/// Reads a refusal's body; one that is no `Status` is told as it came.
pub(crate) fn refusal(code: u16, body: &[u8]) -> StatusError {
    match serde_json::from_slice::<Value>(body) {
        Ok(value) if value.get("kind").and_then(Value::as_str) == Some("Status") => StatusError::from_value(code, &value),
        _ => StatusError::new(code, object::Reason::Unknown, String::from_utf8_lossy(body).trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;
    use crate::{UserInfo, gvr};

    #[tokio::test]
    async fn requests_have_the_paths_of_the_api() {
        let script = (0..6).fold(Script::default(), |s, _| s.then(200, r#"{"metadata":{"name":"x"}}"#));
        let client = script.client().with_user(UserInfo::component("system:kube-scheduler", &[]));
        let pods = client.api(&gvr::pods());
        pods.get("default", "a").await.unwrap();
        let options = DeleteOptions { uid: Some("u".into()), propagation: Some("Orphan".into()), ..DeleteOptions::default() };
        client.api(&gvr::namespaces()).delete("", "a", &options).await.unwrap();
        let patch = Patch::Apply { value: json!({"a": 1}), manager: "m n".into(), force: true };
        client.api(&gvr::deployments()).patch("d", "system:x", Some("status"), &patch).await.unwrap();
        pods.create_subresource("d", "a", "binding", &json!({})).await.unwrap();
        let object = Object::from_value(json!({"metadata": {"namespace": "z", "name": "y"}})).unwrap();
        pods.update_status("", &object).await.unwrap();
        let which = ListOptions { label_selector: "a in (b)".into(), limit: 3, ..ListOptions::default() };
        pods.list("", &which).await.unwrap();
        assert_eq!(
            *script.requests.lock(),
            [
                "system:kube-scheduler GET /api/v1/namespaces/default/pods/a",
                r#"system:kube-scheduler DELETE /api/v1/namespaces/a {"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"uid":"u"},"propagationPolicy":"Orphan"}"#,
                r#"system:kube-scheduler PATCH /apis/apps/v1/namespaces/d/deployments/system%3Ax/status?fieldManager=m%20n&force=true {"a":1}"#,
                "system:kube-scheduler POST /api/v1/namespaces/d/pods/a/binding {}",
                r#"system:kube-scheduler PUT /api/v1/namespaces/z/pods/y/status {"metadata":{"name":"y","namespace":"z"}}"#,
                "system:kube-scheduler GET /api/v1/pods?labelSelector=a%20in%20%28b%29&limit=3",
            ]
        );
    }

    #[tokio::test]
    async fn refusals_keep_the_servers_words() {
        let body = StatusError::not_found(&gvr::pods().group_resource(), "a").to_value().to_string();
        let script = Script::default().then(404, &body).then(502, "bad gateway\n").then(200, "{");
        let pods = script.client().api(&gvr::pods());
        let error = pods.get("d", "a").await.unwrap_err();
        assert!(error.is_not_found());
        assert_eq!(error.to_string(), "pods \"a\" not found");
        let error = pods.get("d", "a").await.unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (502, "bad gateway"));
        assert!(matches!(pods.get("d", "a").await.unwrap_err(), Error::Decode { .. }));
    }

    #[tokio::test]
    async fn the_kube_crate_takes_the_same_road() {
        let script = Script::default().then(200, r#"{"kind":"APIVersions","versions":["v1"],"serverAddressByClientCIDRs":[]}"#);
        let versions = script.client().kube().list_core_api_versions().await.unwrap();
        assert_eq!(versions.versions, ["v1"]);
        assert_eq!(script.requests.lock().len(), 1);
    }
}
