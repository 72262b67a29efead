//! Who asks, and whether they may.
//!
//! [`authenticate`] (connection, then token) → [`impersonate`] (as whom) → [`authorize`]: masters, paths that are always
//! allowed, the node authorizer, RBAC, and what the configuration adds. A request of the masters group costs one look at its
//! groups.

mod ask;
mod authenticate;
mod follow;
mod impersonate;
mod jwt;
mod node;
mod policy;
mod rbac;
mod reconcile;
mod tokens;

pub use ask::{Ask, fields};
pub use authenticate::authenticate;
pub use impersonate::{impersonate, impersonates};
pub use node::NodeGraph;
pub use rbac::{GROUP as RBAC_GROUP, Rbac, Rule, missing, rules_of, told};
pub use reconcile::reconcile;
pub use tokens::{BoundTo, POD_SECONDS as POD_TOKEN_SECONDS, Tokens, find as find_core};

use crate::server::Shared;
use interfaces::authorize::{MASTERS, UNAUTHENTICATED, UserInfo};
use object::StatusError;
use rbac::Verdict;

/// Asked by load balancers and probes before any role exists: upstream's `--authorization-always-allow-paths`.
const ALWAYS_ALLOWED: [&str; 3] = ["/healthz", "/livez", "/readyz"];

/// What decisions are made on.
#[derive(Default)]
pub struct Auth {
    pub rbac: Rbac,
    pub nodes: NodeGraph,
}

/// A granted request, with the reason when it was asked for.
#[derive(Debug)]
pub struct Granted {
    pub reason: String,
}

/// Lets a request pass, or says 403; 401 when its requestor has not said who it is.
pub async fn authorize(shared: &Shared, requestor: &UserInfo, ask: &Ask<'_>) -> Result<(), StatusError> {
    match decide(shared, ask, false).await {
        Ok(_) => Ok(()),
        Err(_) if requestor.is_in(UNAUTHENTICATED) => Err(StatusError::unauthorized()),
        Err(reason) => Err(ask.forbidden(&reason)),
    }
}

/// The decision of the whole chain: why it is granted, or the reason of the refusal, which may be empty.
pub async fn decide(shared: &Shared, ask: &Ask<'_>, explain: bool) -> Result<Granted, String> {
    if ask.user.is_in(MASTERS) {
        return Ok(Granted { reason: String::new() });
    }
    if !ask.is_resource && ALWAYS_ALLOWED.contains(&ask.path) {
        return Ok(Granted { reason: String::new() });
    }
    // No decision is made on roles that are not loaded yet.
    shared.caches.wait_for(0).await.map_err(|e| e.message)?;
    let mut reasons = Vec::new();
    if let Some(node) = ask.user.node() {
        match shared.auth.nodes.decide(shared, node, ask) {
            Ok(()) => return Ok(Granted { reason: String::new() }),
            Err(reason) => reasons.push(reason),
        }
    }
    match shared.auth.rbac.decide(&shared.caches, &shared.registry, ask, explain) {
        Verdict::Allowed(reason) => return Ok(Granted { reason }),
        Verdict::NoOpinion(reason) => reasons.push(reason),
    }
    if let Some(authorizer) = &shared.config.authorizer {
        match authorizer.authorize(&ask.attributes()).await {
            Ok(()) => return Ok(Granted { reason: String::new() }),
            Err(denied) => reasons.push(denied.reason),
        }
    }
    reasons.retain(|reason| !reason.is_empty());
    Err(reasons.join(", "))
}
