//! A registry on a port of the loopback interface, for the tests of this folder.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect by unwrap")]

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// bcrypt of "secret".
const HTPASSWD: &str = "user:$2b$04$j6wQPvYQzPj6aA9BGxDxsegGxBTQCoHF5n4T3CjZAAz6spKHquyaq\n";

/// The registry on a port of the loopback interface.
pub struct Registry {
    process: Child,
    pub address: String,
    _folder: tempfile::TempDir,
}

#[derive(Default)]
pub struct Setup {
    pub tls: Option<(String, String)>,
    pub password: bool,
}

impl Registry {
    /// `None`: not installed, which only CI takes for an error.
    pub fn start(setup: &Setup) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let mut config = format!(
            "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
            at("data").display()
        );
        if let Some((certificate, key)) = &setup.tls {
            fs::write(at("cert.pem"), certificate).unwrap();
            fs::write(at("key.pem"), key).unwrap();
            config += &format!("  tls:\n    certificate: {}\n    key: {}\n", at("cert.pem").display(), at("key.pem").display());
        }
        if setup.password {
            fs::write(at("htpasswd"), HTPASSWD).unwrap();
            config += &format!("auth:\n  htpasswd:\n    realm: test\n    path: {}\n", at("htpasswd").display());
        }
        fs::write(at("config.yml"), config).unwrap();
        let log = fs::File::create(at("log")).unwrap();
        let started = Command::new("docker-registry").arg("serve").arg(at("config.yml")).stdout(Stdio::null()).stderr(log).spawn();
        let process = match started {
            Ok(process) => process,
            Err(error) if std::env::var_os("CI").is_none() => {
                eprintln!("skipped: docker-registry is not installed: {error}");
                return None;
            }
            Err(error) => panic!("docker-registry is not installed: {error}"),
        };
        let registry = Self { process, address, _folder: folder };
        let started = Instant::now();
        while std::net::TcpStream::connect(&registry.address).is_err() {
            assert!(started.elapsed() < Duration::from_secs(30), "the registry does not answer");
            std::thread::yield_now();
        }
        Some(registry)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
