//! The scheduler's one loop: takes in what changed, then schedules whoever is next.

use crate::ask::{self, Gated};
use crate::bind::{Report, SharedWriter, Writer};
use crate::binding::{Binding, NotBound};
use crate::cluster::Cluster;
use crate::config::Configuration;
use crate::cycle::{Cycle, Failure, Nominated};
use crate::diagnosis::Diagnosis;
use crate::event::{Event, Events};
use crate::pod::PodInfo;
use crate::post_filter::post_filter;
use crate::preempt::Outcome;
use crate::profile::{Profile, Profiles};
use crate::queue::Queue;
use crate::waiting::WaitingList;
use crate::workloads::Workloads;
use client::{Cache, Change, ChangeKind, Client, Receiver, gvr};
use interfaces::schedule::{Code, PluginError, PluginSet, WaitingPods};
use object::Object;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Clone, Debug)]
pub struct Config {
    /// Profiles and the like. Pods of other schedulers' names are not ours.
    pub configuration: Configuration,
    /// Bindings under way at once: enough to fill the store's group commits, few enough to bound memory. Pods that wait for
    /// permission are not counted.
    pub parallel_bindings: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { configuration: Configuration::default(), parallel_bindings: 256 }
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
    let waiting: Arc<WaitingList> = Arc::default();
    let mut scheduler = Scheduler {
        profiles: Profiles::default(),
        queue: Queue::new(config.configuration.first_pause, config.configuration.longest_pause),
        writers: HashMap::new(),
        permits: Arc::new(Semaphore::new(config.parallel_bindings.max(1))),
        inputs: Inputs { nodes: nodes.subscribe(), namespaces: namespaces.subscribe(), pods: pods.subscribe(), bound, plugins },
        pods,
        config,
        cluster: Cluster::default(),
        cycle: Cycle::default(),
        nominated: Nominated::default(),
        bound_sender,
        waiting: waiting.clone(),
        client,
        tasks: TaskTracker::new(),
    };
    scheduler.build_profiles();
    if scheduler.config.configuration.profiles.iter().any(|profile| !profile.args.spread.defaults.is_empty()) {
        let workloads = Workloads::new(&scheduler.client);
        if shutdown.run_until_cancelled(workloads.ready()).await.is_none() {
            return;
        }
        scheduler.cluster.set_selectors(Arc::new(workloads));
    }
    let names: Vec<&str> = scheduler.profiles.iter().map(|profile| profile.name.as_str()).collect();
    tracing::info!(profiles = names.join(", "), "scheduling");
    scheduler.run(shutdown).await;
    // Who still waits is tried again by the next scheduler.
    waiting.close();
    scheduler.tasks.close();
    scheduler.tasks.wait().await;
}

