//! `coracle server` itself: flags, files, TLS, running without privileges.

use std::process::{Command, Stdio};
use tests::{Cluster, Options, eventually, paths};

#[test]
fn server_help_explains_itself() {
    let cluster = Cluster::new(Options::default());
    let coracle = paths::coracle().display().to_string();
    let said = cluster.on_node(&coracle, &["server", "--help"]);
    assert_eq!(said.code, Some(0));
    for flag in ["--data-dir", "--bind-address", "--https-listen-port", "--write-kubeconfig", "--node-name", "--disable", "--config"] {
        assert!(said.out.contains(flag), "no {flag} in\n{}", said.out);
    }
    assert!(cluster.on_node(&coracle, &["--version"]).out.starts_with("coracle "));
    assert_eq!(cluster.on_node(&coracle, &[]).code, Some(2), "without a word it says how it is used");
}

#[test]
fn server_reads_its_flags_from_a_file() {
    let cluster = Cluster::new(Options { flags: vec!["--https-listen-port=7443".to_owned()], ..Options::default() });
    let file = cluster.dir().join("config.yaml");
    std::fs::write(&file, "https-listen-port: 8443\ndisable: [agent, dns, proxy]\ntls-san: sea.example\n").expect("a file can be written");
    let mut command = cluster.command();
    command.arg("--config").arg(file);
    let mut server = cluster.spawn_on_node(command);
    server.line("API server is ready");
    let kubeconfig = std::fs::read_to_string(cluster.kubeconfig()).expect("the kubeconfig is written");
    assert!(kubeconfig.contains("https://127.0.0.1:7443"), "a flag wins over the file");
    assert_eq!(cluster.kubectl().json(&["get", "nodes"])["items"], serde_json::json!([]), "the agent is disabled");
    let resolve = ["--silent", "--fail", "--resolve", "sea.example:7443:127.0.0.1", "--cacert"];
    let said = cluster.on_node(
        "curl",
        &[&resolve[..], &[&cluster.data().join("tls/ca.crt").display().to_string(), "https://sea.example:7443/version"]].concat(),
    );
    assert!(said.out.contains("gitVersion"), "the certificate has the further name: {said:?}");
}

#[test]
fn server_speaks_both_versions_of_http_and_no_old_tls() {
    let cluster = Cluster::shared();
    let ask = |flags: &[&str]| {
        cluster.on_node(
            "curl",
            &[
                flags,
                &[
                    "--silent",
                    "--insecure",
                    "--output",
                    "/dev/null",
                    "--write-out",
                    "%{http_version} %{http_code}",
                    "https://127.0.0.1:6443/version",
                ],
            ]
            .concat(),
        )
    };
    assert_eq!(ask(&["--http1.1"]).out, "1.1 200");
    assert_eq!(ask(&["--http2"]).out, "2 200");
    assert_eq!(ask(&["--tls-max", "1.1"]).code, Some(35), "TLS 1.1 is refused");
    let plain = cluster.on_node("curl", &["--silent", "--max-time", "5", "http://127.0.0.1:6443/version"]);
    assert!(!plain.out.contains("gitVersion"), "{plain:?}");
}

#[test]
fn server_stops_in_order_and_keeps_its_identity() {
    let flags = vec!["--disable=agent,dns,proxy,plugins".to_owned()];
    let cluster = Cluster::new(Options { flags, ..Options::default() });
    cluster.spawn();
    cluster.wait_api();
    cluster.kubectl().ok(&["create", "configmap", "kept", "--from-literal=a=b"]);
    let ca = std::fs::read(cluster.data().join("tls/ca.crt")).expect("there is a CA");
    let before = cluster.kubectl().get("configmap", "kept");
    let mut watch = cluster.kubectl().spawn(&["get", "configmaps", "--watch"]);
    watch.line("kept");
    let status = cluster.stop();
    assert!(status.success(), "{status}: {}", cluster.log_tail());
    cluster.spawn();
    cluster.wait_api();
    assert_eq!(std::fs::read(cluster.data().join("tls/ca.crt")).ok(), Some(ca), "old kubeconfigs stay good");
    assert_eq!(cluster.kubectl().get("configmap", "kept"), before, "nothing changes by a restart");
}

#[test]
fn server_without_privileges_runs_components_and_says_what_is_missing() {
    const NOBODY: &str = "65534";
    let cluster = Cluster::new(Options { images: vec!["cli-args", "busybox"], ..Options::default() });
    // Another user can reach neither the build folder nor what root made.
    let coracle = cluster.dir().join("coracle");
    std::fs::copy(paths::coracle(), &coracle).expect("the program can be copied");
    let images = cluster.dir().join("images");
    for name in ["cli-args", "busybox"] {
        let link = images.join(format!("{name}.tar"));
        let archive = std::fs::canonicalize(&link).expect("the link leads somewhere");
        std::fs::remove_file(&link).expect("the link can be removed");
        std::fs::copy(archive, link).expect("the archive can be copied");
    }
    let said = cluster.on_node("chown", &["-R", &format!("{NOBODY}:{NOBODY}"), &cluster.dir().display().to_string()]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let up = cluster.on_node("ip", &["link", "set", "lo", "up"]);
    assert_eq!(up.code, Some(0), "a user cannot do it: {}", up.err);
    let server = cluster.command();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--no-new-privs"]).arg(&coracle).args(server.get_args());
    command.env("HOME", cluster.dir()).stdin(Stdio::null());
    let mut server = cluster.spawn_on_node(command);
    server.line("runtime is not available here");
    cluster.wait_api();
    eventually("the node", || {
        let said = cluster.kubectl().run(&["wait", "--for=condition=Ready", "node/node-1", "--timeout=5s"]);
        if said.code == Some(0) { Ok(()) } else { Err(said.err) }
    });
    let space = cluster.space("unprivileged");
    let (code, said) = space.outcome("wasm", "image: coracle.dev/test/cli-args:v1, args: [args, free]", "");
    assert_eq!((code, said.as_str()), (0, "args: main args free\n"));
    space.pod("oci", "image: coracle.dev/examples/busybox:v1, command: [id]");
    space.until_event("oci", "Failed", "the oci runtime is not available");
}

/// Upstream's `nodeStatusReportFrequency`: a status without news is told every five minutes; the lease says that the node lives.
#[test]
fn an_idle_node_renews_its_lease_only() {
    let cluster = Cluster::start(Options { images: vec![], ..Options::default() });
    let kubectl = cluster.kubectl();
    let leases = tests::Kubectl { cluster: &cluster, namespace: Some("kube-node-lease") };
    let next = |before: &str| {
        let renewed = |lease: &serde_json::Value| lease["spec"]["renewTime"].as_str().is_some_and(|time| time > before);
        let lease = leases.until("lease", tests::NODE, "be renewed", renewed);
        lease["spec"]["renewTime"].as_str().unwrap_or_default().to_owned()
    };
    // The first looks may still find something new.
    let second = next(&next(""));
    let revision = |node: &serde_json::Value| node["metadata"]["resourceVersion"].clone();
    let before = revision(&kubectl.get("node", tests::NODE));
    next(&next(&second));
    assert_eq!(revision(&kubectl.get("node", tests::NODE)), before);
}
