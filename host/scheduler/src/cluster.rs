//! [`Cluster`]: all nodes with what is on them, kept up to date by what changes: `pkg/scheduler/backend/cache`.

use crate::event::{self, Events};
use crate::node::NodeRow;
use crate::plugins::{Cx, Rows};
use crate::pod::PodInfo;
use crate::topology::Namespaces;
use crate::workloads::Selectors;
use interfaces::schedule::NodeTable;
use object::Object;
use std::collections::HashMap;
use std::sync::Arc;

/// The rows in use and the pods on them. Updates cost what changed; nothing is copied for a cycle.
#[derive(Default)]
pub struct Cluster {
    rows: Vec<NodeRow>,
    by_name: HashMap<String, u32>,
    /// Pods on nodes that are not known (yet), by node name.
    homeless: HashMap<String, NodeRow>,
    pods: HashMap<String, Placed>,
    images: Images,
    namespaces: Namespaces,
    selectors: Option<Arc<dyn Selectors>>,
    /// Pods on nodes that care about other pods.
    affine_pods: usize,
    generation: u64,
    table: NodeTable,
    /// Rows that `table` does not show yet: whether more than the usage changed.
    stale: HashMap<u32, bool>,
}

/// On how many nodes an image is.
#[derive(Debug, Default)]
pub struct Images {
    nodes: HashMap<String, i64>,
    all: i64,
}

struct Placed {
    info: Arc<PodInfo>,
    node: String,
    /// Sent for binding and not seen bound yet.
    assumed: bool,
}

impl Cluster {
    pub fn rows(&self) -> &[NodeRow] {
        &self.rows
    }

    pub fn set_namespace(&mut self, name: &str, namespace: Option<Arc<Object>>) {
        match namespace {
            Some(namespace) => drop(self.namespaces.insert(name.to_owned(), namespace)),
            None => drop(self.namespaces.remove(name)),
        }
    }

    /// For profiles that spread pods by default.
    pub fn set_selectors(&mut self, selectors: Arc<dyn Selectors>) {
        self.selectors = Some(selectors);
    }

    /// What plugins see in a cycle for this pod.
    pub fn cx<'a>(&'a self, pod: &'a PodInfo) -> Cx<'a> {
        Cx {
            pod,
            rows: Rows::of(&self.rows),
            table: &self.table,
            images: &self.images,
            namespaces: &self.namespaces,
            selectors: self.selectors.as_deref(),
            affine_pods: self.affine_pods,
        }
    }

    pub fn row(&self, name: &str) -> Option<&NodeRow> {
        self.rows.get(*self.by_name.get(name)? as usize)
    }

