//! Resizing without a rollout: `scale` of `pkg/controller/deployment/sync.go`.

use super::{Deployments, Rollout, numbers};
use crate::error::Error;
use object::Object;
use std::sync::Arc;

impl Deployments {
    /// One active set takes the whole size; in the middle of a rollout each takes its share.
    pub(super) async fn scale(&self, rollout: &mut Rollout) -> Result<(), Error> {
        let sizes = if let Some(only) = active_or_latest(rollout) {
            let wanted = numbers::replicas(&rollout.deployment);
            if numbers::replicas(&only) == wanted { Vec::new() } else { vec![(only, wanted)] }
        } else if numbers::is_saturated(&rollout.deployment, rollout.new.as_ref()) {
            rollout.old.iter().filter(|s| numbers::replicas(s) > 0).map(|s| (s.clone(), 0)).collect()
        } else if numbers::is_rolling(&rollout.deployment) {
            numbers::proportional(&rollout.deployment, &active(rollout))
        } else {
            Vec::new()
        };
        self.resize_all(rollout, sizes).await.map(drop)
    }
}

fn active(rollout: &Rollout) -> Vec<Arc<Object>> {
    rollout.all().into_iter().filter(|s| numbers::replicas(s) > 0).collect()
}

/// The only active set, or the newest when none is active; `None` when several are (`FindActiveOrLatest`).
fn active_or_latest(rollout: &Rollout) -> Option<Arc<Object>> {
    match active(rollout).as_slice() {
        [] => rollout.new.clone().or_else(|| rollout.old.last().cloned()),
        [only] => Some(only.clone()),
        _ => None,
    }
}
