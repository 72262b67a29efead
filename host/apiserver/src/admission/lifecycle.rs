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
        // What was committed before this request is seen: a namespace that ends takes nothing more.
        shared.caches.current().await?;
        let Some(namespace) = shared.caches.of(&row)?.get(name) else { return Err(StatusError::not_found(&resource, name)) };
        if namespace.facts(&row).field(&row, "status.phase").as_deref() == Some("Terminating") {
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
