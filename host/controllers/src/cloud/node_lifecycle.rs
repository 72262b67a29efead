//! Nodes whose machine is gone are deleted; those whose machine is switched off are tainted. Upstream
//! `k8s.io/cloud-provider/controllers/nodelifecycle/node_lifecycle_controller.go`.

use super::{Active, Cloud, Failure, SHUTDOWN, is_uninitialized, or_null, taints_without};
use crate::error::Error;
use crate::run::{Context, Controller, Key, Next};
use crate::view::{condition, elapsed, list, text};
use async_trait::async_trait;
use client::{Cache, Change, Client, DeleteOptions, Patch, Recorder, Type, gvr};
use interfaces::cloud::{Error as CloudError, Instances};
use object::{Gvr, Object, json};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;

/// How often the cloud is asked about a node that is not ready (`--node-monitor-period`).
const PERIOD: Duration = Duration::from_secs(5);

/// A node that is being set up is not asked about (`uninitializedNodeDelay`): its cloud may not know it yet.
const SETTING_UP: Duration = Duration::from_secs(60);

pub(crate) fn make(context: &Context) -> Arc<dyn Controller> {
    Arc::new(CloudNodeLifecycle {
        client: context.client.clone(),
        cloud: context.cloud.clone(),
        nodes: context.client.cache(&gvr::nodes()),
        events: context.client.recorder("cloud-node-lifecycle-controller", ""),
    })
}

struct CloudNodeLifecycle {
    client: Client,
    cloud: Cloud,
    nodes: Arc<Cache>,
    events: Recorder,
}

#[async_trait]
impl Controller for CloudNodeLifecycle {
    fn watches(&self) -> Vec<Gvr> {
        vec![gvr::nodes()]
    }

    fn outside(&self) -> Option<watch::Receiver<Option<Active>>> {
        Some(self.cloud.changes())
    }

    fn keys(&self, _: &Gvr, change: &Change) -> Vec<Key> {
        vec![Key::changed(change)]
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(node) = self.nodes.get("", &key.name).filter(|n| !n.is_deleting()) else { return Ok(Next::done()) };
        let Some(active) = self.cloud.current() else { return Ok(Next::done()) };
        let Some(instances) = active.provider.instances() else { return Ok(Next::done()) };
        if condition(&node, "Ready").is_some_and(|c| text(c, "status") == "True") {
            self.taint(&node, false).await?;
            // Its next change for the worse brings it back.
            return Ok(Next::done());
        }
        if is_uninitialized(&node) && node.str_at(&["spec", "providerID"]).is_empty() {
            let age = elapsed(node.str_at(&["metadata", "creationTimestamp"]), SystemTime::now()).unwrap_or_default();
            if age < SETTING_UP {
                return Ok(Next::after(SETTING_UP - age));
            }
        }
        let failed = |operation| move |source| Failure::Node { operation, node: node_name(key), source };
        if !exists(instances, &node).await.map_err(failed("checking if the instance exists"))? {
            self.delete(&node).await?;
            return Ok(Next::done());
        }
        let shut_down = match instances.instance_shutdown(&node).await {
            Err(CloudError::NotSupported { .. }) => false,
            answer => answer.map_err(failed("checking if the instance is shut down"))?,
        };
        if shut_down {
            self.taint(&node, true).await?;
        }
        Ok(Next::after(PERIOD))
    }
}

fn node_name(key: &Key) -> String {
    key.name.clone()
}

async fn exists(instances: &dyn Instances, node: &Object) -> Result<bool, CloudError> {
    match instances.instance_exists(node).await {
        Err(CloudError::InstanceNotFound) => Ok(false),
        answer => answer,
    }
}

impl CloudNodeLifecycle {
    async fn delete(&self, node: &Object) -> Result<(), Error> {
        let name = node.name();
        let words = format!("Deleting node {name} because it does not exist in the cloud provider");
        self.events.event(&node.reference(), Type::Normal, "DeletingNode", &words);
        let options = DeleteOptions { uid: Some(node.uid().to_owned()), ..DeleteOptions::default() };
        match self.client.api(&gvr::nodes()).delete("", name, &options).await {
            Ok(()) => {
                tracing::info!(node = name, "deleted: its instance is gone");
                Ok(())
            }
            Err(e) if e.is_not_found() => Ok(()),
            Err(e) => {
                self.events.event(&node.reference(), Type::Warning, "DeletingNodeFailed", &format!("Failed deleting node {name}: {e}"));
                Err(e.into())
            }
        }
    }

    async fn taint(&self, node: &Object, wanted: bool) -> Result<(), Error> {
        let present = list(node, &["spec", "taints"]).iter().any(|t| text(t, "key") == SHUTDOWN);
        if present == wanted {
            return Ok(());
        }
        let mut taints = taints_without(node, SHUTDOWN);
        if wanted {
            taints.push(json!({ "key": SHUTDOWN, "effect": "NoSchedule" }));
        }
        let patch = json!({ "metadata": { "resourceVersion": node.resource_version() }, "spec": { "taints": or_null(taints) } });
        self.client.api(&gvr::nodes()).patch("", node.name(), None, &Patch::Merge(patch)).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::UNINITIALIZED;
    use super::super::testing::{Cluster, Scripted};
    use super::*;
    use object::Value;

    fn node(ready: &str, taints: Value, created: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a", "uid": "u", "creationTimestamp": created},
            "spec": {"taints": taints}, "status": {"conditions": [{"type": "Ready", "status": ready}]}})
    }

    #[tokio::test]
    async fn silent_nodes_are_looked_up_in_their_cloud() {
        let check = async |node: Value, provider: Scripted, expect: (&str, Option<Value>, Option<Duration>)| {
            let (what, taints, after) = expect;
            let cluster = Cluster::with([node]);
            let controller = cluster.controller(make, &Arc::new(provider)).await;
            let next = controller.reconcile(&Key::new("", "a")).await.unwrap();
            assert_eq!(cluster.find("nodes", "", "a").map(|n| n["spec"]["taints"].clone()), taints, "{what}");
            assert_eq!(next.after, after, "{what}");
        };
        let shut = json!([{"key": SHUTDOWN, "effect": "NoSchedule"}]);
        let old = "2020-01-01T00:00:00Z";
        let gone = || Scripted::default();
        let there = || Scripted::default().with_instance("a", false);
        let off = || Scripted::default().with_instance("a", true);
        check(node("True", Value::Null, old), gone(), ("a ready node is not asked about", Some(Value::Null), None)).await;
        check(node("True", shut.clone(), old), there(), ("a ready node runs", Some(Value::Null), None)).await;
        check(node("Unknown", Value::Null, old), gone(), ("no machine, no node", None, None)).await;
        check(node("False", Value::Null, old), there(), ("the machine is there", Some(Value::Null), Some(PERIOD))).await;
        check(node("Unknown", Value::Null, old), off(), ("switched off", Some(shut.clone()), Some(PERIOD))).await;
        check(node("Unknown", shut.clone(), old), off(), ("still off", Some(shut), Some(PERIOD))).await;
        let new = json!([{"key": UNINITIALIZED, "effect": "NoSchedule"}]);
        check(node("False", new.clone(), old), gone(), ("never came up", None, None)).await;
        let cluster = Cluster::with([node("False", new, &object::time::now())]);
        let controller = cluster.controller(make, &Arc::new(gone())).await;
        let next = controller.reconcile(&Key::new("", "a")).await.unwrap();
        assert!(next.after.is_some_and(|after| after <= SETTING_UP), "being set up");
        assert!(cluster.find("nodes", "", "a").is_some());
    }
}
