//! [`NodeRow`]: a node and what is on it: `pkg/scheduler/framework/types.go` (NodeInfo).

use crate::pod::{HostPort, PodInfo, texts};
use crate::resources::Resources;
use interfaces::schedule::{NodeView, Taint};
use object::quantity::Quantity;
use object::{Map, Object, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// One row of the node table. Rows without a `Node` object (pods came first) are kept apart by [`crate::cluster`].
#[derive(Clone, Debug, Default)]
pub struct NodeRow {
    pub name: String,
    pub object: Arc<Object>,
    pub taints: Vec<Taint>,
    pub unschedulable: bool,
    pub allocatable: Resources,
    pub allowed_pods: i64,
    /// Name to size in bytes.
    pub images: HashMap<String, i64>,
    /// Of all pods, assumed ones included.
    pub requested: Resources,
    /// Cpu and memory with defaults for containers that ask for none.
    pub non_zero: Resources,
    pub pods: Vec<Arc<PodInfo>>,
    /// Those of them with affinity or anti-affinity to others.
    pub affine: Vec<Arc<PodInfo>>,
    pub ports: Vec<HostPort>,
    /// Raised with every change of the row.
    pub generation: u64,
}

impl NodeRow {
    /// Takes over a version of the `Node` object.
    pub fn set_node(&mut self, object: Arc<Object>) {
        let allocatable = object.at(&["status", "allocatable"]).and_then(Value::as_object);
        let pods = allocatable.and_then(|a| a.get("pods")).and_then(|v| Quantity::from_value(v).ok());
        let text = |v: &Value, field: &str| v.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let taints = object.at(&["spec", "taints"]).and_then(Value::as_array).into_iter().flatten();
        self.name = object.name().to_owned();
        self.taints = taints.map(|t| Taint { key: text(t, "key"), value: text(t, "value"), effect: text(t, "effect") }).collect();
        self.unschedulable = object.at(&["spec", "unschedulable"]).and_then(Value::as_bool).unwrap_or_default();
        self.allocatable = Resources::from_list(allocatable);
        self.allowed_pods = pods.map(Quantity::value).unwrap_or_default();
        self.images = images(&object);
        self.object = object;
    }

    pub fn labels(&self) -> Option<&Map<String, Value>> {
        self.object.labels()
    }

    pub fn add(&mut self, pod: Arc<PodInfo>) {
        self.requested.add(&pod.asks.requests);
        self.non_zero.add(&pod.asks.non_zero);
        self.ports.extend(pod.ports.iter().cloned());
        if !pod.affinity.is_none() {
            self.affine.push(pod.clone());
        }
        self.pods.push(pod);
    }

    /// Takes a newer version of a pod that asks for the same.
    pub fn renew(&mut self, pod: Arc<PodInfo>) {
        for known in self.pods.iter_mut().chain(&mut self.affine).filter(|p| p.uid == pod.uid) {
            known.clone_from(&pod);
        }
    }

    /// Whether the pod was there.
    pub fn remove(&mut self, uid: &str) -> bool {
        let Some(at) = self.pods.iter().position(|p| p.uid == uid) else { return false };
        let pod = self.pods.swap_remove(at);
        self.affine.retain(|p| p.uid != uid);
        self.requested.subtract(&pod.asks.requests);
        self.non_zero.subtract(&pod.asks.non_zero);
        for port in &pod.ports {
            if let Some(at) = self.ports.iter().position(|p| p == port) {
                self.ports.swap_remove(at);
            }
        }
        true
    }

    /// Writes the row into what plugins outside see; the node's own part only when it changed.
    pub(crate) fn write_view(&self, view: &mut NodeView, node_changed: bool) {
        if node_changed {
            view.name.clone_from(&self.name);
            view.labels = texts(self.labels());
            view.annotations = texts(self.object.at(&["metadata", "annotations"]).and_then(Value::as_object));
            view.taints.clone_from(&self.taints);
            view.unschedulable = self.unschedulable;
            view.allocatable = self.allocatable.to_map();
            view.allocatable.insert("pods".to_owned(), self.allowed_pods);
            view.images = self.images.iter().map(|(k, v)| (k.clone(), *v)).collect::<BTreeMap<_, _>>();
        }
        view.requested = self.requested.to_map();
        view.pod_count = u32::try_from(self.pods.len()).unwrap_or(u32::MAX);
        view.generation = self.generation;
    }
}

fn images(node: &Object) -> HashMap<String, i64> {
    let mut all = HashMap::new();
    for image in node.at(&["status", "images"]).and_then(Value::as_array).into_iter().flatten() {
        let size = image.get("sizeBytes").and_then(Value::as_i64).unwrap_or_default();
        for name in image.get("names").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            all.insert(name.to_owned(), size);
        }
    }
    all
}
