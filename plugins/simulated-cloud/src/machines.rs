//! The machines, by the setting `instances`: one a line (or between semicolons), `<node>: <key>=<value> …`.

use crate::coracle::plugin::cloud_types::{Entry, Failure, Node, NodeAddress};
use crate::exports::coracle::plugin::{instances::Metadata, zones::Zone};
use crate::{provider, setting};

#[derive(Default)]
pub struct Machine {
    pub node: String,
    id: String,
    kind: String,
    zone: String,
    region: String,
    addresses: Vec<NodeAddress>,
    labels: Vec<Entry>,
    pub stopped: bool,
}

/// All that the settings list.
pub fn all() -> Result<Vec<Machine>, Failure> {
    let settings = setting("instances", "");
    let lines = settings.split(['\n', ';']).map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| Machine::parse(line).ok_or_else(|| Failure::Failed(format!("setting instances: {line:?} is not understood"))))
        .collect()
}

impl Machine {
    fn parse(line: &str) -> Option<Self> {
        let (node, rest) = line.split_once(':')?;
        let mut machine = Self::named(node.trim());
        for word in rest.split_whitespace() {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            let value = value.to_owned();
            match key {
                "id" => machine.id = value,
                "type" => machine.kind = value,
                "zone" => machine.zone = value,
                "region" => machine.region = value,
                "internal" => machine.addresses.push(NodeAddress { kind: "InternalIP".to_owned(), address: value }),
                "external" => machine.addresses.push(NodeAddress { kind: "ExternalIP".to_owned(), address: value }),
                "stopped" => machine.stopped = true,
                _ => machine.labels.push(Entry { key: key.strip_prefix("label.")?.to_owned(), value }),
            }
        }
        Some(machine)
    }

    fn named(node: &str) -> Self {
        Self { node: node.to_owned(), id: node.to_owned(), ..Self::default() }
    }

    /// The node's machine: by its provider ID if it has one, else by name. What is not listed exists, unless the setting `others` is
    /// `gone`.
    pub fn of(node: &Node) -> Result<Option<Self>, Failure> {
        let is_it = |machine: &Machine| {
            if node.provider_id.is_empty() { machine.node == node.name } else { machine.provider_id() == node.provider_id }
        };
        let found = all()?.into_iter().find(is_it);
        Ok(found.or_else(|| (setting("others", "exist") != "gone").then(|| Self::named(&node.name))))
    }

    pub fn provider_id(&self) -> String {
        format!("{}://{}", provider(), self.id)
    }

    pub fn zone(&self) -> Zone {
        Zone { failure_domain: self.zone.clone(), region: self.region.clone() }
    }

    /// Without addresses of its own in the settings, a machine has those that its node told.
    pub fn metadata(self, node: &Node) -> Metadata {
        Metadata {
            provider_id: self.provider_id(),
            addresses: if self.addresses.is_empty() { node.addresses.clone() } else { self.addresses },
            instance_type: self.kind,
            zone: self.zone,
            region: self.region,
            labels: self.labels,
        }
    }
}
