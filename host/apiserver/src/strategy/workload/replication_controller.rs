//! ReplicationControllers and PodTemplates: `pkg/apis/core/validation`, `pkg/registry/core/{replicationcontroller,podtemplate}`.

use super::replica_set::replica_status;
use super::*;
use crate::strategy::{Context, Propagation, Strategy};

pub struct ReplicationControllerStrategy;
pub struct PodTemplateStrategy;

impl Strategy for ReplicationControllerStrategy {
    fn prepare_create(&self, _: &Context, new: &mut Object) {
        new.set_at(&["status"], json!({ "replicas": 0 }));
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let (spec, at) = (spec(new), At::new("spec"));
        at.child("minReadySeconds").non_negative(errors, number(spec, "minReadySeconds"));
        let selector = spec.get("selector").and_then(Value::as_object).filter(|s| !s.is_empty());
        if selector.is_none() {
            at.child("selector").required(errors, "");
        }
        match number(spec, "replicas") {
            None => at.child("replicas").required(errors, ""),
            replicas => at.child("replicas").non_negative(errors, replicas),
        }
        let Some(template) = template(spec) else { return at.child("template").required(errors, "") };
        let labels = template.get("metadata").and_then(|m| m.get("labels"));
        if selector.is_some() && !LabelSelector::from_map(selector).matches(labels.and_then(Value::as_object)) {
            at.child("template.metadata.labels").invalid(errors, labels.cloned().unwrap_or_default(), MISMATCH);
        }
        valid_template(spec, &at, errors);
        runs_always(spec, "ReplicationController", &at, errors);
    }

    fn validate_status(&self, new: &Object, _: &Object, errors: &mut ErrorList) {
        replica_status(status(new), errors);
    }

    fn propagation(&self) -> Propagation {
        Propagation::Orphan
    }

    fn warnings(&self, new: &Object) -> Vec<String> {
        let template = warnings_of(template(spec(new)), "spec.template");
        name_warning(new).into_iter().chain(template).collect()
    }

    fn warnings_on_update(&self, new: &Object, old: &Object) -> Vec<String> {
        if changed(new, old) { warnings_of(template(spec(new)), "spec.template") } else { Vec::new() }
    }

    fn status_writes_metadata(&self) -> bool {
        true
    }
}

impl Strategy for PodTemplateStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let empty = json!({});
        pod_spec::template_at(new.at(&["template"]).unwrap_or(&empty), &At::new("template"), errors);
    }

    fn warnings(&self, new: &Object) -> Vec<String> {
        warnings_of(new.at(&["template"]), "template")
    }

    fn warnings_on_update(&self, new: &Object, old: &Object) -> Vec<String> {
        if new.at(&["template"]) != old.at(&["template"]) { self.warnings(new) } else { Vec::new() }
    }
}
