//! `wit/metrics.wit`, and the figures of all loaded plugins in Prometheus' text form.

use crate::ctx::State;
use crate::plugins::bindings::coracle::plugin::metrics as wit;
use crate::plugins::counters::Counters;
use crate::plugins::guest::{GuestView, HasGuest, view};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::Result;
use wasmtime::component::Linker;

/// As `wit/metrics.wit` says.
const SERIES: usize = 200;
const LONGEST: usize = 128;
const LABELS: usize = 16;

/// `prometheus.DefBuckets`, in seconds.
const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// By name of the plugin.
static LOADED: Mutex<BTreeMap<String, Loaded>> = Mutex::new(BTreeMap::new());

struct Loaded {
    figures: Arc<Figures>,
    counters: Arc<Counters>,
}

/// The series of one plugin, by metric and labels.
#[derive(Debug, Default)]
pub struct Figures {
    series: Mutex<BTreeMap<(String, String), Series>>,
    dropped: AtomicU64,
}

#[derive(Clone, Debug)]
enum Series {
    Counter(f64),
    Gauge(f64),
    /// Counts up to each bound, of all, and their sum.
    Histogram(Box<([u64; BOUNDS.len()], u64, f64)>),
}

pub(crate) fn link(l: &mut Linker<State>) -> Result<()> {
    wit::add_to_linker::<State, HasGuest>(l, view)
}

/// Shows a plugin's figures from now on.
pub fn show(plugin: &str, figures: Arc<Figures>, counters: Arc<Counters>) {
    LOADED.lock().insert(plugin.to_owned(), Loaded { figures, counters });
}

/// Shows them no more.
pub fn hide(plugin: &str) {
    LOADED.lock().remove(plugin);
}

