//! Jobs: `pkg/apis/batch/validation` ValidateJob, `pkg/registry/batch/job/strategy.go`.

mod indexes;
mod policy;
mod status;

use super::*;
use crate::strategy::pod_spec::words::domain_prefixed_path;
use crate::strategy::read::{flag, items};
use crate::strategy::{Context, Propagation, Strategy};

pub struct JobStrategy;

/// Labels by which a job finds its pods, the older names first.
const NAME_LABELS: [&str; 2] = ["job-name", "batch.kubernetes.io/job-name"];
const UID_LABELS: [&str; 2] = ["controller-uid", "batch.kubernetes.io/controller-uid"];

/// Pods of an indexed job at one time, and its failed indexes: they are kept as text in the status.
const INDEXED_PARALLELISM: i64 = 100_000;
const FAILED_INDEXES: i64 = 100_000;
/// Beyond this number of completions, limits per index need tighter ones.
const MANY_COMPLETIONS: i64 = 100_000;
const PARALLELISM_OF_MANY: i64 = 10_000;
const FAILED_INDEXES_OF_MANY: i64 = 10_000;
const MANAGED_BY_MAX: usize = 63;

impl Strategy for JobStrategy {
    fn prepare_create(&self, _: &Context, new: &mut Object) {
        new.set_at(&["status"], json!({}));
        if new.at(&["spec", "manualSelector"]).and_then(Value::as_bool) != Some(true) {
            generate_selector(new);
        }
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let (spec, at) = (spec(new), At::new("spec"));
        validate_spec(spec, &at, errors);
        match given(spec, "selector") {
            None => at.child("selector").required(errors, ""),
            Some(selector) => selector_at(selector, &at.child("selector"), errors),
        }
        matches_template(spec, None, &at, errors);
    }

    fn validate_create(&self, new: &Object, errors: &mut ErrorList) {
        generated(new, errors);
        let spec = spec(new);
        let last = number(spec, "completions").unwrap_or(0) - 1;
        if text(spec, "completionMode") == "Indexed" && last >= 0 {
            // The name of the last pod's host.
            let host = format!("{}-{last}", new.name());
            if !names::dns1123_label(&host).is_empty() {
                let detail = format!("will not able to create pod with invalid DNS label: {host}");
                At::new("metadata.name").invalid(errors, new.name(), &detail);
            }
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        completions(new, old, errors);
        immutable("selector", new, old, errors);
        template_update(new, old, errors);
        for field in ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"] {
            immutable(field, new, old, errors);
        }
    }

    fn validate_status(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        status::validate(new, old, errors);
    }

    fn propagation(&self) -> Propagation {
        Propagation::Orphan
    }

    fn warnings(&self, new: &Object) -> Vec<String> {
        name_warning(new).into_iter().chain(spec_warnings(spec(new), "spec")).collect()
    }

    fn warnings_on_update(&self, new: &Object, old: &Object) -> Vec<String> {
        if changed(new, old) { spec_warnings(spec(new), "spec") } else { Vec::new() }
    }

    fn status_writes_metadata(&self) -> bool {
        true
    }
}

/// `generateSelector`: by name for people, by UID so that no two jobs share a pod.
fn generate_selector(job: &mut Object) {
    let (name, uid) = (job.name().to_owned(), job.uid().to_owned());
    for (labels, value) in [(NAME_LABELS, &name), (UID_LABELS, &uid)] {
        for label in labels {
            let path = ["spec", "template", "metadata", "labels", label];
            if job.at(&path).is_none() {
                job.set_at(&path, json!(value));
            }
        }
    }
    let path = ["spec", "selector", "matchLabels", "batch.kubernetes.io/controller-uid"];
    if job.at(&path).is_none() {
        job.set_at(&path, json!(uid));
    }
    // A job without labels has its template's, which is a default upstream (`SetDefaults_Job`).
    if job.labels().is_none_or(object::Map::is_empty)
        && let Some(labels) = job.at(&["spec", "template", "metadata", "labels"]).cloned()
    {
        job.set_at(&["metadata", "labels"], labels);
    }
}

