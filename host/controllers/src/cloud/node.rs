//! New nodes get from their cloud what only it knows: provider ID, addresses, instance type, zone, region. Until then they
//! carry a taint that keeps pods away. Upstream `k8s.io/cloud-provider/controllers/node/node_controller.go`.

use super::{Active, Cloud, Failure, UNINITIALIZED, is_uninitialized, or_null, taints_without};
use crate::error::Error;
use crate::run::{Context, Controller, Key, Next};
use crate::view::{list, text};
use async_trait::async_trait;
use client::{Cache, Change, Client, Patch, Recorder, Type, gvr};
use interfaces::cloud::{Error as CloudError, InstanceMetadata, Instances, NodeAddress};
use object::{Gvr, Object, Value, json};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often an initialised node is compared with its cloud (`--node-status-update-frequency`).
const LOOK: Duration = Duration::from_secs(300);

/// The node's address as its agent was told by flag (`AnnotationAlphaProvidedIPAddr`).
const PROVIDED_IP: &str = "alpha.kubernetes.io/provided-node-ip";

/// Labels that go together: the older one decides (`labelReconcileInfo`).
const TWINS: [(&str, &str); 3] = [
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
    ("beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type"),
];

pub(crate) fn make(context: &Context) -> Arc<dyn Controller> {
    Arc::new(CloudNodes {
        client: context.client.clone(),
        cloud: context.cloud.clone(),
        nodes: context.client.cache(&gvr::nodes()),
        events: context.client.recorder("cloud-node-controller", ""),
        looked: Mutex::default(),
    })
}

struct CloudNodes {
    client: Client,
    cloud: Cloud,
    nodes: Arc<Cache>,
    events: Recorder,
    /// When each initialised node was last compared, and with which provider.
    looked: Mutex<HashMap<String, (u64, Instant)>>,
}

#[async_trait]
impl Controller for CloudNodes {
    fn watches(&self) -> Vec<Gvr> {
        vec![gvr::nodes()]
    }

    fn outside(&self) -> Option<watch::Receiver<Option<Active>>> {
        Some(self.cloud.changes())
    }

    fn keys(&self, _: &Gvr, change: &Change) -> Vec<Key> {
        vec![Key::changed(change)]
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(node) = self.nodes.get("", &key.name) else {
            self.looked.lock().remove(&key.name);
            return Ok(Next::done());
        };
        let Some(active) = self.cloud.current() else { return Ok(Next::done()) };
        let Some(instances) = active.provider.instances() else { return Ok(Next::done()) };
        if is_uninitialized(&node) {
            return self.initialize(&active, instances, &node).await;
        }
        self.twin_labels(&node).await?;
        let now = Instant::now();
        let looked = self.looked.lock().get(&key.name).copied();
        if let Some((number, at)) = looked
            && number == active.number
            && now.duration_since(at) < LOOK
        {
            return Ok(Next::after(LOOK - now.duration_since(at)));
        }
        if let Some(metadata) = self.metadata(&active, instances, &node).await? {
            self.write_addresses(&node, &metadata).await?;
            self.write_additional_labels(&node, &metadata).await?;
        }
        self.looked.lock().insert(key.name.clone(), (active.number, now));
        Ok(Next::after(LOOK))
    }
}

impl CloudNodes {
    /// Metadata and, where it names no zone, what the provider's Zones say.
    async fn metadata(&self, active: &Active, instances: &dyn Instances, node: &Object) -> Result<Option<InstanceMetadata>, Failure> {
        let failed = |operation| move |source| Failure::Node { operation, node: node.name().to_owned(), source };
        let answer = instances.instance_metadata(node).await.map_err(failed("failed to get instance metadata"))?;
        let Some(mut metadata) = answer else { return Ok(None) };
        let known = node.str_at(&["spec", "providerID"]);
        if metadata.provider_id.is_empty() {
            if known.is_empty() {
                return Err(Failure::NoProviderId { node: node.name().to_owned() });
            }
            metadata.provider_id = known.to_owned();
        }
        if let Some(zones) = active.provider.zones()
            && metadata.zone.is_empty()
            && metadata.region.is_empty()
        {
            let zone = match zones.get_zone_by_provider_id(&metadata.provider_id).await {
                Err(_) => zones.get_zone_by_node_name(node.name()).await,
                found => found,
            };
            match zone {
                Ok(zone) => (metadata.zone, metadata.region) = (zone.failure_domain, zone.region),
                Err(CloudError::NotSupported { .. }) => {}
                Err(source) => return Err(failed("failed to get zone from cloud provider")(source)),
            }
        }
        Ok(Some(metadata))
    }

