//! The proxy: HTTP/1.1 and h2c in, the same out, to one of the Service's endpoints. Connections to endpoints are kept and used
//! again; an endpoint that cannot be connected to is passed over.

use super::Target;
use super::chain::{self, Head, Way};
use super::headers;
use crate::services::Backend;
use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{StatusCode, Uri, Version};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use interfaces::middleware::MiddlewareSet;
use parking_lot::{Mutex, RwLock};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Of a connection to an endpoint, which is one or two hops away; then the next one is tried.
const CONNECT: Duration = Duration::from_secs(3);
/// Endpoints that are tried for one request.
const TRIES: usize = 3;
/// Time for a client to send a head: hyper's own, which needs a timer to be in force.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Of a head, as `wit/middleware.wit` says.
const LONGEST_HEAD: usize = 64 << 10;
/// Rest after an accept that failed for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a connection to an endpoint is kept without a request: below the minute after which many servers close it.
const IDLE: Duration = Duration::from_secs(45);

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

type Whole = Pin<Box<dyn http_body::Body<Data = Bytes, Error = hyper::Error> + Send>>;

/// A body that several tries may share: one that could not connect has not touched it.
#[derive(Clone)]
pub struct Body(Arc<Mutex<Whole>>);

impl Body {
    pub fn whole(bytes: Bytes) -> Self {
        Self(Arc::new(Mutex::new(Box::pin(Full::new(bytes).map_err(|never| match never {})))))
    }

    fn stream(incoming: Incoming) -> Self {
        Self(Arc::new(Mutex::new(Box::pin(incoming))))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.0.lock().as_mut().poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().size_hint()
    }
}

/// `None`: it is longer than `most`.
///
/// # Errors
/// The client went away, or broke the protocol.
pub async fn collect(mut body: Body, most: usize) -> Result<Option<Bytes>, String> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|error| error.to_string())?.into_data() {
            if bytes.len() + data.len() > most {
                return Ok(None);
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(Some(bytes.freeze()))
}

/// An answer of our own.
pub fn plain(status: StatusCode, text: &str) -> http::Response<Body> {
    let mut response = http::Response::new(Body::whole(format!("{text}\n").into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Connections to endpoints, of all Services.
pub struct Upstream {
    http1: Client<HttpConnector, Body>,
    http2: Client<HttpConnector, Body>,
}

impl Upstream {
    pub fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).set_host(false);
        let http1 = builder.build(connector.clone());
        Self { http1, http2: builder.http2_only(true).build(connector) }
    }
}

/// The proxy of one Service port.
pub struct Front {
    pub target: RwLock<Arc<Target>>,
    pub set: watch::Receiver<MiddlewareSet>,
    pub upstream: Arc<Upstream>,
    /// The next endpoint's turn.
    pub next: AtomicUsize,
}

impl Front {
    /// From now on; requests under way keep what they began with.
    pub fn aim(&self, target: Target) {
        if **self.target.read() != target {
            *self.target.write() = Arc::new(target);
        }
    }

    /// Until `stop`; then requests under way are answered, and their connections closed.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, stop: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, client)) => drop(tokio::spawn(self.clone().connection(stream, client, stop.clone()))),
                Err(error) => {
                    tracing::debug!(%error, "accept for a Service's middleware");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, client: SocketAddr, stop: CancellationToken) {
        drop(stream.set_nodelay(true));
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(LONGEST_HEAD);
        builder.http2().timer(TokioTimer::new()).max_header_list_size(u32::try_from(LONGEST_HEAD).unwrap_or(u32::MAX));
        let answer = hyper::service::service_fn(move |request| {
            let front = self.clone();
            async move { Ok::<_, Infallible>(front.answer(request, client).await) }
        });
        let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), answer));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error, "connection to a Service's middleware");
        }
    }

    async fn answer(&self, mut request: http::Request<Incoming>, client: SocketAddr) -> http::Response<Body> {
        let target = self.target.read().clone();
        let upgrade = upgrade_of(&request).map(|protocol| (protocol, hyper::upgrade::on(&mut request)));
        let (parts, body) = request.into_parts();
        let version = parts.version;
        let host = parts.headers.get(header::HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
        let mut head = Head {
            method: parts.method,
            path: parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")),
            authority: parts.uri.authority().cloned().or(host),
            headers: parts.headers,
        };
        headers::strip_hop(&mut head.headers);
        forwarded(&mut head, client);
        let (way, passed) = chain::request(&mut self.set.clone(), &target, head, Body::stream(body), client).await;
        let response = match way {
            Way::Answer(response) => response,
            Way::Endpoint(head, body) => self.forward(&target, head, body, version, upgrade, client).await,
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return response;
        }
        chain::response(&target, response, passed).await
    }

    async fn forward(
        &self,
        target: &Target,
        head: Head,
        body: Body,
        version: Version,
        upgrade: Option<(HeaderValue, hyper::upgrade::OnUpgrade)>,
        client: SocketAddr,
    ) -> http::Response<Body> {
        let about = || format!("Service {}/{} port {}", target.namespace, target.service, target.port);
        let mut cause = String::new();
        let (upgrade, waiting) = upgrade.unzip();
        for backend in self.turn(target, client) {
            let Some(request) = outgoing(&head, backend, body.clone(), version, upgrade.as_ref()) else {
                return plain(StatusCode::BAD_REQUEST, "the request cannot be forwarded");
            };
            let sender = if version == Version::HTTP_2 { &self.upstream.http2 } else { &self.upstream.http1 };
            match sender.request(request).await {
                Ok(response) => return back(response, waiting),
                Err(error) => {
                    let again = error.is_connect();
                    cause = error_text(&error);
                    tracing::debug!(service = about(), endpoint = %backend.address, cause, "an endpoint does not answer");
                    if !again {
                        break;
                    }
                }
            }
        }
        if target.backends.is_empty() {
            return plain(StatusCode::SERVICE_UNAVAILABLE, &format!("{} has no ready endpoints", about()));
        }
        plain(StatusCode::BAD_GATEWAY, &format!("{}: no answer from its endpoints: {cause}", about()))
    }

    /// Endpoints in the order in which they are to be tried.
    fn turn(&self, target: &Target, client: SocketAddr) -> Vec<Backend> {
        let count = target.backends.len();
        let first = if target.sticky {
            let hash =
                client.ip().to_string().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
            usize::try_from(hash % (count.max(1) as u64)).unwrap_or_default()
        } else {
            self.next.fetch_add(1, Ordering::Relaxed) % count.max(1)
        };
        target.backends.iter().cycle().skip(first).take(count.min(TRIES)).copied().collect()
    }
}

