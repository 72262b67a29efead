//! Load balancers and routes, each a key of the state.

use crate::coracle::plugin::cloud_types::{Failure, Node};
use crate::coracle::plugin::state;
use crate::exports::coracle::plugin::load_balancer::{Guest as LoadBalancer, Ingress, Service};
use crate::exports::coracle::plugin::routes::{Guest as Routes, Route};
use crate::{Plugin, failures, read, setting, unavailable, write};
use std::net::Ipv4Addr;

/// `balancer.<uid>` holds the address and, after a space, the nodes; `address.<address>` whose it is.
fn balancer(service: &Service) -> Result<Option<(String, String)>, Failure> {
    let value = read(&format!("balancer.{}", service.uid))?;
    Ok(value.map(|value| value.split_once(' ').map(|(a, n)| (a.to_owned(), n.to_owned())).unwrap_or((value, String::new()))))
}

fn ingress(address: String) -> Vec<Ingress> {
    vec![Ingress { ip: address, hostname: String::new(), ip_mode: setting("ipMode", "VIP") }]
}

fn keep(service: &Service, address: &str, nodes: &[Node]) -> Result<(), Failure> {
    let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    write(&format!("balancer.{}", service.uid), &format!("{address} {}", names.join(",")))
}

/// The first free address of the setting `addresses` (`203.0.113.10-203.0.113.19`). Two instances may look for one at once, so it is
/// taken only if nobody has it at that moment.
fn allocate(service: &Service) -> Result<String, Failure> {
    let range = setting("addresses", "203.0.113.1-203.0.113.254");
    let ends = range.split_once('-').and_then(|(a, b)| Some((a.trim().parse::<Ipv4Addr>().ok()?, b.trim().parse::<Ipv4Addr>().ok()?)));
    let (first, last) = ends.ok_or_else(|| Failure::Failed(format!("setting addresses: {range:?} is not understood")))?;
    for address in u32::from(first)..=u32::from(last) {
        let address = Ipv4Addr::from(address).to_string();
        match state::replace(&format!("address.{address}"), None, service.uid.as_bytes()) {
            Ok(()) => return Ok(address),
            Err(state::Failure::Changed) => {}
            Err(failure) => return Err(unavailable(failure)),
        }
    }
    Err(Failure::Failed(format!("the simulated cloud has no address left in {range}")))
}

impl LoadBalancer for Plugin {
    fn get(_: String, service: Service) -> Result<Option<Vec<Ingress>>, Failure> {
        failures::pass("get", &service.name)?;
        Ok(balancer(&service)?.map(|(address, _)| ingress(address)))
    }

    fn name(_: String, service: Service) -> String {
        format!("simulated-{}-{}", service.namespace, service.name)
    }

    fn ensure(_: String, service: Service, nodes: Vec<Node>) -> Result<Vec<Ingress>, Failure> {
        failures::pass("ensure", &service.name)?;
        let address = match balancer(&service)? {
            Some((address, _)) => address,
            None => allocate(&service)?,
        };
        keep(&service, &address, &nodes)?;
        Ok(ingress(address))
    }

    fn update(_: String, service: Service, nodes: Vec<Node>) -> Result<(), Failure> {
        failures::pass("update", &service.name)?;
        let (address, _) = balancer(&service)?.ok_or_else(|| Failure::Failed("there is no such balancer".to_owned()))?;
        keep(&service, &address, &nodes)
    }

    fn delete(_: String, service: Service) -> Result<(), Failure> {
        failures::pass("delete", &service.name)?;
        if let Some((address, _)) = balancer(&service)? {
            state::delete(&format!("address.{address}")).map_err(unavailable)?;
            state::delete(&format!("balancer.{}", service.uid)).map_err(unavailable)?;
        }
        Ok(())
    }
}

/// A route's key: what is no letter, digit, dot or dash may not stand in it.
fn key(route: &Route) -> String {
    format!("route.{}", route.destination.replace(['/', ':'], "_"))
}

impl Routes for Plugin {
    fn list(_: String) -> Result<Vec<Route>, Failure> {
        failures::pass("list-routes", "")?;
        let keys = state::keys("route.").map_err(unavailable)?;
        let mut routes = Vec::new();
        for key in keys {
            let Some(value) = read(&key)? else { continue };
            let (destination, node) = value.split_once(' ').unwrap_or((&value, ""));
            routes.push(Route {
                name: key,
                target_node: node.to_owned(),
                has_addresses: false,
                target_addresses: Vec::new(),
                destination: destination.to_owned(),
                gateway: String::new(),
                blackhole: false,
            });
        }
        Ok(routes)
    }

    fn create(_: String, _: String, route: Route) -> Result<(), Failure> {
        failures::pass("create-route", &route.target_node)?;
        write(&key(&route), &format!("{} {}", route.destination, route.target_node))
    }

    fn delete(_: String, route: Route) -> Result<(), Failure> {
        failures::pass("delete-route", &route.target_node)?;
        state::delete(&key(&route)).map_err(unavailable)
    }
}
