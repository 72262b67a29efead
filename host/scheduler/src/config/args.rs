//! The arguments of native plugins: `pkg/scheduler/apis/config/types_pluginargs.go`, v1 defaults, `validation_pluginargs.go`.

use super::API_VERSION;
use super::decode::Reader;
use super::plugins::{REMOVED, removed};
use crate::affinity::NodeSelection;
use object::{Object, Value, json, names};
use std::collections::HashSet;
use std::sync::Arc;

/// Of one profile; plugins that the file gives no arguments have the defaults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PluginArgs {
    pub fit: FitArgs,
    pub balanced: BalancedArgs,
    pub spread: SpreadArgs,
    pub affinity: InterPodAffinityArgs,
    pub added: AddedAffinity,
    pub preemption: PreemptionArgs,
}

/// `NodeResourcesFitArgs`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FitArgs {
    /// Extended resources that are not looked at when a node is judged.
    pub ignored: Vec<String>,
    /// The same by what stands before the `/`.
    pub ignored_groups: Vec<String>,
    pub strategy: Strategy,
    pub resources: Resources,
}

/// Resources that count for a score, with their weights of 1 to 100.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resources(pub Vec<(String, i64)>);

impl Default for Resources {
    fn default() -> Self {
        Self(vec![("cpu".to_owned(), 1), ("memory".to_owned(), 1)])
    }
}

/// `ScoringStrategyType`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    #[default]
    LeastAllocated,
    MostAllocated,
    /// By use in per cent: points of a broken line, with scores of 0 to 100, in increasing order of use.
    RequestedToCapacityRatio(Vec<(i64, i64)>),
}

/// `NodeResourcesBalancedAllocationArgs`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BalancedArgs(pub Resources);

/// `PodTopologySpreadArgs`: what pods without constraints get.
///
/// A profile that says nothing spreads nothing by default: upstream's `System` constraints cost a look at all nodes and their
/// pods for each pod of a Service or a ReplicaSet, and the scoring by free resources spreads them, too. One that gives this
/// plugin arguments has them unless it says `List`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpreadArgs {
    /// `TopologySpreadConstraint`s without selectors: they are those of what owns or serves the pod.
    pub defaults: Vec<Value>,
    /// They are the system's: a node need not have all of their labels.
    pub system: bool,
}

/// `systemDefaultConstraints`.
fn system_constraints() -> Vec<Value> {
    let constraint = |skew: i64, key: &str| json!({ "maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway" });
    vec![constraint(3, "kubernetes.io/hostname"), constraint(5, "topology.kubernetes.io/zone")]
}

/// `InterPodAffinityArgs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterPodAffinityArgs {
    /// What another pod's required affinity to the pod counts for; 0 to 100.
    pub hard_weight: i64,
    /// Preferences of pods on nodes do not count.
    pub ignore_preferred_of_existing: bool,
}

impl Default for InterPodAffinityArgs {
    fn default() -> Self {
        Self { hard_weight: 1, ignore_preferred_of_existing: false }
    }
}

/// `NodeAffinityArgs.addedAffinity`: holds for every pod of the profile, beside its own.
#[derive(Clone, Debug, Default)]
pub struct AddedAffinity(pub Option<Arc<NodeSelection>>, Value);

impl PartialEq for AddedAffinity {
    fn eq(&self, other: &Self) -> bool {
        self.1 == other.1
    }
}

/// `DefaultPreemptionArgs`: how many nodes are tried, of those that might do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreemptionArgs {
    pub percentage: usize,
    pub absolute: usize,
}

impl Default for PreemptionArgs {
    fn default() -> Self {
        Self { percentage: 10, absolute: 100 }
    }
}

