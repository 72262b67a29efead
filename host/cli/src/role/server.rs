//! `coracle server`: one process with everything, until a signal.

use crate::config::ServerArgs;
use crate::wire;
use anyhow::{Context, Result};
use std::io::IsTerminal;
use tokio::signal::unix::{SignalKind, signal as unix_signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

pub fn run(args: ServerArgs) -> Result<()> {
    log(&args.log_level, args.log_json);
    // Whoever asked first for a provider would decide; both ring and others may be linked in by dependencies.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("coracle").build()?;
    let outcome = runtime.block_on(async {
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        tokio::spawn(async move {
            if let Ok(name) = signal().await {
                tracing::info!(signal = name, "stopping");
                stop.cancel();
            }
        });
        wire::run(args, shutdown).await
    });
    // Blocking work (a DNS look-up, an image layer) must not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    outcome
}

/// Waits for SIGTERM or SIGINT.
pub async fn signal() -> Result<&'static str> {
    let mut terminate = unix_signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = unix_signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}

/// Logs to stderr. A wrong filter is told and replaced by `info`.
pub fn log(filter: &str, json: bool) {
    // One line per DNS question is no news.
    let quiet = format!("hickory_server=warn,{filter}");
    let parsed = EnvFilter::try_new(quiet).unwrap_or_else(|error| {
        eprintln!("coracle: --log-level {filter:?}: {error}; using info");
        EnvFilter::new("info")
    });
    let builder = tracing_subscriber::fmt().with_env_filter(parsed).with_writer(std::io::stderr);
    let _ = if json { builder.json().try_init() } else { builder.with_ansi(std::io::stderr().is_terminal()).try_init() };
}
