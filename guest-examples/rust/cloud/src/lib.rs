//! A cloud provider for a rack of machines: `spec.config.machines` says which there are and in which zone each stands, and Services of
//! type LoadBalancer get the addresses in `spec.config.addresses`.

use coracle_plugin::cloud::{Cloud, Failure, Ingress, Instances, LoadBalancer, Metadata, Node, Service};
use coracle_plugin::{config, state};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Settings {
    addresses: Vec<String>,
    machines: BTreeMap<String, String>,
}

struct Rack;

impl Cloud for Rack {
    fn initialize() -> Result<(), Failure> {
        config::read::<Settings>()?;
        Ok(())
    }

    fn provider_name() -> String {
        "rack".to_owned()
    }
}

impl LoadBalancer for Rack {
    fn get(_cluster: &str, service: &Service) -> Result<Option<Vec<Ingress>>, Failure> {
        let address = state::get(&key(service))?;
        Ok(address.map(|address| vec![Ingress::ip(String::from_utf8_lossy(&address))]))
    }

    fn ensure(cluster: &str, service: &Service, _nodes: &[Node]) -> Result<Vec<Ingress>, Failure> {
        if let Some(ingress) = Self::get(cluster, service)? {
            return Ok(ingress);
        }
        for address in config::read::<Settings>()?.addresses {
            // Another instance may want it at the same moment: whoever is first has it.
            match state::replace(&format!("address.{address}"), None, service.uid.as_bytes()) {
                Ok(()) => {
                    state::set(&key(service), address.as_bytes())?;
                    return Ok(vec![Ingress::ip(address)]);
                }
                Err(state::Failure::Changed) => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::new(format!("no address is left for {}/{}", service.namespace, service.name)))
    }

    fn delete(_cluster: &str, service: &Service) -> Result<(), Failure> {
        if let Some(address) = state::get(&key(service))? {
            state::delete(&format!("address.{}", String::from_utf8_lossy(&address)))?;
            state::delete(&key(service))?;
        }
        Ok(())
    }
}

fn key(service: &Service) -> String {
    format!("service.{}", service.uid)
}

impl Instances for Rack {
    fn exists(node: &Node) -> Result<bool, Failure> {
        Ok(config::read::<Settings>()?.machines.contains_key(&node.name))
    }

    fn describe(node: &Node) -> Result<Option<Metadata>, Failure> {
        let zone = config::read::<Settings>()?.machines.remove(&node.name).ok_or(Failure::InstanceNotFound)?;
        Ok(Some(Metadata { zone, ..Metadata::new(&format!("rack://{}", node.name), node) }))
    }
}

coracle_plugin::cloud_provider!(cloud: Rack, load_balancer: Rack, instances: Rack);
