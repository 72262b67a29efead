//! What plugins outside are asked about waiting pods: whether they may enter the queue, where, and what events mean to them.

use crate::event::Event;
use crate::pod::PodInfo;
use crate::profile::Profiles;
use crate::queue::{Question, Queue};
use interfaces::schedule::{FailurePolicy, PluginError, PodView, SortKey};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

/// A pod that a plugin keeps out of the queue.
pub(crate) struct Gated {
    pub(crate) pod: Arc<PodInfo>,
    pub(crate) plugin: String,
    /// Why; or what failed.
    pub(crate) why: Result<String, PluginError>,
}

/// Asks about all pods that have arrived, each plugin once for all pods of its profile. Those that are kept out.
pub(crate) async fn admit(queue: &mut Queue, profiles: &Profiles, now: Instant) -> Vec<Gated> {
    let mut gated = Vec::new();
    let mut by_profile: BTreeMap<String, Vec<Arc<PodInfo>>> = BTreeMap::new();
    for pod in queue.take_arriving() {
        by_profile.entry(pod.scheduler_name().to_owned()).or_default().push(pod);
    }
    let mut admitted: Vec<Arc<PodInfo>> = Vec::new();
    for (name, mut pods) in by_profile {
        let Some(profile) = profiles.of(&name) else { continue };
        for (row, plugin) in profile.pre_enqueues() {
            let views: Vec<&PodView> = pods.iter().map(|pod| pod.view()).collect();
            if views.is_empty() {
                break;
            }
            let asked = plugin.pre_enqueue(&views).await.and_then(|told| exactly(plugin.name(), told, views.len()));
            let policy = profile.rows().get(row).map(|row| row.failure_policy).unwrap_or_default();
            let told = match asked {
                Ok(told) => told.into_iter().map(|why| why.map(Ok)).collect(),
                Err(error) if policy == FailurePolicy::Ignore => {
                    tracing::debug!(%error, "plugin failure ignored");
                    continue;
                }
                Err(error) => vec![Some(Err(error)); pods.len()],
            };
            let mut rest = Vec::with_capacity(pods.len());
            for (pod, why) in pods.into_iter().zip(told) {
                match why {
                    None => rest.push(pod),
                    Some(why) => gated.push(Gated { pod, plugin: plugin.name().to_owned(), why }),
                }
            }
            pods = rest;
        }
        admitted.append(&mut pods);
    }
    let keys = sort_keys(profiles, &admitted).await;
    for (pod, key) in admitted.iter().zip(keys) {
        queue.admit(&pod.uid, key);
    }
    for Gated { pod, plugin, why } in &gated {
        match why {
            Ok(_) => queue.gate(&pod.uid, plugin.clone(), now),
            Err(_) => queue.unasked(&pod.uid, now),
        }
    }
    gated
}

/// The place of each pod in the queue. A plugin that fails sorts nothing: then it is the priority.
async fn sort_keys(profiles: &Profiles, pods: &[Arc<PodInfo>]) -> Vec<Option<SortKey>> {
    let Some(plugin) = profiles.queue_sort.as_ref().filter(|_| !pods.is_empty()) else { return vec![None; pods.len()] };
    let views: Vec<&PodView> = pods.iter().map(|pod| pod.view()).collect();
    match plugin.sort_keys(&views).await.and_then(|keys| exactly(plugin.name(), keys, pods.len())) {
        Ok(keys) => keys.into_iter().map(Some).collect(),
        Err(error) => {
            tracing::warn!(%error, "pods are queued by priority");
            pods.iter().map(|pod| Some(SortKey::from([-i64::from(pod.priority)]))).collect()
        }
    }
}

/// Asks which pods an event may have helped, and brings them back. When a plugin fails, all of them.
pub(crate) async fn hints(queue: &mut Queue, profiles: &Profiles, questions: Vec<Question>, event: &Event<'_>, now: Instant) {
    if questions.is_empty() {
        return;
    }
    let happened = event.told();
    let mut helped: HashMap<String, bool> = HashMap::new();
    for Question { plugin, pods } in questions {
        let views: Vec<&PodView> = pods.iter().map(|pod| pod.view()).collect();
        let told = plugin.hint(&happened, &views).await.and_then(|told| exactly(plugin.name(), told, pods.len()));
        let told = told.unwrap_or_else(|error| {
            tracing::warn!(%error, "pods are tried again");
            vec![true; pods.len()]
        });
        for (pod, told) in pods.iter().zip(told) {
            *helped.entry(pod.uid.clone()).or_default() |= told;
        }
    }
    for (uid, _) in helped.into_iter().filter(|(_, told)| *told) {
        queue.helped(&uid, profiles, now);
    }
}

/// One answer for each pod, or none counts.
fn exactly<T>(plugin: &str, told: Vec<T>, pods: usize) -> Result<Vec<T>, PluginError> {
    if told.len() == pods {
        return Ok(told);
    }
    Err(PluginError::Failed { plugin: plugin.to_owned(), cause: format!("it gave {} answers for {pods} pods", told.len()) })
}
