//! A friendly plugin of the same world that is called while others misbehave, and the server's own loop beside it.

use super::place::Place;
use super::worlds::{World, ask};
use object::json;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// One call in a millisecond: it measures others' harm, not its own hunger.
const PACE: Duration = Duration::from_millis(1);

pub struct Bystander {
    stop: watch::Sender<bool>,
    calls: JoinHandle<Vec<Duration>>,
}

impl Bystander {
    /// Calls it again and again from a task of its own.
    pub async fn start(place: &Place, world: &World) -> Self {
        let file = place.write(&format!("bystander of {}", world.name), &world.guest().build());
        let mut spec = world.spec();
        spec["limits"] = json!({ "timeoutMilliseconds": 10_000 });
        let plugin = place.load(&file, &spec).await.unwrap();
        let usual = world.usual();
        let (stop, mut stopped) = watch::channel(false);
        let calls = tokio::spawn(async move {
            let mut took = Vec::new();
            let mut pace = interval(PACE);
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = stopped.changed() => return took,
                    _ = pace.tick() => {}
                }
                let begin = Instant::now();
                ask(&plugin.product, usual).await.unwrap();
                took.push(begin.elapsed());
            }
        });
        Self { stop, calls }
    }

    /// Prints how long its calls took.
    pub async fn finish(self, during: &str) {
        self.stop.send_replace(true);
        let mut took = self.calls.await.unwrap();
        took.sort();
        let at = |share: usize| took.get((took.len() * share / 100).min(took.len().saturating_sub(1))).copied().unwrap_or_default();
        eprintln!("bystander during {during}: {} calls answered, p50 {:?}, p99 {:?}, longest {:?}", took.len(), at(50), at(99), at(100));
        assert!(!took.is_empty());
    }
}
