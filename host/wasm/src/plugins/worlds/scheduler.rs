//! World `scheduler`: a loaded plugin as the scheduler sees it, a row like a native one.
//!
//! The calls of a cycle, and those about the queue, come one at a time and go to one instance: what a guest works out for a
//! pod in `pre-filter` is there in `filter`, what it reserved is there in `unreserve`. The calls of bindings (`pre-bind`,
//! `bind`, `post-bind`) come several at once, wait, and go to others.

mod answers;
mod exports;
pub mod imports;
mod missing;
mod plugin;

use super::{Loaded, Made, Product, Resident};
use crate::load::Error;
use crate::plugins::pool::Limits;
use exports::Found;
use futures::future::BoxFuture;
use interfaces::schedule::{Events, PluginRow, Points};
pub use missing::Missing;
use object::{Object, Value};
use plugin::Plugin;
use serde::Deserialize;
use std::sync::Arc;

/// What a component may export.
pub const EXPORTS: &[&str] = &[
    "coracle:plugin/node-table",
    "coracle:plugin/filter",
    "coracle:plugin/score",
    "coracle:plugin/raw-score",
    "coracle:plugin/pre-enqueue",
    "coracle:plugin/queue-sort",
    "coracle:plugin/requeue",
    "coracle:plugin/pre-filter",
    "coracle:plugin/pre-filter-extensions",
    "coracle:plugin/post-filter",
    "coracle:plugin/pre-score",
    "coracle:plugin/score-normalize",
    "coracle:plugin/reserve",
    "coracle:plugin/permit",
    "coracle:plugin/pre-bind",
    "coracle:plugin/bind",
    "coracle:plugin/post-bind",
];

/// What a component may import.
pub const IMPORTS: &[&str] =
    &["coracle:plugin/whole-pod", "coracle:plugin/schedule-types", "coracle:plugin/waiting-pods", "coracle:plugin/running-pods"];

/// Points at which the guest needs its mirror of the nodes.
const SEE_NODES: Points = Points::FILTER.and(Points::SCORE).and(Points::PRE_FILTER).and(Points::POST_FILTER).and(Points::PRE_SCORE);
/// Points that are called beside others.
const OF_BINDINGS: Points = Points::PRE_BIND.and(Points::BIND).and(Points::POST_BIND);

/// `spec.scheduler`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Block {
    extension_points: Option<Vec<String>>,
    score_weight: Option<i64>,
    profiles: Option<Vec<String>>,
}

impl Block {
    fn points(&self) -> Result<Points, String> {
        let names = || Points::NAMED.map(|(name, _)| name).join(", ");
        let mut points = Points::NONE;
        for name in self.extension_points.iter().flatten() {
            let Some(point) = Points::named(name) else {
                return Err(format!("spec.scheduler.extensionPoints: {name:?} is not known; this version has {}", names()));
            };
            points = points | point;
        }
        if points.is_none() {
            return Err(format!("spec.scheduler.extensionPoints: at least one of {} is needed", names()));
        }
        for (needs, other, names) in [
            (Points::PRE_FILTER_EXTENSIONS, Points::FILTER, "preFilterExtensions is of no use without filter"),
            (Points::SCORE_NORMALIZE, Points::SCORE, "scoreNormalize is of no use without score"),
        ] {
            if points.has(needs) && !points.has(other) {
                return Err(format!("spec.scheduler.extensionPoints: {names}"));
            }
        }
        Ok(points)
    }
}

/// At which points a plugin is asked, by its object, even if that is wrong otherwise; a filter if it does not say.
pub fn points_of(object: &Object) -> Points {
    let points = object.at(&["spec", "scheduler", "extensionPoints"]).and_then(Value::as_array).into_iter().flatten();
    let points = points.filter_map(|point| Points::named(point.as_str()?)).fold(Points::NONE, |all, point| all | point);
    if points.is_none() { Points::FILTER } else { points }
}

