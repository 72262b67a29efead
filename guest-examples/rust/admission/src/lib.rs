//! An admission hook: every pod must have the labels that `spec.config.labels` names; one that is missing gets a value from the
//! namespace's name, if it is `team`.

use coracle_plugin::admission::{Change, Denial, Mutate, Notes, Patch, Request, Validate};
use coracle_plugin::config;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Settings {
    labels: Vec<String>,
}

/// Of an object, what this plugin looks at.
#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

struct RequiredLabels;

impl Validate for RequiredLabels {
    fn validate(request: &Request, _notes: &mut Notes) -> Result<(), Denial> {
        let Some(object) = request.object::<Object>()? else { return Ok(()) };
        let settings: Settings = config::read()?;
        let missing: Vec<&String> = settings.labels.iter().filter(|label| !object.metadata.labels.contains_key(*label)).collect();
        match missing.first() {
            None => Ok(()),
            Some(first) => Err(Denial::new(format!("the label {first} is required")).field("metadata.labels", "required")),
        }
    }
}

impl Mutate for RequiredLabels {
    fn mutate(request: &Request, notes: &mut Notes) -> Result<Change, Denial> {
        let Some(object) = request.object::<Object>()? else { return Ok(Change::None) };
        if object.metadata.labels.contains_key("team") || request.namespace.is_empty() {
            return Ok(Change::None);
        }
        notes.warn(format!("label team was set to {}", request.namespace));
        let patch = Patch::new();
        // A JSON patch adds to a map that is there.
        let patch = if object.metadata.labels.is_empty() { patch.add("/metadata/labels", serde_json::json!({})) } else { patch };
        Ok(patch.add("/metadata/labels/team", request.namespace.as_str()).into())
    }
}

coracle_plugin::admission!(validate: RequiredLabels, mutate: RequiredLabels, settings: Settings);
