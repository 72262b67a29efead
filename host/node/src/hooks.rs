//! Lifecycle hooks: `pkg/kubelet/lifecycle/handlers.go`.

use crate::agent::Agent;
use crate::pod::slot::Run;
use crate::pod::status::spec_of;
use crate::probes::http;
use std::net::IpAddr;
use std::time::Duration;
use typed::api::core::v1::{LifecycleHandler, PodSpec};

/// A postStart hook has no limit of its own; this keeps one that hangs from holding its container for ever.
pub const POST_START_LIMIT: Duration = Duration::from_secs(3600);

/// Runs one hook of a container; an error is the message of its event.
pub async fn run(
    agent: &Agent,
    run: &Run,
    spec: &PodSpec,
    address: Option<IpAddr>,
    hook: &LifecycleHandler,
    limit: Duration,
) -> Result<(), String> {
    let work = async {
        if let Some(exec) = &hook.exec {
            let command = exec.command.clone().unwrap_or_default();
            let runtime = agent.runtimes.get(run.runtime).ok_or_else(|| format!("the {} runtime is gone", run.runtime))?;
            let outcome = runtime.exec(&run.state.id, &command, limit.as_secs().max(1)).await.map_err(|e| e.to_string())?;
            return match outcome.exit_code {
                0 => Ok(()),
                code => Err(format!("command '{}' exited with {code}: {}", command.join(" "), outcome.output.trim_end())),
            };
        }
        if let Some(get) = &hook.http_get {
            let container = spec_of(spec, &run.state.id.name).ok_or("the container is not in the pod's spec")?;
            let request = http::Get::new(get, container, address)?;
            return request.send().await.map(|_| ());
        }
        if let Some(sleep) = &hook.sleep {
            tokio::time::sleep(Duration::from_secs(u64::try_from(sleep.seconds).unwrap_or_default())).await;
        }
        Ok(())
    };
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(format!("the hook did not end within {} s", limit.as_secs())),
    }
}
