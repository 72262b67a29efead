//! One request on its way: who, about what, with which options and body.

use crate::query::Query;
use crate::request::RequestInfo;
use crate::server::Shared;
use bytes::Bytes;
use http::{HeaderMap, Method};
use interfaces::authorize::UserInfo;
use parking_lot::Mutex;
use registry::{Kind, Subresource};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub type Response = http::Response<axum::body::Body>;

/// Told to long-running requests of a network connection: end now, the server drains.
#[derive(Clone, Debug)]
pub struct Drain(pub CancellationToken);

pub struct Call {
    pub shared: Arc<Shared>,
    /// Who it acts as.
    pub user: Arc<UserInfo>,
    pub info: RequestInfo,
    pub method: Method,
    pub query: Query,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub drain: Option<CancellationToken>,
    /// `Warning` headers of the answer, whatever it will be.
    warnings: Mutex<Vec<String>>,
    /// What admission notes of the request, for the log.
    annotations: Mutex<Vec<(String, String)>>,
}

/// The row that a path names, with the subresource when it names one.
pub struct Target {
    pub kind: Arc<Kind>,
    /// The row in whose form its objects are stored; mostly the same.
    pub stored: Arc<Kind>,
    pub subresource: Option<Subresource>,
}

/// Characters of all warnings of an answer.
const WARNINGS_MAX: usize = 4096;
/// Characters of one warning that would go beyond it.
const WARNING_MAX: usize = 256;
/// Some clients take a hundred headers in all.
const WARNINGS: usize = 64;

impl Call {
    pub fn new(
        shared: Arc<Shared>,
        user: Arc<UserInfo>,
        info: RequestInfo,
        parts: &http::request::Parts,
        query: Query,
        body: Bytes,
    ) -> Self {
        Self {
            shared,
            user,
            info,
            method: parts.method.clone(),
            query,
            headers: parts.headers.clone(),
            body,
            drain: parts.extensions.get::<Drain>().map(|d| d.0.clone()),
            warnings: Mutex::default(),
            annotations: Mutex::default(),
        }
    }

    /// Warnings are headers: clients take only so many, and refuse the whole answer for more. They are cut as upstream's
    /// recorder cuts them (`endpoints/filters/warning.go`).
    pub fn warn(&self, text: impl Into<String>) {
        let text = text.into();
        let mut warnings = self.warnings.lock();
        let told: usize = warnings.iter().map(|w| w.chars().count()).sum();
        let text = if told + text.chars().count() > WARNINGS_MAX { text.chars().take(WARNING_MAX).collect() } else { text };
        if warnings.len() < WARNINGS && told + text.chars().count() <= WARNINGS_MAX && !warnings.contains(&text) {
            warnings.push(text);
        }
    }

    /// An audit annotation. The first of a key stays, as upstream's.
    pub fn annotate(&self, key: &str, value: String) {
        let mut annotations = self.annotations.lock();
        if !annotations.iter().any(|(known, _)| known == key) {
            annotations.push((key.to_owned(), value));
        }
    }

    pub fn take_annotations(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.annotations.lock())
    }

    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.warnings.lock())
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}
