//! Writing a pod's status: one patch at a time, in order, the newest state each time, and only when it says something new.

use super::slot::Step;
use super::status::{self, Input};
use super::worker::{Ending, Worker};
use super::{Event, State};
use client::Patch;
use interfaces::workload::Phase;
use object::{Object, Value, json};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// A status that only says "creating" waits this long after the one before it: containers that start sooner are told as
/// running at once, with one write for each pod of a burst instead of three.
const CREATING_HELD: Duration = Duration::from_secs(1);
/// A write that failed is tried again after this, doubled up to a minute.
const RETRY: Duration = Duration::from_millis(200);

/// What was told, and what is being told.
#[derive(Debug)]
pub struct Report {
    /// The status as read or written last, with ours laid over it.
    known: Value,
    /// Revision of `known`: what is older does not count any more.
    revision: u64,
    /// What is being written, or was written last.
    ours: Option<Value>,
    /// The server's answer said all of `ours`. A server that drops something is not asked again and again.
    faithful: bool,
    busy: bool,
    settled: bool,
    /// The pod was over when this agent came: nothing new is told of it.
    frozen: bool,
    retry: Option<Instant>,
    /// Until when a status that only says "creating" waits.
    held: Option<Instant>,
    failures: u32,
    /// When the last write was asked for.
    asked: Option<Instant>,
    first_seen: Instant,
}

/// A status write's answer.
#[derive(Debug)]
pub enum Answer {
    Written(Box<Object>),
    /// The pod is gone, or another has its name.
    Gone,
    Failed,
}

impl Report {
    pub fn new(object: &Object) -> Self {
        let known = object.at(&["status"]).cloned().unwrap_or_else(|| json!({}));
        Self {
            known,
            revision: revision(object),
            ours: None,
            faithful: true,
            busy: false,
            settled: false,
            frozen: false,
            retry: None,
            held: None,
            failures: 0,
            asked: None,
            first_seen: Instant::now(),
        }
    }

    /// Takes in the API's object, unless it is older than what was written.
    pub fn read(&mut self, object: &Object) {
        let revision = revision(object);
        if revision > self.revision && !self.busy {
            self.revision = revision;
            self.known = object.at(&["status"]).cloned().unwrap_or_else(|| json!({}));
        }
    }

    /// Answers whether the pod is gone.
    pub fn take(&mut self, answer: Answer, now: Instant) -> bool {
        self.busy = false;
        match answer {
            Answer::Written(object) => {
                (self.failures, self.retry) = (0, None);
                self.revision = revision(&object).max(self.revision);
                let told = object.at(&["status"]).cloned().unwrap_or_else(|| json!({}));
                if let Some(ours) = &self.ours {
                    self.faithful = status::covers(&told, ours);
                    self.known = status::overlay(&told, ours);
                }
                false
            }
            Answer::Gone => true,
            Answer::Failed => {
                let wait = RETRY.saturating_mul(1 << self.failures.min(9)).min(Duration::from_secs(60));
                self.failures += 1;
                self.retry = Some(now + wait);
                self.ours = None;
                false
            }
        }
    }

    pub fn freeze(&mut self) {
        (self.frozen, self.settled) = (true, true);
    }

    /// Everything that is known is told.
    pub fn is_settled(&self) -> bool {
        self.settled && !self.busy
    }

    pub fn wake(&self) -> Option<Instant> {
        let next = [self.retry, self.held].into_iter().flatten().min();
        next.filter(|_| !self.busy && !self.settled)
    }

    /// Since this agent first saw the pod.
    pub fn age(&self) -> Duration {
        self.first_seen.elapsed()
    }

    pub fn start_time(&self) -> Option<&str> {
        self.known.get("startTime").and_then(Value::as_str)
    }

    pub fn known(&self) -> &Value {
        &self.known
    }

    fn is_told(&self, ours: &Value) -> bool {
        if self.faithful { status::covers(&self.known, ours) } else { self.ours.as_ref() == Some(ours) }
    }
}

fn revision(object: &Object) -> u64 {
    object.resource_version().parse().unwrap_or_default()
}

impl Worker {
    pub(super) fn write_status(&mut self) {
        if self.removed || self.report.frozen || matches!(self.state, State::Ended | State::Gone) {
            return;
        }
        let ours = self.status();
        let Some(ours) = ours else { return };
        let now = Instant::now();
        if self.report.is_told(&ours) {
            self.report.settled = true;
            return;
        }
        self.report.settled = false;
        if self.report.busy || self.report.retry.is_some_and(|at| at > now) {
            return;
        }
        let held = self.report.asked.unwrap_or(self.report.first_seen) + CREATING_HELD;
        if now < held && self.is_creating() {
            self.report.held = Some(held);
            return;
        }
        let patch = Patch::Strategic(status::patch(&self.pod.uid, &self.report.known, &ours));
        self.report.busy = true;
        (self.report.retry, self.report.held, self.report.asked) = (None, None, Some(now));
        self.report.ours = Some(ours);
        let (agent, pod, first_seen) = (self.agent.clone(), self.pod.clone(), self.report.first_seen);
        let asked = first_seen.elapsed();
        self.spawn(async move {
            let answer = agent.pods.patch(&pod.namespace, &pod.name, Some("status"), &patch).await;
            tracing::debug!(pod = pod.name, namespace = pod.namespace, asked = ?asked, answered = ?first_seen.elapsed(), "status written");
            Event::Written(match answer {
                Ok(object) => Answer::Written(Box::new(object)),
                Err(error) if error.is_not_found() || error.is_conflict() => Answer::Gone,
                Err(error) => {
                    tracing::warn!(pod = pod.name, namespace = pod.namespace, error = error.chain(), "status is not written; trying again");
                    Answer::Failed
                }
            })
        });
    }

    /// Nothing but waiting for the first start: no failure to tell.
    fn is_creating(&self) -> bool {
        matches!(self.state, State::Preparing | State::Active)
            && self.preparing.failures == 0
            && self.slots.iter().all(|s| s.run.is_none() && matches!(s.step, Step::Idle | Step::Starting))
    }

    /// Adopted: something runs already.
    fn is_live(&self) -> bool {
        self.runs_of().any(|run| run.state.phase == Phase::Running)
    }

    fn status(&self) -> Option<Value> {
        let spec = self.spec()?;
        let over = matches!(self.state, State::Releasing | State::Ended);
        let because = (self.ending == Some(Ending::Deadline)).then_some(("DeadlineExceeded", super::finish::DEADLINE_MESSAGE));
        let host: Vec<IpAddr> = vec![self.agent.network.node_address()];
        let now = object::time::now();
        Some(status::compute(&Input {
            spec,
            generation: self.object.generation(),
            before: &self.report.known,
            slots: &self.slots,
            initialized: self.initialized,
            sandbox_ready: (self.prepared.is_some() || (self.state == State::Preparing && self.is_live())) && !over,
            addresses: &self.addresses,
            host_addresses: &host,
            over,
            ended_because: because,
            now: &now,
        }))
    }
}