/// `upgrade` of a request that asks for another protocol on its connection.
fn upgrade_of(request: &http::Request<Incoming>) -> Option<HeaderValue> {
    let asks = |value: &HeaderValue| value.to_str().is_ok_and(|v| v.split(',').any(|word| word.trim().eq_ignore_ascii_case("upgrade")));
    let asked = request.version() == Version::HTTP_11 && request.headers().get_all(header::CONNECTION).iter().any(asks);
    asked.then(|| request.headers().get(header::UPGRADE).cloned()).flatten()
}

/// The client's address is added to what proxies before this one told.
fn forwarded(head: &mut Head, client: SocketAddr) {
    let before: Vec<String> =
        head.headers.get_all(&FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).map(str::to_owned).collect();
    let all = before.into_iter().chain([client.ip().to_string()]).collect::<Vec<_>>().join(", ");
    if let Ok(value) = HeaderValue::try_from(all) {
        head.headers.insert(FORWARDED_FOR, value);
    }
    head.headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
    if let Some(host) = head.authority.as_ref().and_then(|a| HeaderValue::try_from(a.as_str()).ok()) {
        head.headers.entry(FORWARDED_HOST).or_insert(host);
    }
}

/// `None`: its parts make no request.
fn outgoing(head: &Head, backend: Backend, body: Body, version: Version, upgrade: Option<&HeaderValue>) -> Option<http::Request<Body>> {
    let authority = Authority::try_from(format!("{}:{}", backend.address, backend.port)).ok()?;
    let uri = Uri::builder().scheme(Scheme::HTTP).authority(authority).path_and_query(head.path.clone()).build().ok()?;
    let mut request = http::Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = uri;
    *request.version_mut() = if version == Version::HTTP_2 { Version::HTTP_2 } else { Version::HTTP_11 };
    *request.headers_mut() = head.headers.clone();
    if let Some(host) = head.authority.as_ref().and_then(|a| HeaderValue::try_from(a.as_str()).ok()) {
        request.headers_mut().insert(header::HOST, host);
    }
    if let Some(protocol) = upgrade {
        request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        request.headers_mut().insert(header::UPGRADE, protocol.clone());
    }
    Some(request)
}

/// The endpoint's response; when it changes protocols, the two connections are joined.
fn back(mut response: http::Response<Incoming>, waiting: Option<hyper::upgrade::OnUpgrade>) -> http::Response<Body> {
    let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    match waiting.filter(|_| switching) {
        Some(client) => {
            let endpoint = hyper::upgrade::on(&mut response);
            tokio::spawn(async move {
                let (Ok(client), Ok(endpoint)) = tokio::join!(client, endpoint) else { return };
                let ended = tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(endpoint)).await;
                tracing::trace!(?ended, "an upgraded connection ended");
            });
        }
        None if switching => return plain(StatusCode::BAD_GATEWAY, "the endpoint changed protocols without being asked"),
        None => headers::strip_hop(response.headers_mut()),
    }
    response.map(Body::stream)
}

fn error_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = cause.to_string();
        source = cause.source();
    }
    text
}
