//! How many pods of which set: pure, by `pkg/controller/deployment/util/deployment_util.go`.

use super::Rollout;
use crate::view::{int, opt_int};
use object::{Object, Value, json};
use std::sync::Arc;

/// What a set's deployment wanted when the set was last sized.
pub(super) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
/// The same with surge.
pub(super) const MAX: &str = "deployment.kubernetes.io/max-replicas";

/// `spec.replicas` of a deployment or set.
pub(super) fn replicas(object: &Object) -> i64 {
    opt_int(object, &["spec", "replicas"]).unwrap_or(1)
}

pub(super) fn available(set: &Object) -> i64 {
    int(set, &["status", "availableReplicas"])
}

pub(super) fn total(sets: &[Arc<Object>]) -> i64 {
    sets.iter().map(|s| replicas(s)).sum()
}

pub(super) fn total_available(sets: &[Arc<Object>]) -> i64 {
    sets.iter().map(|s| available(s)).sum()
}

/// Nothing runs, is wanted, or may have been decided since the set's status was written.
pub(super) fn is_empty(set: &Object) -> bool {
    replicas(set) == 0 && int(set, &["status", "replicas"]) == 0 && set.generation() <= int(set, &["status", "observedGeneration"])
}

pub(super) fn is_rolling(deployment: &Object) -> bool {
    deployment.str_at(&["spec", "strategy", "type"]) != "Recreate"
}

/// A number or a percentage of `of`.
fn scaled(value: Option<&Value>, of: i64, round_up: bool) -> i64 {
    match value {
        Some(Value::Number(n)) => n.as_i64().unwrap_or_default(),
        Some(Value::String(text)) => {
            let percent: i64 = text.strip_suffix('%').and_then(|p| p.parse().ok()).unwrap_or_default();
            let product = percent.saturating_mul(of);
            if round_up { (product + 99).div_euclid(100) } else { product.div_euclid(100) }
        }
        _ => 0,
    }
}

/// (surge, unavailable): both cannot be zero, else nothing could move (`ResolveFenceposts`).
fn fences(deployment: &Object) -> (i64, i64) {
    let wanted = replicas(deployment);
    let part = |name| deployment.at(&["spec", "strategy", "rollingUpdate", name]);
    let surge = scaled(part("maxSurge"), wanted, true);
    let unavailable = scaled(part("maxUnavailable"), wanted, false);
    if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
}

/// Pods allowed above `spec.replicas`.
pub(super) fn max_surge(deployment: &Object) -> i64 {
    if is_rolling(deployment) { fences(deployment).0 } else { 0 }
}

/// Pods that may be missing from `spec.replicas`.
pub(super) fn max_unavailable(deployment: &Object) -> i64 {
    if !is_rolling(deployment) || replicas(deployment) == 0 {
        return 0;
    }
    fences(deployment).1.min(replicas(deployment))
}

/// The size that the new set may have now (`NewRSNewReplicas`).
pub(super) fn new_size(deployment: &Object, all: &[Arc<Object>], new_now: i64) -> i64 {
    if !is_rolling(deployment) {
        return replicas(deployment);
    }
    let room = replicas(deployment) + max_surge(deployment) - total(all);
    if room <= 0 { new_now } else { new_now + room.min(replicas(deployment) - new_now) }
}

fn noted(set: &Object, annotation: &str) -> Option<i64> {
    set.annotation(annotation)?.parse().ok()
}

/// Notes on a set what its deployment wants.
pub(super) fn annotate_sizes(set: &mut Object, deployment: &Object) {
    let wanted = replicas(deployment);
    let sizes = [(DESIRED, wanted), (MAX, wanted + max_surge(deployment))];
    for (annotation, size) in sizes {
        if noted(set, annotation) != Some(size) {
            set.set_at(&["metadata", "annotations", annotation], json!(size.to_string()));
        }
    }
}

/// Whether the deployment was resized since its sets were last sized (`isScalingEvent`).
pub(super) fn is_scaling(rollout: &Rollout) -> bool {
    let wanted = replicas(&rollout.deployment);
    let active = rollout.all().into_iter().filter(|s| replicas(s) > 0);
    active.filter_map(|s| noted(&s, DESIRED)).any(|noted| noted != wanted)
}

/// Whether the new set has all pods the deployment wants (`IsSaturated`).
pub(super) fn is_saturated(deployment: &Object, new: Option<&Arc<Object>>) -> bool {
    let wanted = replicas(deployment);
    new.is_some_and(|n| replicas(n) == wanted && noted(n, DESIRED) == Some(wanted) && available(n) == wanted)
}