/// Of all plugins.
pub fn render() -> String {
    let mut text = String::new();
    let loaded = LOADED.lock();
    if loaded.is_empty() {
        return text;
    }
    type Own = (&'static str, &'static str, &'static str, fn(&Loaded) -> f64);
    let own: [Own; 7] = [
        ("calls_total", "counter", "Calls of the plugin.", |l| l.counters.read().calls as f64),
        ("failures_total", "counter", "Calls that failed.", |l| l.counters.read().failures as f64),
        ("traps_total", "counter", "Calls that trapped or exceeded their memory.", |l| l.counters.read().traps as f64),
        ("timeouts_total", "counter", "Calls that took too long.", |l| l.counters.read().timeouts as f64),
        ("instances_total", "counter", "Instances that were made.", |l| l.counters.read().instances as f64),
        ("call_p99_seconds", "gauge", "99 of 100 good calls took at most this.", |l| l.counters.read().p99_micros as f64 / 1e6),
        ("dropped_series_total", "counter", "Figures beyond the limit of series.", |l| l.figures.dropped.load(Ordering::Relaxed) as f64),
    ];
    for (name, ty, help, read) in own {
        let _ = writeln!(text, "# HELP coracle_plugin_{name} {help}\n# TYPE coracle_plugin_{name} {ty}");
        for (plugin, loaded) in &*loaded {
            let _ = writeln!(text, "coracle_plugin_{name}{{plugin=\"{plugin}\"}} {}", read(loaded));
        }
    }
    // All series of a metric stand together, whichever plugin's they are; of two types, the first one's counts.
    let mut metrics: BTreeMap<String, Vec<(String, Series)>> = BTreeMap::new();
    for (plugin, loaded) in &*loaded {
        for ((name, labels), series) in &*loaded.figures.series.lock() {
            let labels = format!("plugin=\"{plugin}\"{labels}");
            metrics.entry(name.clone()).or_default().push((labels, series.clone()));
        }
    }
    for (name, series) in metrics {
        let Some(ty) = series.first().map(|(_, first)| first.type_name()) else { continue };
        if own.iter().any(|(own, ..)| *own == name) {
            continue;
        }
        let _ = writeln!(text, "# TYPE coracle_plugin_{name} {ty}");
        series.iter().filter(|(_, series)| series.type_name() == ty).for_each(|(labels, series)| series.write(&mut text, &name, labels));
    }
    text
}

impl Series {
    fn type_name(&self) -> &'static str {
        match self {
            Self::Counter(_) => "counter",
            Self::Gauge(_) => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }

    fn write(&self, text: &mut String, name: &str, labels: &str) {
        // Writing to a String does not fail.
        let _ = match self {
            Self::Counter(value) | Self::Gauge(value) => writeln!(text, "coracle_plugin_{name}{{{labels}}} {value}"),
            Self::Histogram(histogram) => {
                let (counts, all, sum) = &**histogram;
                for (bound, count) in BOUNDS.iter().zip(counts) {
                    let _ = writeln!(text, "coracle_plugin_{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
                }
                writeln!(
                    text,
                    "coracle_plugin_{name}_bucket{{{labels},le=\"+Inf\"}} {all}\n\
                     coracle_plugin_{name}_sum{{{labels}}} {sum}\ncoracle_plugin_{name}_count{{{labels}}} {all}"
                )
            }
        };
    }
}

impl Figures {
    fn change(&self, name: String, labels: &[(String, String)], new: Series, change: impl FnOnce(&mut Series)) {
        let Some(labels) = is_name(&name).then(|| labels_text(labels)).flatten() else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let mut series = self.series.lock();
        let full = series.len() >= SERIES;
        match series.entry((name, labels)) {
            std::collections::btree_map::Entry::Occupied(mut known) => change(known.get_mut()),
            std::collections::btree_map::Entry::Vacant(_) if full => drop(self.dropped.fetch_add(1, Ordering::Relaxed)),
            std::collections::btree_map::Entry::Vacant(free) => change(free.insert(new)),
        }
    }
}

impl wit::Host for GuestView<'_> {
    fn count(&mut self, name: String, labels: Vec<(String, String)>, value: f64) {
        let Some(guest) = &self.0 else { return };
        if value.is_finite() && value >= 0.0 {
            guest.given.figures.change(name, &labels, Series::Counter(0.0), |series| {
                if let Series::Counter(sum) = series {
                    *sum += value;
                }
            });
        }
    }

    fn gauge(&mut self, name: String, labels: Vec<(String, String)>, value: f64) {
        let Some(guest) = &self.0 else { return };
        guest.given.figures.change(name, &labels, Series::Gauge(0.0), |series| {
            if let Series::Gauge(now) = series {
                *now = value;
            }
        });
    }

    fn observe(&mut self, name: String, labels: Vec<(String, String)>, value: f64) {
        let Some(guest) = &self.0 else { return };
        if value.is_finite() {
            guest.given.figures.change(name, &labels, Series::Histogram(Box::default()), |series| {
                if let Series::Histogram(histogram) = series {
                    let (counts, all, sum) = &mut **histogram;
                    BOUNDS.iter().zip(counts).filter(|(bound, _)| value <= **bound).for_each(|(_, count)| *count += 1);
                    *all += 1;
                    *sum += value;
                }
            });
        }
    }
}

/// A metric's or a label's name.
fn is_name(name: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    !name.is_empty() && name.len() <= LONGEST && name.bytes().enumerate().all(|(at, b)| letter(b) || (at > 0 && b.is_ascii_digit()))
}

/// `,a="b",c="d"`, sorted; `None` when one of them is no label.
fn labels_text(labels: &[(String, String)]) -> Option<String> {
    let mut sorted: Vec<&(String, String)> = labels.iter().collect();
    sorted.sort();
    let good = |(key, value): &&(String, String)| is_name(key) && key != "plugin" && key != "le" && value.len() <= LONGEST;
    if sorted.len() > LABELS || !sorted.iter().all(good) || sorted.windows(2).any(|pair| matches!(pair, [a, b] if a.0 == b.0)) {
        return None;
    }
    let mut text = String::new();
    for (key, value) in sorted {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(text, ",{key}=\"{value}\"");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn labels_are_sorted_and_escaped() {
        let check = |pairs: &[(&str, &str)], expect: Option<&str>| assert_eq!(labels_text(&labels(pairs)).as_deref(), expect, "{pairs:?}");
        check(&[], Some(""));
        check(&[("b", "x\"y"), ("a", "1")], Some(",a=\"1\",b=\"x\\\"y\""));
        check(&[("a", "1"), ("a", "2")], None);
        check(&[("plugin", "other")], None);
        check(&[("1a", "")], None);
        check(&[("a", &"x".repeat(200))], None);
    }

    #[test]
    fn series_are_limited() {
        let figures = Figures::default();
        for n in 0..300 {
            figures.change("n".to_owned(), &labels(&[("i", &n.to_string())]), Series::Counter(0.0), |_| {});
        }
        assert_eq!((figures.series.lock().len(), figures.dropped.load(Ordering::Relaxed)), (SERIES, 100));
    }
}
