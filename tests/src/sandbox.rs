//! Namespaces of one cluster, and running programs in them.

use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// Network, mount, PID, UTS and IPC namespaces without a route out.
///
/// They are held by a shell that is PID 1 in them and reads from a pipe of this process. When the pipe closes, because the
/// sandbox is dropped or because the test process has died, the shell ends, the kernel kills every other process in the PID
/// namespace, and a second shell outside removes the folder.
pub struct Sandbox {
    outer: Child,
    pipe: Option<ChildStdin>,
    net: File,
    mount: File,
    pid: File,
}

const INNER: &str = "echo ready; while read -r _; do :; done";

/// `$1` is the folder to remove. Cgroups outlive the processes of pods that nobody cleans up after.
const OUTER: &str = r#"
unshare --fork --kill-child --pid --mount-proc --mount --net --uts --ipc -- bash -c "$2"
for pod in "$1"/data/pods/*; do
    find /sys/fs/cgroup -depth -type d -path "*/coracle/pod${pod##*/}*" -exec rmdir {} + 2>/dev/null
done
rm -rf -- "$1"
"#;

impl Sandbox {
    /// `dir` is removed when the sandbox ends.
    pub fn new(dir: &Path) -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "cluster tests need root for namespaces, cgroups and mounts: run them as root, or only the others with \
             `cargo test -p tests --test it -- tidy deny`"
        );
        let mut command = Command::new("setsid");
        command.args(["bash", "-c", OUTER, "sandbox"]).arg(dir).arg(INNER);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).current_dir("/");
        let mut outer = command.spawn().expect("setsid, bash and unshare are there");
        let pipe = outer.stdin.take();
        let mut said = String::new();
        let stdout = outer.stdout.take().expect("stdout is a pipe");
        BufReader::new(stdout).read_line(&mut said).expect("the sandbox says that it is ready");
        assert_eq!(said, "ready\n", "the sandbox could not be made");
        let init = child_of(child_of(outer.id()));
        let open = |name: &str| File::open(format!("/proc/{init}/ns/{name}")).expect("the sandbox has namespaces");
        Self { net: open("net"), mount: open("mnt"), pid: open("pid"), outer, pipe }
    }

    /// Runs `work` on a thread whose network is the sandbox's.
    pub fn in_network<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let enter = || setns(&self.net, CloneFlags::CLONE_NEWNET).expect("the network namespace can be entered");
        on_thread(enter, work)
    }

    /// Runs `work` on a thread that sees the sandbox's mounts and network; programs it starts live in the sandbox. It can
    /// start no threads: the kernel lets none be in another PID namespace than their process.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let enter = || {
            unshare(CloneFlags::CLONE_FS).expect("a thread can have its own root");
            setns(&self.mount, CloneFlags::CLONE_NEWNS).expect("the mount namespace can be entered");
            setns(&self.net, CloneFlags::CLONE_NEWNET).expect("the network namespace can be entered");
            setns(&self.pid, CloneFlags::CLONE_NEWPID).expect("the PID namespace can be entered");
        };
        on_thread(enter, work)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.outer.wait();
    }
}

fn on_thread<T: Send>(enter: impl FnOnce() + Send, work: impl FnOnce() -> T + Send) -> T {
    let run = || {
        enter();
        work()
    };
    let done = std::thread::scope(|scope| scope.spawn(run).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The only child of a process.
fn child_of(parent: u32) -> u32 {
    let wanted = format!("PPid:\t{parent}\n");
    let processes = std::fs::read_dir("/proc").expect("/proc is there").flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| status.contains(&wanted));
    pids.find(is_child).expect("the process has a child")
}
