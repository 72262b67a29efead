//! Projected volumes: `validateProjectionSources`.

use super::super::words::{file_mode, not_reserved};
use super::super::{given, given_text, selector_of};
use super::files::{downward_file, key_to_path};
use super::required_local;
use crate::strategy::at::At;
use crate::strategy::read::{entries, items, number, text};
use object::field::ErrorList;
use object::{Value, names};
use std::collections::HashSet;

const TWICE: &str = "conflicting duplicate paths";

/// Kinds of keys that a node makes for a pod certificate.
const KEY_TYPES: [&str; 6] = ["RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"];
/// Shortest and longest lifetime of pod certificates, and the longest by signers of Kubernetes' own, in seconds.
const LIFETIME: (i64, i64, i64) = (3600, 91 * 86400, 86400);

pub fn validate(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    file_mode(number(source, "defaultMode"), &at.child("defaultMode"), errors);
    let mut paths: HashSet<&str> = HashSet::new();
    for (index, one) in items(source, "sources") {
        let list = at.child("sources");
        let place = list.index(index);
        let mut kinds = 0;
        for kind in ["secret", "configMap"] {
            let Some(files) = given(one, kind) else { continue };
            kinds += 1;
            let below = place.child(kind);
            let name = text(files, "name");
            if name.is_empty() {
                below.child("name").required(errors, "");
            }
            for (index, item) in items(files, "items") {
                key_to_path(item, &below.child("items").index(index), errors);
                let path = text(item, "path");
                if !path.is_empty() && !paths.insert(path) {
                    at.invalid(errors, name, TWICE);
                }
            }
        }
        if let Some(api) = given(one, "downwardAPI") {
            kinds += 1;
            for (_, file) in items(api, "items") {
                downward_file(file, &place.child("downwardAPI"), errors);
                let path = text(file, "path");
                if !path.is_empty() && !paths.insert(path) {
                    at.invalid(errors, path, TWICE);
                }
            }
        }
        if let Some(token) = given(one, "serviceAccountToken") {
            kinds += 1;
            service_account_token(token, at, &place.child("serviceAccountToken"), errors);
        }
        if let Some(bundle) = given(one, "clusterTrustBundle") {
            kinds += 1;
            trust_bundle(bundle, &place.child("clusterTrustBundle"), errors);
            let path = text(bundle, "path");
            if !paths.insert(path) {
                at.invalid(errors, path, TWICE);
            }
        }
        if let Some(certificate) = given(one, "podCertificate") {
            kinds += 1;
            pod_certificate(certificate, &place.child("podCertificate"), errors);
            for field in ["credentialBundlePath", "keyPath", "certificateChainPath"] {
                let path = text(certificate, field);
                if !path.is_empty() && !paths.insert(path) {
                    at.invalid(errors, path, TWICE);
                }
            }
        }
        if kinds > 1 {
            place.forbidden(errors, "may not specify more than 1 volume type per source");
        }
    }
}

/// `volume`: upstream names the volume for the token's path.
fn service_account_token(token: &Value, volume: &At<'_>, at: &At<'_>, errors: &mut ErrorList) {
    let seconds = number(token, "expirationSeconds").unwrap_or(0);
    if seconds < 600 {
        at.child("expirationSeconds").invalid(errors, seconds, "may not specify a duration less than 10 minutes");
    }
    if seconds > 1 << 32 {
        at.child("expirationSeconds").invalid(errors, seconds, "may not specify a duration larger than 2^32 seconds");
    }
    match text(token, "path") {
        "" => volume.child("path").required(errors, ""),
        path => not_reserved(path, &volume.child("path"), errors),
    }
}

