//! One request on its way: who, about what, with which options and body.

use crate::query::Query;
use crate::request::RequestInfo;
use crate::server::Shared;
use bytes::Bytes;
use http::{HeaderMap, Method};
use object::StatusError;
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
    pub info: RequestInfo,
    pub method: Method,
    pub query: Query,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub drain: Option<CancellationToken>,
    /// `Warning` headers of the answer, whatever it will be.
    warnings: Mutex<Vec<String>>,
}

/// The row that a path names, with the subresource when it names one.
pub struct Target {
    pub kind: Arc<Kind>,
    /// The row in whose form its objects are stored; mostly the same.
    pub stored: Arc<Kind>,
    pub subresource: Option<Subresource>,
}

/// `fieldValidation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValidation {
    Ignore,
    Warn,
    Strict,
}

/// Characters of all warnings of an answer.
const WARNINGS_MAX: usize = 4096;
/// Characters of one warning that would go beyond it.
const WARNING_MAX: usize = 256;
/// Some clients take a hundred headers in all.
const WARNINGS: usize = 64;

/// Options that all writes share.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    pub dry_run: bool,
    pub field_manager: String,
    pub field_validation: FieldValidation,
}

impl Call {
    pub fn new(shared: Arc<Shared>, info: RequestInfo, parts: &http::request::Parts, query: Query, body: Bytes) -> Self {
        Self {
            shared,
            info,
            method: parts.method.clone(),
            query,
            headers: parts.headers.clone(),
            body,
            drain: parts.extensions.get::<Drain>().map(|d| d.0.clone()),
            warnings: Mutex::default(),
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

    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.warnings.lock())
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// `dryRun`, `fieldManager` and `fieldValidation` of the query; the manager's default is the user agent's first part.
    pub fn write_options(&self) -> Result<WriteOptions, StatusError> {
        for value in self.query.all("dryRun") {
            if value != "All" {
                let message = format!("invalid value {value:?} for dryRun, only \"All\" is supported");
                return Err(StatusError::bad_request(message));
            }
        }
        let field_validation = match self.query.get("fieldValidation") {
            "" | "Warn" => FieldValidation::Warn,
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            other => {
                let message =
                    format!("fieldValidation: Unsupported value: \"{other}\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"");
                return Err(StatusError::bad_request(message));
            }
        };
        let named = self.query.get("fieldManager");
        if named.len() > 128 {
            return Err(StatusError::bad_request("fieldManager: Too long: may not be more than 128 bytes"));
        }
        let field_manager = if named.is_empty() {
            let agent = self.header("user-agent").split('/').next().unwrap_or_default();
            let printable: String = agent.chars().filter(|c| !c.is_control()).take(128).collect();
            if printable.is_empty() { "unknown".to_owned() } else { printable }
        } else {
            named.to_owned()
        };
        Ok(WriteOptions { dry_run: self.query.has("dryRun"), field_manager, field_validation })
    }
}
