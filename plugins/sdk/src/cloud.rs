//! Cloud providers: the machines behind nodes, load balancers, routes. A provider has [`Cloud`] and those of the other traits that the
//! cloud can do; what it leaves out is not supported.
//!
//! ```no_run
//! use coracle_plugin::cloud::{Cloud, Failure, Instances, Metadata, Node};
//! use coracle_plugin::config;
//!
//! /// Machines that are listed in the settings, by the node's name.
//! struct Rack;
//!
//! impl Cloud for Rack {
//!     fn provider_name() -> String {
//!         "rack".to_owned()
//!     }
//! }
//!
//! impl Instances for Rack {
//!     fn exists(node: &Node) -> Result<bool, Failure> {
//!         Ok(config::get(&node.name).is_some())
//!     }
//!
//!     fn describe(node: &Node) -> Result<Option<Metadata>, Failure> {
//!         let zone = config::get(&node.name).ok_or(Failure::InstanceNotFound)?;
//!         Ok(Some(Metadata { zone, ..Metadata::new(&format!("rack://{}", node.name), node) }))
//!     }
//! }
//!
//! coracle_plugin::cloud_provider!(cloud: Rack, instances: Rack);
//! # fn main() {}
//! ```

mod export;

pub use crate::bindings::instances::exports::coracle::plugin::instances::Metadata;
pub use crate::bindings::load_balancer::exports::coracle::plugin::load_balancer::{Ingress, Port, Service};
pub use crate::bindings::platform::cloud_types::{Entry, Failure, Node, NodeAddress, RetryAfter};
pub use crate::bindings::routes::exports::coracle::plugin::routes::Route;
pub use crate::bindings::zones::exports::coracle::plugin::zones::Zone;

/// The provider itself.
pub trait Cloud {
    /// Called in each instance before anything else.
    ///
    /// # Errors
    /// The provider is not used while this fails.
    fn initialize() -> Result<(), Failure> {
        Ok(())
    }

    /// The cloud's name, with which provider IDs begin. Always the same.
    fn provider_name() -> String;

    /// Whether a cluster ID is set, if the cloud needs one.
    fn has_cluster_id() -> bool {
        true
    }
}

/// Load balancers of Services. Every call may be repeated.
pub trait LoadBalancer {
    /// The balancer's state; `None`: there is none.
    ///
    /// # Errors
    /// The call is repeated.
    fn get(cluster: &str, service: &Service) -> Result<Option<Vec<Ingress>>, Failure>;

    /// What the cloud calls it.
    fn name(_cluster: &str, service: &Service) -> String {
        default_name(service)
    }

    /// Makes or changes it so that it is as the Service says, with these nodes behind it.
    ///
    /// # Errors
    /// As for [`LoadBalancer::get`].
    fn ensure(cluster: &str, service: &Service, nodes: &[Node]) -> Result<Vec<Ingress>, Failure>;

    /// Only the nodes changed.
    ///
    /// # Errors
    /// As for [`LoadBalancer::get`].
    fn update(cluster: &str, service: &Service, nodes: &[Node]) -> Result<(), Failure> {
        Self::ensure(cluster, service, nodes).map(drop)
    }

    /// To delete what is not there succeeds.
    ///
    /// # Errors
    /// As for [`LoadBalancer::get`].
    fn delete(cluster: &str, service: &Service) -> Result<(), Failure>;
}

/// The machines behind the nodes.
pub trait Instances {
    /// `false`: the node, which is not ready, is deleted.
    ///
    /// # Errors
    /// The call is repeated.
    fn exists(node: &Node) -> Result<bool, Failure>;

    /// Whether the machine is switched off.
    ///
    /// # Errors
    /// As for [`Instances::exists`].
    fn shutdown(_node: &Node) -> Result<bool, Failure> {
        Ok(false)
    }

    /// `None`: nothing is known of the node, which is left as it is.
    ///
    /// # Errors
    /// As for [`Instances::exists`].
    fn describe(node: &Node) -> Result<Option<Metadata>, Failure>;
}

/// Routes to the pods of each node.
pub trait Routes {
    /// The cluster's own, and no others.
    ///
    /// # Errors
    /// The call is repeated.
    fn list(cluster: &str) -> Result<Vec<Route>, Failure>;

    /// # Errors
    /// As for [`Routes::list`].
    fn create(cluster: &str, name_hint: &str, route: &Route) -> Result<(), Failure>;

    /// # Errors
    /// As for [`Routes::list`].
    fn delete(cluster: &str, route: &Route) -> Result<(), Failure>;
}

/// For clouds whose [`Metadata`] does not name zones.
pub trait Zones {
    /// Where the server runs.
    ///
    /// # Errors
    /// The call is repeated.
    fn current() -> Result<Zone, Failure>;

    /// # Errors
    /// As for [`Zones::current`].
    fn by_provider_id(id: &str) -> Result<Zone, Failure>;

    /// # Errors
    /// As for [`Zones::current`].
    fn by_node_name(name: &str) -> Result<Zone, Failure>;
}

/// The cloud's clusters.
pub trait Clusters {
    /// Their names.
    ///
    /// # Errors
    /// The call is repeated.
    fn list() -> Result<Vec<String>, Failure>;

    /// The address of a cluster's control plane.
    ///
    /// # Errors
    /// As for [`Clusters::list`].
    fn master(cluster: &str) -> Result<String, Failure>;
}

/// As upstream's `DefaultLoadBalancerName` (`k8s.io/cloud-provider/cloud.go`): `a` and the Service's UID without dashes, at most 32 characters.
pub fn default_name(service: &Service) -> String {
    let name = format!("a{}", service.uid.replace('-', ""));
    name.chars().take(32).collect()
}

impl Failure {
    /// In words that stand in the object's event.
    pub fn new(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }

    /// The cloud is at work: again after a fixed time.
    pub fn retry(text: impl Into<String>, milliseconds: u64) -> Self {
        Self::Retry(RetryAfter { message: text.into(), milliseconds })
    }
}

/// What goes wrong in words is tried again.
impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Failed(text)
    }
}

impl From<crate::api::Failure> for Failure {
    fn from(failure: crate::api::Failure) -> Self {
        Self::Failed(failure.message)
    }
}

impl From<crate::state::Failure> for Failure {
    fn from(failure: crate::state::Failure) -> Self {
        Self::Failed(match failure {
            crate::state::Failure::TooLarge(what) => format!("the state is full: {what}"),
            crate::state::Failure::Changed => "somebody else was first".to_owned(),
            crate::state::Failure::Unavailable(cause) => format!("the state is not available: {cause}"),
        })
    }
}

impl Metadata {
    /// A machine with the addresses that its node told.
    pub fn new(provider_id: &str, node: &Node) -> Self {
        Self {
            provider_id: provider_id.to_owned(),
            instance_type: String::new(),
            addresses: node.addresses.clone(),
            zone: String::new(),
            region: String::new(),
            labels: Vec::new(),
        }
    }
}

impl Ingress {
    /// An address, with which packets arrive.
    pub fn ip(address: impl Into<String>) -> Self {
        Self { ip: address.into(), hostname: String::new(), ip_mode: String::new() }
    }
}

impl Service {
    pub fn annotation(&self, key: &str) -> Option<&str> {
        value(&self.annotations, key)
    }
}

impl Node {
    pub fn label(&self, key: &str) -> Option<&str> {
        value(&self.labels, key)
    }

    pub fn annotation(&self, key: &str) -> Option<&str> {
        value(&self.annotations, key)
    }
}

fn value<'a>(entries: &'a [Entry], key: &str) -> Option<&'a str> {
    entries.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
}
