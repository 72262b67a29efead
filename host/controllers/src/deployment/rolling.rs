//! One step of a rolling update: `pkg/controller/deployment/rolling.go`.

use super::{Deployments, Rollout, numbers};
use crate::error::Error;
use object::Object;
use std::sync::Arc;

impl Deployments {
    /// Grows the new set as far as the surge allows; tells whether it changed.
    pub(super) async fn grow_new(&self, rollout: &mut Rollout) -> Result<bool, Error> {
        let Some(new) = rollout.new.clone() else { return Ok(false) };
        let (wanted, now) = (numbers::replicas(&rollout.deployment), numbers::replicas(&new));
        if now == wanted {
            return Ok(false);
        }
        let size = if now > wanted { wanted } else { numbers::new_size(&rollout.deployment, &rollout.all(), now) };
        let (set, moved) = self.resize(&rollout.deployment, &new, size).await?;
        rollout.new = Some(set);
        Ok(moved)
    }

    /// Shrinks old sets as far as enough pods stay available; tells whether one changed.
    pub(super) async fn shrink_old(&self, rollout: &mut Rollout) -> Result<bool, Error> {
        let Some(new) = rollout.new.clone() else { return Ok(false) };
        let sizes = old_sizes(&rollout.deployment, &new, &rollout.old);
        self.resize_all(rollout, sizes).await
    }

    pub(super) async fn shrink_old_to_zero(&self, rollout: &mut Rollout) -> Result<bool, Error> {
        let active = rollout.old.iter().filter(|s| numbers::replicas(s) > 0);
        let sizes = active.map(|s| (s.clone(), 0)).collect();
        self.resize_all(rollout, sizes).await
    }

    pub(super) async fn resize_all(&self, rollout: &mut Rollout, sizes: Vec<(Arc<Object>, i64)>) -> Result<bool, Error> {
        let mut moved = false;
        for (set, size) in sizes {
            let (written, changed) = self.resize(&rollout.deployment, &set, size).await?;
            rollout.replace(written);
            moved |= changed;
        }
        Ok(moved)
    }
}

/// New sizes of old sets: first those pods go that are not available anyway, then what the availability allows
/// (`reconcileOldReplicaSets`).
fn old_sizes(deployment: &Object, new: &Arc<Object>, old: &[Arc<Object>]) -> Vec<(Arc<Object>, i64)> {
    let mut sizes: Vec<(Arc<Object>, i64)> =
        old.iter().filter(|s| numbers::replicas(s) > 0).map(|s| (s.clone(), numbers::replicas(s))).collect();
    if sizes.is_empty() {
        return sizes;
    }
    sizes.sort_by_key(|(set, _)| numbers::created(set));
    let min_available = numbers::replicas(deployment) - numbers::max_unavailable(deployment);
    let old_total: i64 = sizes.iter().map(|(_, size)| size).sum();
    let new_missing = numbers::replicas(new) - numbers::available(new);
    let mut may_go = old_total + numbers::replicas(new) - min_available - new_missing;
    if may_go <= 0 {
        return Vec::new();
    }
    for (set, size) in &mut sizes {
        let gone = (*size - numbers::available(set)).clamp(0, may_go);
        *size -= gone;
        may_go -= gone;
    }
    let mut spare = numbers::total_available(old) + numbers::available(new) - min_available;
    for (_, size) in &mut sizes {
        let gone = (*size).min(spare).max(0);
        *size -= gone;
        spare -= gone;
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn old_sets_shrink_as_availability_allows() {
        let set = |name: &str, replicas: i64, available: i64| {
            let status = json!({"availableReplicas": available});
            Arc::new(Object::from_value(json!({"metadata": {"name": name}, "spec": {"replicas": replicas}, "status": status})).unwrap())
        };
        let check = |surge: i64, unavailable: i64, new: (i64, i64), old: &[(i64, i64)], expect: &[i64]| {
            let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}});
            let d = Object::from_value(json!({"spec": {"replicas": 10, "strategy": strategy}})).unwrap();
            let old: Vec<_> = old.iter().enumerate().map(|(at, (r, a))| set(&format!("o{at}"), *r, *a)).collect();
            let got: Vec<i64> = old_sizes(&d, &set("new", new.0, new.1), &old).into_iter().map(|(_, size)| size).collect();
            assert_eq!(got, expect);
        };
        // Nothing available may go while the new pods are not up.
        check(2, 0, (2, 0), &[(10, 10)], &[]);
        check(2, 0, (2, 2), &[(10, 10)], &[8]);
        check(0, 2, (0, 0), &[(10, 10)], &[8]);
        // Broken old pods go first.
        check(0, 2, (0, 0), &[(10, 8)], &[8]);
        check(0, 3, (0, 0), &[(5, 5), (5, 4)], &[3, 4]);
        check(0, 10, (10, 10), &[(3, 3)], &[0]);
        check(0, 10, (10, 10), &[], &[]);
    }
}
