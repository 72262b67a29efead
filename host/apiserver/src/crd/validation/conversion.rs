//! `spec.conversion` (`validateCustomResourceConversion`, `k8s.io/apiserver/pkg/util/webhook/validation.go`).

use super::Options;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use object::field::{ErrorList, Path};
use object::{Object, Value, names};
use registry::custom::definition::text;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::collections::BTreeSet;

/// Versions of ConversionReview that some server knows.
pub(super) const ACCEPTED: [&str; 2] = ["v1", "v1beta1"];

/// The stored bundle is broken already.
pub(super) fn has_invalid_bundle(old: &Object) -> bool {
    let bundle = old.str_at(&["spec", "conversion", "webhook", "clientConfig", "caBundle"]);
    !bundle.is_empty() && bundle_fault(bundle).is_some()
}

fn bundle_fault(bundle: &str) -> Option<String> {
    let pem = STANDARD.decode(bundle).ok()?;
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let parsed = certificate.ok().map(|c| x509_parser::parse_x509_certificate(&c).is_ok());
        if parsed != Some(true) {
            return Some("unable to load root certificates: unable to parse bytes as PEM block".to_owned());
        }
        count += 1;
    }
    (count == 0).then(|| "unable to load root certificates: unable to parse bytes as PEM block".to_owned())
}

pub(super) fn validate(new: &Object, preserves: bool, options: &Options, errors: &mut ErrorList) {
    let at = Path::new("spec").child("conversion");
    let Some(conversion) = new.at(&["spec", "conversion"]).filter(|c| c.is_object()) else { return };
    let strategy = text(conversion, "strategy");
    if strategy != "None" && preserves {
        errors.invalid(&at.child("strategy"), strategy, "must be None if spec.preserveUnknownFields is true");
    }
    match strategy {
        "" => errors.required(&at.child("strategy"), ""),
        "None" | "Webhook" => {}
        other => errors.not_supported(&at.child("strategy"), other, &["None", "Webhook"]),
    }
    let webhook = conversion.get("webhook").filter(|w| w.is_object());
    let client = webhook.and_then(|w| w.get("clientConfig")).filter(|c| c.is_object());
    let reviews = webhook.and_then(|w| w.get("conversionReviewVersions")).and_then(Value::as_array);
    let client_at = at.child("webhookClientConfig");
    if strategy != "Webhook" {
        let detail = "should not be set when strategy is not set to Webhook";
        if client.is_some() {
            errors.forbidden(&client_at, detail);
        }
        if reviews.is_some_and(|r| !r.is_empty()) {
            errors.forbidden(&at.child("conversionReviewVersions"), detail);
        }
        return;
    }
    match client {
        None => errors.required(&client_at, "required when strategy is set to Webhook"),
        Some(client) => {
            let url = client.get("url").and_then(Value::as_str);
            let service = client.get("service").filter(|s| s.is_object());
            match (url, service) {
                (Some(url), None) => webhook_url(url, &client_at.child("url"), errors),
                (None, Some(service)) => webhook_service(service, &client_at.child("service"), errors),
                _ => errors.required(&client_at, "exactly one of url or service is required"),
            }
            let bundle = text(client, "caBundle");
            if !bundle.is_empty()
                && !options.invalid_ca_bundle
                && let Some(fault) = bundle_fault(bundle)
            {
                errors.invalid(&client_at.child("caBundle"), bundle, &fault);
            }
        }
    }
    review_versions(reviews.map(Vec::as_slice).unwrap_or_default(), options, &at.child("conversionReviewVersions"), errors);
}

fn review_versions(versions: &[Value], options: &Options, at: &Path, errors: &mut ErrorList) {
    if versions.is_empty() {
        errors.required(at, "");
        return;
    }
    let mut seen = BTreeSet::new();
    for (index, version) in versions.iter().enumerate() {
        let version = version.as_str().unwrap_or_default();
        if seen.insert(version) {
            errors.invalid_all(&at.index(index), version, names::dns1035_label(version));
        } else {
            errors.invalid(&at.index(index), version, "duplicate version");
        }
    }
    if options.recognized_review && !ACCEPTED.iter().any(|v| seen.contains(v)) {
        errors.invalid(at, Value::Array(versions.to_vec()), &format!("must include at least one of {}", ACCEPTED.join(", ")));
    }
}

/// `ValidateWebhookURL`.
fn webhook_url(url: &str, at: &Path, errors: &mut ErrorList) {
    const FORM: &str = "; desired format: https://host[/path]";
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    if scheme != "https" {
        errors.invalid(at, scheme, &format!("'https' is the only allowed URL scheme{FORM}"));
    }
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = if scheme.is_empty() { "" } else { rest.split('/').next().unwrap_or_default() };
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    if host.is_empty() {
        errors.invalid(at, host, &format!("host must be specified{FORM}"));
    }
    if let Some(user) = user {
        errors.invalid(at, user, "user information is not permitted in the URL");
    }
    if !fragment.is_empty() {
        errors.invalid(at, fragment, "fragments are not permitted in the URL");
    }
    if !query.is_empty() {
        errors.invalid(at, query, "query parameters are not permitted in the URL");
    }
}

/// `ValidateWebhookService`. Conversion hands it name and namespace in the other order, so an absent name is told of the
/// namespace and the other way round, as upstream does.
fn webhook_service(service: &Value, at: &Path, errors: &mut ErrorList) {
    if text(service, "namespace").is_empty() {
        errors.required(&at.child("name"), "");
    }
    if text(service, "name").is_empty() {
        errors.required(&at.child("namespace"), "");
    }
    let port = service.get("port").and_then(Value::as_i64).unwrap_or(443);
    let faults = names::port_number(port);
    if !faults.is_empty() {
        errors.invalid(&at.child("port"), port, &format!("port is not valid: {}", faults.join(", ")));
    }
    let path = text(service, "path");
    let at = at.child("path");
    if matches!(path, "" | "/") {
        return;
    }
    if path == "//" {
        errors.invalid(&at, path, "segment[0] may not be empty");
        return;
    }
    if !path.starts_with('/') {
        errors.invalid(&at, path, "must start with a '/'");
    }
    let mut rest = path.chars();
    rest.next();
    let rest = rest.as_str();
    for (index, step) in rest.strip_suffix('/').unwrap_or(rest).split('/').enumerate() {
        if step.is_empty() {
            errors.invalid(&at, path, &format!("segment[{index}] may not be empty"));
            continue;
        }
        for fault in names::dns1123_subdomain(step) {
            errors.invalid(&at, path, &format!("segment[{index}]: {fault}"));
        }
    }
}
