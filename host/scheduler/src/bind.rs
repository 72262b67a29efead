//! [`Writer`]: everything the scheduler writes: bindings, conditions, nominations, events, the end of victims.

use crate::binding::Binds;
use crate::pod::PodInfo;
use async_trait::async_trait;
use client::{Api, Client, DeleteOptions, Patch, Recorder, Type, gvr};
use object::{Value, json};
use std::sync::Arc;

pub(crate) struct Writer {
    pods: Api,
    events: Recorder,
    scheduler_name: String,
}

/// What a pod is told when it found no node.
pub(crate) struct Report {
    /// `Unschedulable`, `SchedulingGated` or `SchedulerError`.
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// `Some("")` takes an earlier nomination back.
    pub(crate) nominated: Option<String>,
}

impl Writer {
    pub(crate) fn new(client: &Client, scheduler_name: &str) -> Self {
        let events = client.recorder(scheduler_name, "");
        Self { pods: client.api(&gvr::pods()), events, scheduler_name: scheduler_name.to_owned() }
    }

    /// Tells the pod's events and its `PodScheduled` condition; the condition is written only when it changes.
    pub(crate) async fn report(&self, pod: &PodInfo, report: &Report) {
        self.events.event(&pod.object.reference(), Type::Warning, "FailedScheduling", &report.message);
        let mut status = object::Map::new();
        if let Some(condition) = changed_condition(pod, report) {
            status.insert("conditions".to_owned(), json!([condition]));
        }
        match &report.nominated {
            Some(node) if node != pod.nominated_node() => {
                let node = if node.is_empty() { Value::Null } else { json!(node) };
                status.insert("nominatedNodeName".to_owned(), node);
            }
            _ => {}
        }
        if !status.is_empty() {
            self.patch_status(pod, Value::Object(status)).await;
        }
    }

    /// Ends a pod in favour of a more important one.
    pub(crate) async fn evict(&self, victim: &PodInfo, by: &PodInfo, node: &str) {
        let condition = json!({
            "type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler",
            "message": format!("{}: preempting to accommodate a higher priority pod", self.scheduler_name),
            "lastTransitionTime": object::time::now(),
        });
        self.patch_status(victim, json!({ "conditions": [condition] })).await;
        let options = DeleteOptions { uid: Some(victim.uid.clone()), ..DeleteOptions::default() };
        match self.pods.delete(&victim.namespace, &victim.name, &options).await {
            Ok(()) => {
                let message = format!("Preempted by pod {} on node {node}", by.uid);
                self.events.event(&victim.object.reference(), Type::Normal, "Preempted", &message);
            }
            Err(e) if e.is_not_found() => {}
            Err(e) => tracing::warn!(pod = victim.name, error = e.chain(), "preempted pod could not be deleted"),
        }
    }

    async fn patch_status(&self, pod: &PodInfo, status: Value) {
        // With the uid, a pod of the same name that came later is not touched.
        let patch = Patch::Strategic(json!({ "metadata": { "uid": pod.uid }, "status": status }));
        match self.pods.patch(&pod.namespace, &pod.name, Some("status"), &patch).await {
            Ok(_) => {}
            Err(e) if e.is_not_found() || e.is_conflict() => {}
            Err(e) => tracing::warn!(pod = pod.name, error = e.chain(), "pod status could not be patched"),
        }
    }
}

#[async_trait]
impl Binds for Writer {
    async fn bind(&self, pod: &PodInfo, node: &str, annotations: &[(String, String)]) -> Result<(), String> {
        let mut binding = json!({
            "apiVersion": "v1", "kind": "Binding",
            "metadata": { "namespace": pod.namespace, "name": pod.name, "uid": pod.uid },
            "target": { "apiVersion": "v1", "kind": "Node", "name": node },
        });
        if !annotations.is_empty()
            && let Some(meta) = binding.get_mut("metadata").and_then(Value::as_object_mut)
        {
            let annotations: object::Map<String, Value> = annotations.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
            meta.insert("annotations".to_owned(), Value::Object(annotations));
        }
        let written = self.pods.create_subresource(&pod.namespace, &pod.name, "binding", &binding).await;
        written.map(drop).map_err(|error| error.chain())
    }

    fn bound(&self, pod: &PodInfo, node: &str) {
        let message = format!("Successfully assigned {}/{} to {node}", pod.namespace, pod.name);
        self.events.event(&pod.object.reference(), Type::Normal, "Scheduled", &message);
    }
}

/// `UpdatePodCondition`: `None` when the pod says so already. The time changes only with the status.
fn changed_condition(pod: &PodInfo, report: &Report) -> Option<Value> {
    let conditions = pod.object.at(&["status", "conditions"]).and_then(Value::as_array).into_iter().flatten();
    let text = |c: &Value, field: &str| c.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let known = conditions.into_iter().find(|c| text(c, "type") == "PodScheduled");
    let was_false = known.is_some_and(|c| text(c, "status") == "False");
    let same = |c: &Value| text(c, "reason") == report.reason && text(c, "message") == report.message;
    if was_false && known.is_some_and(same) {
        return None;
    }
    let since = known.filter(|_| was_false).map(|c| text(c, "lastTransitionTime")).filter(|t| !t.is_empty());
    let mut condition = json!({
        "type": "PodScheduled", "status": "False", "reason": report.reason, "message": report.message,
        "lastTransitionTime": since.unwrap_or_else(object::time::now),
    });
    let generation = pod.object.generation();
    if generation > 0
        && let Some(map) = condition.as_object_mut()
    {
        map.insert("observedGeneration".to_owned(), json!(generation));
    }
    Some(condition)
}

pub(crate) type SharedWriter = Arc<Writer>;
