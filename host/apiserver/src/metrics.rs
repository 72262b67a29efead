//! Counters in Prometheus' text form, with upstream's names.

use crate::request::RequestInfo;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

#[derive(Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<Labels, Total>>,
    watches: AtomicI64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Labels {
    verb: String,
    group: String,
    version: String,
    resource: String,
    subresource: String,
    code: u16,
}

#[derive(Default)]
struct Total {
    count: u64,
    seconds: f64,
}

impl Metrics {
    pub fn request(&self, info: &RequestInfo, code: u16, elapsed: Duration) {
        // Only known words become labels: a stranger must not grow the table by inventing paths.
        let known = code != 404 && code != 401 && code != 403;
        let word = |text: &str| if known { text.to_owned() } else { String::new() };
        let labels = Labels {
            verb: info.verb.to_uppercase(),
            group: word(&info.group),
            version: word(&info.version),
            resource: word(&info.resource),
            subresource: word(&info.subresource),
            code,
        };
        let mut requests = self.requests.lock();
        let total = requests.entry(labels).or_default();
        total.count += 1;
        total.seconds += elapsed.as_secs_f64();
    }

    pub fn watch_started(&self) {
        self.watches.fetch_add(1, Ordering::Relaxed);
    }

    pub fn watch_ended(&self) {
        self.watches.fetch_sub(1, Ordering::Relaxed);
    }

    pub fn render(&self, objects: impl Iterator<Item = (String, usize)>) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "# TYPE apiserver_request_total counter");
        let requests = self.requests.lock();
        for (l, total) in requests.iter() {
            let _ = writeln!(out, "apiserver_request_total{{{}}} {}", labels(l), total.count);
        }
        let _ = writeln!(out, "# TYPE apiserver_request_duration_seconds_sum counter");
        for (l, total) in requests.iter() {
            let _ = writeln!(out, "apiserver_request_duration_seconds_sum{{{}}} {:.6}", labels(l), total.seconds);
        }
        drop(requests);
        let _ = writeln!(out, "# TYPE apiserver_longrunning_requests gauge");
        let _ = writeln!(out, "apiserver_longrunning_requests{{verb=\"WATCH\"}} {}", self.watches.load(Ordering::Relaxed).max(0));
        let _ = writeln!(out, "# TYPE apiserver_resource_objects gauge");
        for (resource, count) in objects {
            let _ = writeln!(out, "apiserver_resource_objects{{resource=\"{resource}\"}} {count}");
        }
        out
    }
}

fn labels(l: &Labels) -> String {
    format!(
        "verb=\"{}\",group=\"{}\",version=\"{}\",resource=\"{}\",subresource=\"{}\",code=\"{}\"",
        l.verb, l.group, l.version, l.resource, l.subresource, l.code
    )
}
