//! Pods that do not tolerate a `NoExecute` taint of their node are deleted, at once or when their time is over. Upstream
//! `pkg/controller/tainteviction/taint_eviction.go`.

use crate::error::Error;
use crate::run::{Context, Controller, Key, Next};
use crate::view::{elapsed, list, pod, text};
use async_trait::async_trait;
use client::{Cache, Change, Client, DeleteOptions, Recorder, Type, gvr};
use object::{Gvr, Object, Value};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub(crate) fn make(context: &Context) -> Arc<dyn Controller> {
    Arc::new(TaintEviction {
        client: context.client.clone(),
        nodes: context.client.cache(&gvr::nodes()),
        pods: context.client.cache(&gvr::pods()),
        events: context.client.recorder("taint-eviction-controller", ""),
    })
}

struct TaintEviction {
    client: Client,
    nodes: Arc<Cache>,
    pods: Arc<Cache>,
    events: Recorder,
}

#[async_trait]
impl Controller for TaintEviction {
    fn watches(&self) -> Vec<Gvr> {
        vec![gvr::nodes(), gvr::pods()]
    }

    fn keys(&self, gvr: &Gvr, change: &Change) -> Vec<Key> {
        let taints = |o: &Option<Arc<Object>>| o.as_ref().map(|o| list(o, &["spec", "taints"]).to_vec()).unwrap_or_default();
        let place = |o: &Option<Arc<Object>>| {
            o.as_ref().map(|o| (o.str_at(&["spec", "nodeName"]).to_owned(), list(o, &["spec", "tolerations"]).to_vec()))
        };
        if gvr.resource == "nodes" {
            if taints(&change.old) == taints(&change.new) {
                return Vec::new();
            }
            let pods = self.pods.list("");
            return pods.iter().filter(|p| p.str_at(&["spec", "nodeName"]) == change.name).map(|p| Key::of(p)).collect();
        }
        if change.new.is_some() && place(&change.old) != place(&change.new) { vec![Key::changed(change)] } else { Vec::new() }
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(found) = self.pods.get(&key.namespace, &key.name) else { return Ok(Next::done()) };
        let Some(node) = self.nodes.get("", found.str_at(&["spec", "nodeName"])) else { return Ok(Next::done()) };
        if !pod::is_active(&found) {
            return Ok(Next::done());
        }
        match may_stay(&found, &node, SystemTime::now()) {
            Stay::ForEver => Ok(Next::done()),
            Stay::For(time) if !time.is_zero() => Ok(Next::after(time)),
            Stay::For(_) => {
                let words = format!("Marking for deletion Pod {}/{}", key.namespace, key.name);
                self.events.event(&found.reference(), Type::Normal, "TaintManagerEviction", &words);
                let options = DeleteOptions { uid: Some(found.uid().to_owned()), ..DeleteOptions::default() };
                match self.client.api(&gvr::pods()).delete(&key.namespace, &key.name, &options).await {
                    Err(e) if !e.is_not_found() && !e.is_conflict() => Err(e.into()),
                    _ => Ok(Next::done()),
                }
            }
        }
    }
}

/// How long a pod may stay on its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stay {
    ForEver,
    /// Zero: not at all.
    For(Duration),
}

fn may_stay(pod: &Object, node: &Object, now: SystemTime) -> Stay {
    let tolerations = list(pod, &["spec", "tolerations"]);
    let mut shortest: Option<Duration> = None;
    for taint in list(node, &["spec", "taints"]).iter().filter(|t| text(t, "effect") == "NoExecute") {
        let matching: Vec<&Value> = tolerations.iter().filter(|t| tolerates(t, taint)).collect();
        if matching.is_empty() {
            return Stay::For(Duration::ZERO);
        }
        // A toleration without seconds tolerates for ever, but any with seconds that matches as well limits it.
        let seconds = matching.iter().filter_map(|t| t.get("tolerationSeconds")?.as_i64()).min();
        if let Some(seconds) = seconds {
            let since = elapsed(text(taint, "timeAdded"), now).unwrap_or_default();
            let left = Duration::from_secs(u64::try_from(seconds).unwrap_or_default()).saturating_sub(since);
            shortest = Some(shortest.map_or(left, |s| s.min(left)));
        }
    }
    shortest.map_or(Stay::ForEver, Stay::For)
}

/// `Toleration.ToleratesTaint`.
fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let same_or_any = |field: &str| {
        let wanted = text(toleration, field);
        wanted.is_empty() || wanted == text(taint, field)
    };
    same_or_any("effect")
        && same_or_any("key")
        && match text(toleration, "operator") {
            "" | "Equal" => text(toleration, "value") == text(taint, "value"),
            "Exists" => true,
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn tolerations_say_how_long() {
        let at = object::time::parse("2026-01-01T00:01:00Z").unwrap();
        let node = json!({"spec": {"taints": [{"key": "k", "value": "v", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"}, {"key": "other", "effect": "NoSchedule"}]}});
        let node = Object::from_value(node).unwrap();
        let check = |tolerations: Value, expect: Stay| {
            let pod = Object::from_value(json!({"spec": {"tolerations": tolerations}})).unwrap();
            assert_eq!(may_stay(&pod, &node, at), expect, "{tolerations}");
        };
        check(json!([]), Stay::For(Duration::ZERO));
        check(json!([{"operator": "Exists"}]), Stay::ForEver);
        check(json!([{"key": "k", "value": "x"}]), Stay::For(Duration::ZERO));
        check(json!([{"key": "k", "value": "v", "tolerationSeconds": 90}]), Stay::For(Duration::from_secs(30)));
        check(json!([{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 10}]), Stay::For(Duration::ZERO));
        check(json!([{"operator": "Exists"}, {"key": "k", "value": "v", "tolerationSeconds": 90}]), Stay::For(Duration::from_secs(30)));
    }
}
