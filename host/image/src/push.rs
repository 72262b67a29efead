//! Pushing an archive, or a signature, to a registry: for tests, for authors, for the set-up of examples.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use oci_client::client::{Client, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use tar::Archive;

use crate::auth;
use crate::digest::Digest;
use crate::error::{Error, at};
use crate::model::{Descriptor, Document, Index, Manifest, media};
use crate::registry::{PullOptions, client, explain, resolve};
use crate::verify::material;
use crate::{Reference, unpack};

/// Pushes all that an OCI layout archive holds; its (only) image gets the reference's tag. Options as for a pull. Gives the
/// image's digest.
pub async fn push(archive: &Path, reference: &Reference, options: &PullOptions) -> Result<String, Error> {
    let what = archive.display().to_string();
    let path = archive.to_path_buf();
    let files = tokio::task::spawn_blocking(move || read(&path)).await.map_err(|error| Error::invalid(&what, error))??;
    let index = files.get(Path::new("index.json")).ok_or_else(|| Error::invalid(&what, "not an OCI layout: no index.json"))?;
    let index: Index = serde_json::from_slice(index).map_err(|error| Error::invalid(&what, error))?;
    let [image] = index.manifests.as_slice() else {
        return Err(Error::invalid(&what, format!("{} images where one was expected", index.manifests.len())));
    };
    let client = connect(reference, options).await?;
    let push = Push { client, reference, files: &files, what: &what };
    push.document(&image.digest, reference).await?;
    Ok(image.digest.clone())
}

/// Adds a signature of `digest` where cosign looks for it: as a layer of the manifest with the tag `sha256-<hex>.sig`, beside the
/// signatures that are there. `payload` is what was signed, [`crate::verify::payload`]; options as for a pull.
pub async fn attach_signature(
    reference: &Reference,
    digest: &str,
    payload: &[u8],
    signature: &[u8],
    options: &PullOptions,
) -> Result<(), Error> {
    let tag = format!("{}.sig", Digest::parse(digest)?.as_str().replace(':', "-"));
    let place = Reference::with_tag(reference.registry().to_owned(), reference.repository().to_owned(), tag);
    let mut layers = match resolve(&place, options).await {
        Ok(resolved) => match Document::parse(&place.whole(), &resolved.document)? {
            Document::Manifest(manifest) => manifest.layers,
            Document::Index(_) => Vec::new(),
        },
        Err(error) if error.is_not_found() => Vec::new(),
        Err(error) => return Err(error),
    };
    layers.push(material::layer(payload, signature));
    let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.digest.as_str()).collect();
    let config = serde_json::json!({ "architecture": "", "os": "", "config": {}, "rootfs": { "type": "layers", "diff_ids": diff_ids } });
    let config = config.to_string().into_bytes();
    let config_digest = Digest::of(&config).to_string();
    let config_descriptor = Descriptor {
        media_type: media::OCI_CONFIG.to_owned(),
        digest: config_digest.clone(),
        size: config.len() as u64,
        annotations: None,
        platform: None,
    };
    let manifest = Manifest { schema_version: 2, media_type: Some(media::OCI_MANIFEST.to_owned()), config: config_descriptor, layers };
    let manifest = serde_json::to_vec(&manifest).map_err(|error| Error::invalid(place.whole(), error))?;

    let client = connect(&place, options).await?;
    for (digest, bytes) in [(Digest::of(payload).to_string(), payload.to_vec()), (config_digest, config)] {
        let pushed = client.push_blob(&place, bytes, &digest).await;
        pushed.map_err(|error| explain("push a blob of", &place, &error))?;
    }
    let content_type = media::OCI_MANIFEST.parse().map_err(|error| Error::invalid(place.whole(), error))?;
    let pushed = client.push_manifest_raw(&place, manifest, content_type).await;
    pushed.map(drop).map_err(|error| explain("push", &place, &error))
}

async fn connect(reference: &Reference, options: &PullOptions) -> Result<Client, Error> {
    let protocol =
        if options.insecure.iter().any(|other| other == reference.registry()) { ClientProtocol::Http } else { ClientProtocol::Https };
    let client = client(protocol, &options.roots)?;
    let auth = auth::matching(&options.auth, reference).first().map_or(RegistryAuth::Anonymous, |credential| match &credential.token {
        Some(token) => RegistryAuth::Bearer(token.clone()),
        None => RegistryAuth::Basic(credential.username.clone(), credential.password.clone()),
    });
    client.store_auth_if_needed(reference.resolve_registry(), &auth).await;
    Ok(client)
}

struct Push<'a> {
    client: Client,
    reference: &'a Reference,
    files: &'a BTreeMap<PathBuf, Bytes>,
    what: &'a str,
}

impl Push<'_> {
    fn blob(&self, digest: &str) -> Result<Bytes, Error> {
        let path = Path::new("blobs").join(digest.replace(':', "/"));
        self.files.get(&path).cloned().ok_or_else(|| Error::invalid(self.what, format!("blob {digest} is missing")))
    }

    /// A manifest with its blobs, or an index with its manifests.
    async fn document(&self, digest: &str, name: &Reference) -> Result<(), Error> {
        let bytes = self.blob(digest)?;
        let media_type = match Document::parse(self.what, &bytes)? {
            Document::Manifest(manifest) => {
                for blob in manifest.layers.iter().chain([&manifest.config]) {
                    let pushed = self.client.push_blob(self.reference, self.blob(&blob.digest)?, &blob.digest).await;
                    pushed.map_err(|error| explain("push a blob of", self.reference, &error))?;
                }
                media::OCI_MANIFEST
            }
            Document::Index(index) => {
                for manifest in &index.manifests {
                    let name = self.reference.clone_with_digest(manifest.digest.clone());
                    Box::pin(self.document(&manifest.digest, &name)).await?;
                }
                media::OCI_INDEX
            }
        };
        let content_type = media_type.parse().map_err(|error| Error::invalid(self.what, error))?;
        let pushed = self.client.push_manifest_raw(name, bytes, content_type).await;
        pushed.map(drop).map_err(|error| explain("push", self.reference, &error))
    }
}

fn read(path: &Path) -> Result<BTreeMap<PathBuf, Bytes>, Error> {
    let file = File::open(path).map_err(at("open", path))?;
    let archive = unpack::decompress(file).map_err(at("read", path))?;
    let mut files = BTreeMap::new();
    for entry in Archive::new(archive).entries().map_err(at("read", path))? {
        let mut entry = entry.map_err(at("read", path))?;
        if entry.header().entry_type().is_file() {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(at("read", path))?;
            let name = entry
                .path()
                .map_err(at("read", path))?
                .components()
                .filter(|part| matches!(part, std::path::Component::Normal(_)))
                .collect();
            files.insert(name, Bytes::from(bytes));
        }
    }
    Ok(files)
}
