//! From a WasmPlugin to something that can be called: get the component, verify it, compile it, link it to what it was granted,
//! hand it to its world. Each step that fails is named, so that the status can say how far it came.

use super::counters::Counters;
use super::platform::metrics::Figures;
use super::platform::{Directory, Given, Platform, hosts::Hosts};
use super::settings::{Settings, Source};
use super::worlds::{Loaded, Made};
use crate::capabilities::{self, GRANTABLE, PLATFORM, World};
use crate::engine::{Engine, Profile};
use crate::load::{self, Cache};
use crate::network::Network;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::Client;
use futures::future::BoxFuture;
use interfaces::schedule::PluginError;
use object::{Object, Value};
use std::path::PathBuf;
use std::sync::Arc;

/// What the loader asks of the image store.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub image: String,
    /// Secrets of type `kubernetes.io/dockerconfigjson`, in this namespace.
    pub pull_secrets: Vec<String>,
    pub namespace: String,
    /// Public keys in PEM of the plugin's own verification, beside those that the server asks for.
    pub keys: Vec<String>,
}

/// A component that was got.
#[derive(Clone, Debug)]
pub struct Fetched {
    pub path: PathBuf,
    /// Of the image: `sha256:<hex>`.
    pub digest: String,
    /// By whom its signature was found good; empty: none was asked for.
    pub verified: String,
    /// CustomResourceDefinitions that the image brings along.
    pub definitions: Vec<Value>,
}

/// A component that was compiled, and where it is from.
struct Compiled {
    component: wasmtime::component::Component,
    digest: String,
    verified: String,
    definitions: Vec<Value>,
}

/// Why there is no component.
#[derive(Clone, Debug)]
pub enum FetchError {
    Pull(String),
    Verify(String),
}

/// Pulls an image that holds a component.
pub type Fetch = Arc<dyn Fn(Wanted) -> BoxFuture<'static, Result<Fetched, FetchError>> + Send + Sync>;

#[derive(Clone)]
pub struct Config {
    /// Where `spec.path` begins.
    pub plugins_dir: PathBuf,
    /// Where the directories are that plugins are granted.
    pub data_dir: PathBuf,
    /// Compiled code; shared with the workload host.
    pub cache_dir: PathBuf,
    /// For `spec.image`. `None`: this server has no image store.
    pub fetch: Option<Fetch>,
    /// Components that cannot be signed, inline and in ConfigMaps, are refused.
    pub images_only: bool,
    pub node_name: String,
}

/// How far a plugin came; in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Pulled,
    Verified,
    Compiled,
    Ready,
}

impl Stage {
    pub const ALL: [Self; 4] = [Self::Pulled, Self::Verified, Self::Compiled, Self::Ready];

    /// The condition's type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pulled => "Pulled",
            Self::Verified => "Verified",
            Self::Compiled => "Compiled",
            Self::Ready => "Ready",
        }
    }
}

/// Whether trying again may help although the object stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    Never,
    Later,
}

/// Of what is told of a failure: it stands in the object's status and, cut further, in an event. A component can have any
/// number of imports, and a plugin may have much to say of its settings.
const LONGEST_MESSAGE: usize = 4 << 10;
/// Imports or exports that the status tells.
const MOST_NAMES: usize = 256;

/// Why a plugin is not loaded.
#[derive(Clone, Debug)]
pub struct Failed {
    /// What could not be done.
    pub stage: Stage,
    /// In one word, for the condition.
    pub reason: &'static str,
    /// In a sentence, for the object's status and event.
    pub message: String,
    pub again: Again,
}

impl Failed {
    fn for_good(stage: Stage, reason: &'static str, message: impl ToString) -> Self {
        Self::new(stage, reason, message.to_string(), Again::Never)
    }

    fn for_now(stage: Stage, reason: &'static str, message: impl ToString) -> Self {
        Self::new(stage, reason, message.to_string(), Again::Later)
    }

    fn new(stage: Stage, reason: &'static str, mut message: String, again: Again) -> Self {
        message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
        Self { stage, reason, message, again }
    }

    /// Of a world's `load`.
    fn not_loaded(error: load::Error) -> Self {
        match error {
            // The machine may have been busy.
            load::Error::Start { cause: PluginError::Timeout { .. }, .. } => Self::for_now(Stage::Ready, "NotStarted", error),
            load::Error::Start { .. } => Self::for_good(Stage::Ready, "NotStarted", error),
            load::Error::Mismatch { .. } | load::Error::NoExport { .. } => Self::for_good(Stage::Ready, "WrongExports", error),
            _ => Self::for_good(Stage::Ready, "NotLoaded", error),
        }
    }
}

