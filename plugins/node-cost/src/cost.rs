//! What nodes cost: in money, in grams of carbon dioxide, or in whatever their labels count.

use coracle_plugin::config;
use coracle_plugin::scheduler::{Node, Row, value};
use serde::Deserialize;
use std::cell::RefCell;
use std::collections::BTreeMap;

#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Settings {
    /// Labels or annotations of nodes with a number, each with the weight that it has in the sum.
    terms: BTreeMap<String, f64>,
    /// The label that tells a node's pool.
    pool_label: String,
    /// Costs of pools whose nodes tell none themselves.
    pools: BTreeMap<String, f64>,
    /// No pod goes to a node that costs more, unless it says otherwise.
    pub max_cost: Option<f64>,
    /// The annotation by which a pod says so.
    pub limit_annotation: String,
    /// Whether a limited pod may go to a node of unknown cost.
    pub unknown: Unknown,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    #[default]
    Allow,
    Refuse,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            terms: BTreeMap::from([("coracle.dev/cost".to_owned(), 1.0)]),
            pool_label: "coracle.dev/pool".to_owned(),
            pools: BTreeMap::new(),
            max_cost: None,
            limit_annotation: "coracle.dev/max-cost".to_owned(),
            unknown: Unknown::Allow,
        }
    }
}

impl Settings {
    /// The weighted sum of what the node tells; else what its pool costs.
    fn cost<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> Option<f64> {
        let told: Vec<f64> = self.terms.iter().filter_map(|(key, weight)| Some(number(get(key)?)? * weight)).collect();
        if told.is_empty() { self.pools.get(get(&self.pool_label)?).copied() } else { Some(told.into_iter().sum()) }
    }
}

/// A number that can be compared.
pub fn number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|number| number.is_finite())
}

thread_local! {
    /// How many nodes have which cost, so that a score needs no look at all of them. Costs are kept by their order.
    static COSTS: RefCell<BTreeMap<i64, usize>> = const { RefCell::new(BTreeMap::new()) };
    static SETTINGS: Settings = config::read().unwrap_or_default();
}

/// What is kept of a node. It is counted while it is there.
pub struct Cost(Option<f64>);

impl Row for Cost {
    fn new(node: Node) -> Self {
        let get = |key: &str| value(&node.labels, key).or_else(|| value(&node.annotations, key));
        Self::counted(SETTINGS.with(|settings| settings.cost(get)))
    }
}

impl Cost {
    fn counted(cost: Option<f64>) -> Self {
        if let Some(cost) = cost {
            COSTS.with_borrow_mut(|costs| *costs.entry(order(cost)).or_default() += 1);
        }
        Self(cost)
    }

    pub fn value(&self) -> Option<f64> {
        self.0
    }
}

impl Drop for Cost {
    fn drop(&mut self) {
        let Some(key) = self.0.map(order) else { return };
        COSTS.with_borrow_mut(|costs| {
            if let Some(nodes) = costs.get_mut(&key) {
                *nodes -= 1;
                if *nodes == 0 {
                    costs.remove(&key);
                }
            }
        });
    }
}

/// A finite number as an integer of the same order: IEEE 754's bits, turned round below zero.
fn order(cost: f64) -> i64 {
    let bits = (cost + 0.0).to_bits().cast_signed();
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

fn cost_of(order: i64) -> f64 {
    f64::from_bits((if order < 0 { order ^ i64::MAX } else { order }).cast_unsigned())
}

/// The cheapest and the dearest node of the cluster.
#[derive(Debug, PartialEq)]
pub struct Spread {
    least: f64,
    most: f64,
}

impl Spread {
    /// `None`: all nodes cost the same, as far as is known.
    pub fn now() -> Option<Self> {
        COSTS.with_borrow(|costs| {
            let (least, most) = (costs.first_key_value()?.0, costs.last_key_value()?.0);
            (least != most).then(|| Self { least: cost_of(*least), most: cost_of(*most) })
        })
    }

    /// 100 for the cheapest, 0 for the dearest; what is unknown may be either.
    pub fn score(&self, cost: Option<f64>) -> u8 {
        let Some(cost) = cost else { return 50 };
        let part = (self.most - cost) / (self.most - self.least) * 100.0;
        // The clamp makes the cast exact.
        part.round().clamp(0.0, 100.0) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(costs: &[Option<f64>], expect: Option<&[u8]>) {
        let nodes: Vec<Cost> = costs.iter().map(|cost| Cost::counted(*cost)).collect();
        let spread = Spread::now();
        let scores: Option<Vec<u8>> = spread.map(|spread| nodes.iter().map(|node| spread.score(node.value())).collect());
        assert_eq!(scores.as_deref(), expect, "{costs:?}");
        drop(nodes);
        assert_eq!(Spread::now(), None, "what goes is counted out");
        COSTS.with_borrow(|costs| assert!(costs.is_empty()));
    }

    #[test]
    fn cheap_nodes_are_preferred() {
        check(&[Some(0.1), Some(0.4), Some(0.2), None], Some(&[100, 0, 67, 50]));
        check(&[Some(-1.0), Some(1.0), Some(0.0)], Some(&[100, 0, 50]));
        check(&[Some(2.0), Some(2.0), None], None);
        check(&[None], None);
        check(&[Some(0.0), Some(-0.0)], None);
    }

    #[test]
    fn numbers_keep_their_order_as_integers() {
        let sorted = [-1e300, -2.0, -1.0, -1e-9, 0.0, 1e-9, 1.0, 2.0, 1e300];
        for pair in sorted.windows(2) {
            assert!(order(pair[0]) < order(pair[1]), "{pair:?}");
        }
        for number in sorted {
            assert_eq!(cost_of(order(number)), number);
        }
    }

    #[test]
    fn costs_come_from_the_node_or_from_its_pool() {
        let settings: Settings = serde_json::from_value(serde_json::json!({
            "terms": {"price": 1.0, "carbon": 0.5}, "poolLabel": "pool", "pools": {"spot": 0.2},
        }))
        .expect("good settings");
        for (node, expect) in [
            (vec![("price", "1.5")], Some(1.5)),
            (vec![("price", "1"), ("carbon", "4")], Some(3.0)),
            (vec![("price", "dear"), ("pool", "spot")], Some(0.2)),
            (vec![("pool", "other")], None),
            (vec![("price", "NaN")], None),
            (vec![], None),
        ] {
            let get = |key: &str| node.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
            assert_eq!(settings.cost(get), expect, "{node:?}");
        }
    }
}
