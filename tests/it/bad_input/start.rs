//! What keeps a server from starting: one line on stderr, and an exit code.

use redb::{Database, TableDefinition};
use std::process::{Command, Stdio};
use tests::{Cluster, Options, Said};

fn alone() -> Options {
    Options { flags: vec!["--disable=agent,dns,proxy,plugins".to_owned()], ..Options::default() }
}

/// Runs a second server to its end, which should be soon.
fn second(cluster: &Cluster, flags: &[&str]) -> Said {
    let server = cluster.command();
    let mut command = Command::new("timeout");
    command.arg("20").arg(server.get_program()).args(server.get_args()).args(flags);
    command.env("HOME", cluster.dir()).current_dir("/").stdin(Stdio::null());
    cluster.sandbox().inside(|| command.output()).expect("coracle can be started").into()
}

/// It ended with an error whose last line names what is wrong.
fn refused(said: &Said, parts: &[&str]) {
    assert!(said.code.is_some_and(|code| code != 0 && code != 124), "it should fail: {said:?}");
    let line = said.err.lines().last().unwrap_or_default();
    assert!(line.starts_with("coracle: ") || line.starts_with("error: ") || line.starts_with("For more information"), "{}", said.err);
    for part in parts {
        assert!(said.err.contains(part), "{part:?} is not in {}", said.err);
    }
    assert!(!said.err.contains("panicked"), "{}", said.err);
}

#[test]
fn bad_start_beside_another_server() {
    let cluster = Cluster::new(alone());
    cluster.spawn();
    cluster.wait_api();
    refused(&second(&cluster, &[]), &["state.redb is in use by another process"]);
    let other = cluster.dir().join("other").display().to_string();
    let kubeconfig = std::fs::read(cluster.kubeconfig()).expect("the kubeconfig can be read");
    refused(&second(&cluster, &["--data-dir", &other]), &["6443", "--https-listen-port"]);
    assert_eq!(std::fs::read(cluster.kubeconfig()).ok(), Some(kubeconfig), "the first one's kubeconfig is as it was");
    assert_eq!(cluster.kubectl().ok(&["get", "--raw", "/readyz"]), "ok");
}

#[test]
fn bad_start_beside_another_agent() {
    let cluster = Cluster::new(Options::default());
    let mut other = Command::new("busybox");
    other.args(["nc", "-l", "-p", "10250"]);
    let up = cluster.on_node("ip", &["link", "set", "lo", "up"]);
    assert_eq!(up.code, Some(0), "{}", up.err);
    let _other = cluster.spawn_on_node(other);
    tests::eventually("the port to be taken", || {
        // Port 10250, listening.
        let taken = cluster.on_node("grep", &[":280A .* 0A ", "/proc/net/tcp", "/proc/net/tcp6"]);
        if taken.code == Some(0) || taken.out.contains("280A") { Ok(()) } else { Err(taken.err) }
    });
    refused(&second(&cluster, &[]), &["kubelet", "10250", "in use"]);
}

#[test]
fn bad_start_on_the_state_of_another_version() {
    let cluster = Cluster::new(alone());
    cluster.spawn();
    cluster.wait_api();
    cluster.kubectl().ok(&["create", "configmap", "precious", "--from-literal=a=b"]);
    assert!(cluster.stop().success());
    let file = cluster.data().join("state.redb");
    let set_format = |format: u64| {
        let database = Database::open(&file).expect("the state can be opened");
        let write = database.begin_write().expect("the state can be written");
        write
            .open_table(TableDefinition::<&str, u64>::new("meta"))
            .expect("there is such a table")
            .insert("format", format)
            .expect("a row can be written");
        write.commit().expect("the change is kept");
    };
    set_format(999);
    refused(&second(&cluster, &[]), &["state.redb has state format 999; this program reads format 1"]);
    set_format(1);
    cluster.spawn();
    cluster.wait_api();
    assert_eq!(cluster.kubectl().get("configmap", "precious")["data"]["a"], "b");
}

#[test]
fn bad_start_on_what_is_no_state() {
    let cluster = Cluster::new(alone());
    let file = cluster.data().join("state.redb");
    let poem = "roses are red\n".repeat(10_000);
    std::fs::write(&file, &poem).expect("a file can be written");
    refused(&second(&cluster, &[]), &["state"]);
    assert_eq!(std::fs::read_to_string(&file).ok(), Some(poem), "what is not ours stays as it is");
}

#[test]
fn bad_flags_and_settings_are_named() {
    let cluster = Cluster::new(alone());
    let settings = cluster.dir().join("config.yaml");
    std::fs::write(&settings, "datadir: /x\n").expect("a file can be written");
    let settings = settings.display().to_string();
    for (flags, parts) in [
        (vec!["--nonsense"], vec!["--nonsense"]),
        (vec!["--https-listen-port", "x"], vec!["--https-listen-port", "x"]),
        (vec!["--https-listen-port", "70000"], vec!["70000"]),
        (vec!["--cluster-cidr", "10.0.0.0/99"], vec!["--cluster-cidr"]),
        (vec!["--cluster-dns", "9.9.9.9"], vec!["--cluster-dns 9.9.9.9 is not in --service-cidr"]),
        (vec!["--node-name", "Not_Valid"], vec!["node name \"Not_Valid\" is invalid"]),
        (vec!["--disable", "everything"], vec!["everything"]),
        (vec!["--node-label", "novalue"], vec!["novalue"]),
        (vec!["--config", "/absent.yaml"], vec!["/absent.yaml"]),
        (vec!["--config", &settings], vec!["unknown setting \"datadir\""]),
        (vec!["--data-dir", "/proc/nowhere"], vec!["/proc/nowhere"]),
    ] {
        refused(&second(&cluster, &flags), &parts);
    }
}
