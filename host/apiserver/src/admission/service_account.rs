//! `ServiceAccount` (`kubernetes/plugin/pkg/admission/serviceaccount/admission.go`): pods run under an account that exists,
//! `default` unless they say otherwise; they are given a volume with its token, the cluster's CA and their namespace, and pull
//! with its secrets unless they bring their own.

use super::Step;
use super::pod::is_pod_create;
use crate::auth::POD_TOKEN_SECONDS;
use crate::write::Write;
use async_trait::async_trait;
use object::{Object, StatusError, Value, json, names};
use std::time::Duration;

const DEFAULT: &str = "default";
/// `DefaultAPITokenMountPath`: where every client library looks.
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const VOLUME: &str = "kube-api-access-";
const ROOT_CA: &str = "kube-root-ca.crt";
const MIRROR: &str = "kubernetes.io/config.mirror";
/// How long a pod waits for the account that a controller makes in every new namespace: ten looks of upstream's, 100 to 200 ms
/// apart.
const WAIT: Duration = Duration::from_millis(1500);

pub struct ServiceAccount;

#[async_trait]
impl Step for ServiceAccount {
    async fn mutate(&self, write: &Write<'_>, new: &mut Object, old: Option<&Object>) -> Result<(), StatusError> {
        if !is_pod_create(write, old) {
            return Ok(());
        }
        if new.annotation(MIRROR).is_some() {
            return mirror(write, new);
        }
        let old_field = new.str_at(&["spec", "serviceAccount"]).to_owned();
        let mut name = new.str_at(&["spec", "serviceAccountName"]).to_owned();
        if name.is_empty() {
            name = if old_field.is_empty() { DEFAULT.to_owned() } else { old_field };
        }
        // Both names of the field carry it, as upstream's conversion does.
        new.set_at(&["spec", "serviceAccountName"], json!(name));
        new.set_at(&["spec", "serviceAccount"], json!(name));
        let account = match account(write, &name).await? {
            Some(account) => account,
            None if !write.call.shared.config.account_admission => return Ok(()),
            None => {
                let namespace = &write.call.info.namespace;
                let cause = format!("error looking up service account {namespace}/{name}: serviceaccount \"{name}\" not found");
                return Err(StatusError::forbidden(&write.kind.group_resource(), new.name(), &cause));
            }
        };
        let wished = flag(new).or_else(|| flag(&account));
        if write.call.shared.config.account_admission && wished.unwrap_or(true) {
            mount(new);
        }
        let own = new.at(&["spec", "imagePullSecrets"]).and_then(Value::as_array);
        if own.is_none_or(Vec::is_empty)
            && let Some(secrets) = account.at(&["imagePullSecrets"])
        {
            new.set_at(&["spec", "imagePullSecrets"], secrets.clone());
        }
        Ok(())
    }
}

/// `automountServiceAccountToken` of a pod or of an account.
fn flag(object: &Object) -> Option<bool> {
    let field = "automountServiceAccountToken";
    object.at(&["spec", field]).or_else(|| object.at(&[field])).and_then(Value::as_bool)
}

/// A pod that only shows what a node runs by itself has no part in the cluster's identities.
fn mirror(write: &Write<'_>, pod: &Object) -> Result<(), StatusError> {
    let refuse = |cause: &str| Err(StatusError::forbidden(&write.kind.group_resource(), pod.name(), cause));
    if !pod.str_at(&["spec", "serviceAccountName"]).is_empty() {
        return refuse("a mirror pod may not reference service accounts");
    }
    let volumes = pod.at(&["spec", "volumes"]).and_then(Value::as_array).into_iter().flatten();
    for volume in volumes {
        if volume.get("secret").is_some() {
            return refuse("a mirror pod may not reference secrets");
        }
        let sources = volume.pointer("/projected/sources").and_then(Value::as_array).into_iter().flatten();
        if sources.into_iter().any(|source| source.get("serviceAccountToken").is_some()) {
            return refuse("a mirror pod may not use ServiceAccountToken volume projections");
        }
    }
    Ok(())
}

/// The account from the watch cache. One that was made before this request is seen; the default one, which a controller
/// makes, is waited for.
async fn account(write: &Write<'_>, name: &str) -> Result<Option<Object>, StatusError> {
    let shared = &write.call.shared;
    let Some(row) = shared.registry.resource_by_name("", "v1", "serviceaccounts") else { return Ok(None) };
    let cache = shared.caches.of(&row)?;
    let key = crate::server::object_key(&row, &write.call.info.namespace, name);
    if let Some(item) = cache.get(&key) {
        return Ok(Some(item.object()));
    }
    let mut changed = cache.subscribe();
    shared.caches.current().await?;
    let wait = if name == DEFAULT && shared.config.account_admission { WAIT } else { Duration::ZERO };
    let found = async {
        loop {
            if let Some(item) = cache.get(&key) {
                return Some(item.object());
            }
            changed.changed().await.ok()?;
        }
    };
    // A first look is taken however short the wait.
    Ok(tokio::time::timeout(wait, found).await.unwrap_or_default())
}

/// Adds the volume, and mounts it into every container that has nothing there.
fn mount(pod: &mut Object) {
    let volumes = pod.at(&["spec", "volumes"]).and_then(Value::as_array).cloned().unwrap_or_default();
    let present = volumes.iter().filter_map(|v| v.get("name").and_then(Value::as_str)).find(|name| name.starts_with(VOLUME));
    let name = present.map_or_else(|| names::generate(VOLUME), str::to_owned);
    let mut needed = false;
    for list in ["initContainers", "containers"] {
        let Some(mut containers) = pod.at(&["spec", list]).and_then(Value::as_array).cloned() else { continue };
        for container in &mut containers {
            let mut mounts = container.get("volumeMounts").and_then(Value::as_array).cloned().unwrap_or_default();
            if mounts.iter().any(|m| m.get("mountPath").and_then(Value::as_str) == Some(MOUNT_PATH)) || !container.is_object() {
                continue;
            }
            mounts.push(json!({ "name": name, "readOnly": true, "mountPath": MOUNT_PATH }));
            container["volumeMounts"] = Value::Array(mounts);
            needed = true;
        }
        pod.set_at(&["spec", list], Value::Array(containers));
    }
    if needed && present.is_none() {
        let mut volumes = volumes;
        volumes.push(volume(&name));
        pod.set_at(&["spec", "volumes"], Value::Array(volumes));
    }
}

fn volume(name: &str) -> Value {
    let namespace = json!({ "path": "namespace", "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" } });
    json!({
        "name": name,
        "projected": {
            "defaultMode": 0o644,
            "sources": [
                { "serviceAccountToken": { "expirationSeconds": POD_TOKEN_SECONDS, "path": "token" } },
                { "configMap": { "name": ROOT_CA, "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
                { "downwardAPI": { "items": [namespace] } },
            ],
        },
    })
}
