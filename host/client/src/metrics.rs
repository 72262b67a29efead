//! Counters of work queues and requests, by client-go's names (`k8s.io/component-base/metrics/prometheus/{workqueue,restclient}`),
//! in Prometheus' text form. They are the process's own: every queue of a name counts together.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

static QUEUES: Mutex<BTreeMap<String, Arc<QueueMetrics>>> = Mutex::new(BTreeMap::new());
/// By code, method and host.
static REQUESTS: Mutex<BTreeMap<(String, String, &'static str), u64>> = Mutex::new(BTreeMap::new());

/// Seconds: ten times more each, from ten nanoseconds.
const BOUNDS: [(f64, &str); 10] = [
    (1e-8, "1e-08"),
    (1e-7, "1e-07"),
    (1e-6, "1e-06"),
    (1e-5, "1e-05"),
    (1e-4, "0.0001"),
    (1e-3, "0.001"),
    (1e-2, "0.01"),
    (1e-1, "0.1"),
    (1.0, "1"),
    (10.0, "10"),
];

#[derive(Debug, Default)]
pub(crate) struct QueueMetrics {
    depth: AtomicI64,
    adds: AtomicU64,
    retries: AtomicU64,
    waited: Mutex<Durations>,
    worked: Mutex<Durations>,
    /// When work began that has not ended, by ticket.
    running: Mutex<BTreeMap<u64, Instant>>,
    tickets: AtomicU64,
}

#[derive(Debug, Default)]
struct Durations {
    /// At or below each bound and above the one before.
    counts: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

impl Durations {
    fn observe(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let at = BOUNDS.partition_point(|(bound, _)| *bound < seconds);
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
        }
        self.count += 1;
        self.sum += seconds;
    }
}

/// The counters of a name.
pub(crate) fn queue(name: &str) -> Arc<QueueMetrics> {
    QUEUES.lock().entry(name.to_owned()).or_default().clone()
}

impl QueueMetrics {
    pub fn added(&self) {
        self.adds.fetch_add(1, Ordering::Relaxed);
    }

    pub fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// A key waits to be taken.
    pub fn queued(&self) {
        self.depth.fetch_add(1, Ordering::Relaxed);
    }

    /// It is taken after a wait; the answer is handed to [`QueueMetrics::ended`].
    pub fn taken(&self, since: Option<Instant>) -> u64 {
        self.depth.fetch_sub(1, Ordering::Relaxed);
        if let Some(since) = since {
            self.waited.lock().observe(since.elapsed());
        }
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        self.running.lock().insert(ticket, Instant::now());
        ticket
    }

    pub fn ended(&self, ticket: u64) {
        if let Some(since) = self.running.lock().remove(&ticket) {
            self.worked.lock().observe(since.elapsed());
        }
    }
}

/// One request to the API server; `host` is how it is reached.
pub(crate) fn request(code: &str, method: &str, host: &'static str) {
    *REQUESTS.lock().entry((code.to_owned(), method.to_owned(), host)).or_default() += 1;
}

/// Everything, for `/metrics`.
pub fn render() -> String {
    let mut out = String::new();
    let queues: Vec<(String, Arc<QueueMetrics>)> = QUEUES.lock().iter().map(|(name, q)| (name.clone(), q.clone())).collect();
    let mut each = |name: &str, ty: &str, help: &str, value: &dyn Fn(&QueueMetrics) -> String| {
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {ty}\n");
        for (queue, metrics) in &queues {
            let _ = writeln!(out, "{name}{{name=\"{queue}\"}} {}", value(metrics));
        }
    };
    each("workqueue_depth", "gauge", "Keys that wait.", &|q| q.depth.load(Ordering::Relaxed).max(0).to_string());
    each("workqueue_adds_total", "counter", "Keys added.", &|q| q.adds.load(Ordering::Relaxed).to_string());
    each("workqueue_retries_total", "counter", "Keys added again after a failure.", &|q| q.retries.load(Ordering::Relaxed).to_string());
    let unfinished = |q: &QueueMetrics| q.running.lock().values().map(|since| since.elapsed().as_secs_f64()).fold(0.0, |a, b| a + b);
    each("workqueue_unfinished_work_seconds", "gauge", "Time spent on work that has not ended.", &|q| unfinished(q).to_string());
    let longest = |q: &QueueMetrics| q.running.lock().values().map(|since| since.elapsed().as_secs_f64()).fold(0.0, f64::max);
    each("workqueue_longest_running_processor_seconds", "gauge", "Time spent on the longest of it.", &|q| longest(q).to_string());
    for (name, help) in
        [("workqueue_queue_duration_seconds", "How long keys waited."), ("workqueue_work_duration_seconds", "How long work on keys took.")]
    {
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} histogram\n");
        for (queue, metrics) in &queues {
            let told = if name.starts_with("workqueue_queue") { metrics.waited.lock() } else { metrics.worked.lock() };
            let mut total = 0;
            for (count, (_, bound)) in told.counts.iter().zip(&BOUNDS) {
                total += count;
                let _ = writeln!(out, "{name}_bucket{{name=\"{queue}\",le=\"{bound}\"}} {total}");
            }
            let _ = writeln!(out, "{name}_bucket{{name=\"{queue}\",le=\"+Inf\"}} {}", told.count);
            let _ = writeln!(out, "{name}_sum{{name=\"{queue}\"}} {}\n{name}_count{{name=\"{queue}\"}} {}", told.sum, told.count);
        }
    }
    let name = "rest_client_requests_total";
    let _ = write!(out, "# HELP {name} Requests to the API server.\n# TYPE {name} counter\n");
    for ((code, method, host), count) in REQUESTS.lock().iter() {
        let _ = writeln!(out, "{name}{{code=\"{code}\",host=\"{host}\",method=\"{method}\"}} {count}");
    }
    out
}