    async fn initialize(&self, active: &Active, instances: &dyn Instances, node: &Arc<Object>) -> Result<Next, Error> {
        let Some(metadata) = self.metadata(active, instances, node).await? else { return Ok(Next::done()) };
        // A node whose own address is not one of its cloud's stays tainted.
        addresses(node, &metadata)?;
        let api = self.client.api(&gvr::nodes());
        let written = api.update("", &initialized(node, &metadata)).await?;
        self.looked.lock().insert(node.name().to_owned(), (active.number, Instant::now()));
        self.write_addresses(&written, &metadata).await?;
        tracing::info!(node = node.name(), "initialised by its cloud");
        self.events.event(&node.reference(), Type::Normal, "Synced", "Node synced successfully");
        Ok(Next::after(LOOK))
    }

    async fn write_addresses(&self, node: &Object, metadata: &InstanceMetadata) -> Result<(), Error> {
        let Some(wanted) = addresses(node, metadata)? else { return Ok(()) };
        let patch = json!({ "status": { "addresses": wanted } });
        self.client.api(&gvr::nodes()).patch("", node.name(), Some("status"), &Patch::Merge(patch)).await?;
        Ok(())
    }

    async fn write_additional_labels(&self, node: &Object, metadata: &InstanceMetadata) -> Result<(), Error> {
        let differs = |(key, value): &(&String, &String)| is_own(key) && node.label(key) != Some(value.as_str());
        let labels: object::Map<String, Value> =
            metadata.additional_labels.iter().filter(differs).map(|(key, value)| (key.clone(), json!(value))).collect();
        self.label(node, labels).await
    }

    async fn twin_labels(&self, node: &Object) -> Result<(), Error> {
        let missing = TWINS.iter().filter_map(|(first, second)| {
            let value = node.label(first)?;
            (node.label(second) != Some(value)).then(|| ((*second).to_owned(), json!(value)))
        });
        self.label(node, missing.collect()).await
    }

    async fn label(&self, node: &Object, labels: object::Map<String, Value>) -> Result<(), Error> {
        if labels.is_empty() {
            return Ok(());
        }
        let patch = json!({ "metadata": { "labels": labels } });
        self.client.api(&gvr::nodes()).patch("", node.name(), None, &Patch::Merge(patch)).await?;
        Ok(())
    }
}

/// Whether a cloud may set the label: those of Kubernetes' own domains are not its business.
fn is_own(key: &str) -> bool {
    let domain = key.split_once('/').map(|(domain, _)| domain).unwrap_or_default();
    !["kubernetes.io", "k8s.io"].iter().any(|d| domain == *d || domain.strip_suffix(d).is_some_and(|rest| rest.ends_with('.')))
}

/// The node with what its cloud told, and without the taint (`getNodeModifiersFromCloudProvider`).
fn initialized(node: &Object, metadata: &InstanceMetadata) -> Object {
    let mut changed = node.clone();
    if node.str_at(&["spec", "providerID"]).is_empty() && !metadata.provider_id.is_empty() {
        changed.set_at(&["spec", "providerID"], json!(metadata.provider_id));
    }
    for ((first, second), value) in TWINS.iter().zip([&metadata.zone, &metadata.region, &metadata.instance_type]) {
        if !value.is_empty() {
            changed.set_at(&["metadata", "labels", first], json!(value));
            changed.set_at(&["metadata", "labels", second], json!(value));
        }
    }
    for (key, value) in &metadata.additional_labels {
        if is_own(key) && changed.label(key).is_none() {
            changed.set_at(&["metadata", "labels", key], json!(value));
        }
    }
    match or_null(taints_without(node, UNINITIALIZED)) {
        Value::Null => drop(changed.remove_at(&["spec", "taints"])),
        taints => changed.set_at(&["spec", "taints"], taints),
    }
    changed
}

