//! A scheduler filter: refuses nodes without the label that `spec.config.require` names.

use coracle_plugin::config;
use coracle_plugin::scheduler::{Filter, Labels, Pod, Verdict};

/// What a pod asks of nodes: here the same for every pod.
struct Requires(String);

impl Filter<Labels> for Requires {
    fn of(_pod: &Pod) -> Result<Option<Self>, String> {
        Ok(config::get("require").map(Self))
    }

    fn judge(&self, node: &Labels) -> Verdict {
        if node.label(&self.0).is_some() {
            return Verdict::Pass;
        }
        // No other pod can give a node a label.
        Verdict::never(format!("node(s) lacked the label {}", self.0))
    }
}

coracle_plugin::scheduler!(nodes: Labels, filter: Requires);
