//! Real etcd processes for tests: one member or several on loopback, with or without TLS. `cargo xtask setup` fetches the
//! program from the distribution's package.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is how a test speaks")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

use crate::Config;

/// `$1` is the folder, the rest the command. The parent's death leaves PID 1 or a subreaper behind: then the folder goes, too.
const LEASH: &str = r#"dir=$1; parent=$PPID; shift; "$@" </dev/null & pid=$!; read -r _; kill -9 $pid; wait $pid 2>/dev/null
if ! kill -0 "$parent" 2>/dev/null; then rm -rf -- "$dir"; fi"#;

/// Members and their files. Killed and removed when dropped.
pub struct Etcd {
    dir: tempfile::TempDir,
    members: Vec<Member>,
    tls: bool,
    flags: Vec<String>,
}

struct Member {
    name: String,
    client: u16,
    peer: u16,
    child: Option<Child>,
}

impl Etcd {
    /// One member, without TLS.
    pub fn start() -> Self {
        Self::with(1, false, &[])
    }

    /// So many members. Tests write more in one transaction than the API server does, hence the raised limit.
    pub fn with(count: usize, tls: bool, flags: &[&str]) -> Self {
        let temporary = std::env::temp_dir();
        // In memory where there is such a file system: what is tested is not the disk.
        let shm = Path::new("/dev/shm");
        Self::below(if shm.is_dir() { shm } else { &temporary }, count, tls, flags)
    }

    /// The same, with its files in a new folder below this one.
    pub fn below(dir: &Path, count: usize, tls: bool, flags: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("etcd-test-").tempdir_in(dir).expect("a directory for etcd");
        if tls {
            certificates(dir.path());
        }
        let ports = free_ports(count * 2);
        let member = |index: usize| Member { name: format!("m{index}"), client: ports[index * 2], peer: ports[index * 2 + 1], child: None };
        let mut etcd = Self { dir, members: (0..count).map(member).collect(), tls, flags: flags.iter().map(|f| (*f).to_owned()).collect() };
        (0..count).for_each(|index| etcd.restart(index));
        etcd
    }

    /// One member for the whole test process, without TLS. It ends with the process.
    pub fn shared() -> &'static Self {
        static SHARED: std::sync::OnceLock<Etcd> = std::sync::OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Starts a member that does not run.
    pub fn restart(&mut self, index: usize) {
        let cluster: Vec<String> = self.members.iter().map(|m| format!("{}=http://127.0.0.1:{}", m.name, m.peer)).collect();
        let (scheme, dir) = (self.scheme(), self.dir.path().to_owned());
        let member = &mut self.members[index];
        let (client, peer) = (format!("{scheme}://127.0.0.1:{}", member.client), format!("http://127.0.0.1:{}", member.peer));
        // A shell kills it when this process lets go of the pipe, however that came about, and removes files that nobody else will.
        let mut command = Command::new("sh");
        command.arg("-c").arg(LEASH).arg("leash").arg(&dir).arg(program());
        command.args(["--name", &member.name, "--data-dir"]).arg(dir.join(&member.name));
        command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster", &cluster.join(","), "--max-txn-ops", "1024", "--logger", "zap", "--log-level", "error"]);
        if self.tls {
            command.arg("--client-cert-auth").arg("--trusted-ca-file").arg(dir.join("ca.crt"));
            command.arg("--cert-file").arg(dir.join("server.crt")).arg("--key-file").arg(dir.join("server.key"));
        }
        command.args(&self.flags).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        member.child = Some(command.spawn().expect("etcd starts; `cargo xtask setup` fetches it"));
    }

    /// `kill -9`.
    pub fn kill(&mut self, index: usize) {
        if let Some(mut child) = self.members[index].child.take() {
            drop(child.stdin.take());
            child.wait().expect("it ends");
        }
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// The URLs of all members.
    pub fn servers(&self) -> Vec<String> {
        self.members.iter().map(|member| format!("{}://127.0.0.1:{}", self.scheme(), member.client)).collect()
    }

    /// A file that the TLS needs: `ca.crt`, `client.crt`, `client.key`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A store's configuration for it, keys below a namespace, nothing compacted.
    pub fn config(&self, namespace: &str) -> Config {
        let file = |name| self.tls.then(|| self.file(name));
        Config {
            servers: self.servers(),
            ca_file: file("ca.crt"),
            cert_file: file("client.crt"),
            key_file: file("client.key"),
            namespace: namespace.to_owned(),
            compaction_interval: None,
            timeout: Duration::from_secs(12),
        }
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        (0..self.members.len()).for_each(|index| self.kill(index));
    }
}

/// `etcd` of the tools directory, or of the path.
fn program() -> PathBuf {
    let from_env = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || from_env("CORACLE_CACHE").or_else(|| from_env("XDG_CACHE_HOME").map(|dir| dir.join("coracle")));
    let cache = || cache().or_else(|| from_env("HOME").map(|home| home.join(".cache/coracle")));
    let tools = from_env("CORACLE_TOOLS").or_else(|| cache().map(|dir| dir.join("tools/bin")));
    tools.map(|dir| dir.join("etcd")).filter(|path| path.is_file()).unwrap_or_else(|| "etcd".into())
}

/// Ports that are free now, held together so that they differ.
fn free_ports(count: usize) -> Vec<u16> {
    let held: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    held.iter().map(|listener| listener.local_addr().expect("it has an address").port()).collect()
}

/// A CA, a certificate for 127.0.0.1 and one for a client.
fn certificates(dir: &Path) {
    let write = |name: &str, text: String| std::fs::write(dir.join(name), text).expect("certificates can be written");
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "etcd-ca");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::from_ca_cert_pem(&ca_pem, ca_key).unwrap();
    write("ca.crt", ca_pem);
    for (name, usages) in [
        // etcd's own gateway is a client of etcd with the server's certificate.
        ("server", vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]),
        ("client", vec![ExtendedKeyUsagePurpose::ClientAuth]),
    ] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = usages;
        write(&format!("{name}.crt"), params.signed_by(&key, &issuer).unwrap().pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
}
