//! The network side: TLS, identities from client certificates, HTTP/1.1 and h2, a clean end.

use crate::call::{Drain, Response};
use crate::pki;
use crate::server::ApiService;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A client that has not finished its handshake by then holds a socket for nothing.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Requests get this long to finish after the end was asked for; watches end at once.
const GRACE: Duration = Duration::from_secs(10);
/// Above the 64 KiB of the h2 default, so that a large list is not slowed by round trips.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// One client-go process holds all its watches on one connection.
const STREAMS: u32 = 1000;
/// Finds peers that vanished without a word.
const PING: Duration = Duration::from_secs(30);

pub async fn serve(
    service: ApiService,
    listener: TcpListener,
    mut tls: rustls::ServerConfig,
    stop: CancellationToken,
) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(connection(service.clone(), acceptor.clone(), stream, stop.clone()));
            }
            Err(error) => {
                // Out of file descriptors, mostly: others must be closed first, so do not spin.
                tracing::warn!(%error, "accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(GRACE, connections.wait()).await.is_err() {
        tracing::warn!(left = connections.len(), "connections were cut");
    }
    Ok(())
}

async fn connection(service: ApiService, acceptor: TlsAcceptor, stream: TcpStream, stop: CancellationToken) {
    // Small answers should not wait for an acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake"),
        Err(_) => return tracing::debug!("TLS handshake timed out"),
    };
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).cloned();
    let user = certificate.and_then(|der| pki::identity(&der)).map(Arc::new);
    let drain = stop.clone();
    let answer = service_fn(move |request: http::Request<Incoming>| {
        let (service, user, drain) = (service.clone(), user.clone(), drain.clone());
        async move {
            let mut request = request.map(Body::new);
            // A certificate's identity is the connection's: no token that a request carries can stand for it.
            if let Some(user) = user {
                request.extensions_mut().insert(user);
            }
            request.extensions_mut().insert(Drain(drain));
            Ok::<Response, Infallible>(service.handle(request).await)
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(60));
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    let served = builder.serve_connection_with_upgrades(TokioIo::new(stream), answer);
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection");
    }
}
