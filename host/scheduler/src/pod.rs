//! [`PodInfo`]: a pod as scheduling sees it, worked out once per version of the pod.

use crate::affinity::NodeSelection;
use crate::resources::{self, PodRequests};
use crate::topology::{PodAffinity, Spread};
use interfaces::schedule::PodView;
use object::{Map, Object, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

#[derive(Debug)]
pub struct PodInfo {
    pub object: Arc<Object>,
    pub namespace: String,
    pub name: String,
    pub uid: String,
    /// Empty until it is bound.
    pub node_name: String,
    pub priority: i32,
    pub asks: PodRequests,
    pub selection: NodeSelection,
    pub tolerations: Vec<Toleration>,
    pub affinity: PodAffinity,
    pub spread: Vec<Spread>,
    pub ports: Vec<HostPort>,
    /// Of all containers, in order, with their tag.
    pub images: Vec<String>,
    view: OnceLock<PodView>,
}

/// `core/v1 Toleration`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Toleration {
    pub key: String,
    /// `Equal` when empty.
    pub operator: String,
    pub value: String,
    /// Empty: all effects.
    pub effect: String,
}

/// A port of the node that a container asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// `0.0.0.0` when the pod names none.
    pub ip: String,
    pub protocol: String,
    pub port: u16,
}

impl PodInfo {
    pub fn new(object: Arc<Object>) -> Self {
        let spec = |field: &str| object.at(&["spec", field]);
        let list = |field: &str| spec(field).and_then(Value::as_array).into_iter().flatten();
        let containers = || list("containers");
        let sidecars = || list("initContainers").filter(|c| text(c, "restartPolicy") == "Always");
        let ports = containers().chain(sidecars()).flat_map(|c| c.get("ports").and_then(Value::as_array).into_iter().flatten());
        Self {
            namespace: object.namespace().to_owned(),
            name: object.name().to_owned(),
            uid: object.uid().to_owned(),
            node_name: object.str_at(&["spec", "nodeName"]).to_owned(),
            priority: spec("priority").and_then(Value::as_i64).and_then(|p| i32::try_from(p).ok()).unwrap_or_default(),
            asks: resources::of_pod(&object),
            selection: NodeSelection::of(&object),
            affinity: PodAffinity::of(&object),
            spread: Spread::of(&object),
            tolerations: list("tolerations").map(Toleration::of).collect(),
            ports: ports.filter_map(HostPort::of).collect(),
            images: list("initContainers").chain(containers()).map(|c| with_tag(text(c, "image"))).filter(|i| !i.is_empty()).collect(),
            view: OnceLock::new(),
            object,
        }
    }

    pub fn scheduler_name(&self) -> &str {
        self.object.str_at(&["spec", "schedulerName"])
    }

    pub fn is_gated(&self) -> bool {
        self.object.at(&["spec", "schedulingGates"]).and_then(Value::as_array).is_some_and(|g| !g.is_empty())
    }

    /// It has ended and uses nothing any more.
    pub fn is_terminal(&self) -> bool {
        matches!(self.object.str_at(&["status", "phase"]), "Succeeded" | "Failed")
    }

    /// Where an earlier cycle made room for it.
    pub fn nominated_node(&self) -> &str {
        self.object.str_at(&["status", "nominatedNodeName"])
    }

    pub fn never_preempts(&self) -> bool {
        self.object.str_at(&["spec", "preemptionPolicy"]) == "Never"
    }

    /// Whether the pod tolerates a taint of an effect that keeps pods away.
    pub fn tolerates(&self, taint: &interfaces::schedule::Taint) -> bool {
        self.tolerations.iter().any(|t| t.tolerates(taint))
    }

    /// Whether two versions of the pod differ in what scheduling looks at: anything but its status.
    pub fn differs_from(&self, other: &Self) -> bool {
        let meta = |pod: &Self, field: &str| pod.object.at(&["metadata", field]).cloned();
        self.object.at(&["spec"]) != other.object.at(&["spec"])
            || ["labels", "annotations"].into_iter().any(|f| meta(self, f) != meta(other, f))
    }

    /// Whether two versions of a pod on a node differ in what concerns other pods.
    pub fn matters_differently(&self, other: &Self) -> bool {
        self.asks != other.asks
            || self.ports != other.ports
            || self.object.labels() != other.object.labels()
            || self.object.is_deleting() != other.object.is_deleting()
    }

    /// The projection that plugins outside get, made on first use.
    pub fn view(&self) -> &PodView {
        self.view.get_or_init(|| PodView {
            object: self.object.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            labels: texts(self.object.labels()),
            annotations: texts(self.object.at(&["metadata", "annotations"]).and_then(Value::as_object)),
            node_selector: self.selection.labels.iter().cloned().collect(),
            priority: self.priority,
            scheduler_name: self.scheduler_name().to_owned(),
            requests: self.asks.requests.to_map(),
            images: self.images.clone(),
        })
    }
}

impl Toleration {
    fn of(value: &Value) -> Self {
        let text = |field| text(value, field).to_owned();
        Self { key: text("key"), operator: text("operator"), value: text("value"), effect: text("effect") }
    }

    /// `Toleration.ToleratesTaint`.
    pub fn tolerates(&self, taint: &interfaces::schedule::Taint) -> bool {
        if !self.effect.is_empty() && self.effect != taint.effect {
            return false;
        }
        if !self.key.is_empty() && self.key != taint.key {
            return false;
        }
        match self.operator.as_str() {
            "" | "Equal" => self.value == taint.value,
            "Exists" => true,
            _ => false,
        }
    }
}

impl HostPort {
    fn of(port: &Value) -> Option<Self> {
        let number = port.get("hostPort").and_then(Value::as_u64).and_then(|p| u16::try_from(p).ok()).filter(|p| *p > 0)?;
        let or = |value: &str, default: &str| if value.is_empty() { default } else { value }.to_owned();
        Some(Self { ip: or(text(port, "hostIP"), "0.0.0.0"), protocol: or(text(port, "protocol"), "TCP"), port: number })
    }

    /// `HostPortInfo.CheckConflict`: the wildcard address meets every other.
    pub fn conflicts(&self, other: &Self) -> bool {
        self.port == other.port && self.protocol == other.protocol && (self.ip == other.ip || self.ip == "0.0.0.0" || other.ip == "0.0.0.0")
    }
}

pub(crate) fn texts(map: Option<&Map<String, Value>>) -> BTreeMap<String, String> {
    map.into_iter().flatten().map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned())).collect()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// `normalizedImageName`: without tag or digest it is `:latest`.
fn with_tag(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or_default();
    if image.is_empty() || name.contains(':') { image.to_owned() } else { format!("{image}:latest") }
}