impl PluginArgs {
    /// `pluginConfig` here.
    pub(super) fn read(r: &mut Reader<'_>) -> Self {
        let mut args = Self::default();
        let mut seen = HashSet::new();
        let list = r.raw("pluginConfig").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for (at, value) in list.iter().enumerate() {
            let path = match r.path() {
                "" => format!("pluginConfig[{at}]"),
                path => format!("{path}.pluginConfig[{at}]"),
            };
            r.inside(value, path, |r| {
                let name = r.text("name").unwrap_or_default();
                if !seen.insert(name.clone()) {
                    r.duplicate("", &name);
                }
                if REMOVED.contains(&name.as_str()) {
                    r.invalid("", &name, &removed());
                }
                r.object("args", |r| args.plugin(&name, r));
            });
        }
        args
    }

    fn plugin(&mut self, name: &str, r: &mut Reader<'_>) {
        r.known(&["apiVersion", "kind"]);
        let text = |field: &str| r.value().get(field).and_then(Value::as_str).unwrap_or_default();
        let (version, kind, want) = (text("apiVersion"), text("kind"), format!("{name}Args"));
        if (!version.is_empty() && version != API_VERSION) || (!kind.is_empty() && kind != want) {
            let shown = format!("{version}, Kind={kind}");
            return r
                .unreadable(format!("decoding .{}: args for plugin {name} were not of type {want}.{API_VERSION}, got {shown}", r.path()));
        }
        match name {
            "NodeResourcesFit" => self.fit = FitArgs::read(r),
            "NodeResourcesBalancedAllocation" => self.balanced = BalancedArgs::read(r),
            "PodTopologySpread" => self.spread = SpreadArgs::read(r),
            "InterPodAffinity" => self.affinity = InterPodAffinityArgs::read(r),
            "NodeAffinity" => self.added = AddedAffinity::read(r),
            "DefaultPreemption" => self.preemption = PreemptionArgs::read(r),
            "VolumeBinding" => {
                if r.integer("bindTimeoutSeconds").is_some_and(|seconds| seconds < 0) {
                    r.invalid("bindTimeoutSeconds", -1, "invalid BindTimeoutSeconds, should not be a negative value");
                }
                r.raw("shape");
            }
            "DynamicResources" => r.known(&["filterTimeout", "bindingTimeout"]),
            // A WasmPlugin has its settings in its own object.
            _ => r.forbidden("", "only native plugins have arguments here: a WasmPlugin's settings are its spec.config"),
        }
    }
}

impl FitArgs {
    fn read(r: &mut Reader<'_>) -> Self {
        let ignored = r.texts("ignoredResources").unwrap_or_default();
        for (at, name) in ignored.iter().enumerate() {
            label_name(r, &format!("ignoredResources[{at}]"), name);
        }
        let ignored_groups = r.texts("ignoredResourceGroups").unwrap_or_default();
        for (at, group) in ignored_groups.iter().enumerate() {
            let field = format!("ignoredResourceGroups[{at}]");
            if group.contains('/') {
                r.invalid(&field, group, "resource group name can't contain '/'");
            }
            label_name(r, &field, group);
        }
        let (strategy, resources) = r.object("scoringStrategy", strategy).unwrap_or_default();
        Self { ignored, ignored_groups, strategy, resources }
    }
}

fn strategy(r: &mut Reader<'_>) -> (Strategy, Resources) {
    let resources = weighted(r, "resources");
    for (at, (name, weight)) in resources.0.iter().enumerate() {
        if !(1..=100).contains(weight) {
            r.invalid(&format!("resources[{at}].weight"), weight, &format!("resource weight of {name} not in valid range (0, 100]"));
        }
    }
    const RATIO: &str = "requestedToCapacityRatio";
    let kind = r.text("type").unwrap_or_default();
    let shape = r.object(RATIO, shape);
    let strategy = match (kind.as_str(), shape) {
        ("LeastAllocated", None) => Strategy::LeastAllocated,
        ("MostAllocated", None) => Strategy::MostAllocated,
        ("RequestedToCapacityRatio", Some(shape)) => Strategy::RequestedToCapacityRatio(shape),
        ("RequestedToCapacityRatio", None) => {
            r.required(RATIO, "must be specified when type is RequestedToCapacityRatio");
            Strategy::default()
        }
        (kind, shape) => {
            if !["LeastAllocated", "MostAllocated"].contains(&kind) {
                r.unsupported("type", kind, &["LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"]);
            }
            if shape.is_some() {
                r.forbidden(RATIO, "must be nil when type is not RequestedToCapacityRatio");
            }
            Strategy::default()
        }
    };
    (strategy, resources)
}

