//! Nodes and pods for tests.

use crate::config::Configuration;
use crate::pod::PodInfo;
use crate::profile::{DEFAULT_NAME, Profile, Profiles};
use interfaces::schedule::PluginSet;
use object::{Object, Value, json};
use std::sync::Arc;

/// The default profile with these plugins beside the native ones.
pub(crate) fn profile(outside: &PluginSet) -> Arc<Profile> {
    Profiles::build(&Configuration::default(), outside).of(DEFAULT_NAME).unwrap().clone()
}

/// A node of 4 cores, 8 GiB and 110 pods; `more` is merged over it.
pub(crate) fn node(name: &str, more: Value) -> Arc<Object> {
    let mut node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name } },
        "spec": {}, "status": { "allocatable": { "cpu": "4", "memory": "8Gi", "pods": "110" } },
    });
    merge(&mut node, more);
    Arc::new(Object::from_value(node).unwrap())
}

pub(crate) fn pod(name: &str, requests: Value) -> Arc<PodInfo> {
    pod_with(name, json!({ "spec": { "containers": [{ "name": "c", "resources": { "requests": requests } }] } }))
}

/// A pod without containers; `more` is merged over it.
pub(crate) fn pod_with(name: &str, more: Value) -> Arc<PodInfo> {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": "default", "uid": format!("uid-{name}") },
        "spec": { "schedulerName": "default-scheduler" },
    });
    merge(&mut pod, more);
    Arc::new(PodInfo::new(Arc::new(Object::from_value(pod).unwrap())))
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}
