//! Frees what a pod holds on the node. Idempotent: tried again until everything is gone.

use crate::agent::Agent;
use crate::volumes;
use interfaces::network::PodRef;

/// Containers, network, volumes; with `logs` also the logs.
pub async fn cleanup(agent: &Agent, pod: &PodRef, logs: bool) -> Result<(), String> {
    for (name, runtime) in &agent.runtimes {
        runtime.remove_pod(pod).await.map_err(|e| format!("{name}: {e}"))?;
    }
    agent.adapters.settle(&pod.uid).await;
    if logs {
        agent.adapters.forget(pod);
    }
    agent.sources.tokens.forget(&pod.uid);
    agent.network.detach(pod).await.map_err(|e| super::prepare::chain(&e))?;
    let config = &agent.config;
    let (dir, state_dir) = (config.pod_dir(&pod.uid), config.state_dir(&pod.uid));
    let log_dir = logs.then(|| config.log_dir(&pod.namespace, &pod.name, &pod.uid));
    // Volumes may be large.
    let removed = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        volumes::tear_down(&dir)?;
        for dir in std::iter::once(state_dir).chain(log_dir) {
            match std::fs::remove_dir_all(&dir) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    });
    match removed.await {
        Ok(result) => result.map_err(|e| format!("removing the pod's folder: {e}")),
        Err(error) => Err(format!("removing the pod's folder: {error}")),
    }
}
