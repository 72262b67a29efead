//! `pods/ephemeralcontainers`: containers for debugging, only ever added (`ValidatePodEphemeralContainersUpdate`).

use super::annotations;
use super::difference::{same, unified};
use crate::strategy::at::At;
use crate::strategy::read::{items, text};
use object::field::ErrorList;
use object::{Object, Value};

const MIRROR: &str = "kubernetes.io/config.mirror";

/// Everything but the containers of this kind stays (`dropNonEphemeralContainerUpdates`).
pub fn prepare(new: &mut Object, old: &Object) {
    let mut pod = old.clone();
    super::resize::keep_managers(&mut pod, new);
    match new.remove_at(&["spec", "ephemeralContainers"]) {
        Some(containers) => pod.set_at(&["spec", "ephemeralContainers"], containers),
        None => {
            pod.remove_at(&["spec", "ephemeralContainers"]);
        }
    }
    *new = pod;
}

pub fn validate(new: &Object, old: &Object, errors: &mut ErrorList) {
    if annotations(old).is_some_and(|a| a.contains_key(MIRROR)) {
        return At::new("").forbidden(errors, "static pods do not support ephemeral containers");
    }
    let at = At::new("spec.ephemeralContainers");
    let empty = Value::Null;
    let (spec, before) = (new.at(&["spec"]).unwrap_or(&empty), old.at(&["spec"]).unwrap_or(&empty));
    for (_, was) in items(before, "ephemeralContainers") {
        let name = text(was, "name");
        match items(spec, "ephemeralContainers").map(|(_, c)| c).filter(|c| text(*c, "name") == name).last() {
            None => at.forbidden(errors, &format!("existing ephemeral containers {name:?} may not be removed\n")),
            Some(is) if !same(Some(is), Some(was)) => {
                let told = unified(was, is);
                at.forbidden(errors, &format!("existing ephemeral containers {name:?} may not be changed\n{told}"));
            }
            Some(_) => {}
        }
    }
}
