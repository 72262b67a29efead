//! What a pod asks about other pods: affinity, anti-affinity and spread over topologies.

use crate::pod::PodInfo;
use object::selector::LabelSelector;
use object::{Map, Object, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// Namespaces by name, for terms that select them by label.
pub type Namespaces = HashMap<String, Arc<Object>>;

/// `spec.affinity.podAffinity` and `podAntiAffinity`.
#[derive(Clone, Debug, Default)]
pub struct PodAffinity {
    pub near: Vec<Term>,
    pub apart: Vec<Term>,
    /// Weights of 1 to 100; of anti-affinity below 0.
    pub preferred: Vec<(i64, Term)>,
}

/// `PodAffinityTerm`: pods that it selects, and which nodes count as one place.
#[derive(Clone, Debug)]
pub struct Term {
    selector: Selector,
    /// The pod's own when the term names neither these nor a selector.
    namespaces: Vec<String>,
    namespace_selector: Option<LabelSelector>,
    pub topology_key: String,
}

/// `TopologySpreadConstraint`.
#[derive(Clone, Debug)]
pub struct Spread {
    pub max_skew: i64,
    pub topology_key: String,
    /// `DoNotSchedule`; else `ScheduleAnyway`.
    pub hard: bool,
    selector: Selector,
    pub min_domains: i64,
    /// Count only nodes that the pod's selector and affinity allow (`nodeAffinityPolicy`, default `Honor`).
    pub honor_affinity: bool,
    /// Count only nodes whose taints the pod tolerates (`nodeTaintsPolicy`, default `Ignore`).
    pub honor_taints: bool,
}

/// A label selector and what `matchLabelKeys` and `mismatchLabelKeys` add to it.
#[derive(Clone, Debug)]
struct Selector {
    labels: LabelSelector,
    same: Vec<(String, String)>,
    other: Vec<(String, String)>,
    /// These, too.
    also: Vec<LabelSelector>,
}

impl PodAffinity {
    pub fn of(pod: &Object) -> Self {
        let list = |kind: &str, field: &str| {
            let list = pod.at(&["spec", "affinity", kind, field]).and_then(Value::as_array);
            list.into_iter().flatten()
        };
        let required = "requiredDuringSchedulingIgnoredDuringExecution";
        let preferred = |kind: &'static str, sign: i64| {
            list(kind, "preferredDuringSchedulingIgnoredDuringExecution")
                .filter_map(move |p| Some((sign * p.get("weight")?.as_i64()?, Term::of(pod, p.get("podAffinityTerm")?))))
        };
        Self {
            near: list("podAffinity", required).map(|t| Term::of(pod, t)).collect(),
            apart: list("podAntiAffinity", required).map(|t| Term::of(pod, t)).collect(),
            preferred: preferred("podAffinity", 1).chain(preferred("podAntiAffinity", -1)).collect(),
        }
    }

    pub fn is_none(&self) -> bool {
        self.near.is_empty() && self.apart.is_empty() && self.preferred.is_empty()
    }
}

impl Term {
    fn of(pod: &Object, term: &Value) -> Self {
        let selector = |field: &str| term.get(field).filter(|v| !v.is_null());
        let named = term.get("namespaces").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let mut namespaces: Vec<String> = named.map(str::to_owned).collect();
        let namespace_selector = selector("namespaceSelector").map(parse);
        if namespaces.is_empty() && namespace_selector.is_none() {
            namespaces.push(pod.namespace().to_owned());
        }
        let topology_key = text(term, "topologyKey").to_owned();
        Self { selector: Selector::of(pod, term), namespaces, namespace_selector, topology_key }
    }

    pub fn selects(&self, pod: &PodInfo, known: &Namespaces) -> bool {
        let namespace = || {
            self.namespaces.contains(&pod.namespace)
                || self.namespace_selector.as_ref().is_some_and(|s| {
                    let labels = known.get(&pod.namespace).and_then(|n| n.labels());
                    s.matches(labels)
                })
        };
        self.selector.matches(pod.object.labels()) && namespace()
    }
}

impl Term {
    /// As [`Term::selects`], taking a selection of namespaces by label to hold.
    pub fn may_select(&self, pod: &PodInfo) -> bool {
        self.selector.matches(pod.object.labels()) && (self.namespace_selector.is_some() || self.namespaces.contains(&pod.namespace))
    }
}

impl Spread {
    pub fn of(pod: &Object) -> Vec<Self> {
        let list = pod.at(&["spec", "topologySpreadConstraints"]).and_then(Value::as_array).into_iter().flatten();
        list.map(|constraint| Self::one(constraint, Selector::of(pod, constraint))).collect()
    }

    /// A constraint that a pod has by default, over the pods that match all of `selectors`.
    pub fn by_default(constraint: &Value, selectors: &[LabelSelector]) -> Self {
        let selector = Selector { labels: LabelSelector::everything(), same: Vec::new(), other: Vec::new(), also: selectors.to_vec() };
        Self::one(constraint, selector)
    }

    fn one(constraint: &Value, selector: Selector) -> Self {
        let number = |field: &str| constraint.get(field).and_then(Value::as_i64).unwrap_or(1).max(1);
        Self {
            max_skew: number("maxSkew"),
            topology_key: text(constraint, "topologyKey").to_owned(),
            hard: text(constraint, "whenUnsatisfiable") != "ScheduleAnyway",
            selector,
            min_domains: number("minDomains"),
            honor_affinity: text(constraint, "nodeAffinityPolicy") != "Ignore",
            honor_taints: text(constraint, "nodeTaintsPolicy") == "Honor",
        }
    }

    /// Whether a pod of the same namespace counts.
    pub fn selects(&self, pod: &PodInfo) -> bool {
        self.selector.matches(pod.object.labels())
    }
}

impl Selector {
    fn of(pod: &Object, term: &Value) -> Self {
        let keys = |field: &str| {
            let keys = term.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            keys.filter_map(|key| Some((key.to_owned(), pod.label(key)?.to_owned()))).collect()
        };
        let labels = term.get("labelSelector").filter(|v| !v.is_null()).map_or_else(LabelSelector::nothing, parse);
        Self { labels, same: keys("matchLabelKeys"), other: keys("mismatchLabelKeys"), also: Vec::new() }
    }

    fn matches(&self, labels: Option<&Map<String, Value>>) -> bool {
        let label = |key: &str| labels.and_then(|l| l.get(key)).and_then(Value::as_str);
        self.labels.matches(labels)
            && self.same.iter().all(|(k, v)| label(k) == Some(v.as_str()))
            && self.other.iter().all(|(k, v)| label(k) != Some(v.as_str()))
            && self.also.iter().all(|selector| selector.matches(labels))
    }
}

/// A selector that the API would not have accepted selects nothing.
fn parse(selector: &Value) -> LabelSelector {
    LabelSelector::from_value(selector).unwrap_or_else(|_| LabelSelector::nothing())
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}
