//! Who makes a request: `k8s.io/apiserver/pkg/endpoints/filters/authentication.go` and the union of authenticators behind it.

use http::request::Parts;
use interfaces::authorize::UserInfo;
use object::StatusError;
use std::sync::Arc;

/// The identity of the connection (a client certificate, or this process' own clients), else of the bearer token, else
/// anonymous. Headers that claim a user (`X-Remote-User`) are not read: there is no authenticating proxy in front.
///
/// Errors: 401 for a token that proves nothing.
pub async fn authenticate(shared: &crate::server::Shared, parts: &Parts) -> Result<Arc<UserInfo>, StatusError> {
    if let Some(user) = parts.extensions.get::<Arc<UserInfo>>() {
        return Ok(user.clone());
    }
    if let Some(user) = parts.extensions.get::<UserInfo>() {
        return Ok(Arc::new(user.clone()));
    }
    let header = parts.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = match header.trim().split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => "",
    };
    if token.is_empty() {
        return Ok(Arc::new(UserInfo::anonymous()));
    }
    match &shared.config.tokens {
        Some(tokens) => match tokens.authenticate(shared, token, &[]).await {
            Ok(authenticated) => Ok(authenticated.user),
            Err(cause) => {
                tracing::debug!(%cause, "a bearer token was refused");
                Err(StatusError::unauthorized())
            }
        },
        None => Err(StatusError::unauthorized()),
    }
}
