//! The worlds: what a component exports in each, what it may import, and how it becomes part of the server. A new world is a
//! file here and a row of the table.

pub mod adapter;
pub mod admission;
pub mod cloud_provider;
pub mod controller;
pub mod middleware;
pub mod mirror;
pub mod scheduler;
mod table;

use super::controllers::ControllerRow;
use super::counters::Counters;
use super::platform::Given;
use super::pool::{Exports, Limits, Pool, Unfit};
use super::settings::Settings;
use crate::ctx::State;
use crate::engine::Engine;
use crate::load::{self, Error};
use client::Client;
use futures::future::BoxFuture;
use interfaces::adapt::AdapterRow;
use interfaces::admit::AdmissionRow;
use interfaces::cloud::CloudRow;
use interfaces::middleware::MiddlewareRow;
use interfaces::schedule::PluginRow;
use object::{Object, Value};
use std::sync::Arc;
pub use table::ALL;
use wasmtime::component::{Component, InstancePre};

/// One row.
pub struct World {
    /// As `spec.world` says.
    pub name: &'static str,
    /// The interfaces that a component of this world may export, by base name: `coracle:plugin/filter`.
    pub exports: &'static [&'static str],
    /// Capabilities beside [`crate::capabilities::PLATFORM`].
    pub imports: &'static [&'static str],
    /// Default of `spec.limits.timeoutMilliseconds`.
    pub timeout_ms: u64,
    /// Default of `spec.limits.memoryMiB`.
    pub memory_mib: u64,
    /// Default of `spec.limits.instances`.
    pub instances: u64,
    pub load: fn(Made) -> BoxFuture<'static, Result<Loaded, Error>>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A component that is linked, and all that its world needs to make something of it.
pub struct Made {
    pub engine: Engine,
    pub component: Component,
    pub pre: InstancePre<State>,
    pub given: Arc<Given>,
    pub settings: Arc<Settings>,
    pub counters: Arc<Counters>,
    /// The WasmPlugin.
    pub object: Arc<Object>,
    /// The API as the part of the server that loads plugins. `None`: there is no server, a plugin is tried.
    pub host: Option<Client>,
    /// CustomResourceDefinitions that came with the component.
    pub definitions: Vec<Value>,
}

impl Made {
    /// # Errors
    /// `NoExport` names those of `interfaces` that the component lacks.
    pub fn require(&self, interfaces: &[&'static str]) -> Result<(), Error> {
        let missing: Vec<&'static str> = interfaces.iter().copied().filter(|interface| !self.exports(interface)).collect();
        if missing.is_empty() { Ok(()) } else { Err(Error::NoExport { what: self.what(), wanted: missing }) }
    }

    /// Whether the component exports an interface, by its base name.
    pub fn exports(&self, interface: &str) -> bool {
        load::exports(&self.component, &self.engine, interface)
    }

    /// The instances that `exports` are called in, after one was made to see that the component is fit for it.
    ///
    /// # Errors
    /// `Mismatch`: an export is of another type; `Start`: it cannot be started.
    pub async fn pool<E: Exports>(&self, exports: E, limits: Limits) -> Result<Arc<Pool<E>>, Error> {
        let pool = Pool::new(&self.engine, self.pre.clone(), exports, self.given.clone(), limits, self.counters.clone());
        match pool.probe().await {
            Ok(()) => Ok(Arc::new(pool)),
            Err(Unfit::Types(cause)) => Err(self.mismatch(cause)),
            Err(Unfit::Start(cause)) => Err(Error::Start { what: self.what(), cause }),
        }
    }

    /// An error about how the component's types fit.
    pub fn mismatch(&self, cause: wasmtime::Error) -> Error {
        Error::Mismatch { what: self.what(), cause: format!("{cause:#}") }
    }

    /// An error about the settings.
    pub fn unfit(&self, cause: String) -> Error {
        Error::Settings { what: self.what(), cause }
    }

    fn what(&self) -> String {
        format!("plugin {}", self.given.name)
    }
}

/// Instances of a plugin, whatever their world.
pub trait Resident: Send + Sync {
    /// Of the instances that are kept, in bytes.
    fn memory_bytes(&self) -> u64;
    /// How many are kept.
    fn idle(&self) -> usize;
    /// Drops those that wait: the next call makes a new one.
    fn let_go(&self);
}

impl<E: Exports> Resident for Pool<E> {
    fn memory_bytes(&self) -> u64 {
        Self::memory_bytes(self)
    }
    fn idle(&self) -> usize {
        Self::idle(self)
    }
    fn let_go(&self) {
        Self::let_go(self);
    }
}

/// A plugin that is ready to be called.
#[derive(Clone)]
pub struct Loaded {
    pub product: Product,
    pub resident: Arc<dyn Resident>,
}

/// What a plugin is to the rest of the server.
#[derive(Clone)]
pub enum Product {
    Scheduler(PluginRow),
    Admission(AdmissionRow),
    Adapter(AdapterRow),
    Middleware(MiddlewareRow),
    Cloud(CloudRow),
    Controller(Box<ControllerRow>),
}

/// The world called `name`.
pub fn by_name(name: &str) -> Option<&'static World> {
    ALL.iter().find(|world| world.name == name)
}

/// All names, for people.
pub fn names() -> String {
    ALL.iter().map(|world| world.name).collect::<Vec<_>>().join(", ")
}
