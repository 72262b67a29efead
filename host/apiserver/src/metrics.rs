//! Counters in Prometheus' text form, with upstream's names and labels
//! (`k8s.io/apiserver/pkg/endpoints/metrics/metrics.go`, `storage/etcd3/metrics/metrics.go`).
//!
//! Invariant: only words of the rows become labels, so that no client can grow a table by inventing paths.

mod histogram;
mod process;
mod storage;
mod text;

pub use storage::Metered;

use crate::request::RequestInfo;
use histogram::Histogram;
use parking_lot::Mutex;
use registry::Kind;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use storage::Storage;
use text::Text;

/// Seconds: upstream's buckets of `request_duration_seconds`; `request_sli_duration_seconds` leaves out the first two.
const SECONDS: &[f64] =
    &[0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0];
const SLI_FROM: usize = 2;
/// Bytes: ten times more each, from 1,000.
const SIZES: &[f64] = &[1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
/// Bytes: twice as much each, from 1,024.
const EVENT_SIZES: &[f64] = &[1024.0, 2048.0, 4096.0, 8192.0, 16384.0, 32768.0, 65536.0, 131_072.0];

#[derive(Default)]
pub struct Metrics {
    requests: Mutex<HashMap<Labels, Requests>>,
    long_running: Mutex<BTreeMap<Labels, i64>>,
    reading: AtomicI64,
    writing: AtomicI64,
    watches: Mutex<BTreeMap<(String, String, String), Arc<Watched>>>,
    pub storage: Arc<Storage>,
}

/// What a request was, in upstream's words.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels {
    verb: &'static str,
    dry_run: &'static str,
    group: String,
    version: String,
    resource: String,
    subresource: String,
    scope: &'static str,
}

struct Requests {
    by_code: Vec<(u16, u64)>,
    seconds: Histogram,
    sizes: Histogram,
}

/// Events of one resource.
pub struct Watched {
    events: AtomicU64,
    sizes: Mutex<Histogram>,
}

/// One request in flight, or one long-running request; counted while it lives.
pub struct InFlight<'m>(&'m AtomicI64);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Labels {
    /// `known`: the path names a row.
    pub fn new(info: &RequestInfo, known: bool, dry_run: bool, is_apply: bool) -> Self {
        let word = |text: &str| if known { text.to_owned() } else { String::new() };
        let verb = match info.verb.as_str() {
            _ if !info.is_resource => match info.verb.as_str() {
                "get" | "head" => "GET",
                "post" => "POST",
                "put" => "PUT",
                "patch" => "PATCH",
                "delete" => "DELETE",
                _ => "other",
            },
            _ if matches!(info.subresource.as_str(), "log" | "exec" | "attach" | "portforward" | "proxy") => "CONNECT",
            "get" => "GET",
            "list" => "LIST",
            "watch" => "WATCH",
            "create" => "POST",
            "update" => "PUT",
            "patch" if is_apply => "APPLY",
            "patch" => "PATCH",
            "delete" | "deletecollection" => "DELETE",
            _ => "other",
        };
        // `CleanScope`.
        let scope = if !info.is_resource {
            ""
        } else if !info.name.is_empty() || info.verb == "create" {
            "resource"
        } else if !info.namespace.is_empty() {
            "namespace"
        } else {
            "cluster"
        };
        Self {
            verb,
            dry_run: if dry_run { "All" } else { "" },
            group: word(&info.group),
            version: word(&info.version),
            resource: word(&info.resource),
            subresource: if info.is_resource { word(&info.subresource) } else { plain_path(&info.path) },
            scope,
        }
    }

    fn text(&self, dry_run: bool) -> String {
        let dry = if dry_run { format!("dry_run=\"{}\",", self.dry_run) } else { String::new() };
        format!(
            "verb=\"{}\",{dry}group=\"{}\",version=\"{}\",resource=\"{}\",subresource=\"{}\",scope=\"{}\",component=\"apiserver\"",
            self.verb, self.group, self.version, self.resource, self.subresource, self.scope
        )
    }
}

/// The first words of paths that are no resource, when they are known ones.
fn plain_path(path: &str) -> String {
    let known = ["/api", "/apis", "/healthz", "/livez", "/readyz", "/metrics", "/version", "/openapi/v2", "/openapi/v3"];
    known.iter().find(|k| path == **k).map(|k| (*k).to_owned()).unwrap_or_default()
}

