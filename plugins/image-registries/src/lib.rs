//! An admission plugin: images come from the registries that its settings allow, wherever a pod is described.

mod policy;
mod reference;

use coracle_plugin::admission::{Denial, Notes, Request, Validate};
use coracle_plugin::config;
use pod_specs::PodSpec;
use policy::Settings;
use serde_json::Value;

struct ImageRegistries;

coracle_plugin::admission!(validate: ImageRegistries, settings: Settings);

impl Validate for ImageRegistries {
    fn validate(request: &Request, _notes: &mut Notes) -> Result<(), Denial> {
        let (new, old): (Option<Value>, Option<Value>) = (request.object()?, request.old_object()?);
        let Some(spec) = new.as_ref().and_then(PodSpec::find) else { return Ok(()) };
        let settings: Settings = config::read()?;
        // An image that is there already does not stand in the way of other changes.
        let before: Vec<&str> = old
            .as_ref()
            .and_then(PodSpec::find)
            .map(|spec| policy::images(&spec))
            .unwrap_or_default()
            .into_iter()
            .map(|(_, image)| image)
            .collect();
        let images = policy::images(&spec).into_iter().filter(|(_, image)| !before.contains(image));
        let wrong: Vec<(String, String)> = images.filter_map(|(field, image)| Some((field, settings.judge(image)?))).collect();
        if wrong.is_empty() {
            return Ok(());
        }
        let told: Vec<&str> = wrong.iter().map(|(_, text)| text.as_str()).collect();
        Err(wrong.iter().fold(Denial::new(told.join("; ")), |denial, (field, text)| denial.field(field, text.as_str())))
    }
}
