//! [`LeaderElector`]: one of several processes leads, by a Lease (`k8s.io/client-go/tools/leaderelection`).

use crate::api::Api;
use crate::connect::Client;
use crate::error::Error;
use crate::gvr;
use object::{Object, Value, json};
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The defaults of `LeaderElectionConfiguration`.
#[derive(Clone, Copy, Debug)]
pub struct LeaseSettings {
    /// Others may take over when the lease was not renewed for this long.
    pub lease: Duration,
    /// The leader gives up when it could not renew for this long. Shorter than `lease`.
    pub renew: Duration,
    /// Pause between tries.
    pub retry: Duration,
}

impl Default for LeaseSettings {
    fn default() -> Self {
        Self { lease: Duration::from_secs(15), renew: Duration::from_secs(10), retry: Duration::from_secs(2) }
    }
}

pub struct LeaderElector {
    api: Api,
    namespace: String,
    name: String,
    identity: String,
    settings: LeaseSettings,
    /// The lease's holder and renewal as last seen, and when by our own clock: clocks of other machines are not trusted.
    seen: Option<(Record, Instant)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Record {
    holder: String,
    renewed: String,
    transitions: i64,
    seconds: u64,
}

impl LeaderElector {
    /// `identity` names this process among its peers, e.g. `host_uuid`.
    pub fn new(client: &Client, namespace: &str, name: &str, identity: &str, settings: LeaseSettings) -> Self {
        let api = client.api(&gvr::leases());
        Self { api, namespace: namespace.to_owned(), name: name.to_owned(), identity: identity.to_owned(), settings, seen: None }
    }

    /// Waits for the lease and then runs `lead`, whose token is cancelled when the lease is lost. Returns when `lead` has
    /// ended or `stop` is cancelled; the lease is then given up. Losing it is the end: start anew from a clean state.
    pub async fn run<F: Future<Output = ()>>(mut self, stop: CancellationToken, lead: impl FnOnce(CancellationToken) -> F) {
        loop {
            if self.try_once().await {
                break;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.settings.retry) => {}
            }
        }
        tracing::info!(lease = self.name, identity = self.identity, "leading");
        let lost = stop.child_token();
        {
            let mut work = std::pin::pin!(lead(lost.clone()));
            let ended = {
                let mut renewal = std::pin::pin!(self.renew());
                tokio::select! {
                    () = &mut work => true,
                    () = &mut renewal => false,
                    () = stop.cancelled() => false,
                }
            };
            lost.cancel();
            if !ended {
                work.await;
            }
        }
        self.release().await;
    }

    /// Ends when the lease could not be renewed in time.
    async fn renew(&mut self) {
        let mut last = Instant::now();
        loop {
            tokio::time::sleep(self.settings.retry).await;
            match tokio::time::timeout_at(last + self.settings.renew, self.try_once()).await {
                Ok(true) => last = Instant::now(),
                Ok(false) if last.elapsed() < self.settings.renew => {}
                _ => {
                    tracing::warn!(lease = self.name, "the lease was lost");
                    return;
                }
            }
        }
    }

    /// Takes or renews the lease if that is allowed; whether we hold it now.
    async fn try_once(&mut self) -> bool {
        let result = match self.api.get(&self.namespace, &self.name).await {
            Ok(lease) => self.take_over(lease).await,
            Err(e) if e.is_not_found() => self.create().await,
            Err(e) => Err(e),
        };
        result.unwrap_or_else(|e| {
            tracing::debug!(lease = self.name, error = e.chain(), "lease not renewed");
            false
        })
    }

