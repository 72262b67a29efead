//! From configuration to profiles: which plugin is asked where, in which order, with which weight.

use super::{Order, Profile, Profiles, SEE_TABLE};
use crate::config::plugins::{POINTS, PluginsConfig};
use crate::config::{Configuration, ProfileConfig};
use crate::plugins::table::{Native, Row, native};
use async_trait::async_trait;
use interfaces::schedule::{FailurePolicy, NodeTable, PluginError, PluginRow, PluginSet, PodView, Points, Refusal, SchedulePlugin};
use std::collections::BTreeSet;
use std::sync::Arc;

/// `v1.DefaultSchedulerName`: the profile of pods that name none.
pub const DEFAULT_NAME: &str = "default-scheduler";

pub(super) fn all(configuration: &Configuration, outside: &PluginSet) -> Profiles {
    let mut configs: Vec<ProfileConfig> = configuration.profiles.clone();
    let known: BTreeSet<String> = configs.iter().map(|config| config.name.clone()).collect();
    let asked: BTreeSet<&String> = outside.iter().flat_map(|row| &row.profiles).filter(|name| !known.contains(*name)).collect();
    configs.extend(asked.into_iter().map(|name| ProfileConfig { name: name.clone(), ..ProfileConfig::default() }));
    let all: Vec<Arc<Profile>> = configs.iter().map(|config| Arc::new(one(configuration, config, outside))).collect();
    let sorts = |profile: &Arc<Profile>| profile.queue_sort().and_then(|row| row.outside.clone());
    let queue_sort = all.iter().find_map(sorts);
    if let Some(sort) = &queue_sort
        && let Some(other) = all.iter().filter_map(sorts).find(|other| other.name() != sort.name())
    {
        tracing::warn!(plugin = other.name(), "does not sort the queue: {} does, and there is one queue for all profiles", sort.name());
    }
    Profiles { all, queue_sort }
}

/// A plugin that may be in a profile.
enum Known<'a> {
    Native(&'static Native),
    Outside(&'a PluginRow),
    /// Named by the configuration, and nowhere to be found.
    Absent(String),
}

impl Known<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Native(native) => native.name,
            Self::Outside(row) => row.plugin.name(),
            Self::Absent(name) => name,
        }
    }

    fn points(&self) -> Points {
        match self {
            Self::Native(native) => native.points,
            Self::Outside(row) => row.points,
            Self::Absent(_) => Points::FILTER,
        }
    }
}

fn find<'a>(name: &str, outside: &'a PluginSet) -> Known<'a> {
    if let Some(native) = native().iter().find(|native| native.name == name) {
        return Known::Native(native);
    }
    match outside.iter().find(|row| row.plugin.name() == name) {
        Some(row) => Known::Outside(row),
        None => Known::Absent(name.to_owned()),
    }
}

fn one(configuration: &Configuration, config: &ProfileConfig, outside: &PluginSet) -> Profile {
    let plugins = config.plugins.with_defaults();
    let mut profile =
        Profile { name: config.name.clone(), percentage: config.percentage.unwrap_or(configuration.percentage), ..Profile::default() };
    // Those that are in this profile by their own wish, and not by the configuration's.
    let joins = |row: &&PluginRow| {
        let (name, profiles) = (row.plugin.name(), &row.profiles);
        let wants = if profiles.is_empty() { config.name == DEFAULT_NAME } else { profiles.contains(&config.name) };
        wants && !plugins.names(name)
    };
    let joining: Vec<&PluginRow> = outside.iter().filter(joins).collect();
    for (point, name) in POINTS {
        let names = in_order(&plugins, name, point, &joining, outside);
        for known in names {
            let Some(at) = row_of(&mut profile, &known, config, &plugins) else { continue };
            if let Some(row) = profile.rows.get_mut(at) {
                row.points = row.points | point;
            }
            list(&mut profile.order, point).push(at);
        }
    }
    // What belongs to another point goes with it.
    for row in &mut profile.rows {
        let Some(own) = outside.iter().find(|own| row.outside.is_some() && own.plugin.name() == row.plugin.name()) else { continue };
        let mut with = Points::REQUEUE;
        for (point, belongs) in [(Points::FILTER, Points::PRE_FILTER_EXTENSIONS), (Points::SCORE, Points::SCORE_NORMALIZE)] {
            if row.points.has(point) {
                with = with | belongs;
            }
        }
        row.points = row.points | (with - (Points::ALL - own.points));
    }
    profile.sees_table = profile.rows.iter().any(|row| row.outside.is_some() && row.points.overlaps(SEE_TABLE));
    profile
}

