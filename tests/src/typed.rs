//! kube-rs in a cluster's network.

use crate::Cluster;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::path::Path;

impl Cluster {
    /// Runs `work` with a typed client, on a thread in the cluster's network.
    pub fn typed<T: Send, F: Future<Output = T>>(&self, work: impl FnOnce(Client) -> F + Send) -> T {
        self.typed_at(&self.kubeconfig(), work)
    }

    /// The same, with a kubeconfig of another server in the cluster's network.
    pub fn typed_at<T: Send, F: Future<Output = T>>(&self, kubeconfig: &Path, work: impl FnOnce(Client) -> F + Send) -> T {
        self.sandbox().in_network(|| {
            // Which provider is linked in by others must not matter.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
            runtime.block_on(async {
                let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("the kubeconfig can be read");
                let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
                let client = Client::try_from(config.expect("the kubeconfig is usable")).expect("a client can be made");
                work(client).await
            })
        })
    }
}