/// A plugin that can be called, and what is known about it.
#[derive(Clone)]
pub struct Prepared {
    pub loaded: Loaded,
    pub settings: Arc<Settings>,
    pub counters: Arc<Counters>,
    /// `sha256:<hex>` of the image, or of the component where there is no image.
    pub digest: String,
    pub verified: String,
    /// With their versions, as in WIT.
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}

/// What outlives the generations of a plugin, and who answers it.
#[derive(Clone)]
pub struct Around {
    pub platform: Arc<dyn Platform>,
    pub figures: Arc<Figures>,
    pub counters: Arc<Counters>,
    /// See [`Made::host`].
    pub host: Option<Client>,
}

impl Around {
    /// No server: a plugin is tried.
    pub fn alone() -> Self {
        Self { platform: Arc::<super::platform::alone::Alone>::default(), figures: Arc::default(), counters: Arc::default(), host: None }
    }
}

/// Prepares plugins; knows no API server.
pub struct Loading {
    config: Config,
    cache: Arc<Cache>,
}

impl Loading {
    /// # Errors
    /// There is no wasm engine for this machine, or the cache directory cannot be made.
    pub fn new(config: Config) -> Result<Self, super::loader::Error> {
        let cache = Cache::new(Engine::new(Profile::OnDemand)?, &config.cache_dir)?;
        Ok(Self { config, cache })
    }

    /// The plugin of one object, ready to be called. `bytes` is the component of a source that this does not read itself.
    ///
    /// # Errors
    /// What is wrong with the object or its component.
    pub async fn prepare(&self, object: &Arc<Object>, bytes: Option<Vec<u8>>, around: Around) -> Result<Prepared, Failed> {
        let settings = Settings::of(object).map_err(|cause| Failed::for_good(Stage::Pulled, "InvalidSpec", cause))?;
        let settings = Arc::new(settings);
        let world = self.world(&settings)?;
        let Compiled { component, digest, verified, definitions } = self.component(&settings, bytes).await?;
        let what = what(&settings.source);
        let pre = world.link(&component, &what).map_err(|error| Failed::for_good(Stage::Compiled, "ImportsNotGranted", error))?;
        let given = self.given(object, &settings, &around).map_err(|cause| Failed::for_good(Stage::Ready, "InvalidGrants", cause))?;
        let engine = self.cache.engine().clone();
        let (mut imports, mut exports) = (load::imports(&component, &engine), load::exported(&component, &engine));
        imports.truncate(MOST_NAMES);
        exports.truncate(MOST_NAMES);
        let made = Made {
            engine,
            component,
            pre,
            given: Arc::new(given),
            settings: settings.clone(),
            counters: around.counters.clone(),
            object: object.clone(),
            host: around.host,
            definitions,
        };
        let loaded = (settings.world.load)(made).await.map_err(Failed::not_loaded)?;
        Ok(Prepared { loaded, settings, counters: around.counters, digest, verified, imports, exports })
    }

