//! PEM, X.509 and PKCS #10 as far as validation reads them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Why a base64-wrapped PEM request is none (`ParseCSR`, `CheckSignature`).
pub fn request(base64: &str) -> Result<(), String> {
    let text = STANDARD.decode(base64).map_err(|e| e.to_string())?;
    let block = Pem::iter_from_buffer(&text).next().and_then(Result::ok).filter(|b| b.label == "CERTIFICATE REQUEST");
    let block = block.ok_or("PEM block type must be CERTIFICATE REQUEST")?;
    let (_, request) = X509CertificationRequest::from_der(&block.contents).map_err(|e| format!("asn1: {e}"))?;
    signed(&request)
}

/// Whether a DER request parses and is signed by the key that it is for.
pub fn stub(der: &[u8]) -> Result<X509CertificationRequest<'_>, String> {
    let (rest, request) = X509CertificationRequest::from_der(der).map_err(|e| format!("asn1: {e}"))?;
    if !rest.is_empty() {
        return Err("asn1: syntax error: trailing data".to_owned());
    }
    signed(&request)?;
    Ok(request)
}

fn signed(request: &X509CertificationRequest<'_>) -> Result<(), String> {
    use x509_parser::error::X509Error;
    match request.verify_signature() {
        // A key of a kind that is not known here may be known to the signer, who verifies it again.
        Ok(()) | Err(X509Error::SignatureUnsupportedAlgorithm) => Ok(()),
        Err(_) => Err("x509: signature of the request does not verify".to_owned()),
    }
}

/// Why base64-wrapped PEM is no chain of certificates (`validateCertificate`). Nothing at all is fine.
pub fn certificates(base64: &str) -> Result<(), String> {
    if base64.is_empty() {
        return Ok(());
    }
    let text = STANDARD.decode(base64).map_err(|e| e.to_string())?;
    let mut blocks = 0;
    for block in blocks_of(&text) {
        if block.label != "CERTIFICATE" {
            return Err(format!("only CERTIFICATE PEM blocks are allowed, found {:?}", block.label));
        }
        if has_headers(&text, blocks) {
            return Err("no PEM block headers are permitted".to_owned());
        }
        X509Certificate::from_der(&block.contents).map_err(|e| format!("x509: {e}"))?;
        blocks += 1;
    }
    if blocks == 0 { Err("must contain at least one CERTIFICATE PEM block".to_owned()) } else { Ok(()) }
}

/// Blocks that decode; what lies between them is skipped, as Go's `pem.Decode` does.
pub fn blocks_of(text: &[u8]) -> impl Iterator<Item = Pem> + '_ {
    Pem::iter_from_buffer(text).filter_map(Result::ok)
}

/// Whether the block at a place has lines like `Name: value` before its data.
fn has_headers(text: &[u8], at: usize) -> bool {
    let text = String::from_utf8_lossy(text);
    let block = text.split("-----BEGIN ").nth(at + 1).unwrap_or_default();
    block.lines().skip(1).take_while(|l| !l.starts_with("-----END ")).any(|l| l.contains(": "))
}

/// Why a bundle holds no sound trust anchors (`validateTrustBundle`).
pub fn trust_anchors(bundle: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut anchors: Vec<(Vec<u8>, Vec<usize>)> = Vec::new();
    for (index, block) in blocks_of(bundle.as_bytes()).enumerate() {
        if block.label != "CERTIFICATE" {
            faults.push(format!("entry {index} has bad block type: {}", block.label));
            continue;
        }
        if has_headers(bundle.as_bytes(), index) {
            faults.push(format!("entry {index} has PEM block headers"));
            continue;
        }
        let Ok((_, certificate)) = X509Certificate::from_der(&block.contents) else {
            faults.push(format!("entry {index} does not parse as X.509"));
            continue;
        };
        if !certificate.is_ca() {
            faults.push(format!("entry {index} does not have the CA bit set"));
            continue;
        }
        match anchors.iter_mut().find(|(known, _)| *known == block.contents) {
            Some((_, indices)) => indices.push(index),
            None => anchors.push((block.contents, vec![index])),
        }
    }
    if !faults.is_empty() {
        return faults;
    }
    if anchors.is_empty() {
        faults.push("at least one trust anchor must be provided".to_owned());
    }
    for (_, indices) in anchors.iter().filter(|(_, indices)| indices.len() > 1) {
        let told: Vec<String> = indices.iter().map(usize::to_string).collect();
        faults.push(format!("duplicate trust anchor (indices [{}])", told.join(" ")));
    }
    faults
}
