//! Signed JSON Web Tokens (RFC 7519), by ECDSA over P-256 (`ES256`, RFC 7518 section 3.4): the one algorithm there is, so that
//! no token can choose another. `ring` does the arithmetic, as it does for TLS.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use object::{Value, json};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

const ALGORITHM: &str = "ES256";
/// A `SubjectPublicKeyInfo` of a point on P-256, up to the point (RFC 5480).
const INFO: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01,
    0x07, 0x03, 0x42, 0x00,
];

/// Why a token proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the token is no JSON Web Token")]
    Form,
    #[error("the token names another key or algorithm")]
    Key,
    #[error("the token's signature is invalid")]
    Signature,
}

/// A private key and what identifies it.
pub struct Key {
    pair: EcdsaKeyPair,
    random: SystemRandom,
    id: String,
}

/// A key that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key for service account tokens is no PKCS#8 key on the curve P-256")]
pub struct BadKey;

impl Key {
    pub fn from_pem(pem: &str) -> Result<Self, BadKey> {
        let Ok(PrivateKeyDer::Pkcs8(der)) = PrivateKeyDer::from_pem_slice(pem.as_bytes()) else { return Err(BadKey) };
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der(), &random);
        let pair = key.map_err(|_| BadKey)?;
        // As upstream's `keyIDFromPublicKey`: the hash of the public key's DER.
        let info = [&INFO[..], pair.public_key().as_ref()].concat();
        let id = URL_SAFE_NO_PAD.encode(Sha256::digest(&info));
        Ok(Self { pair, random, id })
    }

    /// The token of some claims. `None` when the system has no random numbers.
    pub fn sign(&self, claims: &Value) -> Option<String> {
        let header = json!({ "alg": ALGORITHM, "kid": self.id });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature = self.pair.sign(&self.random, signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The claims of a token that this key signed.
    pub fn verify(&self, token: &str) -> Result<Value, Error> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Error::Form)?;
        let (header, claims) = signed.split_once('.').ok_or(Error::Form)?;
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Error::Form);
        let value = |part: &str| serde_json::from_slice::<Value>(&bytes(part)?).map_err(|_| Error::Form);
        let header = value(header)?;
        let text = |key: &str| header.get(key).and_then(Value::as_str);
        if text("alg") != Some(ALGORITHM) || text("kid").is_some_and(|id| id != self.id) {
            return Err(Error::Key);
        }
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.pair.public_key().as_ref());
        key.verify(signed.as_bytes(), &bytes(signature)?).map_err(|_| Error::Signature)?;
        value(claims)
    }

    /// The public key as a JSON Web Key Set (RFC 7517).
    pub fn key_set(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let half = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(point.get(range).unwrap_or_default());
        json!({ "keys": [{
            "use": "sig", "kty": "EC", "kid": self.id, "crv": "P-256", "alg": ALGORITHM, "x": half(1..33), "y": half(33..65),
        }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::from_pem(&rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap()
    }

    #[test]
    fn only_the_own_signature_counts() {
        let (key, other) = (key(), key());
        let claims = json!({ "iss": "i", "sub": "s" });
        let token = key.sign(&claims).unwrap();
        assert_eq!(key.verify(&token), Ok(claims.clone()));
        assert_eq!(other.verify(&token), Err(Error::Key));
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (header, _) = signed.split_once('.').unwrap();
        let forged = URL_SAFE_NO_PAD.encode(json!({ "iss": "i", "sub": "t" }).to_string());
        let none = URL_SAFE_NO_PAD.encode(json!({ "alg": "none" }).to_string());
        let check = |token: &str, expect: Error| assert_eq!(key.verify(token), Err(expect), "{token}");
        check(&format!("{header}.{forged}.{signature}"), Error::Signature);
        check(&format!("{none}.{forged}."), Error::Key);
        check(&format!("{signed}."), Error::Signature);
        check("a.b", Error::Form);
        check("", Error::Form);
    }
}
