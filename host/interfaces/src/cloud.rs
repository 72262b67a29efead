//! The Kubernetes cloud provider interface: `k8s.io/cloud-provider/cloud.go`, mirrored by `wit/cloud-provider.wit`. The cloud
//! controllers drive it; they cannot tell a built-in provider from a wasm one.
//!
//! A part that a provider does not have is `None`, as upstream's second return value `false`. Objects are handed over as the
//! API has them (Services, Nodes) and are never changed by a provider. Every call may be repeated: controllers are
//! level-triggered and start anew after a restart.

use async_trait::async_trait;
use object::Object;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Upstream's `cloudprovider.Interface`.
#[async_trait]
pub trait CloudProvider: fmt::Debug + Send + Sync {
    /// Called before anything else, once whenever the controllers begin to use the provider; may be repeated.
    async fn initialize(&self) -> Result<(), Error> {
        Ok(())
    }

    /// The cloud's name: what provider IDs begin with (`<name>://<instance>`).
    fn provider_name(&self) -> String;

    /// Whether a cluster ID is required and set.
    fn has_cluster_id(&self) -> bool {
        true
    }

    fn load_balancer(&self) -> Option<&dyn LoadBalancer> {
        None
    }

    /// Upstream's `InstancesV2`; the first version of that interface is not offered.
    fn instances(&self) -> Option<&dyn Instances> {
        None
    }

    /// Asked only about nodes whose metadata names no zone: upstream's Zones are superseded by `InstancesV2`.
    fn zones(&self) -> Option<&dyn Zones> {
        None
    }

    fn clusters(&self) -> Option<&dyn Clusters> {
        None
    }

    fn routes(&self) -> Option<&dyn Routes> {
        None
    }
}

/// A provider that a plugin is, by the plugin's name.
#[derive(Clone, Debug)]
pub struct CloudRow {
    pub name: String,
    pub provider: Arc<dyn CloudProvider>,
}

/// All plugins that are cloud providers. Each load of a component is another provider.
pub type CloudSet = Arc<Vec<CloudRow>>;

/// Load balancers of Services of that type. `cluster` is the cluster's name, as everywhere below.
#[async_trait]
pub trait LoadBalancer: Send + Sync {
    /// The balancer's state, or `None` when the cloud has none for this Service.
    async fn get_load_balancer(&self, cluster: &str, service: &Object) -> Result<Option<LoadBalancerStatus>, Error>;

    /// The name under which the cloud keeps it.
    async fn get_load_balancer_name(&self, cluster: &str, service: &Object) -> Result<String, Error>;

    /// Makes or changes the balancer so that it is as the Service says, with these nodes behind it.
    async fn ensure_load_balancer(&self, cluster: &str, service: &Object, nodes: &[Arc<Object>]) -> Result<LoadBalancerStatus, Error>;

    /// The nodes changed, and nothing else.
    async fn update_load_balancer(&self, cluster: &str, service: &Object, nodes: &[Arc<Object>]) -> Result<(), Error>;

    /// Deletes the balancer with all that belongs to it; `Ok` when there was none.
    async fn ensure_load_balancer_deleted(&self, cluster: &str, service: &Object) -> Result<(), Error>;
}

/// Machines. A provider finds one by `spec.providerID` first, by name, labels and annotations else.
#[async_trait]
pub trait Instances: Send + Sync {
    /// `false`: the machine is gone, and the node may be deleted. A stopped machine exists.
    async fn instance_exists(&self, node: &Object) -> Result<bool, Error>;
    async fn instance_shutdown(&self, node: &Object) -> Result<bool, Error>;
    /// `None`: the provider has nothing to say of this node, which is left as it is.
    async fn instance_metadata(&self, node: &Object) -> Result<Option<InstanceMetadata>, Error>;
}

/// Deprecated upstream in favour of [`InstanceMetadata`].
#[async_trait]
pub trait Zones: Send + Sync {
    /// Where this program runs.
    async fn get_zone(&self) -> Result<Zone, Error>;
    async fn get_zone_by_provider_id(&self, provider_id: &str) -> Result<Zone, Error>;
    async fn get_zone_by_node_name(&self, node: &str) -> Result<Zone, Error>;
}