impl Metrics {
    pub fn request(&self, labels: Labels, code: u16, elapsed: Duration, size: Option<u64>) {
        let mut requests = self.requests.lock();
        let told = requests.entry(labels).or_insert_with_key(|labels| Requests {
            by_code: Vec::new(),
            seconds: Histogram::new(SECONDS),
            // Only those of reads are told.
            sizes: Histogram::new(if matches!(labels.verb, "GET" | "LIST") { SIZES } else { &[] }),
        });
        match told.by_code.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => *count += 1,
            None => told.by_code.push((code, 1)),
        }
        told.seconds.observe(elapsed.as_secs_f64());
        if let Some(size) = size {
            told.sizes.observe(size as f64);
        }
    }

    pub fn in_flight(&self, info: &RequestInfo) -> InFlight<'_> {
        let writing = info.is_resource && !matches!(info.verb.as_str(), "get" | "list" | "watch");
        let counter = if writing { &self.writing } else { &self.reading };
        counter.fetch_add(1, Ordering::Relaxed);
        InFlight(counter)
    }

    pub fn long_running_started(&self, labels: &Labels) {
        *self.long_running.lock().entry(labels.clone()).or_default() += 1;
    }

    pub fn long_running_ended(&self, labels: &Labels) {
        if let Some(count) = self.long_running.lock().get_mut(labels) {
            *count -= 1;
        }
    }

    /// What counts the events of a resource's watches.
    pub fn watched(&self, kind: &Kind) -> Arc<Watched> {
        let name = (kind.group.clone(), kind.version.clone(), kind.resource.clone());
        let new = || Arc::new(Watched { events: AtomicU64::new(0), sizes: Mutex::new(Histogram::new(EVENT_SIZES)) });
        self.watches.lock().entry(name).or_insert_with(new).clone()
    }

    /// `objects`: group, resource, and how many there are.
    pub fn render(&self, objects: impl Iterator<Item = (String, String, usize)>) -> String {
        let mut text = Text::default();
        self.render_requests(&mut text);
        text.head("apiserver_current_inflight_requests", "gauge", "Requests that are answered now, long-running ones apart.");
        for (kind, counter) in [("mutating", &self.writing), ("readOnly", &self.reading)] {
            let labels = format!("request_kind=\"{kind}\"");
            text.line("apiserver_current_inflight_requests", &labels, counter.load(Ordering::Relaxed).max(0));
        }
        text.head("apiserver_longrunning_requests", "gauge", "Watches, streams and proxied requests that are open now.");
        for (labels, count) in self.long_running.lock().iter() {
            text.line("apiserver_longrunning_requests", &labels.text(false), count);
        }
        self.render_watches(&mut text);
        let mut objects: Vec<_> = objects.collect();
        objects.sort();
        text.head("apiserver_storage_objects", "gauge", "Stored objects by resource.");
        for (group, resource, count) in &objects {
            let name = if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") };
            text.line("apiserver_storage_objects", &format!("resource=\"{name}\""), count);
        }
        text.head("apiserver_resource_objects", "gauge", "Stored objects by group and resource.");
        for (group, resource, count) in &objects {
            text.line("apiserver_resource_objects", &format!("group=\"{group}\",resource=\"{resource}\""), count);
        }
        self.storage.render(&mut text);
        process::render(&mut text);
        text.out
    }

    fn render_requests(&self, text: &mut Text) {
        let requests = self.requests.lock();
        let mut sorted: Vec<(&Labels, &Requests)> = requests.iter().collect();
        sorted.sort_by_key(|(labels, _)| *labels);
        text.head("apiserver_request_total", "counter", "Requests by what they were and how they ended.");
        for (labels, told) in &sorted {
            for (code, count) in &told.by_code {
                text.line("apiserver_request_total", &format!("{},code=\"{code}\"", labels.text(true)), count);
            }
        }
        text.head("apiserver_request_duration_seconds", "histogram", "How long requests took.");
        for (labels, told) in &sorted {
            text.histogram("apiserver_request_duration_seconds", &labels.text(true), &told.seconds, 0);
        }
        text.head("apiserver_request_sli_duration_seconds", "histogram", "How long requests took that were no dry runs.");
        for (labels, told) in sorted.iter().filter(|(labels, _)| labels.dry_run.is_empty()) {
            text.histogram("apiserver_request_sli_duration_seconds", &labels.text(false), &told.seconds, SLI_FROM);
        }
        text.head("apiserver_response_sizes", "histogram", "Bytes of answers to reads.");
        for (labels, told) in sorted.iter().filter(|(_, told)| told.sizes.count() > 0) {
            text.histogram("apiserver_response_sizes", &labels.text(false), &told.sizes, 0);
        }
    }

    fn render_watches(&self, text: &mut Text) {
        let watches = self.watches.lock();
        let labels = |(group, version, resource): &(String, String, String)| {
            format!("group=\"{group}\",version=\"{version}\",resource=\"{resource}\"")
        };
        text.head("apiserver_watch_events_total", "counter", "Events sent to watchers.");
        for (name, watched) in watches.iter() {
            text.line("apiserver_watch_events_total", &labels(name), watched.events.load(Ordering::Relaxed));
        }
        text.head("apiserver_watch_events_sizes", "histogram", "Bytes of events sent to watchers.");
        for (name, watched) in watches.iter() {
            text.histogram("apiserver_watch_events_sizes", &labels(name), &watched.sizes.lock(), 0);
        }
    }
}

