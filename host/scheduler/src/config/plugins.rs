//! `Plugins` of a profile: which are enabled and disabled at which extension point.

use super::decode::Reader;
use crate::plugins::table::native;
use interfaces::schedule::Points;

/// The extension points of a KubeSchedulerConfiguration.
pub const POINTS: [(Points, &str); 12] = [
    (Points::PRE_ENQUEUE, "preEnqueue"),
    (Points::QUEUE_SORT, "queueSort"),
    (Points::PRE_FILTER, "preFilter"),
    (Points::FILTER, "filter"),
    (Points::POST_FILTER, "postFilter"),
    (Points::PRE_SCORE, "preScore"),
    (Points::SCORE, "score"),
    (Points::RESERVE, "reserve"),
    (Points::PERMIT, "permit"),
    (Points::PRE_BIND, "preBind"),
    (Points::BIND, "bind"),
    (Points::POST_BIND, "postBind"),
];

/// `Plugins`: one set for each point, and one for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginsConfig {
    /// By the point's name; points without a word are missing.
    points: Vec<(&'static str, PluginSet)>,
    pub multi_point: PluginSet,
}

/// `PluginSet`: in the order in which they are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginSet {
    /// Names and weights; 0: none given.
    pub enabled: Vec<(String, i64)>,
    /// Names; `*` are all defaults.
    pub disabled: Vec<String>,
}

static NOTHING: PluginSet = PluginSet { enabled: Vec::new(), disabled: Vec::new() };

impl PluginSet {
    pub fn disables(&self, name: &str) -> bool {
        self.disabled.iter().any(|disabled| disabled == name)
    }

    fn read(r: &mut Reader<'_>) -> Self {
        let plugin = |r: &mut Reader<'_>| (r.text("name").unwrap_or_default(), r.integer("weight").unwrap_or_default());
        let enabled = r.list("enabled", plugin).unwrap_or_default();
        let disabled = r.list("disabled", plugin).unwrap_or_default();
        for (at, (name, _)) in enabled.iter().enumerate() {
            if REMOVED.contains(&name.as_str()) {
                r.invalid(&format!("enabled[{at}]"), name, &removed());
            }
        }
        Self { enabled, disabled: disabled.into_iter().map(|(name, _)| name).collect() }
    }
}

/// Plugins that v1 does not have any more.
pub const REMOVED: [&str; 4] = ["AzureDiskLimits", "CinderLimits", "EBSLimits", "GCEPDLimits"];

pub fn removed() -> String {
    let version = super::API_VERSION;
    format!("was invalid in version {version:?} (KubeSchedulerConfiguration is version {version:?})")
}

impl PluginsConfig {
    pub(super) fn read(r: &mut Reader<'_>) -> Self {
        let multi_point = r.object("multiPoint", PluginSet::read).unwrap_or_default();
        let points = POINTS.into_iter().filter_map(|(_, name)| Some((name, r.object(name, PluginSet::read)?))).collect();
        Self { points, multi_point }
    }

    pub fn at(&self, point: &str) -> &PluginSet {
        self.points.iter().find(|(name, _)| *name == point).map_or(&NOTHING, |(_, set)| set)
    }

    /// Whether it enables the plugin anywhere.
    pub fn names(&self, plugin: &str) -> bool {
        let sets = self.points.iter().map(|(_, set)| set).chain([&self.multi_point]);
        sets.flat_map(|set| &set.enabled).any(|(name, _)| name == plugin)
    }

    /// The weight that is given for its scores; one that is enabled without a weight has 1.
    pub fn weight(&self, plugin: &str) -> Option<i64> {
        let of = |set: &PluginSet| set.enabled.iter().find(|(name, _)| name == plugin).map(|(_, weight)| (*weight).max(1));
        of(self.at("score")).or_else(|| of(&self.multi_point))
    }

    /// `mergePlugins`: with the default plugins, which are all at multiPoint.
    pub fn with_defaults(&self) -> Self {
        let own = &self.multi_point;
        let mut enabled = Vec::new();
        if !own.disables("*") {
            for default in native().iter().filter(|default| !own.disables(default.name)) {
                let given = own.enabled.iter().find(|(name, _)| name == default.name);
                enabled.push(given.cloned().unwrap_or_else(|| (default.name.to_owned(), default.weight)));
            }
        }
        let further: Vec<(String, i64)> =
            own.enabled.iter().filter(|(name, _)| !enabled.iter().any(|(known, _)| known == name)).cloned().collect();
        enabled.extend(further);
        Self { points: self.points.clone(), multi_point: PluginSet { enabled, disabled: own.disabled.clone() } }
    }
}
