//! Gives every pod of this node its task and every event its task: `pkg/kubelet/pod_workers.go`, `pleg` and the
//! source of pods in one.

use crate::agent::Agent;
use crate::pod::{Event, Known, Worker};
use crate::{env, volumes};
use client::{Change, ChangeKind};
use futures::StreamExt;
use interfaces::network::PodRef;
use interfaces::workload::{ContainerState, Runtime};
use object::Object;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A runtime that does not answer is asked again after this, doubled up to [`RUNTIME_RETRY_MAX`].
const RUNTIME_RETRY: Duration = Duration::from_millis(100);
const RUNTIME_RETRY_MAX: Duration = Duration::from_secs(5);

struct Task {
    events: mpsc::UnboundedSender<Event>,
    config_maps: BTreeSet<String>,
    secrets: BTreeSet<String>,
    namespace: String,
}

/// Pods that use an object, by its namespace and name.
type Users = HashMap<(String, String), HashSet<String>>;

struct Manager {
    agent: Arc<Agent>,
    shutdown: CancellationToken,
    tasks: HashMap<String, Task>,
    config_maps: Users,
    secrets: Users,
    /// What runtimes told of pods that have no task yet.
    unclaimed: HashMap<String, Known>,
    finished: mpsc::UnboundedSender<String>,
}

/// Runs until shutdown. Containers go on.
pub async fn run(agent: Arc<Agent>, shutdown: CancellationToken) {
    let (state_sender, mut states) = mpsc::unbounded_channel();
    // Listening comes before listing: what changes in between arrives twice, never not at all.
    for (name, runtime) in &agent.runtimes {
        if runtime.unavailable().is_none() {
            agent.tasks.spawn(forward(name, runtime.clone(), state_sender.clone(), shutdown.clone()));
        }
    }
    let mut unclaimed: HashMap<String, Known> = HashMap::new();
    for (name, runtime) in &agent.runtimes {
        for state in list(name, runtime, &shutdown).await {
            unclaimed.entry(state.id.pod_uid.clone()).or_default().push((name, state));
        }
    }
    let mut pods = agent.pod_cache.subscribe();
    let mut config_maps = agent.sources.config_maps.0.subscribe();
    let mut secrets = agent.sources.secrets.0.subscribe();
    tokio::select! {
        () = shutdown.cancelled() => return,
        () = async {
            agent.pod_cache.ready().await;
            agent.services.ready().await;
            agent.runtime_classes.ready().await;
        } => {}
    }
    let (finished, mut finishing) = mpsc::unbounded_channel();
    let orphans = orphans(&agent, &unclaimed).await;
    let mut manager = Manager {
        agent: agent.clone(),
        shutdown: shutdown.clone(),
        tasks: HashMap::new(),
        config_maps: Users::new(),
        secrets: Users::new(),
        unclaimed,
        finished,
    };
    agent.tasks.spawn(remove_orphans(agent.clone(), orphans));
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            Some((runtime, state)) = states.recv() => manager.container(runtime, state),
            Some(uid) = finishing.recv() => manager.forget(&uid),
            Some(change) = pods.recv() => manager.pod(change),
            Some(change) = config_maps.recv() => manager.source(&change, true),
            Some(change) = secrets.recv() => manager.source(&change, false),
            else => return,
        }
    }
}

impl Manager {
    fn pod(&mut self, change: Change) {
        let mine = |object: &Arc<Object>| object.str_at(&["spec", "nodeName"]) == self.agent.config.node_name;
        let old = change.old.filter(mine);
        let new = change.new.filter(mine);
        // The same name with another UID is another pod.
        if let Some(old) = &old
            && new.as_ref().is_none_or(|new| new.uid() != old.uid())
        {
            self.send(old.uid(), Event::Removed);
        }
        let Some(new) = new else { return };
        if self.tasks.contains_key(new.uid()) {
            self.send(new.uid(), Event::Spec(new.clone()));
        } else {
            self.begin(new);
        }
    }

    fn begin(&mut self, object: Arc<Object>) {
        let (uid, namespace) = (object.uid().to_owned(), object.namespace().to_owned());
        let (mut config_maps, mut secrets) = (BTreeSet::new(), BTreeSet::new());
        if let Some(spec) = typed::pod(&object).ok().and_then(|p| p.spec.as_ref()) {
            let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
            for (maps, keys) in containers.map(env::references).chain([volumes::references(spec)]) {
                config_maps.extend(maps);
                secrets.extend(keys);
            }
        }
        for (users, names) in [(&mut self.config_maps, &config_maps), (&mut self.secrets, &secrets)] {
            for name in names {
                users.entry((namespace.clone(), name.clone())).or_default().insert(uid.clone());
            }
        }
        let known = self.unclaimed.remove(&uid).unwrap_or_default();
        let (worker, events) = Worker::new(self.agent.clone(), object, known);
        let (finished, shutdown, done) = (self.finished.clone(), self.shutdown.clone(), uid.clone());
        self.agent.tasks.spawn(async move {
            worker.run(shutdown).await;
            let _ = finished.send(done);
        });
        self.tasks.insert(uid, Task { events, config_maps, secrets, namespace });
    }

