//! What the guest knows of the nodes, and what it has to be told: only what changed since the last call.

use crate::plugins::bindings::coracle::plugin::schedule_types::{Amount, Amounts, Entry, Image, Node, Pod, Taint, Usage};
use crate::plugins::bindings::exports::coracle::plugin::node_table::Delta;
use interfaces::schedule::{NodeTable, NodeView, PodView};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The rows that one instance has, as they were told.
#[derive(Default)]
pub struct Mirror {
    /// `None`: the instance was told nothing yet, or it is not known what it took in.
    version: Option<u64>,
    rows: Vec<Arc<NodeView>>,
}

impl Mirror {
    /// What is to be told so that the instance has `table`. `None`: nothing.
    pub fn delta(&self, table: &NodeTable) -> Option<Delta> {
        let full = self.version.is_none();
        if self.version == Some(table.version) {
            return None;
        }
        let mut delta = Delta {
            version: table.version,
            full,
            length: u32::try_from(table.nodes.len()).unwrap_or(u32::MAX),
            upserts: Vec::new(),
            usages: Vec::new(),
        };
        for (number, node) in (0..).zip(&table.nodes) {
            let known = if full { None } else { self.rows.get(number as usize) };
            match known {
                Some(known) if Arc::ptr_eq(known, node) || (known.generation == node.generation && known.name == node.name) => {}
                Some(known) if only_usage_differs(known, node) => delta.usages.push((number, usage(node))),
                _ => delta.upserts.push(row(number, node)),
            }
        }
        Some(delta)
    }

    /// The instance has taken `table` in.
    pub fn told(&mut self, table: &NodeTable) {
        self.version = Some(table.version);
        self.rows.truncate(table.nodes.len());
        // Nearly all are as before: counting the references to thousands anew would cost more than the call.
        for (known, node) in self.rows.iter_mut().zip(&table.nodes) {
            if !Arc::ptr_eq(known, node) {
                known.clone_from(node);
            }
        }
        let known = self.rows.len();
        self.rows.extend(table.nodes.iter().skip(known).cloned());
    }

    /// It is not known what the instance has.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

fn only_usage_differs(a: &NodeView, b: &NodeView) -> bool {
    // All fields are named: a new one must be thought of here.
    let NodeView { name, labels, annotations, taints, unschedulable, allocatable, requested: _, pod_count: _, images, generation: _ } = a;
    *name == b.name
        && *unschedulable == b.unschedulable
        && *labels == b.labels
        && *annotations == b.annotations
        && *taints == b.taints
        && *allocatable == b.allocatable
        && *images == b.images
}

pub fn row(number: u32, node: &NodeView) -> Node {
    Node {
        number,
        name: node.name.clone(),
        labels: entries(&node.labels),
        annotations: entries(&node.annotations),
        taints: node
            .taints
            .iter()
            .map(|taint| Taint { key: taint.key.clone(), value: taint.value.clone(), effect: taint.effect.clone() })
            .collect(),
        unschedulable: node.unschedulable,
        allocatable: amounts(&node.allocatable),
        allowed_pods: node.allocatable.get("pods").map_or(0, |pods| u32::try_from(*pods).unwrap_or(u32::MAX)),
        images: node.images.iter().map(|(name, size)| Image { name: name.clone(), size: *size }).collect(),
        usage: usage(node),
    }
}

pub fn usage(node: &NodeView) -> Usage {
    Usage { requested: amounts(&node.requested), pods: node.pod_count }
}

pub fn pod(pod: &PodView) -> Pod {
    Pod {
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        uid: pod.uid.clone(),
        labels: entries(&pod.labels),
        annotations: entries(&pod.annotations),
        node_selector: entries(&pod.node_selector),
        priority: pod.priority,
        scheduler_name: pod.scheduler_name.clone(),
        requests: amounts(&pod.requests),
        images: pod.images.clone(),
    }
}

fn entries(map: &BTreeMap<String, String>) -> Vec<Entry> {
    map.iter().map(|(key, value)| Entry { key: key.clone(), value: value.clone() }).collect()
}

fn amounts(map: &BTreeMap<String, i64>) -> Amounts {
    let mut amounts = Amounts { milli_cpu: 0, memory: 0, ephemeral_storage: 0, others: Vec::new() };
    for (name, value) in map {
        match name.as_str() {
            "cpu" => amounts.milli_cpu = *value,
            "memory" => amounts.memory = *value,
            "ephemeral-storage" => amounts.ephemeral_storage = *value,
            // Counted by fields of its own.
            "pods" => {}
            _ => amounts.others.push(Amount { name: name.clone(), value: *value }),
        }
    }
    amounts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, cpu: i64, generation: u64) -> Arc<NodeView> {
        let requested = BTreeMap::from([("cpu".to_owned(), cpu), ("acme.com/gpu".to_owned(), 1)]);
        let allocatable = BTreeMap::from([("cpu".to_owned(), 4000), ("pods".to_owned(), 110)]);
        Arc::new(NodeView { name: name.to_owned(), requested, allocatable, generation, ..NodeView::default() })
    }

    #[test]
    fn only_changes_are_told() {
        let mut mirror = Mirror::default();
        let mut table = NodeTable { version: 7, nodes: vec![node("a", 0, 1), node("b", 0, 2), node("c", 0, 3)] };
        let told = |mirror: &mut Mirror, table: &NodeTable| {
            let delta = mirror.delta(table);
            mirror.told(table);
            let (full, length, upserts, usages) = delta.map(|d| (d.full, d.length, d.upserts, d.usages))?;
            let upserts: Vec<(u32, String)> = upserts.into_iter().map(|node| (node.number, node.name)).collect();
            let usages: Vec<(u32, i64)> = usages.into_iter().map(|(number, usage)| (number, usage.requested.milli_cpu)).collect();
            Some((full, length, upserts, usages))
        };
        let all = vec![(0, "a".to_owned()), (1, "b".to_owned()), (2, "c".to_owned())];
        assert_eq!(told(&mut mirror, &table), Some((true, 3, all, vec![])));
        assert_eq!(told(&mut mirror, &table), None);

        // A pod was bound to b.
        table.version = 8;
        table.nodes[1] = node("b", 500, 4);
        assert_eq!(told(&mut mirror, &table), Some((false, 3, vec![], vec![(1, 500)])));

        // a is gone, and its place is taken by the last.
        table.version = 9;
        table.nodes = vec![table.nodes[2].clone(), table.nodes[1].clone()];
        assert_eq!(told(&mut mirror, &table), Some((false, 2, vec![(0, "c".to_owned())], vec![])));

        // Two came.
        table.version = 10;
        table.nodes.extend([node("d", 0, 5), node("e", 0, 6)]);
        assert_eq!(told(&mut mirror, &table), Some((false, 4, vec![(2, "d".to_owned()), (3, "e".to_owned())], vec![])));
        assert!(mirror.rows.iter().zip(&table.nodes).all(|(known, node)| Arc::ptr_eq(known, node)));

        mirror.forget();
        assert!(told(&mut mirror, &table).is_some_and(|delta| delta.0 && delta.2.len() == 4));
    }

    #[test]
    fn amounts_have_their_places() {
        let row = row(0, &node("a", 250, 1));
        assert_eq!((row.allowed_pods, row.allocatable.milli_cpu, row.allocatable.others.len()), (110, 4000, 0));
        assert_eq!(row.usage.requested.milli_cpu, 250);
        assert_eq!(row.usage.requested.others.first().map(|o| (o.name.as_str(), o.value)), Some(("acme.com/gpu", 1)));
    }
}
