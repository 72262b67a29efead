//! Every namespace has a service account `default`. Upstream
//! `pkg/controller/serviceaccount/serviceaccounts_controller.go`.

use crate::error::Error;
use crate::run::{Context, Controller, Key, Next};
use async_trait::async_trait;
use client::{Cache, Change, Client, gvr};
use object::{Gvr, Object, json};
use std::sync::Arc;

const DEFAULT: &str = "default";

pub(crate) fn make(context: &Context) -> Arc<dyn Controller> {
    Arc::new(ServiceAccounts {
        client: context.client.clone(),
        namespaces: context.client.cache(&gvr::namespaces()),
        accounts: context.client.cache(&gvr::service_accounts()),
    })
}

struct ServiceAccounts {
    client: Client,
    namespaces: Arc<Cache>,
    accounts: Arc<Cache>,
}

#[async_trait]
impl Controller for ServiceAccounts {
    fn watches(&self) -> Vec<Gvr> {
        vec![gvr::namespaces(), gvr::service_accounts()]
    }

    /// The key is the namespace.
    fn keys(&self, gvr: &Gvr, change: &Change) -> Vec<Key> {
        match gvr.resource.as_str() {
            "namespaces" => vec![Key::changed(change)],
            _ if change.name == DEFAULT && change.new.is_none() => vec![Key::new("", &change.namespace)],
            _ => Vec::new(),
        }
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let active = self.namespaces.get("", &key.name).is_some_and(|n| !n.is_deleting());
        if !active || self.accounts.get(&key.name, DEFAULT).is_some() {
            return Ok(Next::done());
        }
        let root = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": DEFAULT, "namespace": key.name } });
        let account = Object::from_value(root).unwrap_or_default();
        match self.client.api(&gvr::service_accounts()).create(&key.name, &account).await {
            Ok(_) => Ok(Next::done()),
            Err(e) if e.is_already_exists() || e.is_namespace_terminating() || e.is_not_found() => Ok(Next::done()),
            Err(e) => Err(e.into()),
        }
    }
}
