//! Components ready to be instantiated: compiled, checked and linked once for all containers of an image.

use crate::capabilities::{self, WORKLOAD_GRANTABLE, World};
use crate::ctx::State;
use crate::engine::Engine;
use crate::load::{self, Cache, Error};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Weak};
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

const COMMAND: &str = "wasi:cli/run";
const SERVICE: &str = "wasi:http/incoming-handler";

/// What a component is run as.
pub enum Prepared {
    Command(CommandPre<State>),
    Service(ProxyPre<State>),
}

type Slot = Arc<tokio::sync::Mutex<Weak<Prepared>>>;

/// Kept while a container uses it; code stays on disk after that.
pub struct Preparer {
    cache: Arc<Cache>,
    /// By what is granted beside what every workload has.
    worlds: Mutex<HashMap<Vec<&'static str>, Arc<World>>>,
    slots: Mutex<HashMap<String, Slot>>,
}

impl Preparer {
    /// # Errors
    /// As [`World::new`].
    pub fn new(cache: Arc<Cache>) -> Result<Self, Error> {
        let preparer = Self { cache, worlds: Mutex::default(), slots: Mutex::default() };
        drop(preparer.world(&[])?);
        Ok(preparer)
    }

    /// The world of workloads with `grants`.
    fn world(&self, grants: &[String]) -> Result<Arc<World>, Error> {
        let mut granted = Vec::new();
        for grant in grants {
            let known = WORKLOAD_GRANTABLE.iter().find(|known| *known == grant);
            granted.push(*known.ok_or_else(|| Error::Mismatch {
                what: format!("grant {grant:?}"),
                cause: format!("workloads can be granted {}", WORKLOAD_GRANTABLE.join(", ")),
            })?);
        }
        granted.sort_unstable();
        granted.dedup();
        let mut worlds = self.worlds.lock();
        if let Some(world) = worlds.get(&granted) {
            return Ok(world.clone());
        }
        let names = capabilities::WORKLOAD.iter().chain(&granted).copied();
        let all = capabilities::by_name(names).map_err(|name| Error::Mismatch { what: name, cause: "no such capability".to_owned() })?;
        let (always, besides) = (capabilities::WORKLOAD.join(", "), WORKLOAD_GRANTABLE.join(", "));
        let offer = format!(
            "this container was not given: workloads have {always}; the annotation coracle.dev/grants of the pod or its RuntimeClass can add {besides}"
        );
        let world = Arc::new(World::new(self.cache.engine(), all, offer)?);
        worlds.insert(granted, world.clone());
        Ok(world)
    }

    pub fn engine(&self) -> &Engine {
        self.cache.engine()
    }

    /// # Errors
    /// As [`Cache::load`] and [`World::link`]; `NoExport` when there is nothing to run.
    pub async fn get(&self, path: &Path, digest: &str, grants: &[String]) -> Result<Arc<Prepared>, Error> {
        let world = self.world(grants)?;
        let what = format!("component {}", if digest.is_empty() { path.display().to_string() } else { digest.to_owned() });
        let slot = {
            let mut slots = self.slots.lock();
            slots.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.try_lock().is_ok_and(|prepared| prepared.strong_count() > 0));
            let key = if digest.is_empty() { what.clone() } else { digest.to_owned() };
            let key = format!("{key} {}", grants.join(","));
            slots.entry(key).or_default().clone()
        };
        // One load per component, others wait for it.
        let mut slot = slot.lock().await;
        if let Some(prepared) = slot.upgrade() {
            return Ok(prepared);
        }
        let component = self.cache.load(path, digest, &what).await?;
        let pre = world.link(&component, &what)?;
        let mismatch = |cause: wasmtime::Error| Error::Mismatch { what: what.clone(), cause: format!("{cause:#}") };
        let exports = |name| load::exports(&component, self.engine(), name);
        // A service built as a Rust program has an empty `run` as well: the handler is what it is for.
        let prepared = Arc::new(if exports(SERVICE) {
            Prepared::Service(ProxyPre::new(pre).map_err(mismatch)?)
        } else if exports(COMMAND) {
            Prepared::Command(CommandPre::new(pre).map_err(mismatch)?)
        } else {
            return Err(Error::NoExport { what, wanted: vec![COMMAND, SERVICE] });
        });
        *slot = Arc::downgrade(&prepared);
        Ok(prepared)
    }
}
