//! `NodeRestriction` (`kubernetes/plugin/pkg/admission/noderestriction/admission.go`): what the node authorizer cannot see. A
//! node's agent writes its own Node, its own lease, and the status of pods on its node.
//!
//! Weaker than upstream: of labels, only those below `node-restriction.kubernetes.io` are held back; upstream also holds back
//! most others below `kubernetes.io`.

use super::Step;
use crate::write::Write;
use async_trait::async_trait;
use object::{Object, StatusError};

const MIRROR: &str = "kubernetes.io/config.mirror";
const RESTRICTED: &str = "node-restriction.kubernetes.io/";

pub struct NodeRestriction;

#[async_trait]
impl Step for NodeRestriction {
    async fn validate(&self, write: &Write<'_>, new: &Object, old: Option<&Object>) -> Result<(), StatusError> {
        let Some(node) = write.call.user.node() else { return Ok(()) };
        let checked = match (write.kind.group.as_str(), write.kind.resource.as_str()) {
            ("", "pods") => pod(write, node, new, old),
            ("", "nodes") => own_node(node, new, old),
            ("coordination.k8s.io", "leases") if new.name() != node => {
                Err("can only access node lease with the same name as the requesting node".to_owned())
            }
            ("storage.k8s.io", "csinodes") if new.name() != node => {
                Err("can only access CSINode with the same name as the requesting node".to_owned())
            }
            ("resource.k8s.io", "resourceslices") if new.str_at(&["spec", "nodeName"]) != node => {
                Err("can only create ResourceSlice with the same NodeName as the requesting node".to_owned())
            }
            _ => Ok(()),
        };
        checked.map_err(|cause| StatusError::forbidden(&write.kind.group_resource(), new.name(), &cause))
    }

    fn delete(&self, write: &Write<'_>, name: &str) -> Result<(), StatusError> {
        let Some(node) = write.call.user.node() else { return Ok(()) };
        if !write.kind.group.is_empty() || write.kind.resource != "pods" {
            return Ok(());
        }
        // Nothing is held back of a pod that is not there: the delete tells so.
        let pod = crate::auth::find_core(&write.call.shared, "pods", &write.call.info.namespace, name);
        if pod.is_some_and(|pod| pod.str_at(&["spec", "nodeName"]) != node) {
            let cause = format!("node \"{node}\" can only delete pods with spec.nodeName set to itself");
            return Err(StatusError::forbidden(&write.kind.group_resource(), name, &cause));
        }
        Ok(())
    }
}

fn pod(write: &Write<'_>, node: &str, new: &Object, old: Option<&Object>) -> Result<(), String> {
    let own = |pod: &Object| pod.str_at(&["spec", "nodeName"]) == node;
    match (write.subresource.as_deref(), old) {
        (None, None) => {
            if new.annotation(MIRROR).is_none() {
                return Err(format!("pod does not have \"{MIRROR}\" annotation, node \"{node}\" can only create mirror pods"));
            }
            if !own(new) {
                return Err(format!("node \"{node}\" can only create pods with spec.nodeName set to itself"));
            }
            Ok(())
        }
        (Some("status"), Some(old)) if !own(old) => {
            Err(format!("node \"{node}\" can only update pod status for pods with spec.nodeName set to itself"))
        }
        (Some("status"), Some(old)) if new.labels() != old.labels() => {
            Err(format!("node \"{node}\" cannot update labels through pod status"))
        }
        _ => Ok(()),
    }
}

fn own_node(node: &str, new: &Object, old: Option<&Object>) -> Result<(), String> {
    if new.name() != node {
        return Err(format!("node \"{node}\" is not allowed to modify node \"{}\"", new.name()));
    }
    let restricted = |object: &Object| {
        let labels = object.labels().into_iter().flatten().filter(|(key, _)| key.contains(RESTRICTED));
        labels.map(|(key, value)| (key.clone(), value.clone())).collect::<Vec<_>>()
    };
    let before = old.map(restricted).unwrap_or_default();
    let changed: Vec<String> = restricted(new).into_iter().filter(|label| !before.contains(label)).map(|(key, _)| key).collect();
    if !changed.is_empty() {
        return Err(format!("is not allowed to set the following labels: {}", changed.join(", ")));
    }
    if old.is_some_and(|old| old.at(&["spec", "taints"]) != new.at(&["spec", "taints"])) {
        return Err(format!("node \"{node}\" is not allowed to modify taints"));
    }
    Ok(())
}
