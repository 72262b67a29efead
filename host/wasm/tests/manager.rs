//! The agent's side with a real host process: it outlives the agent, and its death is noticed. This program is both the test
//! and, started as `manager wasm-host …`, the host.
#![allow(clippy::unwrap_used)] // Without a harness no function is a `#[test]`.

#[path = "support/node.rs"]
mod support;

use futures::StreamExt;
use interfaces::workload::{Container, ContainerState, Error, ImageSource, Phase, Runtime, Sandbox};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use wasm::host;
use wasm::manager::{Config, Manager};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, "wasm-host", "--run-dir", run_dir, "--cache-dir", cache_dir] => {
            let config = host::Config { threads: 2, ..host::Config::new(run_dir.into(), cache_dir.into()) };
            if let Err(error) = runtime.block_on(host::serve(config, CancellationToken::new())) {
                eprintln!("{error}");
                std::process::exit(1);
            }
        }
        // What `cargo test -- --list` and IDEs ask.
        [_, rest @ ..] if rest.contains(&"--list") => println!("manager: test"),
        _ => {
            runtime.block_on(test());
            println!("manager: ok");
        }
    }
}

fn manager(directory: &Path) -> Arc<Manager> {
    Manager::new(Config { run_dir: directory.join("run"), cache_dir: directory.join("cache"), exe: std::env::current_exe().unwrap() })
}

fn sandbox(uid: &str, directory: &Path) -> Sandbox {
    let mut sandbox = Sandbox { state_dir: directory.join(uid), ..Sandbox::default() };
    uid.clone_into(&mut sandbox.pod.uid);
    sandbox
}

/// The host's process: the one that has its lock file open.
fn host_pid(directory: &Path) -> Option<i32> {
    let lock = directory.join("run/wasm.lock");
    std::fs::read_dir("/proc").unwrap().flatten().find_map(|process| {
        let pid: i32 = process.file_name().to_str()?.parse().ok()?;
        let mut files = std::fs::read_dir(process.path().join("fd")).ok()?.flatten();
        files.any(|file| std::fs::read_link(file.path()).is_ok_and(|target| target == lock)).then_some(pid)
    })
}

async fn test() {
    let temporary = tempfile::tempdir().unwrap();
    let directory: PathBuf = temporary.path().canonicalize().unwrap();
    let file = directory.join("spin.wasm");
    std::fs::write(&file, wat::parse_str(support::command("(loop (br 0)) (unreachable)")).unwrap()).unwrap();
    let container = Container {
        name: "main".to_owned(),
        image: ImageSource::Component { path: file, digest: String::new() },
        log_path: directory.join("log"),
        ..Container::default()
    };
    let running = |states: &[ContainerState]| states.iter().filter(|state| state.phase == Phase::Running).count();

    // Nothing is started before it is needed.
    let first = manager(&directory);
    assert!(first.list().await.unwrap().is_empty());
    assert_eq!(host_pid(&directory), None);
    let state = first.start(&sandbox("one", &directory), &container).await.unwrap();
    let two = first.start(&sandbox("two", &directory), &container).await.unwrap();
    let pid = host_pid(&directory).unwrap();
    assert_eq!(first.usage().await.unwrap().len(), 2);
    assert!(matches!(first.exec(&state.id, &["ls".to_owned()], 1).await, Err(Error::Unsupported { .. })));

    // A new agent finds the same host and containers; starting them again starts nothing.
    drop(first);
    let second = manager(&directory);
    let mut events = second.events().await.unwrap();
    assert_eq!(running(&second.list().await.unwrap()), 2);
    assert_eq!(second.start(&sandbox("one", &directory), &container).await.unwrap(), state);
    assert_eq!(host_pid(&directory), Some(pid));

    // A second host does not take the place of the first.
    let args = ["wasm-host", "--run-dir"].map(std::ffi::OsString::from);
    let other = std::process::Command::new(std::env::current_exe().unwrap())
        .args(args)
        .arg(directory.join("run"))
        .arg("--cache-dir")
        .arg(directory.join("cache"))
        .output()
        .unwrap();
    assert!(!other.status.success() && String::from_utf8_lossy(&other.stderr).contains("another wasm host serves"), "{other:?}");

    // Stopped by the agent: told as an event as well.
    let stopped = second.stop(&two.id, 30).await.unwrap();
    assert_eq!((stopped.exit_code, stopped.phase), (143, Phase::Exited));
    let told = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            let state = events.next().await.unwrap();
            if state.phase == Phase::Exited {
                return state;
            }
        }
    });
    assert_eq!(told.await.unwrap(), stopped);

    // The host is killed: what ran in it has ended, and the next container gets a new host.
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    let lost = tokio::time::timeout(Duration::from_secs(10), events.next()).await.unwrap().unwrap();
    assert_eq!((lost.id.clone(), lost.exit_code, lost.reason.as_str()), (state.id.clone(), 137, "Error"));
    assert!(lost.message.contains("the process that runs the wasm containers"), "{}", lost.message);
    assert_eq!(second.stop(&state.id, 0).await.unwrap(), lost);
    assert_eq!(running(&second.list().await.unwrap()), 0);
    assert_eq!(second.list().await.unwrap().len(), 2);
    let again = second.start(&sandbox("three", &directory), &container).await.unwrap();
    assert_eq!(again.phase, Phase::Running);
    assert_ne!(host_pid(&directory), Some(pid));
    for uid in ["one", "two", "three"] {
        second.remove_pod(&sandbox(uid, &directory).pod).await.unwrap();
    }
    assert!(second.list().await.unwrap().is_empty());

    // Nobody needs the host any more once its socket is gone; this test does not wait for it to notice.
    if let Some(pid) = host_pid(&directory) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    }
}
