//! A scheduler score: prefers nodes by the value of a label, as `spec.config.prefer` says: `{"label": "disk", "value": "ssd"}`.

use coracle_plugin::config;
use coracle_plugin::scheduler::{Labels, Pod, Score};
use serde::Deserialize;

#[derive(Deserialize)]
struct Settings {
    prefer: Prefer,
}

#[derive(Deserialize)]
struct Prefer {
    label: String,
    value: String,
}

impl Score<Labels> for Prefer {
    fn of(_pod: &Pod) -> Result<Option<Self>, String> {
        Ok(Some(config::read::<Settings>()?.prefer))
    }

    fn score(&self, node: &Labels) -> u8 {
        if node.label(&self.label) == Some(&self.value) { 100 } else { 0 }
    }
}

coracle_plugin::scheduler!(nodes: Labels, score: Prefer);
