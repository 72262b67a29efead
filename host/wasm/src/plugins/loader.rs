//! Keeps the loaded plugins equal to the WasmPlugin objects.
//!
//! Level-triggered: a wake-up carries a name; the loader reads the object, loads or unloads, writes the status, and replaces
//! the sets of its world whole. Plugins are loaded side by side: a large one holds up no other. A plugin whose policy is `Fail`
//! stands in its world as one that always fails while it is not loaded: from the moment its object is seen, and for good if it
//! cannot be. A changed plugin works as before until its successor is ready, and on if that fails: no call is lost.

use super::controllers::ControllerSet;
use super::counters::Counters;
use super::platform::cluster::{Cluster, state_name};
use super::platform::metrics::{self, Figures};
use super::prepare::{Again, Around, Config, Failed, Loading, Prepared};
use super::settings::{Settings, Source};
use super::status::{Told, of_one};
use super::worlds::{Product, adapter, middleware, scheduler};
use crate::{engine, load};
use client::{Client, DeleteOptions, Patch, Recorder, Type, WorkQueue, gvr};
use interfaces::adapt::AdapterSet;
use interfaces::admit::AdmissionSet;
use interfaces::cloud::CloudSet;
use interfaces::middleware::MiddlewareSet;
use interfaces::schedule::{FailurePolicy, PluginSet};
use object::{Object, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often counters reach the status, if they changed: often enough for a person watching, rare enough for the store.
const REPORT: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Engine(#[from] engine::Error),
    #[error(transparent)]
    Load(#[from] load::Error),
}

/// Where the plugins of each world go, the whole set of a world each time.
#[derive(Clone)]
pub struct Outputs {
    pub scheduler: watch::Sender<PluginSet>,
    pub admission: watch::Sender<AdmissionSet>,
    pub adapters: watch::Sender<AdapterSet>,
    pub middleware: watch::Sender<MiddlewareSet>,
    pub cloud: watch::Sender<CloudSet>,
    /// For [`super::controllers::run`].
    pub controllers: watch::Sender<ControllerSet>,
}

/// This server among those that share its store.
#[derive(Clone, Debug)]
pub struct Peers {
    /// There may be others.
    pub several: bool,
    /// Whether this one speaks for all: it writes what is the same wherever a plugin is loaded, and cleans up.
    pub leads: watch::Receiver<bool>,
}

impl Peers {
    fn speaks(&self) -> bool {
        !self.several || *self.leads.borrow()
    }
}

/// Runs until `shutdown`. Every output is sent to for the first time once the objects are known, with all that are to be loaded
/// standing in it: a scheduler that waits for that lets no pod slip past a filter.
///
/// # Errors
/// There is no wasm engine for this machine, or the cache directory cannot be made.
pub async fn run(client: Client, config: Config, outputs: Outputs, peers: Peers, shutdown: CancellationToken) -> Result<(), Error> {
    let recorder = client.recorder("coracle-wasm", &config.node_name);
    let mut leads = peers.leads.clone();
    let mut loader = Loader {
        client,
        recorder,
        config,
        peers,
        loading: None,
        outputs,
        plugins: BTreeMap::new(),
        tasks: JoinSet::new(),
        queue: WorkQueue::named("wasmplugins"),
    };
    let watched = loader.client.cache(&gvr::wasm_plugins());
    if shutdown.run_until_cancelled(watched.ready()).await.is_none() {
        return Ok(());
    }
    let mut changes = watched.subscribe();
    for object in watched.list("") {
        loader.plugins.insert(object.name().to_owned(), Plugin::new(object));
    }
    loader.publish();

    let queue = loader.queue.clone();
    let mut report = tokio::time::interval(REPORT);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            change = changes.recv() => match change {
                Some(change) => if loader.is_news(watched.get("", &change.name), &change.name) {
                    queue.add(change.name);
                },
                None => break,
            },
            _ = report.tick() => loader.report().await,
            Ok(()) = leads.changed() => loader.report().await,
            Some(done) = loader.tasks.join_next() => if let Ok(done) = done {
                loader.finish(done).await;
            },
            Some(name) = queue.get() => {
                loader.reconcile(watched.get("", &name), &name).await;
                queue.done(&name);
            }
        }
    }
    loader.tasks.abort_all();
    if loader.peers.several {
        loader.leave().await;
    }
    Ok(())
}

struct Loader {
    client: Client,
    recorder: Recorder,
    config: Config,
    peers: Peers,
    /// Made for the first plugin: a server without any has no engine.
    loading: Option<Arc<Loading>>,
    outputs: Outputs,
    plugins: BTreeMap<String, Plugin>,
    tasks: JoinSet<Done>,
    queue: WorkQueue<String>,
}

/// One attempt that ended.
struct Done {
    object: Arc<Object>,
    outcome: Result<Prepared, Failed>,
}

struct Plugin {
    object: Arc<Object>,
    told: Told,
    figures: Arc<Figures>,
    counters: Arc<Counters>,
    /// Status last written.
    reported: Value,
}

