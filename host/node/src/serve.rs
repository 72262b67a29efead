//! The kubelet's HTTPS endpoint: `pkg/kubelet/server/server.go`. Only clients with a certificate of the cluster's CA are
//! heard; `/healthz` answers anyone who gets through TLS.

pub mod logs;

use crate::agent::Agent;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use object::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// A client that does not finish its handshake in this time is let go.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A listener that cannot take connections (no file descriptors) looks again after this.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The connection proved to come from the cluster.
#[derive(Clone, Copy)]
struct Known(bool);

/// Serves until shutdown.
pub async fn run(agent: Arc<Agent>, listener: TcpListener, tls: Arc<rustls::ServerConfig>, shutdown: CancellationToken) {
    let acceptor = TlsAcceptor::from(tls);
    let router = router(agent.clone());
    loop {
        let stream = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the kubelet's endpoint cannot take a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let (acceptor, router, shutdown) = (acceptor.clone(), router.clone(), shutdown.clone());
        agent.tasks.spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = connection(stream, acceptor, router) => {}
            }
        });
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, router: Router) {
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else { return };
    let known = Known(stream.get_ref().1.peer_certificates().is_some_and(|c| !c.is_empty()));
    let service = TowerToHyperService::new(router.layer(axum::Extension(known)));
    let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(error, "a connection to the kubelet's endpoint ended");
    }
}

fn router(agent: Arc<Agent>) -> Router {
    Router::new()
        .route("/pods", get(pods))
        .route("/containerLogs/{namespace}/{pod}/{container}", get(logs::container))
        .layer(axum::middleware::from_fn(only_known))
        .route("/healthz", get(|| async { "ok" }))
        .with_state(agent)
}

async fn only_known(request: Request, next: Next) -> Response {
    match request.extensions().get::<Known>() {
        Some(Known(true)) => next.run(request).await,
        _ => (StatusCode::UNAUTHORIZED, "Unauthorized").into_response(),
    }
}

/// The pods of this node, as the agent knows them.
async fn pods(State(agent): State<Arc<Agent>>) -> Response {
    let node = &agent.config.node_name;
    let all = agent.pod_cache.list("");
    let mine: Vec<_> = all.iter().filter(|p| p.str_at(&["spec", "nodeName"]) == node).map(|p| p.to_value()).collect();
    let body = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": mine});
    ([("content-type", "application/json")], body.to_string()).into_response()
}
