//! The engine and every limit of it, each with its reason.
//!
//! One `wasmtime::Engine` per process. All profiles compile the same code, so that one code cache serves them; they differ in
//! how instances are allocated.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::Duration;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// Length of an epoch. A guest yields to its thread's other guests at each, so it is also the longest that a guest can delay a
/// neighbour, the grain of CPU limits, and the delay of a cancellation inside a busy loop. 10 ms is a tenth of the CFS period
/// that CPU limits are written for; shorter epochs cost more switches and gain nothing that a Pod can see.
pub const EPOCH: Duration = Duration::from_millis(10);

/// Epochs without a running guest after which the ticking thread goes to sleep: a second, so that requests following each
/// other do not pay for waking it, and an idle node pays nothing.
const IDLE_EPOCHS: u32 = 100;

/// Stack that a guest's own functions may use. QuickJS and CPython recurse deeper than the 512 KiB that wasmtime gives.
const WASM_STACK: usize = 1 << 20;

/// Stack of a guest with the host functions that it calls. Only touched pages take memory: an idle guest holds 2 or 3.
const ASYNC_STACK: usize = 2 << 20;

/// Address space per linear memory: all that 32 bits can address, so that compiled code needs no bounds checks.
const MEMORY_RESERVATION: u64 = 4 << 30;

/// Linear memories that live at the same time in the workload host: 10,000 idle pods (docs: budgets) and the instances of
/// requests in flight. 12,288 × 4 GiB = 48 TiB of the 128 TiB that 47 bits address.
const POOL_MEMORIES: u32 = 12_288;

/// Below this a pool is not worth its fixed slots; boards with a small address space (Sv39, 39-bit arm64) allocate on demand.
const POOL_MEMORIES_LEAST: u32 = 64;

/// Core instances per linear memory: a component of today's tools is 3 or 4 core instances around one memory.
const INSTANCES_PER_MEMORY: u32 = 6;

/// Elements per table. CPython's function table has 20,000; a table is address space until touched.
const TABLE_ELEMENTS: usize = 65_536;

/// Bytes of VM metadata of one core instance and of one component. The largest seen (StarlingMonkey) needs a tenth.
const INSTANCE_METADATA: usize = 1 << 20;

/// Handles that one guest may hold: some 4,000 connections, each with its streams and polls. Each handle may be a descriptor of
/// the process that it shares with all others.
pub const RESOURCES: usize = 16_384;

/// Freed slots that keep their mappings for the component that had them.
const WARM_SLOTS: u32 = 128;

/// Frames shown of a trap: enough to name the culprit, and the whole fits a termination message.
const BACKTRACE_FRAMES: usize = 12;

/// How instances are allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Few, long-lived instances: plugins. Memory is mapped when it is needed.
    OnDemand,
    /// Very many, or one per request: workloads. Slots are reserved once and reused.
    Pooling,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot make a wasm engine on this machine")]
    Engine(#[source] wasmtime::Error),
    #[error("cannot start the epoch thread")]
    Thread(#[source] std::io::Error),
}

/// The engine with the thread that ends its epochs. Cheap to clone; the thread ends with the last clone.
#[derive(Clone)]
pub struct Engine {
    engine: wasmtime::Engine,
    ticker: Arc<TickerThread>,
}

impl Engine {
    /// # Errors
    /// The machine's architecture is not supported, or no thread can be started.
    pub fn new(profile: Profile) -> Result<Self, Error> {
        let engine = match profile {
            Profile::OnDemand => wasmtime::Engine::new(&config()).map_err(Error::Engine)?,
            Profile::Pooling => pooled()?,
        };
        let ticker = TickerThread::start(&engine).map_err(Error::Thread)?;
        Ok(Self { engine, ticker: Arc::new(ticker) })
    }

    pub fn wasmtime(&self) -> &wasmtime::Engine {
        &self.engine
    }

    /// Epochs pass while at least one of these lives. Every poll of a guest holds one.
    pub fn running(&self) -> Running<'_> {
        self.ticker.enter();
        Running(&self.ticker.ticker)
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(ASYNC_STACK)
        .memory_reservation(MEMORY_RESERVATION)
        .memory_init_cow(true)
        .cranelift_opt_level(OptLevel::Speed)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(BACKTRACE_FRAMES))
        // WASI 0.2 has no concurrent calls into one instance; without them a store is smaller.
        .concurrency_support(false);
    config
}

