//! A scheduler plugin: cheap nodes, or clean ones, first; and none beyond what a pod or the settings allow.

mod cost;

use coracle_plugin::config;
use coracle_plugin::scheduler::{Filter, Pod, Score, Verdict};
use cost::{Cost, Settings, Spread, Unknown};

/// The most that a pod's nodes may cost.
struct Affordable {
    most: f64,
    unknown: Unknown,
}

/// How far a node is between the dearest and the cheapest.
struct Cheap(Spread);

coracle_plugin::scheduler!(nodes: Cost, filter: Affordable, score: Cheap);

impl Filter<Cost> for Affordable {
    fn of(pod: &Pod) -> Result<Option<Self>, String> {
        let settings: Settings = config::read()?;
        let most = match pod.annotation(&settings.limit_annotation) {
            // A limit that cannot be read is none that can be kept: nothing is cheap enough.
            Some(text) => Some(cost::number(text).unwrap_or(f64::NEG_INFINITY)),
            None => settings.max_cost,
        };
        Ok(most.map(|most| Self { most, unknown: settings.unknown }))
    }

    fn judge(&self, node: &Cost) -> Verdict {
        match (node.value(), self.unknown) {
            (Some(cost), _) if cost > self.most => Verdict::never("node(s) cost more than the pod may"),
            (None, Unknown::Refuse) => Verdict::never("node(s) do not tell what they cost"),
            _ => Verdict::Pass,
        }
    }
}

impl Score<Cost> for Cheap {
    fn of(_pod: &Pod) -> Result<Option<Self>, String> {
        Ok(Spread::now().map(Self))
    }

    fn score(&self, node: &Cost) -> u8 {
        self.0.score(node.value())
    }
}
