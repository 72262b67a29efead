//! `/livez`, `/readyz` and `/healthz` with named checks: `k8s.io/apiserver/pkg/server/healthz/healthz.go`.

use crate::call::{Call, Response};
use crate::respond;
use crate::server::Shared;
use http::{HeaderValue, StatusCode, header::HeaderName};
use object::StatusError;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long the store may take: upstream's `etcd-healthcheck-timeout` and `etcd-readycheck-timeout`.
const STORE_TIME: Duration = Duration::from_secs(2);

/// A check's name, and on which paths it is made.
struct Check {
    name: &'static str,
    asks: Asks,
    live: bool,
    healthy: bool,
}

#[derive(Clone, Copy)]
enum Asks {
    /// The process answers.
    Nothing,
    Store,
    Caches,
    /// The first objects are made.
    Bootstrap,
    /// The server does not drain.
    Draining,
}

/// In upstream's order; `/readyz` makes all of them.
const CHECKS: [Check; 12] = [
    Check { name: "ping", asks: Asks::Nothing, live: true, healthy: true },
    Check { name: "log", asks: Asks::Nothing, live: true, healthy: true },
    Check { name: "etcd", asks: Asks::Store, live: true, healthy: true },
    Check { name: "etcd-readiness", asks: Asks::Store, live: false, healthy: false },
    Check { name: "informer-sync", asks: Asks::Caches, live: false, healthy: false },
    Check { name: "poststarthook/start-system-namespaces-controller", asks: Asks::Bootstrap, live: true, healthy: true },
    Check { name: "poststarthook/crd-informer-synced", asks: Asks::Caches, live: true, healthy: true },
    Check { name: "poststarthook/rbac/bootstrap-roles", asks: Asks::Bootstrap, live: true, healthy: true },
    Check { name: "poststarthook/scheduling/bootstrap-system-priority-classes", asks: Asks::Bootstrap, live: true, healthy: true },
    Check { name: "poststarthook/start-kubernetes-service-cidr-controller", asks: Asks::Bootstrap, live: true, healthy: true },
    Check { name: "poststarthook/bootstrap-controller", asks: Asks::Bootstrap, live: true, healthy: true },
    Check { name: "shutdown", asks: Asks::Draining, live: false, healthy: false },
];

impl Asks {
    /// Why not, if not.
    async fn answer(self, call: &Call) -> Result<(), String> {
        let shared: &Shared = &call.shared;
        match self {
            Self::Nothing => Ok(()),
            Self::Store => match tokio::time::timeout(STORE_TIME, shared.store.get(b"health")).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("the store did not answer in time".to_owned()),
            },
            Self::Caches if shared.caches.is_loaded() => Ok(()),
            Self::Caches => Err("the watch cache is not loaded yet".to_owned()),
            Self::Bootstrap if shared.bootstrapped.load(Ordering::Acquire) => Ok(()),
            Self::Bootstrap => Err("not finished".to_owned()),
            Self::Draining if call.drain.as_ref().is_some_and(|d| d.is_cancelled()) => Err("process is shutting down".to_owned()),
            Self::Draining => Ok(()),
        }
    }
}

/// `path`: `livez`, `readyz` or `healthz`. `?verbose` lists the checks, `?exclude=` leaves some out.
pub async fn answer(call: &Call, path: &str, rest: &[&str]) -> Result<Response, StatusError> {
    let made = |check: &&Check| match path {
        "livez" => check.live,
        "healthz" => check.healthy,
        _ => true,
    };
    if !rest.is_empty() {
        let name = rest.join("/");
        return Ok(match CHECKS.iter().filter(made).find(|check| check.name == name) {
            None => respond::text(StatusCode::NOT_FOUND, "404 page not found\n"),
            Some(check) => match check.asks.answer(call).await {
                Ok(()) => respond::text(StatusCode::OK, "ok"),
                Err(reason) => respond::text(StatusCode::INTERNAL_SERVER_ERROR, format!("internal server error: {reason}\n")),
            },
        });
    }
    let mut excluded: Vec<&str> = call.query.all("exclude").collect();
    excluded.sort_unstable();
    excluded.dedup();
    let (mut told, mut failed) = (String::new(), false);
    for check in CHECKS.iter().filter(made) {
        let name = check.name;
        if let Some(at) = excluded.iter().position(|e| *e == name) {
            excluded.remove(at);
            told.push_str(&format!("[+]{name} excluded: ok\n"));
            continue;
        }
        match check.asks.answer(call).await {
            Ok(()) => told.push_str(&format!("[+]{name} ok\n")),
            // The reason is for those who may see the detailed check: this path is public.
            Err(reason) => {
                tracing::info!(check = name, path, %reason, "health check failed");
                failed = true;
                told.push_str(&format!("[-]{name} failed: reason withheld\n"));
            }
        }
    }
    if !excluded.is_empty() {
        let names: Vec<String> = excluded.iter().map(|e| format!("{e:?}")).collect();
        told.push_str(&format!("warn: some health checks cannot be excluded: no matches for {}\n", names.join(",")));
    }
    // A failure is always verbose.
    let (status, body) = match (failed, call.query.has("verbose")) {
        (true, _) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{told}{path} check failed\n")),
        (false, true) => (StatusCode::OK, format!("{told}{path} check passed\n")),
        (false, false) => (StatusCode::OK, "ok".to_owned()),
    };
    let mut response = respond::text(status, body);
    response.headers_mut().insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    Ok(response)
}

/// Paths of the single checks, as `/` lists them.
pub fn paths() -> Vec<String> {
    let of = |check: &Check| {
        let mut paths = vec![format!("/readyz/{}", check.name)];
        paths.extend(check.live.then(|| format!("/livez/{}", check.name)));
        paths.extend(check.healthy.then(|| format!("/healthz/{}", check.name)));
        paths
    };
    CHECKS.iter().flat_map(of).collect()
}
