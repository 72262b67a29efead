//! `cargo xtask up`: one node with the example application, from nothing.
//!
//! As root the node gets a network namespace of its own, joined to this machine by one veth pair and without a route out:
//! trying Coracle changes nothing of the machine's own network, and `down` leaves nothing behind. Without root the node
//! runs wasm pods only, on loopback addresses.

use crate::run::{output, run, say};
use crate::{guests, images, paths, setup};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: DownArgs,
    /// Build and run the debug profile: quicker to build
    #[arg(long)]
    debug: bool,
}

#[derive(clap::Args)]
pub struct DownArgs {
    /// Where the node keeps its state [default: <cache>/up]
    #[arg(long)]
    data_dir: Option<PathBuf>,
}

const NAMESPACE: &str = "coracle-up";
/// The two ends of the link; from the benchmark range of RFC 2544, which no network uses.
const HOST_END: &str = "198.18.37.1";
const NODE_END: &str = "198.18.37.2";
/// The example's NodePort, as its manifest says.
const NODE_PORT: u16 = 30080;
/// A cold start on a busy two-core machine takes seconds; more means something is wrong.
const PATIENCE: Duration = Duration::from_secs(90);

struct Node {
    data: PathBuf,
    isolated: bool,
}

impl Node {
    fn at(args: &DownArgs) -> Self {
        let data = args.data_dir.clone().unwrap_or_else(|| paths::cache().join("up"));
        Self { data, isolated: crate::run::is_root() }
    }
    fn kubeconfig(&self) -> PathBuf {
        self.data.join("kubeconfig.yaml")
    }
    fn log(&self) -> PathBuf {
        self.data.join("server.log")
    }
    fn pid_file(&self) -> PathBuf {
        self.data.join("server.pid")
    }
    fn address(&self) -> &'static str {
        if self.isolated { NODE_END } else { "127.0.0.1" }
    }
    fn kubectl(&self) -> Command {
        let mut command = Command::new(paths::tools().join("kubectl"));
        command.env("KUBECONFIG", self.kubeconfig());
        command
    }
    fn pid(&self) -> Option<u32> {
        let pid: u32 = std::fs::read_to_string(self.pid_file()).ok()?.trim().parse().ok()?;
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        String::from_utf8_lossy(&line).contains("coracle").then_some(pid)
    }
}

pub fn up(args: &Args) -> Result<()> {
    setup::packages()?;
    setup::clients()?;
    guests::build_shown()?;
    images::build_example()?;
    say("building coracle");
    let profile = if args.debug { "dev" } else { "release" };
    crate::run::cargo(["build", "--profile", profile, "--package", "cli"])?;
    let binary = paths::target().join(if args.debug { "debug" } else { "release" }).join("coracle");

    let node = Node::at(&args.place);
    lay_ready(&node)?;
    match node.pid() {
        Some(pid) => say(format!("the node runs already (pid {pid}); `cargo xtask down` stops it")),
        None => start(&node, &binary)?,
    }
    wait_ready(&node)?;
    deploy(&node)
}

/// What the server finds at its start: the image of the OCI containers, and the shipped plugin for who wants to apply it.
fn lay_ready(node: &Node) -> Result<()> {
    let (import, plugins) = (node.data.join("import"), node.data.join("state/plugins"));
    std::fs::create_dir_all(&import)?;
    std::fs::create_dir_all(&plugins)?;
    std::fs::copy(paths::images().join("busybox.tar"), import.join("busybox.tar")).context("the busybox image was not built")?;
    let plugin = "node-requirements.wasm";
    std::fs::copy(paths::guests().join(plugin), plugins.join(plugin)).context("the plugin was not built")?;
    Ok(())
}

fn start(node: &Node, binary: &Path) -> Result<()> {
    // The examples' components, under the names that their manifests use.
    for name in ["hello-http", "log-shipper"] {
        let mut import = Command::new(binary);
        import.args(["image", "import", "--data-dir"]).arg(node.data.join("state"));
        import.args(["--name", &format!("coracle.dev/examples/{name}:v1")]).arg(paths::guests().join(format!("{name}.wasm")));
        output(&mut import)?;
    }
    let mut command = if node.isolated {
        join_namespace()?;
        // Not `ip netns exec`: that mounts another /sys, which hides the control groups.
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{NAMESPACE}")).arg(binary);
        command
    } else {
        eprintln!("Not root: wasm pods only, on loopback addresses. For OCI containers run this as root.");
        Command::new(binary)
    };
    say("starting the node");
    let log = File::create(node.log())?;
    command.args(["server", "--node-name", "coracle", "--bind-address", node.address(), "--data-dir"]).arg(node.data.join("state"));
    command.arg("--write-kubeconfig").arg(node.kubeconfig()).arg("--image-dir").arg(node.data.join("import"));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    {
        use std::os::unix::process::CommandExt;
        // A group of its own: Ctrl-C here is not for the node.
        command.process_group(0);
    }
    let child = command.spawn().context("cannot start the node")?;
    std::fs::write(node.pid_file(), child.id().to_string())?;
    Ok(())
}

