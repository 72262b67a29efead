//! Signatures as they lie in registries, and the copies kept here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::{Error, at};
use crate::model::{Descriptor, Document};
use crate::registry::{Remote, resolve};
use crate::store::Store;
use crate::{PullOptions, Reference};

/// Layer type of a simple-signing payload, and the annotation that has its signature (cosign `specs/SIGNATURE_SPEC.md`).
const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// Artifact type of such a manifest among the referrers.
const COSIGN_ARTIFACT: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
/// Of a sigstore bundle: `;version=0.2`, `.v0.3+json`, … follow.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

/// Payloads are a few hundred bytes, bundles with proofs of a log some kilobytes.
const LARGEST: u64 = 256 << 10;

/// Of one image; so that a registry cannot keep us busy. Twice what a dozen signers with rotated keys leave.
const MOST: usize = 64;

/// Something signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Material {
    pub(super) form: Form,
    pub(super) payload: Vec<u8>,
    pub(super) signatures: Vec<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Simple,
    Envelope { payload_type: String },
}

impl Material {
    /// The bytes that the signature is over: the payload, or DSSE's pre-authentication encoding of it.
    pub(super) fn signed(&self) -> Vec<u8> {
        match &self.form {
            Form::Simple => self.payload.clone(),
            Form::Envelope { payload_type } => {
                let mut text = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), self.payload.len()).into_bytes();
                text.extend_from_slice(&self.payload);
                text
            }
        }
    }

    fn simple(payload: Vec<u8>, signature: &str) -> Option<Self> {
        let signature = STANDARD.decode(signature.trim()).ok()?;
        Some(Self { form: Form::Simple, payload, signatures: vec![signature] })
    }

    /// Of a sigstore bundle; `None` for one without an envelope (a signature of a file, not of an image).
    fn bundle(bytes: &[u8]) -> Option<Self> {
        let envelope = serde_json::from_slice::<Bundle>(bytes).ok()?.dsse_envelope?;
        let signatures = envelope.signatures.iter().filter_map(|signature| STANDARD.decode(&signature.sig).ok()).collect();
        let payload = STANDARD.decode(&envelope.payload).ok()?;
        Some(Self { form: Form::Envelope { payload_type: envelope.payload_type }, payload, signatures })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    dsse_envelope: Option<Envelope>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

/// All signatures of a digest that its repository has, at both places that cosign uses. What cannot be read as one is left out.
pub(super) async fn fetch(reference: &Reference, digest: &Digest, options: &PullOptions) -> Result<Vec<Material>, Error> {
    let mut found = Vec::new();
    let name = |tag: String| Reference::with_tag(reference.registry().to_owned(), reference.repository().to_owned(), tag);
    match resolve(&name(format!("{}.sig", digest.as_str().replace(':', "-"))), options).await {
        Ok(resolved) => read(&resolved.remote, &resolved.document, &mut found).await?,
        // Registries that show nothing to strangers say so of what is not there, too.
        Err(error) if error.is_not_found() || error.is_unauthorized() => {}
        Err(error) => return Err(error),
    }
    let subject = reference.clone_with_digest(digest.to_string());
    let remote = match resolve(&subject, options).await {
        Ok(resolved) => resolved.remote,
        // An image that was imported under this name, or is gone: its signatures may be there all the same.
        Err(error) if error.is_not_found() || !found.is_empty() => return Ok(found),
        Err(error) => return Err(error),
    };
    for referrer in remote.referrers(&subject).await? {
        let kind = referrer.artifact_type.as_deref().unwrap_or_default();
        if found.len() < MOST && (kind == COSIGN_ARTIFACT || kind.starts_with(BUNDLE)) {
            let document = remote.document(&reference.clone_with_digest(referrer.digest.clone())).await?;
            Digest::parse(&referrer.digest)?.check("a referrer", Digest::of(&document))?;
            read(&remote, &document, &mut found).await?;
        }
    }
    Ok(found)
}

/// The layers of one signature manifest.
async fn read(remote: &Remote, document: &[u8], found: &mut Vec<Material>) -> Result<(), Error> {
    let Ok(Document::Manifest(manifest)) = Document::parse("signatures", document) else { return Ok(()) };
    for layer in &manifest.layers {
        if found.len() >= MOST || layer.size > LARGEST {
            continue;
        }
        let simple = layer.annotations.as_ref().and_then(|annotations| annotations.get(SIGNATURE)).filter(|_| layer.media_type == SIMPLE);
        if let Some(signature) = simple {
            found.extend(Material::simple(remote.small(layer, LARGEST).await?, signature));
        } else if layer.media_type.starts_with(BUNDLE) {
            found.extend(Material::bundle(&remote.small(layer, LARGEST).await?));
        }
    }
    Ok(())
}

/// The form on the disk.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_type: Option<String>,
    payload: String,
    signatures: Vec<String>,
}

