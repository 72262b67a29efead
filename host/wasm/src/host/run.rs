//! One run of one container: its state, and the ways to end it.

use super::outcome::Outcome;
use crate::meter::Meter;
use interfaces::workload::{ContainerId, ContainerState, Phase, Usage};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub struct Run {
    state: watch::Sender<ContainerState>,
    pub meter: Arc<Meter>,
    /// End when it suits.
    pub stop: CancellationToken,
    /// End now.
    pub kill: CancellationToken,
}

impl Run {
    pub fn new(id: ContainerId, meter: Arc<Meter>) -> Arc<Self> {
        let state = watch::Sender::new(ContainerState { id, ..ContainerState::default() });
        Arc::new(Self { state, meter, stop: CancellationToken::new(), kill: CancellationToken::new() })
    }

    pub fn state(&self) -> ContainerState {
        self.state.borrow().clone()
    }

    pub fn started(&self) -> ContainerState {
        self.state.send_modify(|state| {
            state.phase = Phase::Running;
            state.started_at = now();
        });
        self.state()
    }

    pub fn ended(&self, outcome: Outcome) -> ContainerState {
        self.state.send_modify(|state| {
            state.phase = Phase::Exited;
            state.finished_at = now();
            if state.started_at == 0 {
                state.started_at = state.finished_at;
            }
            state.exit_code = outcome.exit_code;
            state.signal = outcome.signal;
            outcome.reason.clone_into(&mut state.reason);
            state.message = outcome.message;
        });
        self.state()
    }

    /// Waits for a state that is `wanted`; this run keeps the sender, so it comes or the caller gives up.
    pub async fn until(&self, wanted: impl FnMut(&ContainerState) -> bool) -> ContainerState {
        let mut receiver = self.state.subscribe();
        match receiver.wait_for(wanted).await {
            Ok(state) => state.clone(),
            Err(_) => self.state(),
        }
    }

    pub fn usage(&self) -> Usage {
        Usage { id: self.state.borrow().id.clone(), cpu_nanoseconds: self.meter.cpu_nanoseconds(), memory_bytes: self.meter.memory_bytes() }
    }
}

pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
