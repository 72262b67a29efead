//! Services of type LoadBalancer get one from the cloud. Upstream `k8s.io/cloud-provider/controllers/service/controller.go`.
//!
//! A finalizer keeps the Service until its balancer is gone. A Service whose `loadBalancerClass` is set is someone else's.

mod changes;

use super::{Active, CLUSTER, Cloud};
use crate::error::Error;
use crate::run::{Context, Controller, Key, Next};
use crate::view::{list, text};
use async_trait::async_trait;
use changes::{needs_cleanup, needs_update, wants_balancer};
use client::{Cache, Change, ChangeKind, Client, Patch, Recorder, Type, gvr};
use interfaces::cloud::{Error as CloudError, LoadBalancer, LoadBalancerStatus};
use object::{Gvr, Object, Value, json};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const FINALIZER: &str = "service.kubernetes.io/load-balancer-cleanup";
const EXCLUDED: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
/// Set by the cluster autoscaler on nodes that are about to go.
const TO_BE_DELETED: &str = "ToBeDeletedByClusterAutoscaler";

/// Back-off of a Service whose balancer could not be made (upstream `minRetryDelay`, `maxRetryDelay`).
const RETRY_MIN: Duration = Duration::from_secs(5);
const RETRY_MAX: Duration = Duration::from_secs(300);

pub(crate) fn make(context: &Context) -> Arc<dyn Controller> {
    Arc::new(Services {
        client: context.client.clone(),
        cloud: context.cloud.clone(),
        services: context.client.cache(&gvr::services()),
        nodes: context.client.cache(&gvr::nodes()),
        events: context.client.recorder("service-controller", ""),
        known: Mutex::default(),
        failures: Mutex::default(),
    })
}

struct Services {
    client: Client,
    cloud: Cloud,
    services: Arc<Cache>,
    nodes: Arc<Cache>,
    events: Recorder,
    known: Mutex<HashMap<Key, Known>>,
    failures: Mutex<HashMap<Key, u32>>,
}

/// A Service that a balancer was asked for.
#[derive(Clone)]
struct Known {
    /// As it was when the balancer was last ensured, or was to be.
    service: Arc<Object>,
    /// The provider that did; 0: none did, so it is to be ensured again.
    by: u64,
    hosts: Hosts,
}

/// What a balancer depends on of nodes: name to provider ID.
type Hosts = BTreeMap<String, String>;