/// In which profiles it is, by its object.
pub fn profiles_of(object: &Object) -> Vec<String> {
    let profiles = object.at(&["spec", "scheduler", "profiles"]).and_then(Value::as_array).into_iter().flatten();
    profiles.filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

pub fn load(made: Made) -> BoxFuture<'static, Result<Loaded, Error>> {
    Box::pin(async move {
        let block: Block = made.settings.block("scheduler").map_err(|cause| made.unfit(cause))?;
        let points = block.points().map_err(|cause| made.unfit(cause))?;
        made.require(&wanted(&made, points))?;
        let found = Arc::new(Found::of(&made, points)?);
        let settings = made.settings.clone();
        let cycle = made.pool(found.clone(), Limits { instances: 1, ..settings.limits }).await?;
        let bindings = match points.overlaps(OF_BINDINGS) {
            true => Some(made.pool(found.clone(), settings.limits).await?),
            false => None,
        };
        let normalizes = points.has(Points::SCORE_NORMALIZE);
        let mut plugin = Plugin::new(cycle, bindings, found.is_raw(), normalizes);
        if points.has(Points::REQUEUE) {
            let told = plugin.ask_events().await;
            plugin.events = told.map_err(|error| made.unfit(format!("requeue.cares-about: {error}")))?;
        } else {
            plugin.events = Events::ALL;
        }
        let plugin = Arc::new(plugin);
        let row = PluginRow {
            plugin: plugin.clone(),
            points,
            weight: block.score_weight.unwrap_or(1),
            failure_policy: settings.failure_policy,
            profiles: block.profiles.unwrap_or_default(),
        };
        Ok(Loaded { product: Product::Scheduler(row), resident: plugin })
    })
}

/// The exports that the points need.
fn wanted(made: &Made, points: Points) -> Vec<&'static str> {
    const OF_POINTS: [(Points, &str); 14] = [
        (Points::PRE_ENQUEUE, "coracle:plugin/pre-enqueue"),
        (Points::QUEUE_SORT, "coracle:plugin/queue-sort"),
        (Points::REQUEUE, "coracle:plugin/requeue"),
        (Points::PRE_FILTER, "coracle:plugin/pre-filter"),
        (Points::PRE_FILTER_EXTENSIONS, "coracle:plugin/pre-filter-extensions"),
        (Points::FILTER, "coracle:plugin/filter"),
        (Points::POST_FILTER, "coracle:plugin/post-filter"),
        (Points::PRE_SCORE, "coracle:plugin/pre-score"),
        (Points::SCORE_NORMALIZE, "coracle:plugin/score-normalize"),
        (Points::RESERVE, "coracle:plugin/reserve"),
        (Points::PERMIT, "coracle:plugin/permit"),
        (Points::PRE_BIND, "coracle:plugin/pre-bind"),
        (Points::BIND, "coracle:plugin/bind"),
        (Points::POST_BIND, "coracle:plugin/post-bind"),
    ];
    let of_points = OF_POINTS.iter().filter(|(point, _)| points.has(*point)).map(|(_, interface)| *interface);
    // Raw scores are of use only to those that normalize them.
    let raw = points.has(Points::SCORE_NORMALIZE) && made.exports("coracle:plugin/raw-score");
    let score = (points.has(Points::SCORE) && !raw).then_some("coracle:plugin/score");
    let table = points.overlaps(SEE_NODES).then_some("coracle:plugin/node-table");
    table.into_iter().chain(of_points).chain(score).collect()
}

impl Resident for Plugin {
    fn memory_bytes(&self) -> u64 {
        self.pools().map(|pool| pool.memory_bytes()).sum()
    }
    fn idle(&self) -> usize {
        self.pools().map(|pool| pool.idle()).sum()
    }
    fn let_go(&self) {
        self.pools().for_each(|pool| pool.let_go());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn points_are_read_from_the_object() {
        let check = |points: Value, expect: Result<Points, &str>| {
            let block: Block = serde_json::from_value(json!({ "extensionPoints": points })).unwrap();
            assert_eq!(block.points(), expect.map_err(str::to_owned), "{points}");
        };
        check(json!(["filter", "postBind"]), Ok(Points::FILTER | Points::POST_BIND));
        const ALL: &str = "preEnqueue, queueSort, preFilter, preFilterExtensions, filter, postFilter, preScore, score, scoreNormalize, reserve, permit, preBind, bind, postBind, requeue";
        check(json!([]), Err(&format!("spec.scheduler.extensionPoints: at least one of {ALL} is needed")));
        check(json!(["Filter"]), Err(&format!("spec.scheduler.extensionPoints: \"Filter\" is not known; this version has {ALL}")));
        check(json!(["scoreNormalize"]), Err("spec.scheduler.extensionPoints: scoreNormalize is of no use without score"));
        check(json!(["preFilterExtensions"]), Err("spec.scheduler.extensionPoints: preFilterExtensions is of no use without filter"));
        let of = |spec: Value| points_of(&Object::from_value(json!({ "spec": { "scheduler": spec } })).unwrap());
        assert_eq!(of(json!({})), Points::FILTER);
        assert_eq!(of(json!({ "extensionPoints": ["bind", "nonsense"] })), Points::BIND);
    }
}
