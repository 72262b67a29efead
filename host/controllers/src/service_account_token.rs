//! Secrets of type `kubernetes.io/service-account-token` get a token of the account that their annotation names, and go with
//! it. Upstream `pkg/controller/serviceaccount/tokens_controller.go`; the token is asked for by TokenRequest and bound to the
//! secret, so that this controller needs no key.

use crate::error::Error;
use crate::run::{Context, Controller, Key, Next};
use async_trait::async_trait;
use client::{Cache, Change, Client, DeleteOptions, gvr};
use object::{Gvr, Object, Value, json};
use std::sync::Arc;

const TYPE: &str = "kubernetes.io/service-account-token";
const NAME: &str = "kubernetes.io/service-account.name";
const UID: &str = "kubernetes.io/service-account.uid";
/// The longest that TokenRequest grants: the secret's end is the token's.
const SECONDS: i64 = 1 << 32;

pub(crate) fn make(context: &Context) -> Arc<dyn Controller> {
    Arc::new(Tokens {
        client: context.client.clone(),
        accounts: context.client.cache(&gvr::service_accounts()),
        secrets: context.client.cache(&gvr::secrets()),
        root_ca: context.config.root_ca.clone(),
    })
}

struct Tokens {
    client: Client,
    accounts: Arc<Cache>,
    secrets: Arc<Cache>,
    root_ca: String,
}

#[async_trait]
impl Controller for Tokens {
    fn watches(&self) -> Vec<Gvr> {
        vec![gvr::secrets(), gvr::service_accounts()]
    }

    /// The key is the secret.
    fn keys(&self, gvr: &Gvr, change: &Change) -> Vec<Key> {
        if gvr.resource == "secrets" {
            let is_token = change.object().is_some_and(|secret| secret.str_at(&["type"]) == TYPE);
            return if is_token { vec![Key::changed(change)] } else { Vec::new() };
        }
        // Accounts change seldom, and all their secrets are few.
        let secrets = self.secrets.list(&change.namespace);
        secrets.iter().filter(|s| account_of(s) == Some(change.name.as_str())).map(|s| Key::of(s)).collect()
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(secret) = self.secrets.get(&key.namespace, &key.name) else { return Ok(Next::done()) };
        let Some(name) = account_of(&secret).filter(|name| !name.is_empty() && !secret.is_deleting()) else { return Ok(Next::done()) };
        let wanted = secret.annotation(UID).unwrap_or_default();
        let fits = |account: &Object| wanted.is_empty() || wanted == account.uid();
        let account = match self.accounts.get(&key.namespace, name).filter(|a| fits(a)) {
            Some(account) => account,
            // Before anything is deleted, the API is asked itself.
            None => match self.client.api(&gvr::service_accounts()).get(&key.namespace, name).await {
                Ok(account) if fits(&account) => Arc::new(account),
                Ok(_) => return self.delete(&secret).await,
                Err(e) if e.is_not_found() => return self.delete(&secret).await,
                Err(e) => return Err(e.into()),
            },
        };
        let filled = |field: &str| secret.at(&["data", field]).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        let ca = self.root_ca.is_empty() || filled("ca.crt");
        if filled("token") && filled("namespace") && ca && !wanted.is_empty() {
            return Ok(Next::done());
        }
        let mut changed = Object::clone(&secret);
        changed.set_at(&["metadata", "annotations", UID], json!(account.uid()));
        // What is written as text ends up in `data`.
        changed.set_at(&["stringData", "namespace"], json!(key.namespace));
        if !self.root_ca.is_empty() {
            changed.set_at(&["stringData", "ca.crt"], json!(self.root_ca));
        }
        if !filled("token") {
            changed.set_at(&["stringData", "token"], json!(self.token(&account, &secret).await?));
        }
        match self.client.api(&gvr::secrets()).update(&key.namespace, &changed).await {
            Ok(_) => Ok(Next::done()),
            Err(e) if e.is_not_found() => Ok(Next::done()),
            Err(e) => Err(e.into()),
        }
    }
}

impl Tokens {
    async fn token(&self, account: &Object, secret: &Object) -> Result<String, Error> {
        let bound = json!({ "apiVersion": "v1", "kind": "Secret", "name": secret.name(), "uid": secret.uid() });
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": { "expirationSeconds": SECONDS, "boundObjectRef": bound },
        });
        let api = self.client.api(&gvr::service_accounts());
        let answer = api.create_subresource(account.namespace(), account.name(), "token", &request).await?;
        Ok(answer.pointer("/status/token").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    async fn delete(&self, secret: &Object) -> Result<Next, Error> {
        let options = DeleteOptions { uid: Some(secret.uid().to_owned()), ..DeleteOptions::default() };
        match self.client.api(&gvr::secrets()).delete(secret.namespace(), secret.name(), &options).await {
            Err(e) if !e.is_not_found() && !e.is_conflict() => Err(e.into()),
            _ => Ok(Next::done()),
        }
    }
}

/// The account whose token a secret holds.
fn account_of(secret: &Object) -> Option<&str> {
    secret.annotation(NAME).filter(|_| secret.str_at(&["type"]) == TYPE)
}