/// Why a Service is not in order.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{operation}: {source}")]
    Cloud { operation: &'static str, source: CloudError },
    #[error("{operation}: {source}")]
    Api { operation: &'static str, source: client::Error },
}

#[async_trait]
impl Controller for Services {
    fn watches(&self) -> Vec<Gvr> {
        vec![gvr::services(), gvr::nodes()]
    }

    fn outside(&self) -> Option<watch::Receiver<Option<Active>>> {
        Some(self.cloud.changes())
    }

    fn keys(&self, gvr: &Gvr, change: &Change) -> Vec<Key> {
        if gvr.resource == "nodes" {
            // One key for all nodes: it finds out which Services are affected.
            let hosts = |node: &Option<Arc<Object>>| node.as_ref().filter(|n| is_host(n)).map(|n| host(n));
            return if hosts(&change.old) == hosts(&change.new) { Vec::new() } else { vec![nodes_key()] };
        }
        let key = Key::changed(change);
        let matters = match (&change.old, &change.new) {
            (_, None) => self.known.lock().contains_key(&key),
            (Some(old), Some(new)) if change.kind == ChangeKind::Modified => needs_update(old, new) || needs_cleanup(new),
            (_, Some(new)) => wants_balancer(new) || needs_cleanup(new),
        };
        if matters { vec![key] } else { Vec::new() }
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(active) = self.cloud.current() else { return Ok(Next::done()) };
        let Some(balancer) = active.provider.load_balancer() else { return Ok(Next::done()) };
        if *key == nodes_key() {
            return Ok(Next { after: None, also: self.affected(&hosts(&self.hosts())) });
        }
        match self.sync(key, active.number, balancer).await {
            Ok(freed) => {
                let mut failures = self.failures.lock();
                failures.remove(key);
                // What one Service gave back may be what another waits for.
                let also = if freed { failures.keys().cloned().collect() } else { Vec::new() };
                Ok(Next { after: None, also })
            }
            Err(Failed::Cloud { source: CloudError::Retry { after, .. }, .. }) => Ok(Next::after(after)),
            Err(Failed::Api { source, .. }) => Err(source.into()),
            Err(error @ Failed::Cloud { .. }) => {
                tracing::warn!(namespace = key.namespace, name = key.name, %error, "load balancer is not in order; will try again");
                Ok(Next::after(self.back_off(key)))
            }
        }
    }
}

fn nodes_key() -> Key {
    Key { gvr: gvr::nodes(), ..Key::default() }
}

/// A node that may stand behind balancers (`stableNodeSetPredicates`). Its readiness does not matter: balancers look
/// themselves (KEP-3458).
fn is_host(node: &Object) -> bool {
    let excluded = node.label(EXCLUDED).is_some_and(|value| !matches!(value, "0" | "f" | "F" | "false" | "False" | "FALSE"));
    let going = list(node, &["spec", "taints"]).iter().any(|t| text(t, "key") == TO_BE_DELETED);
    !node.is_deleting() && !excluded && !going
}

fn host(node: &Object) -> (String, String) {
    (node.name().to_owned(), node.str_at(&["spec", "providerID"]).to_owned())
}

fn hosts(nodes: &[Arc<Object>]) -> Hosts {
    nodes.iter().map(|n| host(n)).collect()
}

impl Services {
    fn hosts(&self) -> Vec<Arc<Object>> {
        self.nodes.list("").into_iter().filter(|n| is_host(n)).collect()
    }

    /// Services whose balancers have other nodes.
    fn affected(&self, now: &Hosts) -> Vec<Key> {
        let known = self.known.lock();
        let mut keys: Vec<Key> = known.iter().filter(|(_, k)| k.hosts != *now).map(|(key, _)| key.clone()).collect();
        keys.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        keys
    }

    fn back_off(&self, key: &Key) -> Duration {
        let mut failures = self.failures.lock();
        let count = failures.entry(key.clone()).or_default();
        let delay = RETRY_MIN.saturating_mul(2_u32.saturating_pow(*count)).min(RETRY_MAX);
        *count += 1;
        delay
    }

    /// Answers whether something was given back that others may wait for.
    async fn sync(&self, key: &Key, by: u64, balancer: &dyn LoadBalancer) -> Result<bool, Failed> {
        let known = self.known.lock().get(key).cloned();
        let Some(service) = self.services.get(&key.namespace, &key.name) else {
            let Some(known) = known else { return Ok(false) };
            self.delete_orphan(&known.service, balancer).await?;
            self.known.lock().remove(key);
            return Ok(true);
        };
        // Deleted and made again before we looked, which is possible without a finalizer.
        if let Some(known) = known.as_ref().filter(|k| k.service.uid() != service.uid()) {
            self.delete_orphan(&known.service, balancer).await?;
            self.known.lock().remove(key);
        }
        let known = known.filter(|k| k.service.uid() == service.uid());
        if !wants_balancer(&service) || needs_cleanup(&service) {
            if known.is_none() && !needs_cleanup(&service) {
                return Ok(false);
            }
            let done = self.delete(&service, balancer).await;
            self.tell_failure(&service, &done);
            done?;
            self.known.lock().remove(key);
            return Ok(true);
        }
        let nodes = self.hosts();
        let now = hosts(&nodes);
        match known {
            Some(known) if known.by == by && !needs_update(&known.service, &service) => {
                if known.hosts != now {
                    self.update_hosts(&service, &nodes, balancer).await?;
                    self.known.lock().insert(key.clone(), Known { service, by, hosts: now });
                }
            }
            _ => {
                // From here on there may be something to clean up.
                self.known.lock().insert(key.clone(), Known { service: service.clone(), by: 0, hosts: now.clone() });
                let done = self.ensure(&service, &nodes, balancer).await;
                self.tell_failure(&service, &done);
                let moved = done?;
                self.known.lock().insert(key.clone(), Known { service, by, hosts: now });
                return Ok(moved);
            }
        }
        Ok(false)
    }

    fn tell_failure<T>(&self, service: &Object, done: &Result<T, Failed>) {
        if let Err(error) = done
            && !matches!(error, Failed::Api { source, .. } if source.is_conflict())
        {
            self.event(service, Type::Warning, "SyncLoadBalancerFailed", &format!("Error syncing load balancer: {error}"));
        }
    }

    fn event(&self, service: &Object, ty: Type, reason: &str, message: &str) {
        self.events.event(&service.reference(), ty, reason, message);
    }

    /// Answers whether the balancer has other addresses than before.
    async fn ensure(&self, service: &Arc<Object>, nodes: &[Arc<Object>], balancer: &dyn LoadBalancer) -> Result<bool, Failed> {
        self.event(service, Type::Normal, "EnsuringLoadBalancer", "Ensuring load balancer");
        self.set_finalizer(service, true).await?;
        if nodes.is_empty() {
            self.event(service, Type::Warning, "UnAvailableLoadBalancer", "There are no available nodes for LoadBalancer");
        }
        let status = match balancer.ensure_load_balancer(CLUSTER, service, nodes).await {
            Ok(status) => status,
            // Someone else's, though without a class.
            Err(CloudError::ImplementedElsewhere) => return Ok(false),
            Err(source) => return Err(Failed::Cloud { operation: "failed to ensure load balancer", source }),
        };
        self.event(service, Type::Normal, "EnsuredLoadBalancer", "Ensured load balancer");
        let had_some = !list(service, &["status", "loadBalancer", "ingress"]).is_empty();
        Ok(self.write_status(service, &status).await? && had_some)
    }

    async fn update_hosts(&self, service: &Object, nodes: &[Arc<Object>], balancer: &dyn LoadBalancer) -> Result<(), Failed> {
        let source = match balancer.update_load_balancer(CLUSTER, service, nodes).await {
            Ok(()) if nodes.is_empty() => {
                self.event(service, Type::Warning, "UnAvailableLoadBalancer", "There are no available nodes for LoadBalancer");
                return Ok(());
            }
            Ok(()) => {
                self.event(service, Type::Normal, "UpdatedLoadBalancer", "Updated load balancer with new hosts");
                return Ok(());
            }
            Err(CloudError::ImplementedElsewhere) => return Ok(()),
            Err(source) => source,
        };
        // It is no failure when there is no balancer any more.
        if let Ok(None) = balancer.get_load_balancer(CLUSTER, service).await {
            return Ok(());
        }
        let names: Vec<&str> = nodes.iter().map(|n| n.name()).collect();
        let words = format!("Error updating load balancer with new hosts {names:?}: {source}");
        self.event(service, Type::Warning, "UpdateLoadBalancerFailed", &words);
        Err(Failed::Cloud { operation: "failed to update load balancer hosts", source })
    }

    /// Removes the balancer of a Service that is going or wants none any more.
    async fn delete(&self, service: &Arc<Object>, balancer: &dyn LoadBalancer) -> Result<(), Failed> {
        let exists = balancer.get_load_balancer(CLUSTER, service).await;
        let exists =
            exists.map_err(|source| Failed::Cloud { operation: "failed to check if load balancer exists before cleanup", source })?;
        if exists.is_some() {
            self.event(service, Type::Normal, "DeletingLoadBalancer", "Deleting load balancer");
            match balancer.ensure_load_balancer_deleted(CLUSTER, service).await {
                Ok(()) | Err(CloudError::ImplementedElsewhere) => {}
                Err(source) => return Err(Failed::Cloud { operation: "failed to delete load balancer", source }),
            }
        }
        // The status first: with the finalizer the Service may go.
        self.write_status(service, &LoadBalancerStatus::default()).await?;
        self.set_finalizer(service, false).await?;
        self.event(service, Type::Normal, "DeletedLoadBalancer", "Deleted load balancer");
        Ok(())
    }

    /// Removes the balancer of a Service that is gone (`processLoadBalancerDelete`).
    async fn delete_orphan(&self, service: &Object, balancer: &dyn LoadBalancer) -> Result<(), Failed> {
        if !wants_balancer(service) {
            return Ok(());
        }
        match balancer.ensure_load_balancer_deleted(CLUSTER, service).await {
            Ok(()) | Err(CloudError::ImplementedElsewhere) => Ok(()),
            Err(source) => {
                self.event(service, Type::Warning, "DeleteLoadBalancerFailed", &format!("Error deleting load balancer: {source}"));
                Err(Failed::Cloud { operation: "failed to delete load balancer", source })
            }
        }
    }

    /// By the status subresource, which is what the account may write (`servicehelper.PatchService`).
    async fn set_finalizer(&self, service: &Object, wanted: bool) -> Result<(), Failed> {
        let operation =
            if wanted { "failed to add load balancer cleanup finalizer" } else { "failed to remove load balancer cleanup finalizer" };
        if service.finalizers().contains(&FINALIZER) == wanted {
            return Ok(());
        }
        // Others may have changed theirs meanwhile, so what is written must be what was read.
        let live = self.live(service, operation).await?;
        let Some(live) = live else { return Ok(()) };
        let mut all: Vec<&str> = live.finalizers().into_iter().filter(|f| *f != FINALIZER).collect();
        if wanted {
            all.push(FINALIZER);
        }
        let metadata = json!({ "resourceVersion": live.resource_version(), "finalizers": all });
        self.patch(service, json!({ "metadata": metadata }), operation).await
    }

    async fn live(&self, service: &Object, operation: &'static str) -> Result<Option<Object>, Failed> {
        match self.client.api(&gvr::services()).get(service.namespace(), service.name()).await {
            Ok(live) if live.uid() == service.uid() => Ok(Some(live)),
            Ok(_) => Ok(None),
            Err(source) if source.is_not_found() => Ok(None),
            Err(source) => Err(Failed::Api { operation, source }),
        }
    }

    /// Answers whether it was another.
    async fn write_status(&self, service: &Object, status: &LoadBalancerStatus) -> Result<bool, Failed> {
        let wanted: Vec<Value> = status.ingress.iter().map(|ingress| with_mode(json!(ingress))).collect();
        let present: Vec<Value> = list(service, &["status", "loadBalancer", "ingress"]).iter().cloned().map(with_mode).collect();
        if wanted == present {
            return Ok(false);
        }
        let ingress = if wanted.is_empty() { Value::Null } else { Value::Array(wanted) };
        let patch = json!({ "metadata": { "uid": service.uid() }, "status": { "loadBalancer": { "ingress": ingress } } });
        self.patch(service, patch, "failed to update load balancer status").await?;
        Ok(true)
    }

    async fn patch(&self, service: &Object, patch: Value, operation: &'static str) -> Result<(), Failed> {
        let api = self.client.api(&gvr::services());
        match api.patch(service.namespace(), service.name(), Some("status"), &Patch::Merge(patch)).await {
            Ok(_) => Ok(()),
            // It went meanwhile.
            Err(source) if source.is_not_found() => Ok(()),
            Err(source) => Err(Failed::Api { operation, source }),
        }
    }
}

/// The API defaults the mode of an address.
fn with_mode(mut ingress: Value) -> Value {
    if !text(&ingress, "ip").is_empty() && text(&ingress, "ipMode").is_empty() {
        ingress["ipMode"] = json!("VIP");
    }
    ingress
}

#[cfg(test)]
mod tests;
