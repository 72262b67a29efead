//! Plugins from a registry: with credentials from Secrets, and with signatures that the plugin or the server asks for.

use crate::registry::{push, serve};
use image::PullOptions;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::{Cluster, Options, paths};

/// A key pair made by openssl.
struct Signer(PathBuf);

fn openssl(args: &[&str]) {
    let said = Command::new("openssl").args(args).output().expect("openssl can be started");
    assert!(said.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&said.stderr));
}

impl Signer {
    fn new(folder: &Path, name: &str) -> Self {
        let signer = Self(folder.join(name));
        openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", &signer.file("key")]);
        openssl(&["pkey", "-in", &signer.file("key"), "-pubout", "-out", &signer.file("pub")]);
        signer
    }

    fn file(&self, suffix: &str) -> String {
        self.0.with_extension(suffix).display().to_string()
    }

    fn public(&self) -> String {
        std::fs::read_to_string(self.file("pub")).expect("the key can be read")
    }

    /// Signs `signed` and puts the signature where that of `digest` is looked for.
    fn sign(&self, cluster: &Cluster, image: &str, digest: &str, signed: &str) {
        let reference = image::reference(image).expect("a good name");
        let payload = image::verify::payload(&reference, signed);
        std::fs::write(self.file("text"), &payload).expect("the payload can be written");
        openssl(&["dgst", "-sha256", "-sign", &self.file("key"), "-out", &self.file("sig"), &self.file("text")]);
        let signature = std::fs::read(self.file("sig")).expect("the signature can be read");
        let options = PullOptions { insecure: vec![reference.registry().to_owned()], ..PullOptions::default() };
        let attached = cluster.typed(|_| async move {
            image::attach_signature(&reference, digest, &payload, &signature, &options).await.map_err(|error| error.to_string())
        });
        attached.expect("the signature can be pushed");
    }
}

/// A component in the registry; no two have the same digest. Gives the digest.
fn component(cluster: &Cluster, image: &str, user: Option<(&str, &str)>) -> String {
    let file = cluster.dir().join("component.wasm");
    let mut bytes = std::fs::read(paths::guest("node-requirements")).expect("the guest is built");
    // A custom section: an empty id, a size, a name and nothing else.
    let name = image.as_bytes();
    bytes.extend([0, u8::try_from(name.len() + 1).expect("a short name"), u8::try_from(name.len()).expect("a short name")]);
    bytes.extend(name);
    std::fs::write(&file, bytes).expect("the component can be written");
    let archive = cluster.dir().join("component.tar");
    image::build::wasm_artifact(&file, image, &archive).expect("the archive can be written");
    push(cluster, &archive, image, user).expect("the component can be pushed");
    let store = image::Store::open(cluster.dir().join("pushed")).expect("a store can be opened");
    cluster.typed(|_| async move { store.import(&archive, None).await.expect("the archive can be read").remove(0).digest })
}

fn apply(cluster: &Cluster, name: &str, image: &str, more: &str) {
    cluster.kubectl().apply(&format!(
        "apiVersion: coracle.dev/v1alpha1
kind: WasmPlugin
metadata: {{name: {name}}}
spec:
  world: scheduler
  failurePolicy: Ignore
  image: '{image}'
  scheduler: {{extensionPoints: [filter]}}
  {}
",
        more.replace('\n', "\n  ")
    ));
}

fn keys(signer: &Signer) -> String {
    format!("verification:\n  publicKeys:\n  - |\n    {}", signer.public().trim().replace('\n', "\n    "))
}

/// Waits for a condition's status and words in its message.
fn until(cluster: &Cluster, plugin: &str, condition: &str, status: &str, part: &str) {
    cluster.kubectl().until("wasmplugins", plugin, &format!("have {condition}={status}, {part}"), |object| {
        let conditions = object["status"]["conditions"].as_array();
        conditions.into_iter().flatten().any(|found| {
            found["type"] == condition && found["status"] == status && found["message"].as_str().unwrap_or_default().contains(part)
        })
    });
}

