//! What the store is asked, and how long it takes: `etcd_request_duration_seconds` and its siblings, whatever the engine is.

use super::SECONDS;
use super::histogram::Histogram;
use super::text::Text;
use async_trait::async_trait;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use store::{Compare, Entry, Error, EventBatch, Op, Page, Revision, Store, Txn, TxnOutcome};

#[derive(Default)]
pub struct Storage {
    requests: Mutex<BTreeMap<Labels, Requests>>,
}

/// Operation, group, resource.
type Labels = (&'static str, String, String);

struct Requests {
    seconds: Histogram,
    errors: u64,
}

impl Storage {
    fn told<T>(&self, operation: &'static str, key: &[u8], started: Instant, outcome: Result<T, Error>) -> Result<T, Error> {
        let (group, resource) = names(key).unwrap_or_default();
        let mut requests = self.requests.lock();
        let new = || Requests { seconds: Histogram::new(SECONDS), errors: 0 };
        let told = requests.entry((operation, group.to_owned(), resource.to_owned())).or_insert_with(new);
        told.seconds.observe(started.elapsed().as_secs_f64());
        told.errors += u64::from(outcome.is_err());
        outcome
    }

    pub fn render(&self, text: &mut Text) {
        let requests = self.requests.lock();
        let labels = |(operation, group, resource): &Labels| format!("operation=\"{operation}\",group=\"{group}\",resource=\"{resource}\"");
        text.head("etcd_request_duration_seconds", "histogram", "How long the store took.");
        for (name, told) in requests.iter() {
            text.histogram("etcd_request_duration_seconds", &labels(name), &told.seconds, 0);
        }
        text.head("etcd_requests_total", "counter", "Requests to the store.");
        for (name, told) in requests.iter() {
            text.line("etcd_requests_total", &labels(name), told.seconds.count());
        }
        text.head("etcd_request_errors_total", "counter", "Requests that the store failed.");
        for (name, told) in requests.iter().filter(|(_, told)| told.errors > 0) {
            text.line("etcd_request_errors_total", &labels(name), told.errors);
        }
    }
}

/// Group and resource of `/registry/<group>/<resource>/…`.
fn names(key: &[u8]) -> Option<(&str, &str)> {
    let mut parts = std::str::from_utf8(key).ok()?.strip_prefix("/registry/")?.split('/');
    let (group, resource) = (parts.next()?, parts.next()?);
    Some((if group == "core" { "" } else { group }, resource))
}

/// A store whose answers are timed.
pub struct Metered {
    pub inner: Arc<dyn Store>,
    pub storage: Arc<Storage>,
}

#[async_trait]
impl Store for Metered {
    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, Error> {
        let started = Instant::now();
        self.storage.told("get", key, started, self.inner.get(key).await)
    }

    async fn range(&self, start: &[u8], end: &[u8], limit: usize, at: Option<Revision>) -> Result<Page, Error> {
        let started = Instant::now();
        self.storage.told("list", start, started, self.inner.range(start, end, limit, at).await)
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, Error> {
        let (operation, key) = match txn.ops.first() {
            Some(Op::Delete { key }) => ("delete", key.clone()),
            Some(Op::Put { key, .. }) if txn.compares.iter().any(|c| matches!(c, Compare::Absent(_))) => ("create", key.clone()),
            Some(Op::Put { key, .. }) => ("update", key.clone()),
            None => return self.inner.txn(txn).await,
        };
        let started = Instant::now();
        self.storage.told(operation, &key, started, self.inner.txn(txn).await)
    }

    async fn watch(&self, prefix: &[u8], after: Revision) -> Result<BoxStream<'static, Result<EventBatch, Error>>, Error> {
        self.inner.watch(prefix, after).await
    }

    async fn compact(&self, revision: Revision) -> Result<(), Error> {
        self.inner.compact(revision).await
    }

    async fn progress(&self) -> Result<Revision, Error> {
        self.inner.progress().await
    }

    fn revision(&self) -> Revision {
        self.inner.revision()
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.close().await
    }
}
