//! The scheduler's one loop: takes in what changed, then schedules whoever is next.

use crate::bind::{Report, SharedWriter, Writer};
use crate::cluster::Cluster;
use crate::cycle::{Cycle, Failure, Nominated};
use crate::event::{Event, Events};
use crate::plugins::table::{self, Row};
use crate::pod::PodInfo;
use crate::preempt::{Outcome, preempt};
use crate::queue::Queue;
use client::{Cache, Change, ChangeKind, Client, Receiver, gvr};
use interfaces::schedule::PluginSet;
use object::Object;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Clone, Debug)]
pub struct Config {
    /// Pods with this `spec.schedulerName` are ours.
    pub scheduler_name: String,
    /// Bindings under way at once: enough to fill the store's group commits, few enough to bound memory.
    pub parallel_bindings: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { scheduler_name: "default-scheduler".to_owned(), parallel_bindings: 256 }
    }
}

/// So many pods are scheduled before other tasks of the thread get their turn.
const TURN: u32 = 32;

/// Schedules pods until `shutdown`; then waits for bindings under way. `client` is the scheduler's identity; `plugins` are
/// asked beside the native ones, and a change of them takes effect with the next pod.
pub async fn run(client: Client, config: Config, plugins: watch::Receiver<PluginSet>, shutdown: CancellationToken) {
    let (pods, nodes, namespaces) = (client.cache(&gvr::pods()), client.cache(&gvr::nodes()), client.cache(&gvr::namespaces()));
    let ready = async {
        nodes.ready().await;
        namespaces.ready().await;
        pods.ready().await;
    };
    tokio::select! {
        () = shutdown.cancelled() => return,
        () = ready => {}
    }
    let (bound_sender, bound) = mpsc::unbounded_channel();
    let rows = table::rows(&plugins.borrow());
    let mut scheduler = Scheduler {
        rows,
        writer: Arc::new(Writer::new(&client, &config.scheduler_name)),
        permits: Arc::new(Semaphore::new(config.parallel_bindings.max(1))),
        inputs: Inputs { nodes: nodes.subscribe(), namespaces: namespaces.subscribe(), pods: pods.subscribe(), bound, plugins },
        pods,
        config,
        cluster: Cluster::default(),
        queue: Queue::default(),
        cycle: Cycle::default(),
        nominated: Nominated::default(),
        bound_sender,
        tasks: TaskTracker::new(),
    };
    tracing::info!(name = scheduler.config.scheduler_name, "scheduling");
    scheduler.run(shutdown).await;
    scheduler.tasks.close();
    scheduler.tasks.wait().await;
}

struct Scheduler {
    config: Config,
    rows: Vec<Row>,
    cluster: Cluster,
    queue: Queue,
    cycle: Cycle,
    nominated: Nominated,
    writer: SharedWriter,
    permits: Arc<Semaphore>,
    pods: Arc<Cache>,
    inputs: Inputs,
    bound_sender: mpsc::UnboundedSender<Bound>,
    /// Bindings and reports under way.
    tasks: TaskTracker,
}

struct Inputs {
    nodes: Receiver,
    namespaces: Receiver,
    pods: Receiver,
    bound: mpsc::UnboundedReceiver<Bound>,
    plugins: watch::Receiver<PluginSet>,
}

/// What comes in.
enum Input {
    Node(Change),
    Namespace(Change),
    Pod(Change),
    Bound(Bound),
    Plugins,
}

/// A binding that ended.
struct Bound {
    uid: String,
    error: Option<client::Error>,
}

impl Inputs {
    /// What is there already. Nodes before pods: a pod's hints look at nodes.
    fn take(&mut self) -> Option<Input> {
        if self.plugins.has_changed().unwrap_or(false) {
            return Some(Input::Plugins);
        }
        let namespace = self.namespaces.try_recv().ok().map(Input::Namespace);
        let node = namespace.or_else(|| self.nodes.try_recv().ok().map(Input::Node));
        node.or_else(|| self.pods.try_recv().ok().map(Input::Pod)).or_else(|| self.bound.try_recv().ok().map(Input::Bound))
    }

    /// The next that comes; `None` when the caches are gone.
    async fn wait(&mut self) -> Option<Input> {
        // A set of plugins that nobody changes any more is no reason to wake.
        let plugins = async {
            if self.plugins.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            node = self.nodes.recv() => node.map(Input::Node),
            namespace = self.namespaces.recv() => namespace.map(Input::Namespace),
            pod = self.pods.recv() => pod.map(Input::Pod),
            bound = self.bound.recv() => bound.map(Input::Bound),
            () = plugins => Some(Input::Plugins),
        }
    }
}

