//! An admission plugin that changes what is written: containers without requests or limits get those of its settings.

mod defaults;
mod quantity;

use coracle_plugin::admission::{Change, Denial, Mutate, Notes, Request};
use coracle_plugin::config;
use defaults::Settings;
use pod_specs::PodSpec;
use serde_json::Value;

struct ResourceDefaults;

coracle_plugin::admission!(mutate: ResourceDefaults, settings: Settings);

impl Mutate for ResourceDefaults {
    fn mutate(request: &Request, notes: &mut Notes) -> Result<Change, Denial> {
        let object: Option<Value> = request.object()?;
        let Some(spec) = object.as_ref().and_then(PodSpec::find) else { return Ok(Change::None) };
        let steps = config::read::<Settings>()?.steps(&spec);
        if steps.is_empty() {
            return Ok(Change::None);
        }
        notes.annotate("containers", steps.len().to_string());
        Ok(Change::Patch(Value::Array(steps).to_string()))
    }
}
