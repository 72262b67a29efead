//! HTTP middleware before a Service's port; mirrored by `wit/middleware.wit`. `net` has the proxy, `wasm` provides them.

use crate::schedule::{FailurePolicy, PluginError};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Name in lower case, value.
pub type Header = (String, Vec<u8>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub path: String,
    pub authority: String,
    pub headers: Vec<Header>,
    pub client: String,
    pub namespace: String,
    pub service: String,
    pub port: u16,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<Header>,
}

/// Made in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestChanges {
    pub method: Option<String>,
    pub path: Option<String>,
    pub authority: Option<String>,
    pub remove: Vec<String>,
    pub set: Vec<Header>,
    /// For [`Middleware::on_response`].
    pub context: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseChanges {
    pub status: Option<u16>,
    pub remove: Vec<String>,
    pub set: Vec<Header>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Next(RequestChanges),
    Respond(Response, Vec<u8>),
    /// To be called again with the body, when it has at most so many bytes.
    NeedBody(usize),
}

/// Headers of one hop, not of the message (RFC 9110 section 7.6.1), beside what `connection` names.
pub const HOP: &[&str] =
    &["connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "transfer-encoding", "upgrade"];

/// Headers that say how long the body is, or which connection it goes over: the proxy's business.
pub const FRAMING: &[&str] = &["content-length", "te", "trailer", "host"];

/// What a plugin may answer: nothing that another answer follows.
pub const STATUSES: std::ops::RangeInclusive<u16> = 200..=599;

/// Longest body that a plugin sees or answers (`wit/middleware.wit`).
pub const LONGEST_BODY: usize = 1 << 20;

#[async_trait]
pub trait Middleware: Send + Sync {
    fn name(&self) -> &str;

    async fn on_request(&self, request: &Request, body: Option<&[u8]>) -> Result<Decision, PluginError>;

    /// Whether [`Middleware::on_response`] has anything to say.
    fn sees_responses(&self) -> bool;

    async fn on_response(&self, request: &Request, response: &Response, context: &[u8]) -> Result<ResponseChanges, PluginError>;
}

#[derive(Clone)]
pub struct MiddlewareRow {
    pub middleware: Arc<dyn Middleware>,
    pub failure_policy: FailurePolicy,
}

impl std::fmt::Debug for MiddlewareRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MiddlewareRow").field("name", &self.middleware.name()).field("failure_policy", &self.failure_policy).finish()
    }
}

/// The loaded middleware by their plugin's name, replaced whole on each change. `None`: the loader has not looked yet.
/// `wasm` writes, `net` reads.
pub type MiddlewareSet = Option<Arc<BTreeMap<String, MiddlewareRow>>>;
