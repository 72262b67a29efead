//! The status of a WasmPlugin.
//!
//! Where several servers share a store, each loads every plugin. One of them, which a Lease names, writes the status; each writes
//! what only it knows below `status.servers.<its name>`, and the one that writes the status adds the figures up. So no field has
//! two writers.

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
        match (&self.serving, &self.failed) {
            (Some(_), _) => "Ready",
            // Also while it is tried again: what it waits for stays to be read.
            (None, Some(_)) => "Failed",
            (None, None) => "Loading",
        }
    }

    fn message(&self) -> String {
        match (&self.serving, &self.failed) {
            (Some((generation, _)), Some(failed)) => format!("generation {generation} serves on: {}", failed.message),
            (None, Some(failed)) => failed.message.clone(),
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

/// What each server tells of itself.
const OWN: [&str; 11] = [
    "phase",
    "message",
    "servingGeneration",
    "digest",
    "calls",
    "failures",
    "traps",
    "timeouts",
    "p99Microseconds",
    "memoryKiB",
    "instances",
];
/// Of these, the status has the sum over all servers.
const SUMMED: [&str; 6] = ["calls", "failures", "traps", "timeouts", "memoryKiB", "instances"];

/// What a server among several writes of `status`, its view of the plugin: its own part, and if it speaks for all the rest too.
/// `old` is the object as it is, which has the parts of the others.
pub fn of_one(status: Value, old: &Object, server: &str, speaks: bool) -> Value {
    // What is no longer so is to go.
    let own: Map<String, Value> = OWN.iter().map(|key| ((*key).to_owned(), status.get(*key).cloned().unwrap_or_default())).collect();
    let mut whole = if speaks { whole(status, old, server) } else { json!({}) };
    whole["servers"] = json!({ server: own });
    whole
}

fn whole(mut status: Value, old: &Object, server: &str) -> Value {
    let all = old.at(&["status", "servers"]).and_then(Value::as_object);
    let others: Vec<(&String, &Value)> = all.into_iter().flatten().filter(|(name, _)| *name != server).collect();
    let number = |part: &Value, key: &str| part.get(key).and_then(Value::as_u64).unwrap_or(0);
    if status.get("calls").is_some() {
        for key in SUMMED {
            let sum = number(&status, key) + others.iter().map(|(_, part)| number(part, key)).sum::<u64>();
            status[key] = sum.into();
        }
        let slowest = others.iter().map(|(_, part)| number(part, "p99Microseconds")).max().unwrap_or(0);
        status["p99Microseconds"] = number(&status, "p99Microseconds").max(slowest).into();
    }
    let text = |part: &Value, key: &str| part.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    if text(&status, "message").is_empty()
        && let Some((name, part)) = others.iter().find(|(_, part)| !text(part, "message").is_empty())
    {
        status["message"] = format!("on server {name}: {}", text(part, "message")).into();
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_write_what_is_theirs_and_one_writes_the_sum() {
        let object = Object::from_value(json!({"status": {"servers": {
            "a": {"calls": 90, "phase": "Ready"},
            "b": {"calls": 7, "memoryKiB": 64, "p99Microseconds": 30, "phase": "Failed", "message": "no such file"},
        }}}));
        let object = object.unwrap_or_default();
        let own = json!({"phase": "Ready", "message": "", "calls": 3, "memoryKiB": 128, "p99Microseconds": 20, "conditions": []});
        let check = |speaks: bool, expect: &[(&str, Value)]| {
            let status = of_one(own.clone(), &object, "a", speaks);
            assert_eq!(status["servers"]["a"]["calls"], 3);
            assert_eq!(status["servers"]["a"].get("digest"), Some(&Value::Null), "what an earlier load told goes");
            assert_eq!(status["servers"].get("b"), None, "what is another's is left alone");
            for (key, value) in expect {
                assert_eq!(status.get(*key).unwrap_or(&Value::Null), value, "{key}");
            }
        };
        check(false, &[("phase", Value::Null), ("calls", Value::Null), ("conditions", Value::Null)]);
        let message = json!("on server b: no such file");
        check(true, &[("phase", json!("Ready")), ("calls", json!(10)), ("memoryKiB", json!(192)), ("p99Microseconds", json!(30))]);
        check(true, &[("message", message), ("conditions", json!([])), ("failures", json!(0))]);
    }
}
