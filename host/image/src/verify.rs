//! Signatures of images as cosign makes them with a key pair: who holds the private key has vouched for a digest.
//!
//! Two forms are read: "simple signing" (`cosign sign` up to 2, containers/image `docs/containers-signature.5.md`) and sigstore
//! bundles with an in-toto statement in a DSSE envelope (`cosign sign` 3; secure-systems-lab/dsse `protocol.md`). The signed text
//! must name the very digest that is to be used; a signature over another image's digest proves nothing and is told as that.
//! Transparency logs and certificates (keyless signing) are not looked at: trust is in the keys, as by
//! `cosign verify --key … --insecure-ignore-tlog`.
//!
//! What was fetched is kept beside the images and checked anew each time, so that an image that is here can be verified
//! without its registry, and the copy on the disk needs no trust.

mod key;
pub(crate) mod material;

pub use key::Key;
pub use material::payload;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::digest::Digest;
use crate::error::Error;
use crate::{PullOptions, Reference, Store};
use material::{Form, Material};

/// `critical.type` of a simple-signing payload (sigstore `pkg/signature/payload`).
const SIMPLE_TYPE: &str = "cosign container image signature";
const STATEMENT_TYPES: [&str; 2] = ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The predicate that says "I sign this image", and not only something about it.
const SIGN_PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

/// Trusted keys, and what else a signature must say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verifier {
    keys: Vec<Key>,
    annotations: BTreeMap<String, String>,
}

/// A good signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The digest that was signed: `sha256:…`.
    pub digest: String,
    /// Fingerprint of the key that made it: [`Key::fingerprint`].
    pub key: String,
    /// The name that the signer gave the image; empty if none. Not compared: images move between registries.
    pub identity: String,
}