    fn forget(&mut self, uid: &str) {
        let Some(task) = self.tasks.remove(uid) else { return };
        for (users, names) in [(&mut self.config_maps, task.config_maps), (&mut self.secrets, task.secrets)] {
            for name in names {
                let key = (task.namespace.clone(), name);
                if let Some(pods) = users.get_mut(&key) {
                    pods.remove(uid);
                    if pods.is_empty() {
                        users.remove(&key);
                    }
                }
            }
        }
    }

    fn send(&self, uid: &str, event: Event) {
        if let Some(task) = self.tasks.get(uid) {
            // A task that just ended needs no event.
            let _ = task.events.send(event);
        }
    }

    fn container(&mut self, runtime: &'static str, state: ContainerState) {
        let uid = state.id.pod_uid.clone();
        if let Some(known) = self.unclaimed.get_mut(&uid) {
            // Its task has not begun yet and takes this over with the rest.
            known.push((runtime, state));
            return;
        }
        self.send(&uid, Event::Container(runtime, state));
    }

    fn source(&self, change: &Change, config_map: bool) {
        let users = if config_map { &self.config_maps } else { &self.secrets };
        let content = |o: &Option<Arc<Object>>| o.as_ref().map(|o| [o.at(&["data"]).cloned(), o.at(&["binaryData"]).cloned()]);
        if change.kind == ChangeKind::Modified && content(&change.old) == content(&change.new) {
            return;
        }
        let Some(pods) = users.get(&(change.namespace.clone(), change.name.clone())) else { return };
        for uid in pods {
            self.send(uid, Event::Sources);
        }
    }
}

/// Hands on everything that a runtime tells, and everything it knows whenever listening began anew.
async fn forward(
    name: &'static str,
    runtime: Arc<dyn Runtime>,
    states: mpsc::UnboundedSender<(&'static str, ContainerState)>,
    shutdown: CancellationToken,
) {
    let mut wait = RUNTIME_RETRY;
    let mut first = true;
    loop {
        let listen = async {
            let mut events = runtime.events().await?;
            if !first {
                for state in runtime.list().await? {
                    let _ = states.send((name, state));
                }
            }
            first = false;
            wait = RUNTIME_RETRY;
            while let Some(state) = events.next().await {
                let _ = states.send((name, state));
            }
            Ok::<_, interfaces::workload::Error>(())
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            result = listen => {
                let cause = result.err().map(|e| e.to_string()).unwrap_or_else(|| "its events ended".to_owned());
                tracing::warn!(runtime = name, cause, "listening to a runtime again");
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => wait = (wait * 2).min(RUNTIME_RETRY_MAX),
        }
    }
}

/// What a runtime holds. Asked until it answers: starting containers without knowing would start them twice.
async fn list(name: &str, runtime: &Arc<dyn Runtime>, shutdown: &CancellationToken) -> Vec<ContainerState> {
    let mut wait = RUNTIME_RETRY;
    while runtime.unavailable().is_none() && !shutdown.is_cancelled() {
        match runtime.list().await {
            Ok(states) => return states,
            Err(error) => tracing::warn!(runtime = name, %error, "a runtime does not list its containers; asking again"),
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(wait) => wait = (wait * 2).min(RUNTIME_RETRY_MAX),
        }
    }
    Vec::new()
}

/// Pods that left something here and are not in the API any more.
async fn orphans(agent: &Agent, known: &HashMap<String, Known>) -> Vec<PodRef> {
    let mut found: HashMap<String, PodRef> = HashMap::new();
    let mut add = |pod: PodRef| {
        let entry = found.entry(pod.uid.clone()).or_insert_with(|| pod.clone());
        if entry.name.is_empty() {
            *entry = pod;
        }
    };
    for uid in known.keys() {
        add(PodRef { uid: uid.clone(), ..PodRef::default() });
    }
    match agent.network.attached().await {
        Ok(links) => links.into_iter().for_each(|(pod, _)| add(pod)),
        Err(error) => tracing::warn!(%error, "links of pods cannot be listed"),
    }
    let names = |dir: std::path::PathBuf| {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    for uid in names(agent.config.data_dir.join("pods")) {
        add(PodRef { uid, ..PodRef::default() });
    }
    for folder in names(agent.config.data_dir.join("logs/pods")) {
        let mut parts = folder.splitn(3, '_');
        if let (Some(namespace), Some(name), Some(uid)) = (parts.next(), parts.next(), parts.next()) {
            add(PodRef { namespace: namespace.to_owned(), name: name.to_owned(), uid: uid.to_owned() });
        }
    }
    found.into_values().filter(|pod| agent.pod_cache.by_uid(&pod.uid).is_none()).collect()
}

async fn remove_orphans(agent: Arc<Agent>, orphans: Vec<PodRef>) {
    for pod in orphans {
        tracing::info!(pod = pod.name, namespace = pod.namespace, uid = pod.uid, "removing what a pod left that is gone");
        if let Err(message) = crate::pod::release(&agent, &pod).await {
            tracing::warn!(uid = pod.uid, message, "a gone pod is not removed whole");
        }
    }
}
