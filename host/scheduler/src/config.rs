//! [`Configuration`]: `kubescheduler.config.k8s.io/v1` KubeSchedulerConfiguration, decoded strictly and validated in
//! upstream's words: `pkg/scheduler/apis/config` (scheme, v1 defaults, validation).
//!
//! What concerns this process and not scheduling (leaderElection, clientConnection, profiling, parallelism) is accepted,
//! checked for its shape, and has no effect: the server's own flags say it.

pub mod args;
mod decode;
pub mod plugins;
mod validate;

use args::PluginArgs;
use decode::Reader;
use object::Value;
use plugins::PluginsConfig;
use std::time::Duration;

pub use decode::Invalid;

const API_VERSION: &str = "kubescheduler.config.k8s.io/v1";
const KIND: &str = "KubeSchedulerConfiguration";

/// How pods are scheduled, by which profiles.
#[derive(Clone, Debug, PartialEq)]
pub struct Configuration {
    pub profiles: Vec<ProfileConfig>,
    /// Of nodes that are found before one is chosen; 0: by the size of the cluster.
    pub percentage: u32,
    pub first_pause: Duration,
    pub longest_pause: Duration,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            profiles: vec![ProfileConfig::default()],
            percentage: 0,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(10),
        }
    }
}

/// `KubeSchedulerProfile`.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileConfig {
    pub name: String,
    /// What differs from the default plugins.
    pub plugins: PluginsConfig,
    pub args: PluginArgs,
    pub percentage: Option<u32>,
}

impl Default for ProfileConfig {
    fn default() -> Self {
        Self {
            name: crate::profile::DEFAULT_NAME.to_owned(),
            plugins: PluginsConfig::default(),
            args: PluginArgs::default(),
            percentage: None,
        }
    }
}

impl Configuration {
    /// From a file's content, as JSON.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its path, in upstream's words.
    pub fn of(value: &Value) -> Result<Self, Invalid> {
        let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
        let (version, kind) = (text("apiVersion"), text("kind"));
        if version != API_VERSION || kind != KIND {
            let told = format!("no kind {kind:?} is registered for version {version:?}: want {KIND:?} of {API_VERSION:?}");
            return Err(Invalid::one(told));
        }
        let mut reader = Reader::new(value);
        let configuration = Self::read(&mut reader);
        reader.finish()?;
        Ok(configuration)
    }

    fn read(r: &mut Reader<'_>) -> Self {
        let defaults = Self::default();
        r.known(&["apiVersion", "kind"]);
        process_settings(r);
        let percentage = validate::percentage(r).unwrap_or_default();
        let first = r.integer("podInitialBackoffSeconds").unwrap_or(1);
        let longest = r.integer("podMaxBackoffSeconds").unwrap_or(10);
        if first <= 0 {
            r.invalid("podInitialBackoffSeconds", first, "must be greater than 0");
        }
        if longest < first {
            r.invalid("podMaxBackoffSeconds", longest, "must be greater than or equal to PodInitialBackoffSeconds");
        }
        let mut profiles = r.list("profiles", |r| ProfileConfig::read(r)).unwrap_or_default();
        if profiles.is_empty() {
            profiles = defaults.profiles;
        }
        // One profile need not be named.
        if let [only] = profiles.as_mut_slice()
            && only.name.is_empty()
        {
            crate::profile::DEFAULT_NAME.clone_into(&mut only.name);
        }
        validate::profiles(r, &profiles);
        if !r.list("extenders", |r| r.any()).unwrap_or_default().is_empty() {
            r.forbidden("extenders", "this scheduler calls no HTTP extenders: a WasmPlugin does what they do");
        }
        let seconds = |of: i64| Duration::from_secs(u64::try_from(of).unwrap_or_default());
        Self { profiles, percentage, first_pause: seconds(first), longest_pause: seconds(longest) }
    }
}

impl ProfileConfig {
    fn read(r: &mut Reader<'_>) -> Self {
        let name = r.text("schedulerName").unwrap_or_default();
        let percentage = validate::percentage(r);
        let plugins = r.object("plugins", PluginsConfig::read).unwrap_or_default();
        let args = PluginArgs::read(r);
        Self { name, plugins, args, percentage }
    }
}

/// What this process does otherwise.
fn process_settings(r: &mut Reader<'_>) {
    if let Some(parallelism) = r.integer("parallelism")
        && parallelism <= 0
    {
        r.invalid("parallelism", parallelism, "should be an integer value greater than zero");
    }
    for field in ["enableProfiling", "enableContentionProfiling", "delayCacheUntilActive"] {
        r.boolean(field);
    }
    r.object("clientConnection", |r| {
        for field in ["kubeconfig", "acceptContentTypes", "contentType"] {
            r.text(field);
        }
        r.number("qps");
        if let Some(burst) = r.integer("burst")
            && burst < 0
        {
            r.invalid("burst", burst, "must be non-negative");
        }
    });
    r.object("leaderElection", |r| {
        r.boolean("leaderElect");
        for field in ["leaseDuration", "renewDeadline", "retryPeriod", "resourceName", "resourceNamespace"] {
            r.text(field);
        }
        if let Some(lock) = r.text("resourceLock")
            && lock != "leases"
            && !lock.is_empty()
        {
            r.invalid("resourceLock", &*lock, "resourceLock value must be \"leases\"");
        }
    });
}

#[cfg(test)]
mod tests;
