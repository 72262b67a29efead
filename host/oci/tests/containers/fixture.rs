//! A run directory, an image of one layer, and a manager over them.

use futures::StreamExt;
use interfaces::network::PodRef;
use interfaces::workload::{Container, ContainerId, ContainerState, ImageSource, Phase, Runtime, Sandbox, Security};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

pub struct Node {
    pub runtime: Arc<dyn Runtime>,
    pub sandbox: Sandbox,
    directory: tempfile::TempDir,
}

fn shim() -> PathBuf {
    // target/debug/deps/containers-HASH beside target/debug/examples/shim
    let exe = std::env::current_exe().unwrap();
    exe.parent().unwrap().parent().unwrap().join("examples/shim")
}

pub fn manager(directory: &Path) -> Arc<dyn Runtime> {
    oci::Manager::new(oci::Config { run_dir: directory.join("run"), exe: shim(), args: Vec::new() })
}

impl Node {
    /// `None`, with a message, where containers cannot run.
    pub fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let directory = tempfile::tempdir().unwrap();
        let runtime = manager(directory.path());
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].iter().map(Path::new).find(|path| path.exists());
        if let Some(cause) = runtime.unavailable() {
            eprintln!("skipped: {cause}");
            return None;
        }
        let Some(busybox) = busybox else {
            eprintln!("skipped: busybox-static is not installed");
            return None;
        };
        let layer = directory.path().join("layer");
        for name in ["bin", "etc", "tmp", "data"] {
            std::fs::create_dir_all(layer.join(name)).unwrap();
        }
        std::fs::copy(busybox, layer.join("bin/busybox")).unwrap();
        for name in
            ["sh", "cat", "echo", "sleep", "true", "id", "ls", "hostname", "mount", "unshare", "grep", "kill", "ps", "dd", "tty", "touch"]
        {
            std::os::unix::fs::symlink("busybox", layer.join("bin").join(name)).unwrap();
        }
        std::fs::write(layer.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nweb:x:101:102::/:/bin/sh\n").unwrap();
        std::fs::write(layer.join("etc/group"), "root:x:0:\nweb:x:102:\nlog:x:7:web\n").unwrap();
        let uid = format!("u{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let sandbox = Sandbox {
            pod: PodRef { namespace: "default".to_owned(), name: "p".to_owned(), uid: uid.clone() },
            hostname: "test-host".to_owned(),
            cgroup_parent: format!("coracle-test/{uid}"),
            state_dir: directory.path().join("state"),
            ..Default::default()
        };
        Some(Self { runtime, sandbox, directory })
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A container that runs `script` in a shell.
    pub fn shell(&self, name: &str, script: &str) -> Container {
        self.container(name, &["/bin/sh", "-c", script])
    }

    pub fn container(&self, name: &str, args: &[&str]) -> Container {
        Container {
            name: name.to_owned(),
            image: ImageSource::Layers { layers: vec![self.path().join("layer")] },
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            log_path: self.log_path(name),
            termination_message_path: "/dev/termination-log".to_owned(),
            security: Security { allow_privilege_escalation: true, ..Default::default() },
            stop_signal: 15,
            ..Default::default()
        }
    }

    fn log_path(&self, name: &str) -> PathBuf {
        self.path().join("logs").join(format!("{name}.log"))
    }

    pub fn id(&self, name: &str) -> ContainerId {
        ContainerId { pod_uid: self.sandbox.pod.uid.clone(), name: name.to_owned(), attempt: 0 }
    }

    pub async fn start(&self, container: &Container) -> ContainerState {
        self.runtime.start(&self.sandbox, container).await.unwrap()
    }

    /// Runs a container to its end.
    pub async fn run(&self, container: &Container) -> ContainerState {
        let mut events = self.runtime.events().await.unwrap();
        let state = self.start(container).await;
        if state.phase == Phase::Exited {
            return state;
        }
        ended(&mut events, &state.id).await
    }

    /// The text a container wrote, without times.
    pub fn log(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.log_path(name)).unwrap();
        text.lines().map(|line| line.splitn(4, ' ').nth(3).unwrap()).collect::<Vec<_>>().join("\n")
    }

    /// Runs a script and returns what it wrote.
    pub async fn output(&self, mut container: Container, script: &str) -> String {
        container.args = vec!["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()];
        let state = self.run(&container).await;
        assert_eq!(state.exit_code, 0, "{state:?} {}", self.log(&container.name));
        self.log(&container.name)
    }

    /// Removes the pod and checks that nothing of it is left.
    pub async fn end(&self) {
        self.runtime.remove_pod(&self.sandbox.pod).await.unwrap();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let own = self.path().to_str().unwrap();
        assert!(!mounts.contains(own), "mounts are left:\n{}", mounts.lines().filter(|l| l.contains(own)).collect::<Vec<_>>().join("\n"));
        assert!(!self.sandbox.state_dir.exists());
        assert!(!self.path().join("run").join(&self.sandbox.pod.uid).exists());
        for root in ["/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/pids"] {
            assert!(!Path::new(root).join(&self.sandbox.cgroup_parent).exists(), "{root}");
        }
        assert_eq!(self.runtime.list().await.unwrap(), []);
    }
}

impl Drop for Node {
    /// A test that failed leaves nothing either.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let parent = Path::new("/sys/fs/cgroup/memory").join(&self.sandbox.cgroup_parent);
        let groups = std::fs::read_dir(&parent).into_iter().flatten().flatten().map(|entry| entry.path());
        for procs in groups.filter_map(|group| std::fs::read_to_string(group.join("cgroup.procs")).ok()) {
            for pid in procs.lines().filter_map(|line| line.parse().ok()).filter_map(rustix::process::Pid::from_raw) {
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
            }
        }
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        for target in mounts.lines().filter_map(|line| line.split(' ').nth(4)).filter(|target| Path::new(target).starts_with(self.path())) {
            rustix::mount::unmount(target, rustix::mount::UnmountFlags::DETACH).ok();
        }
    }
}

pub async fn ended(events: &mut futures::stream::BoxStream<'static, ContainerState>, id: &ContainerId) -> ContainerState {
    loop {
        let state = events.next().await.unwrap();
        if state.id == *id && state.phase == Phase::Exited {
            return state;
        }
    }
}