/// The addresses that the node should have, when they are others than it has (`updateNodeAddress`).
fn addresses(node: &Object, metadata: &InstanceMetadata) -> Result<Option<Vec<Value>>, Failure> {
    let told = &metadata.node_addresses;
    let mut wanted = told.clone();
    if let Some(ips) = node.annotation(PROVIDED_IP) {
        let invalid = |reason: String| Failure::NodeIp { node: node.name().to_owned(), reason };
        // The first given is to be the first of its kind, so it is moved last.
        for ip in ips.split(',').rev() {
            let ip: IpAddr = ip.trim().parse().map_err(|_| invalid(format!("failed to parse node IP {ips:?}")))?;
            wanted = first(ip, wanted)
                .ok_or_else(|| invalid(format!("failed to get node address from cloud provider that matches ip: {ip}")))?;
        }
    }
    if told.is_empty() {
        return Ok(None);
    }
    let mut wanted: Vec<Value> = wanted.iter().map(|a| json!({"type": a.ty, "address": a.address})).collect();
    let present = list(node, &["status", "addresses"]);
    if !wanted.iter().any(|a| text(a, "type") == "Hostname") {
        wanted.extend(present.iter().filter(|a| text(a, "type") == "Hostname").cloned());
    }
    Ok((wanted != present).then_some(wanted))
}

