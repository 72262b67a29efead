//! The members of the etcd cluster: one connection each, one that is asked, and who is asked next when it fails.
//!
//! Invariants: a call that changes nothing is repeated on the other members until [`Config::timeout`]; a write is repeated only when
//! it certainly was not begun, for its compares would fail against its own first try. A member stays the chosen one until it
//! fails, so that a server and the etcd beside it stay together.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::uri::PathAndQuery;
use store::Error;
use tokio::time::Instant;
use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{IntoStreamingRequest, Request, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::Config;
use crate::failure::{self, Meaning, cause};

/// One try of a read. etcd itself gives up after 5 s plus two elections (`ReqTimeout`).
const TRY: Duration = Duration::from_secs(5);
/// A member on the network answers a connection in milliseconds; the others should not wait long for a dead machine.
const CONNECT: Duration = Duration::from_secs(2);
/// Pings that find dead connections. etcd refuses clients that ping more often than every 5 s.
const PING: Duration = Duration::from_secs(10);
const PONG: Duration = Duration::from_secs(5);
/// Between rounds over all members.
const PAUSE: Duration = Duration::from_millis(100);

pub struct Members {
    members: Vec<Member>,
    chosen: AtomicUsize,
    /// All tries of a call together.
    timeout: Duration,
}

struct Member {
    url: String,
    channel: Channel,
    /// Its last call failed, and that was logged.
    failing: AtomicBool,
}

/// When a call may be made again on another member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It changes nothing.
    Freely,
    /// Only when it was not begun.
    Cautiously,
}

