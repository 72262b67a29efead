//! Startup, readiness and liveness probes: `pkg/kubelet/prober`. One task per container; it reports changes, never every
//! result. The pod's address is reached from the node.

mod grpc;
pub mod http;
mod tcp;

use crate::agent::Agent;
use crate::pod::Event;
use crate::pod::slot::Run;
use client::Type;
use object::ObjectRef;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use typed::IntOrString;
use typed::api::core::v1::{Container, Probe};

/// What a probe found out about one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub slot: usize,
    pub attempt: u32,
    pub verdict: Verdict,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The startup probe succeeded.
    Started,
    /// Readiness changed.
    Ready(bool),
    /// The liveness or startup probe failed too often.
    Dead { probe: &'static str, grace: Option<Duration> },
}

/// The container whose probes run.
pub struct Target {
    pub agent: Arc<Agent>,
    pub pod: ObjectRef,
    pub address: Option<IpAddr>,
    pub container: Container,
    pub run: Run,
    pub slot: usize,
    /// The startup probe has succeeded before.
    pub started: bool,
    pub sender: UnboundedSender<Event>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Startup,
    Readiness,
    Liveness,
}

pub fn any(container: &Container) -> bool {
    container.startup_probe.is_some() || container.readiness_probe.is_some() || container.liveness_probe.is_some()
}

/// Probes until the token is cancelled.
pub async fn run(target: Target, token: CancellationToken) {
    tokio::select! {
        () = token.cancelled() => {}
        () = all(&target) => {}
    }
}

async fn all(target: &Target) {
    if let Some(probe) = &target.container.startup_probe
        && !target.started
        && !repeat(target, Kind::Startup, probe).await
    {
        return;
    }
    let readiness = async {
        if let Some(probe) = &target.container.readiness_probe {
            repeat(target, Kind::Readiness, probe).await;
        }
    };
    let liveness = async {
        if let Some(probe) = &target.container.liveness_probe {
            repeat(target, Kind::Liveness, probe).await;
        }
    };
    tokio::join!(readiness, liveness);
}

fn seconds(value: Option<i32>, default: u64) -> Duration {
    Duration::from_secs(value.and_then(|s| u64::try_from(s).ok()).filter(|s| *s > 0).unwrap_or(default))
}

/// Ends when a startup probe succeeds (`true`) or a startup or liveness probe has failed too often (`false`).
async fn repeat(target: &Target, kind: Kind, probe: &Probe) -> bool {
    let timeout = seconds(probe.timeout_seconds, 1);
    let mut counter = Counter::new(probe);
    tokio::time::sleep_until(first_time(target, probe)).await;
    let mut ticks = tokio::time::interval(seconds(probe.period_seconds, 10));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let report = |verdict: Verdict| {
        let report = Report { slot: target.slot, attempt: target.run.state.id.attempt, verdict };
        let _ = target.sender.send(Event::Probed(report));
    };
    loop {
        ticks.tick().await;
        let result = match tokio::time::timeout(timeout, once(target, probe, timeout)).await {
            Ok(result) => result,
            Err(_) => Err(timed_out(probe, timeout)),
        };
        if let Err(message) = &result {
            let name = match kind {
                Kind::Startup => "Startup",
                Kind::Readiness => "Readiness",
                Kind::Liveness => "Liveness",
            };
            let about = ObjectRef { field_path: format!("spec.containers{{{}}}", target.container.name), ..target.pod.clone() };
            target.agent.recorder.event(&about, Type::Warning, "Unhealthy", &format!("{name} probe failed: {message}"));
        }
        let Some(healthy) = counter.count(result.is_ok()) else { continue };
        let grace = probe.termination_grace_period_seconds.and_then(|s| u64::try_from(s).ok()).map(Duration::from_secs);
        match (kind, healthy) {
            (Kind::Startup, true) => {
                report(Verdict::Started);
                return true;
            }
            (Kind::Startup, false) => {
                report(Verdict::Dead { probe: "startup", grace });
                return false;
            }
            (Kind::Liveness, false) => {
                report(Verdict::Dead { probe: "liveness", grace });
                return false;
            }
            (Kind::Liveness, true) => {}
            (Kind::Readiness, ready) => report(Verdict::Ready(ready)),
        }
    }
}

/// `initialDelaySeconds` after the container's start, which may lie before ours.
fn first_time(target: &Target, probe: &Probe) -> Instant {
    let delay = Duration::from_secs(probe.initial_delay_seconds.and_then(|s| u64::try_from(s).ok()).unwrap_or_default());
    let started = UNIX_EPOCH + Duration::from_nanos(u64::try_from(target.run.state.started_at).unwrap_or_default());
    let runs = SystemTime::now().duration_since(started).unwrap_or_default();
    Instant::now() + delay.saturating_sub(runs)
}