impl Verifier {
    /// Keys as PEM text (`-----BEGIN PUBLIC KEY-----`), one or several a text. Any of them will do.
    ///
    /// # Errors
    /// `Key`: a text holds no key, or one of a kind that is not supported.
    pub fn new<'a>(pems: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let mut keys = Vec::new();
        for pem in pems {
            for key in Key::all(pem)? {
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
        Ok(Self { keys, annotations: BTreeMap::new() })
    }

    /// Demands that the signed text has these annotations with these values (`cosign sign -a`).
    #[must_use]
    pub fn annotations(mut self, annotations: BTreeMap<String, String>) -> Self {
        self.annotations = annotations;
        self
    }

    /// Without a key nothing can be verified.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Finds a signature of `digest` (a manifest's or an index's) by one of the keys: first among those that `store` keeps, then
    /// in the repository of `reference`, where cosign puts them: under the tag `sha256-<hex>.sig` and among the digest's referrers.
    ///
    /// # Errors
    /// - `Unsigned`: there is no signature.
    /// - `Untrusted`: there are, and none is good; each is told why.
    /// - else what the registry answered.
    pub async fn verify(&self, store: &Store, reference: &Reference, digest: &str, options: &PullOptions) -> Result<Verified, Error> {
        let digest = Digest::parse(digest)?;
        if let Ok(kept) = store.signatures(&digest)
            && let Ok(verified) = self.check(&reference.whole(), &digest, &kept)
        {
            return Ok(verified);
        }
        let found = material::fetch(reference, &digest, options).await?;
        let verified = self.check(&reference.whole(), &digest, &found)?;
        // That they could not be kept costs a request later on.
        if let Err(error) = store.keep_signatures(&digest, &found) {
            tracing::warn!(%digest, "signatures cannot be kept: {error}");
        }
        Ok(verified)
    }

    fn check(&self, reference: &str, digest: &Digest, found: &[Material]) -> Result<Verified, Error> {
        if found.is_empty() {
            return Err(Error::Unsigned { reference: reference.to_owned(), digest: digest.to_string() });
        }
        let mut reasons = Vec::new();
        for material in found {
            match self.one(digest, material) {
                Ok(verified) => return Ok(verified),
                Err(reason) if reasons.contains(&reason) => {}
                Err(reason) => reasons.push(reason),
            }
        }
        let reason = reasons.join("; ");
        Err(Error::Untrusted { reference: reference.to_owned(), digest: digest.to_string(), found: found.len(), reason })
    }

    /// Who signed comes first: what an unknown key says is of no interest.
    fn one(&self, digest: &Digest, material: &Material) -> Result<Verified, String> {
        let message = material.signed();
        let made = |key: &&Key| material.signatures.iter().any(|signature| key.verifies(&message, signature));
        let key = self.keys.iter().find(made).ok_or_else(|| match self.keys.len() {
            1 => "it was not made with the trusted key".to_owned(),
            count => format!("it was made with none of the {count} trusted keys"),
        })?;
        let claim = match &material.form {
            Form::Simple => simple(&material.payload)?,
            Form::Envelope { payload_type } => statement(payload_type, &material.payload)?,
        };
        if !claim.digests.iter().any(|signed| signed == digest.as_str()) {
            return Err(format!("it is for {}, another image", claim.digests.join(", ")));
        }
        if let Some((name, value)) = self.annotations.iter().find(|(name, value)| claim.annotations.get(*name) != Some(value)) {
            return Err(format!("it lacks the annotation {name}={value}"));
        }
        Ok(Verified { digest: digest.to_string(), key: key.fingerprint(), identity: claim.identity })
    }
}

/// What a signed text says.
struct Claim {
    digests: Vec<String>,
    identity: String,
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Simple {
    critical: Critical,
    #[serde(default)]
    optional: Option<serde_json::Map<String, serde_json::Value>>,
}

#[derive(Deserialize)]
struct Critical {
    #[serde(default)]
    identity: Identity,
    image: SignedImage,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Identity {
    #[serde(default)]
    docker_reference: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct SignedImage {
    docker_manifest_digest: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    predicate_type: String,
    subject: Vec<Subject>,
}

#[derive(Deserialize)]
struct Subject {
    #[serde(default)]
    name: String,
    #[serde(default)]
    digest: BTreeMap<String, String>,
    #[serde(default)]
    annotations: Option<serde_json::Map<String, serde_json::Value>>,
}

fn simple(payload: &[u8]) -> Result<Claim, String> {
    let simple: Simple = serde_json::from_slice(payload).map_err(|error| format!("its payload cannot be read: {error}"))?;
    if simple.critical.kind != SIMPLE_TYPE {
        return Err(format!("its payload is a {:?}, not a {SIMPLE_TYPE:?}", simple.critical.kind));
    }
    Ok(Claim {
        digests: vec![simple.critical.image.docker_manifest_digest],
        identity: simple.critical.identity.docker_reference,
        annotations: texts(simple.optional),
    })
}

fn statement(payload_type: &str, payload: &[u8]) -> Result<Claim, String> {
    if payload_type != PAYLOAD_TYPE {
        return Err(format!("its payload is of type {payload_type:?}, not {PAYLOAD_TYPE:?}"));
    }
    let statement: Statement = serde_json::from_slice(payload).map_err(|error| format!("its statement cannot be read: {error}"))?;
    if !STATEMENT_TYPES.contains(&statement.kind.as_str()) || statement.predicate_type != SIGN_PREDICATE {
        return Err(format!("it is an attestation of type {:?}, not a signature", statement.predicate_type));
    }
    let mut claim = Claim { digests: Vec::new(), identity: String::new(), annotations: BTreeMap::new() };
    for subject in statement.subject {
        claim.digests.extend(subject.digest.get("sha256").map(|hex| format!("sha256:{hex}")));
        claim.annotations.extend(texts(subject.annotations));
        if claim.identity.is_empty() {
            claim.identity = subject.name;
        }
    }
    Ok(claim)
}

/// Annotations that are no text cannot be demanded.
fn texts(map: Option<serde_json::Map<String, serde_json::Value>>) -> BTreeMap<String, String> {
    let text = |(name, value): (String, serde_json::Value)| value.as_str().map(|value| (name, value.to_owned()));
    map.into_iter().flatten().filter_map(text).collect()
}

#[cfg(test)]
mod tests;
