//! `status.controller` of a WasmPlugin: written by whoever runs its controllers, when it changed, and counters at most every five seconds.

use client::{Client, Patch, gvr};
use object::{Value, json};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where one controller of a plugin stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its watches are open and its keys are worked on.
    Running,
    /// Something that it needs is not there yet.
    Waiting(String),
    /// Its service account may not read what it watches.
    Denied(String),
}

/// What a plugin's status tells of one controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub name: String,
    /// Of the primary watch: `plural.group`.
    pub resource: String,
    pub standing: Standing,
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    pub reconciles: AtomicU64,
    pub failures: AtomicU64,
    last_failure: Mutex<String>,
}

impl Tally {
    pub(super) fn failed(&self, message: &str) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        *self.last_failure.lock() = message.to_owned();
    }
}

/// What was written last.
pub(super) struct Report {
    client: Client,
    plugin: String,
    written: Option<Value>,
}

impl Report {
    pub(super) fn new(client: &Client, plugin: &str) -> Self {
        Self { client: client.clone(), plugin: plugin.to_owned(), written: None }
    }

    /// Writes the status if it is another. A failure is logged; the next change tries again.
    pub(super) async fn write(&mut self, problem: &str, lines: &[Line], objects: usize, tally: &Tally) {
        let status = status(problem, lines, objects, tally);
        if self.written.as_ref() == Some(&status) {
            return;
        }
        let patch = Patch::Merge(json!({"status": {"controller": status}}));
        match self.client.api(&gvr::wasm_plugins()).patch("", &self.plugin, Some("status"), &patch).await {
            Ok(_) => self.written = Some(status),
            Err(error) if error.is_not_found() => {}
            Err(error) => tracing::debug!(plugin = self.plugin, error = error.chain(), "status.controller was not written"),
        }
    }
}

fn status(problem: &str, lines: &[Line], objects: usize, tally: &Tally) -> Value {
    let running = !lines.is_empty() && lines.iter().all(|line| line.standing == Standing::Running);
    let denied = lines.iter().any(|line| matches!(line.standing, Standing::Denied(_)));
    let phase = match (problem.is_empty(), denied, running) {
        (false, ..) => "Failed",
        (true, true, _) => "Denied",
        (true, false, true) => "Running",
        (true, false, false) => "Waiting",
    };
    let message = if problem.is_empty() { lines.iter().find_map(|line| line.standing.message()).unwrap_or_default() } else { problem };
    let controllers: Vec<Value> = lines
        .iter()
        .map(|line| {
            json!({
                "name": line.name, "resource": line.resource, "phase": line.standing.phase(),
                "message": line.standing.message().unwrap_or_default(),
            })
        })
        .collect();
    json!({
        "phase": phase, "message": message, "controllers": controllers, "objects": objects,
        "reconciles": tally.reconciles.load(Ordering::Relaxed), "failures": tally.failures.load(Ordering::Relaxed),
        "lastFailure": tally.last_failure.lock().clone(),
    })
}

impl Standing {
    fn phase(&self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Waiting(_) => "Waiting",
            Self::Denied(_) => "Denied",
        }
    }

    fn message(&self) -> Option<&str> {
        match self {
            Self::Running => None,
            Self::Waiting(message) | Self::Denied(message) => Some(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_controller_names_the_phase() {
        let line = |standing| Line { name: "c".to_owned(), resource: "sites.example.com".to_owned(), standing };
        let check = |problem: &str, standings: &[Standing], expect: (&str, &str)| {
            let lines: Vec<Line> = standings.iter().cloned().map(line).collect();
            let status = status(problem, &lines, 3, &Tally::default());
            assert_eq!((status["phase"].as_str().unwrap(), status["message"].as_str().unwrap()), expect);
            assert_eq!(status["objects"], 3);
        };
        let (waiting, denied) = (Standing::Waiting("no such kind".into()), Standing::Denied("may not list pods".into()));
        check("", &[Standing::Running], ("Running", ""));
        check("", &[], ("Waiting", ""));
        check("", &[Standing::Running, waiting.clone()], ("Waiting", "no such kind"));
        check("", &[Standing::Running, denied], ("Denied", "may not list pods"));
        check("it trapped", &[waiting], ("Failed", "it trapped"));
    }
}
