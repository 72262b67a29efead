//! [`ApiServer`]: the parts put together, as a tower service for clients in this process and as a TLS server for others.

use crate::admission::audit;
use crate::admission::hooks::{self, Hooks};
use crate::auth::{self, Auth};
use crate::cache::{Caches, KindCache};
use crate::call::Response;
use crate::config::Config;
use crate::crd::{self, Definitions};
use crate::metrics::{Metered, Metrics};
use crate::openapi::Documents;
use crate::strategy::service::Allocator;
use crate::{bootstrap, chain, serve};
use axum::body::Body;
use futures::future::BoxFuture;
use object::StatusError;
use parking_lot::Mutex;
use registry::{Kind, Registry};
use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use store::Store;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the API server needs a tokio runtime to start in")]
    Runtime(#[from] tokio::runtime::TryCurrentError),
    #[error("cannot listen: {0}")]
    Listen(#[source] std::io::Error),
    #[error("cannot make {what}: {source}")]
    Bootstrap { what: String, source: StatusError },
}

/// What every request reaches.
pub struct Shared {
    pub config: Config,
    pub store: Arc<dyn Store>,
    pub registry: Arc<Registry>,
    pub caches: Arc<Caches>,
    pub metrics: Metrics,
    pub allocator: Allocator,
    /// One permit per short request.
    pub in_flight: Semaphore,
    pub openapi: Arc<Documents>,
    /// The first objects are made.
    pub bootstrapped: AtomicBool,
    pub definitions: Definitions,
    pub auth: Auth,
    pub hooks: Hooks,
}

/// The server. Cheap to clone.
#[derive(Clone)]
pub struct ApiServer {
    shared: Arc<Shared>,
    feeder: Arc<Feeder>,
}

/// Ends the server's own tasks when its last handle is gone.
struct Feeder {
    cache: JoinHandle<()>,
    keepers: Mutex<Vec<JoinHandle<()>>>,
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.cache.abort();
        self.keepers.lock().iter().for_each(JoinHandle::abort);
    }
}

/// The whole server as a tower service, for clients in this process. The caller's identity is an
/// `interfaces::authorize::UserInfo` (or an `Arc` of one) in the request's extensions; without one the request is known by its
/// bearer token, or anonymous.
#[derive(Clone)]
pub struct ApiService {
    shared: Arc<Shared>,
    _feeder: Option<Arc<Feeder>>,
}

impl ApiServer {
    /// Starts to load the watch cache; requests wait for it. Must be called inside a tokio runtime.
    pub fn new(config: Config, store: Arc<dyn Store>, registry: Arc<Registry>) -> Result<Self, Error> {
        let runtime = tokio::runtime::Handle::try_current()?;
        let metrics = Metrics::default();
        let store: Arc<dyn Store> = Arc::new(Metered { inner: store, storage: metrics.storage.clone() });
        let caches = Caches::new(store.clone(), &registry);
        let feeder = Arc::new(Feeder { cache: runtime.spawn(caches.clone().feed()), keepers: Mutex::default() });
        let allocator = Allocator::new(config.service_cidr, config.node_ports);
        let in_flight = Semaphore::new(config.max_in_flight);
        let openapi = Arc::new(Documents::default());
        let documents = Arc::downgrade(&openapi);
        registry.on_change(move || {
            if let Some(documents) = documents.upgrade() {
                documents.clear();
            }
        });
        let (bootstrapped, definitions, auth) = (AtomicBool::default(), Definitions::default(), Auth::default());
        let hooks = Hooks::new(config.admission.clone());
        let shared =
            Shared { config, store, registry, caches, metrics, allocator, in_flight, openapi, bootstrapped, definitions, auth, hooks };
        let shared = Arc::new(shared);
        // Without the feeder's handle: the keeper must not keep the server alive.
        let keeper = runtime.spawn(crd::keep(ApiService { shared: shared.clone(), _feeder: None }));
        let events = runtime.spawn(hooks::keep_events(ApiService { shared: shared.clone(), _feeder: None }));
        feeder.keepers.lock().extend([keeper, events]);
        Ok(Self { shared, feeder })
    }

    pub fn service(&self) -> ApiService {
        ApiService { shared: self.shared.clone(), _feeder: Some(self.feeder.clone()) }
    }

    /// Serves HTTP/1.1 and h2 (by ALPN) over TLS until the token is cancelled and the connections are drained.
    /// Client certificates that `tls` verified become identities.
    pub async fn serve(&self, listener: TcpListener, tls: rustls::ServerConfig, stop: CancellationToken) -> Result<(), Error> {
        serve::serve(self.service(), listener, tls, stop).await.map_err(Error::Listen)
    }

