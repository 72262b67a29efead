//! [`Selectors`]: which pods belong together although they do not say so: `helper.DefaultSelector` of
//! `pkg/scheduler/framework/plugins/helper/spread.go`. Read only for profiles that spread pods by default.

use crate::pod::PodInfo;
use client::{Cache, Client, gvr};
use object::selector::LabelSelector;
use object::{Gvr, Object, Value};
use std::sync::Arc;

pub trait Selectors: Send + Sync {
    /// Of the Services that serve the pod and the controller that owns it; the pod's fellows match all of them. Empty: it
    /// has no fellows.
    fn of(&self, pod: &PodInfo) -> Vec<LabelSelector>;
}

/// From the API.
pub(crate) struct Workloads {
    services: Arc<Cache>,
    owners: [(&'static str, Arc<Cache>); 3],
}

impl Workloads {
    pub(crate) fn new(client: &Client) -> Self {
        let cache = |group, kind| client.cache(&Gvr::new(group, "v1", kind));
        let owners = [
            ("ReplicaSet", client.cache(&gvr::replica_sets())),
            ("StatefulSet", cache("apps", "statefulsets")),
            ("ReplicationController", cache("", "replicationcontrollers")),
        ];
        Self { services: client.cache(&gvr::services()), owners }
    }

    pub(crate) async fn ready(&self) {
        self.services.ready().await;
        for (_, owners) in &self.owners {
            owners.ready().await;
        }
    }

    fn owner(&self, pod: &PodInfo) -> Option<Arc<Object>> {
        let owners = pod.object.at(&["metadata", "ownerReferences"])?.as_array()?;
        let owner = owners.iter().find(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))?;
        let text = |field: &str| owner.get(field).and_then(Value::as_str);
        let (_, cache) = self.owners.iter().find(|(kind, _)| text("kind") == Some(*kind))?;
        cache.get(&pod.namespace, text("name")?).filter(|object| Some(object.uid()) == text("uid"))
    }
}

impl Selectors for Workloads {
    fn of(&self, pod: &PodInfo) -> Vec<LabelSelector> {
        let services = self.services.list(&pod.namespace);
        let services = services.iter().filter_map(|service| service.at(&["spec", "selector"]).and_then(Value::as_object));
        let serving =
            services.map(|map| LabelSelector::from_map(Some(map))).filter(|s| !s.is_everything() && s.matches(pod.object.labels()));
        let mut all: Vec<LabelSelector> = serving.collect();
        if let Some(owner) = self.owner(pod)
            && let Some(selector) = owner.at(&["spec", "selector"])
        {
            // A ReplicationController's is a plain map.
            let selector = match owner.at(&["kind"]).and_then(Value::as_str) {
                Some("ReplicationController") => Some(LabelSelector::from_map(selector.as_object())),
                _ => LabelSelector::from_value(selector).ok(),
            };
            all.extend(selector.filter(|s| !s.is_everything()));
        }
        all
    }
}
