//! Events of refusals that are only noted (mode `Audit`). Noting never waits and never fails a request: what comes faster
//! than events can be written is dropped, and equal events are counted in one object.

use super::Spec;
use crate::admission::matching::Attributes;
use crate::bootstrap::send_as;
use crate::server::ApiService;
use http::Method;
use interfaces::admit::AdmissionRequest;
use interfaces::authorize::UserInfo;
use object::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc;

/// Who writes events and reports of admission.
pub const USER: &str = "system:coracle:admission";

/// Notes that wait to be written.
const WAITING: usize = 256;
/// Kinds of notes that are counted; beyond it counting begins anew.
const COUNTED: usize = 1024;

#[derive(Default)]
pub struct Events {
    sender: OnceLock<mpsc::Sender<Note>>,
}

struct Note {
    hook: String,
    namespace: String,
    name: String,
    kind: String,
    api_version: String,
    uid: String,
    message: String,
}

impl Events {
    pub fn note(&self, attributes: &Attributes<'_>, request: &AdmissionRequest, spec: &Spec, message: &str) {
        // An event about an event would be the cause of the next one.
        if attributes.row.resource == "events" || attributes.user.name == USER || attributes.dry_run {
            return;
        }
        let Some(sender) = self.sender.get() else { return };
        let object = request.object.as_ref().or(request.old_object.as_ref()).map(|document| document.object());
        let note = Note {
            hook: spec.name.clone(),
            namespace: attributes.namespace.to_owned(),
            name: object.map(|o| o.name()).filter(|name| !name.is_empty()).unwrap_or(attributes.name).to_owned(),
            kind: request.kind.kind.clone(),
            api_version: request.kind.api_version(),
            uid: object.map(|o| o.uid()).unwrap_or_default().to_owned(),
            message: message.to_owned(),
        };
        if sender.try_send(note).is_err() {
            tracing::debug!(hook = spec.name, "an event of admission was dropped");
        }
    }
}

/// Writes the notes until the server ends.
pub async fn keep(service: ApiService) {
    let (sender, mut notes) = mpsc::channel(WAITING);
    if service.shared().hooks.events.sender.set(sender).is_err() {
        return;
    }
    let user = Arc::new(UserInfo::component(USER, &[]));
    let mut counts: HashMap<String, i64> = HashMap::new();
    while let Some(note) = notes.recv().await {
        let name = note.event_name();
        if counts.len() > COUNTED {
            counts.clear();
        }
        let count = counts.entry(name.clone()).or_default();
        *count += 1;
        let (path, event) = note.event(&name, *count);
        let mut answer = if *count > 1 {
            let change = json!({ "count": count, "lastTimestamp": event.get("lastTimestamp") });
            send_as(&service, &user, Method::PATCH, &format!("{path}/{name}"), &change).await
        } else {
            (404, Value::Null)
        };
        if answer.0 == 404 {
            answer = send_as(&service, &user, Method::POST, &path, &event).await;
        }
        if answer.0 >= 300 && answer.0 != 409 {
            tracing::debug!(code = answer.0, hook = note.hook, "an event of admission could not be written");
        }
    }
}

impl Note {
    /// Equal for equal notes.
    fn event_name(&self) -> String {
        let text = [&self.hook, &self.kind, &self.namespace, &self.name, &self.message].map(String::as_str).join("\n");
        let begin = self.name.get(..self.name.floor_char_boundary(200)).unwrap_or_default();
        format!("{}.{:08x}", if begin.is_empty() { "admission" } else { begin }, object::hash::fnv32a(text.as_bytes()))
    }

    fn event(&self, name: &str, count: i64) -> (String, Value) {
        // Events about cluster objects stand in the default namespace.
        let namespace = if self.namespace.is_empty() || self.kind == "Namespace" { "default" } else { &self.namespace };
        let about_namespace = if self.kind == "Namespace" { "" } else { &self.namespace };
        let now = object::time::now();
        let event = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": { "name": name, "namespace": namespace },
            "involvedObject": {
                "apiVersion": self.api_version, "kind": self.kind, "namespace": about_namespace, "name": self.name, "uid": self.uid,
            },
            "type": "Warning", "reason": "PolicyViolation", "message": self.message, "count": count,
            "firstTimestamp": now, "lastTimestamp": now,
            "source": { "component": "coracle-admission" }, "reportingComponent": "coracle-admission",
        });
        (format!("/api/v1/namespaces/{namespace}/events"), event)
    }
}
