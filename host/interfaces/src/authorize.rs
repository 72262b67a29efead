//! Who asks, and whether they may: `k8s.io/apiserver/pkg/authorization/authorizer/interfaces.go`.

use async_trait::async_trait;
use std::collections::BTreeMap;

/// Everyone who proved who they are.
pub const AUTHENTICATED: &str = "system:authenticated";
/// Everyone who did not.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The name of those.
pub const ANONYMOUS: &str = "system:anonymous";
/// May do anything, before any rule is asked.
pub const MASTERS: &str = "system:masters";
/// The agents of nodes; each is `system:node:<name>`.
pub const NODES: &str = "system:nodes";
/// What a node agent's user name begins with.
pub const NODE_PREFIX: &str = "system:node:";

const ACCOUNT_PREFIX: &str = "system:serviceaccount:";
const ACCOUNTS: &str = "system:serviceaccounts";

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
    /// A component of our own: it may do what the roles bound to its name and groups say.
    pub fn component(name: &str, groups: &[&str]) -> Self {
        let all = groups.iter().copied().chain([AUTHENTICATED]).map(str::to_owned).collect();
        Self { name: name.to_owned(), groups: all, ..Self::default() }
    }
    /// In the masters group: no rule holds it back.
    pub fn master(name: &str) -> Self {
        Self::component(name, &[MASTERS])
    }
    /// A service account, as its token names it (`k8s.io/apiserver/pkg/authentication/serviceaccount/util.go`).
    pub fn service_account(namespace: &str, name: &str) -> Self {
        Self::component(&service_account_name(namespace, name), &[ACCOUNTS, &format!("{ACCOUNTS}:{namespace}")])
    }
    pub fn anonymous() -> Self {
        Self { name: ANONYMOUS.to_owned(), groups: vec![UNAUTHENTICATED.to_owned()], ..Self::default() }
    }
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }
    /// The node that this is the agent of.
    pub fn node(&self) -> Option<&str> {
        self.name.strip_prefix(NODE_PREFIX).filter(|name| !name.is_empty() && self.is_in(NODES))
    }
}

/// The user name of a service account.
pub fn service_account_name(namespace: &str, name: &str) -> String {
    format!("{ACCOUNT_PREFIX}{namespace}:{name}")
}

/// Namespace and name of the service account that a user name names.
pub fn split_service_account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix(ACCOUNT_PREFIX)?.split_once(':')?;
    (!namespace.is_empty() && !name.is_empty() && !name.contains(':')).then_some((namespace, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_accounts_are_named_by_namespace_and_name() {
        let check = |user: &str, expect: Option<(&str, &str)>| assert_eq!(split_service_account(user), expect, "{user}");
        check("system:serviceaccount:a:b", Some(("a", "b")));
        check("system:serviceaccount:a:", None);
        check("system:serviceaccount::b", None);
        check("system:serviceaccount:a:b:c", None);
        check("system:node:a", None);
        let user = UserInfo::service_account("a", "b");
        assert_eq!(user.groups, ["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"]);
        assert_eq!(split_service_account(&user.name), Some(("a", "b")));
    }
}
