//! `Priority` (`kubernetes/plugin/pkg/admission/priority/admission.go`): a pod's class becomes a number, and only one class is
//! the default one.

use super::Step;
use super::pod::is_pod_create;
use crate::strategy::priority::SYSTEM;
use crate::write::Write;
use async_trait::async_trait;
use object::{Object, StatusError, Value, json};

pub struct Priority;

/// How stored JSON says it.
const MARK: &[u8] = b"\"globalDefault\":true";
const PREEMPT: &str = "PreemptLowerPriority";

#[async_trait]
impl Step for Priority {
    async fn mutate(&self, write: &Write<'_>, new: &mut Object, old: Option<&Object>) -> Result<(), StatusError> {
        if !is_pod_create(write, old) {
            return Ok(());
        }
        let refused = |cause: &str| Err(StatusError::forbidden(&write.kind.group_resource(), new.name(), cause));
        let mut name = new.str_at(&["spec", "priorityClassName"]).to_owned();
        let class = if name.is_empty() { default_class(write)? } else { class(write, &name).await? };
        let (mut priority, mut policy) = (0, PREEMPT.to_owned());
        match (&class, SYSTEM.iter().find(|(system, _)| *system == name)) {
            (Some(class), _) => {
                name = class.name().to_owned();
                priority = value_of(class);
                policy = Some(class.str_at(&["preemptionPolicy"])).filter(|p| !p.is_empty()).unwrap_or(PREEMPT).to_owned();
            }
            // Every cluster has the two classes of the system, also before they are made.
            (None, Some((_, value))) => priority = *value,
            (None, None) if !name.is_empty() => return refused(&format!("no PriorityClass with name {name} was found")),
            (None, None) => {}
        }
        if let Some(given) = new.at(&["spec", "priority"]).and_then(Value::as_i64).filter(|given| *given != priority) {
            return refused(&format!(
                "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller computed {priority} from the given PriorityClass name"
            ));
        }
        let given = new.str_at(&["spec", "preemptionPolicy"]).to_owned();
        if !given.is_empty() && given != policy {
            return refused(&format!(
                "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission controller computed {policy} from the given PriorityClass name"
            ));
        }
        if !name.is_empty() {
            new.set_at(&["spec", "priorityClassName"], json!(name));
        }
        new.set_at(&["spec", "priority"], json!(priority));
        new.set_at(&["spec", "preemptionPolicy"], json!(policy));
        Ok(())
    }

    async fn validate(&self, write: &Write<'_>, new: &Object, _: Option<&Object>) -> Result<(), StatusError> {
        let is_class = write.kind.group == "scheduling.k8s.io" && write.kind.resource == "priorityclasses";
        if !is_class || new.at(&["globalDefault"]) != Some(&Value::Bool(true)) {
            return Ok(());
        }
        write.call.shared.caches.current().await?;
        match default_class(write)?.filter(|default| default.name() != new.name()) {
            Some(default) => {
                let cause = format!("PriorityClass {} is already marked as default. Only one default can exist", default.name());
                Err(StatusError::forbidden(&write.kind.group_resource(), new.name(), &cause))
            }
            None => Ok(()),
        }
    }
}

fn value_of(class: &Object) -> i64 {
    class.at(&["value"]).and_then(Value::as_i64).unwrap_or(0)
}

async fn class(write: &Write<'_>, name: &str) -> Result<Option<Object>, StatusError> {
    let shared = &write.call.shared;
    let Some(row) = shared.registry.resource_by_name("scheduling.k8s.io", "v1", "priorityclasses") else { return Ok(None) };
    let cache = shared.caches.of(&row)?;
    if cache.get(name).is_none() {
        // It may have been made a moment ago.
        shared.caches.current().await?;
    }
    Ok(cache.get(name).map(|item| item.object()))
}

/// The default class of the least value: two can come from writes to two servers at once.
fn default_class(write: &Write<'_>) -> Result<Option<Object>, StatusError> {
    let shared = &write.call.shared;
    let Some(row) = shared.registry.resource_by_name("scheduling.k8s.io", "v1", "priorityclasses") else { return Ok(None) };
    let classes = shared.caches.of(&row)?.snapshot("", None, 0, |_| true).items;
    // Asked for every pod: what does not say so is not parsed.
    let says_so = |json: &[u8]| json.windows(MARK.len()).any(|window| window == MARK);
    let classes = classes.iter().filter(|item| says_so(&item.json)).map(|item| item.object());
    Ok(classes.filter(|class| class.at(&["globalDefault"]) == Some(&Value::Bool(true))).min_by_key(value_of))
}
