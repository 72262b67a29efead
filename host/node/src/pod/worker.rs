//! The task of one pod: takes events, keeps what is known, decides. See [`State`].

use super::adopt;
use super::prepare::Prepared;
use super::report::Report;
use super::slot::{Run, Slot, Step};
use super::{Event, State, start, stop};
use crate::agent::Agent;
use crate::backoff::Backoff;
use client::Type;
use interfaces::network::PodRef;
use interfaces::workload::{ContainerState, Phase};
use object::{Object, ObjectRef};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};
use typed::api::core::v1::PodSpec;

/// How soon something that failed on the node is tried again: doubled from here…
const RETRY: Duration = Duration::from_millis(500);
/// …to here (`durationBeforeRetry` of `nestedpendingoperations` ends at two minutes; a pod on one node need not wait so long).
const RETRY_MAX: Duration = Duration::from_secs(30);

/// When a stop that the runtime refused is tried again.
const STOP_AGAIN: Duration = Duration::from_secs(5);

/// What runtimes know of a pod's containers when its task starts.
pub type Known = Vec<(&'static str, ContainerState)>;

/// Why a pod ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Its object is being deleted.
    Deleted,
    /// Its object is gone.
    Removed,
    /// By itself: nothing runs again.
    Over,
    /// It was active longer than `activeDeadlineSeconds`.
    Deadline,
}

/// Something that is retried until it is done.
#[derive(Debug, Default)]
pub(super) struct Chore {
    pub busy: bool,
    pub retry: Option<Instant>,
    pub failures: u32,
}

impl Chore {
    pub fn may_run(&self, now: Instant) -> bool {
        !self.busy && self.retry.is_none_or(|at| at <= now)
    }

    pub fn began(&mut self) {
        (self.busy, self.retry) = (true, None);
    }

    pub fn failed(&mut self, now: Instant) {
        let wait = RETRY.saturating_mul(1 << self.failures.min(8)).min(RETRY_MAX);
        *self = Self { busy: false, retry: Some(now + wait), failures: self.failures + 1 };
    }

    pub fn done(&mut self) {
        *self = Self::default();
    }
}

pub struct Worker {
    pub(super) agent: Arc<Agent>,
    pub(super) pod: PodRef,
    pub(super) object: Arc<Object>,
    pub(super) state: State,
    pub(super) slots: Vec<Slot>,
    /// By slot: dropping one ends the container's probes.
    pub(super) probes: Vec<Option<DropGuard>>,
    pub(super) prepared: Option<Arc<Prepared>>,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) initialized: bool,
    pub(super) ending: Option<Ending>,
    /// When stopping began, and how long it may take.
    pub(super) stopping: Option<(Instant, Duration)>,
    /// The API has the pod no more.
    pub(super) removed: bool,
    /// Cancelled when the pod ends: what has not started shall not.
    pub(super) cancel: CancellationToken,
    pub(super) report: Report,
    pub(super) preparing: Chore,
    pub(super) releasing: Chore,
    pub(super) deleting: Chore,
    /// The plan's next wish to be asked again.
    pub(super) plan_wake: Option<Instant>,
    /// When a token of the pod's volumes is to be renewed.
    pub(super) tokens_wake: Option<Instant>,
    pub(super) sender: mpsc::UnboundedSender<Event>,
    receiver: mpsc::UnboundedReceiver<Event>,
}

impl Worker {
    /// A task for a pod of this node. `known`: what the runtimes already run of it.
    pub fn new(agent: Arc<Agent>, object: Arc<Object>, known: Known) -> (Self, mpsc::UnboundedSender<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let pod = PodRef { namespace: object.namespace().to_owned(), name: object.name().to_owned(), uid: object.uid().to_owned() };
        let slots = spec_of(&object).map(Slot::all).unwrap_or_default();
        let mut worker = Self {
            agent,
            pod,
            state: State::Preparing,
            probes: slots.iter().map(|_| None).collect(),
            slots,
            prepared: None,
            addresses: Vec::new(),
            initialized: false,
            ending: None,
            stopping: None,
            removed: false,
            cancel: CancellationToken::new(),
            report: Report::new(&object),
            preparing: Chore::default(),
            releasing: Chore::default(),
            deleting: Chore::default(),
            plan_wake: None,
            tokens_wake: None,
            sender: sender.clone(),
            receiver,
            object,
        };
        adopt::adopt(&mut worker, known);
        (worker, sender)
    }

