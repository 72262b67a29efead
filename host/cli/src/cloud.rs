//! Joins the cloud's provider with the controllers that drive it and the node that answers for it.

use crate::config::ServerArgs;
use crate::config::cloud::CloudProvider;
use crate::wire::{Parts, component};
use client::Client;
use interfaces::network::PodNetwork;
use net::Network;
use net::bare::{self, Bare};
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The provider for the controllers: a built-in one at once, a plugin when it is loaded.
pub fn provider(cloud: &CloudProvider, client: &Client) -> controllers::CloudProvider {
    match cloud {
        CloudProvider::Bare(pool) => {
            let bare: Arc<dyn interfaces::cloud::CloudProvider> = Arc::new(Bare::new(client, pool.clone()));
            watch::channel(Some(bare)).1
        }
        CloudProvider::None | CloudProvider::Plugin(_) => watch::channel(None).1,
    }
}

/// This node's part of the provider `bare`. Without that provider, what it left on the node is removed.
pub async fn announce(
    args: &ServerArgs,
    cloud: &CloudProvider,
    node: &str,
    client: &Client,
    network: &Network,
    shutdown: &CancellationToken,
    parts: &mut Parts,
) {
    let CloudProvider::Bare(pool) = cloud else {
        if let Err(error) = bare::clear().await {
            tracing::warn!(%error, "addresses of earlier load balancers are not removed");
        }
        return;
    };
    let config = bare::Config {
        node_name: node.to_owned(),
        pool: pool.clone(),
        interface: args.cloud.load_balancer_interface.clone(),
        node_address: network.node_address(),
        bridge: args.bridge.clone(),
    };
    let run = bare::run(client.with_user(component("system:kube-proxy", &[])), config, shutdown.clone());
    parts.spawn(async move {
        run.await;
        ("load balancer announcer", Ok(()))
    });
}