fn timed_out(probe: &Probe, timeout: Duration) -> String {
    let seconds = timeout.as_secs();
    match &probe.exec {
        Some(exec) => {
            format!("command timed out: \"{}\" timed out after {seconds}s", exec.command.as_deref().unwrap_or_default().join(" "))
        }
        None => format!("context deadline exceeded (no answer within {seconds}s)"),
    }
}

async fn once(target: &Target, probe: &Probe, timeout: Duration) -> Result<(), String> {
    if let Some(exec) = &probe.exec {
        let run = &target.run;
        let runtime = target.agent.runtimes.get(run.runtime).ok_or_else(|| format!("the {} runtime is gone", run.runtime))?;
        let command = exec.command.clone().unwrap_or_default();
        let outcome = runtime.exec(&run.state.id, &command, timeout.as_secs()).await.map_err(|e| e.to_string())?;
        return if outcome.exit_code == 0 { Ok(()) } else { Err(outcome.output) };
    }
    if let Some(get) = &probe.http_get {
        return http::Get::new(get, &target.container, target.address)?.send().await;
    }
    if let Some(socket) = &probe.tcp_socket {
        let host = host(socket.host.as_deref(), target.address)?;
        return tcp::connect(&host, port(&socket.port, &target.container)?).await.map(|_| ());
    }
    if let Some(call) = &probe.grpc {
        let number = u16::try_from(call.port).map_err(|_| format!("port {} is not valid", call.port))?;
        return grpc::check(&host(None, target.address)?, number, call.service.as_deref().unwrap_or_default()).await;
    }
    Ok(())
}

/// The host that was named, or the pod's address.
fn host(named: Option<&str>, address: Option<IpAddr>) -> Result<String, String> {
    match named.filter(|h| !h.is_empty()) {
        Some(host) => Ok(host.to_owned()),
        None => address.map(|ip| ip.to_string()).ok_or_else(|| "the pod has no address".to_owned()),
    }
}

/// A port by number or by its name in the container's `ports`.
fn port(port: &IntOrString, container: &Container) -> Result<u16, String> {
    let number = match port {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => {
            let named = container.ports.iter().flatten().find(|p| p.name.as_deref() == Some(name));
            match named.map(|p| p.container_port).or_else(|| name.parse().ok()) {
                Some(number) => number,
                None => return Err(format!("couldn't find port: {name}")),
            }
        }
    };
    u16::try_from(number).ok().filter(|n| *n > 0).ok_or_else(|| format!("invalid port number: {number}"))
}

/// Counts results in a row against the thresholds.
struct Counter {
    success: u32,
    failure: u32,
    last: Option<(bool, u32)>,
    told: Option<bool>,
}

impl Counter {
    fn new(probe: &Probe) -> Self {
        let threshold = |value: Option<i32>, default| value.and_then(|t| u32::try_from(t).ok()).filter(|t| *t > 0).unwrap_or(default);
        Self { success: threshold(probe.success_threshold, 1), failure: threshold(probe.failure_threshold, 3), last: None, told: None }
    }

    /// The health that this result changes to, if it changes it.
    fn count(&mut self, result: bool) -> Option<bool> {
        let row = match self.last {
            Some((last, row)) if last == result => row.saturating_add(1),
            _ => 1,
        };
        self.last = Some((result, row));
        let enough = row >= if result { self.success } else { self.failure };
        if !enough || self.told == Some(result) {
            return None;
        }
        self.told = Some(result);
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds() {
        let check = |success, failure, results: &str, expect: &str| {
            let mut counter = Counter { success, failure, last: None, told: None };
            let told: String = results
                .chars()
                .map(|c| match counter.count(c == '+') {
                    None => '.',
                    Some(true) => '+',
                    Some(false) => '-',
                })
                .collect();
            assert_eq!(told, expect, "{results}");
        };
        check(1, 3, "+++", "+..");
        check(1, 3, "--+---+", "..+..-+");
        check(2, 1, "-+-++", "-...+");
    }

    #[test]
    fn ports() {
        let container: Container = typed::part(&object::json!({"name": "c", "ports": [{"name": "web", "containerPort": 8080}]})).unwrap();
        for (asked, expect) in [
            (IntOrString::Int(80), Some(80)),
            (IntOrString::String("web".into()), Some(8080)),
            (IntOrString::String("81".into()), Some(81)),
            (IntOrString::String("none".into()), None),
            (IntOrString::Int(0), None),
            (IntOrString::Int(70000), None),
        ] {
            assert_eq!(port(&asked, &container).ok(), expect, "{asked:?}");
        }
    }
}