impl Plugin {
    fn new(object: Arc<Object>) -> Self {
        let told = Told { generation: object.generation(), ..Told::default() };
        Self { object, told, figures: Arc::default(), counters: Arc::default(), reported: Value::Null }
    }
}

impl Loader {
    /// Whether a change asks for anything. What waits to be tried again waits on when only its status, which is written here, has
    /// changed: else the report of a failure would begin the next attempt.
    fn is_news(&mut self, object: Option<Arc<Object>>, name: &str) -> bool {
        let Some((plugin, object)) = self.plugins.get_mut(name).zip(object) else { return true };
        let same = plugin.object.uid() == object.uid() && plugin.told.generation == object.generation() && !object.is_deleting();
        let waits = plugin.told.failed.as_ref().is_some_and(|failed| failed.again == Again::Later);
        if same && waits {
            plugin.object = object;
            return false;
        }
        true
    }

    async fn reconcile(&mut self, object: Option<Arc<Object>>, name: &str) {
        let known = self.plugins.get(name);
        let Some(object) = object.filter(|object| !object.is_deleting()) else {
            return self.unload(name).await;
        };
        if known.is_some_and(|known| known.object.uid() != object.uid()) {
            self.unload(name).await;
        }
        let fresh = !self.plugins.contains_key(name);
        let plugin = self.plugins.entry(name.to_owned()).or_insert_with(|| Plugin::new(object.clone()));
        let tried = plugin.told.serving.as_ref().map(|(generation, _)| *generation);
        let failed = plugin.told.failed.as_ref().map(|failed| failed.again);
        let same = plugin.told.generation == object.generation();
        plugin.object = object.clone();
        if plugin.told.loading {
            // Looked at again when the attempt has ended.
            return;
        }
        let settled = same && failed != Some(Again::Later) && (failed == Some(Again::Never) || tried == Some(object.generation()));
        if settled {
            return;
        }
        if !same {
            plugin.told.failed = None;
        }
        plugin.told.generation = object.generation();
        plugin.told.loading = true;
        if fresh {
            self.publish();
        }
        self.write_status(name).await;
        self.begin(object).await;
    }

    /// Starts an attempt.
    async fn begin(&mut self, object: Arc<Object>) {
        let loading = match self.loading() {
            Ok(loading) => loading,
            Err(error) => {
                let failed =
                    Failed { stage: super::prepare::Stage::Compiled, reason: "NoEngine", message: error.to_string(), again: Again::Later };
                return self.finish(Done { object, outcome: Err(failed) }).await;
            }
        };
        let Some(plugin) = self.plugins.get(object.name()) else { return };
        let settings = Settings::of(&object).ok();
        let (account, secrets) = settings.as_ref().map(|s| (s.grants.account.clone(), s.grants.secrets.clone())).unwrap_or_default();
        let platform = Cluster::new(object.name(), &self.client, self.recorder.clone(), account.as_ref(), secrets);
        let around = Around {
            platform: Arc::new(platform),
            figures: plugin.figures.clone(),
            counters: plugin.counters.clone(),
            host: Some(self.client.clone()),
        };
        let client = self.client.clone();
        self.tasks.spawn(async move {
            let bytes = match settings.map(|settings| settings.source) {
                Some(Source::ConfigMap { namespace, name, key }) => config_map(&client, &namespace, &name, &key).await,
                _ => None,
            };
            let outcome = loading.prepare(&object, bytes, around).await;
            Done { object, outcome }
        });
    }

    async fn finish(&mut self, done: Done) {
        let Done { object, outcome } = done;
        let name = object.name().to_owned();
        let Some(plugin) = self.plugins.get_mut(&name).filter(|plugin| plugin.object.uid() == object.uid()) else { return };
        plugin.told.loading = false;
        plugin.told.generation = object.generation();
        match outcome {
            Ok(prepared) => {
                tracing::info!(plugin = name, digest = prepared.digest, "loaded");
                self.recorder.event(&object.reference(), Type::Normal, "Loaded", "Component is loaded and asked from now on");
                metrics::show(&name, plugin.figures.clone(), plugin.counters.clone());
                plugin.told.serving = Some((object.generation(), prepared));
                plugin.told.failed = None;
                self.queue.forget(&name);
            }
            Err(failed) => {
                tracing::warn!(plugin = name, "not loaded: {}", failed.message);
                self.recorder.event(&object.reference(), Type::Warning, "FailedLoad", &failed.message);
                if failed.again == Again::Later {
                    self.queue.add_rate_limited(name.clone());
                }
                plugin.told.failed = Some(failed);
            }
        }
        // It may have changed meanwhile.
        if plugin.object.generation() != object.generation() {
            self.queue.add(name.clone());
        }
        self.publish();
        self.write_status(&name).await;
    }

