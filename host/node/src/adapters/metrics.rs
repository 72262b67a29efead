//! What adapters tell of, kept until the pod is gone and shown in Prometheus' text format 0.0.4.

use interfaces::adapt::{Kind, Sample};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Combinations of labels that a metric may have (`wit/adapter.wit`).
const MOST_SERIES: usize = 1000;
/// Metrics of one endpoint, and labels of one sample: beyond what anybody reads.
const MOST_METRICS: usize = 200;
const MOST_LABELS: usize = 20;
/// Of a label's value, in bytes.
const LONGEST_VALUE: usize = 1024;

/// Prometheus' own default buckets (`client_golang` `DefBuckets`).
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[derive(Default)]
pub struct Metrics(Mutex<Families>);

#[derive(Default)]
struct Families {
    by_name: BTreeMap<String, Family>,
    dropped: u64,
}

struct Family {
    kind: Kind,
    series: BTreeMap<Vec<(String, String)>, Series>,
}

#[derive(Default)]
struct Series {
    value: f64,
    count: u64,
    buckets: [u64; BUCKETS.len()],
}

impl Metrics {
    /// Samples that no metric can have are counted in `coracle_adapter_samples_dropped_total`.
    pub fn record(&self, samples: &[Sample]) {
        let mut families = self.0.lock();
        for sample in samples {
            if !families.record(sample) {
                families.dropped += 1;
            }
        }
    }

    pub fn render(&self) -> String {
        let families = self.0.lock();
        let mut out = String::new();
        for (name, family) in &families.by_name {
            let kind = match family.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            let _ = writeln!(out, "# TYPE {name} {kind}");
            for (labels, series) in &family.series {
                if family.kind != Kind::Histogram {
                    let _ = writeln!(out, "{name}{} {}", shown(labels, None), series.value);
                    continue;
                }
                for (bound, count) in BUCKETS.iter().zip(series.buckets) {
                    let _ = writeln!(out, "{name}_bucket{} {count}", shown(labels, Some(&bound.to_string())));
                }
                let _ = writeln!(out, "{name}_bucket{} {}", shown(labels, Some("+Inf")), series.count);
                let _ = writeln!(out, "{name}_sum{} {}", shown(labels, None), series.value);
                let _ = writeln!(out, "{name}_count{} {}", shown(labels, None), series.count);
            }
        }
        let _ = writeln!(out, "# TYPE coracle_adapter_samples_dropped_total counter");
        let _ = writeln!(out, "coracle_adapter_samples_dropped_total {}", families.dropped);
        out
    }
}

impl Families {
    fn record(&mut self, sample: &Sample) -> bool {
        let plain = is_name(&sample.name, true)
            && sample.labels.len() <= MOST_LABELS
            && sample.labels.iter().all(|(name, value)| is_name(name, false) && name != "le" && value.len() <= LONGEST_VALUE)
            && sample.value.is_finite()
            && (sample.kind != Kind::Counter || sample.value >= 0.0);
        if !plain || (!self.by_name.contains_key(&sample.name) && self.by_name.len() >= MOST_METRICS) {
            return false;
        }
        let family = self.by_name.entry(sample.name.clone()).or_insert_with(|| Family { kind: sample.kind, series: BTreeMap::new() });
        let mut labels = sample.labels.clone();
        labels.sort();
        if labels.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
            return false;
        }
        if family.kind != sample.kind || (!family.series.contains_key(&labels) && family.series.len() >= MOST_SERIES) {
            return false;
        }
        let series = family.series.entry(labels).or_default();
        match sample.kind {
            Kind::Counter => series.value += sample.value,
            Kind::Gauge => series.value = sample.value,
            Kind::Histogram => {
                series.value += sample.value;
                series.count += 1;
                let within = BUCKETS.iter().zip(&mut series.buckets).filter(|(bound, _)| sample.value <= **bound);
                within.for_each(|(_, count)| *count += 1);
            }
        }
        true
    }
}

fn is_name(name: &str, colon: bool) -> bool {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || (colon && b == b':'));
    first && name.len() <= 128 && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || (colon && b == b':'))
}

fn shown(labels: &[(String, String)], bound: Option<&str>) -> String {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let mut all: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    all.extend(bound.map(|bound| format!("le=\"{bound}\"")));
    if all.is_empty() { String::new() } else { format!("{{{}}}", all.join(",")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &str, kind: Kind, labels: &[(&str, &str)], value: f64) -> Sample {
        Sample { name: name.into(), kind, labels: labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(), value }
    }

    #[test]
    fn samples_add_up() {
        let metrics = Metrics::default();
        metrics.record(&[
            sample("a_total", Kind::Counter, &[("x", "1\"\n\\")], 2.0),
            sample("a_total", Kind::Counter, &[("x", "1\"\n\\")], 0.5),
            sample("g", Kind::Gauge, &[("b", "2"), ("a", "1")], 7.0),
            sample("g", Kind::Gauge, &[("a", "1"), ("b", "2")], -3.0),
            sample("h", Kind::Histogram, &[], 0.3),
            sample("h", Kind::Histogram, &[], 20.0),
        ]);
        let text = metrics.render();
        for line in [
            "# TYPE a_total counter",
            r#"a_total{x="1\"\n\\"} 2.5"#,
            r#"g{a="1",b="2"} -3"#,
            r#"h_bucket{le="0.25"} 0"#,
            r#"h_bucket{le="0.5"} 1"#,
            r#"h_bucket{le="+Inf"} 2"#,
            "h_sum 20.3",
            "h_count 2",
            "coracle_adapter_samples_dropped_total 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn what_cannot_be_a_metric_is_dropped_and_counted() {
        let metrics = Metrics::default();
        metrics.record(&[sample("ok", Kind::Counter, &[], 1.0)]);
        let bad = [
            sample("1x", Kind::Gauge, &[], 1.0),
            sample("", Kind::Gauge, &[], 1.0),
            sample("x y", Kind::Gauge, &[], 1.0),
            sample("ok", Kind::Gauge, &[], 1.0),
            sample("ok", Kind::Counter, &[], -1.0),
            sample("g", Kind::Gauge, &[], f64::NAN),
            sample("g", Kind::Gauge, &[("a:b", "")], 1.0),
            sample("g", Kind::Gauge, &[("le", "1")], 1.0),
            sample("g", Kind::Gauge, &[("a", "1"), ("a", "2")], 1.0),
            sample("g", Kind::Gauge, &[("a", &"x".repeat(2000))], 1.0),
        ];
        metrics.record(&bad);
        assert!(metrics.render().contains(&format!("dropped_total {}\n", bad.len())), "{}", metrics.render());
        let many: Vec<Sample> = (0..MOST_SERIES + 5).map(|i| sample("many", Kind::Gauge, &[("i", &i.to_string())], 1.0)).collect();
        metrics.record(&many);
        assert!(metrics.render().contains(&format!("dropped_total {}\n", bad.len() + 5)));
    }
}
