//! A simulated cloud. Its machines are in its settings; load balancers, routes and how often something failed already are in its
//! state, where they outlive instances, updates and the server. The README tells the settings.

mod failures;
mod machines;
mod network;

wit_bindgen::generate!({ path: "../../wit", world: "cloud-provider" });

use coracle::plugin::cloud_types::Failure;
use coracle::plugin::{config, log, state};
use exports::coracle::plugin::{cloud, clusters, instances, zones};
use machines::Machine;

struct Plugin;

export!(Plugin);

/// A setting, or what it is without.
fn setting(key: &str, default: &str) -> String {
    config::get(key).unwrap_or_else(|| default.to_owned())
}

fn provider() -> String {
    setting("name", "simulated")
}

/// The state cannot be read or written: the cloud is away.
fn unavailable(failure: state::Failure) -> Failure {
    Failure::Failed(match failure {
        state::Failure::TooLarge(what) => format!("the simulated cloud is full: {what}"),
        state::Failure::Changed => "somebody else was first".to_owned(),
        state::Failure::Unavailable(cause) => format!("the simulated cloud does not answer: {cause}"),
    })
}

fn read(key: &str) -> Result<Option<String>, Failure> {
    let value = state::get(key).map_err(unavailable)?;
    Ok(value.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

fn write(key: &str, value: &str) -> Result<(), Failure> {
    state::set(key, value.as_bytes()).map_err(unavailable)
}

impl cloud::Guest for Plugin {
    fn initialize() -> Result<(), Failure> {
        failures::pass("initialize", "")?;
        machines::all()?;
        log::log(log::Level::Info, &format!("the cloud {} is simulated", provider()));
        Ok(())
    }

    fn provider_name() -> String {
        provider()
    }

    fn has_cluster_id() -> bool {
        true
    }
}

impl instances::Guest for Plugin {
    fn exists(node: instances::Node) -> Result<bool, Failure> {
        failures::pass("exists", &node.name)?;
        Ok(Machine::of(&node)?.is_some())
    }

    fn shutdown(node: instances::Node) -> Result<bool, Failure> {
        failures::pass("shutdown", &node.name)?;
        Machine::of(&node)?.map(|machine| machine.stopped).ok_or(Failure::InstanceNotFound)
    }

    fn describe(node: instances::Node) -> Result<Option<instances::Metadata>, Failure> {
        failures::pass("describe", &node.name)?;
        let machine = Machine::of(&node)?.ok_or(Failure::InstanceNotFound)?;
        Ok(Some(machine.metadata(&node)))
    }
}

impl zones::Guest for Plugin {
    fn current() -> Result<zones::Zone, Failure> {
        Ok(zones::Zone { failure_domain: setting("zone", ""), region: setting("region", "") })
    }

    fn by_provider_id(id: String) -> Result<zones::Zone, Failure> {
        let machine = machines::all()?.into_iter().find(|machine| machine.provider_id() == id);
        machine.map(|machine| machine.zone()).ok_or(Failure::InstanceNotFound)
    }

    fn by_node_name(name: String) -> Result<zones::Zone, Failure> {
        let machine = machines::all()?.into_iter().find(|machine| machine.node == name);
        machine.map(|machine| machine.zone()).ok_or(Failure::InstanceNotFound)
    }
}

impl clusters::Guest for Plugin {
    fn list() -> Result<Vec<String>, Failure> {
        Ok(vec![setting("cluster", "kubernetes")])
    }

    fn master(cluster: String) -> Result<String, Failure> {
        if cluster == setting("cluster", "kubernetes") { Ok(setting("master", "127.0.0.1")) } else { Err(Failure::InstanceNotFound) }
    }
}
