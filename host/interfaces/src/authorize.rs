//! Who asks, and whether they may: `k8s.io/apiserver/pkg/authorization/authorizer/interfaces.go`.

use async_trait::async_trait;
use std::collections::BTreeMap;

/// Everyone who proved who they are.
pub const AUTHENTICATED: &str = "system:authenticated";
/// Everyone who did not.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// May do anything, before any rule is asked.
pub const MASTERS: &str = "system:masters";

/// Who makes a request. In process, the client puts it into the request's extensions; on the wire, the server's
/// authenticators do, and nothing that arrives by network can carry one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserInfo {
    pub name: String,
    pub uid: String,
    pub groups: Vec<String>,
    pub extra: BTreeMap<String, Vec<String>>,
}

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    pub user: UserInfo,
    /// `get`, `list`, …; for paths that are no resource, the HTTP method in lower case.
    pub verb: String,
    pub group: String,
    pub version: String,
    /// Empty for paths that are no resource.
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
    pub path: String,
}

/// A refusal, with the reason a client may read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Denied {
    pub reason: String,
}

/// A refusal is an `Err`, so that it cannot be ignored.
#[async_trait]
pub trait Authorizer: Send + Sync {
    async fn authorize(&self, attributes: &Attributes) -> Result<(), Denied>;
}

impl UserInfo {
    /// A component of our own, in the masters group until RBAC rules carry the components' rights.
    pub fn component(name: &str, groups: &[&str]) -> Self {
        let mut all: Vec<String> = groups.iter().map(|g| (*g).to_owned()).collect();
        all.extend([MASTERS.to_owned(), AUTHENTICATED.to_owned()]);
        Self { name: name.to_owned(), groups: all, ..Self::default() }
    }
    pub fn anonymous() -> Self {
        Self { name: "system:anonymous".to_owned(), groups: vec![UNAUTHENTICATED.to_owned()], ..Self::default() }
    }
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }
}