#[async_trait]
pub trait Clusters: Send + Sync {
    async fn list_clusters(&self) -> Result<Vec<String>, Error>;
    /// The address of a cluster's control plane: a DNS name or an IP address.
    async fn master(&self, cluster: &str) -> Result<String, Error>;
}

/// Routes to the pods of each node.
#[async_trait]
pub trait Routes: Send + Sync {
    async fn list_routes(&self, cluster: &str) -> Result<Vec<Route>, Error>;
    /// `route.name` is ignored; the hint may become part of the name.
    async fn create_route(&self, cluster: &str, name_hint: &str, route: &Route) -> Result<(), Error>;
    /// `route` as [`Routes::list_routes`] gave it.
    async fn delete_route(&self, cluster: &str, route: &Route) -> Result<(), Error>;
}

/// `v1.LoadBalancerStatus`: where clients reach the Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoadBalancerStatus {
    pub ingress: Vec<Ingress>,
}

/// `v1.LoadBalancerIngress`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Ingress {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ip: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hostname: String,
    /// `VIP`: packets arrive with the balancer's address; `Proxy`: with a node's or pod's. Empty: as if `VIP`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ip_mode: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeAddress {
    /// `Hostname`, `InternalIP`, `ExternalIP`, `InternalDNS`, `ExternalDNS`.
    #[serde(rename = "type")]
    pub ty: String,
    pub address: String,
}

/// What becomes fields and labels of the node. Empty texts say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstanceMetadata {
    /// `<provider-name>://<instance-id>`.
    pub provider_id: String,
    pub instance_type: String,
    pub node_addresses: Vec<NodeAddress>,
    pub zone: String,
    pub region: String,
    pub additional_labels: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    pub failure_domain: String,
    pub region: String,
}

/// One route to the pods of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    pub name: String,
    /// Empty: of no node that the cloud knows.
    pub target_node: String,
    /// Whether `target_node_addresses` mean anything.
    pub enable_node_addresses: bool,
    pub target_node_addresses: Vec<NodeAddress>,
    /// `10.42.3.0/24`.
    pub destination_cidr: String,
    /// The address that the route leads through; empty: not known.
    pub gateway_address: String,
    /// It leads nowhere and is to be removed.
    pub blackhole: bool,
}

/// Why a provider did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Upstream's `NotImplemented`.
    #[error("{operation} is not supported by cloud provider {provider}")]
    NotSupported { provider: String, operation: &'static str },
    /// Another program does this kind of thing: not an error for the controllers.
    #[error("implemented by alternate to cloud provider")]
    ImplementedElsewhere,
    #[error("instance not found")]
    InstanceNotFound,
    /// Upstream's `api.RetryError`: to be tried again after a fixed time, without backing off.
    #[error("{message}")]
    Retry { message: String, after: Duration },
    /// In the provider's own words, which stand in an event.
    #[error("{0}")]
    Failed(String),
}

/// Upstream's `DefaultLoadBalancerName`: `a` and the Service's UID without dashes, at most 32 characters.
pub fn default_load_balancer_name(service: &Object) -> String {
    let name = format!("a{}", service.uid().replace('-', ""));
    name.chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn default_names_are_short_and_begin_with_a_letter() {
        let service = Object::from_value(json!({"metadata": {"uid": "5d8b6dc4-93a2-4a16-9d8b-7b14b8b06ef1"}})).unwrap();
        assert_eq!(default_load_balancer_name(&service), "a5d8b6dc493a24a169d8b7b14b8b06ef");
    }

    #[test]
    fn a_status_is_written_as_the_api_has_it() {
        let status = LoadBalancerStatus { ingress: vec![Ingress { ip: "10.0.0.1".into(), ip_mode: "VIP".into(), ..Ingress::default() }] };
        let value = json!({"ingress": [{"ip": "10.0.0.1", "ipMode": "VIP"}]});
        assert_eq!(serde_json::to_value(&status).unwrap(), value);
        assert_eq!(serde_json::from_value::<LoadBalancerStatus>(value).unwrap(), status);
    }
}