/// `MaxCustomPriorityScore`: scores of a shape are 0 to 10, those of nodes ten times as much.
const SHAPE_SCORE: i64 = 10;

fn shape(r: &mut Reader<'_>) -> Vec<(i64, i64)> {
    let point = |r: &mut Reader<'_>| (r.integer("utilization").unwrap_or_default(), r.integer("score").unwrap_or_default());
    let points = r.list("shape", point).unwrap_or_default();
    if points.is_empty() {
        r.required("shape", "at least one point must be specified");
    }
    let falls = points.windows(2).position(|pair| matches!(pair, [(a, _), (b, _)] if a >= b));
    if let Some(at) = falls {
        let wrong = points.get(at + 1).map(|(utilization, _)| *utilization).unwrap_or_default();
        r.invalid(&format!("shape[{}].utilization", at + 1), wrong, "values must be sorted in increasing order");
    }
    for (at, (utilization, score)) in points.iter().enumerate() {
        if !(0..=100).contains(utilization) {
            r.invalid(&format!("shape[{at}].utilization"), utilization, "not in valid range [0, 100]");
        }
        if !(0..=SHAPE_SCORE).contains(score) {
            r.invalid(&format!("shape[{at}].score"), score, "not in valid range [0, 10]");
        }
    }
    points.into_iter().map(|(utilization, score)| (utilization, score * (crate::plugins::MAX_SCORE / SHAPE_SCORE))).collect()
}

/// `[]ResourceSpec`; a weight that is not given is 1, and without resources it is cpu and memory.
fn weighted(r: &mut Reader<'_>, field: &'static str) -> Resources {
    let one = |r: &mut Reader<'_>| {
        let weight = r.integer("weight").unwrap_or_default();
        (r.text("name").unwrap_or_default(), if weight == 0 { 1 } else { weight })
    };
    let all = r.list(field, one).unwrap_or_default();
    if all.is_empty() { Resources::default() } else { Resources(all) }
}

impl BalancedArgs {
    fn read(r: &mut Reader<'_>) -> Self {
        let resources = weighted(r, "resources");
        let mut seen = HashSet::new();
        for (at, (name, weight)) in resources.0.iter().enumerate() {
            if !seen.insert(name) {
                r.duplicate(&format!("resources[{at}].name"), name);
            }
            if *weight != 1 {
                r.invalid(&format!("resources[{at}].weight"), weight, "must be 1");
            }
        }
        Self(resources)
    }
}

impl SpreadArgs {
    fn read(r: &mut Reader<'_>) -> Self {
        let kind = r.text("defaultingType").unwrap_or_default();
        let constraints = r.list("defaultConstraints", constraint).unwrap_or_default();
        match kind.as_str() {
            "" | "System" if constraints.is_empty() => {}
            "" | "System" => r.invalid("defaultingType", "System", "when .defaultConstraints are not empty"),
            "List" => {}
            other => r.unsupported("defaultingType", other, &["List", "System"]),
        }
        let mut seen = HashSet::new();
        for (at, (_, key, when)) in constraints.iter().enumerate() {
            if !seen.insert((key, when)) {
                r.duplicate(&format!("defaultConstraints[{at}]"), &format!("{{{key}, {when}}}"));
            }
        }
        let system = kind != "List";
        let given = constraints.into_iter().map(|(constraint, ..)| constraint).collect();
        Self { defaults: if system { system_constraints() } else { given }, system }
    }
}

