//! Plugins without a server: loaded by their own manifests, and what they are asked about.

use interfaces::admit::{AdmissionRequest, Document, Operation};
use interfaces::authorize::UserInfo;
use interfaces::schedule::{NodeTable, NodeView, PodView};
use object::{Gvk, Gvr, Object, Value, json};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use wasm::plugins::Config;
use wasm::plugins::prepare::{Around, Loading, Prepared};

/// Prepares plugins from the folder of the built guests; compiled code goes to `folder`.
pub fn loading(folder: &Path) -> Loading {
    let config = Config {
        plugins_dir: tests::paths::guests(),
        data_dir: folder.join("data"),
        cache_dir: folder.join("cache"),
        fetch: None,
        images_only: false,
        node_name: "bench".to_owned(),
    };
    Loading::new(config).expect("there is an engine for this machine")
}

pub async fn prepare(loading: &Loading, plugin: &Arc<Object>) -> Prepared {
    let prepared = loading.prepare(plugin, None, Around::alone()).await;
    prepared.unwrap_or_else(|failed| panic!("{} is not loaded: {}", plugin.name(), failed.message))
}

/// The WasmPlugin that `plugins/NAME` brings along.
pub fn shipped(name: &str) -> Arc<Object> {
    let folder = tests::paths::root().join("plugins").join(name);
    let file = ["wasmplugin.yaml", "plugin.yaml"].into_iter().map(|file| folder.join(file)).find(|file| file.is_file());
    let file = file.unwrap_or_else(|| panic!("{name} has no manifest"));
    let text = std::fs::read_to_string(file).expect("a manifest can be read");
    let documents = serde_yaml_ng::Deserializer::from_str(&text).map(|document| Value::deserialize(document).expect("a manifest is YAML"));
    let mut plugins = documents.filter(|document| document.get("kind").and_then(Value::as_str) == Some("WasmPlugin"));
    object(plugins.next().expect("a manifest has a WasmPlugin"))
}

/// A WasmPlugin of a built guest.
pub fn plugin(name: &str, mut spec: Value) -> Arc<Object> {
    spec["path"] = json!(format!("{name}.wasm"));
    object(json!({"apiVersion": "coracle.dev/v1alpha1", "kind": "WasmPlugin", "metadata": {"name": name}, "spec": spec}))
}

pub fn object(value: Value) -> Arc<Object> {
    Arc::new(Object::from_value(value).expect("an object"))
}

/// A cluster of nodes of usual size, in three zones, every second one with an SSD.
pub fn table(nodes: usize) -> NodeTable {
    NodeTable { version: 1, nodes: (0..nodes).map(|i| Arc::new(node(i, 0))).collect() }
}

fn node(i: usize, pods: u32) -> NodeView {
    let text = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let amounts = |pairs: &[(&str, i64)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect();
    let (name, zone) = (format!("node-{i}"), format!("z{}", i % 3));
    NodeView {
        labels: text(&[
            ("beta.kubernetes.io/arch", "amd64"),
            ("disk", if i.is_multiple_of(2) { "ssd" } else { "hdd" }),
            ("kubernetes.io/arch", "amd64"),
            ("kubernetes.io/hostname", &name),
            ("kubernetes.io/os", "linux"),
            ("node.kubernetes.io/instance-type", "m5.4xlarge"),
            ("topology.kubernetes.io/region", "north"),
            ("topology.kubernetes.io/zone", &zone),
        ]),
        allocatable: amounts(&[("cpu", 16_000), ("memory", 64 << 30), ("pods", 110)]),
        requested: amounts(&[("cpu", i64::from(pods) * 100), ("memory", i64::from(pods) << 27)]),
        pod_count: pods,
        images: amounts(&[("docker.io/library/app:v1", 300 << 20), ("docker.io/library/base:v3", 80 << 20)]),
        generation: u64::from(pods) + 1,
        name,
        ..NodeView::default()
    }
}

/// As after a pod came to one of the nodes.
pub fn bind(table: &mut NodeTable, node: usize) {
    let at = node % table.nodes.len();
    let row = &mut table.nodes[at];
    *row = Arc::new(self::node(at, row.pod_count + 1));
    table.version += 1;
}

/// A pod that requires an SSD and prefers a zone.
pub fn pod() -> Arc<Object> {
    object(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "p", "namespace": "default", "uid": "u", "labels": {"app": "shop"},
            "annotations": {"coracle.dev/requires": "disk=ssd", "coracle.dev/prefers": "zone=z1,region"},
        },
        "spec": {
            "schedulerName": "default-scheduler",
            "containers": [{"name": "c", "image": "app:v1", "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}}}],
        },
    }))
}

pub fn view(pod: &Arc<Object>) -> PodView {
    let text = |path: &[&str]| -> BTreeMap<String, String> {
        let map = pod.at(path).and_then(Value::as_object).into_iter().flatten();
        map.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
    };
    PodView {
        namespace: pod.namespace().to_owned(),
        name: pod.name().to_owned(),
        uid: pod.uid().to_owned(),
        labels: text(&["metadata", "labels"]),
        annotations: text(&["metadata", "annotations"]),
        node_selector: BTreeMap::new(),
        priority: 0,
        scheduler_name: "default-scheduler".to_owned(),
        requests: BTreeMap::from([("cpu".to_owned(), 100), ("memory".to_owned(), 128 << 20)]),
        images: vec!["app:v1".to_owned()],
        object: pod.clone(),
    }
}

/// The creation of a pod that no shipped plugin refuses.
pub fn creation() -> AdmissionRequest {
    let object = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "p.default", "namespace": "default", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": "shop", "example.com/team": "a", "example.com/tier": "web"},
        },
        "spec": {
            "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "serviceAccountName": "default", "enableServiceLinks": true,
            "containers": [{
                "name": "main", "image": "coracle.dev/shop:v1", "imagePullPolicy": "IfNotPresent", "args": ["serve"],
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                "resources": {"requests": {"cpu": "100m"}}, "ports": [{"containerPort": 8080, "protocol": "TCP"}],
            }],
        },
        "status": {"phase": "Pending", "qosClass": "Burstable"},
    });
    let (kind, resource) = (Gvk::new("", "v1", "Pod"), Gvr::new("", "v1", "pods"));
    AdmissionRequest {
        uid: "9b2a".to_owned(),
        kind: kind.clone(),
        resource: resource.clone(),
        subresource: String::new(),
        request_kind: kind,
        request_resource: resource,
        request_subresource: String::new(),
        name: "p.default".to_owned(),
        namespace: "default".to_owned(),
        operation: Operation::Create,
        user: Arc::new(UserInfo::service_account("kube-system", "replicaset-controller")),
        object: Some(Arc::new(Document::new(Object::from_value(object).expect("a pod")))),
        old_object: None,
        dry_run: false,
        options: Arc::new(json!({"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"})),
    }
}