#[test]
fn verification_of_plugins_by_their_own_keys_and_by_those_of_the_server() {
    const REGISTRY: &str = "127.0.0.1:5003";
    let folder = tempfile::tempdir().expect("a folder can be made");
    let [server, team, stranger] = ["server", "team", "stranger"].map(|name| Signer::new(folder.path(), name));
    let flags = ["--plugin-verification-keys", &server.file("pub"), "--plugin-verification-images", "127.0.0.1:5003/signed/*"];
    let cluster = &Cluster::start(Options { flags: flags.map(str::to_owned).to_vec(), ..Options::default() });
    let _registry = serve(cluster, 5003, false);

    // Nobody asks for a signature.
    let free = format!("{REGISTRY}/free/app:v1");
    let free_digest = component(cluster, &free, None);
    apply(cluster, "free", &free, "");
    until(cluster, "free", "Ready", "True", "");
    until(cluster, "free", "Verified", "True", "no signature is asked for");
    // By digest, too.
    apply(cluster, "by-digest", &format!("{REGISTRY}/free/app@{free_digest}"), "");
    until(cluster, "by-digest", "Ready", "True", "");

    // The plugin asks: unsigned, then signed by somebody else, then for another image, then well.
    apply(cluster, "own", &free, &keys(&team));
    until(cluster, "own", "Verified", "False", &format!("no signature of {free_digest} found"));
    stranger.sign(cluster, &free, &free_digest, &free_digest);
    until(cluster, "own", "Verified", "False", "none of the 1 signatures");
    until(cluster, "own", "Verified", "False", "it was not made with the trusted key");
    let signed = format!("{REGISTRY}/signed/app:v1");
    let digest = component(cluster, &signed, None);
    team.sign(cluster, &free, &free_digest, &digest);
    until(cluster, "own", "Verified", "False", &format!("it is for {digest}, another image"));
    until(cluster, "own", "Ready", "False", "");
    team.sign(cluster, &free, &free_digest, &free_digest);
    until(cluster, "own", "Verified", "True", "signed by SHA256:");
    until(cluster, "own", "Ready", "True", "");

    // The server asks, whatever the plugin says; and both may.
    apply(cluster, "server", &signed, "");
    until(cluster, "server", "Verified", "False", &format!("no signature of {digest} found"));
    team.sign(cluster, &signed, &digest, &digest);
    until(cluster, "server", "Verified", "False", "it was not made with the trusted key");
    server.sign(cluster, &signed, &digest, &digest);
    until(cluster, "server", "Ready", "True", "");
    apply(cluster, "both", &signed, &keys(&team));
    until(cluster, "both", "Ready", "True", "");
    apply(cluster, "both", &signed, &keys(&stranger));
    until(cluster, "both", "Verified", "False", "none of the 2 signatures");

    // A key that is none is told as that.
    apply(cluster, "no-key", &free, "verification: {publicKeys: ['not a key']}");
    until(cluster, "no-key", "Verified", "False", "spec.verification.publicKeys: a public key cannot be used");
}

#[test]
fn verification_of_the_puller_by_pull_secrets() {
    const IMAGE: &str = "127.0.0.1:5004/team/app:v1";
    let cluster = Cluster::shared();
    let space = cluster.space("plugin-pull");
    let _registry = serve(cluster, 5004, true);
    component(cluster, IMAGE, Some(("user", "sesame")));
    let account = format!("grants: {{serviceAccount: {{namespace: {}, name: default}}}}", space.name());
    apply(cluster, "stranger", IMAGE, &account);
    until(cluster, "stranger", "Pulled", "False", "pull access denied");
    apply(cluster, "homeless", IMAGE, "imagePullSecrets: [{name: harbour}]");
    until(cluster, "homeless", "Pulled", "False", "spec.grants.serviceAccount, which is not set");
    apply(cluster, "holder", IMAGE, &format!("imagePullSecrets: [{{name: harbour}}]\n{account}"));
    until(cluster, "holder", "Pulled", "False", &format!("pull secret {}/harbour: ", space.name()));
    space.ok(&[
        "create",
        "secret",
        "docker-registry",
        "harbour",
        "--docker-server=127.0.0.1:5004",
        "--docker-username=user",
        "--docker-password=sesame",
    ]);
    until(cluster, "holder", "Ready", "True", "");
    for name in ["stranger", "homeless", "holder"] {
        cluster.kubectl().ok(&["delete", "wasmplugin", name]);
    }
}
