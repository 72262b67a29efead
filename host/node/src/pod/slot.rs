//! What the agent knows of one container of a pod.

use super::plan::{Restart, Stage, View};
use crate::backoff::Backoff;
use interfaces::workload::{ContainerState, Phase};
use std::time::Instant;
use typed::api::core::v1::{Container, PodSpec};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Init,
    /// An init container with `restartPolicy: Always`.
    Sidecar,
    Main,
}

/// One run of a container, as the runtime tells it, and the image it was started from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    pub state: ContainerState,
    /// Name of the runtime that holds it.
    pub runtime: &'static str,
    pub image_id: String,
}

/// What the agent is doing about a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Step {
    /// Nothing is under way; the last run speaks for itself.
    #[default]
    Idle,
    /// Image, environment and start: one operation is under way.
    Starting,
    /// It runs, and its postStart hook is under way.
    Hook,
    /// It was asked to stop.
    Stopping,
    /// It did not stop; the next try to stop it comes later.
    StopAgain { until: Instant },
    /// The next try to start it comes later.
    Waiting { until: Instant, reason: &'static str, message: String },
}

#[derive(Clone, Debug)]
pub struct Slot {
    pub name: String,
    pub role: Role,
    pub restart: Restart,
    pub step: Step,
    pub run: Option<Run>,
    /// The run before, for `lastState`.
    pub previous: Option<Run>,
    /// The last run ended with an earlier sandbox: an init container has to run again.
    pub stale: bool,
    /// The image that the last start was asked for; empty when not known.
    pub image: String,
    /// The spec names another image now: the container ends and starts again, whatever its restart policy.
    pub changed: bool,
    /// Number of the next run.
    pub next_attempt: u32,
    /// The startup probe has succeeded, or there is none and the container runs.
    pub started: bool,
    pub ready: bool,
    pub crash: Backoff,
    pub pull: Backoff,
}

impl Slot {
    /// One slot per container: init containers in their order, then the others.
    pub fn all(spec: &PodSpec) -> Vec<Self> {
        let inits = spec.init_containers.iter().flatten().map(|container| {
            let sidecar = container.restart_policy.as_deref() == Some("Always");
            Self::new(container, if sidecar { Role::Sidecar } else { Role::Init }, spec)
        });
        inits.chain(spec.containers.iter().map(|c| Self::new(c, Role::Main, spec))).collect()
    }

    fn new(container: &Container, role: Role, spec: &PodSpec) -> Self {
        Self {
            name: container.name.clone(),
            role,
            restart: Restart::of(container, role, spec),
            step: Step::Idle,
            run: None,
            previous: None,
            stale: false,
            image: String::new(),
            changed: false,
            next_attempt: 0,
            started: false,
            ready: false,
            crash: Backoff::default(),
            pull: Backoff::default(),
        }
    }

    pub fn phase(&self) -> Option<Phase> {
        self.run.as_ref().map(|r| r.state.phase)
    }

    pub fn is_running(&self) -> bool {
        self.phase() == Some(Phase::Running)
    }

    /// Is anything under way or alive that a pod's end has to wait for?
    pub fn is_alive(&self) -> bool {
        matches!(self.phase(), Some(Phase::Created | Phase::Running)) || matches!(self.step, Step::Starting | Step::Stopping)
    }