    /// Runs until nothing is left of the pod, or the agent stops (containers go on and are adopted by the next agent).
    pub async fn run(mut self, shutdown: CancellationToken) {
        self.reconcile();
        while self.state != State::Gone {
            let wake = self.wake();
            let timer = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                event = self.receiver.recv() => {
                    let Some(event) = event else { return };
                    self.handle(event);
                    while let Ok(event) = self.receiver.try_recv() {
                        self.handle(event);
                    }
                }
                () = timer => {}
            }
            self.reconcile();
        }
    }

    fn handle(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Spec(object) => self.take_spec(object),
            Event::Removed => self.removed = true,
            Event::Sources => self.sources_changed(),
            Event::Container(runtime, state) => {
                if let Some(index) = self.slots.iter().position(|s| s.name == state.id.name) {
                    self.observe(index, Run { state, runtime, image_id: String::new() });
                }
            }
            Event::Prepared(result) => match *result {
                Ok(prepared) => {
                    self.preparing.done();
                    tracing::debug!(pod = self.pod.name, namespace = self.pod.namespace, after = ?self.report.age(), "pod is prepared");
                    self.addresses = prepared.sandbox.addresses.clone();
                    self.prepared = Some(Arc::new(prepared));
                    self.tokens_wake = self.agent.sources.tokens.due(&self.pod.uid);
                }
                Err(error) => {
                    self.preparing.failed(now);
                    self.event(Type::Warning, error.reason(), &error.to_string());
                }
            },
            Event::Started { slot, outcome } => self.take_start(slot, outcome),
            Event::Hooked { slot, attempt, failure } => self.take_hook(slot, attempt, failure),
            Event::Stopped { slot, outcome } => match outcome {
                stop::Outcome::Ended(run) => {
                    self.step(slot, Step::Idle);
                    self.observe(slot, run);
                }
                stop::Outcome::Failed(message) => {
                    self.event(Type::Warning, "FailedKillPod", &format!("error killing pod: {message}"));
                    self.step(slot, Step::StopAgain { until: now + STOP_AGAIN });
                }
            },
            Event::Probed(report) => self.take_probe(report),
            Event::Written(answer) => {
                if self.report.take(answer, now) {
                    self.removed = true;
                }
            }
            Event::Released(Ok(())) => {
                self.releasing.done();
                self.released();
            }
            Event::Released(Err(message)) => {
                tracing::warn!(pod = self.pod.name, namespace = self.pod.namespace, message, "freeing a pod failed; trying again");
                self.releasing.failed(now);
            }
            Event::Deleted(true) => self.deleting.busy = true,
            Event::Deleted(false) => self.deleting.failed(now),
        }
    }

    fn take_spec(&mut self, object: Arc<Object>) {
        let shown = |o: &Object| (o.at(&["metadata", "labels"]).cloned(), o.at(&["metadata", "annotations"]).cloned());
        let follows = spec_of(&object).is_some_and(crate::volumes::follows_pod) && shown(&object) != shown(&self.object);
        self.report.read(&object);
        self.object = object;
        if follows {
            self.refresh_volumes();
        }
    }

    /// Takes in what a runtime says; a run that ended takes its probes with it.
    pub(super) fn observe(&mut self, index: usize, mut run: Run) {
        self.explain(index, &mut run);
        if self.slots.get(index).is_some() {
            self.adapted(&run.state);
        }
        let Some(slot) = self.slots.get_mut(index) else { return };
        let id = run.state.id.clone();
        match run.state.phase {
            Phase::Exited => self.agent.runs.ended(&id),
            Phase::Created | Phase::Running => self.agent.runs.began(&id),
        }
        if !slot.observe(run) {
            if slot.phase() == Some(Phase::Exited) {
                self.agent.runs.ended(&id);
            }
            return;
        }
        if slot.phase() == Some(Phase::Exited)
            && let Some(probes) = self.probes.get_mut(index)
        {
            *probes = None;
        }
    }

    /// Has the run's log adapted, if the pod asks for it.
    pub(super) fn adapted(&self, state: &ContainerState) {
        let pod = &self.pod;
        let folder = self.agent.config.log_dir(&pod.namespace, &pod.name, &pod.uid).join(&state.id.name);
        self.agent.adapters.observe(&state.id, &folder, state.phase == Phase::Exited);
    }

    /// `terminationMessagePolicy: FallbackToLogsOnError`.
    fn explain(&self, index: usize, run: &mut Run) {
        let state = &mut run.state;
        if state.phase != Phase::Exited || state.exit_code == 0 || !state.message.is_empty() {
            return;
        }
        let slot_name = self.slots.get(index).map(|s| s.name.as_str()).unwrap_or_default();
        let container = spec_of(&self.object).and_then(|spec| super::status::spec_of(spec, slot_name));
        if container.and_then(|c| c.termination_message_policy.as_deref()) == Some("FallbackToLogsOnError") {
            let log_dir = self.agent.config.log_dir(&self.pod.namespace, &self.pod.name, &self.pod.uid).join(slot_name);
            state.message = crate::serve::logs::tail_text(&start::log_path(&log_dir, state.id.attempt));
        }
    }

    pub(super) fn step(&mut self, index: usize, step: Step) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.step = step;
        }
    }

    pub(super) fn spec(&self) -> Option<&PodSpec> {
        spec_of(&self.object)
    }

    pub(super) fn event(&self, ty: Type, reason: &str, message: &str) {
        self.agent.recorder.event(&self.object.reference(), ty, reason, message);
    }

    pub(super) fn container_reference(&self, container: &str) -> ObjectRef {
        match self.spec() {
            Some(spec) => start::container_reference(&self.object, spec, container),
            None => self.object.reference(),
        }
    }

    /// Runs an operation as a task of its own; what it answers comes back as an event.
    pub(super) fn spawn(&self, operation: impl Future<Output = Event> + Send + 'static) {
        let sender = self.sender.clone();
        self.agent.tasks.spawn(async move {
            // The worker may be gone by then; nothing is lost, the next one looks for itself.
            let _ = sender.send(operation.await);
        });
    }

    /// The next time to look without an event.
    fn wake(&self) -> Option<Instant> {
        let waiting = self.slots.iter().filter_map(|s| match s.step {
            Step::StopAgain { until } => Some(until),
            _ => None,
        });
        let chores = [&self.preparing, &self.releasing, &self.deleting].into_iter().filter_map(|c| c.retry);
        let deadline = self.time_left().filter(|_| self.ending.is_none()).map(|left| Instant::now() + left);
        waiting.chain(chores).chain(self.plan_wake).chain(self.tokens_wake).chain(deadline).chain(self.report.wake()).min()
    }

    /// What is left of `activeDeadlineSeconds` since the pod's start.
    pub(super) fn time_left(&self) -> Option<Duration> {
        let seconds = u64::try_from(self.spec()?.active_deadline_seconds?).ok()?;
        let started = object::time::parse(self.report.start_time()?)?;
        Some(Duration::from_secs(seconds).saturating_sub(object::time::since(started)))
    }

    pub(super) fn crash(&mut self, index: usize) -> Option<&mut Backoff> {
        self.slots.get_mut(index).map(|s| &mut s.crash)
    }
}

pub(super) fn spec_of(object: &Object) -> Option<&PodSpec> {
    typed::pod(object).ok().and_then(|p| p.spec.as_ref())
}