/// The largest pool that the address space holds, or else none.
fn pooled() -> Result<wasmtime::Engine, Error> {
    let mut memories = POOL_MEMORIES;
    while memories >= POOL_MEMORIES_LEAST {
        let mut config = config();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(memories)));
        match wasmtime::Engine::new(&config) {
            Ok(engine) => return Ok(engine),
            Err(error) => tracing::debug!(memories, %error, "the address space does not hold this pool"),
        }
        memories /= 2;
    }
    tracing::warn!("no pool of wasm memories on this machine: instances are allocated on demand");
    wasmtime::Engine::new(&config()).map_err(Error::Engine)
}

fn pool(memories: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_memories(memories)
        .total_tables(memories.saturating_mul(2))
        .total_stacks(memories)
        .total_core_instances(memories.saturating_mul(INSTANCES_PER_MEMORY))
        .total_component_instances(memories)
        .max_core_instance_size(INSTANCE_METADATA)
        .max_component_instance_size(INSTANCE_METADATA)
        .max_memory_size(usize::try_from(MEMORY_RESERVATION).unwrap_or(usize::MAX))
        .table_elements(TABLE_ELEMENTS)
        // What an instance touched goes back to the system when it ends: a slot that keeps even 64 KiB, times the slots that
        // were ever used, is what a node with 4,000 pods gone would still hold (256 MiB, measured).
        .linear_memory_keep_resident(0)
        .max_unused_warm_slots(WARM_SLOTS)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Ends an epoch every [`EPOCH`] while guests run, and sleeps otherwise.
#[derive(Default)]
struct Ticker {
    running: AtomicUsize,
    parked: AtomicBool,
    ended: AtomicBool,
}

impl Ticker {
    fn run(&self, engine: &wasmtime::EngineWeak) {
        let mut idle = 0;
        while !self.ended.load(Ordering::SeqCst) {
            let Some(engine) = engine.upgrade() else { return };
            engine.increment_epoch();
            drop(engine);
            idle = if self.running.load(Ordering::SeqCst) == 0 { idle + 1 } else { 0 };
            if idle >= IDLE_EPOCHS {
                idle = 0;
                self.park();
            }
            std::thread::sleep(EPOCH);
        }
    }

    /// Waits until a guest runs. `parked` is set before `running` is read and [`TickerThread::enter`] does the reverse, so one
    /// of the two sees the other.
    fn park(&self) {
        self.parked.store(true, Ordering::SeqCst);
        while self.running.load(Ordering::SeqCst) == 0 && !self.ended.load(Ordering::SeqCst) {
            std::thread::park();
        }
        self.parked.store(false, Ordering::SeqCst);
    }
}

/// The ticker's owner: dropping it ends the thread.
struct TickerThread {
    ticker: Arc<Ticker>,
    thread: Thread,
}

impl TickerThread {
    fn start(engine: &wasmtime::Engine) -> std::io::Result<Self> {
        let ticker = Arc::new(Ticker::default());
        let (shared, engine) = (ticker.clone(), engine.weak());
        let thread = std::thread::Builder::new().name("wasm-epoch".to_owned()).spawn(move || shared.run(&engine))?;
        Ok(Self { ticker, thread: thread.thread().clone() })
    }

    fn enter(&self) {
        if self.ticker.running.fetch_add(1, Ordering::SeqCst) == 0 && self.ticker.parked.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
    }
}

impl Drop for TickerThread {
    fn drop(&mut self) {
        self.ticker.ended.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// See [`Engine::running`].
pub struct Running<'a>(&'a Ticker);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}