    /// Takes in what a runtime says of a run. Answers whether anything changed. A run never goes back in time, whatever
    /// order its reports arrive in.
    pub fn observe(&mut self, run: Run) -> bool {
        if let Some(known) = &mut self.run
            && known.image_id.is_empty()
            && known.state.id.attempt == run.state.id.attempt
            && !run.image_id.is_empty()
        {
            // The end overtook the answer of the start, which knows the image.
            known.image_id.clone_from(&run.image_id);
        }
        let known = match &self.run {
            Some(known) if run.state.id.attempt < known.state.id.attempt => {
                let older = self.previous.as_ref().is_none_or(|p| run.state.id.attempt >= p.state.id.attempt);
                if older && run.state.phase == Phase::Exited {
                    let changed = self.previous.as_ref() != Some(&run);
                    self.previous = Some(run);
                    return changed;
                }
                return false;
            }
            Some(known) if run.state.id.attempt == known.state.id.attempt => Some(known.clone()),
            _ => None,
        };
        let run = match known {
            Some(known) if rank(known.state.phase) > rank(run.state.phase) => return false,
            Some(known) if known.state == run.state => return false,
            Some(known) => {
                let mut run = run;
                if run.image_id.is_empty() {
                    run.image_id = known.image_id;
                }
                if run.state.started_at == 0 {
                    run.state.started_at = known.state.started_at;
                }
                run
            }
            None => {
                // A new run: what was known of the last one is history.
                self.previous = self.run.take().or_else(|| self.previous.take());
                (self.started, self.ready, self.stale, self.changed) = (false, false, false, false);
                run
            }
        };
        self.next_attempt = run.state.id.attempt + 1;
        if run.state.phase == Phase::Exited {
            (self.started, self.ready) = (false, false);
        }
        self.run = Some(run);
        true
    }

    pub fn view(&self) -> View {
        let stage = match (&self.step, &self.run) {
            (Step::Waiting { until, .. }, _) => Stage::Waiting { until: *until },
            (Step::Starting | Step::Hook | Step::Stopping | Step::StopAgain { .. }, _) => Stage::Busy,
            (Step::Idle, Some(_)) if self.stale && self.role == Role::Init => Stage::Never,
            (Step::Idle, None) => Stage::Never,
            (Step::Idle, Some(run)) => match run.state.phase {
                Phase::Created => Stage::Busy,
                Phase::Running => Stage::Running { started: self.started },
                Phase::Exited if self.changed => Stage::Never,
                Phase::Exited => Stage::Exited { code: run.state.exit_code },
            },
        };
        View { role: self.role, restart: self.restart.clone(), stage }
    }
}

fn rank(phase: Phase) -> u8 {
    match phase {
        Phase::Created => 0,
        Phase::Running => 1,
        Phase::Exited => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use interfaces::workload::ContainerId;

    fn run(attempt: u32, phase: Phase, image_id: &str) -> Run {
        let id = ContainerId { pod_uid: "u".into(), name: "c".into(), attempt };
        Run { state: ContainerState { id, phase, ..ContainerState::default() }, runtime: "wasm", image_id: image_id.into() }
    }

    #[test]
    fn a_run_never_goes_back_in_time() {
        let spec = PodSpec { containers: vec![Container { name: "c".into(), ..Container::default() }], ..PodSpec::default() };
        let mut slot = Slot::all(&spec).remove(0);
        assert!(slot.observe(run(0, Phase::Running, "i")));
        slot.ready = true;
        assert!(!slot.observe(run(0, Phase::Running, "i")));
        // The end overtook the answer of the start.
        assert!(slot.observe(run(0, Phase::Exited, "")));
        assert!(!slot.observe(run(0, Phase::Running, "i")));
        assert_eq!((slot.phase(), slot.ready, slot.next_attempt), (Some(Phase::Exited), false, 1));
        assert_eq!(slot.run.as_ref().unwrap().image_id, "i");
        // A run so short that only its end is seen before the start's answer.
        let mut short = slot.clone();
        assert!(short.observe(run(1, Phase::Exited, "")));
        short.observe(run(1, Phase::Running, "j"));
        assert_eq!(short.run.map(|r| (r.state.phase, r.image_id)), Some((Phase::Exited, "j".to_owned())));
        assert!(slot.observe(run(1, Phase::Running, "i")));
        assert_eq!(slot.previous.as_ref().unwrap().state.id.attempt, 0);
        assert!(!slot.observe(run(0, Phase::Running, "i")));
        assert_eq!((slot.phase(), slot.next_attempt), (Some(Phase::Running), 2));
    }
}
