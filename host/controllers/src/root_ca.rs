//! Every namespace has the cluster's CA as config map `kube-root-ca.crt`, for pods that talk to the API. Upstream
//! `pkg/controller/certificates/rootcacertpublisher/publisher.go`.

use crate::error::Error;
use crate::run::{Context, Controller, Key, Next};
use async_trait::async_trait;
use client::{Cache, Change, Client, gvr};
use object::{Gvr, Object, json};
use std::sync::Arc;

const NAME: &str = "kube-root-ca.crt";
const DESCRIPTION: &str = "kubernetes.io/description";
const WORDS: &str = "The certificate authority of the cluster: verifies the Kubernetes API endpoint inside it (KUBERNETES_SERVICE_HOST).";

pub(crate) fn make(context: &Context) -> Arc<dyn Controller> {
    Arc::new(RootCa {
        client: context.client.clone(),
        namespaces: context.client.cache(&gvr::namespaces()),
        maps: context.client.cache(&gvr::config_maps()),
        pem: context.config.root_ca.clone(),
    })
}

struct RootCa {
    client: Client,
    namespaces: Arc<Cache>,
    maps: Arc<Cache>,
    pem: String,
}

#[async_trait]
impl Controller for RootCa {
    fn watches(&self) -> Vec<Gvr> {
        vec![gvr::namespaces(), gvr::config_maps()]
    }

    /// The key is the namespace.
    fn keys(&self, gvr: &Gvr, change: &Change) -> Vec<Key> {
        match gvr.resource.as_str() {
            "namespaces" => vec![Key::changed(change)],
            _ if change.name == NAME => vec![Key::new("", &change.namespace)],
            _ => Vec::new(),
        }
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let active = self.namespaces.get("", &key.name).is_some_and(|n| !n.is_deleting());
        if !active || self.pem.is_empty() {
            return Ok(Next::done());
        }
        let data = json!({ "ca.crt": self.pem });
        let api = self.client.api(&gvr::config_maps());
        let result = match self.maps.get(&key.name, NAME) {
            Some(present) if present.at(&["data"]) == Some(&data) => return Ok(Next::done()),
            Some(present) => {
                let mut changed = Object::clone(&present);
                changed.set_at(&["data"], data);
                api.update(&key.name, &changed).await
            }
            None => {
                let metadata = json!({ "name": NAME, "namespace": key.name, "annotations": { DESCRIPTION: WORDS } });
                let root = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data });
                api.create(&key.name, &Object::from_value(root).unwrap_or_default()).await
            }
        };
        match result {
            Ok(_) => Ok(Next::done()),
            Err(e) if e.is_already_exists() || e.is_namespace_terminating() || e.is_not_found() => Ok(Next::done()),
            Err(e) => Err(e.into()),
        }
    }
}