/// `validateGeneratedSelector`: labels of the client's own must not say otherwise.
fn generated(job: &Object, errors: &mut ErrorList) {
    let spec = spec(job);
    if flag(spec, "manualSelector") || given(spec, "selector").is_none() {
        return;
    }
    let labels = template(spec).and_then(|t| t.get("metadata")).and_then(|m| m.get("labels"));
    let at = At::new("spec.template.metadata.labels");
    for (label, value) in [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(kind, at)| {
        let (labels, value) = if kind == 0 { (UID_LABELS, job.uid()) } else { (NAME_LABELS, job.name()) };
        (labels.get(at).copied().unwrap_or_default(), value)
    }) {
        match labels.and_then(|l| l.get(label)).and_then(Value::as_str) {
            None => at.key(label).required(errors, &format!("must be '{value}'")),
            Some(found) if found != value => {
                at.key(label).invalid(errors, labels.cloned().unwrap_or_default(), &format!("must be '{value}'"));
            }
            Some(_) => {}
        }
    }
    let mut expected = object::Map::new();
    NAME_LABELS.iter().for_each(|label| drop(expected.insert((*label).to_owned(), json!(job.name()))));
    UID_LABELS.iter().for_each(|label| drop(expected.insert((*label).to_owned(), json!(job.uid()))));
    let selector = spec.get("selector").cloned().unwrap_or_default();
    if LabelSelector::from_value(&selector).is_ok_and(|s| !s.matches(Some(&expected))) {
        At::new("spec.selector").invalid(errors, selector, "`selector` not auto-generated");
    }
}

/// `validateJobSpec`: of jobs and of their templates.
pub(super) fn validate_spec(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let of = |field: &str| number(spec, field);
    for field in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        at.child(field).non_negative(errors, of(field));
    }
    if of("maxFailedIndexes").is_some() && of("backoffLimitPerIndex").is_none() {
        at.child("backoffLimitPerIndex").required(errors, "when maxFailedIndexes is specified");
    }
    if let Some(manager) = spec.get("managedBy").and_then(Value::as_str) {
        domain_prefixed_path(manager, &at.child("managedBy"), errors);
        if manager.len() > MANAGED_BY_MAX {
            at.child("managedBy").too_long(errors, MANAGED_BY_MAX);
        }
    }
    let mode = spec.get("completionMode").and_then(Value::as_str);
    at.child("completionMode").one_of_given(errors, mode, &["NonIndexed", "Indexed"]);
    match mode {
        Some("Indexed") => indexed(spec, at, errors),
        None | Some("NonIndexed") => {
            for field in ["backoffLimitPerIndex", "maxFailedIndexes"] {
                if let Some(value) = of(field) {
                    at.child(field).invalid(errors, value, "requires indexed completion mode");
                }
            }
        }
        Some(_) => {}
    }
    if let Some(found) = given(spec, "podFailurePolicy") {
        policy::failure(spec, found, &at.child("podFailurePolicy"), errors);
    }
    if let Some(found) = given(spec, "successPolicy") {
        let at = at.child("successPolicy");
        if mode == Some("Indexed") {
            policy::success(spec, found, &at, errors);
        } else {
            at.invalid(errors, found.clone(), "requires indexed completion mode");
        }
    }
    if let Some(replacement) = spec.get("podReplacementPolicy").and_then(Value::as_str) {
        let allowed: &[&str] = if given(spec, "podFailurePolicy").is_some() { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
        at.child("podReplacementPolicy").one_of_given(errors, Some(replacement), allowed);
    }
    valid_template(spec, at, errors);
    let place = at.child("template.spec.restartPolicy");
    match text(pod_of(spec), "restartPolicy") {
        "" | "Always" => place.required(errors, "valid values: \"OnFailure\", \"Never\""),
        "OnFailure" if given(spec, "podFailurePolicy").is_some() => {
            place.invalid(errors, "OnFailure", "only \"Never\" is supported when podFailurePolicy is specified");
        }
        "OnFailure" | "Never" => {}
        other => place.not_supported(errors, other, &["OnFailure", "Never"]),
    }
}

fn indexed(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let of = |field: &str| number(spec, field);
    let (parallelism, completions, failed) = (of("parallelism"), of("completions"), of("maxFailedIndexes"));
    if completions.is_none() {
        at.child("completions").required(errors, "when completion mode is Indexed");
    }
    let at_parallelism = at.child("parallelism");
    if let Some(value) = parallelism.filter(|p| *p > INDEXED_PARALLELISM) {
        let detail = format!("must be less than or equal to {INDEXED_PARALLELISM} when completion mode is Indexed");
        at_parallelism.invalid(errors, value, &detail);
    }
    let at_failed = at.child("maxFailedIndexes");
    if let (Some(failed), Some(completions)) = (failed, completions)
        && failed > completions
    {
        at_failed.invalid(errors, failed, "must be less than or equal to completions");
    }
    if let Some(value) = failed.filter(|f| *f > FAILED_INDEXES) {
        at_failed.invalid(errors, value, &format!("must be less than or equal to {FAILED_INDEXES}"));
    }
    if completions.is_none_or(|c| c <= MANY_COMPLETIONS) || of("backoffLimitPerIndex").is_none() {
        return;
    }
    let many = format!("when completions are above {MANY_COMPLETIONS} and used with backoff limit per index");
    if failed.is_none() {
        at_failed.required(errors, &format!("must be specified when completions is above {MANY_COMPLETIONS}"));
    }
    if let Some(value) = parallelism.filter(|p| *p > PARALLELISM_OF_MANY) {
        at_parallelism.invalid(errors, value, &format!("must be less than or equal to {PARALLELISM_OF_MANY} {many}"));
    }
    if let Some(value) = failed.filter(|f| *f > FAILED_INDEXES_OF_MANY) {
        at_failed.invalid(errors, value, &format!("must be less than or equal to {FAILED_INDEXES_OF_MANY} {many}"));
    }
}

