//! `leader-election`: replicas of which exactly one acts. They agree by a Lease, as client-go's leaderelection does
//! (`tools/leaderelection`): who holds it renews it; the others watch, and take it when it was not renewed for its term, by a
//! write that fails if somebody else was faster. Clocks of several machines are never compared: a term is counted from when
//! this replica saw the last change.
//!
//! `LEASE` (name), `IDENTITY` (the pod's name). The API is asked as the pod's service account, with its token; its certificate
//! is checked with the authority that `SSL_CERT_FILE` names.

use serde_json::{Value, json};
use std::time::SystemTime;
use wstd::http::{Body, Client, Request};
use wstd::task::sleep;
use wstd::time::{Duration, Instant};

const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// How long a lease lasts unrenewed, and how often it is looked at.
const TERM_SECONDS: u64 = 5;
const RETRY_SECONDS: u64 = 1;

type Outcome<T> = Result<T, String>;

struct Api {
    base: String,
    namespace: String,
}

impl Api {
    /// Status and body.
    async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Outcome<(u16, Value)> {
        // Read anew each time: tokens expire, and their file is renewed.
        let token = std::fs::read_to_string(format!("{ACCOUNT}/token")).map_err(|error| format!("token: {error}"))?;
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/{path}", self.base))
            .header("authorization", format!("Bearer {}", token.trim()))
            .header("content-type", "application/json");
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(Body::from(body)).map_err(|error| error.to_string())?;
        let mut client = Client::new();
        client.set_connect_timeout(Duration::from_secs(2));
        client.set_first_byte_timeout(Duration::from_secs(2));
        let mut response = client.send(request).await.map_err(|error| format!("{method} {path}: {error}"))?;
        let status = response.status().as_u16();
        let text = response.body_mut().str_contents().await.map_err(|error| error.to_string())?;
        Ok((status, serde_json::from_str(text).unwrap_or_default()))
    }

    fn leases(&self) -> String {
        format!("apis/coordination.k8s.io/v1/namespaces/{}/leases", self.namespace)
    }
}

struct Candidate {
    api: Api,
    lease: String,
    identity: String,
    /// The record last seen, and since when it has been the same.
    seen: Option<(Value, Instant)>,
}

#[wstd::main]
async fn main() {
    let setting = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let host = setting("KUBERNETES_API", "https://kubernetes.default.svc");
    let namespace = std::fs::read_to_string(format!("{ACCOUNT}/namespace")).unwrap_or_else(|_| "default".to_owned());
    let mut candidate = Candidate {
        api: Api { base: host, namespace },
        lease: setting("LEASE", "leader"),
        identity: setting("IDENTITY", &setting("HOSTNAME", "candidate")),
        seen: None,
    };
    let mut leads = false;
    let mut renewed = Instant::now();
    loop {
        let outcome = candidate.attend().await;
        match &outcome {
            Ok(true) => renewed = Instant::now(),
            Ok(false) => {}
            Err(error) => println!("{error}"),
        }
        // Who cannot renew stops before others may begin.
        let now = match outcome {
            Ok(holds) => holds,
            Err(_) => leads && renewed.elapsed() < Duration::from_secs(TERM_SECONDS - 1),
        };
        if now != leads {
            println!("{} {}", candidate.identity, if now { "leads" } else { "follows" });
            leads = now;
        }
        if leads && let Err(error) = candidate.act().await {
            println!("{error}");
        }
        sleep(Duration::from_secs(RETRY_SECONDS)).await;
    }
}

impl Candidate {
    /// Renews the lease, or takes it if nobody holds it. Whether it is ours now.
    async fn attend(&mut self) -> Outcome<bool> {
        let path = format!("{}/{}", self.api.leases(), self.lease);
        let (status, mut lease) = self.api.call("GET", &path, None).await?;
        if status == 404 {
            let lease = json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": self.lease },
                "spec": self.record(&json!({}), true),
            });
            let (status, said) = self.api.call("POST", &self.api.leases(), Some(&lease)).await?;
            return taken(status, &said);
        }
        if status != 200 {
            return Err(format!("the lease: {status} {}", said_by(&lease)));
        }
        let record = lease["spec"].clone();
        if self.seen.as_ref().is_none_or(|(seen, _)| *seen != record) {
            self.seen = Some((record.clone(), Instant::now()));
        }
        let ours = record["holderIdentity"] == *self.identity;
        let since = self.seen.as_ref().map_or(Duration::from_secs(0), |(_, since)| since.elapsed());
        let term = Duration::from_secs(record["leaseDurationSeconds"].as_u64().unwrap_or(TERM_SECONDS));
        let free = record["holderIdentity"].as_str().unwrap_or_default().is_empty() || since > term;
        if !ours && !free {
            return Ok(false);
        }
        lease["spec"] = self.record(&record, !ours);
        let (status, said) = self.api.call("PUT", &path, Some(&lease)).await?;
        taken(status, &said)
    }

    fn record(&self, before: &Value, change: bool) -> Value {
        let now = timestamp();
        let transitions =
            before["leaseTransitions"].as_u64().unwrap_or_default() + u64::from(change && before["holderIdentity"].is_string());
        json!({
            "holderIdentity": self.identity,
            "leaseDurationSeconds": TERM_SECONDS,
            "acquireTime": if change { json!(now) } else { before["acquireTime"].clone() },
            "renewTime": now,
            "leaseTransitions": transitions,
        })
    }

    /// What only the leader does: it writes its name into a ConfigMap, once more each time.
    async fn act(&mut self) -> Outcome<()> {
        let maps = format!("api/v1/namespaces/{}/configmaps", self.api.namespace);
        let path = format!("{maps}/{}", self.lease);
        let (status, mut map) = self.api.call("GET", &path, None).await?;
        let count: u64 = map["data"][&self.identity].as_str().and_then(|text| text.parse().ok()).unwrap_or_default();
        let (status, said) = if status == 404 {
            let map = json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": self.lease }, "data": { &*self.identity: "1" },
            });
            self.api.call("POST", &maps, Some(&map)).await?
        } else {
            map["data"][&self.identity] = json!((count + 1).to_string());
            self.api.call("PUT", &path, Some(&map)).await?
        };
        if status < 300 { Ok(()) } else { Err(format!("acting: {status} {}", said_by(&said))) }
    }
}

/// Somebody else was faster: no failure.
fn taken(status: u16, said: &Value) -> Outcome<bool> {
    match status {
        200 | 201 => Ok(true),
        409 => Ok(false),
        _ => Err(format!("the lease: {status} {}", said_by(said))),
    }
}

fn said_by(status: &Value) -> &str {
    status["message"].as_str().unwrap_or_default()
}

/// `2030-01-31T12:00:00.000000Z`, of now.
fn timestamp() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // From days since 1970 to a date, by years that begin in March.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:06}Z", since.subsec_micros())
}
