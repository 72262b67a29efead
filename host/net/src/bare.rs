//! The built-in cloud provider for nodes without a cloud: LoadBalancer Services get addresses from a pool, and a node of the
//! cluster answers for each. The mechanism is MetalLB's in layer 2 mode: [`Bare`] gives out addresses (its controller), and
//! [`announce`] runs on every node and puts those on the interface that the node is elected for (its speaker).
//!
//! Invariants
//! - The API is the only state: an address belongs to the Service whose status names it. What was given out and is not in the
//!   status yet is remembered in memory, so that no address is given out twice in between.
//! - All nodes elect alike, from the same objects, without talking to each other.

mod allocate;
pub mod announce;
mod arp;
mod elect;
mod interface;
mod provider;
mod range;

pub use announce::{Config, clear, run};
pub use provider::Bare;
pub use range::AddressPool;

use object::Object;
use std::net::Ipv4Addr;

/// The Service wants an address of ours: one with a `loadBalancerClass` wants someone else's.
fn is_ours(service: &Object) -> bool {
    let class = service.at(&["spec", "loadBalancerClass"]);
    service.str_at(&["spec", "type"]) == "LoadBalancer" && class.is_none_or(object::Value::is_null)
}

/// The address of the pool that the Service's status names.
fn address_of(service: &Object, pool: &AddressPool) -> Option<Ipv4Addr> {
    let ingress = service.at(&["status", "loadBalancer", "ingress"])?.as_array()?;
    let addresses = ingress.iter().filter_map(|i| i.get("ip")?.as_str()?.parse().ok());
    addresses.into_iter().find(|address| pool.contains(*address))
}
