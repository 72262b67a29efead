//! `http://<pod IP>:<port>/metrics`, in the pod's network namespace.

use super::metrics::Metrics;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Of one pod at the same time: a scraper or two, and nobody who holds the agent's descriptors.
const CONNECTIONS: usize = 16;
/// A client that does not send a request in this time is let go.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens in the pod's namespace; without one, on the pod's own address.
pub fn listen(netns: Option<&Path>, address: IpAddr, port: u16) -> io::Result<TcpListener> {
    let listener = workload::netns::inside_path(netns, || std::net::TcpListener::bind((address, port)))??;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Until it is dropped.
pub async fn serve(listener: TcpListener, metrics: Arc<Metrics>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let metrics = metrics.clone();
                connections.spawn(async move {
                    connection(stream, metrics).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "accept for an adapter's metrics");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, metrics: Arc<Metrics>) {
    let answer = hyper::service::service_fn(move |request: Request<Incoming>| {
        let metrics = metrics.clone();
        async move { Ok::<_, Infallible>(answer(&request, &metrics)) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), answer).await {
        tracing::debug!(%error, "a connection for an adapter's metrics");
    }
}

fn answer<B>(request: &Request<B>, metrics: &Metrics) -> Response<Full<Bytes>> {
    let (status, kind, text) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", metrics.render()),
        (_, "/metrics") => (StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, "text/plain", "there is only /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_metrics() {
        let check = |method: Method, path: &str, expect: u16| {
            let request = Request::builder().method(method).uri(path).body(()).unwrap();
            assert_eq!(answer(&request, &Metrics::default()).status().as_u16(), expect, "{path}");
        };
        check(Method::GET, "/metrics", 200);
        check(Method::GET, "/", 404);
        check(Method::POST, "/metrics", 405);
    }
}