    async fn component(&self, settings: &Settings, bytes: Option<Vec<u8>>) -> Result<Compiled, Failed> {
        let alone = |(component, digest)| Compiled { component, digest, verified: String::new(), definitions: Vec::new() };
        let what = what(&settings.source);
        let unverifiable = !settings.verification.is_empty() && !matches!(settings.source, Source::Image(_));
        if unverifiable {
            let message = "spec.verification: only images can be verified";
            return Err(Failed::for_good(Stage::Verified, "NoSignature", message));
        }
        if self.config.images_only && matches!(settings.source, Source::Inline(_) | Source::ConfigMap { .. }) {
            let message = "this server loads signed images only, and what is inline or in a ConfigMap has no signature";
            return Err(Failed::for_good(Stage::Verified, "NoSignature", message));
        }
        let compiled = |error: load::Error| match error {
            // Not with the server's path: who reads the object need not know where it is.
            load::Error::Read { source, .. } => Failed::for_now(Stage::Pulled, "NotFound", format!("cannot read {what}: {source}")),
            load::Error::Cache { .. } => Failed::for_now(Stage::Compiled, "CacheFailed", error),
            _ => Failed::for_good(Stage::Compiled, "NotCompiled", error),
        };
        match &settings.source {
            Source::Path(path) => {
                let path = self.config.plugins_dir.join(path);
                self.cache.load_file(&path, &what).await.map(alone).map_err(compiled)
            }
            Source::Image(image) => {
                let no_store = || Failed::for_good(Stage::Pulled, "NoImages", "this server pulls no images: use spec.path");
                let fetch = self.config.fetch.as_ref().ok_or_else(no_store)?;
                let wanted = Wanted {
                    image: image.clone(),
                    pull_secrets: settings.pull_secrets.clone(),
                    namespace: settings.grants.account.as_ref().map(|account| account.namespace.clone()).unwrap_or_default(),
                    keys: settings.verification.clone(),
                };
                let fetched = fetch(wanted).await.map_err(|error| match error {
                    FetchError::Pull(cause) => Failed::for_now(Stage::Pulled, "PullFailed", format!("image {image}: {cause}")),
                    FetchError::Verify(cause) => Failed::for_now(Stage::Verified, "NotVerified", format!("image {image}: {cause}")),
                })?;
                let (component, _) = self.cache.load_file(&fetched.path, &what).await.map_err(compiled)?;
                Ok(Compiled { component, digest: fetched.digest, verified: fetched.verified, definitions: fetched.definitions })
            }
            Source::Inline(text) => {
                let text: String = text.split_ascii_whitespace().collect();
                let decoded =
                    STANDARD.decode(text).map_err(|e| Failed::for_good(Stage::Pulled, "InvalidSpec", format!("spec.inline: {e}")))?;
                self.cache.load_bytes(decoded, &what).await.map(alone).map_err(compiled)
            }
            Source::ConfigMap { .. } => {
                let bytes = bytes.ok_or_else(|| Failed::for_now(Stage::Pulled, "NotFound", format!("{what} cannot be read")))?;
                self.cache.load_bytes(bytes, &what).await.map(alone).map_err(compiled)
            }
        }
    }

    fn world(&self, settings: &Settings) -> Result<World, Failed> {
        let invalid = |message: String| Failed::for_good(Stage::Compiled, "InvalidGrants", message);
        let grants = &settings.grants;
        if let Some(other) = grants.interfaces.iter().find(|grant| !GRANTABLE.contains(&grant.as_str())) {
            return Err(invalid(format!(
                "spec.grants.interfaces: {other:?} cannot be granted to a plugin; these can: {}",
                GRANTABLE.join(", ")
            )));
        }
        let mut names: Vec<&str> = PLATFORM.iter().chain(settings.world.imports).copied().collect();
        names.extend(grants.interfaces.iter().map(String::as_str));
        if !grants.hosts.is_empty() {
            names.extend(["wasi:sockets", "wasi:http"]);
        }
        if !grants.directories.is_empty() {
            names.push("wasi:filesystem");
        }
        names.sort_unstable();
        names.dedup();
        let granted = capabilities::by_name(names).map_err(|name| invalid(format!("{name:?} is not known")))?;
        let always = PLATFORM.iter().chain(settings.world.imports).copied().collect::<Vec<_>>().join(", ");
        let offer = format!("was not granted: its world has {always}; spec.grants.interfaces can add {}", GRANTABLE.join(", "));
        World::new(self.cache.engine(), granted, offer).map_err(|error| invalid(error.to_string()))
    }

    fn given(&self, object: &Object, settings: &Settings, around: &Around) -> Result<Given, String> {
        let mut given = Given::bare(object.name(), settings.config.clone(), around.platform.clone());
        given.figures = around.figures.clone();
        if !settings.grants.hosts.is_empty() {
            let hosts =
                Hosts::parse(settings.grants.hosts.iter().map(String::as_str)).map_err(|cause| format!("spec.grants.hosts: {cause}"))?;
            let hosts = Arc::new(hosts);
            given.network = Network::limited(hosts.clone());
            given.hosts = Some(hosts);
        }
        for directory in &settings.grants.directories {
            let source = self.config.data_dir.join(object.name()).join(&directory.name);
            std::fs::create_dir_all(&source).map_err(|e| format!("spec.grants.directories: cannot make {:?}: {e}", directory.name))?;
            given.directories.push(Directory { source, target: directory.mount_path.clone(), read_only: directory.read_only });
        }
        Ok(given)
    }
}

fn what(source: &Source) -> String {
    match source {
        Source::Image(image) => format!("image {image}"),
        Source::Path(path) => format!("file {}", path.display()),
        Source::Inline(_) => "the inline component".to_owned(),
        Source::ConfigMap { namespace, name, key } => format!("key {key} of ConfigMap {namespace}/{name}"),
    }
}
