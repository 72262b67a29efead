//! The cloud controllers: `k8s.io/cloud-provider/controllers`. What they share: the provider, which may come, change and go
//! while they run.
//!
//! A provider is initialised before any controller sees it. When another takes its place, every key comes again.

pub(crate) mod node;
pub(crate) mod node_lifecycle;
pub(crate) mod route;
pub(crate) mod service;
#[cfg(test)]
pub(crate) mod testing;

use interfaces::cloud::{CloudProvider, Error};
use object::{Object, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The provider as it is given to the controllers; `None`: there is none, or not yet.
pub type Provider = watch::Receiver<Option<Arc<dyn CloudProvider>>>;

/// The cluster's name at the provider: the default of upstream's `--cluster-name`.
pub(crate) const CLUSTER: &str = "kubernetes";

/// A node whose cloud has not told of it yet: `k8s.io/cloud-provider/api/well_known_taints.go`.
pub(crate) const UNINITIALIZED: &str = "node.cloudprovider.kubernetes.io/uninitialized";
pub(crate) const SHUTDOWN: &str = "node.cloudprovider.kubernetes.io/shutdown";

/// How soon a provider that could not be initialised is tried again, doubled up to [`RETRY_MAX`]: a cloud's endpoint that is
/// away for a moment delays nothing much, and one that is away for long is not called in vain too often.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// One provider in use. Numbers grow with each that takes another's place.
#[derive(Clone, Debug)]
pub(crate) struct Active {
    pub number: u64,
    pub provider: Arc<dyn CloudProvider>,
}

/// The initialised provider, as the controllers read it.
#[derive(Clone, Debug)]
pub(crate) struct Cloud(watch::Receiver<Option<Active>>);

impl Cloud {
    pub(crate) fn current(&self) -> Option<Active> {
        self.0.borrow().clone()
    }

    /// Wakes whenever another provider takes over.
    pub(crate) fn changes(&self) -> watch::Receiver<Option<Active>> {
        self.0.clone()
    }

    /// A channel to a set of controllers.
    pub(crate) fn channel() -> (watch::Sender<Option<Active>>, Self) {
        let (sender, receiver) = watch::channel(None);
        (sender, Self(receiver))
    }
}

/// Hands over each provider once it is initialised, until `shutdown`.
pub(crate) async fn initialize(mut given: Provider, active: watch::Sender<Option<Active>>, shutdown: CancellationToken) {
    let mut number = 0;
    let mut wait = RETRY;
    let mut pending = given.borrow_and_update().clone();
    loop {
        let mut retry = None;
        match pending.take() {
            Some(provider) => match provider.initialize().await {
                Ok(()) => {
                    number += 1;
                    wait = RETRY;
                    tracing::info!(provider = provider.provider_name(), "cloud provider is initialised");
                    if !provider.has_cluster_id() {
                        tracing::warn!(provider = provider.provider_name(), "the cloud provider has no cluster ID");
                    }
                    active.send_replace(Some(Active { number, provider }));
                }
                Err(error) => {
                    tracing::warn!(provider = provider.provider_name(), %error, "cloud provider is not initialised; trying again");
                    retry = Some(wait);
                    pending = Some(provider);
                    wait = (wait * 2).min(RETRY_MAX);
                }
            },
            None => {
                active.send_if_modified(|active| active.take().is_some());
            }
        }
        let again = async {
            match retry {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = again => {}
            changed = given.changed() => match changed {
                Ok(()) => (pending, wait) = (given.borrow_and_update().clone(), RETRY),
                // Nobody gives another one any more; what there is stays in use.
                Err(_) if retry.is_some() => drop(shutdown.run_until_cancelled(tokio::time::sleep(wait)).await),
                Err(_) => return shutdown.cancelled().await,
            },
        }
    }
}

/// Whether a node still waits for its cloud.
pub(crate) fn is_uninitialized(node: &Object) -> bool {
    crate::view::list(node, &["spec", "taints"]).iter().any(|t| crate::view::text(t, "key") == UNINITIALIZED)
}

/// The node's taints without those of a key.
pub(crate) fn taints_without(node: &Object, key: &str) -> Vec<Value> {
    crate::view::list(node, &["spec", "taints"]).iter().filter(|t| crate::view::text(t, "key") != key).cloned().collect()
}

/// A list for a merge patch, which cannot be empty in the API.
pub(crate) fn or_null(list: Vec<Value>) -> Value {
    if list.is_empty() { Value::Null } else { Value::Array(list) }
}

/// Why a node's cloud could not be asked or did not answer as it must.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{operation} of node {node}: {source}")]
    Node { operation: &'static str, node: String, source: Error },
    #[error("cloud provider does not set node provider ID for node {node}")]
    NoProviderId { node: String },
    #[error("provided node ip for node {node} is not valid: {reason}")]
    NodeIp { node: String, reason: String },
    #[error("{operation}: {source}")]
    Routes { operation: &'static str, source: Error },
}

#[cfg(test)]
mod tests {
    use super::testing::Scripted;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_provider_is_seen_once_it_is_initialised_and_changes_are_told() {
        let (give, given) = watch::channel(None);
        let (sender, cloud) = Cloud::channel();
        let stop = CancellationToken::new();
        let task = tokio::spawn(initialize(given, sender, stop.clone()));
        let mut changes = cloud.changes();
        let first = Arc::new(Scripted::default().fails("initialize", Error::Failed("away".into()), 2));
        give.send_replace(Some(first.clone()));
        changes.changed().await.unwrap();
        assert_eq!(cloud.current().map(|a| a.number), Some(1));
        assert_eq!(first.calls(), ["initialize", "initialize", "initialize"]);
        give.send_replace(Some(Arc::new(Scripted::default())));
        changes.changed().await.unwrap();
        assert_eq!(cloud.current().map(|a| a.number), Some(2));
        give.send_replace(None);
        changes.changed().await.unwrap();
        assert!(cloud.current().is_none());
        stop.cancel();
        task.await.unwrap();
    }
}