    async fn create(&self) -> Result<bool, Error> {
        let now = object::time::now_micro();
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": { "name": self.name, "namespace": self.namespace },
            "spec": {
                "holderIdentity": self.identity, "leaseDurationSeconds": self.settings.lease.as_secs(),
                "acquireTime": now, "renewTime": now, "leaseTransitions": 0,
            },
        });
        let lease = Object::from_value(lease).unwrap_or_default();
        match self.api.create(&self.namespace, &lease).await {
            Ok(_) => Ok(true),
            Err(e) if e.is_already_exists() => Ok(false),
            Err(e) => Err(e),
        }
    }

    async fn take_over(&mut self, mut lease: Object) -> Result<bool, Error> {
        let record = Record::of(&lease);
        let since = match &self.seen {
            Some((known, since)) if *known == record => *since,
            _ => Instant::now(),
        };
        self.seen = Some((record.clone(), since));
        let ours = record.holder == self.identity;
        let valid = since.elapsed() < Duration::from_secs(record.seconds);
        if !ours && !record.holder.is_empty() && valid {
            return Ok(false);
        }
        let now = object::time::now_micro();
        lease.set_at(&["spec", "holderIdentity"], json!(self.identity));
        lease.set_at(&["spec", "leaseDurationSeconds"], json!(self.settings.lease.as_secs()));
        lease.set_at(&["spec", "renewTime"], json!(now));
        if !ours {
            lease.set_at(&["spec", "acquireTime"], json!(now));
            lease.set_at(&["spec", "leaseTransitions"], json!(record.transitions + 1));
        }
        // The lease's resourceVersion makes sure that nobody else took it meanwhile.
        match self.api.update(&self.namespace, &lease).await {
            Ok(_) => Ok(true),
            Err(e) if e.is_conflict() => Ok(false),
            Err(e) => Err(e),
        }
    }

    async fn release(&self) {
        let Ok(mut lease) = self.api.get(&self.namespace, &self.name).await else { return };
        if lease.str_at(&["spec", "holderIdentity"]) != self.identity {
            return;
        }
        lease.set_at(&["spec", "holderIdentity"], json!(""));
        lease.set_at(&["spec", "leaseDurationSeconds"], json!(1));
        lease.set_at(&["spec", "renewTime"], json!(object::time::now_micro()));
        if let Err(e) = self.api.update(&self.namespace, &lease).await {
            tracing::debug!(lease = self.name, error = e.chain(), "lease not given up; it will expire");
        }
    }
}

impl Record {
    fn of(lease: &Object) -> Self {
        let number = |field| lease.at(&["spec", field]).and_then(Value::as_i64).unwrap_or_default();
        Self {
            holder: lease.str_at(&["spec", "holderIdentity"]).to_owned(),
            renewed: lease.str_at(&["spec", "renewTime"]).to_owned(),
            transitions: number("leaseTransitions"),
            seconds: number("leaseDurationSeconds").unsigned_abs(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;

    fn lease(holder: &str, renewed: &str) -> String {
        let spec = json!({ "holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 15, "leaseTransitions": 2 });
        json!({ "metadata": { "name": "l", "namespace": "n", "resourceVersion": "1" }, "spec": spec }).to_string()
    }

    fn elector(script: &Script) -> LeaderElector {
        LeaderElector::new(&script.client(), "n", "l", "me", LeaseSettings::default())
    }

    #[tokio::test]
    async fn a_free_lease_is_taken_and_given_up() {
        let absent = r#"{"kind":"Status","status":"Failure","reason":"NotFound","code":404}"#;
        let ours = lease("me", "2026-01-01T00:00:00.000000Z");
        let script = Script::default().then(404, absent).then(201, &ours).then(200, &ours).then(200, &ours);
        let mut led = false;
        elector(&script).run(CancellationToken::new(), |_| async { led = true }).await;
        assert!(led);
        let requests = script.requests.lock().clone();
        let verbs: Vec<&str> = requests.iter().filter_map(|r| r.split(' ').nth(1)).collect();
        assert_eq!(verbs, ["GET", "POST", "GET", "PUT"]);
        assert!(requests[1].contains(r#""holderIdentity":"me""#) && requests[1].contains(r#""leaseTransitions":0"#), "{requests:?}");
        assert!(requests[3].contains(r#""holderIdentity":"""#), "{requests:?}");
    }

    #[tokio::test]
    async fn another_holders_lease_is_taken_only_when_it_is_not_renewed() {
        let (first, later) = (lease("other", "2026-01-01T00:00:00.000000Z"), lease("other", "2026-01-01T00:00:02.000000Z"));
        let script = Script::default().then(200, &first).then(200, &later).then(200, &later).then(200, &lease("me", "x"));
        let mut elector = elector(&script);
        assert!(!elector.try_once().await, "just seen");
        let long_ago = Instant::now().checked_sub(Duration::from_secs(20)).unwrap();
        elector.seen.as_mut().unwrap().1 = long_ago;
        assert!(!elector.try_once().await, "renewed meanwhile, whatever its clock says");
        elector.seen.as_mut().unwrap().1 = long_ago;
        assert!(elector.try_once().await);
        let requests = script.requests.lock().clone();
        assert!(requests[3].contains(r#""leaseTransitions":3"#) && requests[3].contains(r#""resourceVersion":"1""#), "{requests:?}");
    }
}
