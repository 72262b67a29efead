//! [`WorkQueue`]: keys that need work (`k8s.io/client-go/util/workqueue`: queue, delaying queue and rate limiter in one).

use crate::metrics::{self, QueueMetrics};
use parking_lot::Mutex;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// `DefaultTypedControllerRateLimiter`: from 5 ms, doubled with each failure, up to 1000 s.
const FIRST_DELAY: Duration = Duration::from_millis(5);
const LONGEST_DELAY: Duration = Duration::from_secs(1000);

/// A queue of keys. Clones are the same queue.
///
/// - A key added several times before it is taken is taken once.
/// - A key is never out twice at the same time: added while it is worked on, it comes again after `done`.
/// - Whoever takes a key must call `done`.
pub struct WorkQueue<K> {
    shared: Arc<Shared<K>>,
}

struct Shared<K> {
    state: Mutex<State<K>>,
    wake: Notify,
}

struct State<K> {
    queue: VecDeque<K>,
    /// Needs work: in `queue`, or to be put there by `done`.
    dirty: HashSet<K>,
    processing: HashSet<K>,
    /// Keys that become due; an entry counts only while it agrees with `due`.
    waiting: BinaryHeap<Reverse<(Instant, u64)>>,
    due: HashMap<K, (Instant, u64)>,
    by_ticket: HashMap<u64, K>,
    tickets: u64,
    failures: HashMap<K, u32>,
    shut_down: bool,
    counted: Option<Counted<K>>,
}

/// What a named queue tells of itself.
struct Counted<K> {
    metrics: Arc<QueueMetrics>,
    /// Since when keys wait.
    waiting: HashMap<K, std::time::Instant>,
    /// Tickets of work that has not ended.
    working: HashMap<K, u64>,
}

impl<K: Hash + Eq + Clone> Default for WorkQueue<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> Clone for WorkQueue<K> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<K: Hash + Eq + Clone> WorkQueue<K> {
    pub fn new() -> Self {
        Self::counted(None)
    }

    /// A queue that counts under this name: `workqueue_*` of [`crate::metrics`].
    pub fn named(name: &str) -> Self {
        Self::counted(Some(Counted { metrics: metrics::queue(name), waiting: HashMap::new(), working: HashMap::new() }))
    }

