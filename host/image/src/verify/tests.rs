//! Keys are made here: a signature must be believed for exactly its key, its text and its digest.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

enum Signer {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

fn pem(prefix: &[&[u8]]) -> String {
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(prefix.concat()))
}

impl Signer {
    fn ecdsa() -> Self {
        let rng = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &rng).unwrap();
        Self::Ecdsa(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &rng).unwrap())
    }

    fn ed25519() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
    }

    fn public(&self) -> String {
        // The algorithm identifiers of RFC 5480 and RFC 8410.
        match self {
            Self::Ecdsa(pair) => {
                let head = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
                pem(&[&head, pair.public_key().as_ref()])
            }
            Self::Ed25519(pair) => pem(&[&hex::decode("302a300506032b6570032100").unwrap(), pair.public_key().as_ref()]),
        }
    }

    fn sign(&self, text: &[u8]) -> Vec<u8> {
        match self {
            Self::Ecdsa(pair) => pair.sign(&SystemRandom::new(), text).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(text).as_ref().to_vec(),
        }
    }

    fn signed(&self, payload: &Value) -> Material {
        let payload = payload.to_string().into_bytes();
        Material { form: Form::Simple, signatures: vec![self.sign(&payload)], payload }
    }

    fn enveloped(&self, payload_type: &str, statement: &Value) -> Material {
        let form = Form::Envelope { payload_type: payload_type.to_owned() };
        let mut material = Material { form, payload: statement.to_string().into_bytes(), signatures: Vec::new() };
        material.signatures.push(self.sign(&material.signed()));
        material
    }
}

fn digest(fill: char) -> Digest {
    Digest::parse(&format!("sha256:{}", fill.to_string().repeat(64))).unwrap()
}

fn payload(digest: &Digest) -> Value {
    json!({
        "critical": {
            "identity": { "docker-reference": "r.test/app" },
            "image": { "docker-manifest-digest": digest.as_str() },
            "type": "cosign container image signature",
        },
        "optional": { "team": "harbour", "count": 3 },
    })
}

fn statement(digest: &Digest, predicate: &str) -> Value {
    let hex = digest.as_str().trim_start_matches("sha256:");
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "digest": { "sha256": hex }, "annotations": { "team": "harbour" } }],
        "predicateType": predicate,
        "predicate": {},
    })
}

