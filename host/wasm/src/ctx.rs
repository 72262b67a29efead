//! The one type of store data. What a guest may do is in the linker it was made by; what its functions act on is here.

use crate::capabilities::http::Outgoing;
use crate::engine::RESOURCES;
use crate::meter::{Limiter, Meter};
use crate::network::Network;
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

pub struct State {
    pub(crate) table: ResourceTable,
    pub(crate) wasi: WasiCtx,
    pub(crate) http: WasiHttpCtx,
    pub(crate) outgoing: Outgoing,
    pub(crate) network: Network,
    /// What only plugins have.
    pub(crate) plugin: Option<crate::plugins::Guest>,
    /// What only workloads have.
    pub(crate) workload: crate::capabilities::workload::Workload,
    limiter: Limiter,
}

impl State {
    /// A store for one instance: limited and counted by `meter`, yielding at each epoch.
    pub fn store(meter: &Arc<Meter>, wasi: WasiCtx, network: Network, plugin: Option<crate::plugins::Guest>) -> Store<Self> {
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        let state = Self {
            table,
            wasi,
            http: WasiHttpCtx::new(),
            outgoing: Outgoing::new(network.clone()),
            network,
            plugin,
            workload: Default::default(),
            limiter: meter.limiter(),
        };
        let mut store = Store::new(meter.engine().wasmtime(), state);
        store.limiter(|state| &mut state.limiter);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outgoing }
    }
}
