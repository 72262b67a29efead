//! What a plugin did since it was loaded.

use interfaces::schedule::PluginError;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Four buckets per doubling of time, from a microsecond to beyond an hour.
const BUCKETS: usize = 130;

/// Counts calls; shared by all generations of a plugin that are loaded one after another.
#[derive(Debug)]
pub struct Counters {
    calls: AtomicU64,
    failures: AtomicU64,
    traps: AtomicU64,
    timeouts: AtomicU64,
    instances: AtomicU64,
    durations: [AtomicU64; BUCKETS],
    last_failure: Mutex<String>,
}

/// The figures at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub calls: u64,
    /// All calls that failed, traps and timeouts among them.
    pub failures: u64,
    /// Memory excess among them.
    pub traps: u64,
    pub timeouts: u64,
    /// Instances that were made.
    pub instances: u64,
    /// 99 of 100 good calls were at most this long, in microseconds; within a fifth.
    pub p99_micros: u64,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            calls: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            traps: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            instances: AtomicU64::new(0),
            durations: [const { AtomicU64::new(0) }; BUCKETS],
            last_failure: Mutex::default(),
        }
    }
}

impl Counters {
    pub fn read(&self) -> Figures {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Figures {
            calls: get(&self.calls),
            failures: get(&self.failures),
            traps: get(&self.traps),
            timeouts: get(&self.timeouts),
            instances: get(&self.instances),
            p99_micros: self.p99(),
        }
    }

    /// Empty: it never failed.
    pub fn last_failure(&self) -> String {
        self.last_failure.lock().clone()
    }

    pub(super) fn called(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn made_instance(&self) {
        self.instances.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn took(&self, time: Duration) {
        if let Some(bucket) = self.durations.get(bucket(time)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn failed(&self, error: &PluginError) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        match error {
            PluginError::Trap { .. } | PluginError::Memory { .. } => drop(self.traps.fetch_add(1, Ordering::Relaxed)),
            PluginError::Timeout { .. } => drop(self.timeouts.fetch_add(1, Ordering::Relaxed)),
            PluginError::Failed { .. } => {}
        }
        *self.last_failure.lock() = error.to_string();
    }

    fn p99(&self) -> u64 {
        let counts: Vec<u64> = self.durations.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let all: u64 = counts.iter().sum();
        let slowest = all.div_ceil(100);
        let mut seen = 0;
        // From the slowest down, until one in a hundred is passed.
        for (at, count) in counts.iter().enumerate().rev() {
            seen += count;
            if slowest > 0 && seen >= slowest {
                return upper(at);
            }
        }
        0
    }
}

/// 4·log2 of the microseconds, each doubling cut in four equal parts.
fn bucket(time: Duration) -> usize {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
    let doubling = micros.ilog2() as usize;
    let part = ((u128::from(micros) * 4) >> doubling) as usize & 3;
    (doubling * 4 + part).min(BUCKETS - 1)
}

/// The largest number of microseconds in a bucket.
fn upper(bucket: usize) -> u64 {
    let (doubling, part) = (bucket / 4, bucket as u64 % 4);
    (((5 + part) << doubling) / 4).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_hundredth_is_told_within_a_fifth() {
        let counters = Counters::default();
        assert_eq!(counters.read().p99_micros, 0);
        (0..990).for_each(|_| counters.took(Duration::from_micros(10)));
        (0..10).for_each(|_| counters.took(Duration::from_millis(8)));
        let p99 = counters.read().p99_micros;
        assert!((8000..=9600).contains(&p99), "{p99}");
        (0..9000).for_each(|_| counters.took(Duration::from_micros(10)));
        let p99 = counters.read().p99_micros;
        assert!((10..=12).contains(&p99), "{p99}");
    }
}
