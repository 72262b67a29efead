//! A friendly plugin that is called while others misbehave.

use super::scheduler::{Place, ask_filter, friendly};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

pub struct Bystander {
    stop: Arc<AtomicBool>,
    calls: JoinHandle<Vec<Duration>>,
}

impl Bystander {
    /// Calls it again and again from a task of its own.
    pub async fn start(place: &Place) -> Self {
        let plugin = friendly(place).await;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let calls = tokio::spawn(async move {
            let mut took = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let begin = Instant::now();
                ask_filter(&plugin).await.unwrap();
                took.push(begin.elapsed());
                // One call in a millisecond: it measures others' harm, not its own hunger.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            took
        });
        Self { stop, calls }
    }

    /// Prints how long its calls took.
    pub async fn finish(self, during: &str) {
        self.stop.store(true, Ordering::Relaxed);
        let mut took = self.calls.await.unwrap();
        took.sort();
        let at = |share: usize| took.get((took.len() * share / 100).min(took.len().saturating_sub(1))).copied().unwrap_or_default();
        eprintln!("bystander during {during}: {} calls answered, p50 {:?}, p99 {:?}, longest {:?}", took.len(), at(50), at(99), at(100));
        assert!(!took.is_empty());
    }
}
