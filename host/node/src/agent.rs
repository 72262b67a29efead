//! What every part of the agent shares.

use crate::adapters::Adapters;
use crate::config::Config;
use crate::fields::Facts;
use crate::machine::Machine;
use crate::tokens::Tokens;
use crate::volumes::Sources;
use client::{Api, Cache, Client, Recorder, gvr};
use interfaces::network::PodNetwork;
use interfaces::workload::{ContainerId, Runtime};
use object::Object;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Runtimes by their name.
pub type Runtimes = BTreeMap<&'static str, Arc<dyn Runtime>>;

pub struct Agent {
    pub config: Config,
    pub machine: Machine,
    pub runtimes: Runtimes,
    pub network: Arc<dyn PodNetwork>,
    pub images: Arc<image::Store>,
    pub recorder: Recorder,
    /// Held, because its caches and events end with it.
    _client: Client,
    pub pods: Api,
    pub pod_cache: Arc<Cache>,
    pub services: Arc<Cache>,
    pub runtime_classes: Arc<Cache>,
    pub sources: Sources,
    pub runs: Runs,
    pub adapters: Adapters,
    /// Cancelled when the archives that were laid ready are imported: only then an image is known to be absent.
    pub imported: CancellationToken,
    /// Every operation of every pod.
    pub tasks: TaskTracker,
}

impl Agent {
    pub fn new(
        client: &Client,
        config: Config,
        runtimes: Vec<Arc<dyn Runtime>>,
        network: Arc<dyn PodNetwork>,
        images: Arc<image::Store>,
    ) -> Self {
        Self {
            machine: Machine::read(&config.data_dir),
            runtimes: runtimes.into_iter().map(|r| (r.name(), r)).collect(),
            network,
            images,
            recorder: client.recorder("kubelet", &config.node_name),
            _client: client.clone(),
            pods: client.api(&gvr::pods()),
            pod_cache: client.cache(&gvr::pods()),
            services: client.cache(&gvr::services()),
            runtime_classes: client.cache(&gvr::runtime_classes()),
            sources: Sources {
                config_maps: (client.cache(&gvr::config_maps()), client.api(&gvr::config_maps())),
                secrets: (client.cache(&gvr::secrets()), client.api(&gvr::secrets())),
                tokens: Arc::new(Tokens::new(client.api(&gvr::service_accounts()))),
            },
            runs: Runs::default(),
            adapters: Adapters::new(config.adapters.clone()),
            imported: CancellationToken::new(),
            tasks: TaskTracker::new(),
            config,
        }
    }

    pub fn facts(&self, pod_addresses: Vec<IpAddr>, host_addresses: Vec<IpAddr>) -> Facts {
        Facts {
            pod_addresses,
            host_addresses,
            allocatable_cpu_milli: self.machine.cpus * 1000,
            allocatable_memory: self.machine.memory_bytes,
            allocatable_storage: self.machine.storage_bytes,
        }
    }

    /// The services that a pod's environment tells of.
    pub fn services_for(&self, namespace: &str, links: bool) -> Vec<Arc<Object>> {
        let mut all = if links { self.services.list(namespace) } else { Vec::new() };
        if !(links && namespace == "default") {
            all.extend(self.services.get("default", "kubernetes"));
        }
        all
    }
}

/// Which runs are alive: a follower of a log ends with its run.
#[derive(Default)]
pub struct Runs {
    alive: Mutex<HashMap<ContainerId, CancellationToken>>,
}

impl Runs {
    pub fn began(&self, id: &ContainerId) {
        self.alive.lock().entry(id.clone()).or_default();
    }

    pub fn ended(&self, id: &ContainerId) {
        if let Some(token) = self.alive.lock().remove(id) {
            token.cancel();
        }
    }

    /// Cancelled when the run ends; `None` when it is not alive.
    pub fn alive(&self, id: &ContainerId) -> Option<CancellationToken> {
        self.alive.lock().get(id).cloned()
    }
}
