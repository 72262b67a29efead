//! The worker's decisions while a pod prepares and runs.

use super::prepare::prepare;
use super::slot::{Role, Run, Slot, Step};
use super::worker::{Ending, Worker};
use super::{Event, State, plan, start, stop};
use crate::backoff::go_seconds;
use crate::probes::{self, Verdict};
use crate::{hooks, volumes};
use client::Type;
use interfaces::workload::{ContainerId, Phase};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio_util::sync::CancellationToken;

/// How long the first failure of a pull is told as such before it is told as a back-off, as the kubelet's resync does.
const PULL_ERROR_SHOWN: Duration = Duration::from_secs(2);
/// When a refused configuration is tried again, should no source change before.
const CONFIG_RETRY: Duration = Duration::from_secs(10);
/// Between looks at tokens that should have been renewed.
const TOKEN_LOOK: Duration = Duration::from_secs(60);

impl Worker {
    /// Compares what is wanted with what is there, and starts what is missing.
    pub(super) fn reconcile(&mut self) {
        self.check_ending();
        match self.state {
            State::Preparing | State::Active => self.advance(),
            State::Terminating => self.stop_all(),
            State::Releasing | State::Ended | State::Gone => {}
        }
        self.write_status();
        if matches!(self.state, State::Terminating | State::Releasing | State::Ended) {
            self.finish();
        }
    }

    fn check_ending(&mut self) {
        let ending = if self.removed {
            Ending::Removed
        } else if self.object.is_deleting() {
            Ending::Deleted
        } else if self.ending.is_none() && self.time_left().is_some_and(|left| left.is_zero()) {
            Ending::Deadline
        } else {
            return;
        };
        if ending == Ending::Deadline {
            self.event(Type::Normal, "DeadlineExceeded", super::finish::DEADLINE_MESSAGE);
        }
        self.end(ending);
    }

    fn advance(&mut self) {
        let now = Instant::now();
        if self.prepared.is_none() {
            self.state = State::Preparing;
            if self.preparing.may_run(now) {
                self.preparing.began();
                let (agent, object) = (self.agent.clone(), self.object.clone());
                self.spawn(async move { Event::Prepared(Box::new(prepare(&agent, &object).await)) });
            }
            return;
        }
        if self.state == State::Preparing {
            self.state = State::Active;
            for index in 0..self.slots.len() {
                // Adopted containers are watched over again.
                if self.slots.get(index).is_some_and(|s| s.is_running() && s.step == Step::Idle) {
                    self.runs(index);
                }
            }
        }
        self.renew_tokens(now);
        self.check_images(now);
        let views: Vec<plan::View> = self.slots.iter().map(Slot::view).collect();
        let plan = plan::plan(&views, self.initialized, now);
        self.initialized |= plan.initialized;
        self.plan_wake = plan.wake;
        if let Some(end) = plan.end {
            tracing::debug!(pod = self.pod.name, namespace = self.pod.namespace, ?end, "pod is over");
            self.end(Ending::Over);
            self.stop_all();
            return;
        }
        let again = self.slots.iter().enumerate().filter(|(_, s)| matches!(s.step, Step::StopAgain { until } if until <= now));
        for index in again.map(|(index, _)| index).collect::<Vec<_>>() {
            self.stop(index, self.grace(), String::new());
        }
        for index in plan.start {
            let crashed = self.slots.get(index).is_some_and(|s| matches!(s.step, Step::Waiting { reason: "CrashLoopBackOff", .. }));
            if crashed { self.restart(index, now) } else { self.start(index, now) }
        }
        for index in plan.restart {
            self.restart(index, now);
        }
    }