/// `expandMultiPointPlugins` for one point: first those that the point itself and multiPoint name, in the point's order;
/// then the others of multiPoint; then the others of the point. Plugins that join by their own wish come after them, but
/// before the scheduler's own where one answer suffices: at bind, postFilter and queueSort.
fn in_order<'a>(plugins: &PluginsConfig, name: &str, point: Points, joining: &[&'a PluginRow], outside: &'a PluginSet) -> Vec<Known<'a>> {
    let own = plugins.at(name);
    let mut names: Vec<&str> = Vec::new();
    let enabled: Vec<&str> = own.enabled.iter().map(|(name, _)| name.as_str()).collect();
    let multi: Vec<&str> = if own.disables("*") {
        Vec::new()
    } else {
        let has_point = |name: &&str| find(name, outside).points().has(point);
        plugins.multi_point.enabled.iter().map(|(name, _)| name.as_str()).filter(|name| !own.disables(name)).filter(has_point).collect()
    };
    names.extend(enabled.iter().filter(|name| multi.contains(*name)));
    names.extend(multi.iter().filter(|name| !enabled.contains(*name)));
    names.extend(enabled.iter().filter(|name| !multi.contains(*name)));
    let mut all: Vec<Known<'a>> = names.into_iter().map(|name| find(name, outside)).filter(|known| known.points().has(point)).collect();
    let joining = joining.iter().filter(|row| {
        let name = row.plugin.name();
        row.points.has(point) && !own.disables(name) && !plugins.multi_point.disables(name)
    });
    let joining = joining.map(|row| Known::Outside(row));
    if Points::BIND.and(Points::POST_FILTER).and(Points::QUEUE_SORT).has(point) {
        let rest = std::mem::take(&mut all);
        all.extend(joining);
        all.extend(rest);
    } else {
        all.extend(joining);
    }
    all
}

/// The plugin's row in the profile, made when it is named first. `None`: there is nothing to ask.
fn row_of(profile: &mut Profile, known: &Known<'_>, config: &ProfileConfig, plugins: &PluginsConfig) -> Option<usize> {
    if let Some(at) = profile.rows.iter().position(|row| row.plugin.name() == known.name()) {
        return Some(at);
    }
    let mut row = match known {
        Known::Native(native) => native.row(&config.args)?,
        Known::Outside(row) => Row::outside(row),
        Known::Absent(name) => Row::outside(&PluginRow {
            plugin: Arc::new(Absent(name.clone())),
            points: Points::FILTER,
            weight: 1,
            failure_policy: FailurePolicy::Fail,
            profiles: Vec::new(),
        }),
    };
    row.points = Points::NONE;
    if let Some(weight) = plugins.weight(known.name()) {
        row.weight = weight;
    }
    row.weight = row.weight.max(1);
    profile.rows.push(row);
    Some(profile.rows.len() - 1)
}

fn list(order: &mut Order, point: Points) -> &mut Vec<usize> {
    match point {
        Points::PRE_ENQUEUE => &mut order.pre_enqueue,
        Points::QUEUE_SORT => &mut order.queue_sort,
        Points::PRE_FILTER => &mut order.pre_filter,
        Points::POST_FILTER => &mut order.post_filter,
        Points::PRE_SCORE => &mut order.pre_score,
        Points::SCORE => &mut order.score,
        Points::RESERVE => &mut order.reserve,
        Points::PERMIT => &mut order.permit,
        Points::PRE_BIND => &mut order.pre_bind,
        Points::BIND => &mut order.bind,
        Points::POST_BIND => &mut order.post_bind,
        _ => &mut order.filter,
    }
}

/// Stands for a plugin that the configuration names and nobody has loaded: no pod of the profile passes what cannot be asked.
struct Absent(String);

#[async_trait]
impl SchedulePlugin for Absent {
    fn name(&self) -> &str {
        &self.0
    }

    async fn filter(&self, _pod: &PodView, _nodes: &NodeTable, _candidates: &[u32]) -> Result<Vec<Refusal>, PluginError> {
        Err(PluginError::Failed { plugin: self.0.clone(), cause: "it is in the configuration and not loaded".to_owned() })
    }
}