fn constraint(r: &mut Reader<'_>) -> (Value, String, String) {
    let skew = r.integer("maxSkew").unwrap_or_default();
    if skew <= 0 {
        r.invalid("maxSkew", skew, "not in valid range (0, inf)");
    }
    let key = r.text("topologyKey").unwrap_or_default();
    if key.is_empty() {
        r.required("topologyKey", "can not be empty");
    } else {
        label_name(r, "topologyKey", &key);
    }
    let when = r.text("whenUnsatisfiable").unwrap_or_default();
    if when.is_empty() {
        r.required("whenUnsatisfiable", "can not be empty");
    } else if !["DoNotSchedule", "ScheduleAnyway"].contains(&when.as_str()) {
        r.unsupported("whenUnsatisfiable", &when, &["DoNotSchedule", "ScheduleAnyway"]);
    }
    if r.has("labelSelector") {
        r.forbidden("labelSelector", "constraint must not define a selector, as they deduced for each pod");
    }
    r.known(&["labelSelector", "minDomains", "nodeAffinityPolicy", "nodeTaintsPolicy", "matchLabelKeys"]);
    (r.value().clone(), key, when)
}

impl InterPodAffinityArgs {
    fn read(r: &mut Reader<'_>) -> Self {
        let hard_weight = r.integer("hardPodAffinityWeight").unwrap_or(1);
        if !(0..=100).contains(&hard_weight) {
            r.invalid("hardPodAffinityWeight", hard_weight, "not in valid range [0, 100]");
        }
        Self { hard_weight, ignore_preferred_of_existing: r.boolean("ignorePreferredTermsOfExistingPods").unwrap_or_default() }
    }
}

impl AddedAffinity {
    fn read(r: &mut Reader<'_>) -> Self {
        let Some(added) = r.object("addedAffinity", |r| {
            let value = r.value().clone();
            const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
            r.object(REQUIRED, |r| {
                r.list("nodeSelectorTerms", term);
            });
            r.list("preferredDuringSchedulingIgnoredDuringExecution", |r| {
                r.integer("weight");
                r.object("preference", term);
            });
            value
        }) else {
            return Self::default();
        };
        let pod = json!({ "spec": { "affinity": { "nodeAffinity": added } } });
        let selection = Object::from_value(pod).map(|pod| NodeSelection::of(&pod)).unwrap_or_default();
        Self(Some(Arc::new(selection)), added)
    }
}

/// `NodeSelectorTerm`: `component-helpers/scheduling/corev1/nodeaffinity`.
fn term(r: &mut Reader<'_>) {
    r.list("matchExpressions", |r| requirement(r, &["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]));
    r.list("matchFields", |r| requirement(r, &["In", "NotIn"]));
}

fn requirement(r: &mut Reader<'_>, operators: &[&str]) {
    r.text("key");
    r.texts("values");
    let operator = r.text("operator").unwrap_or_default();
    if !operators.contains(&operator.as_str()) {
        r.invalid("operator", &operator, "not a valid selector operator");
    }
}

impl PreemptionArgs {
    fn read(r: &mut Reader<'_>) -> Self {
        const PERCENTAGE: &str = "minCandidateNodesPercentage";
        const ABSOLUTE: &str = "minCandidateNodesAbsolute";
        let percentage = r.integer(PERCENTAGE).unwrap_or(10);
        let absolute = r.integer(ABSOLUTE).unwrap_or(100);
        if !(0..=100).contains(&percentage) {
            r.invalid(PERCENTAGE, percentage, "not in valid range [0, 100]");
        }
        if absolute < 0 {
            r.invalid(ABSOLUTE, absolute, "not in valid range [0, inf)");
        }
        if percentage == 0 && absolute == 0 {
            r.invalid(PERCENTAGE, 0, "cannot be zero at the same time as minCandidateNodesAbsolute");
            r.invalid(ABSOLUTE, 0, "cannot be zero at the same time as minCandidateNodesPercentage");
        }
        let size = |of: i64| usize::try_from(of).unwrap_or_default();
        Self { percentage: size(percentage), absolute: size(absolute) }
    }
}

/// `ValidateLabelName`.
fn label_name(r: &mut Reader<'_>, field: &str, name: &str) {
    for why in names::qualified_name(name) {
        r.invalid(field, name, &why);
    }
}
