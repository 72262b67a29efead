//! Signatures in a real registry, made by a real `openssl`: found where cosign puts them, believed when they are good, and kept.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect by unwrap")]

#[path = "support/registry.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use image::build::wasm_artifact;
use image::{Error, Image, PullOptions, Reference, Store, Verifier, attach_signature, push, reference, verify};
use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use serde_json::{Value, json};
use sha2::Digest as _;
use support::{Registry, Setup};

fn openssl(args: &[&str]) -> Option<()> {
    match Command::new("openssl").args(args).stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(status) => {
            assert!(status.success(), "openssl {args:?}");
            Some(())
        }
        Err(error) if std::env::var_os("CI").is_none() => {
            eprintln!("skipped: openssl is not installed: {error}");
            None
        }
        Err(error) => panic!("openssl is not installed: {error}"),
    }
}

/// A pair of files of openssl.
struct Signer<'a>(&'a Path, &'static str);

impl<'a> Signer<'a> {
    fn new(folder: &'a Path, name: &'static str) -> Option<Self> {
        let signer = Self(folder, name);
        let algorithm: &[&str] = match name {
            "ed25519" => &["-algorithm", "ed25519"],
            _ => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        };
        openssl(&[&["genpkey"], algorithm, &["-out", &signer.file("key")]].concat())?;
        openssl(&["pkey", "-in", &signer.file("key"), "-pubout", "-out", &signer.file("pub")])?;
        Some(signer)
    }

    fn file(&self, suffix: &str) -> String {
        self.0.join(format!("{}.{suffix}", self.1)).display().to_string()
    }

    fn public(&self) -> String {
        fs::read_to_string(self.file("pub")).unwrap()
    }

    fn sign(&self, text: &[u8]) -> Vec<u8> {
        fs::write(self.file("text"), text).unwrap();
        let (key, text, out) = (self.file("key"), self.file("text"), self.file("sig"));
        match self.1 {
            "ed25519" => openssl(&["pkeyutl", "-sign", "-rawin", "-inkey", &key, "-in", &text, "-out", &out]),
            _ => openssl(&["dgst", "-sha256", "-sign", &key, "-out", &out, &text]),
        };
        fs::read(out).unwrap()
    }

    fn verifier(&self) -> Verifier {
        Verifier::new([self.public().as_str()]).unwrap()
    }
}

/// A registry with images that differ in one byte, and a store.
struct Place {
    registry: Registry,
    options: PullOptions,
    folder: tempfile::TempDir,
    store: Store,
}

impl Place {
    fn new() -> Option<Self> {
        let registry = Registry::start(&Setup::default())?;
        let options = PullOptions { insecure: vec![registry.address.clone()], ..PullOptions::default() };
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("images")).unwrap();
        Some(Self { registry, options, folder, store })
    }

    async fn image(&self, name: &str) -> (Reference, Image) {
        let name = format!("{}/plugins/{name}:v1", self.registry.address);
        let (file, archive) = (self.folder.path().join("app.wasm"), self.folder.path().join("app.tar"));
        fs::write(&file, [b"\0asm\x01\0\0\0", name.as_bytes()].concat()).unwrap();
        wasm_artifact(&file, &name, &archive).unwrap();
        let reference = reference(&name).unwrap();
        push(&archive, &reference, &self.options).await.unwrap();
        let image = self.store.pull(&reference, &self.options).await.unwrap();
        (reference, image)
    }

    async fn verify(&self, verifier: &Verifier, (reference, image): &(Reference, Image)) -> Result<verify::Verified, Error> {
        verifier.verify(&self.store, reference, &image.digest, &self.options).await
    }

    async fn attach(&self, (reference, image): &(Reference, Image), payload: &[u8], signature: &[u8]) {
        attach_signature(reference, &image.digest, payload, signature, &self.options).await.unwrap();
    }

    /// Pushes a document and its blobs as they are.
    async fn raw(&self, name: &Reference, document: &Value, media_type: &str, blobs: &[&[u8]]) -> String {
        let client = Client::new(ClientConfig { protocol: ClientProtocol::Http, ..ClientConfig::default() });
        client.store_auth_if_needed(name.resolve_registry(), &RegistryAuth::Anonymous).await;
        for blob in blobs {
            client.push_blob(name, blob.to_vec(), &digest(blob)).await.unwrap();
        }
        let bytes = document.to_string().into_bytes();
        let digest = digest(&bytes);
        client.push_manifest_raw(name, bytes, media_type.parse().unwrap()).await.unwrap();
        digest
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes)))
}

#[tokio::test]
async fn signatures_under_their_tag_are_found_and_judged() {
    let Some(place) = Place::new() else { return };
    let keys = tempfile::tempdir().unwrap();
    let (Some(ours), Some(theirs), Some(edwards)) =
        (Signer::new(keys.path(), "ours"), Signer::new(keys.path(), "theirs"), Signer::new(keys.path(), "ed25519"))
    else {
        return;
    };
    let app = place.image("app").await;
    let error = place.verify(&ours.verifier(), &app).await.unwrap_err();
    assert_eq!(error.to_string(), format!("no signature of {} found for \"{}\"", app.1.digest, app.0.whole()));

    let payload = verify::payload(&app.0, &app.1.digest);
    place.attach(&app, &payload, &theirs.sign(&payload)).await;
    let error = place.verify(&ours.verifier(), &app).await.unwrap_err();
    assert!(
        error.to_string().contains("none of the 1 signatures") && error.to_string().contains("not made with the trusted key"),
        "{error}"
    );

    // A second signature stands beside the first; both kinds of keys are good.
    place.attach(&app, &payload, &ours.sign(&payload)).await;
    place.attach(&app, &payload, &edwards.sign(&payload)).await;
    for signer in [&ours, &theirs, &edwards] {
        let verified = place.verify(&signer.verifier(), &app).await.unwrap();
        assert_eq!(verified.digest, app.1.digest);
        assert_eq!(verified.identity, format!("{}/plugins/app", place.registry.address));
    }

    // What was signed for one image does not vouch for another, wherever it is put.
    let other = place.image("other").await;
    place.attach(&other, &payload, &ours.sign(&payload)).await;
    let error = place.verify(&ours.verifier(), &other).await.unwrap_err();
    assert!(error.to_string().contains(&format!("it is for {}, another image", app.1.digest)), "{error}");
    // Nor does a text that was changed after it had been signed.
    let forged = place.image("forged").await;
    let changed = verify::payload(&forged.0, &forged.1.digest);
    place.attach(&forged, &changed, &ours.sign(&payload)).await;
    let error = place.verify(&ours.verifier(), &forged).await.unwrap_err();
    assert!(error.is_untrusted() && error.to_string().contains("not made with the trusted key"), "{error}");
}

