//! `pkg/scheduler/apis/config/validation/validation.go`, and what the framework checks when it is built.

use super::ProfileConfig;
use super::decode::Reader;
use super::plugins::{POINTS, PluginSet};
use crate::plugins::table::native;
use interfaces::schedule::Points;
use std::collections::{HashMap, HashSet};

/// `percentageOfNodesToScore` here.
pub(super) fn percentage(r: &mut Reader<'_>) -> Option<u32> {
    let percentage = r.integer("percentageOfNodesToScore")?;
    if !(0..=100).contains(&percentage) {
        r.invalid("percentageOfNodesToScore", percentage, "not in valid range [0-100]");
    }
    u32::try_from(percentage).ok()
}

pub(super) fn profiles(r: &mut Reader<'_>, profiles: &[ProfileConfig]) {
    let mut known: HashMap<&str, usize> = HashMap::new();
    for (at, profile) in profiles.iter().enumerate() {
        let path = format!("profiles[{at}]");
        let name = format!("{path}.schedulerName");
        if profile.name.is_empty() {
            r.required(&name, "");
        } else if let Some(first) = known.get(profile.name.as_str()) {
            r.duplicate(&name, &format!("profiles[{first}].schedulerName"));
        }
        known.entry(&profile.name).or_insert(at);
        sets(r, &path, profile);
    }
    queue_sort(r, profiles);
}

/// What `NewFramework` refuses.
fn sets(r: &mut Reader<'_>, path: &str, profile: &ProfileConfig) {
    let merged = profile.plugins.with_defaults();
    let in_multi_point = twice(&merged.multi_point);
    if let Some(name) = in_multi_point {
        r.invalid(&format!("{path}.plugins.multiPoint.enabled"), &name, &format!("plugin {name:?} already registered as \"MultiPoint\""));
    }
    for (point, name) in POINTS {
        let set = merged.at(name);
        let path = format!("{path}.plugins.{name}.enabled");
        if let Some(plugin) = twice(set) {
            r.invalid(&path, &plugin, &format!("plugin {plugin:?} already registered as {name:?}"));
        }
        for (plugin, _) in &set.enabled {
            if native().iter().any(|native| native.name == plugin && !native.points.has(point)) {
                r.invalid(&path, plugin, &format!("plugin {plugin:?} does not extend {name} plugin"));
            }
        }
    }
    // A plugin that is not native may be loaded later, and have the point.
    let has = |point: Points, name: &str| {
        let set = merged.at(name);
        let multi = merged.multi_point.enabled.iter().filter(|(plugin, _)| !set.disables("*") && !set.disables(plugin));
        let mut all = set.enabled.iter().chain(multi);
        all.any(|(plugin, _)| native().iter().find(|native| native.name == plugin).is_none_or(|native| native.points.has(point)))
    };
    let name = &profile.name;
    if !has(Points::QUEUE_SORT, "queueSort") {
        r.required(
            &format!("{path}.plugins.queueSort"),
            &format!("only one queue sort plugin required for profile with scheduler name {name:?}, but got 0"),
        );
    }
    if !has(Points::BIND, "bind") {
        r.required(
            &format!("{path}.plugins.bind"),
            &format!("at least one bind plugin is needed for profile with scheduler name {name:?}"),
        );
    }
}

fn twice(set: &PluginSet) -> Option<String> {
    let mut seen = HashSet::new();
    set.enabled.iter().find(|(name, _)| !seen.insert(name.as_str())).map(|(name, _)| name.clone())
}

/// `validateCommonQueueSort`.
fn queue_sort(r: &mut Reader<'_>, profiles: &[ProfileConfig]) {
    let Some((first, others)) = profiles.split_first() else { return };
    let canon = first.plugins.at("queueSort");
    if canon.enabled.len() > 1 {
        let path = "profiles[0].plugins.queueSort.Enabled";
        r.invalid(path, canon.enabled.len(), "only one queue sort plugin can be enabled");
    }
    for (at, other) in (1..).zip(others) {
        let set = other.plugins.at("queueSort");
        if set != canon {
            let names: Vec<&str> = set.enabled.iter().map(|(name, _)| name.as_str()).collect();
            r.invalid(&format!("profiles[{at}].plugins.queueSort"), names, "must be the same for all profiles");
        }
    }
}
