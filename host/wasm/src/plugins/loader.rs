//! Keeps the loaded plugins equal to the WasmPlugin objects.
//!
//! Level-triggered: a wake-up carries a name; the loader reads the object, loads or unloads, writes the status, and replaces
//! the set whole. A plugin whose policy is `Fail` stands in the set as one that always fails while it is not loaded: from the
//! moment its object is seen, and for good if it cannot be. A changed plugin works as before until its successor is ready.

use super::scheduler::{Missing, Plugin};
use super::settings::{Settings, Source};
use crate::capabilities::{self, GRANTABLE, SCHEDULER, World};
use crate::engine::{self, Engine, Profile};
use crate::load::{self, Cache};
use client::{Client, Patch, Recorder, Type, WorkQueue};
use futures::future::BoxFuture;
use interfaces::schedule::{FailurePolicy, PluginRow, PluginSet};
use object::{Object, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often counters reach the status, if they changed: often enough for a person watching, rare enough for the store.
const REPORT: Duration = Duration::from_secs(5);

/// The message of a plugin whose component is being read and compiled.
const LOADING: &str = "its component is loading";

/// Pulls an image that holds a component: its file and digest, or why not.
pub type Fetch = Arc<dyn Fn(String) -> BoxFuture<'static, Result<(PathBuf, String), String>> + Send + Sync>;

#[derive(Clone)]
pub struct Config {
    /// Where `spec.path` begins.
    pub plugins_dir: PathBuf,
    /// Compiled code; shared with the workload host.
    pub cache_dir: PathBuf,
    /// For `spec.image`. `None`: this server has no image store.
    pub fetch: Option<Fetch>,
    pub node_name: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Engine(#[from] engine::Error),
    #[error(transparent)]
    Load(#[from] load::Error),
}

/// Runs until `shutdown`. `set` is sent to for the first time once the objects are known, with all that are to be loaded standing
/// in it: a scheduler that waits for that lets no pod slip past a filter.
///
/// # Errors
/// There is no wasm engine for this machine, or the cache directory cannot be made.
pub async fn run(client: Client, config: Config, set: watch::Sender<PluginSet>, shutdown: CancellationToken) -> Result<(), Error> {
    let recorder = client.recorder("coracle-wasm", &config.node_name);
    let mut loader = Loader { client, recorder, config, loading: None, set, loaded: BTreeMap::new(), reported: HashMap::new() };
    let watched = loader.client.cache(&client::gvr::wasm_plugins());
    if shutdown.run_until_cancelled(watched.ready()).await.is_none() {
        return Ok(());
    }
    let mut changes = watched.subscribe();
    for object in watched.list("") {
        loader.loaded.insert(object.name().to_owned(), Loaded::loading(&object));
    }
    loader.publish();

    let queue: WorkQueue<String> = WorkQueue::named("wasmplugins");
    let mut report = tokio::time::interval(REPORT);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            change = changes.recv() => match change {
                Some(change) => queue.add(change.name),
                None => return Ok(()),
            },
            _ = report.tick() => loader.report().await,
            Some(name) = queue.get() => {
                match loader.reconcile(&watched.get("", &name), &name).await {
                    Again::Never => queue.forget(&name),
                    Again::Later => queue.add_rate_limited(name.clone()),
                }
                queue.done(&name);
            }
        }
    }
}

/// Whether trying again may help although the object stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    Never,
    Later,
}

/// From an object to a plugin; knows no API server.
pub struct Loading {
    config: Config,
    cache: Arc<Cache>,
}

impl Loading {
    /// # Errors
    /// There is no wasm engine for this machine, or the cache directory cannot be made.
    pub fn new(config: Config) -> Result<Self, Error> {
        let cache = Cache::new(Engine::new(Profile::OnDemand)?, &config.cache_dir)?;
        Ok(Self { config, cache })
    }

