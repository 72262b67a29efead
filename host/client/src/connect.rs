//! [`Client`]: one identity at one API server.

use crate::api::{Api, ListOptions};
use crate::cache::{Cache, Sink};
use crate::error::{Error, Result};
use crate::recorder::Recorder;
use crate::transport::{BoxError, Router, Transport};
use interfaces::authorize::UserInfo;
use object::{Gvk, Gvr};
use parking_lot::Mutex;
use registry::Registry;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Access to one API server as one identity. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    user: Arc<UserInfo>,
}

/// What all identities at one server have in common.
struct Shared {
    transport: Transport,
    registry: Arc<Registry>,
    /// Who reads for the caches: the identity that the first client was made with.
    reader: Arc<UserInfo>,
    /// With what ends each.
    caches: Mutex<HashMap<Gvr, (Arc<Cache>, CancellationToken)>>,
    stop: CancellationToken,
    /// Caches end with the last client.
    _stop_on_drop: DropGuard,
}

impl Client {
    /// Requests go straight into `service`, with `user` in their extensions as an [`Arc`] of [`UserInfo`].
    pub fn in_process(service: Router, registry: Arc<Registry>, user: UserInfo) -> Client {
        Self::over(Transport::InProcess(service), registry, user)
    }

    /// Requests go to the current context's cluster of a kubeconfig file, authenticated as it says.
    /// Must be called within a tokio runtime.
    pub fn https(kubeconfig_path: &Path, registry: Arc<Registry>) -> Result<Client> {
        let fail = |source: BoxError| Error::Kubeconfig { path: kubeconfig_path.display().to_string(), source };
        let kubeconfig = kube::config::Kubeconfig::read_from(kubeconfig_path).map_err(|e| fail(e.into()))?;
        let name = kubeconfig.current_context.clone().unwrap_or_default();
        let options = kube::config::KubeConfigOptions::default();
        // Reads at most the files that the kubeconfig names; it awaits nothing.
        let config = futures::executor::block_on(kube::Config::from_custom_kubeconfig(kubeconfig, &options));
        let mut config = config.map_err(|e| fail(e.into()))?;
        // A watch is quiet for minutes; every request has its own deadline instead.
        config.read_timeout = None;
        let client = kube::Client::try_from(config).map_err(|e| fail(e.into()))?;
        Ok(Self::over(Transport::Https(client), registry, UserInfo { name, ..UserInfo::default() }))
    }

    fn over(transport: Transport, registry: Arc<Registry>, user: UserInfo) -> Client {
        let (user, stop) = (Arc::new(user), CancellationToken::new());
        let shared =
            Shared { transport, registry, reader: user.clone(), caches: Mutex::default(), _stop_on_drop: stop.clone().drop_guard(), stop };
        Self { shared: Arc::new(shared), user }
    }

    /// The same server and caches as another identity. Over HTTPS the certificate stays the one of the kubeconfig.
    pub fn with_user(&self, user: UserInfo) -> Client {
        Self { shared: self.shared.clone(), user: Arc::new(user) }
    }

    pub fn user(&self) -> &Arc<UserInfo> {
        &self.user
    }

    pub fn registry(&self) -> &Arc<Registry> {
        &self.shared.registry
    }

    /// The `kube` crate's client on the same road. Must be called within a tokio runtime; keep what it returns.
    pub fn kube(&self) -> kube::Client {
        self.shared.transport.kube(&self.user)
    }

    pub fn api(&self, kind: &Gvr) -> Api {
        Api::new(self.shared.transport.clone(), self.user.clone(), kind.clone())
    }

    /// By kind instead of resource; `None` when the registry does not know it.
    pub fn api_of(&self, gvk: &Gvk) -> Option<Api> {
        Some(self.api(&self.shared.registry.kind_of(gvk)?.gvr()))
    }

    /// The process-wide cache of a kind; its list and watch begin with the first call, which must be within a tokio runtime.
    /// All caches are read as the identity that the first client of this server was made with.
    pub fn cache(&self, kind: &Gvr) -> Arc<Cache> {
        let mut caches = self.shared.caches.lock();
        if let Some((cache, _)) = caches.get(kind) {
            return cache.clone();
        }
        let api = Api::new(self.shared.transport.clone(), self.shared.reader.clone(), kind.clone());
        let stop = self.shared.stop.child_token();
        let cache = Cache::start(api, stop.clone());
        caches.insert(kind.clone(), (cache.clone(), stop));
        cache
    }

    /// The process-wide cache of a kind, if somebody has asked for it.
    pub fn cached(&self, kind: &Gvr) -> Option<Arc<Cache>> {
        self.shared.caches.lock().get(kind).map(|(cache, _)| cache.clone())
    }

    /// Lists and watches the objects of a namespace (`""` = all) that the selectors of `which` name, for parts that do not keep them
    /// as they are. Read as caches are; ends with `stop`. Must be called within a tokio runtime.
    pub fn follow(&self, kind: &Gvr, ns: &str, which: ListOptions, sink: Arc<dyn Sink>, stop: CancellationToken) {
        let api = Api::new(self.shared.transport.clone(), self.shared.reader.clone(), kind.clone());
        let (ns, ended) = (ns.to_owned(), self.stopped());
        tokio::spawn(async move {
            let follow = crate::cache::reflect::run(api, &ns, &which, &*sink, stop);
            ended.run_until_cancelled(follow).await;
        });
    }

    /// Ends a kind's cache, as the kind is served no more. Whoever holds it reads what it last showed.
    pub fn release(&self, kind: &Gvr) {
        if let Some((_, stop)) = self.shared.caches.lock().remove(kind) {
            stop.cancel();
        }
    }

    /// Writes events as `component` on `host` (empty for parts that are not on a node). Must be called within a tokio runtime.
    pub fn recorder(&self, component: &str, host: &str) -> Recorder {
        Recorder::start(self.clone(), component, host)
    }

    /// Ends all caches. Requests still work.
    pub fn shut_down(&self) {
        self.shared.stop.cancel();
    }

    pub(crate) fn stopped(&self) -> CancellationToken {
        self.shared.stop.child_token()
    }
}
