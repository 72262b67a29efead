//! What a guest can be given. A guest gets exactly what its world always has and what it was granted; an import beyond that is
//! refused by name before anything is instantiated.

pub mod http;
pub mod names;
pub mod sockets;
mod table;
pub mod workload;

pub use table::{ALL, Capability, GRANTABLE, PLATFORM, WORKLOAD, WORKLOAD_GRANTABLE};

use crate::ctx::State;
use crate::engine::Engine;
use crate::load::{self, Error};
use wasmtime::component::{Component, InstancePre, Linker};

/// The capabilities called `names`.
///
/// # Errors
/// The first name that no capability has.
pub fn by_name<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Vec<&'static Capability>, String> {
    names.into_iter().map(|name| ALL.iter().find(|row| row.name == name).ok_or_else(|| name.to_owned())).collect()
}

/// A world: capabilities that are linked once, for any number of components.
pub struct World {
    engine: Engine,
    linker: Linker<State>,
    granted: Vec<&'static Capability>,
    /// How a refusal goes on after the names of the imports: `which …`.
    offer: String,
}

impl World {
    /// # Errors
    /// `Mismatch` when two capabilities define the same interface.
    pub fn new(engine: &Engine, granted: Vec<&'static Capability>, offer: String) -> Result<Self, Error> {
        let mut linker = Linker::new(engine.wasmtime());
        for capability in &granted {
            (capability.link)(&mut linker)
                .map_err(|cause| Error::Mismatch { what: capability.name.to_owned(), cause: format!("{cause:#}") })?;
        }
        Ok(Self { engine: engine.clone(), linker, granted, offer })
    }

    /// Links `component`, called `what` in errors.
    ///
    /// # Errors
    /// `NotGranted` names every import that this world does not have; `Mismatch` an import of another shape or version.
    pub fn link(&self, component: &Component, what: &str) -> Result<InstancePre<State>, Error> {
        let imports: Vec<String> = load::imports(component, &self.engine)
            .into_iter()
            .filter(|import| !self.granted.iter().any(|capability| capability.covers(import)))
            .collect();
        if !imports.is_empty() {
            return Err(Error::NotGranted { what: what.to_owned(), imports, offer: self.offer.clone() });
        }
        self.linker.instantiate_pre(component).map_err(|cause| Error::Mismatch { what: what.to_owned(), cause: format!("{cause:#}") })
    }
}