    /// The plugin of one object, ready to be called.
    ///
    /// # Errors
    /// What is wrong with the object or its component.
    pub async fn prepare(&self, object: &Object) -> Result<(Arc<Plugin>, PluginRow), Failed> {
        let name = object.name();
        let settings = Settings::of(object).map_err(Failed::for_good)?;
        let world = self.world(&settings)?;
        let (path, digest, what) = match &settings.source {
            Source::Path(path) => (self.config.plugins_dir.join(path), String::new(), format!("file {}", path.display())),
            Source::Image(image) => {
                let fetch = self.config.fetch.as_ref().ok_or_else(|| Failed::for_good("this server pulls no images: use spec.path"))?;
                let (path, digest) = fetch(image.clone()).await.map_err(|cause| Failed::for_now(format!("image {image}: {cause}")))?;
                (path, digest, format!("image {image}"))
            }
        };
        let component = self.cache.load(&path, &digest, &what).await.map_err(|error| match error {
            // Not with the server's path: who reads the object need not know where it is.
            load::Error::Read { source, .. } => Failed::for_now(format!("cannot read {what}: {source}")),
            load::Error::Cache { .. } => Failed::for_now(error),
            _ => Failed::for_good(error),
        })?;
        let pre = world.link(&component, &what).map_err(Failed::for_good)?;
        let plugin = Plugin::new(name, self.cache.engine(), &component, pre, &settings).map_err(Failed::for_good)?;
        let plugin = Arc::new(plugin);
        Ok((plugin.clone(), plugin.row(&settings)))
    }

    fn world(&self, settings: &Settings) -> Result<World, Failed> {
        if let Some(other) = settings.grants.iter().find(|grant| !GRANTABLE.contains(&grant.as_str())) {
            let known = GRANTABLE.join(", ");
            return Err(Failed::for_good(format!("spec.grants: {other:?} cannot be granted to a plugin; these can: {known}")));
        }
        let names = SCHEDULER.iter().copied().chain(settings.grants.iter().map(String::as_str));
        let granted = capabilities::by_name(names).map_err(|name| Failed::for_good(format!("spec.grants: {name:?} is not known")))?;
        let offer = format!("was not granted: its world has {}; spec.grants can add {}", SCHEDULER.join(", "), GRANTABLE.join(", "));
        World::new(self.cache.engine(), granted, offer).map_err(Failed::for_good)
    }
}

struct Loader {
    client: Client,
    recorder: Recorder,
    config: Config,
    /// Made for the first plugin: a server without any has no engine.
    loading: Option<Loading>,
    set: watch::Sender<PluginSet>,
    loaded: BTreeMap<String, Loaded>,
    /// Status last written, by name.
    reported: HashMap<String, Value>,
}

struct Loaded {
    uid: String,
    generation: i64,
    outcome: Result<(Arc<Plugin>, PluginRow), Failed>,
    policy: FailurePolicy,
    /// Filters, scores.
    points: (bool, bool),
}

impl Loaded {
    fn loading(object: &Object) -> Self {
        Self::new(object, Err(Failed::for_now(LOADING)))
    }

    fn new(object: &Object, outcome: Result<(Arc<Plugin>, PluginRow), Failed>) -> Self {
        Self {
            uid: object.uid().to_owned(),
            generation: object.generation(),
            outcome,
            policy: Settings::policy_of(object),
            points: Settings::points_of(object),
        }
    }
}

/// Why a plugin is not loaded.
#[derive(Clone, Debug)]
pub struct Failed {
    /// In a sentence, for the object's status and event.
    pub message: String,
    again: Again,
}

impl Failed {
    fn for_good(message: impl ToString) -> Self {
        Self { message: message.to_string(), again: Again::Never }
    }

    fn for_now(message: impl ToString) -> Self {
        Self { message: message.to_string(), again: Again::Later }
    }
}