#[tokio::test]
async fn a_verified_image_needs_its_registry_no_more_and_the_copy_needs_no_trust() {
    let Some(place) = Place::new() else { return };
    let keys = tempfile::tempdir().unwrap();
    let (Some(ours), Some(theirs)) = (Signer::new(keys.path(), "ours"), Signer::new(keys.path(), "theirs")) else { return };
    let app = place.image("app").await;
    let payload = verify::payload(&app.0, &app.1.digest);
    place.attach(&app, &payload, &ours.sign(&payload)).await;
    place.verify(&ours.verifier(), &app).await.unwrap();
    let Place { registry, options, folder, store } = place;
    let offline = |signer: &Signer| {
        let (store, app, options, verifier) = (store.clone(), app.clone(), options.clone(), signer.verifier());
        async move { verifier.verify(&store, &app.0, &app.1.digest, &options).await }
    };
    drop(registry);
    offline(&ours).await.unwrap();
    let error = offline(&theirs).await.unwrap_err();
    assert!(!error.is_untrusted(), "the registry might have a signature of this key: {error}");
    // Who changes the copy gains nothing.
    let kept = folder.path().join("images/signatures").join(app.1.digest.replace(':', "/"));
    let text = fs::read_to_string(&kept).unwrap();
    fs::write(&kept, text.replace("\"signatures\":[\"M", "\"signatures\":[\"N")).unwrap();
    assert!(offline(&ours).await.is_err());
    fs::write(&kept, "nonsense").unwrap();
    assert!(offline(&ours).await.is_err());
}

#[tokio::test]
async fn signatures_among_the_referrers_are_found() {
    const EMPTY: &str = "application/vnd.oci.empty.v1+json";
    const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let Some(place) = Place::new() else { return };
    let keys = tempfile::tempdir().unwrap();
    let Some(ours) = Signer::new(keys.path(), "ours") else { return };
    let base64 = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    for (name, bundle) in [("simple", false), ("bundle", true)] {
        let app = place.image(name).await;
        let (kind, layer, annotations) = if bundle {
            let hex = app.1.digest.trim_start_matches("sha256:");
            let statement = json!({
                "_type": "https://in-toto.io/Statement/v1", "subject": [{ "digest": { "sha256": hex } }],
                "predicateType": "https://sigstore.dev/cosign/sign/v1", "predicate": {},
            });
            let (statement, kind) = (statement.to_string(), "application/vnd.in-toto+json");
            let signature = ours.sign(format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len()).as_bytes());
            let envelope = json!({
                "payload": base64(statement.as_bytes()), "payloadType": kind, "signatures": [{ "sig": base64(&signature) }],
            });
            let bundle = json!({ "mediaType": BUNDLE, "verificationMaterial": { "publicKey": { "hint": "x" } }, "dsseEnvelope": envelope });
            (BUNDLE, bundle.to_string().into_bytes(), json!({}))
        } else {
            let payload = verify::payload(&app.0, &app.1.digest);
            let annotations = json!({ "dev.cosignproject.cosign/signature": base64(&ours.sign(&payload)) });
            ("application/vnd.dev.cosign.artifact.sig.v1+json", payload, annotations)
        };
        let layer_type = if bundle { BUNDLE } else { "application/vnd.dev.cosign.simplesigning.v1+json" };
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind,
            "config": { "mediaType": EMPTY, "digest": digest(b"{}"), "size": 2 },
            "layers": [{ "mediaType": layer_type, "digest": digest(&layer), "size": layer.len(), "annotations": annotations }],
            "subject": { "mediaType": MANIFEST, "digest": app.1.digest, "size": 1 },
        });
        let by_digest = app.0.clone_with_digest(digest(manifest.to_string().as_bytes()));
        let referrer = place.raw(&by_digest, &manifest, MANIFEST, &[b"{}", &layer]).await;
        assert!(matches!(place.verify(&ours.verifier(), &app).await, Err(Error::Unsigned { .. })), "nothing refers to it yet");
        // This registry does not know of referrers: clients keep the list under a tag.
        let index = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [
                { "mediaType": MANIFEST, "digest": referrer, "size": manifest.to_string().len(), "artifactType": kind },
            ],
        });
        let tag = app.1.digest.replace(':', "-");
        let list = Reference::with_tag(app.0.registry().to_owned(), app.0.repository().to_owned(), tag);
        place.raw(&list, &index, "application/vnd.oci.image.index.v1+json", &[]).await;
        let verified = place.verify(&ours.verifier(), &app).await.unwrap();
        assert_eq!(verified.digest, app.1.digest);
    }
}