/// `validateCompletions`: indexed jobs scale by both numbers at once (KEP-3715).
fn completions(new: &Object, old: &Object, errors: &mut ErrorList) {
    let (spec, before) = (spec(new), spec(old));
    if text(spec, "completionMode") != "Indexed" {
        return immutable("completions", new, old, errors);
    }
    let now = number(spec, "completions");
    if now.is_some() && now != number(before, "completions") && now != number(spec, "parallelism") {
        let detail = "can only be modified in tandem with spec.parallelism";
        At::new("spec.completions").invalid(errors, now.unwrap_or(0), detail);
    }
}

/// Whether nothing of the job runs: suspended before, without pods, and never begun or told to be suspended (KEP-5440).
fn is_idle(old: &Object) -> bool {
    let status = status_of(old);
    let told = || items(status, "conditions").any(|(_, c)| text(c, "type") == "Suspended" && text(c, "status") == "True");
    flag(spec(old), "suspend") && number(status, "active").unwrap_or(0) == 0 && (given(status, "startTime").is_none() || told())
}

/// What containers of the same names have.
fn take_resources(was: &mut Value, now: &Value) {
    for list in ["containers", "initContainers"] {
        let now: Vec<&Value> = items(now, list).map(|(_, c)| c).collect();
        let Some(old) = was.get_mut(list).and_then(Value::as_array_mut).filter(|old| old.len() == now.len()) else { continue };
        for (container, new) in old.iter_mut().zip(now).filter(|(old, new)| old.get("name") == new.get("name")) {
            let Some(fields) = container.as_object_mut() else { continue };
            match new.get("resources") {
                Some(resources) => fields.insert("resources".to_owned(), resources.clone()),
                None => fields.remove("resources"),
            };
        }
    }
}

/// `validatePodTemplateUpdate`: where pods go and what they have may change while nothing runs (KEP-2926, KEP-5440).
fn template_update(new: &Object, old: &Object, errors: &mut ErrorList) {
    let (spec, before) = (spec(new), spec(old));
    let now = spec.get("template").cloned().unwrap_or_default();
    let mut was = before.get("template").cloned().unwrap_or_default();
    let idle = is_idle(old);
    if idle {
        let take = |was: &mut Value, parent: &[&str], field: &str| {
            let value = parent.iter().try_fold(&now, |v, name| v.get(*name)).and_then(|v| v.get(field)).cloned();
            let mut slot = Some(was);
            for name in parent {
                slot = slot.and_then(|s| s.as_object_mut()).map(|map| map.entry(*name).or_insert_with(|| json!({})));
            }
            if let Some(map) = slot.and_then(Value::as_object_mut) {
                match value {
                    Some(value) => map.insert(field.to_owned(), value),
                    None => map.remove(field),
                };
            }
        };
        take(&mut was, &["spec", "affinity"], "nodeAffinity");
        for field in ["nodeSelector", "tolerations", "schedulingGates"] {
            take(&mut was, &["spec"], field);
        }
        let pod = now.get("spec").cloned().unwrap_or_default();
        if let Some(was) = was.get_mut("spec") {
            take_resources(was, &pod);
        }
        if !same(Some(&pod), was.get("spec")) {
            At::new("spec.template.spec").invalid(errors, pod, "field is immutable");
        }
    } else if !same(Some(&now), Some(&was)) {
        At::new("spec.template").invalid(errors, now, "field is immutable");
    }
}

fn status_of(job: &Object) -> &Value {
    super::status(job)
}

/// Of the specification of jobs and of their templates.
pub(super) fn spec_warnings(spec: &Value, path: &str) -> Vec<String> {
    let mut told = Vec::new();
    let many =
        number(spec, "completions").unwrap_or(0) > MANY_COMPLETIONS && number(spec, "parallelism").unwrap_or(0) > PARALLELISM_OF_MANY;
    if text(spec, "completionMode") == "Indexed" && many {
        let warning = "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might \
                       not be able to track completedIndexes when a big number of indexes fail";
        told.push(format!("{path}.completions: {warning}"));
    }
    told.extend(warnings_of(template(spec), &format!("{path}.template")));
    told
}

/// Names of the containers that exit codes can be of.
fn container_names(spec: &Value) -> Vec<&str> {
    let pod = pod_of(spec);
    ["containers", "initContainers"].into_iter().flat_map(|list| items(pod, list)).map(|(_, c)| text(c, "name")).collect()
}