impl Loader {
    async fn reconcile(&mut self, object: &Option<Arc<Object>>, name: &str) -> Again {
        let Some(object) = object.as_ref().filter(|object| !object.is_deleting()) else {
            self.reported.remove(name);
            if self.loaded.remove(name).is_some() {
                tracing::info!(plugin = name, "unloaded");
                self.publish();
            }
            return Again::Never;
        };
        let same = |loaded: &Loaded| loaded.uid == object.uid() && loaded.generation == object.generation();
        let retry = |loaded: &Loaded| matches!(&loaded.outcome, Err(failed) if failed.again == Again::Later);
        if self.loaded.get(name).is_some_and(|loaded| same(loaded) && !retry(loaded)) {
            return Again::Never;
        }
        if !self.loaded.contains_key(name) {
            let loaded = Loaded::loading(object);
            self.write_status(name, &status(&loaded)).await;
            self.loaded.insert(name.to_owned(), loaded);
            self.publish();
        }
        let again = self.load(object).await;
        self.publish();
        again
    }

    async fn load(&mut self, object: &Object) -> Again {
        let name = object.name().to_owned();
        let outcome = match self.loading() {
            Ok(loading) => loading.prepare(object).await,
            Err(error) => Err(Failed::for_now(error)),
        };
        let again = match &outcome {
            Ok(_) => {
                tracing::info!(plugin = name, "loaded");
                self.recorder.event(&object.reference(), Type::Normal, "Loaded", "Component is loaded and asked from now on");
                Again::Never
            }
            Err(failed) => {
                tracing::warn!(plugin = name, "not loaded: {}", failed.message);
                self.recorder.event(&object.reference(), Type::Warning, "FailedLoad", &failed.message);
                failed.again
            }
        };
        let loaded = Loaded::new(object, outcome);
        self.reported.remove(&name);
        self.write_status(&name, &status(&loaded)).await;
        self.loaded.insert(name, loaded);
        again
    }

    fn loading(&mut self) -> Result<&Loading, Error> {
        match &mut self.loading {
            Some(loading) => Ok(loading),
            none => Ok(none.insert(Loading::new(self.config.clone())?)),
        }
    }

    fn publish(&self) {
        let rows = self.loaded.iter().filter_map(|(name, loaded)| match (&loaded.outcome, loaded.policy) {
            (Ok((_, row)), _) => Some(row.clone()),
            (Err(failed), FailurePolicy::Fail) => Some(Missing::row(name, &failed.message, loaded.points)),
            (Err(_), FailurePolicy::Ignore) => None,
        });
        self.set.send_replace(Arc::new(rows.collect()));
    }

    /// Counters that changed.
    async fn report(&mut self) {
        let states: Vec<(String, Value)> = self.loaded.iter().map(|(name, loaded)| (name.clone(), status(loaded))).collect();
        for (name, status) in states {
            self.write_status(&name, &status).await;
        }
    }

    async fn write_status(&mut self, name: &str, status: &Value) {
        if self.reported.get(name) == Some(status) {
            return;
        }
        let api = self.client.api(&client::gvr::wasm_plugins());
        let patch = Patch::Merge(json!({ "status": status }));
        match api.patch("", name, Some("status"), &patch).await {
            Ok(_) => drop(self.reported.insert(name.to_owned(), status.clone())),
            // Deleted meanwhile, or the server is away: the next report tries again.
            Err(error) => tracing::debug!(plugin = name, %error, "status is not written"),
        }
    }
}

fn status(loaded: &Loaded) -> Value {
    let mut status = json!({ "observedGeneration": loaded.generation });
    let (phase, message, counts) = match &loaded.outcome {
        Ok((plugin, _)) => {
            let failure = plugin.counters().last_failure();
            let message = if failure.is_empty() { String::new() } else { format!("last failure: {failure}") };
            ("Ready", message, plugin.counters().read())
        }
        Err(failed) if failed.message == LOADING => ("Loading", String::new(), (0, 0, 0)),
        Err(failed) => ("Failed", failed.message.clone(), (0, 0, 0)),
    };
    let (calls, traps, timeouts) = counts;
    if let Some(status) = status.as_object_mut() {
        status.insert("phase".to_owned(), phase.into());
        status.insert("message".to_owned(), message.into());
        status.insert("calls".to_owned(), calls.into());
        status.insert("traps".to_owned(), traps.into());
        status.insert("timeouts".to_owned(), timeouts.into());
    }
    status
}
