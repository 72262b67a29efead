//! Pods of nodes that no longer exist: no agent will ever end them. Upstream `pkg/controller/podgc/gc_controller.go`.

use crate::conditions::{self, Condition};
use crate::error::Error;
use crate::run::{Context, Controller, Key, Next};
use crate::view::{list, pod};
use async_trait::async_trait;
use client::{Cache, Change, Client, DeleteOptions, Patch, gvr};
use object::{Gvr, Object, json};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a node must be missing (`quarantineTime`): one that is only made anew gets its pods back.
const QUARANTINE: Duration = Duration::from_secs(40);

pub(crate) fn make(context: &Context) -> Arc<dyn Controller> {
    Arc::new(PodGc {
        client: context.client.clone(),
        nodes: context.client.cache(&gvr::nodes()),
        pods: context.client.cache(&gvr::pods()),
        missing: Mutex::default(),
    })
}

struct PodGc {
    client: Client,
    nodes: Arc<Cache>,
    pods: Arc<Cache>,
    /// Since when each named node has been missed.
    missing: Mutex<HashMap<String, Instant>>,
}

#[async_trait]
impl Controller for PodGc {
    fn watches(&self) -> Vec<Gvr> {
        vec![gvr::nodes(), gvr::pods()]
    }

    fn keys(&self, gvr: &Gvr, change: &Change) -> Vec<Key> {
        if gvr.resource == "pods" {
            let node = |p: &Arc<Object>| p.str_at(&["spec", "nodeName"]).to_owned();
            let bound = change.new.as_ref().map(node).unwrap_or_default();
            let is_news = change.old.as_ref().map(node).unwrap_or_default() != bound;
            return if is_news && !bound.is_empty() { vec![Key::changed(change)] } else { Vec::new() };
        }
        if change.new.is_some() {
            self.missing.lock().remove(&change.name);
            return Vec::new();
        }
        let pods = self.pods.list("");
        pods.iter().filter(|p| p.str_at(&["spec", "nodeName"]) == change.name).map(|p| Key::of(p)).collect()
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(found) = self.pods.get(&key.namespace, &key.name) else { return Ok(Next::done()) };
        let node = found.str_at(&["spec", "nodeName"]);
        if node.is_empty() || self.nodes.get("", node).is_some() {
            return Ok(Next::done());
        }
        let since = *self.missing.lock().entry(node.to_owned()).or_insert_with(Instant::now);
        let left = QUARANTINE.saturating_sub(since.elapsed());
        if !left.is_zero() {
            return Ok(Next::after(left));
        }
        // The cache may have missed a node that is there.
        match self.client.api(&gvr::nodes()).get("", node).await {
            Ok(_) => return Ok(Next::done()),
            Err(e) if e.is_not_found() => {}
            Err(e) => return Err(e.into()),
        }
        self.end(&found).await?;
        Ok(Next::done())
    }
}

impl PodGc {
    /// Tells why, then deletes at once: nobody is there to end it gracefully.
    async fn end(&self, found: &Object) -> Result<(), Error> {
        let api = self.client.api(&gvr::pods());
        if !pod::is_terminal(found) {
            let mut all = list(found, &["status", "conditions"]).to_vec();
            let words = "PodGC: node no longer exists";
            conditions::set(&mut all, &Condition::new("DisruptionTarget", "True", "DeletionByPodGC", words), &object::time::now());
            let status = json!({ "phase": "Failed", "conditions": all });
            let patch = Patch::Strategic(json!({ "metadata": { "uid": found.uid() }, "status": status }));
            match api.patch(found.namespace(), found.name(), Some("status"), &patch).await {
                Err(e) if e.is_not_found() => return Ok(()),
                Err(e) => return Err(e.into()),
                Ok(_) => {}
            }
        }
        let options = DeleteOptions { uid: Some(found.uid().to_owned()), grace_period_seconds: Some(0), ..DeleteOptions::default() };
        match api.delete(found.namespace(), found.name(), &options).await {
            Err(e) if !e.is_not_found() && !e.is_conflict() => Err(e.into()),
            _ => Ok(()),
        }
    }
}
