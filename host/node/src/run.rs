//! [`run`]: the agent from start to shutdown.

use crate::agent::Agent;
use crate::config::Config;
use crate::{lease, manager, registration, serve};
use client::Client;
use interfaces::network::PodNetwork;
use interfaces::workload::Runtime;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Operations under way get this long to end after shutdown; what they were doing is found again by the next agent.
const DRAIN: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("data folder {path} cannot be used")]
    DataDir { path: String, source: std::io::Error },
    #[error("the kubelet's endpoint cannot listen on {address}")]
    Listen { address: String, source: std::io::Error },
}

/// Runs the node until `shutdown`. Errors only before anything is started.
pub async fn run(
    client: Client,
    config: Config,
    runtimes: Vec<Arc<dyn Runtime>>,
    network: Arc<dyn PodNetwork>,
    images: Arc<image::Store>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    for folder in ["pods", "logs/pods", "run/pods"] {
        let path = config.data_dir.join(folder);
        let made = std::fs::create_dir_all(&path).and_then(|()| private(&path));
        made.map_err(|source| Error::DataDir { path: path.display().to_string(), source })?;
    }
    let endpoint = match &config.tls {
        Some(tls) => {
            let bound = TcpListener::bind(config.listen).await;
            let listener = bound.map_err(|source| Error::Listen { address: config.listen.to_string(), source })?;
            Some((listener, tls.clone()))
        }
        None => None,
    };
    let port = endpoint.as_ref().and_then(|(listener, _)| listener.local_addr().ok()).map(|a| a.port());
    let agent = Arc::new(Agent::new(&client, config, runtimes, network, images));
    for (name, runtime) in &agent.runtimes {
        if let Some(why) = runtime.unavailable() {
            tracing::warn!(runtime = name, why, "a runtime is not available");
        }
    }
    if let Some((listener, tls)) = endpoint {
        agent.tasks.spawn(serve::run(agent.clone(), listener, tls, shutdown.clone()));
    }
    agent.tasks.spawn(registration::run(agent.clone(), client.clone(), port, shutdown.clone()));
    agent.tasks.spawn(lease::run(client, agent.config.node_name.clone(), shutdown.clone()));
    agent.tasks.spawn({
        let (agent, shutdown) = (agent.clone(), shutdown.clone());
        async move {
            import(&agent, &shutdown).await;
            agent.imported.cancel();
        }
    });
    manager::run(agent.clone(), shutdown.clone()).await;
    shutdown.cancelled().await;
    agent.tasks.close();
    if tokio::time::timeout(DRAIN, agent.tasks.wait()).await.is_err() {
        tracing::debug!("operations were under way at shutdown");
    }
    Ok(())
}

/// Secrets lie below.
fn private(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
}

/// Takes in the archives that were laid ready. What runs already does not wait for it.
async fn import(agent: &Agent, shutdown: &CancellationToken) {
    let folder = agent.config.import_dir();
    if !folder.is_dir() {
        return;
    }
    let imported = tokio::select! {
        () = shutdown.cancelled() => return,
        imported = agent.images.import_dir(&folder) => imported,
    };
    match imported {
        Ok(archives) => {
            for (path, result) in archives {
                match result {
                    Ok(images) => tracing::info!(archive = %path.display(), count = images.len(), "images are imported"),
                    Err(error) => tracing::warn!(archive = %path.display(), %error, "an archive is not imported"),
                }
            }
        }
        Err(error) => tracing::warn!(%error, folder = %folder.display(), "images are not imported"),
    }
}