impl Scheduler {
    async fn run(&mut self, shutdown: CancellationToken) {
        let mut turn = 0;
        while !shutdown.is_cancelled() {
            while let Some(input) = self.inputs.take() {
                self.take_in(input);
            }
            if let Some((pod, _)) = self.queue.pop(Instant::now()) {
                self.schedule(pod).await;
                turn += 1;
                if turn % TURN == 0 {
                    tokio::task::yield_now().await;
                }
                continue;
            }
            let wake = self.queue.next_wake(Instant::now());
            let pause = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = pause => {}
                input = self.inputs.wait() => match input {
                    Some(input) => self.take_in(input),
                    None => return,
                },
            }
        }
    }

    fn take_in(&mut self, input: Input) {
        match input {
            Input::Node(change) => self.on_node(change),
            Input::Namespace(change) => self.cluster.set_namespace(&change.name, change.new),
            Input::Pod(change) => self.on_pod(change),
            Input::Bound(bound) => self.on_bound(bound),
            Input::Plugins => {
                self.rows = table::rows(&self.inputs.plugins.borrow_and_update());
                let names: Vec<&str> = self.rows.iter().map(|row| row.plugin.name()).collect();
                tracing::info!(plugins = names.join(", "), "the set of plugins changed");
                self.queue.on_event(&Event::only(Events::PLUGINS), &self.rows, Instant::now());
            }
        }
    }

    fn on_node(&mut self, change: Change) {
        let Some(node) = change.new else { return self.cluster.remove_node(&change.name) };
        let kinds = self.cluster.set_node(node);
        if !kinds.is_none() {
            let event = Event { kinds, node: self.cluster.row(&change.name), pod: None };
            self.queue.on_event(&event, &self.rows, Instant::now());
        }
    }

    fn on_pod(&mut self, change: Change) {
        // A pod of the same name that came unseen after another: the other is gone.
        if let (Some(old), Some(new)) = (&change.old, &change.new)
            && old.uid() != new.uid()
        {
            self.gone(old);
        }
        match (change.kind, &change.old, &change.new) {
            (ChangeKind::Deleted, Some(old), _) => self.gone(old),
            (_, Some(old), Some(new)) if is_settled(old, new) && !self.cluster.is_assumed(new.uid()) => {}
            (_, _, Some(new)) => self.seen(PodInfo::new(new.clone())),
            _ => {}
        }
    }

    fn seen(&mut self, pod: PodInfo) {
        let pod = Arc::new(pod);
        if pod.is_terminal() {
            return self.gone(&pod.object);
        }
        if !pod.node_name.is_empty() {
            self.queue.remove(&pod.uid);
            self.withdraw(&pod.uid);
            if self.cluster.place(pod.clone()) {
                let event = Event { kinds: Events::POD_PLACED, node: None, pod: Some(&pod) };
                self.queue.on_event(&event, &self.rows, Instant::now());
            }
            return;
        }
        let ours = pod.scheduler_name() == self.config.scheduler_name;
        if !ours || pod.is_gated() || pod.object.is_deleting() {
            self.withdraw(&pod.uid);
            return self.queue.remove(&pod.uid);
        }
        if self.cluster.is_assumed(&pod.uid) {
            return;
        }
        if pod.nominated_node().is_empty() {
            self.withdraw(&pod.uid);
        } else {
            self.nominate(pod.nominated_node().to_owned(), pod.clone());
        }
        self.queue.set(pod, &self.rows, Instant::now());
    }

    fn gone(&mut self, pod: &Object) {
        self.queue.remove(pod.uid());
        self.withdraw(pod.uid());
        if let Some(info) = self.cluster.remove_pod(pod.uid()) {
            let event = Event { kinds: Events::POD_FREED, node: None, pod: Some(&info) };
            self.queue.on_event(&event, &self.rows, Instant::now());
        }
    }

    fn nominate(&mut self, node: String, pod: Arc<PodInfo>) {
        self.withdraw(&pod.uid);
        self.nominated.entry(node).or_default().push(pod);
    }

    fn withdraw(&mut self, uid: &str) {
        self.nominated.retain(|_, pods| {
            pods.retain(|p| p.uid != uid);
            !pods.is_empty()
        });
    }

    /// One cycle. On success the pod is assumed on its node, and bound in the background.
    async fn schedule(&mut self, pod: Arc<PodInfo>) {
        let found = self.cycle.find(&pod, &mut self.cluster, &self.rows, &self.nominated).await;
        let now = Instant::now();
        let report = match found {
            Ok(node) => {
                let Some(name) = self.cluster.rows().get(node as usize).map(|row| row.name.clone()) else { return };
                self.withdraw(&pod.uid);
                self.cluster.assume(pod.clone(), node);
                tracing::debug!(pod = pod.name, node = name, "chosen");
                return self.bind(pod, name);
            }
            Err(Failure::NoNodes) => {
                self.queue.unschedulable(&pod.uid, Vec::new(), now);
                let message = "no nodes available to schedule pods".to_owned();
                Report { reason: "Unschedulable", message, nominated: Some(String::new()) }
            }
            Err(Failure::Unfit) => {
                let message_and_room = self.make_room(&pod).await;
                let refused_by = self.cycle.diagnosis.plugins();
                let refused_by = refused_by.filter_map(|at| Some(self.rows.get(at)?.plugin.name().to_owned())).collect();
                self.queue.unschedulable(&pod.uid, refused_by, Instant::now());
                message_and_room
            }
            Err(Failure::Plugin(error)) => {
                self.queue.failed(&pod.uid, now);
                Report { reason: "SchedulerError", message: error.to_string(), nominated: None }
            }
        };
        tracing::debug!(pod = pod.name, message = report.message, "not scheduled");
        let writer = self.writer.clone();
        self.tasks.spawn(async move { writer.report(&pod, &report).await });
    }

    /// Tries preemption; what to tell the pod.
    async fn make_room(&mut self, pod: &Arc<PodInfo>) -> Report {
        let outcome = preempt(pod, &self.cluster, &self.rows, &self.cycle.diagnosis).await;
        let nodes = self.cluster.rows().len();
        // One that may not preempt now keeps the room that was made for it.
        let taken_back = matches!(outcome, Outcome::Nothing(_)).then(String::new);
        match outcome {
            Outcome::Nothing(why) | Outcome::NotEligible(why) => {
                self.cycle.diagnosis.post_filter = format!("preemption: {why}");
                let message = self.cycle.diagnosis.message(nodes);
                Report { reason: "Unschedulable", message, nominated: taken_back }
            }
            Outcome::Room { node, victims } => {
                self.nominate(node.clone(), pod.clone());
                let message = self.cycle.diagnosis.message(nodes);
                let (writer, pod, on) = (self.writer.clone(), pod.clone(), node.clone());
                self.tasks.spawn(async move {
                    for victim in &victims {
                        writer.evict(victim, &pod, &on).await;
                    }
                });
                Report { reason: "Unschedulable", message, nominated: Some(node) }
            }
        }
    }

    fn bind(&mut self, pod: Arc<PodInfo>, node: String) {
        let (writer, permits, done) = (self.writer.clone(), self.permits.clone(), self.bound_sender.clone());
        self.tasks.spawn(async move {
            // The semaphore is never closed.
            let _permit = permits.acquire_owned().await;
            let error = writer.bind(&pod, &node).await.err();
            tracing::debug!(pod = pod.name, node, failed = error.is_some(), "bound");
            // The loop may have ended.
            let _ = done.send(Bound { uid: pod.uid.clone(), error });
        });
    }

    fn on_bound(&mut self, bound: Bound) {
        let Some(error) = bound.error else {
            // Seen on its node by the watch, or soon.
            return self.queue.remove(&bound.uid);
        };
        let Some(pod) = self.cluster.forget(&bound.uid) else { return };
        let now = Instant::now();
        let event = Event { kinds: Events::POD_FREED, node: None, pod: Some(&pod) };
        self.queue.on_event(&event, &self.rows, now);
        let current = self.pods.by_uid(&bound.uid);
        let Some(current) = current.filter(|p| !p.is_deleting() && p.str_at(&["spec", "nodeName"]).is_empty()) else {
            return self.queue.remove(&bound.uid);
        };
        if !self.queue.contains(&bound.uid) {
            return;
        }
        self.queue.set(Arc::new(PodInfo::new(current)), &self.rows, now);
        self.queue.failed(&bound.uid, now);
        let report = Report { reason: "SchedulerError", message: format!("binding rejected: {}", error.chain()), nominated: None };
        let writer = self.writer.clone();
        self.tasks.spawn(async move { writer.report(&pod, &report).await });
    }
}

/// A pod that stays on its node, with nothing changed but its status: most changes of pods are such.
fn is_settled(old: &Object, new: &Object) -> bool {
    let ended = |p: &Object| matches!(p.str_at(&["status", "phase"]), "Succeeded" | "Failed");
    let node = new.str_at(&["spec", "nodeName"]);
    !node.is_empty()
        && old.str_at(&["spec", "nodeName"]) == node
        && ended(old) == ended(new)
        && old.is_deleting() == new.is_deleting()
        && old.labels() == new.labels()
        // When it began counts in preemption; it is written once.
        && old.str_at(&["status", "startTime"]) == new.str_at(&["status", "startTime"])
        && old.at(&["spec"]) == new.at(&["spec"])
}
