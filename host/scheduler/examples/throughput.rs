//! How many pods per second the cycle places: `cargo run --release -p scheduler --example throughput -- [nodes] [pods] [outside]`.
//! With `outside`, a plugin from outside that lets everything pass is asked, too: what the table for such plugins costs.
//! Only the scheduler's own work is measured: taking the pod from the queue, filter, score, assume.

use interfaces::schedule::{FailurePolicy, PluginRow, Points, SchedulePlugin};
use object::{Object, json};
use scheduler::cluster::Cluster;
use scheduler::config::Configuration;
use scheduler::cycle::{Cycle, Nominated};
use scheduler::pod::PodInfo;
use scheduler::profile::{DEFAULT_NAME, Profiles};
use scheduler::queue::Queue;
use std::sync::Arc;
use std::time::Instant;

struct Outside;

impl SchedulePlugin for Outside {
    fn name(&self) -> &str {
        "outside"
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|a| a.parse::<usize>().ok());
    let (nodes, pods) = (arguments.next().unwrap_or(5000), arguments.next().unwrap_or(20_000));
    let (mut cluster, mut queue, mut cycle) = (Cluster::default(), Queue::default(), Cycle::default());
    let outside = PluginRow {
        plugin: Arc::new(Outside),
        points: Points::FILTER,
        weight: 1,
        failure_policy: FailurePolicy::Fail,
        profiles: Vec::new(),
    };
    let with_outside = std::env::args().any(|a| a == "outside");
    let outside = Arc::new(if with_outside { vec![outside] } else { Vec::new() });
    let profiles = Profiles::build(&Configuration::default(), &outside);
    let Some(profile) = profiles.of(DEFAULT_NAME) else { return };
    for i in 0..nodes {
        let node = json!({
            "metadata": { "name": format!("node-{i}"), "labels": { "kubernetes.io/hostname": format!("node-{i}"), "zone": i % 3 } },
            "status": { "allocatable": { "cpu": "32", "memory": "128Gi", "pods": "250", "ephemeral-storage": "500Gi" } },
        });
        cluster.set_node(Arc::new(Object::from_value(node).unwrap_or_default()));
    }
    let objects: Vec<Arc<Object>> = (0..pods)
        .map(|i| {
            let container = json!({ "name": "c", "image": "i", "resources": { "requests": { "cpu": "100m", "memory": "128Mi" } } });
            let pod = json!({
                "metadata": { "name": format!("pod-{i}"), "namespace": "default", "uid": format!("uid-{i}") },
                "spec": { "schedulerName": "default-scheduler", "containers": [container] },
            });
            Arc::new(Object::from_value(pod).unwrap_or_default())
        })
        .collect();
    let start = Instant::now();
    for object in objects {
        queue.set(Arc::new(PodInfo::new(object)), &profiles, start);
    }
    let queued = start.elapsed();
    let start = Instant::now();
    let mut placed = 0;
    while let Some((pod, _)) = queue.pop(&profiles, Instant::now()) {
        let found = futures::executor::block_on(cycle.find(&pod, &mut cluster, profile, &Nominated::default()));
        if let Ok(node) = found {
            cluster.assume(pod.clone(), node);
            placed += 1;
        }
        queue.remove(&pod.uid);
    }
    let took = start.elapsed();
    let rate = f64::from(placed) / took.as_secs_f64();
    println!("{nodes} nodes, {placed} of {pods} pods: queued in {queued:.0?}, placed in {took:.2?}, {rate:.0} pods/s");
}
