//! Pulling from a real registry.

use image::PullOptions;
use image::build::{Format, ImageBuilder};
use std::path::Path;
use std::process::Command;
use tests::{Cluster, Program, paths};

const REGISTRY: &str = "127.0.0.1:5000";

/// `user` with the password `sesame`, for `htpasswd`.
const USER: &str = "user:$2y$05$abcdefghijklmnopqrstuuKcS.CYWVYVaLiiCKrrc0A5s3mGesJ9O\n";

/// Starts a registry in the cluster's network.
pub fn serve(cluster: &Cluster, port: u16, with_users: bool) -> Program {
    let dir = cluster.dir().join(format!("registry-{port}"));
    std::fs::create_dir_all(&dir).expect("the registry's folder can be made");
    let mut config = format!(
        "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {0}/data}}, delete: {{enabled: true}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n",
        dir.display()
    );
    if with_users {
        std::fs::write(dir.join("users"), USER).expect("the users can be written");
        config += &format!("auth: {{htpasswd: {{realm: harbour, path: {}/users}}}}\n", dir.display());
    }
    std::fs::write(dir.join("config.yml"), config).expect("the configuration can be written");
    let mut command = Command::new(paths::tool("docker-registry"));
    command.arg("serve").arg(dir.join("config.yml")).env("OTEL_TRACES_EXPORTER", "none");
    let mut registry = cluster.spawn_on_node(command);
    registry.line("listening on");
    registry
}

pub fn push(cluster: &Cluster, archive: &Path, to: &str, user: Option<(&str, &str)>) -> Result<(), String> {
    let reference = image::reference(to).expect("a good name");
    let registry = to.split('/').next().unwrap_or_default().to_owned();
    let auth = user.map(|(name, password)| {
        let json = serde_json::json!({"auths": {&registry: {"username": name, "password": password}}}).to_string();
        image::auth::parse(json.as_bytes()).expect("good credentials")
    });
    let options = PullOptions { insecure: vec![registry], auth: auth.unwrap_or_default(), ..PullOptions::default() };
    cluster.typed(|_| async move { image::push(archive, &reference, &options).await.map(drop).map_err(|error| format!("{error:?}")) })
}

/// busybox by another name, so that no import has it.
fn busybox(cluster: &Cluster, name: &str) -> std::path::PathBuf {
    let archive = cluster.dir().join(format!("{name}.tar"));
    let image = ImageBuilder::new("pushed:v1").file("/bin/busybox", "/bin/busybox").expect("busybox is installed");
    let image = image.link("/bin/sh", "busybox").link("/bin/echo", "busybox").env(["PATH=/bin", &format!("NAME={name}")]).cmd([
        "/bin/sh",
        "-c",
        "echo I am $NAME",
    ]);
    image.write(&archive, Format::OciLayout).expect("the archive can be written");
    archive
}

#[test]
fn registry_images_of_both_kinds_are_pulled() {
    let cluster = Cluster::shared();
    let space = cluster.space("registry-pull");
    let _registry = serve(cluster, 5000, false);
    push(cluster, &tests::archive("cli-args"), &format!("{REGISTRY}/test/cli:v1"), None).expect("the component can be pushed");
    push(cluster, &busybox(cluster, "plain"), &format!("{REGISTRY}/test/plain:v1"), None).expect("the image can be pushed");
    let (code, said) = space.outcome("wasm", &format!("image: '{REGISTRY}/test/cli:v1', args: [args, pulled]"), "");
    assert_eq!(code, 0);
    assert!(said.contains("pulled"), "{said}");
    assert_eq!(space.outcome("oci", &format!("image: '{REGISTRY}/test/plain:v1'"), ""), (0, "I am plain\n".to_owned()));
    space.until_event("oci", "Pulling", &format!("Pulling image \"{REGISTRY}/test/plain:v1\""));
    space.until_event("oci", "Pulled", &format!("Successfully pulled image \"{REGISTRY}/test/plain:v1\""));
    let id = space.get("pod", "oci")["status"]["containerStatuses"][0]["imageID"].as_str().unwrap_or_default().to_owned();
    assert!(id.contains("sha256:"), "{id}");
    // By digest, and with what is there already.
    let digest = id.rsplit('@').next().unwrap_or_default().to_owned();
    if id.contains('@') {
        assert_eq!(space.outcome("digest", &format!("image: '{REGISTRY}/test/plain@{digest}'"), "").0, 0);
    }
    space.outcome("again", &format!("image: '{REGISTRY}/test/plain:v1', imagePullPolicy: IfNotPresent"), "");
    space.until_event("again", "Pulled", "already present on machine");
    // A tag that moved: Always asks again.
    push(cluster, &busybox(cluster, "moved"), &format!("{REGISTRY}/test/plain:v1"), None).expect("the image can be pushed");
    assert_eq!(space.outcome("moved", &format!("image: '{REGISTRY}/test/plain:v1', imagePullPolicy: Always"), "").1, "I am moved\n");
    space.pod("absent", &format!("image: '{REGISTRY}/test/absent:v1'"));
    space.until_event("absent", "Failed", "not found");
}

#[test]
fn registry_credentials_come_from_pull_secrets() {
    let cluster = Cluster::shared();
    let space = cluster.space("registry-auth");
    let _registry = serve(cluster, 5001, true);
    let image = "127.0.0.1:5001/test/secret:v1";
    let archive = busybox(cluster, "secret");
    assert!(push(cluster, &archive, image, None).is_err(), "a stranger may not push");
    push(cluster, &archive, image, Some(("user", "sesame"))).expect("the user may push");
    space.pod("stranger", &format!("image: '{image}'"));
    space.until_event("stranger", "Failed", "Failed to pull image");
    let secret = |name: &str, password: &str| {
        space.ok(&[
            "create",
            "secret",
            "docker-registry",
            name,
            "--docker-server=127.0.0.1:5001",
            "--docker-username=user",
            &format!("--docker-password={password}"),
        ]);
    };
    secret("wrong", "nonsense");
    space.pod_with("wrong", &format!("image: '{image}'"), "restartPolicy: Never\nimagePullSecrets: [{name: wrong}]");
    space.until_event("wrong", "Failed", "Failed to pull image");
    secret("right", "sesame");
    assert_eq!(space.outcome("right", &format!("image: '{image}'"), "imagePullSecrets: [{name: right}]"), (0, "I am secret\n".to_owned()));
    // By the service account of the pod.
    space.ok(&["patch", "serviceaccount", "default", "-p", r#"{"imagePullSecrets":[{"name":"right"}]}"#]);
    assert_eq!(space.outcome("by-account", &format!("image: '{image}', imagePullPolicy: Always"), ""), (0, "I am secret\n".to_owned()));
}
