//! Roles and bindings as decisions need them: by subject, parsed once, kept up to date by the changes of the watch cache.
//!
//! Invariant: an entry is in `users` or `groups` of a scope exactly while its binding is in `bound`.

use super::rule::Rule;
use crate::auth::follow::Follow;
use crate::cache::{Item, KindCache};
use object::{Object, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// A cluster role or role, by the key of its cache.
pub type Rules = Arc<Vec<Rule>>;

#[derive(Default)]
pub struct Index {
    pub roles: Roles,
    pub cluster_roles: Roles,
    pub bindings: Bindings,
    pub cluster_bindings: Bindings,
}

#[derive(Default)]
pub struct Roles {
    rules: HashMap<Arc<str>, Rules>,
}

#[derive(Default)]
pub struct Bindings {
    /// By namespace; cluster bindings have the namespace `""`.
    scopes: HashMap<Box<str>, Subjects>,
    /// What each binding put into its scope.
    bound: HashMap<Arc<str>, Arc<Bound>>,
}

#[derive(Default)]
pub struct Subjects {
    users: HashMap<Box<str>, Vec<Arc<Bound>>>,
    groups: HashMap<Box<str>, Vec<Arc<Bound>>>,
}

/// One binding.
#[derive(Debug, Default)]
pub struct Bound {
    /// Of the cache: `name` or `namespace/name`.
    pub key: Arc<str>,
    pub role_kind: Box<str>,
    pub role_name: Box<str>,
    /// `namespace/name` of the role, when it is one.
    pub role_key: Box<str>,
    subjects: Vec<Subject>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    User(Box<str>),
    Group(Box<str>),
    /// With its user name.
    Account {
        namespace: Box<str>,
        name: Box<str>,
        user: Box<str>,
    },
}

impl Roles {
    pub fn get(&self, key: &str) -> Option<&Rules> {
        self.rules.get(key)
    }
}

impl Follow for Roles {
    fn clear(&mut self) {
        self.rules.clear();
    }
    fn put(&mut self, item: &Item) {
        self.rules.insert(item.key.clone(), Arc::new(rules_of(&item.object())));
    }
    fn remove(&mut self, key: &str) {
        self.rules.remove(key);
    }
}

impl Follow for Bindings {
    fn clear(&mut self) {
        *self = Self::default();
    }
    fn put(&mut self, item: &Item) {
        self.remove(&item.key);
        let object = item.object();
        let bound = Arc::new(Bound::of(&item.key, &object));
        let scope = self.scopes.entry(object.namespace().into()).or_default();
        for subject in &bound.subjects {
            let (map, name) = match subject {
                Subject::User(name) | Subject::Account { user: name, .. } => (&mut scope.users, name),
                Subject::Group(name) => (&mut scope.groups, name),
            };
            map.entry(name.clone()).or_default().push(bound.clone());
        }
        self.bound.insert(item.key.clone(), bound);
    }
    fn remove(&mut self, key: &str) {
        let Some(bound) = self.bound.remove(key) else { return };
        let namespace = key.split_once('/').map_or("", |(namespace, _)| namespace);
        let Some(scope) = self.scopes.get_mut(namespace) else { return };
        for subject in &bound.subjects {
            let (map, name) = match subject {
                Subject::User(name) | Subject::Account { user: name, .. } => (&mut scope.users, name),
                Subject::Group(name) => (&mut scope.groups, name),
            };
            if let Some(list) = map.get_mut(name) {
                list.retain(|b| b.key != bound.key);
                if list.is_empty() {
                    map.remove(name);
                }
            }
        }
        if scope.users.is_empty() && scope.groups.is_empty() {
            self.scopes.remove(namespace);
        }
    }
}

impl Bindings {
    /// Bindings of a user or of one of its groups in a scope.
    pub fn of<'i>(&'i self, namespace: &str, user: &str, groups: &'i [String]) -> impl Iterator<Item = &'i Arc<Bound>> {
        let scope = self.scopes.get(namespace);
        let named = scope.and_then(|s| s.users.get(user)).into_iter().flatten();
        named.chain(scope.into_iter().flat_map(move |s| groups.iter().filter_map(|g| s.groups.get(g.as_str())).flatten()))
    }
}

impl Bound {
    fn of(key: &Arc<str>, object: &Object) -> Self {
        let role = |field: &str| object.str_at(&["roleRef", field]);
        let home = object.namespace();
        let subjects = object.at(&["subjects"]).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        Self {
            key: key.clone(),
            role_kind: role("kind").into(),
            role_name: role("name").into(),
            role_key: format!("{home}/{}", role("name")).into(),
            subjects: subjects.iter().filter_map(|subject| Subject::of(subject, home)).collect(),
        }
    }

    /// `ClusterRoleBinding "b" of ClusterRole "r" to User "u"`, as upstream's `plugin/pkg/auth/authorizer/rbac` describes it.
    pub fn told(&self, user: &str, groups: &[String]) -> String {
        let applies = |s: &&Subject| match s {
            Subject::User(name) => **name == *user,
            Subject::Group(name) => groups.iter().any(|g| **name == **g),
            Subject::Account { user: name, .. } => **name == *user,
        };
        let subject = match self.subjects.iter().find(applies) {
            Some(Subject::User(name)) => format!("User \"{name}\""),
            Some(Subject::Group(name)) => format!("Group \"{name}\""),
            Some(Subject::Account { namespace, name, .. }) => format!("ServiceAccount \"{name}/{namespace}\""),
            None => String::new(),
        };
        let binding = match self.key.split_once('/') {
            Some((namespace, name)) => format!("RoleBinding \"{name}/{namespace}\""),
            None => format!("ClusterRoleBinding \"{}\"", self.key),
        };
        format!("{binding} of {} \"{}\" to {subject}", self.role_kind, self.role_name)
    }
}

impl Subject {
    fn of(value: &Value, home: &str) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        match text("kind") {
            "User" => Some(Self::User(text("name").into())),
            "Group" => Some(Self::Group(text("name").into())),
            "ServiceAccount" => {
                let namespace = if text("namespace").is_empty() { home } else { text("namespace") };
                let user = interfaces::authorize::service_account_name(namespace, text("name"));
                Some(Self::Account { namespace: namespace.into(), name: text("name").into(), user: user.into() })
            }
            _ => None,
        }
    }
}

pub fn rules_of(role: &Object) -> Vec<Rule> {
    role.at(&["rules"]).and_then(Value::as_array).into_iter().flatten().map(Rule::from_value).collect()
}

/// The caches that the index follows.
pub struct Caches {
    pub roles: Arc<KindCache>,
    pub cluster_roles: Arc<KindCache>,
    pub bindings: Arc<KindCache>,
    pub cluster_bindings: Arc<KindCache>,
}