/// The addresses by type, with those equal to `ip` first of their type; `None` when there is none such.
fn first(ip: IpAddr, addresses: Vec<NodeAddress>) -> Option<Vec<NodeAddress>> {
    let is_it = |a: &NodeAddress| a.address.parse() == Ok(ip);
    addresses.iter().any(is_it).then_some(())?;
    let mut types: Vec<String> = Vec::new();
    for address in &addresses {
        if !types.contains(&address.ty) {
            types.push(address.ty.clone());
        }
    }
    let mut sorted = addresses;
    sorted.sort_by_key(|a| (types.iter().position(|t| *t == a.ty), !is_it(a)));
    Some(sorted)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Cluster, Scripted, metadata};
    use super::*;

    fn node(taints: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a", "labels": {"own.example/kept": "here"}},
            "spec": {"taints": taints}, "status": {"addresses": [{"type": "Hostname", "address": "a"}]}})
    }

    #[tokio::test]
    async fn a_tainted_node_gets_what_its_cloud_tells() {
        let cluster = Cluster::with([node(json!([{"key": UNINITIALIZED, "effect": "NoSchedule", "value": "true"},
            {"key": "mine", "effect": "NoExecute"}]))]);
        let provider = Arc::new(Scripted::default().with_metadata("a", metadata("sim://1")));
        let controller = cluster.controller(make, &provider).await;
        let next = controller.reconcile(&Key::new("", "a")).await.unwrap();
        assert_eq!(next.after, Some(LOOK));
        let node = cluster.get("nodes", "", "a");
        assert_eq!(node["spec"]["providerID"], "sim://1");
        assert_eq!(node["spec"]["taints"], json!([{"key": "mine", "effect": "NoExecute"}]));
        for (label, value) in [
            ("topology.kubernetes.io/zone", json!("z1")),
            ("failure-domain.beta.kubernetes.io/zone", json!("z1")),
            ("topology.kubernetes.io/region", json!("r1")),
            ("node.kubernetes.io/instance-type", json!("small")),
            ("own.example/rack", json!("7")),
            ("own.example/kept", json!("here")),
            ("evil.kubernetes.io/x", Value::Null),
        ] {
            assert_eq!(node["metadata"]["labels"][label], value, "{label}");
        }
        let told = json!([{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "Hostname", "address": "a"}]);
        assert_eq!(node["status"]["addresses"], told);
        // Initialised: the cloud is not asked again by every heartbeat.
        cluster.settle(&provider, &controller, "a").await;
        assert_eq!(provider.calls(), ["instance_metadata a"]);
    }

    #[tokio::test]
    async fn a_node_stays_tainted_while_its_cloud_does_not_answer_well() {
        let tainted = node(json!([{"key": UNINITIALIZED, "effect": "NoSchedule"}]));
        let check = async |provider: Scripted, expect: Result<(), &str>| {
            let cluster = Cluster::with([tainted.clone()]);
            let controller = cluster.controller(make, &Arc::new(provider)).await;
            let result = controller.reconcile(&Key::new("", "a")).await.map(drop).map_err(|e| e.to_string());
            assert_eq!(result, expect.map_err(str::to_owned));
            assert!(is_uninitialized(&Object::from_value(cluster.get("nodes", "", "a")).unwrap()));
        };
        check(Scripted::default(), Ok(())).await;
        let no_id = InstanceMetadata { provider_id: String::new(), ..metadata("") };
        check(Scripted::default().with_metadata("a", no_id), Err("cloud provider does not set node provider ID for node a")).await;
        let away = Scripted::default().with_metadata("a", metadata("sim://1")).fails("instance_metadata", CloudError::InstanceNotFound, 1);
        check(away, Err("failed to get instance metadata of node a: instance not found")).await;
    }

    #[test]
    fn addresses_prefer_what_the_node_was_told() {
        let check = |annotation: Option<&str>, told: &[(&str, &str)], expect: Result<Option<Value>, ()>| {
            let mut node = Object::from_value(node(Value::Null)).unwrap();
            if let Some(ip) = annotation {
                node.set_at(&["metadata", "annotations", PROVIDED_IP], json!(ip));
            }
            let node_addresses = told.iter().map(|(ty, a)| NodeAddress { ty: (*ty).into(), address: (*a).into() }).collect();
            let metadata = InstanceMetadata { node_addresses, ..InstanceMetadata::default() };
            let got = addresses(&node, &metadata).map(|list| {
                list.map(|l| l.iter().map(|a| format!("{}={}", text(a, "type"), text(a, "address"))).collect::<Vec<_>>().into())
            });
            assert_eq!(got.map_err(drop), expect);
        };
        check(None, &[], Ok(None));
        check(None, &[("InternalIP", "10.0.0.2")], Ok(Some(json!(["InternalIP=10.0.0.2", "Hostname=a"]))));
        let three = [("InternalIP", "10.0.0.2"), ("Hostname", "b"), ("InternalIP", "10.0.0.3")];
        check(Some("10.0.0.3"), &three, Ok(Some(json!(["InternalIP=10.0.0.3", "InternalIP=10.0.0.2", "Hostname=b"]))));
        check(Some("10.0.0.9"), &three, Err(()));
        check(Some("ten"), &three, Err(()));
        check(None, &[("Hostname", "a")], Ok(None));
    }

    #[tokio::test]
    async fn older_labels_decide_and_zones_fill_in() {
        let mut labelled = node(Value::Null);
        labelled["metadata"]["labels"] = json!({"failure-domain.beta.kubernetes.io/zone": "old", "topology.kubernetes.io/zone": "new"});
        let cluster = Cluster::with([labelled]);
        let provider = Arc::new(Scripted::default());
        let controller = cluster.controller(make, &provider).await;
        controller.reconcile(&Key::new("", "a")).await.unwrap();
        assert_eq!(cluster.get("nodes", "", "a")["metadata"]["labels"]["topology.kubernetes.io/zone"], "old");

        let cluster = Cluster::with([node(json!([{"key": UNINITIALIZED, "effect": "NoSchedule"}]))]);
        let bare = InstanceMetadata { provider_id: "sim://1".into(), ..InstanceMetadata::default() };
        let provider = Arc::new(Scripted::default().with_metadata("a", bare).with_zone("a", "z9", "r9"));
        let controller = cluster.controller(make, &provider).await;
        controller.reconcile(&Key::new("", "a")).await.unwrap();
        assert_eq!(cluster.get("nodes", "", "a")["metadata"]["labels"]["topology.kubernetes.io/zone"], "z9");
        assert_eq!(provider.calls(), ["instance_metadata a", "get_zone_by_provider_id sim://1", "get_zone_by_node_name a"]);
    }
}
