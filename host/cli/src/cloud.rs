//! Joins the cloud's provider with the controllers that drive it and the node that answers for it.

use crate::config::ServerArgs;
use crate::config::cloud::CloudProvider;
use crate::wire::{Parts, component};
use client::{Client, Type};
use interfaces::cloud::CloudSet;
use interfaces::network::PodNetwork;
use net::Network;
use net::bare::{self, Bare};
use object::ObjectRef;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Loading takes a moment at each start; a plugin that is away for longer is told of.
const PATIENCE: Duration = Duration::from_secs(5);

/// The provider for the controllers: a built-in one at once, a plugin when it is loaded. `node` is told of one that is not.
pub fn provider(cloud: &CloudProvider, node: &str, client: &Client, plugins: watch::Receiver<CloudSet>) -> controllers::CloudProvider {
    match cloud {
        CloudProvider::Bare(pool) => {
            let bare: Arc<dyn interfaces::cloud::CloudProvider> = Arc::new(Bare::new(client, pool.clone()));
            watch::channel(Some(bare)).1
        }
        CloudProvider::Plugin(name) => {
            let client = client.with_user(component("system:kube-controller-manager", &[]));
            let missing = Missing { plugin: name.clone(), node: node.to_owned(), client };
            tokio::spawn(missing.tell(plugins.clone()));
            follow(name.clone(), plugins)
        }
        CloudProvider::None => watch::channel(None).1,
    }
}

/// A cloud provider that is not there: new nodes wait for it, and so do Services.
struct Missing {
    plugin: String,
    node: String,
    client: Client,
}

impl Missing {
    /// Tells whenever the plugin was away for a while, until there are no plugins any more.
    async fn tell(self, mut plugins: watch::Receiver<CloudSet>) {
        let events = self.client.recorder("coracle", &self.node);
        let node = ObjectRef {
            api_version: "v1".to_owned(),
            kind: "Node".to_owned(),
            name: self.node.clone(),
            // As kubelet's events about its node have it, which stand although the object is made anew.
            uid: self.node.clone(),
            ..ObjectRef::default()
        };
        let name = &self.plugin;
        let words = format!(
            "no WasmPlugin {name:?} of world cloud-provider is loaded, which --cloud-provider names: new nodes stay tainted and \
             LoadBalancer Services get no address until it is"
        );
        let is_there = |set: &CloudSet| set.iter().any(|row| row.name == *name);
        loop {
            let found = tokio::time::timeout(PATIENCE, plugins.wait_for(is_there)).await.map(|found| found.is_ok());
            match found {
                Ok(true) => {}
                Ok(false) => return,
                Err(_) => {
                    tracing::warn!("{words}");
                    events.event(&node, Type::Warning, "CloudProviderNotLoaded", &words);
                    if plugins.wait_for(is_there).await.is_err() {
                        return;
                    }
                }
            }
            if plugins.wait_for(|set| !is_there(set)).await.is_err() {
                return;
            }
        }
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