    fn counted(counted: Option<Counted<K>>) -> Self {
        let state = State {
            queue: VecDeque::new(),
            dirty: HashSet::new(),
            processing: HashSet::new(),
            waiting: BinaryHeap::new(),
            due: HashMap::new(),
            by_ticket: HashMap::new(),
            tickets: 0,
            failures: HashMap::new(),
            shut_down: false,
            counted,
        };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), wake: Notify::new() }) }
    }

    pub fn add(&self, key: K) {
        if self.shared.state.lock().add(key) {
            self.shared.wake.notify_one();
        }
    }

    /// Adds after a delay. A key that already waits keeps the earlier time.
    pub fn add_after(&self, key: K, delay: Duration) {
        if delay.is_zero() {
            return self.add(key);
        }
        self.shared.state.lock().add_at(key, Instant::now() + delay);
        // Whoever sleeps until a later time must look again; and one who is about to wait must, too.
        self.shared.wake.notify_waiters();
        self.shared.wake.notify_one();
    }

    /// Adds after the key's back-off: 5 ms after the first failure, doubled with each more, at most 1000 s.
    pub fn add_rate_limited(&self, key: K) {
        let delay = self.shared.state.lock().back_off(&key);
        self.add_after(key, delay);
    }

    /// Ends the key's back-off: call it after success.
    pub fn forget(&self, key: &K) {
        self.shared.state.lock().failures.remove(key);
    }

    /// How often the key was added rate-limited since the last `forget`.
    pub fn failures(&self, key: &K) -> u32 {
        self.shared.state.lock().failures.get(key).copied().unwrap_or_default()
    }

    /// The next key; `None` once the queue is shut down and empty. Several workers may wait at once.
    pub async fn get(&self) -> Option<K> {
        loop {
            let mut woken = std::pin::pin!(self.shared.wake.notified());
            // From here on no wake-up is missed.
            woken.as_mut().enable();
            let deadline = {
                let mut state = self.shared.state.lock();
                let became_due = state.take_due(Instant::now());
                if let Some(key) = state.take() {
                    drop(state);
                    // What else became due is for others.
                    (1..became_due).for_each(|_| self.shared.wake.notify_one());
                    return Some(key);
                }
                if state.shut_down {
                    return None;
                }
                state.next_due()
            };
            match deadline {
                Some(at) => tokio::select! {
                    () = woken => {}
                    () = tokio::time::sleep_until(at) => {}
                },
                None => woken.await,
            }
        }
    }

    /// Ends work on a key; if it was added meanwhile it is queued again.
    pub fn done(&self, key: &K) {
        let mut state = self.shared.state.lock();
        state.processing.remove(key);
        if let Some(counted) = &mut state.counted
            && let Some(ticket) = counted.working.remove(key)
        {
            counted.metrics.ended(ticket);
        }
        if state.dirty.contains(key) {
            state.enqueue(key.clone());
            drop(state);
            self.shared.wake.notify_one();
        }
    }

    /// No key is accepted any more; those queued are still given out.
    pub fn shut_down(&self) {
        self.shared.state.lock().shut_down = true;
        self.shared.wake.notify_waiters();
        self.shared.wake.notify_one();
    }

    /// Keys ready to be taken.
    pub fn len(&self) -> usize {
        self.shared.state.lock().queue.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Hash + Eq + Clone> State<K> {
    /// Whether a waiting worker has something to do now.
    fn add(&mut self, key: K) -> bool {
        if self.shut_down || !self.dirty.insert(key.clone()) {
            return false;
        }
        if let Some(counted) = &self.counted {
            counted.metrics.added();
        }
        if self.processing.contains(&key) {
            return false;
        }
        self.enqueue(key);
        true
    }

    fn enqueue(&mut self, key: K) {
        if let Some(counted) = &mut self.counted {
            counted.metrics.queued();
            counted.waiting.insert(key.clone(), std::time::Instant::now());
        }
        self.queue.push_back(key);
    }

    fn add_at(&mut self, key: K, at: Instant) {
        if self.shut_down {
            return;
        }
        if let Some((known, ticket)) = self.due.get(&key).copied() {
            if known <= at {
                return;
            }
            self.by_ticket.remove(&ticket);
        }
        self.tickets += 1;
        self.due.insert(key.clone(), (at, self.tickets));
        self.by_ticket.insert(self.tickets, key);
        self.waiting.push(Reverse((at, self.tickets)));
    }

    fn back_off(&mut self, key: &K) -> Duration {
        if let Some(counted) = &self.counted {
            counted.metrics.retried();
        }
        let failures = self.failures.entry(key.clone()).or_insert(0);
        let delay = FIRST_DELAY.saturating_mul(1_u32.checked_shl(*failures).unwrap_or(u32::MAX));
        *failures = failures.saturating_add(1).min(31);
        delay.min(LONGEST_DELAY)
    }

    /// Queues what is due; how many keys that made ready.
    fn take_due(&mut self, now: Instant) -> usize {
        let mut ready = 0;
        while let Some(Reverse((at, ticket))) = self.waiting.peek().copied() {
            let stale = !self.by_ticket.contains_key(&ticket);
            if at > now && !stale {
                break;
            }
            self.waiting.pop();
            if let Some(key) = self.by_ticket.remove(&ticket) {
                self.due.remove(&key);
                ready += usize::from(self.add(key));
            }
        }
        ready
    }

    fn next_due(&self) -> Option<Instant> {
        self.waiting.peek().map(|Reverse((at, _))| *at)
    }

    fn take(&mut self) -> Option<K> {
        let key = self.queue.pop_front()?;
        self.dirty.remove(&key);
        self.processing.insert(key.clone());
        if let Some(counted) = &mut self.counted {
            let ticket = counted.metrics.taken(counted.waiting.remove(&key));
            counted.working.insert(key.clone(), ticket);
        }
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[tokio::test]
    async fn named_queues_count() {
        let queue = WorkQueue::named("counted");
        queue.add("a");
        queue.add("a");
        queue.add("b");
        let key = queue.get().await.unwrap();
        queue.add_rate_limited(key);
        queue.done(&key);
        let told = metrics::render();
        for line in [
            "workqueue_depth{name=\"counted\"} 1",
            "workqueue_adds_total{name=\"counted\"} 2",
            "workqueue_retries_total{name=\"counted\"} 1",
            "workqueue_work_duration_seconds_count{name=\"counted\"} 1",
            "workqueue_queue_duration_seconds_bucket{name=\"counted\",le=\"+Inf\"} 1",
            "workqueue_unfinished_work_seconds{name=\"counted\"} 0",
        ] {
            assert!(told.lines().any(|l| l == line), "{line}\n{told}");
        }
    }

    #[tokio::test]
    async fn a_key_added_twice_is_taken_once() {
        let queue = WorkQueue::new();
        queue.add("a");
        queue.add("b");
        queue.add("a");
        assert_eq!(queue.get().await, Some("a"));
        assert_eq!(queue.get().await, Some("b"));
        queue.shut_down();
        assert_eq!(queue.get().await, None);
    }

    #[tokio::test]
    async fn a_key_added_while_worked_on_comes_after_done() {
        let queue = WorkQueue::new();
        queue.add("a");
        assert_eq!(queue.get().await, Some("a"));
        queue.add("a");
        assert!(queue.is_empty());
        queue.done(&"a");
        assert_eq!(queue.get().await, Some("a"));
        queue.done(&"a");
        assert!(queue.is_empty());
    }

    #[tokio::test]
    async fn several_workers_share_what_comes() {
        let queue = WorkQueue::new();
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let queue = queue.clone();
                tokio::spawn(async move { queue.get().await })
            })
            .collect();
        tokio::task::yield_now().await;
        queue.add_after(0, Duration::from_millis(1));
        (1..4).for_each(|key| queue.add(key));
        let mut taken: Vec<i32> = futures::future::join_all(workers).await.into_iter().filter_map(|k| k.unwrap()).collect();
        taken.sort_unstable();
        assert_eq!(taken, [0, 1, 2, 3]);
    }

    #[test]
    fn the_earlier_time_wins() {
        let queue = WorkQueue::new();
        let mut state = queue.shared.state.lock();
        let start = Instant::now();
        for delay in [10, 2, 20] {
            state.add_at("a", start + seconds(delay));
        }
        assert_eq!(state.next_due(), Some(start + seconds(2)));
        assert_eq!(state.take_due(start + seconds(1)), 0);
        assert_eq!(state.take_due(start + seconds(2)), 1);
        assert_eq!(state.take(), Some("a"));
        assert_eq!(state.take_due(start + seconds(100)), 0, "the other times bring nothing");
    }

    #[test]
    fn back_off_doubles_up_to_its_limit() {
        let queue = WorkQueue::new();
        let mut state = queue.shared.state.lock();
        let delays: Vec<u128> = (0..4).map(|_| state.back_off(&"a").as_millis()).collect();
        assert_eq!(delays, [5, 10, 20, 40]);
        assert_eq!((0..40).map(|_| state.back_off(&"a")).max(), Some(LONGEST_DELAY));
        drop(state);
        queue.forget(&"a");
        assert_eq!(queue.failures(&"a"), 0);
    }
}
