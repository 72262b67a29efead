//! `wasi:http`: requests leave from the pod's network namespace, names are asked of the pod's resolver.

use crate::ctx::State;
use crate::dns;
use crate::network::{Network, tls_config};
use http::uri::Scheme;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use wasmtime::component::Linker;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// What a guest gets that sets no timeouts: as wasmtime's own client.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

pub fn link(l: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(l)
}

/// The way out of one guest.
pub struct Outgoing {
    network: Network,
}

impl Outgoing {
    pub fn new(network: Network) -> Self {
        Self { network }
    }
}

type Background = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(http::Response<WasiBody>, Background), Error>;

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Background,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(send(self.network.clone(), request, options.unwrap_or_default()))
    }

    // A guest must not be able to fill the node's log: what it did wrong is in the code that it gets.
    fn p2_error_from_hyper(&mut self, error: &hyper::Error) -> ErrorCode {
        tracing::debug!(%error, "request of a guest");
        ErrorCode::HttpProtocolError
    }

    fn p2_error_from_connect(&mut self, error: &io::Error) -> ErrorCode {
        tracing::debug!(%error, "request of a guest");
        ErrorCode::ConnectionRefused
    }

    fn p2_error_from_tls(&mut self, error: &io::Error) -> ErrorCode {
        tracing::debug!(%error, "request of a guest");
        ErrorCode::TlsProtocolError
    }
}

async fn send(network: Network, mut request: http::Request<WasiBody>, options: RequestOptions) -> Sent {
    let connect_timeout = options.connect_timeout.unwrap_or(DEFAULT_TIMEOUT);
    let connected = timeout(connect_timeout, connect(&network, request.uri()));
    let stream = connected.await.map_err(|_| Error::ConnectionTimeout)??;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Dropping the handle ends the connection: it lives as long as the response is read.
    let connection = wasmtime_wasi::runtime::spawn(connection);

    // Authority and scheme are for proxies; a server gets the path.
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    *request.uri_mut() = path.parse().map_err(|_| Error::HttpRequestUriInvalid)?;
    let first_byte = options.first_byte_timeout.unwrap_or(DEFAULT_TIMEOUT);
    let response = timeout(first_byte, sender.send_request(request)).await.map_err(|_| Error::ConnectionReadTimeout)??;
    let between = options.between_bytes_timeout.unwrap_or(DEFAULT_TIMEOUT);
    let response = response.map(|incoming| {
        let pause = Box::pin(tokio::time::sleep(between));
        Timed { incoming, between, pause }.boxed_unsync()
    });
    Ok((response, Box::new(async move { connection.await.map_err(Error::from) })))
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn connect(network: &Network, uri: &http::Uri) -> Result<Box<dyn Stream>, Error> {
    let host = uri.host().ok_or(Error::HttpRequestUriInvalid)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let tls = uri.scheme() == Some(&Scheme::HTTPS);
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let addresses = network.resolve(host).await.map_err(|error| match error {
        dns::Error::Denied => Error::HttpRequestDenied,
        dns::Error::Invalid { .. } => Error::HttpRequestUriInvalid,
        dns::Error::NotFound { .. } => Error::DnsError { rcode: Some("NXDOMAIN".to_owned()), info_code: None },
        dns::Error::Unanswered { .. } => Error::DnsTimeout,
    })?;
    let mut failed = Error::DestinationNotFound;
    for address in addresses {
        match network.connect(SocketAddr::new(address, port)).await {
            Ok(stream) if tls => return Ok(Box::new(secure(network, host, stream).await?)),
            Ok(stream) => return Ok(Box::new(stream)),
            Err(error) => {
                failed = match error.kind() {
                    io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
                    io::ErrorKind::TimedOut => Error::ConnectionTimeout,
                    io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Error::DestinationIpUnroutable,
                    io::ErrorKind::PermissionDenied => Error::HttpRequestDenied,
                    _ => Error::Connect(error),
                }
            }
        }
    }
    Err(failed)
}

async fn secure(
    network: &Network,
    host: &str,
    stream: tokio::net::TcpStream,
) -> Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>, Error> {
    let name = ServerName::try_from(host.to_owned())?;
    let config = network.tls().or_else(public).ok_or(Error::ConfigurationError)?;
    TlsConnector::from(config).connect(name, stream).await.map_err(Error::Tls)
}

/// Trusts the public certificate authorities, as wasmtime's own client.
fn public() -> Option<Arc<ClientConfig>> {
    static CONFIG: OnceLock<Option<Arc<ClientConfig>>> = OnceLock::new();
    let make = || tls_config(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() }).ok();
    CONFIG.get_or_init(make).clone()
}

/// A response body that fails when it stalls.
struct Timed {
    incoming: Incoming,
    between: Duration,
    pause: Pin<Box<Sleep>>,
}

impl Body for Timed {
    type Data = bytes::Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Error>>> {
        match Pin::new(&mut self.incoming).poll_frame(context) {
            Poll::Ready(frame) => {
                let next = Instant::now() + self.between;
                self.pause.as_mut().reset(next);
                Poll::Ready(frame.map(|frame| frame.map_err(Error::from)))
            }
            Poll::Pending if self.pause.as_mut().poll(context).is_ready() => Poll::Ready(Some(Err(Error::ConnectionReadTimeout))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.incoming.size_hint()
    }
}
