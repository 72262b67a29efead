//! What a container uses, and its limits: CPU time by polls of its futures, memory by its stores' linear memories and tables.
//!
//! CPU is limited as CFS bandwidth control does it (`Documentation/scheduler/sched-bwc.rst`): a quota per period of 100 ms. A
//! guest is interrupted at every epoch, so it may overrun its quota by one; what it overran is taken off the next periods.

use crate::engine::Engine;
use parking_lot::Mutex;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};
use wasmtime::ResourceLimiter;

/// The period that Kubernetes gives CFS (`cpu.cfs_period_us`).
const PERIOD: Duration = Duration::from_millis(100);

/// Bytes that one table element takes.
const TABLE_ELEMENT: u64 = size_of::<usize>() as u64;

/// A guest asked for more memory than its container has left.
#[derive(Debug, thiserror::Error)]
#[error("out of memory: the guest needs {wanted} bytes, the limit of the container is {limit}")]
pub struct MemoryExceeded {
    pub wanted: u64,
    pub limit: u64,
}

/// Shared by everything that runs for one container.
pub struct Meter {
    engine: Engine,
    cpu: AtomicU64,
    bandwidth: Option<Mutex<Bandwidth>>,
    memory: AtomicU64,
    memory_limit: u64,
}

impl Meter {
    /// `cpu_limit_milli` in thousandths of a core, `memory_limit` in bytes; 0 = none.
    pub fn new(engine: Engine, cpu_limit_milli: i64, memory_limit: i64) -> Arc<Self> {
        let bandwidth = u64::try_from(cpu_limit_milli).ok().filter(|milli| *milli > 0).map(|milli| {
            let period = u64::try_from(PERIOD.as_nanos()).unwrap_or(u64::MAX);
            Mutex::new(Bandwidth { quota: Duration::from_nanos(period / 1000 * milli), start: Instant::now(), used: Duration::ZERO })
        });
        let memory_limit = u64::try_from(memory_limit).ok().filter(|bytes| *bytes > 0).unwrap_or(u64::MAX);
        Arc::new(Self { engine, cpu: AtomicU64::new(0), bandwidth, memory: AtomicU64::new(0), memory_limit })
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub fn cpu_nanoseconds(&self) -> u64 {
        self.cpu.load(Ordering::Relaxed)
    }

    pub fn memory_bytes(&self) -> u64 {
        self.memory.load(Ordering::Relaxed)
    }

    /// Memory for one more store.
    pub fn limiter(self: &Arc<Self>) -> Limiter {
        Limiter { meter: self.clone(), held: 0, growing: 0 }
    }

    /// `future` counted and limited by this meter.
    pub fn run<F: Future + Send>(self: &Arc<Self>, future: F) -> Metered<F> {
        Metered { meter: self.clone(), future: Box::pin(future), pause: None }
    }

    fn spend(&self, time: Duration) {
        self.cpu.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        if let Some(bandwidth) = &self.bandwidth {
            bandwidth.lock().used += time;
        }
    }

    /// When the container may run again, if not now.
    fn paused_until(&self) -> Option<Instant> {
        self.bandwidth.as_ref().and_then(|bandwidth| bandwidth.lock().paused_until(Instant::now()))
    }
}

/// `used` is the time spent in the period that began at `start`, and what was overrun before.
struct Bandwidth {
    quota: Duration,
    start: Instant,
    used: Duration,
}

impl Bandwidth {
    fn paused_until(&mut self, now: Instant) -> Option<Instant> {
        let elapsed = now.saturating_duration_since(self.start);
        let periods = u32::try_from(elapsed.as_nanos() / PERIOD.as_nanos()).unwrap_or(u32::MAX);
        if periods > 0 {
            self.used = self.used.saturating_sub(self.quota.saturating_mul(periods));
            self.start += PERIOD.saturating_mul(periods);
        }
        (self.used >= self.quota).then(|| self.start + PERIOD)
    }
}

/// See [`Meter::run`].
pub struct Metered<F> {
    meter: Arc<Meter>,
    future: Pin<Box<F>>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<F: Future + Send> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        while let Some(until) = this.meter.paused_until() {
            let pause = this.pause.insert(Box::pin(tokio::time::sleep_until(until)));
            if pause.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
        this.pause = None;
        let running = this.meter.engine.running();
        let begin = thread_time();
        let polled = this.future.as_mut().poll(context);
        this.meter.spend(thread_time().saturating_sub(begin));
        drop(running);
        polled
    }
}

fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// One store's part of its container's memory; given back when the store is dropped.
pub struct Limiter {
    meter: Arc<Meter>,
    held: u64,
    /// Of the growth that was just allowed.
    growing: u64,
}

impl Limiter {
    fn grow(&mut self, bytes: u64) -> wasmtime::Result<bool> {
        let before = self.meter.memory.fetch_add(bytes, Ordering::Relaxed);
        let wanted = before.saturating_add(bytes);
        if wanted > self.meter.memory_limit {
            self.meter.memory.fetch_sub(bytes, Ordering::Relaxed);
            return Err(MemoryExceeded { wanted, limit: self.meter.memory_limit }.into());
        }
        self.held += bytes;
        self.growing = bytes;
        Ok(true)
    }

