//! The node's heartbeat: a Lease in `kube-node-lease` (KEP-589, `k8s.io/component-helpers/apimachinery/lease`).

use client::{Api, Client, gvr};
use object::{Object, json};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub const NAMESPACE: &str = "kube-node-lease";
/// `nodeLeaseDurationSeconds`.
const DURATION_SECONDS: i64 = 40;
/// A quarter of the duration (`nodeLeaseRenewIntervalFraction`).
const RENEW: Duration = Duration::from_secs(10);
/// A renewal that failed is tried again after this, doubled up to [`RENEW`].
const RETRY: Duration = Duration::from_millis(200);

/// Renews until shutdown.
pub async fn run(client: Client, node: String, shutdown: CancellationToken) {
    let (leases, nodes) = (client.api(&gvr::leases()), client.api(&gvr::nodes()));
    let mut known = None;
    let mut wait = RETRY;
    loop {
        let pause = match renew(&leases, &nodes, &node, known.take()).await {
            Ok(lease) => {
                known = Some(lease);
                wait = RETRY;
                RENEW
            }
            Err(error) => {
                tracing::debug!(node, error = error.chain(), "lease is not renewed; trying again");
                wait = (wait * 2).min(RENEW);
                wait
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn renew(leases: &Api, nodes: &Api, node: &str, known: Option<Object>) -> client::Result<Object> {
    let known = match known {
        Some(lease) => Some(lease),
        None => match leases.get(NAMESPACE, node).await {
            Ok(lease) => Some(lease),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        },
    };
    let now = object::time::now_micro();
    if let Some(mut lease) = known {
        lease.set_at(&["spec", "renewTime"], json!(now));
        lease.set_at(&["spec", "holderIdentity"], json!(node));
        lease.set_at(&["spec", "leaseDurationSeconds"], json!(DURATION_SECONDS));
        return leases.update(NAMESPACE, &lease).await;
    }
    // Owned by the node, so that it goes with it.
    let owner = nodes.get("", node).await?;
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": node, "namespace": NAMESPACE,
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": node, "uid": owner.uid()}]},
        "spec": {"holderIdentity": node, "leaseDurationSeconds": DURATION_SECONDS, "renewTime": now}});
    leases.create(NAMESPACE, &Object::from_value(lease).unwrap_or_default()).await
}
