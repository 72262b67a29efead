//! `RuntimeClass` (`kubernetes/plugin/pkg/admission/runtimeclass/admission.go`): the class must exist; its overhead, node
//! selector and tolerations become the pod's.

use super::Step;
use super::pod::is_pod_create;
use crate::write::Write;
use async_trait::async_trait;
use object::{Object, StatusError, Value};

pub struct RuntimeClass;

#[async_trait]
impl Step for RuntimeClass {
    async fn mutate(&self, write: &Write<'_>, new: &mut Object, old: Option<&Object>) -> Result<(), StatusError> {
        let name = new.str_at(&["spec", "runtimeClassName"]).to_owned();
        if !is_pod_create(write, old) || name.is_empty() {
            return Ok(());
        }
        let shared = &write.call.shared;
        let refuse = |cause: String| StatusError::forbidden(&write.kind.group_resource(), new.name(), &cause);
        let Some(row) = shared.registry.resource_by_name("node.k8s.io", "v1", "runtimeclasses") else { return Ok(()) };
        shared.caches.current().await?;
        let class = shared.caches.of(&row)?.get(&name);
        let class = class.ok_or_else(|| refuse(format!("pod rejected: RuntimeClass \"{name}\" not found")))?.object();
        if let Some(overhead) = class.at(&["overhead", "podFixed"]) {
            match new.at(&["spec", "overhead"]) {
                Some(given) if given != overhead => {
                    return Err(refuse("pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead".to_owned()));
                }
                _ => new.set_at(&["spec", "overhead"], overhead.clone()),
            }
        }
        for (key, value) in class.at(&["scheduling", "nodeSelector"]).and_then(Value::as_object).into_iter().flatten() {
            if let Some(given) = new.at(&["spec", "nodeSelector", key]).filter(|given| *given != value) {
                return Err(StatusError::forbidden(
                    &write.kind.group_resource(),
                    new.name(),
                    &format!("conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}] = {given}"),
                ));
            }
            new.set_at(&["spec", "nodeSelector", key], value.clone());
        }
        let class_tolerations = class.at(&["scheduling", "tolerations"]).and_then(Value::as_array);
        if let Some(more) = class_tolerations.filter(|t| !t.is_empty()) {
            let mut tolerations = new.at(&["spec", "tolerations"]).and_then(Value::as_array).cloned().unwrap_or_default();
            tolerations.extend(more.iter().filter(|t| !tolerations.contains(t)).cloned().collect::<Vec<_>>());
            new.set_at(&["spec", "tolerations"], Value::Array(tolerations));
        }
        Ok(())
    }
}
