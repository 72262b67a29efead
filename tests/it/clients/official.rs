//! The official Python and JavaScript clients, each by a script of its own.

use std::process::Command;
use tests::{Cluster, Said, paths};

/// Runs a script of `tests/clients` with the cluster's kubeconfig; its last line counts what it found.
fn script(space: &str, file: &str, command: &mut Command) {
    let cluster = Cluster::shared();
    let space = cluster.space(space);
    let file = paths::root().join("tests/clients").join(file);
    command.arg(file).arg(space.name()).env("KUBECONFIG", cluster.kubeconfig()).env("HOME", cluster.dir());
    let output = cluster.sandbox().in_network(|| command.output()).expect("the client's interpreter can be started");
    let said = Said::from(output);
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    assert!(said.out.lines().last().is_some_and(|line| line.starts_with("passed ")), "{}", said.out);
}

#[test]
fn the_python_client() {
    script("python-client", "client.py", Command::new("python3").env("PYTHONPATH", paths::modules("python")));
}

#[test]
fn the_javascript_client() {
    script("javascript-client", "client.mjs", Command::new("node").env("CLIENT_MODULES", paths::modules("node")));
}
