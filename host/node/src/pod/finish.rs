//! The worker's decisions while a pod ends.

use super::cleanup::cleanup;
use super::slot::{Role, Step};
use super::worker::{Ending, Worker};
use super::{Event, State};
use client::DeleteOptions;
use interfaces::workload::Phase;
use std::time::{Duration, Instant};

pub const DEADLINE_MESSAGE: &str = "Pod was active on the node longer than the specified deadline";

/// A pod whose object is gone gets this long, should nobody have said otherwise.
const ORPHAN_GRACE: Duration = Duration::from_secs(1);

impl Worker {
    /// Notes why the pod ends. What is already under way only gets faster.
    pub(super) fn end(&mut self, ending: Ending) {
        let first = self.ending.is_none();
        let grace = match ending {
            Ending::Removed => self.grace().min(ORPHAN_GRACE),
            _ => self.grace(),
        };
        if matches!(self.state, State::Preparing | State::Active) {
            self.state = State::Terminating;
        }
        self.cancel.cancel();
        let urgent = self.stopping.is_some_and(|(began, known)| grace < known.saturating_sub(began.elapsed()));
        // A deadline that passed stays the reason, whoever deletes the pod afterwards.
        if first || self.ending == Some(Ending::Over) && ending != Ending::Over {
            self.ending = Some(ending);
        } else if ending == Ending::Removed {
            self.ending = Some(Ending::Removed);
        }
        if self.stopping.is_none() {
            self.stopping = Some((Instant::now(), grace));
        } else if urgent && self.state == State::Terminating {
            self.stopping = Some((Instant::now(), grace));
            let running: Vec<usize> = self.alive(|step| *step == Step::Stopping);
            for index in running {
                // The runtime takes the shorter of two graces.
                self.stop(index, grace, String::new());
            }
        }
    }

    fn alive(&self, which: impl Fn(&Step) -> bool) -> Vec<usize> {
        let slots = self.slots.iter().enumerate();
        slots.filter(|(_, s)| matches!(s.phase(), Some(Phase::Created | Phase::Running)) && which(&s.step)).map(|(i, _)| i).collect()
    }

    /// Stops main containers together, then sidecars from the last to the first.
    pub(super) fn stop_all(&mut self) {
        let now = Instant::now();
        self.plan_wake = None;
        let (began, grace) = *self.stopping.get_or_insert((now, Duration::from_secs(30)));
        let left = grace.saturating_sub(began.elapsed());
        let busy = self.slots.iter().any(|s| s.role != Role::Sidecar && s.is_alive());
        let last_sidecar = self.slots.iter().rposition(|s| s.role == Role::Sidecar && s.is_alive());
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots.get(index) else { continue };
            let may = match slot.step {
                Step::Idle | Step::Hook => true,
                Step::StopAgain { until } => until <= now,
                Step::Waiting { .. } | Step::Starting | Step::Stopping => false,
            };
            let turn = slot.role != Role::Sidecar || (!busy && last_sidecar == Some(index));
            if may && turn && matches!(slot.phase(), Some(Phase::Created | Phase::Running)) {
                let why = format!("Stopping container {}", slot.name);
                self.stop(index, left, why);
            }
        }
        if !self.slots.iter().any(|s| s.is_alive()) {
            self.state = State::Releasing;
        }
    }

    /// Frees what the pod held once its last status is told, then deletes its object if that is wanted.
    pub(super) fn finish(&mut self) {
        let now = Instant::now();
        let told = self.removed || self.report.is_settled();
        if self.state == State::Releasing && told && self.releasing.may_run(now) {
            self.releasing.began();
            let (agent, pod) = (self.agent.clone(), self.pod.clone());
            let logs = self.removed || self.object.is_deleting();
            self.spawn(async move { Event::Released(cleanup(&agent, &pod, logs).await) });
        }
        if self.state != State::Ended {
            return;
        }
        if self.removed {
            let log_dir = self.agent.config.log_dir(&self.pod.namespace, &self.pod.name, &self.pod.uid);
            let _ = std::fs::remove_dir_all(log_dir);
            self.state = State::Gone;
        } else if self.object.is_deleting() && self.deleting.may_run(now) {
            self.deleting.began();
            let (agent, pod) = (self.agent.clone(), self.pod.clone());
            self.spawn(async move {
                let options = DeleteOptions { uid: Some(pod.uid.clone()), grace_period_seconds: Some(0), ..DeleteOptions::default() };
                match agent.pods.delete(&pod.namespace, &pod.name, &options).await {
                    Ok(()) => Event::Deleted(true),
                    // Gone, or another pod has the name now: the cache will say so too.
                    Err(error) if error.is_not_found() || error.is_conflict() => Event::Removed,
                    Err(error) => {
                        tracing::warn!(
                            pod = pod.name,
                            namespace = pod.namespace,
                            error = error.chain(),
                            "final delete failed; trying again"
                        );
                        Event::Deleted(false)
                    }
                }
            });
        }
    }

    pub(super) fn released(&mut self) {
        self.prepared = None;
        self.state = State::Ended;
    }
}
