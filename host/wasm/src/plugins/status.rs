//! The status of a WasmPlugin.

use super::prepare::{Failed, Prepared, Stage};
use object::{Map, Object, Value, json};

/// What there is to tell of one plugin.
#[derive(Clone, Default)]
pub struct Told {
    /// Of the spec that this tells of.
    pub generation: i64,
    /// What is called now, and of which generation it is.
    pub serving: Option<(i64, Prepared)>,
    /// Why the newest generation is not loaded.
    pub failed: Option<Failed>,
    /// The newest generation is being loaded.
    pub loading: bool,
}

impl Told {
    fn phase(&self) -> &'static str {
        match (&self.serving, &self.failed, self.loading) {
            (Some(_), ..) => "Ready",
            (None, _, true) => "Loading",
            (None, Some(_), false) => "Failed",
            (None, None, false) => "Loading",
        }
    }

    fn message(&self) -> String {
        match (&self.serving, &self.failed) {
            (Some((generation, _)), Some(failed)) => format!("generation {generation} serves on: {}", failed.message),
            (None, Some(failed)) if !self.loading => failed.message.clone(),
            (Some((_, prepared)), None) => match prepared.counters.last_failure() {
                failure if failure.is_empty() => String::new(),
                failure => format!("last failure: {failure}"),
            },
            _ => String::new(),
        }
    }

    /// `status`; `old` is the object as it is, for the times of conditions that stay as they are.
    pub fn status(&self, old: &Object) -> Value {
        let mut status = Map::new();
        status.insert("observedGeneration".to_owned(), self.generation.into());
        status.insert("phase".to_owned(), self.phase().into());
        status.insert("message".to_owned(), self.message().into());
        status.insert("conditions".to_owned(), self.conditions(old));
        if let Some((generation, prepared)) = &self.serving {
            let figures = prepared.counters.read();
            let resident = &prepared.loaded.resident;
            let more = json!({
                "servingGeneration": generation,
                "digest": prepared.digest,
                "world": prepared.settings.world.name,
                "imports": prepared.imports,
                "exports": prepared.exports,
                "calls": figures.calls,
                "failures": figures.failures,
                "traps": figures.traps,
                "timeouts": figures.timeouts,
                "p99Microseconds": figures.p99_micros,
                "memoryKiB": resident.memory_bytes() / 1024,
                "instances": resident.idle(),
            });
            if let Value::Object(more) = more {
                status.extend(more);
            }
        }
        Value::Object(status)
    }

    fn conditions(&self, old: &Object) -> Value {
        let known = old.at(&["status", "conditions"]).and_then(Value::as_array);
        let conditions = Stage::ALL.iter().map(|stage| {
            let (status, reason, message) = self.condition(*stage);
            let before = known.and_then(|all| all.iter().find(|c| c.get("type").and_then(Value::as_str) == Some(stage.name())));
            let unchanged = before.filter(|before| before.get("status").and_then(Value::as_str) == Some(status));
            let since = unchanged.and_then(|before| before.get("lastTransitionTime").cloned());
            json!({
                "type": stage.name(), "status": status, "reason": reason, "message": message,
                "observedGeneration": self.generation, "lastTransitionTime": since.unwrap_or_else(|| json!(object::time::now())),
            })
        });
        Value::Array(conditions.collect())
    }

    fn condition(&self, stage: Stage) -> (&'static str, &'static str, String) {
        match &self.failed {
            None if self.loading && stage != Stage::Ready => ("Unknown", "Loading", String::new()),
            Some(failed) if failed.stage == stage && stage != Stage::Ready => ("False", failed.reason, failed.message.clone()),
            Some(failed) if failed.stage < stage && stage != Stage::Ready => ("Unknown", "NotReached", String::new()),
            None | Some(_) if stage == Stage::Ready => match (&self.serving, &self.failed) {
                (Some((generation, _)), Some(failed)) => {
                    ("True", "OlderGeneration", format!("generation {generation} serves on: {}", failed.message))
                }
                (Some(_), None) => ("True", "Loaded", String::new()),
                (None, Some(failed)) => ("False", failed.reason, failed.message.clone()),
                (None, None) => ("False", "Loading", String::new()),
            },
            _ if stage == Stage::Verified => match self.serving.as_ref().map(|(_, prepared)| prepared.verified.as_str()) {
                Some("") | None => ("True", "NotRequired", "no signature is asked for".to_owned()),
                Some(by) => ("True", "SignatureValid", format!("signed by {by}")),
            },
            _ => ("True", "Done", String::new()),
        }
    }
}
