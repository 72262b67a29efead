//! Images that are missing, broken, or not what a pod needs.

use image::build::{Format, ImageBuilder};
use std::path::{Path, PathBuf};
use tests::{Cluster, Said, Space, paths};

/// Puts an archive into the shared cluster's image store by `coracle image import`.
fn import(cluster: &Cluster, archive: &Path) -> Said {
    image_command(cluster, &["import", "--data-dir", &cluster.data().display().to_string(), &archive.display().to_string()])
}

fn image_command(cluster: &Cluster, args: &[&str]) -> Said {
    cluster.on_node(&paths::coracle().display().to_string(), &[&["image"], args].concat())
}

/// An image that says it is wasm and holds these bytes.
fn wasm_image(cluster: &Cluster, name: &str, bytes: &[u8]) -> PathBuf {
    let archive = cluster.dir().join(format!("{name}.tar"));
    let image = ImageBuilder::new(&format!("coracle.dev/bad/{name}:v1")).platform("wasip2", "wasm").entrypoint(["/app.wasm"]).bytes(
        "/app.wasm",
        bytes,
        0o644,
    );
    image.write(&archive, Format::OciLayout).expect("the archive can be written");
    archive
}

/// Waits until the pod's container waits or has ended, with `part` in what it says; and an event that says so.
fn told(space: &Space, pod: &str, part: &str) {
    space.until("pods", pod, &format!("say {part:?}"), |pod| {
        let state = &pod["status"]["containerStatuses"][0]["state"];
        (state["waiting"].is_object() || state["terminated"].is_object()) && state.to_string().contains(&part.replace('"', "\\\""))
    });
    space.until_event(pod, "Failed", part);
}

#[test]
fn bad_image_that_is_nowhere_is_told_and_tried_again() {
    let space = Cluster::shared().space("bad-absent");
    space.pod("absent", "image: 127.0.0.1:1/none:v1");
    space.until("pods", "absent", "fail to pull", |pod| {
        pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ErrImagePull"
    });
    space.until("pods", "absent", "back off", |pod| {
        pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ImagePullBackOff"
    });
    assert_eq!(space.get("pod", "absent")["status"]["phase"], "Pending");
    space.until_event("absent", "Failed", "Failed to pull image \"127.0.0.1:1/none:v1\"");
    space.until_event("absent", "BackOff", "Back-off pulling image \"127.0.0.1:1/none:v1\"");
    space.ok(&["delete", "pod", "absent", "--timeout=30s"]);
    space.pod("never", "image: coracle.dev/bad/none:v1, imagePullPolicy: Never");
    space.until_event("never", "ErrImageNeverPull", "Container image \"coracle.dev/bad/none:v1\" is not present with pull policy of Never");
    space.until_event("never", "Failed", "Error: ErrImageNeverPull");
    space.pod("name", "image: 'Not A Name'");
    let state = space.until("pods", "name", "be refused", |pod| {
        pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "InvalidImageName"
    });
    assert!(state.to_string().contains("Not A Name"), "{state:#}");
}

#[test]
fn bad_wasm_says_what_it_is_instead_of_a_component() {
    let cluster = Cluster::shared();
    let space = cluster.space("bad-wasm");
    for (name, bytes, part) in [
        ("poem", b"roses are red".as_slice(), "not WebAssembly"),
        ("empty", b"", "not WebAssembly"),
        ("module", b"\0asm\x01\0\0\0", "module"),
        ("cut", b"\0asm\x0d\0\x01\0\x07", "cannot be compiled"),
    ] {
        let said = import(cluster, &wasm_image(cluster, name, bytes));
        assert_eq!(said.code, Some(0), "{name}: {}", said.err);
        space.pod(name, &format!("image: coracle.dev/bad/{name}:v1"));
        told(&space, name, part);
    }
}

#[test]
fn bad_imports_that_were_not_granted_are_named() {
    let cluster = Cluster::shared();
    let space = cluster.space("bad-imports");
    let said = import(cluster, &tests::archive("plugin-uninvited"));
    assert_eq!(said.code, Some(0), "{}", said.err);
    space.pod("uninvited", "image: coracle.dev/test/plugin-uninvited:v1");
    told(&space, "uninvited", "test:uninvited/secrets");
}

#[test]
fn bad_class_that_is_nowhere_is_told() {
    let space = Cluster::shared().space("bad-class");
    let refused = space.kubectl().apply_fails(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: nowhere}\nspec: {runtimeClassName: absent, containers: [{name: c, image: i}]}\n",
        "RuntimeClass \"absent\" not found",
    );
    assert!(refused.contains("pods \"nowhere\" is forbidden"), "{refused}");
}

#[test]
fn bad_archives_are_refused_whole() {
    let cluster = Cluster::shared();
    // A store of its own: one that has an image already need not read it again.
    let data = cluster.dir().join("bad-archives").display().to_string();
    let good = std::fs::read(tests::archive("cli-args")).expect("the archive can be read");
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for (name, bytes) in [
        ("text.tar", b"no archive at all".to_vec()),
        ("cut.tar", good[..good.len() / 2].to_vec()),
        ("flipped.tar", flipped),
        ("text.wasm", b"no component".to_vec()),
    ] {
        let file = cluster.dir().join(name);
        std::fs::write(&file, bytes).expect("a file can be written");
        let said = image_command(cluster, &["import", "--data-dir", &data, &file.display().to_string()]);
        assert_eq!(said.code, Some(1), "{name}: {}", said.out);
        assert_eq!(said.err.lines().count(), 1, "one line: {}", said.err);
        assert!(said.err.starts_with("coracle: "), "{}", said.err);
        let list = image_command(cluster, &["list", "--data-dir", &data]).out;
        assert_eq!(list.lines().count(), 1, "nothing but the head: {list}");
    }
    let file = tests::archive("cli-args").display().to_string();
    let said = image_command(cluster, &["import", "--data-dir", &data, &file]);
    assert!(said.out.starts_with("imported coracle.dev/test/cli-args:v1 sha256:"), "{}{}", said.out, said.err);
}
