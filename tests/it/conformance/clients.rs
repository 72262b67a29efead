//! Entries of sig-cli that no other test of kubectl has.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use tests::{Cluster, eventually};

#[test]
fn label_is_read_back_and_taken_away() {
    let space = Cluster::shared().space("cli-label");
    space.pod("pause", "image: coracle.dev/test/cli-args:v1, args: [sleep, '3600']");
    space.ok(&["label", "pods", "pause", "testing-label=testing-label-value"]);
    assert!(space.ok(&["get", "pod", "pause", "-L", "testing-label"]).contains("testing-label-value"));
    assert!(space.ok(&["get", "pod", "-l", "testing-label=testing-label-value"]).contains("pause"));
    space.ok(&["label", "pods", "pause", "testing-label-"]);
    assert!(!space.ok(&["get", "pod", "pause", "-L", "testing-label"]).contains("testing-label-value"));
    assert_eq!(space.ok(&["get", "pod", "-l", "testing-label", "-o", "name"]), "");
}

#[test]
fn replace_changes_the_image_of_a_pod() {
    let space = Cluster::shared().space("cli-replace");
    let old = "coracle.dev/test/cli-args:v1";
    let pod = |space: &tests::Space| space.get("pod", "httpd")["spec"]["containers"][0]["image"].clone();
    space.ok(&["run", "httpd", &format!("--image={old}"), "--restart=Never", "--labels=run=httpd", "--", "sleep", "3600"]);
    space.until("pods", "httpd", "run", |pod| pod["status"]["phase"] == "Running");
    let read = space.ok(&["get", "pod", "httpd", "-o", "json"]);
    let mut changed: serde_json::Value = serde_json::from_str(&read).expect("kubectl writes JSON");
    changed["spec"]["containers"][0]["image"] = "coracle.dev/examples/busybox:v1".into();
    let said = space.kubectl().run_with(&["replace", "-f", "-"], &changed.to_string(), &[]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert_eq!(pod(&space), "coracle.dev/examples/busybox:v1");
    // By force it is another pod.
    let before = space.get("pod", "httpd")["metadata"]["uid"].clone();
    let said = space.kubectl().run_with(&["replace", "--force", "--grace-period=0", "-f", "-"], &read, &[]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert_eq!(pod(&space), old);
    assert_ne!(space.get("pod", "httpd")["metadata"]["uid"], before);
}

#[test]
fn dry_run_at_the_server_changes_no_image() {
    let space = Cluster::shared().space("cli-dry-run");
    let image = |image: &str| space.get("pod", "httpd")["spec"]["containers"][0]["image"] == image;
    space.ok(&["run", "httpd", "--image=coracle.dev/test/cli-args:v1", "--labels=run=httpd"]);
    let patch = r#"{"spec":{"containers":[{"name":"httpd","image":"coracle.dev/examples/busybox:v1"}]}}"#;
    let said = space.ok(&["patch", "pod", "httpd", "-p", patch, "--dry-run=server", "-o", "jsonpath={.spec.containers[0].image}"]);
    assert_eq!(said, "coracle.dev/examples/busybox:v1");
    assert!(image("coracle.dev/test/cli-args:v1"));
}

#[test]
fn diff_finds_another_image() {
    let space = Cluster::shared().space("cli-diff");
    let deployment = |image: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: httpd}}\nspec:\n  replicas: 0\n  selector: {{matchLabels: {{app: httpd}}}}\n  \
             template:\n    metadata: {{labels: {{app: httpd}}}}\n    spec: {{containers: [{{name: httpd, image: \"{image}\"}}]}}\n"
        )
    };
    let said = space.kubectl().run_with(&["create", "-f", "-"], &deployment("coracle.dev/test/cli-args:v1"), &[]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let diff = space.kubectl().run_with(&["diff", "-f", "-"], &deployment("coracle.dev/examples/busybox:v1"), &[]);
    assert_eq!(diff.code, Some(1), "{}", diff.err);
    for line in ["-        image: coracle.dev/test/cli-args:v1", "+        image: coracle.dev/examples/busybox:v1"] {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(diff.out.lines().any(|l| l.starts_with(&line[..1]) && l.contains(words[words.len() - 1])), "no {line} in\n{}", diff.out);
    }
}

#[test]
fn version_tells_client_and_server() {
    let space = Cluster::shared().space("cli-version");
    let said = space.ok(&["version"]);
    assert!(said.contains("Client Version: v1.") && said.contains("Server Version: v1."), "{said}");
    let told = space.json(&["version"]);
    for side in ["clientVersion", "serverVersion"] {
        for part in ["major", "minor", "gitVersion", "buildDate", "platform"] {
            assert!(told[side][part].as_str().is_some_and(|text| !text.is_empty()), "no {part} of {side} in\n{told:#}");
        }
    }
}

#[test]
fn proxy_serves_the_api_on_a_free_port_and_on_a_socket() {
    let cluster = Cluster::shared();
    let space = cluster.space("cli-proxy");
    let mut proxy = space.spawn(&["proxy", "--port=0", "--disable-filter"]);
    let line = proxy.line("Starting to serve on");
    let address = line.trim().rsplit(' ').next().expect("the address is told").to_owned();
    let (status, body) = cluster.http(&address, "/api/").expect("the proxy answers");
    let versions: serde_json::Value = serde_json::from_str(&body).expect("the API's versions");
    assert_eq!((status, &versions["versions"][0]), (200, &serde_json::json!("v1")));

    let socket = cluster.dir().join("proxy.sock");
    let _proxy = space.spawn(&["proxy", &format!("--unix-socket={}", socket.display())]);
    let answer = eventually("the socket to answer", || {
        let mut stream = UnixStream::connect(&socket).map_err(|error| error.to_string())?;
        stream.write_all(b"GET /api/ HTTP/1.0\r\nHost: localhost\r\n\r\n").map_err(|error| error.to_string())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(|error| error.to_string())?;
        Ok(answer)
    });
    assert!(answer.contains("200 OK") && answer.contains("\"v1\""), "{answer}");
}