    fn give_back(&mut self) {
        self.meter.memory.fetch_sub(self.growing, Ordering::Relaxed);
        self.held -= self.growing;
        self.growing = 0;
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // Growth beyond the memory's own maximum fails anyway and must not count as the container's excess.
        if maximum.is_some_and(|maximum| desired > maximum) {
            self.growing = 0;
            return Ok(false);
        }
        self.grow(desired.saturating_sub(current) as u64)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        tracing::debug!(%error, "memory of a guest does not grow");
        self.give_back();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            self.growing = 0;
            return Ok(false);
        }
        self.grow((desired.saturating_sub(current) as u64).saturating_mul(TABLE_ELEMENT))
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.give_back();
        Ok(())
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        self.meter.memory.fetch_sub(self.held, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Profile;

    #[test]
    fn bandwidth_follows_the_periods() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let mut bandwidth = Bandwidth { quota: ms(20), start, used: Duration::ZERO };
        // (time, spent just before, paused until)
        let steps = [
            (0, 0, None),
            (10, 10, None),
            (20, 10, Some(100)),
            // The next period allows again.
            (100, 0, None),
            // An overrun of 40 ms beyond the quota costs two more periods.
            (160, 60, Some(200)),
            (200, 0, Some(300)),
            (300, 0, Some(400)),
            (400, 0, None),
        ];
        for (at, spent, expect) in steps {
            bandwidth.used += ms(spent);
            let until = bandwidth.paused_until(start + ms(at));
            assert_eq!(until, expect.map(|at| start + ms(at)), "at {at} ms");
        }
    }

    #[test]
    fn stores_share_the_memory_of_their_container() {
        let meter = Meter::new(Engine::new(Profile::OnDemand).unwrap(), 0, 300);
        let (mut one, mut two) = (meter.limiter(), meter.limiter());
        assert!(one.memory_growing(0, 100, None).unwrap());
        assert!(two.memory_growing(0, 200, None).unwrap());
        let error = one.memory_growing(100, 101, None).unwrap_err();
        assert_eq!(error.downcast_ref::<MemoryExceeded>().map(|e| (e.wanted, e.limit)), Some((301, 300)));
        assert!(!one.memory_growing(100, 1000, Some(500)).unwrap());
        drop(two);
        assert!(one.memory_growing(100, 300, None).unwrap());
        assert_eq!(meter.memory_bytes(), 300);
        one.memory_grow_failed(wasmtime::Error::msg("no memory")).unwrap();
        assert_eq!(meter.memory_bytes(), 100);
    }
}
