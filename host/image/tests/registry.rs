//! Pulling from a real registry: `docker-registry`, as distributions package it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect by unwrap")]

#[path = "support/registry.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use image::build::{Format, ImageBuilder, plugin_artifact, wasm_artifact};
use image::{Credential, Error, Kind, PullOptions, Store, push, reference};
use support::{Registry, Setup};

const WASM: &[u8] = b"\0asm\x01\0\0\0";

fn insecure(address: &str) -> PullOptions {
    PullOptions { insecure: vec![address.to_owned()], ..PullOptions::default() }
}

fn layers(kind: &Kind) -> &[PathBuf] {
    match kind {
        Kind::Oci { layers } => layers,
        Kind::Wasm { .. } => panic!("a wasm artifact"),
    }
}

async fn push_example(folder: &Path, name: &str, options: &PullOptions) {
    let archive = folder.join("push.tar");
    ImageBuilder::new(name).bytes("/etc/motd", "hello", 0o644).cmd(["/bin/sh"]).write(&archive, Format::OciLayout).unwrap();
    push(&archive, &reference(name).unwrap(), options).await.unwrap();
}

#[tokio::test]
async fn an_image_is_pulled_over_http() {
    let Some(registry) = Registry::start(&Setup::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (name, options) = (format!("{}/team/app:v1", registry.address), insecure(&registry.address));
    push_example(folder.path(), &name, &options).await;

    let store = Store::open(folder.path().join("images")).unwrap();
    let told = Arc::new(AtomicUsize::new(0));
    let counter = told.clone();
    let progress: Arc<dyn Fn(image::Progress) + Send + Sync> = Arc::new(move |progress| {
        assert!(progress.received <= progress.total);
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let image = store.pull(&reference(&name).unwrap(), &PullOptions { progress: Some(progress), ..options.clone() }).await.unwrap();
    assert_eq!(image.references, [name.as_str()]);
    assert_eq!(image.repo_digests, [format!("{}/team/app@{}", registry.address, image.digest)]);
    assert_eq!(fs::read_to_string(layers(&image.kind)[0].join("etc/motd")).unwrap(), "hello");
    assert!(told.load(Ordering::Relaxed) > 0);
    // By digest, as a Pod's status names it, with and without a pull.
    let by_digest = &image.repo_digests[0];
    assert_eq!(store.get(by_digest).unwrap().unwrap().digest, image.digest);
    assert_eq!(store.pull(&reference(by_digest).unwrap(), &options).await.unwrap().digest, image.digest);
    assert_eq!(store.get(&name).unwrap().unwrap().references, [name.as_str()]);
    // On the loopback interface plain HTTP is found without being told.
    store.pull(&reference(&name).unwrap(), &PullOptions::default()).await.unwrap();

    for wrong in ["team/app:v2", "team/other:v1"] {
        let wrong = format!("{}/{wrong}", registry.address);
        let error = store.pull(&reference(&wrong).unwrap(), &options).await.unwrap_err();
        assert!(error.is_not_found(), "{error}");
        assert_eq!(error.to_string(), format!("failed to resolve reference \"{wrong}\": {wrong}: not found"));
    }
}

#[tokio::test]
async fn a_wasm_artifact_is_pulled() {
    let Some(registry) = Registry::start(&Setup::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (name, options) = (format!("{}/wasm/hello:v1", registry.address), insecure(&registry.address));
    let (file, archive) = (folder.path().join("hello.wasm"), folder.path().join("hello.tar"));
    fs::write(&file, WASM).unwrap();
    wasm_artifact(&file, &name, &archive).unwrap();
    push(&archive, &reference(&name).unwrap(), &options).await.unwrap();
    let store = Store::open(folder.path().join("images")).unwrap();
    let image = store.pull(&reference(&name).unwrap(), &options).await.unwrap();
    assert!(image.is_wasm());
    assert_eq!(fs::read(image.wasm_component(None).unwrap()).unwrap(), WASM);
    assert_eq!(image.definitions, None);

    // What a plugin brings along comes with it, and stays while the image does.
    let (definitions, other) = (br#"[{"kind": "CustomResourceDefinition"}]"#, format!("{}/wasm/hello:v2", registry.address));
    plugin_artifact(&file, Some(definitions), &other, &archive).unwrap();
    push(&archive, &reference(&other).unwrap(), &options).await.unwrap();
    let image = store.pull(&reference(&other).unwrap(), &options).await.unwrap();
    assert_eq!(fs::read(image.wasm_component(None).unwrap()).unwrap(), WASM);
    assert_eq!(fs::read(image.definitions.clone().unwrap()).unwrap(), definitions);
    store.remove(&other).unwrap();
    store.prune().unwrap();
    assert!(!image.definitions.unwrap().exists());
}

#[tokio::test]
async fn https_and_passwords() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let setup = Setup { tls: Some((certificate.pem(), key.serialize_pem())), password: true };
    let Some(registry) = Registry::start(&setup) else { return };
    let folder = tempfile::tempdir().unwrap();
    let name = format!("{}/private/app:v1", registry.address);
    let credential =
        |registry: String, password: &str| Credential { registry, username: "user".to_owned(), password: password.to_owned(), token: None };
    let host = || registry.address.clone();
    let options = |auth: Vec<Credential>| PullOptions { auth, roots: vec![certificate.pem().into_bytes()], ..PullOptions::default() };
    push_example(folder.path(), &name, &options(vec![credential(host(), "secret")])).await;
    let store = Store::open(folder.path().join("images")).unwrap();
    let pull = async |options: PullOptions| store.pull(&reference(&name).unwrap(), &options).await;
    for auth in [vec![], vec![credential(host(), "wrong")]] {
        let error = pull(options(auth)).await.unwrap_err();
        assert!(error.is_unauthorized(), "{error}");
        assert!(error.to_string().contains("pull access denied, repository does not exist or may require authorization"), "{error}");
        assert!(!error.to_string().contains("wrong"), "{error}");
    }
    pull(options(vec![credential(host(), "secret")])).await.unwrap();
    // A wrong credential for the path is tried first, then the right one for the host.
    pull(options(vec![credential(format!("{}/private", host()), "wrong"), credential(host(), "secret")])).await.unwrap();
    // An unknown authority is an error of the connection, not of the credential.
    let error = pull(PullOptions { roots: Vec::new(), ..options(vec![credential(host(), "secret")]) }).await.unwrap_err();
    assert!(matches!(error, Error::Registry { .. }), "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");
}
