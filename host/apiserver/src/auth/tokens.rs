//! Tokens of service accounts: `kubernetes/pkg/serviceaccount/{claims,jwt}.go`.
//!
//! A token is bound to its account, and may be bound to a pod, a secret or a node: it ends with the first of them. That is
//! looked up in the watch cache with every request; only the signature's verification is remembered.

use super::jwt::{BadKey, Key};
use crate::server::Shared;
use interfaces::authorize::{UserInfo, service_account_name};
use object::{Object, Value, json};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Clocks may differ by this much (`jwt.DefaultLeeway`).
const LEEWAY: i64 = 60;
/// Tokens whose signature is remembered: about a kilobyte each.
const REMEMBERED: usize = 2048;

/// A pod's own token that was asked for with this lifetime…
pub const POD_SECONDS: i64 = 60 * 60 + 7;
/// … lives this long, and clients that still use the first after an hour are told of (`service-account-extend-token-expiration`).
const EXTENDED_SECONDS: i64 = 365 * 24 * 60 * 60;

/// Signs and verifies the cluster's service account tokens.
pub struct Tokens {
    key: Key,
    issuer: String,
    /// Whom a token is for that names nobody: this API server.
    audiences: Vec<String>,
    verified: Mutex<HashMap<[u8; 32], Arc<Claims>>>,
}

/// What a token says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Claims {
    audiences: Vec<String>,
    expires: i64,
    not_before: i64,
    id: String,
    namespace: String,
    account: Reference,
    pod: Option<Reference>,
    secret: Option<Reference>,
    node: Option<Reference>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Reference {
    name: String,
    uid: String,
}

/// What a new token is bound to, beside its account.
#[derive(Default)]
pub struct BoundTo {
    pub pod: Option<Object>,
    pub secret: Option<Object>,
    /// Of the pod, or bound to directly.
    pub node: Option<Object>,
}

/// Whom a token names, and which of the wanted audiences it is for.
pub struct Authenticated {
    pub user: Arc<UserInfo>,
    pub audiences: Vec<String>,
}

impl Tokens {
    /// `key`: PEM of a private key on P-256. No audiences: the issuer is the only one.
    pub fn new(key: &str, issuer: &str, audiences: &[String]) -> Result<Self, BadKey> {
        let audiences = if audiences.is_empty() { vec![issuer.to_owned()] } else { audiences.to_vec() };
        Ok(Self { key: Key::from_pem(key)?, issuer: issuer.to_owned(), audiences, verified: Mutex::default() })
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    pub fn key_set(&self) -> Value {
        self.key.key_set()
    }

    /// A new token, and when the client should have another one.
    pub fn issue(&self, account: &Object, bound: &BoundTo, seconds: i64, audiences: &[String]) -> Option<(String, SystemTime)> {
        let now = now();
        let told = UNIX_EPOCH + Duration::from_secs(u64::try_from(now + seconds).ok()?);
        let for_us = audiences.iter().all(|a| self.audiences.contains(a));
        let extended = bound.pod.is_some() && seconds == POD_SECONDS && for_us;
        let lifetime = if extended { EXTENDED_SECONDS } else { seconds };
        let reference = |o: &Object| json!({ "name": o.name(), "uid": o.uid() });
        let mut private = json!({ "namespace": account.namespace(), "serviceaccount": reference(account) });
        for (key, object) in [("pod", &bound.pod), ("secret", &bound.secret), ("node", &bound.node)] {
            if let Some(object) = object {
                private[key] = reference(object);
            }
        }
        if extended {
            private["warnafter"] = json!(now + seconds);
        }
        let claims = json!({
            "iss": self.issuer, "sub": service_account_name(account.namespace(), account.name()), "aud": audiences,
            "exp": now + lifetime, "iat": now, "nbf": now, "jti": uuid::Uuid::new_v4().to_string(), "kubernetes.io": private,
        });
        Some((self.key.sign(&claims)?, told))
    }

    /// Whom a token names, if it is for one of the wanted audiences (none: for this server) and what it is bound to is there.
    pub async fn authenticate(&self, shared: &Shared, token: &str, wanted: &[String]) -> Result<Authenticated, String> {
        let claims = self.claims(token)?;
        let wanted = if wanted.is_empty() { &self.audiences } else { wanted };
        let audiences: Vec<String> = wanted.iter().filter(|a| claims.audiences.contains(a)).cloned().collect();
        if audiences.is_empty() {
            return Err(format!("token audiences {:?} is invalid for the target audiences {wanted:?}", claims.audiences));
        }
        let now = now();
        if now - LEEWAY > claims.expires {
            return Err("service account token has expired".to_owned());
        }
        if now + LEEWAY < claims.not_before {
            return Err("service account token is not valid yet".to_owned());
        }
        if let Err(first) = live(shared, &claims, now) {
            // What the token is bound to may have been made a moment ago.
            shared.caches.current().await.map_err(|e| e.message)?;
            live(shared, &claims, now).map_err(|_| first)?;
        }
        Ok(Authenticated { user: Arc::new(claims.user()), audiences })
    }

    fn claims(&self, token: &str) -> Result<Arc<Claims>, String> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some(claims) = self.verified.lock().get(&hash) {
            return Ok(claims.clone());
        }
        let claims = self.key.verify(token).map_err(|e| e.to_string())?;
        if claims.get("iss").and_then(Value::as_str) != Some(&self.issuer) {
            return Err("the token was issued by another issuer".to_owned());
        }
        let claims = Arc::new(Claims::read(&claims).ok_or("the token is none of a service account")?);
        let mut verified = self.verified.lock();
        if verified.len() >= REMEMBERED {
            verified.clear();
        }
        verified.insert(hash, claims.clone());
        Ok(claims)
    }
}

