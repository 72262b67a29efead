//! `NamespaceLifecycle` (`k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle/admission.go`): objects are made only in
//! namespaces that exist and are not ending; the cluster's own namespaces stay.

use super::Step;
use crate::write::Write;
use async_trait::async_trait;
use object::{GroupResource, Object, StatusCause, StatusError};

/// Never deleted.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

pub struct NamespaceLifecycle;

#[async_trait]
impl Step for NamespaceLifecycle {
    async fn mutate(&self, write: &Write<'_>, new: &mut Object, old: Option<&Object>) -> Result<(), StatusError> {
        if old.is_some() || !write.kind.is_namespaced() {
            return Ok(());
        }
        let resource = GroupResource { group: String::new(), resource: "namespaces".to_owned() };
        let name = new.namespace();
        let shared = &write.call.shared;
        let Some(row) = shared.registry.resource_by_name("", "v1", "namespaces") else { return Ok(()) };
        let cached = shared.caches.of(&row)?.get(name);
        let namespace = match cached {
            Some(item) => item.object(),
            // Made a moment ago, perhaps: the store knows.
            None => {
                let key = format!("{}{name}", row.storage_prefix());
                let entry = shared.store.get(key.as_bytes()).await.map_err(|e| crate::server::store_error(&e))?;
                let Some(entry) = entry else { return Err(StatusError::not_found(&resource, name)) };
                crate::stored::decode(&entry.value, entry.mod_revision).map_err(StatusError::internal)?
            }
        };
        if namespace.is_deleting() || namespace.str_at(&["status", "phase"]) == "Terminating" {
            let cause = format!("unable to create new content in namespace {name} because it is being terminated");
            let mut error = StatusError::forbidden(&write.kind.group_resource(), new.name(), &cause);
            let message = format!("namespace {name} is being terminated");
            error.causes.push(StatusCause { reason: "NamespaceTerminating".to_owned(), message, field: "metadata.namespace".to_owned() });
            return Err(error);
        }
        Ok(())
    }

    fn delete(&self, write: &Write<'_>, name: &str) -> Result<(), StatusError> {
        if write.kind.group.is_empty() && write.kind.resource == "namespaces" && IMMORTAL.contains(&name) {
            return Err(StatusError::forbidden(&write.kind.group_resource(), name, "this namespace may not be deleted"));
        }
        Ok(())
    }
}
