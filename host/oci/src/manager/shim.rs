//! Starting one shim.

use super::Config;
use interfaces::workload::Error;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use workload::remote::Remote;

pub(super) struct Shim {
    pub(super) remote: Remote,
    pub(super) watcher: tokio::task::AbortHandle,
}

/// The shim inherits a socket that already listens, so that the connection is made at once and answered when it is ready; when it
/// fails before that, the connection breaks.
pub(super) async fn start(config: &Config, directory: &Path) -> Result<Remote, Error> {
    let failed = |e: io::Error| Error::Runtime { operation: "start a shim".to_owned(), cause: crate::error::os(&e) };
    spawn(config, directory).map_err(failed)?;
    Remote::connect(directory.join("shim.sock")).await.map_err(|error| match error {
        Error::Runtime { operation, cause } => {
            let log = fs::read_to_string(directory.join("shim.log")).unwrap_or_default();
            let last = log.lines().next_back().unwrap_or_default();
            Error::Runtime { operation, cause: if last.is_empty() { cause } else { format!("{cause}: {last}") } }
        }
        other => other,
    })
}

fn spawn(config: &Config, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
    let listener = workload::server::bind_std(&directory.join("shim.sock"))?;
    let log = File::options().create(true).append(true).open(directory.join("shim.log"))?;
    let mut child = tokio::process::Command::new(&config.exe)
        .args(&config.args)
        .arg(directory)
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::null())
        .stderr(log)
        .env_clear()
        .kill_on_drop(false)
        .spawn()?;
    // It leaves a zombie otherwise while this agent lives. It goes on when the agent ends.
    tokio::spawn(async move {
        if let Ok(status) = child.wait().await {
            tracing::debug!(%status, "a shim has ended");
        }
    });
    Ok(())
}