    pub fn index(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// Takes in a version of a node; what that changed.
    pub fn set_node(&mut self, object: Arc<Object>) -> Events {
        let name = object.name().to_owned();
        let Some(at) = self.by_name.get(&name).copied() else {
            let mut row = self.homeless.remove(&name).unwrap_or_default();
            row.set_node(object);
            self.images.count(&row, 1);
            let at = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
            self.by_name.insert(name, at);
            self.rows.push(row);
            self.touch(at, true);
            return Events::NODE_ADDED;
        };
        let Some(row) = self.rows.get_mut(at as usize) else { return Events::NONE };
        let before = NodeRow {
            object: row.object.clone(),
            taints: std::mem::take(&mut row.taints),
            allocatable: std::mem::take(&mut row.allocatable),
            images: std::mem::take(&mut row.images),
            unschedulable: row.unschedulable,
            allowed_pods: row.allowed_pods,
            ..NodeRow::default()
        };
        row.set_node(object);
        let events = event::of_node(Some(&before), row);
        if before.images != row.images {
            self.images.count(&before, -1);
            self.images.count(row, 1);
        }
        // Heartbeats change nothing that anybody looks at.
        if !events.is_none() {
            self.touch(at, true);
        }
        events
    }

    /// The row as it was.
    pub fn remove_node(&mut self, name: &str) -> Option<NodeRow> {
        let at = self.by_name.remove(name)?;
        let row = self.rows.swap_remove(at as usize);
        self.images.count(&row, -1);
        if let Some(moved) = self.rows.get(at as usize) {
            self.by_name.insert(moved.name.clone(), at);
            self.touch(at, true);
        }
        if !row.pods.is_empty() {
            let name = row.name.clone();
            let mut rest = NodeRow::default();
            row.pods.iter().for_each(|pod| rest.add(pod.clone()));
            self.homeless.insert(name, rest);
        }
        self.generation += 1;
        Some(row)
    }

    /// A pod that the API shows on a node; whether that changes anything for other pods. Confirms an assumed one.
    pub fn place(&mut self, pod: Arc<PodInfo>) -> bool {
        if let Some(known) = self.pods.get_mut(&pod.uid) {
            if known.node == pod.node_name && !known.info.matters_differently(&pod) {
                known.info = pod.clone();
                // Others that wait for it were not told when it was assumed: it might not have come.
                let confirmed = std::mem::take(&mut known.assumed);
                self.renew(pod);
                return confirmed;
            }
            self.remove_pod(&pod.uid);
        }
        let node = pod.node_name.clone();
        self.put(pod, node, false);
        true
    }

    /// Counts a pod as being on a node from now on.
    pub fn assume(&mut self, pod: Arc<PodInfo>, node: u32) {
        let Some(name) = self.rows.get(node as usize).map(|row| row.name.clone()) else { return };
        self.put(pod, name, true);
    }

    /// Takes an assumed pod back; `None` when it was confirmed or went meanwhile.
    pub fn forget(&mut self, uid: &str) -> Option<Arc<PodInfo>> {
        self.pods.get(uid).filter(|p| p.assumed)?;
        self.remove_pod(uid)
    }

    pub fn is_assumed(&self, uid: &str) -> bool {
        self.pods.get(uid).is_some_and(|p| p.assumed)
    }

    pub fn remove_pod(&mut self, uid: &str) -> Option<Arc<PodInfo>> {
        let placed = self.pods.remove(uid)?;
        self.affine_pods -= usize::from(!placed.info.affinity.is_none());
        if let Some(at) = self.by_name.get(&placed.node).copied() {
            if let Some(row) = self.rows.get_mut(at as usize) {
                row.remove(uid);
            }
            self.touch(at, false);
        } else if let Some(row) = self.homeless.get_mut(&placed.node) {
            row.remove(uid);
            if row.pods.is_empty() {
                self.homeless.remove(&placed.node);
            }
        }
        Some(placed.info)
    }

    /// Keeps the newest version of a pod, and lets go of the older one's memory.
    fn renew(&mut self, pod: Arc<PodInfo>) {
        let row = match self.by_name.get(&pod.node_name) {
            Some(at) => self.rows.get_mut(*at as usize),
            None => self.homeless.get_mut(&pod.node_name),
        };
        if let Some(row) = row {
            row.renew(pod);
        }
    }

    fn put(&mut self, info: Arc<PodInfo>, node: String, assumed: bool) {
        match self.by_name.get(&node).copied() {
            Some(at) => {
                if let Some(row) = self.rows.get_mut(at as usize) {
                    row.add(info.clone());
                }
                self.touch(at, false);
            }
            None => self.homeless.entry(node.clone()).or_default().add(info.clone()),
        }
        self.affine_pods += usize::from(!info.affinity.is_none());
        self.pods.insert(info.uid.clone(), Placed { info, node, assumed });
    }

    fn touch(&mut self, at: u32, node_changed: bool) {
        self.generation += 1;
        if let Some(row) = self.rows.get_mut(at as usize) {
            row.generation = self.generation;
        }
        *self.stale.entry(at).or_default() |= node_changed;
    }

    /// Brings the table for plugins outside up to date: by the rows that changed since.
    pub fn refresh_table(&mut self) {
        if self.table.version == self.generation {
            return;
        }
        self.table.nodes.resize_with(self.rows.len(), Arc::default);
        for (at, node_changed) in self.stale.drain() {
            let (Some(row), Some(view)) = (self.rows.get(at as usize), self.table.nodes.get_mut(at as usize)) else { continue };
            row.write_view(Arc::make_mut(view), node_changed);
        }
        self.table.version = self.generation;
    }

    /// As of the last [`Cluster::refresh_table`].
    pub fn table(&self) -> &NodeTable {
        &self.table
    }
}

impl Images {
    fn count(&mut self, row: &NodeRow, by: i64) {
        self.all += by;
        for name in row.images.keys() {
            let nodes = self.nodes.entry(name.clone()).or_default();
            *nodes += by;
            if *nodes <= 0 {
                self.nodes.remove(name);
            }
        }
    }
    pub fn nodes_with(&self, image: &str) -> i64 {
        self.nodes.get(image).copied().unwrap_or_default()
    }
    pub fn nodes_in_all(&self) -> i64 {
        self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{node, pod};
    use object::json;

    fn names(cluster: &mut Cluster) -> Vec<(String, i64, u32)> {
        cluster.refresh_table();
        let told =
            |v: &Arc<interfaces::schedule::NodeView>| (v.name.clone(), v.requested.get("cpu").copied().unwrap_or_default(), v.pod_count);
        cluster.table().nodes.iter().map(told).collect()
    }

    #[test]
    fn the_table_follows_the_rows() {
        let mut cluster = Cluster::default();
        for name in ["a", "b", "c"] {
            assert_eq!(cluster.set_node(node(name, json!({}))), Events::NODE_ADDED);
        }
        let p = pod("p", json!({ "cpu": "1" }));
        cluster.assume(p.clone(), 2);
        assert_eq!(names(&mut cluster), [("a".into(), 0, 0), ("b".into(), 0, 0), ("c".into(), 1000, 1)]);
        cluster.remove_node("a");
        assert_eq!(names(&mut cluster), [("c".into(), 1000, 1), ("b".into(), 0, 0)]);
        assert_eq!(cluster.forget(&p.uid).map(|p| p.name.clone()), Some("p".to_owned()));
        assert!(cluster.forget(&p.uid).is_none());
        assert_eq!(names(&mut cluster), [("c".into(), 0, 0), ("b".into(), 0, 0)]);
    }

    #[test]
    fn pods_may_come_before_their_node_and_stay_after_it() {
        let mut cluster = Cluster::default();
        let mut bound = Object::clone(&pod("p", json!({ "cpu": "1" })).object);
        bound.set_at(&["spec", "nodeName"], json!("a"));
        cluster.place(Arc::new(PodInfo::new(Arc::new(bound))));
        cluster.set_node(node("a", json!({})));
        assert_eq!(names(&mut cluster), [("a".into(), 1000, 1)]);
        cluster.remove_node("a");
        assert_eq!(names(&mut cluster), []);
        cluster.set_node(node("a", json!({})));
        assert_eq!(names(&mut cluster), [("a".into(), 1000, 1)]);
    }

    #[test]
    fn a_heartbeat_changes_nothing() {
        let mut cluster = Cluster::default();
        let first = node("a", json!({}));
        cluster.set_node(first.clone());
        cluster.refresh_table();
        let version = cluster.table().version;
        let mut beat = Object::clone(&first);
        beat.set_at(&["status", "conditions"], json!([{ "type": "Ready", "lastHeartbeatTime": "x" }]));
        assert!(cluster.set_node(Arc::new(beat.clone())).is_none());
        cluster.refresh_table();
        assert_eq!(cluster.table().version, version);
        beat.set_at(&["spec", "unschedulable"], json!(true));
        assert_eq!(cluster.set_node(Arc::new(beat)), Events::NODE_TAINTS);
        cluster.refresh_table();
        assert!(cluster.table().version > version && cluster.table().nodes[0].unschedulable);
    }
}