    /// `image` is the one field of a container that may change: a container of another image is replaced.
    fn check_images(&mut self, now: Instant) {
        let mut replaced = Vec::new();
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let container = super::worker::spec_of(&self.object).and_then(|spec| super::status::spec_of(spec, &slot.name));
            let wanted = container.and_then(|c| c.image.as_deref()).unwrap_or_default();
            if slot.image.is_empty() || slot.image == wanted {
                continue;
            }
            let running = slot.is_running();
            match &mut slot.step {
                Step::Idle if running => {
                    slot.changed = true;
                    replaced.push((index, slot.name.clone()));
                }
                Step::Waiting { until, .. } => {
                    *until = now;
                    slot.pull.reset();
                }
                _ => {}
            }
        }
        for (index, name) in replaced {
            self.stop(index, self.grace(), format!("Container {name} definition changed, will be restarted"));
        }
    }

    /// Starts again what ended, or waits for its back-off.
    fn restart(&mut self, index: usize, now: Instant) {
        let Some(slot) = self.slots.get(index) else { return };
        let ended = slot.run.as_ref().map(|r| ago(r.state.finished_at, now)).unwrap_or(now);
        let name = slot.name.clone();
        let Some(backoff) = self.crash(index) else { return };
        let Some(until) = backoff.ask(ended, now) else {
            self.start(index, now);
            return;
        };
        let wait = go_seconds(backoff.wait());
        let pod = format!("{}_{}({})", self.pod.name, self.pod.namespace, self.pod.uid);
        let message = format!("back-off {wait} restarting failed container={name} pod={pod}");
        let about = self.container_reference(&name);
        let event = format!("Back-off restarting failed container {name} in pod {pod}");
        self.agent.recorder.event(&about, Type::Warning, "BackOff", &event);
        self.step(index, Step::Waiting { until, reason: "CrashLoopBackOff", message });
        self.plan_wake = Some(self.plan_wake.map_or(until, |wake| wake.min(until)));
    }

    fn start(&mut self, index: usize, now: Instant) {
        let Some(prepared) = self.prepared.clone() else { return };
        let Some(slot) = self.slots.get_mut(index) else { return };
        if let Step::Waiting { reason: reason @ ("ErrImagePull" | "ImagePullBackOff"), message, .. } = &slot.step
            && let Some(until) = slot.pull.until().filter(|until| *until > now)
        {
            // Still too early to pull again: from now on it is told as a back-off.
            let (first, message) = (*reason == "ErrImagePull", message.clone());
            let name = slot.name.clone();
            self.back_off_pulling(index, &name, first, &message, until);
            return;
        }
        let container = super::worker::spec_of(&self.object).and_then(|spec| super::status::spec_of(spec, &slot.name));
        slot.image = container.and_then(|c| c.image.clone()).unwrap_or_default();
        let job = start::Job {
            agent: self.agent.clone(),
            object: self.object.clone(),
            prepared,
            container: slot.name.clone(),
            attempt: slot.next_attempt,
            cancel: self.cancel.clone(),
        };
        slot.step = Step::Starting;
        self.spawn(async move { Event::Started { slot: index, outcome: start::start(job).await } });
    }

    fn back_off_pulling(&mut self, index: usize, name: &str, first: bool, message: &str, until: Instant) {
        let image = self.spec().and_then(|s| super::status::spec_of(s, name)).and_then(|c| c.image.clone()).unwrap_or_default();
        let about = self.container_reference(name);
        let back_off = format!("Back-off pulling image \"{image}\"");
        let message = if first { format!("{back_off}: ErrImagePull: {message}") } else { message.to_owned() };
        self.agent.recorder.event(&about, Type::Normal, "BackOff", &back_off);
        self.agent.recorder.event(&about, Type::Warning, "Failed", "Error: ImagePullBackOff");
        self.step(index, Step::Waiting { until, reason: "ImagePullBackOff", message });
        self.plan_wake = Some(self.plan_wake.map_or(until, |wake| wake.min(until)));
    }

    pub(super) fn take_start(&mut self, index: usize, outcome: start::Outcome) {
        let now = Instant::now();
        match outcome {
            start::Outcome::Cancelled => self.step(index, Step::Idle),
            start::Outcome::Refused { reason, message, pull } => {
                let until = match (pull, self.slots.get_mut(index)) {
                    (true, Some(slot)) => slot.pull.failed(now).min(now + PULL_ERROR_SHOWN),
                    _ => now + CONFIG_RETRY,
                };
                // Only a failed pull has a second name; the others keep theirs until the next try.
                let until = if pull && reason != "ErrImagePull" { now + CONFIG_RETRY } else { until };
                self.step(index, Step::Waiting { until, reason, message });
            }
            start::Outcome::Started(run) => {
                if let Some(slot) = self.slots.get_mut(index) {
                    slot.pull.reset();
                }
                let attempt = run.state.id.attempt;
                let (container, after) = (&run.state.id.name, self.report.age());
                tracing::debug!(pod = self.pod.name, namespace = self.pod.namespace, container, attempt, ?after, "container is started");
                self.observe(index, *run);
                self.step(index, Step::Idle);
                self.forget_before(index, attempt);
                let running = self.slots.get(index).is_some_and(Slot::is_running);
                if self.state == State::Active && running && !self.begin_hook(index) {
                    self.runs(index);
                }
            }
        }
    }

    /// Starts the postStart hook, if there is one. The container counts as started when the hook is through.
    fn begin_hook(&mut self, index: usize) -> bool {
        let Some((run, name)) = self.slots.get(index).and_then(|s| Some((s.run.clone()?, s.name.clone()))) else { return false };
        let container = self.spec().and_then(|spec| super::status::spec_of(spec, &name));
        let hook = container.and_then(|c| c.lifecycle.as_ref()).and_then(|l| l.post_start.clone());
        let Some(hook) = hook else { return false };
        self.step(index, Step::Hook);
        let (agent, object, address) = (self.agent.clone(), self.object.clone(), self.addresses.first().copied());
        let attempt = run.state.id.attempt;
        self.spawn(async move {
            let failure = match super::worker::spec_of(&object) {
                Some(spec) => hooks::run(&agent, &run, spec, address, &hook, hooks::POST_START_LIMIT).await.err(),
                None => None,
            };
            Event::Hooked { slot: index, attempt, failure }
        });
        true
    }

    pub(super) fn take_hook(&mut self, index: usize, attempt: u32, failure: Option<String>) {
        let Some(slot) = self.slots.get(index) else { return };
        let current = slot.run.as_ref().is_some_and(|r| r.state.id.attempt == attempt);
        if slot.step != Step::Hook || !current {
            return;
        }
        self.step(index, Step::Idle);
        match failure {
            None => self.runs(index),
            Some(message) => {
                let name = self.slots.get(index).map(|s| s.name.clone()).unwrap_or_default();
                let about = self.container_reference(&name);
                self.agent.recorder.event(&about, Type::Warning, "FailedPostStartHook", &format!("PostStartHook failed: {message}"));
                self.stop(index, self.grace(), "FailedPostStartHook".to_owned());
            }
        }
    }

    /// The container runs and its hook is through: probes begin, and what has none is ready.
    fn runs(&mut self, index: usize) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        if slot.phase() != Some(Phase::Running) {
            return;
        }
        let name = slot.name.clone();
        let Some(container) = super::worker::spec_of(&self.object).and_then(|spec| super::status::spec_of(spec, &name)) else { return };
        slot.started |= container.startup_probe.is_none();
        slot.ready |= container.readiness_probe.is_none() && slot.started;
        let Some(run) = slot.run.clone().filter(|_| probes::any(container)) else { return };
        let token = CancellationToken::new();
        if let Some(guard) = self.probes.get_mut(index) {
            *guard = Some(token.clone().drop_guard());
        }
        let target = probes::Target {
            agent: self.agent.clone(),
            pod: self.object.reference(),
            address: self.addresses.first().copied(),
            container: container.clone(),
            run,
            slot: index,
            started: slot.started,
            sender: self.sender.clone(),
        };
        self.agent.tasks.spawn(probes::run(target, token));
    }

    pub(super) fn take_probe(&mut self, report: probes::Report) {
        let index = report.slot;
        let Some(slot) = self.slots.get_mut(index) else { return };
        let current = slot.run.as_ref().is_some_and(|r| r.state.id.attempt == report.attempt && r.state.phase == Phase::Running);
        if !current {
            return;
        }
        match report.verdict {
            Verdict::Started => {
                slot.started = true;
                let name = slot.name.clone();
                let container = super::worker::spec_of(&self.object).and_then(|spec| super::status::spec_of(spec, &name));
                let gated = container.is_some_and(|c| c.readiness_probe.is_some());
                if let Some(slot) = self.slots.get_mut(index) {
                    slot.ready |= !gated;
                }
            }
            Verdict::Ready(ready) => slot.ready = ready,
            Verdict::Dead { probe, grace } => {
                if slot.step == Step::Idle {
                    let name = slot.name.clone();
                    let grace = grace.unwrap_or_else(|| self.grace());
                    self.stop(index, grace, format!("Container {name} failed {probe} probe, will be restarted"));
                }
            }
        }
    }

    pub(super) fn stop(&mut self, index: usize, grace: Duration, why: String) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Some(run) = slot.run.clone().filter(|r| r.state.phase != Phase::Exited) else { return };
        slot.step = Step::Stopping;
        if let Some(probes) = self.probes.get_mut(index) {
            *probes = None;
        }
        let job =
            stop::Job { agent: self.agent.clone(), object: self.object.clone(), address: self.addresses.first().copied(), run, grace, why };
        self.spawn(async move { Event::Stopped { slot: index, outcome: stop::stop(job).await } });
    }

    /// How long a container of this pod may take to stop.
    pub(super) fn grace(&self) -> Duration {
        let told = self.object.at(&["metadata", "deletionGracePeriodSeconds"]).and_then(object::Value::as_u64);
        let own = self.spec().and_then(|s| s.termination_grace_period_seconds).and_then(|s| u64::try_from(s).ok());
        Duration::from_secs(told.or(own).unwrap_or(30))
    }

    /// Keeps the run before the present one (`kubectl logs --previous`) and frees those before it.
    fn forget_before(&self, index: usize, attempt: u32) {
        let Some((slot, old)) = self.slots.get(index).zip(attempt.checked_sub(2)) else { return };
        let id = ContainerId { pod_uid: self.pod.uid.clone(), name: slot.name.clone(), attempt: old };
        let log_dir = self.agent.config.log_dir(&self.pod.namespace, &self.pod.name, &self.pod.uid).join(&slot.name);
        let agent = self.agent.clone();
        self.agent.tasks.spawn(async move {
            for (name, runtime) in &agent.runtimes {
                if let Err(error) = runtime.remove(&id).await {
                    tracing::debug!(runtime = name, %error, "old run is not removed");
                }
            }
            agent.adapters.discard(&id, &log_dir);
            let _ = std::fs::remove_file(start::log_path(&log_dir, old));
        });
    }

    /// A config map or secret changed: what waits for it is tried again, what shows it is written anew.
    pub(super) fn sources_changed(&mut self) {
        let now = Instant::now();
        self.preparing.retry = None;
        for slot in &mut self.slots {
            if let Step::Waiting { until, reason: "CreateContainerConfigError", .. } = &mut slot.step {
                *until = now;
            }
        }
        self.refresh_volumes();
    }

    /// Writes the volumes anew when a token in them is old.
    pub(super) fn renew_tokens(&mut self, now: Instant) {
        if self.tokens_wake.is_none_or(|at| at > now) {
            return;
        }
        let due = self.agent.sources.tokens.due(&self.pod.uid);
        if due.is_some_and(|at| at <= now) {
            self.refresh_volumes();
        }
        // A token that was just asked for is looked at again soon, as it may not have come.
        self.tokens_wake = due.map(|at| at.max(now + TOKEN_LOOK));
    }

    pub(super) fn refresh_volumes(&self) {
        let (Some(prepared), None) = (self.prepared.clone(), &self.ending) else { return };
        let (agent, object) = (self.agent.clone(), self.object.clone());
        self.agent.tasks.spawn(async move {
            let Some(spec) = super::worker::spec_of(&object) else { return };
            let dir = agent.config.pod_dir(object.uid());
            let context = volumes::Context {
                pod: &object,
                spec,
                dir: &dir,
                sources: &agent.sources,
                facts: &prepared.facts,
                privileged: agent.config.privileged,
            };
            if let Err(error) = volumes::refresh(&context).await {
                agent.recorder.event(&object.reference(), Type::Warning, "FailedMount", &error.to_string());
            }
        });
    }

    /// A run that this agent has seen itself; init containers are through once a main one ran.
    pub(super) fn main_ran(&self) -> bool {
        self.slots.iter().any(|s| s.role == Role::Main && s.run.is_some())
    }

    pub(super) fn runs_of(&self) -> impl Iterator<Item = &Run> {
        self.slots.iter().filter_map(|s| s.run.as_ref())
    }
}

/// The instant that lies as far back as a time in nanoseconds since the epoch does.
pub(super) fn ago(nanos: i64, now: Instant) -> Instant {
    let at = UNIX_EPOCH + Duration::from_nanos(u64::try_from(nanos).unwrap_or_default());
    let past = SystemTime::now().duration_since(at).unwrap_or_default();
    now.checked_sub(past).unwrap_or(now)
}
