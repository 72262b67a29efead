//! One stop of one container: preStop hook, then the runtime (`killContainer` in
//! `pkg/kubelet/kuberuntime/kuberuntime_container.go`).

use super::slot::Run;
use super::start::container_reference;
use super::status::spec_of;
use crate::agent::Agent;
use crate::hooks;
use client::Type;
use interfaces::workload::{self, ContainerState, Phase};
use object::Object;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// `minimumGracePeriodInSeconds`: what a container has at least after its preStop hook.
const LEAST: Duration = Duration::from_secs(2);

pub struct Job {
    pub agent: Arc<Agent>,
    pub object: Arc<Object>,
    pub address: Option<IpAddr>,
    pub run: Run,
    pub grace: Duration,
    /// The message of the `Killing` event; empty: without one.
    pub why: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ended(Run),
    Failed(String),
}

pub async fn stop(job: Job) -> Outcome {
    let id = &job.run.state.id;
    let began = Instant::now();
    let mut grace = job.grace;
    let pod = typed::pod(&job.object).ok();
    if let Some(spec) = pod.and_then(|p| p.spec.as_ref()) {
        let about = container_reference(&job.object, spec, &id.name);
        if !job.why.is_empty() {
            job.agent.recorder.event(&about, Type::Normal, "Killing", &job.why);
        }
        let hook = spec_of(spec, &id.name).and_then(|c| c.lifecycle.as_ref()).and_then(|l| l.pre_stop.as_ref());
        if let (Some(hook), false) = (hook, grace.is_zero()) {
            let hooked = hooks::run(&job.agent, &job.run, spec, job.address, hook, grace);
            if let Err(message) = hooked.await {
                job.agent.recorder.event(&about, Type::Warning, "FailedPreStopHook", &format!("PreStopHook failed: {message}"));
            }
            grace = grace.saturating_sub(began.elapsed()).max(LEAST);
        }
    }
    let Some(runtime) = job.agent.runtimes.get(job.run.runtime) else {
        return Outcome::Failed(format!("the {} runtime is gone", job.run.runtime));
    };
    match runtime.stop(id, whole_seconds(grace)).await {
        Ok(state) => Outcome::Ended(Run { state, ..job.run.clone() }),
        Err(workload::Error::NotFound { .. }) => Outcome::Ended(Run { state: lost(&job.run.state), ..job.run.clone() }),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

/// Rounded up: what is left of a second is a second.
fn whole_seconds(grace: Duration) -> u64 {
    grace.as_secs() + u64::from(grace.subsec_nanos() > 0)
}

/// What is told of a container that nobody knows any more.
pub fn lost(state: &ContainerState) -> ContainerState {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|d| i64::try_from(d.as_nanos()).ok()).unwrap_or_default();
    ContainerState {
        phase: Phase::Exited,
        exit_code: 137,
        reason: "ContainerStatusUnknown".to_owned(),
        message: "The container could not be located when the pod was terminated".to_owned(),
        finished_at: now,
        ..state.clone()
    }
}
