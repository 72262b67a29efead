//! Objects in memory behind the paths of the API, with what the controllers' tests need: revisions, watches, merge patches,
//! finalizers. It checks and defaults nothing.

use bytes::Bytes;
use client::{BoxError, ResponseBody, Router};
use futures::StreamExt;
use futures::channel::mpsc;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use object::{Value, json};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Resource, namespace, name.
type Place = (String, String, String);

#[derive(Default)]
pub(super) struct Server(Mutex<State>);

#[derive(Default)]
struct State {
    revision: u64,
    objects: BTreeMap<Place, Value>,
    /// Of each resource, every event, and who watches.
    history: HashMap<String, Vec<(u64, String)>>,
    watchers: HashMap<String, Vec<mpsc::UnboundedSender<String>>>,
    events: Vec<String>,
}

fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

impl State {
    fn store(&mut self, place: Place, mut object: Value) -> Value {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let finalizers = object.pointer("/metadata/finalizers").and_then(Value::as_array).is_some_and(|f| !f.is_empty());
        let kind = if !finalizers && object.pointer("/metadata/deletionTimestamp").is_some() {
            self.objects.remove(&place);
            "DELETED"
        } else if self.objects.insert(place.clone(), object.clone()).is_some() {
            "MODIFIED"
        } else {
            "ADDED"
        };
        let line = format!("{}\n", json!({"type": kind, "object": object}));
        self.history.entry(place.0.clone()).or_default().push((self.revision, line.clone()));
        for watcher in self.watchers.entry(place.0).or_default() {
            let _ = watcher.unbounded_send(line.clone());
        }
        object
    }

    fn answer(&mut self, method: &Method, place: Place, body: &[u8], patch: &str) -> (u16, Value) {
        let given: Value = serde_json::from_slice(body).unwrap_or_default();
        if place.0 == "events" {
            if *method == Method::POST {
                self.events.push(text(&given, "/reason").to_owned());
            }
            return (200, given);
        }
        let found = self.objects.get(&place).cloned();
        if *method == Method::POST {
            return (201, self.store((place.0, place.1, text(&given, "/metadata/name").to_owned()), given));
        }
        let Some(found) = found else { return (404, refusal(404, "NotFound")) };
        let stale = |wanted: &Value| {
            let version = text(wanted, "/metadata/resourceVersion");
            !version.is_empty() && version != text(&found, "/metadata/resourceVersion")
        };
        match *method {
            Method::GET => (200, found),
            Method::PUT | Method::PATCH if stale(&given) => (409, refusal(409, "Conflict")),
            Method::PUT => (200, self.store(place, given)),
            Method::PATCH => {
                let mut changed = found.clone();
                if patch.contains("strategic") {
                    let kinds = registry::Registry::builtin();
                    let kind = kinds.kind(&object::Gvr::new("", "v1", place.0.as_str())).expect("a built-in kind");
                    object::patch::strategic::apply(&mut changed, &given, kind.schema()).expect("a good patch");
                } else {
                    object::patch::merge::apply(&mut changed, &given);
                }
                (200, self.store(place, changed))
            }
            Method::DELETE => {
                let mut going = found;
                going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
                (200, self.store(place, going))
            }
            _ => (405, refusal(405, "MethodNotAllowed")),
        }
    }
}

fn refusal(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code, "message": reason})
}

impl Server {
    pub(super) fn router(self: &Arc<Self>) -> Router {
        let server = self.clone();
        Router::new(tower::service_fn(move |request: Request<Bytes>| {
            let server = server.clone();
            async move { server.serve(&request) }
        }))
    }

    fn serve(&self, request: &Request<Bytes>) -> Result<Response<ResponseBody>, BoxError> {
        let mut parts: Vec<&str> = request.uri().path().trim_matches('/').split('/').skip(2).collect();
        let namespace = if parts.first() == Some(&"namespaces") && parts.len() > 2 { parts.drain(..2).nth(1) } else { None };
        let part = |i: usize| parts.get(i).copied().unwrap_or_default().to_owned();
        let place = (part(0), namespace.unwrap_or_default().to_owned(), part(1));
        let query = request.uri().query().unwrap_or_default();
        let mut state = self.0.lock();
        let (code, body) = if query.contains("watch=true") {
            let from = query.split('&').find_map(|q| q.strip_prefix("resourceVersion=")).and_then(|v| v.parse().ok()).unwrap_or(0);
            let (sender, receiver) = mpsc::unbounded();
            for (revision, line) in state.history.entry(place.0.clone()).or_default() {
                if *revision > from {
                    let _ = sender.unbounded_send(line.clone());
                }
            }
            state.watchers.entry(place.0).or_default().push(sender);
            let frames = receiver.map(|line| Ok::<_, BoxError>(http_body::Frame::data(Bytes::from(line))));
            return Ok(Response::new(StreamBody::new(frames).boxed_unsync()));
        } else if *request.method() == Method::GET && place.2.is_empty() {
            let items: Vec<&Value> = state.objects.iter().filter(|(p, _)| p.0 == place.0).map(|(_, o)| o).collect();
            let kind = items.first().map(|o| text(o, "/kind")).unwrap_or("Thing");
            let revision = state.revision.to_string();
            (200, json!({"kind": format!("{kind}List"), "apiVersion": "v1", "metadata": {"resourceVersion": revision}, "items": items}))
        } else {
            let patch = request.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
            state.answer(request.method(), place, request.body(), patch)
        };
        let body = Full::new(Bytes::from(body.to_string())).map_err(|e| match e {}).boxed_unsync();
        Ok(Response::builder().status(code).body(body)?)
    }

    /// Stores an object as it is; answers its resource.
    pub(super) fn put(&self, object: Value) -> String {
        let resource = format!("{}s", text(&object, "/kind").to_lowercase());
        let place = (resource.clone(), text(&object, "/metadata/namespace").to_owned(), text(&object, "/metadata/name").to_owned());
        self.0.lock().store(place, object);
        resource
    }

    pub(super) fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        self.0.lock().objects.get(&(resource.to_owned(), namespace.to_owned(), name.to_owned())).cloned()
    }

    pub(super) fn revision_of(&self, resource: &str) -> u64 {
        self.0.lock().history.get(resource).and_then(|h| h.last()).map_or(0, |(revision, _)| *revision)
    }

    pub(super) fn events(&self) -> Vec<String> {
        self.0.lock().events.clone()
    }
}