/// New sizes of active sets when a deployment is resized in the middle of a rollout: each takes its share
/// (`GetReplicaSetProportion`). The sets come in the order in which they take.
pub(super) fn proportional(deployment: &Object, active: &[Arc<Object>]) -> Vec<(Arc<Object>, i64)> {
    let wanted = replicas(deployment);
    let allowed = if wanted > 0 { wanted + max_surge(deployment) } else { 0 };
    let to_add = allowed - total(active);
    let mut order: Vec<Arc<Object>> = active.to_vec();
    // Bigger sets take first; among equals the newer when growing, the older when shrinking.
    order.sort_by(|a, b| {
        let age = created(a).cmp(&created(b));
        replicas(b).cmp(&replicas(a)).then(if to_add > 0 { age.reverse() } else { age })
    });
    let mut added = 0;
    let mut sizes: Vec<(Arc<Object>, i64)> = Vec::new();
    for set in order {
        let share = if to_add == 0 { 0 } else { share(&set, deployment, to_add, added) };
        added += share;
        sizes.push((set.clone(), replicas(&set) + share));
    }
    // What rounding left over goes to the biggest.
    if let Some((_, size)) = sizes.first_mut() {
        *size = (*size + to_add - added).max(0);
    }
    sizes
}

fn share(set: &Object, deployment: &Object, to_add: i64, added: i64) -> i64 {
    if replicas(set) == 0 || to_add == added {
        return 0;
    }
    let fraction = fraction(set, deployment);
    let left = to_add - added;
    if to_add > 0 { fraction.min(left) } else { fraction.max(left) }
}

/// How much the set would change by were it alone with its old share (`getReplicaSetFraction`).
fn fraction(set: &Object, deployment: &Object) -> i64 {
    let wanted = replicas(deployment);
    if wanted == 0 {
        return -replicas(set);
    }
    let max_now = wanted + max_surge(deployment);
    let max_before = noted(set, MAX).filter(|m| *m > 0).unwrap_or_else(|| int(deployment, &["status", "replicas"]));
    if max_before <= 0 {
        return 0;
    }
    // Rounded half away from zero, as upstream rounds.
    let size = (2 * replicas(set) * max_now + max_before).div_euclid(2 * max_before);
    size - replicas(set)
}

/// Creation order, names deciding among equals.
pub(super) fn created(set: &Object) -> (String, String) {
    (set.str_at(&["metadata", "creationTimestamp"]).to_owned(), set.name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(replicas: i64, surge: Value, unavailable: Value) -> Object {
        let spec = json!({"replicas": replicas, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}});
        Object::from_value(json!({"spec": spec})).unwrap()
    }

    fn set(name: &str, replicas: i64, max: i64) -> Arc<Object> {
        let annotations = json!({DESIRED: "10", MAX: max.to_string()});
        let metadata = json!({"name": name, "creationTimestamp": name, "annotations": annotations});
        Arc::new(Object::from_value(json!({"metadata": metadata, "spec": {"replicas": replicas}})).unwrap())
    }

    #[test]
    fn fences_round_apart() {
        let check = |replicas, surge: Value, unavailable: Value, expect| {
            let d = deployment(replicas, surge, unavailable);
            assert_eq!((max_surge(&d), max_unavailable(&d)), expect);
        };
        check(3, json!("25%"), json!("25%"), (1, 0));
        check(10, json!("25%"), json!("25%"), (3, 2));
        check(10, json!(0), json!(0), (0, 1));
        check(1, json!(0), json!("25%"), (0, 1));
        check(2, json!(5), json!(7), (5, 2));
        check(0, json!("25%"), json!("25%"), (0, 0));
        check(0, json!(1), json!(1), (1, 0));
    }

    #[test]
    fn the_new_set_grows_into_the_room() {
        let d = deployment(10, json!(3), json!(2));
        let check = |old: i64, new: i64, expect: i64| assert_eq!(new_size(&d, &[set("o", old, 13), set("n", new, 13)], new), expect);
        check(10, 0, 3);
        check(8, 3, 5);
        check(13, 0, 0);
        check(0, 0, 10);
    }

    #[test]
    fn resizing_is_shared_in_proportion() {
        let check = |wanted: i64, sizes: &[i64], max: i64, expect: &[i64]| {
            let d = deployment(wanted, json!(0), json!(1));
            let names = ["a", "b", "c"];
            let sets: Vec<_> = sizes.iter().zip(names).map(|(size, name)| set(name, *size, max)).collect();
            let mut got = proportional(&d, &sets);
            got.sort_by_key(|(s, _)| s.name().to_owned());
            assert_eq!(got.iter().map(|(_, size)| *size).collect::<Vec<_>>(), expect, "{sizes:?} to {wanted}");
        };
        // Cases of upstream's TestScale.
        check(10, &[8], 10, &[10]);
        check(12, &[6, 4], 10, &[7, 5]);
        check(8, &[5, 5], 10, &[4, 4]);
        check(20, &[5, 5], 10, &[10, 10]);
        check(0, &[5, 5], 10, &[0, 0]);
        check(3, &[5, 5, 5], 15, &[1, 1, 1]);
    }
}
