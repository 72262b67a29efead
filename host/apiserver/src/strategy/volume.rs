//! PersistentVolumes and their claims (`pkg/registry/core/persistentvolume/strategy.go`,
//! `pkg/registry/core/persistentvolumeclaim/strategy.go`, `pkg/apis/core/validation/validation.go`).

mod claim;
mod source;

pub use source::inline;

use super::{Context, Strategy};
use object::field::ErrorList;
use object::{Object, Value, json};

pub struct VolumeStrategy;
pub struct ClaimStrategy;

impl Strategy for VolumeStrategy {
    fn prepare_create(&self, _: &Context, new: &mut Object) {
        new.set_at(&["status"], json!({ "phase": "Pending", "lastPhaseTransitionTime": object::time::now() }));
    }

    fn prepare_update(&self, context: &Context, new: &mut Object, old: &Object) {
        let (phase, time) = (["status", "phase"], ["status", "lastPhaseTransitionTime"]);
        let untold = new.at(&time).is_none_or(Value::is_null) || new.at(&time) == old.at(&time);
        if context.subresource == Some("status") && new.at(&phase) != old.at(&phase) && untold {
            new.set_at(&time, json!(object::time::now()));
        }
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        source::validate(new, errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        source::validate_update(new, old, errors);
    }

    /// `pkg/api/persistentvolume/util.go`.
    fn warnings(&self, new: &Object) -> Vec<String> {
        let mut told = annotated_class(new);
        if new.str_at(&["spec", "persistentVolumeReclaimPolicy"]) == "Recycle" {
            let instead = "Instead, the recommended approach is to use dynamic provisioning.";
            told.push(format!("spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. {instead}"));
        }
        told
    }

    fn status_writes_metadata(&self) -> bool {
        true
    }
}

impl Strategy for ClaimStrategy {
    fn prepare_create(&self, _: &Context, new: &mut Object) {
        new.set_at(&["status"], json!({ "phase": "Pending" }));
        if new.at(&["spec", "dataSourceRef"]).is_none_or(Value::is_null) && !is_claim_or_snapshot(new.at(&["spec", "dataSource"])) {
            // Other sources were ignored before there was a reference for them, and still are.
            new.remove_at(&["spec", "dataSource"]);
        }
        join_sources(new);
    }

    fn prepare_update(&self, context: &Context, new: &mut Object, _: &Object) {
        if context.subresource.is_none() {
            join_sources(new);
        }
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        claim::validate(new, errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        claim::validate_update(new, old, errors);
    }

    fn validate_status(&self, new: &Object, _: &Object, errors: &mut ErrorList) {
        claim::validate_status(new, errors);
    }

    /// `pkg/api/persistentvolumeclaim/util.go`.
    fn warnings(&self, new: &Object) -> Vec<String> {
        annotated_class(new)
    }

    fn status_writes_metadata(&self) -> bool {
        true
    }
}

fn annotated_class(object: &Object) -> Vec<String> {
    let annotation = "volume.beta.kubernetes.io/storage-class";
    let told = format!("metadata.annotations[{annotation}]: deprecated since v1.8; use \"storageClassName\" attribute instead");
    object.annotation(annotation).map(|_| told).into_iter().collect()
}

fn is_claim_or_snapshot(source: Option<&Value>) -> bool {
    let Some(source) = source else { return true };
    let text = |field: &str| source.get(field).and_then(Value::as_str).unwrap_or_default();
    matches!((text("apiGroup"), text("kind")), ("", "PersistentVolumeClaim") | ("snapshot.storage.k8s.io", "VolumeSnapshot"))
}

/// Each of the two fields says what the other does (`NormalizeDataSources`), unless the source lies in another namespace.
fn join_sources(claim: &mut Object) {
    let given = |claim: &Object, field: &str| claim.at(&["spec", field]).filter(|v| v.is_object()).cloned();
    match (given(claim, "dataSource"), given(claim, "dataSourceRef")) {
        (Some(source), None) => claim.set_at(&["spec", "dataSourceRef"], source),
        (None, Some(mut source)) if source.get("namespace").and_then(Value::as_str).unwrap_or_default().is_empty() => {
            source.as_object_mut().map(|s| s.remove("namespace"));
            claim.set_at(&["spec", "dataSource"], source);
        }
        _ => {}
    }
}