#[test]
fn a_signature_counts_for_its_key_its_text_and_its_digest() {
    let (one, other, edwards) = (Signer::ecdsa(), Signer::ecdsa(), Signer::ed25519());
    let wanted = digest('a');
    let good = one.signed(&payload(&wanted));
    let mut changed = good.clone();
    changed.payload = payload(&digest('b')).to_string().into_bytes();
    let mut cut = good.clone();
    cut.signatures[0].pop();
    let mut typed = payload(&wanted);
    typed["critical"]["type"] = "atomic container signature".into();
    let sign = SIGN_PREDICATE;
    let in_toto = PAYLOAD_TYPE;
    let enveloped = one.enveloped(in_toto, &statement(&wanted, sign));
    let mut relabelled = enveloped.clone();
    relabelled.form = Form::Envelope { payload_type: "text/plain".to_owned() };

    let (one_key, other_key, edwards_key) = (one.public(), other.public(), edwards.public());
    let both = [other_key.as_str(), one_key.as_str()];
    let only = [one_key.as_str()];
    let (theirs, edwards_only, two_others) = ([other_key.as_str()], [edwards_key.as_str()], [edwards_key.as_str(), &other_key]);
    type Case<'a> = (&'static str, &'a [&'a str], Vec<Material>, Result<(), &'static str>);
    let cases: Vec<Case<'_>> = vec![
        ("good", &only, vec![good.clone()], Ok(())),
        ("one of two keys", &both, vec![good.clone()], Ok(())),
        ("after a bad one", &only, vec![other.signed(&payload(&wanted)), good.clone()], Ok(())),
        ("Ed25519", &edwards_only, vec![edwards.signed(&payload(&wanted))], Ok(())),
        ("envelope", &only, vec![enveloped], Ok(())),
        ("none", &only, vec![], Err("no signature of sha256:aaaa")),
        ("another key", &theirs, vec![good.clone()], Err("it was not made with the trusted key")),
        ("another kind of key", &two_others, vec![good.clone()], Err("it was made with none of the 2 trusted keys")),
        ("no key", &[], vec![good.clone()], Err("it was made with none of the 0 trusted keys")),
        ("another image", &only, vec![one.signed(&payload(&digest('b')))], Err("it is for sha256:bbbb")),
        ("payload changed", &only, vec![changed], Err("it was not made with the trusted key")),
        ("signature cut", &only, vec![cut], Err("it was not made with the trusted key")),
        ("no signature bytes", &only, vec![Material { signatures: vec![vec![]], ..good.clone() }], Err("it was not made")),
        ("another type", &only, vec![one.signed(&typed)], Err("its payload is a \"atomic container signature\"")),
        ("not what it should be", &only, vec![one.signed(&json!([1]))], Err("its payload cannot be read")),
        (
            "an attestation",
            &only,
            vec![one.enveloped(in_toto, &statement(&wanted, "https://slsa.dev/provenance/v1"))],
            Err("it is an attestation"),
        ),
        ("envelope of another image", &only, vec![one.enveloped(in_toto, &statement(&digest('b'), sign))], Err("it is for sha256:bbbb")),
        (
            "envelope of another type",
            &only,
            vec![one.enveloped("text/plain", &statement(&wanted, sign))],
            Err("its payload is of type \"text/plain\""),
        ),
        ("envelope relabelled", &only, vec![relabelled], Err("it was not made with the trusted key")),
    ];
    for (what, keys, found, expect) in cases {
        let verifier = Verifier::new(keys.iter().copied()).unwrap();
        let outcome = verifier.check("r.test/app:v1", &wanted, &found);
        match (outcome, expect) {
            (Ok(verified), Ok(())) => assert_eq!(verified.digest, wanted.as_str(), "{what}"),
            (Err(error), Err(part)) => {
                assert!(error.to_string().contains(part) && error.is_untrusted(), "{what}: {error}");
            }
            (outcome, _) => panic!("{what}: {outcome:?}"),
        }
    }
    let verified = Verifier::new(only).unwrap().check("r.test/app:v1", &wanted, &[good]).unwrap();
    assert_eq!(verified.identity, "r.test/app");
    assert_eq!(verified.key, Key::all(&one_key).unwrap()[0].fingerprint());
}

#[test]
fn annotations_can_be_demanded() {
    let signer = Signer::ecdsa();
    let wanted = digest('a');
    let key = signer.public();
    let check = |name: &str, value: &str, material: Material| {
        let verifier = Verifier::new([key.as_str()]).unwrap().annotations([(name.to_owned(), value.to_owned())].into());
        verifier.check("r.test/app:v1", &wanted, &[material]).map(drop).map_err(|error| error.to_string())
    };
    for material in [signer.signed(&payload(&wanted)), signer.enveloped(PAYLOAD_TYPE, &statement(&wanted, SIGN_PREDICATE))] {
        assert_eq!(check("team", "harbour", material.clone()), Ok(()));
        assert!(check("team", "pirates", material.clone()).unwrap_err().contains("it lacks the annotation team=pirates"));
        assert!(check("count", "3", material).unwrap_err().contains("it lacks the annotation count=3"));
    }
}

#[test]
fn keys_are_read_or_refused() {
    let (ecdsa, edwards) = (Signer::ecdsa().public(), Signer::ed25519().public());
    assert_eq!(Key::all(&format!("{ecdsa}{edwards}")).unwrap().len(), 2);
    assert_eq!(Verifier::new([ecdsa.as_str(), ecdsa.as_str()]).unwrap().keys.len(), 1);
    assert!(Verifier::default().is_empty());
    let rsa = pem(&[&hex::decode("300d06092a864886f70d0101010500").unwrap()]);
    let point = |byte: u8| {
        let head = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
        pem(&[&head, &[byte], &[1; 64]])
    };
    for (text, part) in [
        ("", "no \"BEGIN PUBLIC KEY\""),
        ("ssh-ed25519 AAAA", "no \"BEGIN PUBLIC KEY\""),
        ("-----BEGIN PUBLIC KEY-----\n%%%\n-----END PUBLIC KEY-----\n", "not PEM"),
        (&rsa, "neither ECDSA on P-256 nor Ed25519"),
        (&point(2), "neither ECDSA on P-256 nor Ed25519"),
    ] {
        let error = Key::all(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}
