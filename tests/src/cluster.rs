//! One `coracle server` in a sandbox.

use crate::wait::eventually;
use crate::{Kubectl, Program, Sandbox, Space, archives, paths};
use etcd::testing::Etcd;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

pub const NODE: &str = "node-1";

/// How a cluster differs from the usual one.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Further flags of `coracle server`.
    pub flags: Vec<String>,
    /// Archives that are imported at start: see [`archives::archive`].
    pub images: Vec<&'static str>,
    /// The data directory is a memory file system of this size: `16m`.
    pub data_size: Option<&'static str>,
    /// Wasm files that are put into `<data-dir>/plugins`, by the names of guests.
    pub plugins: Vec<&'static str>,
    /// The state is in an etcd of so many members, on the disk; 0: in the server's own file.
    pub etcd: usize,
}

pub struct Cluster {
    // Ends before its folder does.
    etcd: Option<Etcd>,
    dir: PathBuf,
    options: Options,
    server: Mutex<Option<Child>>,
    sandbox: Sandbox,
}

impl Cluster {
    /// Starts a server and waits until its node is ready.
    pub fn start(options: Options) -> Self {
        let cluster = Self::new(options);
        cluster.spawn();
        cluster.wait_ready();
        cluster
    }

    /// The place for a server, which does not run yet.
    pub fn new(options: Options) -> Self {
        let dir = tempfile::Builder::new().prefix("coracle-test-").tempdir().expect("a folder can be made").keep();
        let sandbox = Sandbox::new(&dir);
        let mut cluster = Self { etcd: None, dir, options, server: Mutex::new(None), sandbox };
        cluster.etcd = (cluster.options.etcd > 0).then(|| cluster.start_etcd(cluster.options.etcd));
        cluster.prepare();
        cluster
    }

    /// The cluster of all tests that leave the server in peace. It ends with the test process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| {
            let images = vec![
                "busybox",
                "redis",
                "nginx",
                "hello-http",
                "log-shipper",
                "cli-args",
                "echo-http",
                "hog",
                "net-probe",
                "spin",
                "tcp-echo",
            ];
            let plugins = vec!["node-requirements", "plugin-hostile", "plugin-uninvited"];
            Self::start(Options { images, plugins, ..Options::default() })
        })
    }

    fn prepare(&self) {
        let data = self.data();
        std::fs::create_dir_all(&data).expect("the data folder can be made");
        if let Some(size) = self.options.data_size {
            let mut mount = Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&data);
            let status = self.sandbox.inside(|| mount.status()).expect("mount can be started");
            assert!(status.success(), "a memory file system can be mounted");
        }
        archives::link_all(&self.options.images, &self.dir.join("images"));
        for name in &self.options.plugins {
            let to = data.join("plugins");
            std::fs::create_dir_all(&to).expect("the plugin folder can be made");
            std::fs::copy(paths::guest(name), to.join(format!("{name}.wasm"))).expect("a plugin can be copied");
        }
    }

    fn start_etcd(&self, members: usize) -> Etcd {
        // The server would do so, but etcd is there before it.
        assert_eq!(self.on_node("ip", &["link", "set", "lo", "up"]).code, Some(0));
        self.sandbox.inside(|| Etcd::below(&self.dir, members, false, &[]))
    }

    /// The command line of the server.
    pub fn command(&self) -> Command {
        let mut command = Command::new(paths::coracle());
        command.arg("server").arg("--data-dir").arg(self.data()).arg("--write-kubeconfig").arg(self.kubeconfig());
        command.arg("--image-dir").arg(self.dir.join("images")).args(["--node-name", NODE]).args(&self.options.flags);
        if let Some(etcd) = &self.etcd {
            command.args(["--store=etcd", "--etcd-servers", &etcd.servers().join(",")]);
        }
        command.env("HOME", &self.dir).env_remove("RUST_LOG").current_dir("/");
        command
    }

    /// Starts the server and does not wait.
    pub fn spawn(&self) {
        let log = OpenOptions::new().create(true).append(true).open(self.log()).expect("the log can be written");
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = self.sandbox.inside(|| command.spawn()).expect("coracle can be started");
        *self.server() = Some(child);
    }

    /// Waits until the API server is ready and the node as well.
    pub fn wait_ready(&self) {
        self.wait_api();
        let ready = |node: &serde_json::Value| condition(node, "Ready") == Some("True");
        self.kubectl().until("nodes", NODE, "be Ready", ready);
    }

    /// Waits for `/readyz`.
    pub fn wait_api(&self) {
        eventually("/readyz", || {
            if let Some(status) = self.exited() {
                panic!("the server ended: {status}\n{}", self.log_tail());
            }
            let said = self.kubectl().run(&["get", "--raw", "/readyz"]);
            if said.out == "ok" { Ok(()) } else { Err(format!("{}{}\n{}", said.out, said.err, self.log_tail())) }
        });
    }

    /// Ends the server as a power failure would: no chance to write anything more.
    pub fn kill9(&self) {
        let child = self.server().take();
        let mut child = child.expect("the server runs");
        child.kill().expect("the server can be killed");
        child.wait().expect("the server ends");
    }

    /// Asks the server to stop and waits for its end.
    pub fn stop(&self) -> ExitStatus {
        let child = self.server().take();
        let mut child = child.expect("the server runs");
        let pid = Pid::from_raw(child.id().try_into().expect("a PID is small"));
        kill(pid, Signal::SIGTERM).expect("the server can be signalled");
        child.wait().expect("the server ends")
    }

    /// Waits for a server that ends by itself.
    pub fn wait_end(&self) -> ExitStatus {
        eventually("the server to end", || self.exited().ok_or_else(|| "it runs".to_owned()))
    }

    fn exited(&self) -> Option<ExitStatus> {
        self.server().as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    fn server(&self) -> MutexGuard<'_, Option<Child>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// kubectl without a namespace.
    pub fn kubectl(&self) -> Kubectl<'_> {
        Kubectl { cluster: self, namespace: None }
    }

    /// A namespace of one test's own.
    pub fn space(&self, name: &str) -> Space<'_> {
        Space::new(self, name)
    }

    /// Runs a program of this machine on the node: its network, mounts and processes.
    pub fn on_node(&self, program: &str, args: &[&str]) -> crate::Said {
        let mut command = Command::new(program);
        command.args(args).env("HOME", &self.dir).current_dir("/").stdin(Stdio::null());
        let output = self.sandbox.inside(|| command.output());
        output.unwrap_or_else(|error| panic!("{program} cannot be started: {error}")).into()
    }

    /// The same, beside the test.
    pub fn spawn_on_node(&self, mut command: Command) -> Program {
        command.current_dir("/");
        Program::spawn(command, |command| self.sandbox.inside(|| command.spawn()))
    }

    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Everything of this cluster is below.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.dir.join("kubeconfig")
    }

    fn log(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    /// What the server wrote to stderr.
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    pub fn log_tail(&self) -> String {
        let text = self.log_text();
        let lines: Vec<&str> = text.lines().collect();
        format!("--- end of the server's log\n{}", lines[lines.len().saturating_sub(40)..].join("\n"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Ok(to) = std::env::var("CORACLE_KEEP_LOG")
        {
            let _ = std::fs::copy(self.log(), to);
        }
        if let Some(mut child) = self.server().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The status of a condition of an object.
pub fn condition<'a>(object: &'a serde_json::Value, name: &str) -> Option<&'a str> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == name)?["status"].as_str()
}
