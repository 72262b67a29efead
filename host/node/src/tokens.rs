//! Service account tokens of the node's pods: `pkg/kubelet/token/token_manager.go`. Each pod gets its own, bound to it, so that
//! the token ends with the pod.

use client::{Api, Error};
use object::{Object, Value, json};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

/// A token is asked for anew once this part of its lifetime is over…
const RENEW_PERCENT: u32 = 80;
/// … or when it is this old.
const RENEW_AGE: Duration = Duration::from_secs(24 * 60 * 60);

pub struct Tokens {
    accounts: Api,
    held: Mutex<HashMap<Key, Held>>,
}

/// What a projected volume asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    pod: String,
    account: String,
    audience: String,
    seconds: i64,
}

#[derive(Clone)]
struct Held {
    token: String,
    renew: Instant,
}

impl Tokens {
    pub fn new(accounts: Api) -> Self {
        Self { accounts, held: Mutex::default() }
    }

    /// The token of a pod's account. An empty audience is the API server's.
    pub async fn get(&self, pod: &Object, audience: &str, seconds: i64) -> Result<String, Error> {
        let account = pod.str_at(&["spec", "serviceAccountName"]);
        let key = Key { pod: pod.uid().to_owned(), account: account.to_owned(), audience: audience.to_owned(), seconds };
        if let Some(held) = self.held.lock().get(&key).filter(|held| held.renew > Instant::now()) {
            return Ok(held.token.clone());
        }
        let audiences: Vec<&str> = Some(audience).filter(|a| !a.is_empty()).into_iter().collect();
        let bound = json!({ "apiVersion": "v1", "kind": "Pod", "name": pod.name(), "uid": pod.uid() });
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": { "audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": bound },
        });
        let answer = self.accounts.create_subresource(pod.namespace(), account, "token", &request).await?;
        let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let ends = object::time::parse(text("/status/expirationTimestamp")).unwrap_or_else(SystemTime::now);
        let lifetime = ends.duration_since(SystemTime::now()).unwrap_or_default();
        let token = text("/status/token").to_owned();
        let renew = Instant::now() + (lifetime * RENEW_PERCENT / 100).min(RENEW_AGE);
        self.held.lock().insert(key, Held { token: token.clone(), renew });
        Ok(token)
    }

    /// When the first of a pod's tokens is to be renewed.
    pub fn due(&self, pod: &str) -> Option<Instant> {
        self.held.lock().iter().filter(|(key, _)| key.pod == pod).map(|(_, held)| held.renew).min()
    }

    pub fn forget(&self, pod: &str) {
        self.held.lock().retain(|key, _| key.pod != pod);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Api as Server;

    #[tokio::test]
    async fn a_token_is_held_until_most_of_its_life_is_over() {
        let pod = json!({ "metadata": { "name": "p", "namespace": "n", "uid": "u" }, "spec": { "serviceAccountName": "a" } });
        let server = Server::new(pod.clone());
        let tokens = Tokens::new(server.client().api(&client::gvr::service_accounts()));
        let pod = Object::from_value(pod).unwrap();
        let answer = |token: &str, seconds: u64| {
            let ends = object::time::format(SystemTime::now() + Duration::from_secs(seconds));
            let answer = json!({ "status": { "token": token, "expirationTimestamp": ends } });
            server.objects.lock().insert("/api/v1/namespaces/n/serviceaccounts/a/token".to_owned(), answer);
        };
        answer("one", 1000);
        assert_eq!(tokens.get(&pod, "", 1000).await.unwrap(), "one");
        let due = tokens.due("u").unwrap().saturating_duration_since(Instant::now()).as_secs();
        assert!((790..=800).contains(&due), "{due}");
        answer("two", 0);
        assert_eq!(tokens.get(&pod, "", 1000).await.unwrap(), "one", "it is not asked for again");
        assert_eq!(tokens.get(&pod, "other", 1000).await.unwrap(), "two", "another audience, another token");
        answer("three", 1000);
        assert_eq!(tokens.get(&pod, "other", 1000).await.unwrap(), "three", "the last one's life was over");
        tokens.forget("u");
        assert!(tokens.due("u").is_none());
    }
}
