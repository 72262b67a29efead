//! [`Recorder`]: events about objects (`k8s.io/client-go/tools/record`).

mod correlate;

use crate::api::Patch;
use crate::connect::Client;
use crate::error::Error;
use crate::gvr;
use correlate::{Correlator, Verdict};
use object::{Object, ObjectRef, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// How many events may wait; more are dropped, as `record.NewBroadcaster` drops them: events never hold up work.
const QUEUE: usize = 1000;
/// `maxTriesPerEvent` and its pause, shortened: a server that is away for longer has lost them anyway.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    Normal,
    Warning,
}

/// Tells what happened to an object, for `kubectl describe` and `kubectl get events`. Never blocks. Clones are one recorder.
#[derive(Clone)]
pub struct Recorder {
    sender: mpsc::Sender<Event>,
}

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) about: ObjectRef,
    pub(crate) ty: Type,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) at: SystemTime,
}

struct Source {
    component: String,
    host: String,
}

impl Recorder {
    pub(crate) fn start(client: Client, component: &str, host: &str) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let source = Source { component: component.to_owned(), host: host.to_owned() };
        tokio::spawn(write_all(client, source, receiver));
        Self { sender }
    }

    /// `reason` is one word in CamelCase, `message` a sentence. Equal events raise one event's count.
    pub fn event(&self, about: &ObjectRef, ty: Type, reason: &str, message: &str) {
        let event = Event { about: about.clone(), ty, reason: reason.to_owned(), message: message.to_owned(), at: SystemTime::now() };
        if self.sender.try_send(event).is_err() {
            tracing::debug!(kind = about.kind, name = about.name, reason, "event dropped");
        }
    }
}

impl Type {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

async fn write_all(client: Client, source: Source, mut receiver: mpsc::Receiver<Event>) {
    let stopped = client.stopped();
    let api = client.api(&gvr::events());
    // Only the client's requests are needed from here on.
    drop(client);
    let mut correlator = Correlator::default();
    loop {
        let event = tokio::select! {
            () = stopped.cancelled() => return,
            event = receiver.recv() => event,
        };
        let Some(event) = event else { return };
        let namespace = if event.about.namespace.is_empty() { "default" } else { &event.about.namespace }.to_owned();
        let verdict = correlator.judge(&event);
        for attempt in 1..=TRIES {
            let result = match &verdict {
                Verdict::Drop => Ok(()),
                Verdict::Raise { name, count, message } => {
                    let patch = json!({ "count": count, "lastTimestamp": object::time::format(event.at), "message": message });
                    match api.patch(&namespace, name, None, &Patch::Strategic(patch)).await {
                        Err(e) if e.is_not_found() => {
                            let fresh = new_event(&source, &event, &namespace, message, *count);
                            create(&api, &namespace, fresh, &mut correlator).await
                        }
                        other => other.map(drop),
                    }
                }
                Verdict::New { message } => {
                    let fresh = new_event(&source, &event, &namespace, message, 1);
                    create(&api, &namespace, fresh, &mut correlator).await
                }
            };
            match result {
                Ok(()) => break,
                // Refused: trying again changes nothing.
                Err(Error::Status(status)) => {
                    tracing::debug!(error = %status, reason = event.reason, "event refused");
                    break;
                }
                Err(e) if attempt == TRIES => tracing::debug!(error = e.chain(), reason = event.reason, "event lost"),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}

async fn create(api: &crate::api::Api, namespace: &str, fresh: Object, correlator: &mut Correlator) -> Result<(), Error> {
    let made = api.create(namespace, &fresh).await?;
    let count = made.at(&["count"]).and_then(object::Value::as_u64).unwrap_or(1);
    correlator.written(made.name(), count);
    Ok(())
}

/// The event as core/v1 has it; its name is the object's with the time in hexadecimal nanoseconds.
fn new_event(source: &Source, event: &Event, namespace: &str, message: &str, count: u64) -> Object {
    let nanos = event.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let time = object::time::format(event.at);
    let mut from = json!({ "component": source.component });
    if !source.host.is_empty()
        && let Some(map) = from.as_object_mut()
    {
        map.insert("host".to_owned(), json!(source.host));
    }
    let mut about = object::Map::new();
    let fields = [
        ("apiVersion", &event.about.api_version),
        ("kind", &event.about.kind),
        ("namespace", &event.about.namespace),
        ("name", &event.about.name),
        ("uid", &event.about.uid),
        ("resourceVersion", &event.about.resource_version),
        ("fieldPath", &event.about.field_path),
    ];
    for (key, value) in fields {
        if !value.is_empty() {
            about.insert(key.to_owned(), json!(value));
        }
    }
    let value = json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": { "name": format!("{}.{nanos:x}", event.about.name), "namespace": namespace },
        "involvedObject": about,
        "type": event.ty.as_str(), "reason": event.reason, "message": message,
        "source": from, "reportingComponent": source.component, "reportingInstance": source.host,
        "firstTimestamp": time, "lastTimestamp": time, "count": count,
    });
    Object::from_value(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;

    #[tokio::test]
    async fn events_are_created_then_counted() {
        let made = |name: &str| format!(r#"{{"metadata":{{"name":"{name}"}},"count":1}}"#);
        let script = Script::default().then(201, &made("p.1")).then(200, &made("p.1")).then(201, &made("n.1"));
        let client = script.client();
        let recorder = client.recorder("tester", "host");
        let about = |kind: &str, ns: &str| ObjectRef { kind: kind.into(), namespace: ns.into(), name: "p".into(), ..ObjectRef::default() };
        recorder.event(&about("Pod", "ns"), Type::Warning, "Failed", "it did");
        recorder.event(&about("Pod", "ns"), Type::Warning, "Failed", "it did");
        recorder.event(&about("Node", ""), Type::Normal, "Ready", "it is");
        while script.requests.lock().len() < 3 {
            tokio::task::yield_now().await;
        }
        let requests = script.requests.lock().clone();
        assert!(requests[0].starts_with("system:test POST /api/v1/namespaces/ns/events {"), "{requests:?}");
        for part in [
            r#""involvedObject":{"kind":"Pod","name":"p","namespace":"ns"}"#,
            r#""source":{"component":"tester","host":"host"}"#,
            r#""count":1"#,
        ] {
            assert!(requests[0].contains(part), "{part} {requests:?}");
        }
        assert!(requests[1].starts_with("system:test PATCH /api/v1/namespaces/ns/events/p.1 {\"count\":2,"), "{requests:?}");
        assert!(requests[2].starts_with("system:test POST /api/v1/namespaces/default/events {"), "{requests:?}");
    }
}