impl Watched {
    pub fn event(&self, size: usize) {
        self.events.fetch_add(1, Ordering::Relaxed);
        self.sizes.lock().observe(size as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;

    #[test]
    fn requests_are_told_in_upstreams_words() {
        let metrics = Metrics::default();
        let told = |method: Method, path: &str, watching: bool, apply: bool, code: u16, millis: u64, size: Option<u64>| {
            let info = RequestInfo::parse(&method, path, watching);
            metrics.request(Labels::new(&info, true, false, apply), code, Duration::from_millis(millis), size);
        };
        let pod = "/api/v1/namespaces/a/pods/p";
        told(Method::GET, pod, false, false, 200, 3, Some(500));
        told(Method::GET, pod, false, false, 404, 30, Some(5_000));
        told(Method::GET, "/apis/apps/v1/deployments", false, false, 200, 70, Some(2_000_000));
        told(Method::PATCH, pod, false, true, 200, 1, None);
        told(Method::GET, "/api/v1/namespaces/a/pods", true, false, 200, 1, None);
        told(Method::GET, "/nonsense", false, false, 404, 1, None);
        let text = metrics.render([("apps".to_owned(), "deployments".to_owned(), 2)].into_iter());
        let get = "verb=\"GET\",dry_run=\"\",group=\"\",version=\"v1\",resource=\"pods\",subresource=\"\",scope=\"resource\",component=\"apiserver\"";
        for line in [
            format!("apiserver_request_total{{{get},code=\"200\"}} 1"),
            format!("apiserver_request_total{{{get},code=\"404\"}} 1"),
            format!("apiserver_request_duration_seconds_bucket{{{get},le=\"0.005\"}} 1"),
            format!("apiserver_request_duration_seconds_bucket{{{get},le=\"0.05\"}} 2"),
            format!("apiserver_request_duration_seconds_bucket{{{get},le=\"+Inf\"}} 2"),
            format!("apiserver_request_duration_seconds_count{{{get}}} 2"),
            "apiserver_request_total{verb=\"APPLY\",dry_run=\"\",group=\"\",version=\"v1\",resource=\"pods\",subresource=\"\",scope=\"resource\",component=\"apiserver\",code=\"200\"} 1".to_owned(),
            "apiserver_request_sli_duration_seconds_bucket{verb=\"LIST\",group=\"apps\",version=\"v1\",resource=\"deployments\",subresource=\"\",scope=\"cluster\",component=\"apiserver\",le=\"0.05\"} 0".to_owned(),
            "apiserver_response_sizes_bucket{verb=\"LIST\",group=\"apps\",version=\"v1\",resource=\"deployments\",subresource=\"\",scope=\"cluster\",component=\"apiserver\",le=\"1e+07\"} 1".to_owned(),
            "apiserver_storage_objects{resource=\"deployments.apps\"} 2".to_owned(),
            "apiserver_resource_objects{group=\"apps\",resource=\"deployments\"} 2".to_owned(),
            "apiserver_current_inflight_requests{request_kind=\"mutating\"} 0".to_owned(),
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
        assert!(!text.contains("nonsense"));
        assert!(
            text.contains("verb=\"WATCH\",dry_run=\"\",group=\"\",version=\"v1\",resource=\"pods\",subresource=\"\",scope=\"namespace\"")
        );
        assert!(text.contains("\nprocess_open_fds ") && text.contains("\nprocess_start_time_seconds "));
    }
}