    /// Audits existing objects by the plugins that ask for it, until `stop`. One server of a cluster does so at a time.
    pub fn audit(&self, stop: CancellationToken) -> impl Future<Output = ()> + Send + 'static {
        let service = self.service();
        async move {
            stop.run_until_cancelled(Box::pin(audit::keep(service))).await;
            // Where there are no plugins, there is nothing to audit until the end.
            stop.cancelled().await;
        }
    }

    /// Makes what every cluster has: its namespaces, roles and the `kubernetes` Service. Idempotent.
    pub async fn bootstrap(&self) -> Result<(), Error> {
        let repaired = crate::strategy::service::repair(&self.shared).await;
        repaired.map_err(|source| Error::Bootstrap { what: "allocations of Services".to_owned(), source })?;
        bootstrap::bootstrap(&self.service(), &self.shared.config).await?;
        if self.shared.config.default_roles {
            auth::reconcile(&self.service()).await?;
        }
        self.shared.bootstrapped.store(true, Ordering::Release);
        if self.shared.config.advertise.is_some() {
            // Without the feeder's handle: the keeper must not keep the server alive.
            let service = ApiService { shared: self.shared.clone(), _feeder: None };
            if self.shared.config.peers {
                let keeper = tokio::spawn(crate::peers::keep(service.clone(), self.shared.config.clone()));
                self.feeder.keepers.lock().push(keeper);
            }
            let keeper = tokio::spawn(bootstrap::keep(service, self.shared.config.clone()));
            self.feeder.keepers.lock().push(keeper);
        }
        Ok(())
    }

    /// The rows that are served.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.shared.registry
    }

    /// Tells that this server ends: the `kubernetes` Service no longer leads here. Only where others take over.
    pub async fn leave(&self) -> Result<(), Error> {
        let keepers: Vec<_> = self.feeder.keepers.lock().drain(..).collect();
        keepers.iter().for_each(JoinHandle::abort);
        if self.shared.config.peers { crate::peers::leave(&self.service(), &self.shared.config).await } else { Ok(()) }
    }

    /// Whether `/readyz` would say ok.
    pub fn is_ready(&self) -> bool {
        self.shared.caches.is_loaded() && self.shared.bootstrapped.load(Ordering::Acquire)
    }
}

impl ApiService {
    /// The `kubernetes` Service's address.
    pub fn first_service_ip(&self) -> std::net::Ipv4Addr {
        self.shared.allocator.address(1)
    }

    /// Caches of kinds, and what tells their changes.
    pub(crate) fn changes(&self, kinds: &[(&str, &str)]) -> Vec<(Arc<KindCache>, watch::Receiver<u64>)> {
        let row = |(group, resource): &(&str, &str)| self.shared.registry.resource_by_name(group, "v1", resource);
        let caches = kinds.iter().filter_map(row).filter_map(|row| self.shared.caches.of(&row).ok());
        caches.map(|cache| (cache.clone(), cache.subscribe())).collect()
    }

    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Answers one request.
    pub async fn handle(&self, request: http::Request<Body>) -> Response {
        chain::handle(self.shared.clone(), request).await
    }
}

impl tower::Service<http::Request<Body>> for ApiService {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.handle(request).await) })
    }
}

/// An object's key below its kind's prefix.
pub fn object_key(kind: &Kind, namespace: &str, name: &str) -> String {
    if kind.is_namespaced() { format!("{namespace}/{name}") } else { name.to_owned() }
}

/// What a client sees of a store's error.
pub fn store_error(error: &store::Error) -> StatusError {
    match error {
        store::Error::Compacted { requested, oldest } => StatusError::expired(format!("too old resource version: {requested} ({oldest})")),
        // No Retry-After: clients would wait for minutes before they tell anyone.
        store::Error::Full(_) => StatusError::new(507, object::Reason::InternalError, error.to_string()),
        store::Error::Closed => StatusError::unavailable("the server is shutting down"),
        store::Error::TooLarge { .. } => StatusError::too_large(error.to_string()),
        store::Error::Unavailable { source, .. } => {
            tracing::warn!(%error, %source, "store");
            let mut refused = StatusError::unavailable(error.to_string());
            refused.retry_after_seconds = 1;
            refused
        }
        // No Retry-After: clients would repeat by themselves what may have happened.
        store::Error::Undecided { source, .. } => {
            tracing::warn!(%error, %source, "store");
            StatusError::new(504, object::Reason::Timeout, error.to_string())
        }
        other => {
            tracing::error!(error = %other, source = ?std::error::Error::source(other), "store");
            StatusError::internal(other)
        }
    }
}