impl Store {
    /// Those that were kept; none if there are none, or they cannot be read.
    pub(super) fn signatures(&self, digest: &Digest) -> Result<Vec<Material>, Error> {
        let path = digest.below(&self.folder().join("signatures"));
        let bytes = std::fs::read(&path).map_err(at("read", &path))?;
        let kept: Vec<Kept> = serde_json::from_slice(&bytes).map_err(|error| Error::invalid(path.display().to_string(), error))?;
        let material = |kept: Kept| {
            let form = kept.payload_type.map_or(Form::Simple, |payload_type| Form::Envelope { payload_type });
            let signatures = kept.signatures.iter().filter_map(|signature| STANDARD.decode(signature).ok()).collect();
            Some(Material { form, payload: STANDARD.decode(&kept.payload).ok()?, signatures })
        };
        Ok(kept.into_iter().filter_map(material).collect())
    }

    pub(super) fn keep_signatures(&self, digest: &Digest, found: &[Material]) -> Result<(), Error> {
        let kept = |material: &Material| Kept {
            payload_type: match &material.form {
                Form::Simple => None,
                Form::Envelope { payload_type } => Some(payload_type.clone()),
            },
            payload: STANDARD.encode(&material.payload),
            signatures: material.signatures.iter().map(|signature| STANDARD.encode(signature)).collect(),
        };
        let kept: Vec<Kept> = found.iter().map(kept).collect();
        let path = digest.below(&self.folder().join("signatures"));
        let folder = path.parent().unwrap_or(self.folder());
        std::fs::create_dir_all(folder).map_err(at("make", folder))?;
        // Another server process may write the same at the same time: whole files only.
        let file = tempfile::NamedTempFile::new_in(folder).map_err(at("make a file in", folder))?;
        serde_json::to_writer(&file, &kept).map_err(|error| Error::invalid(path.display().to_string(), error))?;
        file.persist(&path).map(drop).map_err(|error| at("put in place", &path)(error.error))
    }
}

/// The text that a signer signs for an image: simple signing, as `cosign generate` prints it.
pub fn payload(reference: &Reference, digest: &str) -> Vec<u8> {
    let identity = format!("{}/{}", reference.registry(), reference.repository());
    let payload = serde_json::json!({
        "critical": {
            "identity": { "docker-reference": identity },
            "image": { "docker-manifest-digest": digest },
            "type": super::SIMPLE_TYPE,
        },
        "optional": null,
    });
    payload.to_string().into_bytes()
}

/// The layer and the configuration of a signature's manifest.
pub(crate) fn layer(payload: &[u8], signature: &[u8]) -> Descriptor {
    Descriptor {
        media_type: SIMPLE.to_owned(),
        digest: Digest::of(payload).to_string(),
        size: payload.len() as u64,
        annotations: Some([(SIGNATURE.to_owned(), STANDARD.encode(signature))].into()),
        platform: None,
    }
}
