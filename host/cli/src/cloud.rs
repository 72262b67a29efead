//! Joins the cloud's provider with the controllers that drive it and the node that answers for it.

use crate::config::ServerArgs;
use crate::config::cloud::CloudProvider;
use crate::wire::{Parts, component};
use client::Client;
use interfaces::cloud::CloudSet;
use interfaces::network::PodNetwork;
use net::Network;
use net::bare::{self, Bare};
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The provider for the controllers: a built-in one at once, a plugin when it is loaded.
pub fn provider(cloud: &CloudProvider, client: &Client, plugins: watch::Receiver<CloudSet>) -> controllers::CloudProvider {
    match cloud {
        CloudProvider::Bare(pool) => {
            let bare: Arc<dyn interfaces::cloud::CloudProvider> = Arc::new(Bare::new(client, pool.clone()));
            watch::channel(Some(bare)).1
        }
        CloudProvider::Plugin(name) => follow(name.clone(), plugins),
        CloudProvider::None => watch::channel(None).1,
    }
}

/// The plugin of this name, whenever another load of it takes over.
fn follow(name: String, mut plugins: watch::Receiver<CloudSet>) -> controllers::CloudProvider {
    let (sender, receiver) = watch::channel(None);
    tokio::spawn(async move {
        loop {
            let found = plugins.borrow_and_update().iter().find(|row| row.name == name).map(|row| row.provider.clone());
            sender.send_if_modified(|known: &mut Option<Arc<dyn interfaces::cloud::CloudProvider>>| {
                let same = match (&*known, &found) {
                    (Some(known), Some(found)) => Arc::ptr_eq(known, found),
                    (known, found) => known.is_none() == found.is_none(),
                };
                *known = found;
                !same
            });
            tokio::select! {
                changed = plugins.changed() => if changed.is_err() { return },
                () = sender.closed() => return,
            }
        }
    });
    receiver
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
