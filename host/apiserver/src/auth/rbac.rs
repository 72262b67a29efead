//! Role-based access control: `kubernetes/plugin/pkg/auth/authorizer/rbac/rbac.go` and
//! `kubernetes/pkg/registry/rbac/validation/rule.go`.
//!
//! Decisions are made on an index over the watch cache ([`index`]), which is brought up to date when a role or binding
//! changed; without a change a decision is a few look-ups by name.

mod index;
mod rule;

pub use index::rules_of;
pub use rule::{Rule, missing, told};

use crate::auth::Ask;
use crate::auth::follow::Cursor;
use crate::cache::{Caches, KindCache};
use index::{Bound, Index, Rules};
use interfaces::authorize::UserInfo;
use object::{GroupResource, StatusError};
use parking_lot::RwLock;
use registry::Registry;
use std::sync::{Arc, OnceLock};

pub const GROUP: &str = "rbac.authorization.k8s.io";

#[derive(Default)]
pub struct Rbac {
    state: RwLock<State>,
    /// Found once: they live as long as the server.
    caches: OnceLock<index::Caches>,
}

#[derive(Default)]
struct State {
    index: Index,
    /// Of roles, cluster roles, bindings, cluster bindings.
    cursors: [Cursor; 4],
}

/// Why a request is allowed, or what went wrong on the way to no answer.
pub enum Verdict {
    Allowed(String),
    NoOpinion(String),
}

impl Rbac {
    /// Allowed? The reason is made only when asked for (`explain`): requests do not read it, access reviews do.
    pub fn decide(&self, caches: &Caches, registry: &Registry, ask: &Ask<'_>, explain: bool) -> Verdict {
        let mut errors = Vec::new();
        let found = self.with(caches, registry, |index| {
            let mut found = None;
            index.visit(ask.user, ask.namespace, &mut |bound, rules| {
                match rules {
                    Ok(rules) if rules.iter().any(|rule| rule.allows(ask)) => {
                        let told = || format!("RBAC: allowed by {}", bound.told(&ask.user.name, &ask.user.groups));
                        found = Some(if explain { told() } else { String::new() });
                    }
                    Ok(_) => {}
                    Err(missing) => errors.push(missing.message),
                }
                found.is_none()
            });
            found
        });
        match found {
            Some(reason) => Verdict::Allowed(reason),
            None => Verdict::NoOpinion(aggregate(&errors)),
        }
    }

    /// All rules that apply to a user in a namespace, and what could not be resolved.
    pub fn rules_for(&self, caches: &Caches, registry: &Registry, user: &UserInfo, namespace: &str) -> (Vec<Rule>, Vec<String>) {
        let (mut all, mut errors) = (Vec::new(), Vec::new());
        self.with(caches, registry, |index| {
            index.visit(user, namespace, &mut |_, rules| {
                match rules {
                    Ok(rules) => all.extend(rules.iter().cloned()),
                    Err(missing) => errors.push(missing.message),
                }
                true
            });
        });
        (all, errors)
    }

    /// The rules that a `roleRef` names; 404 when there is no such role.
    pub fn rules_of_role(
        &self,
        caches: &Caches,
        registry: &Registry,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Rules, StatusError> {
        self.with(caches, registry, |index| index.rules(kind, &format!("{namespace}/{name}"), name).cloned())
    }

    /// Asks the index as it is now.
    fn with<T>(&self, caches: &Caches, registry: &Registry, ask: impl FnOnce(&Index) -> T) -> T {
        let found = self.caches.get().or_else(|| followed(caches, registry).map(|found| self.caches.get_or_init(|| found)));
        let Some(caches) = found else { return ask(&Index::default()) };
        let all = [&caches.roles, &caches.cluster_roles, &caches.bindings, &caches.cluster_bindings];
        {
            let state = self.state.read();
            if state.cursors.iter().zip(all).all(|(cursor, cache)| cursor.is_current(cache)) {
                return ask(&state.index);
            }
        }
        let mut state = self.state.write();
        let State { index, cursors: [roles, cluster_roles, bindings, cluster_bindings] } = &mut *state;
        roles.advance(&caches.roles, &mut index.roles);
        cluster_roles.advance(&caches.cluster_roles, &mut index.cluster_roles);
        bindings.advance(&caches.bindings, &mut index.bindings);
        cluster_bindings.advance(&caches.cluster_bindings, &mut index.cluster_bindings);
        ask(index)
    }
}

impl Index {
    /// Visits the rules of every binding that applies, those of the cluster first, until the visitor says to stop.
    fn visit(&self, user: &UserInfo, namespace: &str, visit: &mut dyn FnMut(&Bound, Result<&Rules, StatusError>) -> bool) {
        for bound in self.cluster_bindings.of("", &user.name, &user.groups) {
            if !visit(bound, self.rules("ClusterRole", "", &bound.role_name)) {
                return;
            }
        }
        if namespace.is_empty() {
            return;
        }
        for bound in self.bindings.of(namespace, &user.name, &user.groups) {
            if !visit(bound, self.rules(&bound.role_kind, &bound.role_key, &bound.role_name)) {
                return;
            }
        }
    }

    fn rules(&self, kind: &str, key: &str, name: &str) -> Result<&Rules, StatusError> {
        let (found, resource) = match kind {
            "Role" => (self.roles.get(key), "roles"),
            _ => (self.cluster_roles.get(name), "clusterroles"),
        };
        found.ok_or_else(|| StatusError::not_found(&GroupResource { group: GROUP.to_owned(), resource: resource.to_owned() }, name))
    }
}

fn followed(caches: &Caches, registry: &Registry) -> Option<index::Caches> {
    let of = |resource: &str| -> Option<Arc<KindCache>> {
        let row = registry.resource_by_name(GROUP, "v1", resource)?;
        caches.of(&row).ok()
    };
    Some(index::Caches {
        roles: of("roles")?,
        cluster_roles: of("clusterroles")?,
        bindings: of("rolebindings")?,
        cluster_bindings: of("clusterrolebindings")?,
    })
}

/// As Go's error lists are told.
fn aggregate(errors: &[String]) -> String {
    match errors {
        [] => String::new(),
        [one] => format!("RBAC: {one}"),
        many => format!("RBAC: [{}]", many.join(", ")),
    }
}