struct Scheduler {
    config: Config,
    client: Client,
    profiles: Profiles,
    cluster: Cluster,
    queue: Queue,
    cycle: Cycle,
    nominated: Nominated,
    /// By scheduler name.
    writers: HashMap<String, SharedWriter>,
    waiting: Arc<WaitingList>,
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
    pod: Arc<PodInfo>,
    why_not: Option<NotBound>,
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
                self.take_in(input).await;
            }
            if self.queue.has_arriving() {
                self.admit().await;
            }
            if let Some((pod, _)) = self.queue.pop(&self.profiles, Instant::now()) {
                self.schedule(pod).await;
                turn += 1;
                if turn % TURN == 0 {
                    tokio::task::yield_now().await;
                }
                continue;
            }
            // Pods whose pause is over may have to be asked about.
            if self.queue.has_arriving() {
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
                    Some(input) => self.take_in(input).await,
                    None => return,
                },
            }
        }
    }

    async fn take_in(&mut self, input: Input) {
        match input {
            Input::Node(change) => self.on_node(change).await,
            Input::Namespace(change) => self.cluster.set_namespace(&change.name, change.new),
            Input::Pod(change) => self.on_pod(change).await,
            Input::Bound(bound) => self.on_bound(bound).await,
            Input::Plugins => self.on_plugins().await,
        }
    }

    fn build_profiles(&mut self) {
        let outside = self.inputs.plugins.borrow_and_update().clone();
        for row in outside.iter() {
            let waiting: Arc<dyn WaitingPods> = self.waiting.clone();
            row.plugin.attach(waiting);
        }
        self.waiting.keep(|plugin| outside.iter().any(|row| row.plugin.name() == plugin));
        self.profiles = Profiles::build(&self.config.configuration, &outside);
        for profile in self.profiles.iter() {
            if !self.writers.contains_key(&profile.name) {
                self.writers.insert(profile.name.clone(), Arc::new(Writer::new(&self.client, &profile.name)));
            }
        }
    }

    async fn on_plugins(&mut self) {
        let known: Vec<String> = self.profiles.iter().map(|profile| profile.name.clone()).collect();
        self.build_profiles();
        for profile in self.profiles.iter() {
            let names: Vec<&str> = profile.rows().iter().map(|row| row.plugin.name()).collect();
            tracing::info!(profile = profile.name, plugins = names.join(", "), "the set of plugins changed");
        }
        self.queue.replace_profiles(&self.profiles);
        self.happened(&Event::only(Events::PLUGINS)).await;
        // Pods of a profile that is new were nobody's before.
        let is_new = |pod: &Object| {
            let name = pod.str_at(&["spec", "schedulerName"]);
            self.profiles.of(name).is_some() && !known.iter().any(|known| known == name)
        };
        let pods: Vec<Arc<Object>> = self.pods.list("").into_iter().filter(|pod| is_new(pod)).collect();
        for pod in pods {
            self.seen(PodInfo::new(pod)).await;
        }
    }

    /// Brings back the pods that an event may help.
    async fn happened(&mut self, event: &Event<'_>) {
        let now = Instant::now();
        let questions = self.queue.on_event(event, &self.profiles, now);
        ask::hints(&mut self.queue, &self.profiles, questions, event, now).await;
    }

    async fn on_node(&mut self, change: Change) {
        let now = Instant::now();
        let removed;
        let event = match change.new {
            None => {
                removed = self.cluster.remove_node(&change.name);
                Event { kinds: Events::NODE_REMOVED, node: removed.as_ref(), pod: None }
            }
            Some(node) => {
                let kinds = self.cluster.set_node(node);
                Event { kinds, node: self.cluster.row(&change.name), pod: None }
            }
        };
        if !event.kinds.is_none() {
            let questions = self.queue.on_event(&event, &self.profiles, now);
            ask::hints(&mut self.queue, &self.profiles, questions, &event, now).await;
        }
    }

    async fn on_pod(&mut self, change: Change) {
        // A pod of the same name that came unseen after another: the other is gone.
        if let (Some(old), Some(new)) = (&change.old, &change.new)
            && old.uid() != new.uid()
        {
            self.gone(old).await;
        }
        match (change.kind, &change.old, &change.new) {
            (ChangeKind::Deleted, Some(old), _) => self.gone(old).await,
            (_, Some(old), Some(new)) if is_settled(old, new) && !self.cluster.is_assumed(new.uid()) => {}
            (_, _, Some(new)) => self.seen(PodInfo::new(new.clone())).await,
            _ => {}
        }
    }

    async fn seen(&mut self, pod: PodInfo) {
        let pod = Arc::new(pod);
        if pod.is_terminal() {
            return self.gone(&pod.object).await;
        }
        if !pod.node_name.is_empty() {
            self.queue.remove(&pod.uid);
            self.withdraw(&pod.uid);
            if self.cluster.place(pod.clone()) {
                self.happened(&Event { kinds: Events::POD_PLACED, node: None, pod: Some(&pod) }).await;
            }
            return;
        }
        let ours = self.profiles.of(pod.scheduler_name()).is_some();
        if !ours || pod.is_gated() || pod.object.is_deleting() {
            self.withdraw(&pod.uid);
            self.waiting.cancel(&pod.uid, "", "the pod is going");
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
        let now = Instant::now();
        let questions = self.queue.set(pod, &self.profiles, now);
        ask::hints(&mut self.queue, &self.profiles, questions, &Event::only(Events::POD_ITSELF), now).await;
    }

    async fn gone(&mut self, pod: &Object) {
        self.waiting.cancel(pod.uid(), "", "the pod is gone");
        self.queue.remove(pod.uid());
        self.withdraw(pod.uid());
        if let Some(info) = self.cluster.remove_pod(pod.uid()) {
            self.happened(&Event { kinds: Events::POD_FREED, node: None, pod: Some(&info) }).await;
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

    /// Asks plugins about pods that are new or come back.
    async fn admit(&mut self) {
        for Gated { pod, plugin, why } in ask::admit(&mut self.queue, &self.profiles, Instant::now()).await {
            let (reason, message) = match why {
                Ok(why) => ("SchedulingGated", format!("plugin {plugin} keeps the pod out of the queue: {why}")),
                Err(error) => ("SchedulerError", error.to_string()),
            };
            self.report(pod, Report { reason, message, nominated: None });
        }
    }

    fn report(&self, pod: Arc<PodInfo>, report: Report) {
        tracing::debug!(pod = pod.name, message = report.message, "not scheduled");
        if let Some(writer) = self.writers.get(pod.scheduler_name()).cloned() {
            self.tasks.spawn(async move { writer.report(&pod, &report).await });
        }
    }

    /// One cycle. On success the pod is assumed on its node, and bound in the background.
    async fn schedule(&mut self, pod: Arc<PodInfo>) {
        let Some(profile) = self.profiles.of(pod.scheduler_name()).cloned() else { return self.queue.remove(&pod.uid) };
        let found = self.cycle.find(&pod, &mut self.cluster, &profile, &self.nominated).await;
        let report = match found {
            Ok(node) => {
                let Some(name) = self.cluster.rows().get(node as usize).map(|row| row.name.clone()) else { return };
                self.withdraw(&pod.uid);
                self.cluster.assume(pod.clone(), node);
                tracing::debug!(pod = pod.name, node = name, "chosen");
                return self.bind(pod, name, profile).await;
            }
            Err(Failure::NoNodes) => {
                self.queue.unschedulable(&pod.uid, Vec::new(), &self.profiles, Instant::now());
                let message = "no nodes available to schedule pods".to_owned();
                Report { reason: "Unschedulable", message, nominated: Some(String::new()) }
            }
            Err(Failure::Unfit) => match self.make_room(&pod, &profile).await {
                Ok(report) => {
                    let refused_by = self.cycle.diagnosis.plugins().map(|at| profile.name_of(at).to_owned()).collect();
                    self.queue.unschedulable(&pod.uid, refused_by, &self.profiles, Instant::now());
                    report
                }
                Err(error) => self.plugin_failed(&pod, &error),
            },
            Err(Failure::Plugin(error)) => self.plugin_failed(&pod, &error),
        };
        self.report(pod, report);
    }

    fn plugin_failed(&mut self, pod: &PodInfo, error: &PluginError) -> Report {
        self.queue.failed(&pod.uid, Instant::now());
        Report { reason: "SchedulerError", message: error.to_string(), nominated: None }
    }

    /// Tries preemption and what plugins know beside it; what to tell the pod.
    async fn make_room(&mut self, pod: &Arc<PodInfo>, profile: &Profile) -> Result<Report, PluginError> {
        let outcome = post_filter(pod, &self.cluster, profile, &self.cycle).await?;
        let nodes = self.cluster.rows().len();
        // One that may not preempt now keeps the room that was made for it.
        let taken_back = matches!(outcome, Outcome::Nothing(_)).then(String::new);
        let nominated = match outcome {
            Outcome::Nothing(why) | Outcome::NotEligible(why) => {
                self.cycle.diagnosis.post_filter = why;
                taken_back
            }
            Outcome::Room { node, victims } => {
                self.nominate(node.clone(), pod.clone());
                if let Some(writer) = self.writers.get(&profile.name).cloned() {
                    let (waiting, pod, on) = (self.waiting.clone(), pod.clone(), node.clone());
                    self.tasks.spawn(async move {
                        for victim in &victims {
                            // One that is not bound yet need not end: it is tried again elsewhere.
                            if !waiting.cancel(&victim.uid, "", "preempted") {
                                writer.evict(victim, &pod, &on).await;
                            }
                        }
                    });
                }
                Some(node)
            }
        };
        Ok(Report { reason: "Unschedulable", message: self.cycle.diagnosis.message(nodes), nominated })
    }

    async fn bind(&mut self, pod: Arc<PodInfo>, node: String, profile: Arc<Profile>) {
        let Some(writer) = self.writers.get(&profile.name).cloned() else { return };
        let (permits, done) = (self.permits.clone(), self.bound_sender.clone());
        let binding = Binding { pod: pod.clone(), node, profile, writer, waiting: self.waiting.clone() };
        let ticket = match binding.prepare().await {
            Ok(ticket) => ticket,
            // Nobody saw its node taken: as upstream (`schedule_one.go` schedulingCycle), others are not woken. Two pods that are
            // both refused here would wake each other without end.
            Err(why) => return drop(self.give_back(&pod, why)),
        };
        self.tasks.spawn(async move {
            let why_not = binding.run(ticket, permits).await.err();
            // The loop may have ended.
            let _ = done.send(Bound { pod, why_not });
        });
    }

    async fn on_bound(&mut self, bound: Bound) {
        let Some(why_not) = bound.why_not else {
            // Seen on its node by the watch, or soon.
            return self.queue.remove(&bound.pod.uid);
        };
        if let Some(pod) = self.give_back(&bound.pod, why_not) {
            self.happened(&Event { kinds: Events::POD_FREED, node: None, pod: Some(&pod) }).await;
        }
    }

    /// Takes it off the node that was chosen, and back to the queue. Gives what was on the node.
    fn give_back(&mut self, pod: &PodInfo, why_not: NotBound) -> Option<Arc<PodInfo>> {
        let uid = pod.uid.as_str();
        let pod = self.cluster.forget(uid)?;
        let now = Instant::now();
        let current = self.pods.by_uid(uid).filter(|p| !p.is_deleting() && p.str_at(&["spec", "nodeName"]).is_empty());
        match current {
            Some(current) if self.queue.contains(uid) => {
                // In flight: nobody is asked.
                drop(self.queue.set(Arc::new(PodInfo::new(current)), &self.profiles, now));
                let report = match why_not {
                    NotBound::Failed(message) => {
                        self.queue.failed(uid, now);
                        Report { reason: "SchedulerError", message, nominated: None }
                    }
                    NotBound::Refused { plugin, reason } => {
                        self.queue.unschedulable(uid, vec![plugin], &self.profiles, now);
                        // As upstream: only the chosen node is told of.
                        let mut refused = Diagnosis::default();
                        refused.refuse(0, Code::Unschedulable, [reason.into()]);
                        Report { reason: "Unschedulable", message: refused.message(1), nominated: None }
                    }
                };
                self.report(pod.clone(), report);
            }
            _ => self.queue.remove(uid),
        }
        Some(pod)
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