impl Members {
    /// Connects lazily. Must be called inside a tokio runtime.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let tls = tls(config)?;
        let members = config.servers.iter().map(|url| member(url, &tls)).collect::<Result<Vec<_>, _>>()?;
        if members.is_empty() {
            return Err(wrong("no etcd servers are given"));
        }
        Ok(Self { members, chosen: AtomicUsize::new(0), timeout: config.timeout })
    }

    /// Who is asked now.
    pub fn chosen(&self) -> usize {
        self.chosen.load(Ordering::Relaxed) % self.members.len()
    }

    /// Asks another from now on, if that one is still asked.
    pub fn leave(&self, at: usize, why: &str) {
        let next = (at + 1) % self.members.len();
        let _ = self.chosen.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed);
        if self.members.get(at).is_some_and(|member| !member.failing.swap(true, Ordering::Relaxed)) {
            tracing::warn!(member = self.url(at), why, "an etcd member fails");
        }
    }

    fn answered(&self, at: usize) {
        let Some(member) = self.members.get(at) else { return };
        // Read first: this is the road of every call.
        if member.failing.load(Ordering::Relaxed) && member.failing.swap(false, Ordering::Relaxed) {
            tracing::info!(member = member.url, "an etcd member answers again");
        }
    }

    pub fn url(&self, at: usize) -> &str {
        self.members.get(at).map_or("", |member| &member.url)
    }

    /// A call with one answer.
    pub async fn call<Q, A>(&self, method: &'static str, request: Q, repeat: Repeat) -> Result<A, Status>
    where
        Q: prost::Message + Clone + 'static,
        A: prost::Message + Default + 'static,
    {
        let deadline = Instant::now() + self.timeout;
        let mut tries = 0;
        loop {
            let at = self.chosen();
            let until = match repeat {
                Repeat::Freely => deadline.min(Instant::now() + TRY),
                // A write that is not answered is not tried again: it may take all the time.
                Repeat::Cautiously => deadline,
            };
            let status = match tokio::time::timeout_at(until, self.once(at, method, request.clone())).await {
                Ok(Ok(answer)) => {
                    self.answered(at);
                    return Ok(answer);
                }
                Ok(Err(status)) => status,
                Err(_) => Status::deadline_exceeded(format!("{} did not answer in time", self.url(at))),
            };
            let meaning = failure::meaning(&status);
            if matches!(meaning, Meaning::NotBegun | Meaning::Interrupted) {
                self.leave(at, &failure::told(&status));
            }
            let again = meaning == Meaning::NotBegun || meaning == Meaning::Interrupted && repeat == Repeat::Freely;
            tries += 1;
            if !again || Instant::now() + PAUSE >= deadline {
                return Err(status);
            }
            if tries % self.members.len() == 0 {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn once<Q, A>(&self, at: usize, method: &'static str, request: Q) -> Result<A, Status>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        let mut grpc = self.grpc(at).await?;
        let answer =
            grpc.unary(with_leader(Request::new(request)), PathAndQuery::from_static(method), ProstCodec::<Q, A>::default()).await?;
        Ok(answer.into_inner())
    }

    /// A call with a stream of requests and a stream of answers, on one member.
    pub async fn stream<Q, A>(
        &self,
        at: usize,
        method: &'static str,
        requests: impl futures::Stream<Item = Q> + Send + 'static,
    ) -> Result<Streaming<A>, Status>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        let mut grpc = self.grpc(at).await?;
        let request = with_leader(requests.into_streaming_request());
        let answer = grpc.streaming(request, PathAndQuery::from_static(method), ProstCodec::<Q, A>::default()).await?;
        Ok(answer.into_inner())
    }

    async fn grpc(&self, at: usize) -> Result<tonic::client::Grpc<Channel>, Status> {
        let member = self.members.get(at).ok_or_else(|| Status::internal("no such member"))?;
        let mut grpc = tonic::client::Grpc::new(member.channel.clone()).max_decoding_message_size(usize::MAX);
        grpc.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
        Ok(grpc)
    }
}

/// Calls fail on a member that is cut off from the others, instead of waiting there (`clientv3.WithRequireLeader`).
fn with_leader<T>(mut request: Request<T>) -> Request<T> {
    request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
    request
}

fn member(url: &str, tls: &Option<ClientTlsConfig>) -> Result<Member, Error> {
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|e| wrong(format!("etcd server {url:?}: {e}")))?;
    let scheme = endpoint.uri().scheme_str().unwrap_or_default().to_owned();
    // The name that the certificate must have: an IPv6 address without its brackets.
    let host = endpoint.uri().host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let endpoint = endpoint
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PING)
        .keep_alive_timeout(PONG)
        .keep_alive_while_idle(true)
        // Lists of many megabytes come in one message: small windows would make them wait for round trips.
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(8 << 20);
    let endpoint = match (scheme.as_str(), tls) {
        ("http", _) => endpoint,
        ("https", Some(tls)) => {
            endpoint.tls_config(tls.clone().domain_name(host)).map_err(|e| wrong(format!("TLS of etcd server {url:?}: {}", chain(&e))))?
        }
        ("https", None) => return Err(wrong(format!("etcd server {url:?} needs the CA's certificate"))),
        _ => return Err(wrong(format!("etcd server {url:?} is not http://HOST:PORT or https://HOST:PORT"))),
    };
    Ok(Member { url: url.to_owned(), channel: endpoint.connect_lazy(), failing: AtomicBool::new(false) })
}

fn tls(config: &Config) -> Result<Option<ClientTlsConfig>, Error> {
    let read = |path: &PathBuf| std::fs::read(path).map_err(|e| wrong(format!("{}: {e}", path.display())));
    let Some(ca) = &config.ca_file else {
        return if config.cert_file.is_some() || config.key_file.is_some() {
            Err(wrong("a client certificate for etcd needs the CA's certificate, too"))
        } else {
            Ok(None)
        };
    };
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?));
    match (&config.cert_file, &config.key_file) {
        (Some(cert), Some(key)) => Ok(Some(tls.identity(Identity::from_pem(read(cert)?, read(key)?)))),
        (None, None) => Ok(Some(tls)),
        _ => Err(wrong("certificate and key for etcd are given together or not at all")),
    }
}

fn wrong(text: impl Into<String>) -> Error {
    Error::Engine { operation: "setting up the connection to etcd", source: cause(text) }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        told.push_str(": ");
        told.push_str(&error.to_string());
        source = error.source();
    }
    told
}
