//! Public keys, and what they say of a signature.

use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;
use sha2::Digest as _;

use crate::error::Error;

/// What DER puts before the point of an uncompressed P-256 key (RFC 5480): a fixed text, as all lengths are.
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01,
    0x07, 0x03, 0x42, 0x00,
];
const P256_POINT: usize = 65;

/// The same for Ed25519 (RFC 8410).
const EDWARDS: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const EDWARDS_POINT: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    /// Over SHA-256, the signature in ASN.1: what `cosign generate-key-pair` makes.
    EcdsaP256,
    /// Over the text itself (RFC 8032, not `ph`).
    Ed25519,
}

/// A public key that is trusted.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    algorithm: Algorithm,
    point: Vec<u8>,
    fingerprint: String,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Key").field("algorithm", &self.algorithm).field("fingerprint", &self.fingerprint).finish()
    }
}

impl Key {
    /// All keys of a PEM text: ECDSA on P-256, and Ed25519.
    ///
    /// # Errors
    /// `Key`: there is none, or one of another kind.
    pub fn all(pem: &str) -> Result<Vec<Self>, Error> {
        let bad = |reason: String| Error::Key { reason };
        let mut keys = Vec::new();
        for spki in SubjectPublicKeyInfoDer::pem_slice_iter(pem.as_bytes()) {
            let spki = spki.map_err(|error| bad(format!("not PEM: {error}")))?;
            keys.push(Self::from_der(&spki).ok_or_else(|| bad("neither ECDSA on P-256 nor Ed25519".to_owned()))?);
        }
        if keys.is_empty() {
            return Err(bad("no \"BEGIN PUBLIC KEY\" in it".to_owned()));
        }
        Ok(keys)
    }

    fn from_der(spki: &[u8]) -> Option<Self> {
        let fingerprint = format!("SHA256:{}", hex::encode(sha2::Sha256::digest(spki)));
        let (algorithm, point) = match (spki.strip_prefix(P256), spki.strip_prefix(EDWARDS)) {
            // 4: uncompressed.
            (Some(point), _) if point.len() == P256_POINT && point.first() == Some(&4) => (Algorithm::EcdsaP256, point),
            (_, Some(point)) if point.len() == EDWARDS_POINT => (Algorithm::Ed25519, point),
            _ => return None,
        };
        Some(Self { algorithm, point: point.to_vec(), fingerprint })
    }

    /// SHA-256 of the key's DER form, as `openssl pkey -pubin -outform DER | sha256sum` tells it.
    pub fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &dyn VerificationAlgorithm = match self.algorithm {
            Algorithm::EcdsaP256 => &ECDSA_P256_SHA256_ASN1,
            Algorithm::Ed25519 => &ED25519,
        };
        UnparsedPublicKey::new(algorithm, &self.point).verify(message, signature).is_ok()
    }
}
