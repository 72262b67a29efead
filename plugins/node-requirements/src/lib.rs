//! A scheduler plugin. A pod says by annotation which node labels it needs or likes:
//!
//! - `coracle.dev/requires: "disk=ssd,gpu"` refuses nodes without the label `disk=ssd` or without any label `gpu`.
//! - `coracle.dev/prefers: "zone=a,rack=7"` scores a node by how much of the list it meets.
//!
//! A label's key may be short: `zone` also finds `topology.kubernetes.io/zone`. The setting `prefix` in the plugin's
//! configuration replaces `coracle.dev` in the annotations' names.

mod table;
mod terms;

wit_bindgen::generate!({ path: "../../wit", world: "scheduler" });

use coracle::plugin::{config, log};
use exports::coracle::plugin::filter::{Code, Guest as Filter, Pod, Reason, Verdicts};
use exports::coracle::plugin::node_table::{Delta, Guest as NodeTable};
use exports::coracle::plugin::score::{Guest as Score, Pod as ScoredPod};
use std::cell::RefCell;
use table::Table;
use terms::Terms;

struct Plugin;

thread_local! {
    static TABLE: RefCell<Table> = RefCell::default();
    static PREFIX: String = config::get("prefix").unwrap_or_else(|| "coracle.dev".to_owned());
}

export!(Plugin);

impl NodeTable for Plugin {
    fn sync(delta: Delta) -> Result<(), String> {
        TABLE.with_borrow_mut(|table| table.apply(delta))
    }
}

impl Filter for Plugin {
    fn filter(pod: Pod, candidates: Vec<u32>) -> Result<Verdicts, String> {
        let mut verdicts = Verdicts { passed: Vec::new(), reasons: Vec::new(), codes: Vec::new() };
        let Some(terms) = wanted(&pod, "requires") else { return Ok(verdicts) };
        verdicts.passed = vec![u8::MAX; candidates.len().div_ceil(8)];
        TABLE.with_borrow(|table| {
            for (at, node) in candidates.into_iter().enumerate() {
                let labels = table.labels(node)?;
                let Some(term) = terms.first_unmet(labels) else { continue };
                let text = format!("node(s) lacked what the pod requires: {term}");
                let known = verdicts.reasons.iter().position(|r| r.text == text);
                let reason = known.unwrap_or_else(|| {
                    // No other pod can give a node a label.
                    verdicts.reasons.push(Reason { code: Code::UnschedulableAndUnresolvable, text });
                    verdicts.reasons.len() - 1
                });
                verdicts.passed[at / 8] &= !(1 << (at % 8));
                verdicts.codes.push(u8::try_from(reason).unwrap_or_default());
            }
            Ok(verdicts)
        })
    }
}

impl Score for Plugin {
    fn score(pod: ScoredPod, candidates: Vec<u32>) -> Result<Vec<u8>, String> {
        let Some(terms) = wanted(&pod, "prefers") else { return Ok(Vec::new()) };
        TABLE.with_borrow(|table| candidates.into_iter().map(|node| Ok(terms.percent_met(table.labels(node)?))).collect())
    }
}

/// What the pod asks for by this annotation.
fn wanted(pod: &Pod, what: &str) -> Option<Terms> {
    let matches = |key: &str| PREFIX.with(|p| key.strip_prefix(p.as_str()).and_then(|k| k.strip_prefix('/')) == Some(what));
    let text = &pod.annotations.iter().find(|a| matches(&a.key))?.value;
    let terms = Terms::parse(text);
    if terms.is_none() {
        log::log(log::Level::Debug, &format!("{}/{}: nothing stands in the annotation {what}", pod.namespace, pod.name));
    }
    terms
}
