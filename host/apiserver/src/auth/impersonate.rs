//! Acting as somebody else: `k8s.io/apiserver/pkg/endpoints/filters/impersonation`.
//!
//! The constrained modes (KEP-5284) are asked first: a verb `impersonate:<mode>` on the identity together with
//! `impersonate-on:<mode>:<verb>` on what is done with it. The plain verb `impersonate` grants everything that the identity
//! may do, as it always did.

use super::{Ask, decide};
use crate::query::decode;
use crate::server::Shared;
use http::HeaderMap;
use interfaces::authorize::{ANONYMOUS, AUTHENTICATED, MASTERS, NODE_PREFIX, NODES, UNAUTHENTICATED, UserInfo, split_service_account};
use object::{StatusError, names};
use std::sync::Arc;

const USER: &str = "impersonate-user";
const UID: &str = "impersonate-uid";
const GROUP: &str = "impersonate-group";
const EXTRA: &str = "impersonate-extra-";
const AUTHENTICATION: &str = "authentication.k8s.io";
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";

/// In the order they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    AssociatedNode,
    ArbitraryNode,
    ServiceAccount,
    UserInfo,
    Plain,
}

const MODES: [Mode; 5] = [Mode::AssociatedNode, Mode::ArbitraryNode, Mode::ServiceAccount, Mode::UserInfo, Mode::Plain];

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::AssociatedNode => "associated-node",
            Self::ArbitraryNode => "arbitrary-node",
            Self::ServiceAccount => "serviceaccount",
            Self::UserInfo => "user-info",
            Self::Plain => "",
        }
    }

    /// Whether the mode is about such identities at all.
    fn fits(self, wanted: &UserInfo, requestor: &UserInfo) -> bool {
        let only_name = wanted.uid.is_empty() && wanted.groups.is_empty() && wanted.extra.is_empty();
        let node = node_of(&wanted.name);
        let account = split_service_account(&wanted.name);
        match self {
            Self::AssociatedNode => {
                let home = requestor.extra.get(NODE_NAME).map(Vec::as_slice).unwrap_or_default();
                only_name && node.is_some_and(|n| home == [n]) && split_service_account(&requestor.name).is_some()
            }
            Self::ArbitraryNode => only_name && node.is_some(),
            Self::ServiceAccount => only_name && account.is_some(),
            Self::UserInfo => node.is_none() && account.is_none(),
            Self::Plain => true,
        }
    }
}

/// The identity that the request acts under: its own, or the one its headers name, when it may.
///
/// Errors: 400 for groups, UID or extra without a user; 403 naming what may not be impersonated.
pub async fn impersonate(
    shared: &Shared,
    requestor: Arc<UserInfo>,
    headers: &HeaderMap,
    ask: &Ask<'_>,
) -> Result<Arc<UserInfo>, StatusError> {
    let Some(wanted) = wanted(headers)? else { return Ok(requestor) };
    let mut first = None;
    for mode in MODES.into_iter().filter(|mode| mode.fits(&wanted, &requestor)) {
        match attempt(shared, mode, &requestor, &wanted, ask).await {
            Ok(user) => return Ok(Arc::new(user)),
            Err(refusal) => first = first.or(Some(refusal)),
        }
    }
    Err(first.unwrap_or_else(StatusError::unauthorized))
}

/// Most requests have no such header: one look at the names decides that.
pub fn impersonates(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with("impersonate-"))
}

fn wanted(headers: &HeaderMap) -> Result<Option<UserInfo>, StatusError> {
    if !impersonates(headers) {
        return Ok(None);
    }
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let one = |name: &str| headers.get(name).map(text).unwrap_or_default();
    let mut user = UserInfo { name: one(USER), uid: one(UID), ..UserInfo::default() };
    user.groups = headers.get_all(GROUP).iter().map(text).collect();
    for (name, value) in headers {
        if let Some(key) = name.as_str().strip_prefix(EXTRA) {
            user.extra.entry(decode(key, false)).or_default().push(text(value));
        }
    }
    if !user.name.is_empty() {
        return Ok(Some(user));
    }
    if user.uid.is_empty() && user.groups.is_empty() && user.extra.is_empty() {
        return Ok(None);
    }
    let groups = user.groups.join(" ");
    Err(StatusError::bad_request(format!("requested groups [{groups}], uid {:?} and extra without impersonating a user name", user.uid)))
}

fn node_of(user: &str) -> Option<&str> {
    user.strip_prefix(NODE_PREFIX).filter(|name| names::dns1123_subdomain(name).is_empty())
}

async fn attempt(shared: &Shared, mode: Mode, by: &UserInfo, wanted: &UserInfo, ask: &Ask<'_>) -> Result<UserInfo, StatusError> {
    let constrained = mode != Mode::Plain;
    if constrained {
        let verb = format!("impersonate-on:{}:{}", mode.name(), ask.verb);
        permit(shared, &Ask { user: by, verb: &verb, ..*ask }).await?;
    }
    let verb = if constrained { format!("impersonate:{}", mode.name()) } else { "impersonate".to_owned() };
    // The plain verb is about users and groups of the core group, as it was before there was another.
    let group = if constrained { AUTHENTICATION } else { "" };
    let mut user = wanted.clone();

    let about = Ask::resource(by, &verb, group, "users", "", &wanted.name);
    let about = match (node_of(&wanted.name), split_service_account(&wanted.name)) {
        (Some(node), _) if constrained => {
            user.groups = vec![NODES.to_owned()];
            // A grant for the own node must hold for whichever node the requestor runs on.
            Ask { resource: "nodes", name: if mode == Mode::AssociatedNode { "*" } else { node }, ..about }
        }
        (_, Some((namespace, name))) => {
            if wanted.groups.is_empty() {
                let fixed = UserInfo::service_account(namespace, name).groups;
                user.groups = fixed.into_iter().filter(|g| g != AUTHENTICATED).collect();
            }
            Ask { resource: "serviceaccounts", namespace, name, ..about }
        }
        _ => about,
    };
    permit(shared, &about).await?;
    if !wanted.uid.is_empty() {
        permit(shared, &Ask::resource(by, &verb, AUTHENTICATION, "uids", "", &wanted.uid)).await?;
    }
    for name in &wanted.groups {
        let about = Ask::resource(by, &verb, group, "groups", "", name);
        if constrained && name.is_empty() {
            return Err(about.forbidden("impersonating the empty string group is not allowed"));
        }
        if constrained && name == MASTERS {
            return Err(about.forbidden("impersonating the system:masters group is not allowed"));
        }
        permit(shared, &about).await?;
    }
    for (key, values) in &wanted.extra {
        for value in values {
            let about = Ask { subresource: key, ..Ask::resource(by, &verb, AUTHENTICATION, "userextras", "", value) };
            if constrained && (key.is_empty() || value.is_empty()) {
                return Err(about.forbidden("impersonating an empty key or value in extra is not allowed"));
            }
            permit(shared, &about).await?;
        }
    }
    let unauthenticated = user.is_in(UNAUTHENTICATED);
    if user.name == ANONYMOUS && !unauthenticated {
        user.groups.push(UNAUTHENTICATED.to_owned());
    } else if user.name != ANONYMOUS && !unauthenticated && !user.is_in(AUTHENTICATED) {
        user.groups.push(AUTHENTICATED.to_owned());
    }
    Ok(user)
}

async fn permit(shared: &Shared, ask: &Ask<'_>) -> Result<(), StatusError> {
    decide(shared, ask, false).await.map(|_| ()).map_err(|reason| ask.forbidden(&reason))
}
