//! Pods' certificate requests.

use super::pem;
use crate::strategy::at::At;
use crate::strategy::read::{entries, immutable, items, number, text};
use crate::strategy::{Strategy, words};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use object::field::{ErrorList, Path};
use object::{Object, Value, json, names};
use std::time::{Duration, SystemTime};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

pub struct PodRequestStrategy;

const HOUR: i64 = 3600;
/// Seconds: 91 days; signers of Kubernetes itself give a day.
const MAX_EXPIRATION: i64 = 91 * 24 * HOUR;
const KUBERNETES_MAX_EXPIRATION: i64 = 24 * HOUR;
/// Bytes of the stub and of the issued chain.
const MAX_STUB: usize = 10 * 1024;
const MAX_CHAIN: usize = 100 * 1024;
const FINAL: [&str; 3] = ["Issued", "Denied", "Failed"];
/// How far a certificate's beginning may be from now.
const SKEW: Duration = Duration::from_secs(5 * 60);
/// How far its renewal must be from both of its ends.
const MARGIN: Duration = Duration::from_secs(10 * 60);

impl Strategy for PodRequestStrategy {
    fn updates_need_revision(&self) -> bool {
        true
    }

    fn validate_create(&self, new: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        let (spec, at) = (new.at(&["spec"]).unwrap_or(&empty), At::new("spec"));
        let signer = text(spec, "signerName");
        words::signer(signer, &at.child("signerName"), errors);
        for (key, _) in entries(spec, "unverifiedUserAnnotations") {
            let annotations = at.child("unverifiedUserAnnotations");
            let faults = names::qualified_name(&key.to_lowercase());
            annotations.invalid_all(errors, key, &faults);
            if faults.is_empty() && !key.contains('/') {
                annotations.invalid(errors, key.as_str(), "must be a domain-prefixed key (such as \"acme.io/foo\")");
            }
        }
        for (name, uid) in [("podName", "podUID"), ("serviceAccountName", "serviceAccountUID"), ("nodeName", "nodeUID")] {
            at.child(name).invalid_all(errors, text(spec, name), &names::dns1123_subdomain(text(spec, name)));
            match text(spec, uid) {
                "" => at.child(uid).invalid(errors, "", "must not be empty"),
                text if text.len() > 128 => at.child(uid).too_long(errors, 128),
                _ => {}
            }
        }
        let of_kubernetes = signer.split('/').next().is_some_and(|d| d == "kubernetes.io" || d.ends_with(".kubernetes.io"));
        let most = if of_kubernetes { KUBERNETES_MAX_EXPIRATION } else { MAX_EXPIRATION };
        match number(spec, "maxExpirationSeconds") {
            None => return at.child("maxExpirationSeconds").required(errors, "must be set"),
            Some(seconds) if !(HOUR..=most).contains(&seconds) => {
                let told = format!("must be in the range [{HOUR}, {most}]");
                at.child("maxExpirationSeconds").invalid(errors, seconds, &told);
            }
            Some(_) => {}
        }
        stub(text(spec, "stubPKCS10Request"), &at.child("stubPKCS10Request"), errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        immutable(new.at(&["spec"]), old.at(&["spec"]), &Path::new("spec"), errors);
    }

    fn validate_status(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        let (status, at) = (new.at(&["status"]).unwrap_or(&empty), At::new("status"));
        let before = errors.len();
        let mut finals = 0;
        for (index, condition) in items(status, "conditions") {
            // Upstream writes the index as a name of its own.
            let place = format!("conditions.[{index}]");
            let at = at.child(&place);
            let (ty, is) = (text(condition, "type"), text(condition, "status"));
            if !FINAL.contains(&ty) {
                at.child("type").not_supported(errors, ty, &FINAL);
                continue;
            }
            finals += 1;
            if finals > 1 {
                let told = "There may be at most one condition with type \"Issued\", \"Denied\", or \"Failed\"";
                at.child("type").invalid(errors, ty, told);
            }
            if is != "True" {
                at.child("status").not_supported(errors, is, &["True"]);
            }
        }
        words::conditions(status, &at, errors);
        if errors.len() > before {
            return;
        }
        let was = old.at(&["status"]).unwrap_or(&empty);
        if verdict(was).is_some() {
            if !same(status, was) {
                at.invalid_as_a_whole(errors, "immutable after PodCertificateRequest is issued, denied, or failed");
            }
            return;
        }
        match verdict(status) {
            Some("Issued") => issued(new, status, &at, errors),
            Some(_) => {
                let conditions = json!({ "conditions": status.get("conditions").cloned().unwrap_or_default() });
                if !same(status, &conditions) {
                    let told = "non-condition status fields must be empty when denying or failing the PodCertificateRequest";
                    at.invalid_as_a_whole(errors, told);
                }
            }
            None if !same(status, was) => {
                let told = "status is immutable unless transitioning to \"Issued\", \"Denied\", or \"Failed\"";
                at.invalid_as_a_whole(errors, told);
            }
            None => {}
        }
    }
}

fn verdict(status: &Value) -> Option<&str> {
    let mut conditions = items(status, "conditions").filter(|(_, c)| text(*c, "status") == "True");
    conditions.find_map(|(_, c)| Some(text(c, "type")).filter(|ty| FINAL.contains(ty)))
}

/// Equal, absent and empty being the same.
fn same(a: &Value, b: &Value) -> bool {
    let fields = ["conditions", "certificateChain", "notBefore", "beginRefreshAt", "notAfter"];
    let of = |value: &Value, field: &str| value.get(field).filter(|v| !v.is_null() && **v != json!("") && **v != json!([])).cloned();
    fields.iter().all(|field| of(a, field) == of(b, field))
}

fn stub(base64: &str, at: &At<'_>, errors: &mut ErrorList) {
    let der = STANDARD.decode(base64).unwrap_or_default();
    if der.len() > MAX_STUB {
        return at.too_long(errors, MAX_STUB);
    }
    let request = match pem::stub(&der) {
        Ok(request) => request,
        Err(fault) => return at.invalid(errors, base64, &format!("must be a valid PKCS#10 certificate signing request: {fault}")),
    };
    match request.certification_request_info.subject_pki.parsed() {
        Ok(PublicKey::RSA(key)) if !matches!(key.key_size(), 3072 | 4096) => {
            at.invalid(errors, format!("{}-bit modulus", key.key_size()), "RSA keys must have modulus size 3072 or 4096");
        }
        Ok(PublicKey::EC(point)) if !matches!(point.key_size(), 256 | 384 | 521 | 528) => {
            at.invalid(errors, format!("{}-bit curve", point.key_size()), "elliptic public keys must use curve P256 or P384");
        }
        Ok(PublicKey::DSA(_) | PublicKey::GostR3410(_) | PublicKey::GostR3410_2012(_)) | Err(_) => {
            at.invalid(errors, base64, "unknown public key type; supported types are Ed25519, ECDSA, and RSA");
        }
        Ok(_) => {}
    }
}

/// An issued chain: certificates, the first for the requested key, and the times told agree with it.
fn issued(new: &Object, status: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let (chain, place) = (text(status, "certificateChain"), at.child("certificateChain"));
    if chain.len() > MAX_CHAIN {
        return place.too_long(errors, MAX_CHAIN);
    }
    let blocks: Vec<_> = pem::blocks_of(chain.as_bytes()).collect();
    let Some((leaf, rest)) = blocks.split_first() else {
        return place.invalid(errors, chain, "issued certificate chain must contain at least one certificate");
    };
    if leaf.label != "CERTIFICATE" {
        return place.invalid(errors, chain, "issued certificate chain must consist entirely of CERTIFICATE PEM blocks");
    }
    let Ok((_, certificate)) = X509Certificate::from_der(&leaf.contents) else {
        return place.invalid(errors, chain, "leaf certificate does not parse as valid X.509");
    };
    let der = STANDARD.decode(new.str_at(&["spec", "stubPKCS10Request"])).unwrap_or_default();
    let for_key = pem::stub(&der).is_ok_and(|r| r.certification_request_info.subject_pki.raw == certificate.public_key().raw);
    if !for_key {
        return place.invalid(errors, chain, "leaf certificate was not issued to the requested public key");
    }
    if !times(new, status, &certificate, at, errors) {
        return;
    }
    for block in rest {
        if block.label != "CERTIFICATE" {
            return place.invalid(errors, chain, "issued certificate chain must consist entirely of CERTFICATE PEM blocks");
        }
        if X509Certificate::from_der(&block.contents).is_err() {
            return place.invalid(errors, chain, "intermediate certificate does not parse as valid X.509");
        }
    }
}

fn times(new: &Object, status: &Value, certificate: &X509Certificate<'_>, at: &At<'_>, errors: &mut ErrorList) -> bool {
    let time = |field: &str| object::time::parse(text(status, field));
    let (before, after, refresh) = (time("notBefore"), time("notAfter"), time("beginRefreshAt"));
    let agree = "must be present and consistent with the issued certificate";
    for (field, told, missing) in [
        ("notBefore", agree, before.is_none()),
        ("notAfter", agree, after.is_none()),
        ("beginRefreshAt", "must be present and in the range [notbefore+10min, notafter-10min]", refresh.is_none()),
    ] {
        if missing {
            at.child(field).required(errors, told);
        }
    }
    let (Some(before), Some(after), Some(refresh)) = (before, after, refresh) else { return false };
    let validity = certificate.validity();
    let (from, to) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64);
    let now = SystemTime::now();
    let lifetime = to - from;
    let most = number(new.at(&["spec"]).unwrap_or(&Value::Null), "maxExpirationSeconds").unwrap_or(0);
    let fault = if seconds(before) != from {
        Some(("notBefore", "must be set to the NotBefore time encoded in the leaf certificate".to_owned()))
    } else if before < now - SKEW || before > now + SKEW {
        Some(("notBefore", "must be set to within 5 minutes of kube-apiserver's current time".to_owned()))
    } else if seconds(after) != to {
        Some(("notAfter", "must be set to the NotAfter time encoded in the leaf certificate".to_owned()))
    } else if lifetime < HOUR {
        Some(("certificateChain", "leaf certificate lifetime must be >= 1 hour".to_owned()))
    } else if lifetime > most {
        Some(("certificateChain", format!("leaf certificate lifetime must be <= spec.maxExpirationSeconds ({most})")))
    } else if refresh < before + MARGIN {
        Some(("beginRefreshAt", "must be at least 10 minutes after status.notBefore".to_owned()))
    } else if refresh > after - MARGIN {
        Some(("beginRefreshAt", "must be at least 10 minutes before status.notAfter".to_owned()))
    } else {
        None
    };
    let Some((field, told)) = fault else { return true };
    let span = || object::time::format_duration(lifetime.saturating_mul(1_000_000_000));
    let value = if field == "certificateChain" { json!(span()) } else { json!(text(status, field)) };
    at.child(field).invalid(errors, value, &told);
    false
}