impl Claims {
    fn read(claims: &Value) -> Option<Self> {
        let seconds = |key: &str| claims.get(key).and_then(Value::as_i64);
        let audiences = match claims.get("aud")? {
            Value::String(one) => vec![one.clone()],
            many => many.as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        };
        let private = claims.get("kubernetes.io")?;
        let reference = |key: &str| {
            let text = |field: &str| private.get(key)?.get(field)?.as_str().map(str::to_owned);
            Some(Reference { name: text("name")?, uid: text("uid")? })
        };
        let made = Self {
            audiences,
            expires: seconds("exp")?,
            not_before: seconds("nbf").unwrap_or_default(),
            id: claims.get("jti").and_then(Value::as_str).unwrap_or_default().to_owned(),
            namespace: private.get("namespace")?.as_str()?.to_owned(),
            account: reference("serviceaccount")?,
            pod: reference("pod"),
            secret: reference("secret"),
            node: reference("node"),
        };
        let subject = claims.get("sub").and_then(Value::as_str);
        (subject == Some(&service_account_name(&made.namespace, &made.account.name))).then_some(made)
    }

    fn user(&self) -> UserInfo {
        let mut user = UserInfo::service_account(&self.namespace, &self.account.name);
        user.uid.clone_from(&self.account.uid);
        let mut add = |key: &str, value: &str| {
            if !value.is_empty() {
                user.extra.insert(format!("authentication.kubernetes.io/{key}"), vec![value.to_owned()]);
            }
        };
        if !self.id.is_empty() {
            add("credential-id", &format!("JTI={}", self.id));
        }
        for (kind, reference) in [("pod", &self.pod), ("node", &self.node)] {
            if let Some(reference) = reference {
                add(&format!("{kind}-name"), &reference.name);
                add(&format!("{kind}-uid"), &reference.uid);
            }
        }
        user
    }
}

/// What the token is bound to is there, is the same, and has not been ending for longer than clocks differ.
fn live(shared: &Shared, claims: &Claims, now: i64) -> Result<(), String> {
    let (namespace, name) = (&claims.namespace, &claims.account.name);
    let ended = |object: &Object| {
        let since = object.str_at(&["metadata", "deletionTimestamp"]);
        object::time::parse(since).is_some_and(|time| seconds(time) < now - LEEWAY)
    };
    let account = find(shared, "serviceaccounts", namespace, name);
    let account = account.ok_or_else(|| format!("serviceaccounts \"{name}\" not found"))?;
    if ended(&account) {
        return Err(format!("service account {namespace}/{name} has been deleted"));
    }
    if account.uid() != claims.account.uid {
        return Err(format!("service account UID ({}) does not match claim ({})", account.uid(), claims.account.uid));
    }
    // The node of a pod is told, not checked: the pod's end is the token's.
    let node = claims.node.as_ref().filter(|_| claims.pod.is_none());
    let bound = [
        ("secrets", "secret", namespace.as_str(), claims.secret.as_ref()),
        ("pods", "pod", namespace, claims.pod.as_ref()),
        ("nodes", "node", "", node),
    ];
    for (resource, kind, namespace, reference) in bound {
        let Some(reference) = reference else { continue };
        let object = find(shared, resource, namespace, &reference.name);
        let Some(object) = object.filter(|o| !ended(o)) else { return Err("service account token has been invalidated".to_owned()) };
        if object.uid() != reference.uid {
            return Err(format!("{kind} UID ({}) does not match service account {kind} ref claim ({})", object.uid(), reference.uid));
        }
    }
    Ok(())
}

/// An object of the core group from the watch cache.
pub fn find(shared: &Shared, resource: &str, namespace: &str, name: &str) -> Option<Object> {
    let row = shared.registry.resource_by_name("", "v1", resource)?;
    Some(shared.caches.of(&row).ok()?.get(&crate::server::object_key(&row, namespace, name))?.object())
}

fn now() -> i64 {
    seconds(SystemTime::now())
}

fn seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}