fn join_namespace() -> Result<()> {
    let exists = output(Command::new("ip").args(["netns", "list"]))?.lines().any(|l| l.split_whitespace().next() == Some(NAMESPACE));
    if exists {
        return Ok(());
    }
    let ip = |line: &str| run(Command::new("ip").args(line.split_whitespace()));
    ip(&format!("netns add {NAMESPACE}"))?;
    ip(&format!("link add {NAMESPACE} type veth peer name uplink netns {NAMESPACE}"))?;
    ip(&format!("addr add {HOST_END}/30 dev {NAMESPACE}"))?;
    ip(&format!("link set {NAMESPACE} up"))?;
    ip(&format!("-n {NAMESPACE} addr add {NODE_END}/30 dev uplink"))?;
    ip(&format!("-n {NAMESPACE} link set uplink up"))?;
    ip(&format!("-n {NAMESPACE} link set lo up"))
}

fn wait_ready(node: &Node) -> Result<()> {
    say("waiting for the node");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ready = node.kubectl().args(["wait", "node", "--all", "--for=condition=Ready", "--timeout=5s"]).stderr(Stdio::null()).status();
        if ready.is_ok_and(|s| s.success()) {
            return Ok(());
        }
        if node.pid().is_none() || Instant::now() > deadline {
            let log = std::fs::read_to_string(node.log()).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(15).collect();
            bail!(
                "the node did not become ready; the end of {}:\n{}",
                node.log().display(),
                tail.into_iter().rev().collect::<Vec<_>>().join("\n")
            );
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn deploy(node: &Node) -> Result<()> {
    say("deploying the example application");
    let examples = paths::root().join("guest-examples");
    let mut names = vec!["hello-http"];
    if node.isolated {
        names.push("log-shipper");
    }
    for name in &names {
        run(node.kubectl().arg("apply").arg("-f").arg(examples.join(name).join("manifest.yaml")))?;
    }
    for name in &names {
        run(node.kubectl().args(["rollout", "status", "--timeout=120s", &format!("deployment/{name}")]))?;
    }
    run(node.kubectl().args(["get", "pods", "-o", "wide"]))?;
    let url = if node.isolated {
        format!("http://{NODE_END}:{NODE_PORT}/")
    } else {
        let pod = ["get", "pods", "-l", "app=hello-http", "-o", "jsonpath={.items[0].status.podIP}"];
        format!("http://{}:8080/", output(node.kubectl().args(pod))?)
    };
    let answer = output(Command::new("curl").args([
        "--silent",
        "--show-error",
        "--fail",
        "--max-time",
        "10",
        "--retry",
        "5",
        "--retry-all-errors",
        &url,
    ]))?;
    println!("\n{url} answers: {answer}\n");
    println!("export KUBECONFIG={}", node.kubeconfig().display());
    println!("export PATH={}:$PATH    # kubectl 1.37 and helm", paths::tools().display());
    Ok(())
}

pub fn down(args: &DownArgs) -> Result<()> {
    let node = Node::at(args);
    if let Some(pid) = node.pid() {
        say("stopping the pods");
        let kinds = ["delete", "deployments,replicasets,pods", "--all", "--all-namespaces", "--timeout=60s"];
        run(node.kubectl().args(kinds).stdout(Stdio::null()))?;
        say("stopping the node");
        for victim in std::iter::once(pid).chain(helpers(&node.data)) {
            let _ = output(Command::new("kill").arg(victim.to_string()));
        }
        let deadline = Instant::now() + Duration::from_secs(15);
        while node.pid().is_some() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        if node.pid().is_some() {
            bail!("the node (pid {pid}) did not stop; see {}", node.log().display());
        }
    }
    if node.isolated && output(Command::new("ip").args(["netns", "list"]))?.contains(NAMESPACE) {
        run(Command::new("ip").args(["netns", "del", NAMESPACE]))?;
    }
    Ok(())
}

/// The processes that hold containers: they outlive the server on purpose.
fn helpers(data: &Path) -> Vec<u32> {
    let data = data.display().to_string();
    let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<String> = line.split(|b| *b == 0).map(|w| String::from_utf8_lossy(w).into_owned()).collect();
        words.get(1).is_some_and(|role| role == "wasm-host" || role == "shim") && words.iter().any(|w| w.contains(&data))
    })
    .collect()
}