    async fn unload(&mut self, name: &str) {
        if self.plugins.remove(name).is_none() {
            return;
        }
        tracing::info!(plugin = name, "unloaded");
        metrics::hide(name);
        self.queue.forget(&name.to_owned());
        self.publish();
        // Another that came late would delete what a new plugin of this name keeps already.
        if !self.peers.speaks() {
            return;
        }
        let state = self.client.api(&gvr::config_maps()).delete("kube-system", &state_name(name), &DeleteOptions::default()).await;
        if let Err(error) = state
            && !error.is_not_found()
        {
            tracing::warn!(plugin = name, error = error.chain(), "its state is left behind");
        }
    }

    fn loading(&mut self) -> Result<Arc<Loading>, Error> {
        match &self.loading {
            Some(loading) => Ok(loading.clone()),
            None => Ok(self.loading.insert(Arc::new(Loading::new(self.config.clone())?)).clone()),
        }
    }

    /// Gives each world its set.
    fn publish(&self) {
        let (mut rows, mut hooks, mut clouds, mut controllers) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut adapters = BTreeMap::new();
        let mut chain = BTreeMap::new();
        for (name, plugin) in &self.plugins {
            match &plugin.told.serving {
                Some((_, prepared)) => match &prepared.loaded.product {
                    Product::Scheduler(row) => rows.push(row.clone()),
                    Product::Admission(row) => hooks.push(row.clone()),
                    Product::Adapter(row) => drop(adapters.insert(name.clone(), row.clone())),
                    Product::Middleware(row) => drop(chain.insert(name.clone(), row.clone())),
                    Product::Cloud(row) => clouds.push(row.clone()),
                    Product::Controller(row) => controllers.push(row.as_ref().clone()),
                },
                None => {
                    let policy = Settings::policy_of(&plugin.object);
                    let why = plugin.told.failed.as_ref().map_or("its component is loading", |failed| failed.message.as_str());
                    match plugin.object.str_at(&["spec", "world"]) {
                        "scheduler" if policy == FailurePolicy::Fail => {
                            let (points, profiles) = (scheduler::points_of(&plugin.object), scheduler::profiles_of(&plugin.object));
                            rows.push(scheduler::Missing::row(name, why, points, profiles));
                        }
                        "adapter" => drop(adapters.insert(name.clone(), adapter::Missing::row(name, why, policy))),
                        "http-middleware" => drop(chain.insert(name.clone(), middleware::Missing::row(name, why, policy))),
                        _ => {}
                    }
                }
            }
        }
        self.outputs.adapters.send_replace(Some(Arc::new(adapters)));
        self.outputs.middleware.send_replace(Some(Arc::new(chain)));
        self.outputs.scheduler.send_replace(Arc::new(rows));
        self.outputs.admission.send_replace(Arc::new(hooks));
        self.outputs.cloud.send_replace(Arc::new(clouds));
        self.outputs.controllers.send_replace(Arc::new(controllers));
    }

    /// Counters that changed.
    async fn report(&mut self) {
        let names: Vec<String> = self.plugins.keys().cloned().collect();
        for name in names {
            self.write_status(&name).await;
        }
    }

    /// This server's parts of the statuses go with it.
    async fn leave(&self) {
        let patch = Patch::Merge(json!({ "status": { "servers": { &self.config.node_name: null } } }));
        for name in self.plugins.keys() {
            let written = self.client.api(&gvr::wasm_plugins()).patch("", name, Some("status"), &patch).await;
            if let Err(error) = written {
                tracing::debug!(plugin = name, %error, "this server's part of its status stays");
            }
        }
    }

    async fn write_status(&mut self, name: &str) {
        let (several, speaks, server) = (self.peers.several, self.peers.speaks(), self.config.node_name.clone());
        let status_of = |told: &Told, object: &Object| {
            let status = told.status(object);
            if several { of_one(status, object, &server, speaks) } else { status }
        };
        let Some(plugin) = self.plugins.get_mut(name) else { return };
        let status = status_of(&plugin.told, &plugin.object);
        if plugin.reported == status {
            return;
        }
        let patch = Patch::Merge(json!({ "status": status }));
        match self.client.api(&gvr::wasm_plugins()).patch("", name, Some("status"), &patch).await {
            Ok(object) => {
                // What was written, not what is so by now: figures that changed meanwhile are told the next time. Only
                // conditions are as they were stored, so that those that stay keep their times.
                plugin.reported = status;
                if let Some(known) = plugin.reported.get_mut("conditions")
                    && let Some(stored) = plugin.told.status(&object).get_mut("conditions")
                {
                    *known = stored.take();
                }
                plugin.object = Arc::new(object);
            }
            // Deleted meanwhile, or the server is away: the next report tries again.
            Err(error) => tracing::debug!(plugin = name, %error, "status is not written"),
        }
    }
}

/// The component in a ConfigMap.
async fn config_map(client: &Client, namespace: &str, name: &str, key: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    let map = client.api(&gvr::config_maps()).get(namespace, name).await.ok()?;
    base64::engine::general_purpose::STANDARD.decode(map.str_at(&["binaryData", key])).ok().filter(|bytes| !bytes.is_empty())
}
