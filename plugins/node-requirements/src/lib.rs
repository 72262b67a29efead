//! A scheduler plugin. A pod says by annotation which node labels it needs or likes:
//!
//! - `coracle.dev/requires: "disk=ssd,gpu"` refuses nodes without the label `disk=ssd` or without any label `gpu`.
//! - `coracle.dev/prefers: "zone=a,rack=7"` scores a node by how much of the list it meets.
//!
//! A label's key may be short: `zone` also finds `topology.kubernetes.io/zone`. The setting `prefix` in the plugin's
//! configuration replaces `coracle.dev` in the annotations' names.

mod terms;

use coracle_plugin::scheduler::{Filter, Labels, Pod, Score, Verdict};
use coracle_plugin::{config, debug};
use terms::Terms;

thread_local! {
    static PREFIX: String = config::get("prefix").unwrap_or_else(|| "coracle.dev".to_owned());
}

struct Requires(Terms);

impl Filter<Labels> for Requires {
    fn of(pod: &Pod) -> Result<Option<Self>, String> {
        Ok(wanted(pod, "requires").map(Self))
    }

    fn judge(&self, node: &Labels) -> Verdict {
        match self.0.first_unmet(&node.0) {
            None => Verdict::Pass,
            // No other pod can give a node a label.
            Some(term) => Verdict::never(format!("node(s) lacked what the pod requires: {term}")),
        }
    }
}

struct Prefers(Terms);

impl Score<Labels> for Prefers {
    fn of(pod: &Pod) -> Result<Option<Self>, String> {
        Ok(wanted(pod, "prefers").map(Self))
    }

    fn score(&self, node: &Labels) -> u8 {
        self.0.percent_met(&node.0)
    }
}

coracle_plugin::scheduler!(nodes: Labels, filter: Requires, score: Prefers);

/// What the pod asks for by this annotation.
fn wanted(pod: &Pod, what: &str) -> Option<Terms> {
    let terms = Terms::parse(pod.annotation(&PREFIX.with(|prefix| format!("{prefix}/{what}")))?);
    if terms.is_none() {
        debug!("{}/{}: nothing stands in the annotation {what}", pod.namespace, pod.name);
    }
    terms
}