fn trust_bundle(bundle: &Value, at: &At<'_>, errors: &mut ErrorList) {
    match (given_text(bundle, "name"), given_text(bundle, "signerName")) {
        (Some(_), Some(_)) => at.invalid(errors, bundle.clone(), "only one of name and signerName may be used"),
        (Some(name), None) => {
            let at_name = at.child("name");
            if name.is_empty() {
                at_name.required(errors, "must be a valid object name");
            }
            for detail in bundle_name(name) {
                at_name.invalid(errors, name, &format!("not a valid clustertrustbundlename: {detail}"));
            }
            if let Some(selector) = given(bundle, "labelSelector") {
                at.child("labelSelector").invalid(errors, selector.clone(), "labelSelector must be unset if name is specified");
            }
        }
        (None, Some(signer)) => {
            if signer.is_empty() {
                at.child("signerName").required(errors, "must be a valid signer name");
            }
            signer_name(signer, &at.child("signerName"), errors);
            if let Some(selector) = given(bundle, "labelSelector") {
                selector_of(selector, &at.child("labelSelector").path(), errors);
            }
        }
        (None, None) => at.required(errors, "either name or signerName must be specified"),
    }
    required_local(text(bundle, "path"), &at.child("path"), errors);
}

/// `ValidateClusterTrustBundleName`: `<signer>:<name>` with the signer's slashes as colons, or a plain subdomain.
fn bundle_name(name: &str) -> Vec<String> {
    match name.rsplit_once(':') {
        Some((_, last)) => names::dns1123_subdomain(last),
        None => names::dns1123_subdomain(name),
    }
}

/// `ValidateSignerName`: a domain of at least two segments, `/`, and a path of at most 571 characters in all.
pub fn signer_name(signer: &str, at: &At<'_>, errors: &mut ErrorList) {
    if signer.is_empty() {
        return at.required(errors, "");
    }
    let segments: Vec<&str> = signer.split('/').collect();
    let [domain, path] = segments.as_slice() else {
        return at.invalid(errors, signer, "must be a fully qualified domain and path of the form 'example.com/signer-name'");
    };
    if domain.is_empty() || path.is_empty() {
        return at.invalid(errors, signer, "must be a fully qualified domain and path of the form 'example.com/signer-name'");
    }
    for detail in names::dns1123_subdomain(domain) {
        at.invalid(errors, *domain, &format!("validating domain: {detail}"));
    }
    if domain.split('.').count() < 2 {
        at.invalid(errors, *domain, "should be a domain with at least two segments separated by dots");
    }
    for label in path.split('.') {
        for detail in names::dns1123_subdomain(label) {
            at.invalid(errors, *path, &format!("validating label {label:?}: {detail}"));
        }
    }
    if signer.len() > 571 {
        at.too_long(errors, 571);
    }
}

/// `validatePodCertificateProjection` (KEP-4317).
fn pod_certificate(certificate: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let signer = text(certificate, "signerName");
    signer_name(signer, &at.child("signerName"), errors);
    let kind = text(certificate, "keyType");
    if !KEY_TYPES.contains(&kind) {
        at.child("keyType").not_supported(errors, kind, &KEY_TYPES);
    }
    if let Some(seconds) = number(certificate, "maxExpirationSeconds") {
        let (least, most, own) = LIFETIME;
        let most = if signer.starts_with("kubernetes.io/") { own } else { most };
        let at = at.child("maxExpirationSeconds");
        if seconds < least {
            at.invalid(errors, seconds, &format!("if provided, maxExpirationSeconds must be >= {least}"));
        } else if seconds > most {
            at.invalid(errors, seconds, &format!("if provided, maxExpirationSeconds must be <= {most}"));
        }
    }
    let mut any = false;
    for field in ["credentialBundlePath", "keyPath", "certificateChainPath"] {
        let path = text(certificate, field);
        if !path.is_empty() {
            any = true;
            not_reserved(path, &at.child(field), errors);
        }
    }
    if !any {
        at.required(errors, "specify at least one of credentialBundlePath, keyPath, and certificateChainPath");
    }
    for (key, _) in entries(certificate, "userAnnotations") {
        let place = at.child("userAnnotations");
        let faults = names::qualified_name(&key.to_lowercase());
        if faults.is_empty() && !key.contains('/') {
            place.invalid(errors, key.as_str(), "must be a domain-prefixed key (such as \"acme.io/foo\")");
        }
        place.invalid_all(errors, key, &faults);
    }
}
