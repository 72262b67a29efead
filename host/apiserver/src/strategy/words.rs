//! Checks that several groups share: names of signers, `metav1.Condition`, webhook addresses.

use super::at::At;
use super::read::{items, number, text};
use object::field::ErrorList;
use object::{Value, names};

/// `ValidateSignerName`: `<domain>/<path>`, at most 571 bytes.
pub fn signer(name: &str, at: &At<'_>, errors: &mut ErrorList) {
    if name.is_empty() {
        return at.required(errors, "");
    }
    let (Some((domain, path)), false) = (name.split_once('/'), name.matches('/').count() > 1) else {
        return at.invalid(errors, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'");
    };
    if domain.len() > 253 {
        at.too_long(errors, 253);
    }
    signer_part(domain, domain.split('.'), names::dns1123_label, at, errors);
    if !domain.contains('.') {
        at.invalid(errors, domain, "should be a domain with at least two segments separated by dots");
    }
    signer_part(path, path.split('.'), names::dns1123_subdomain, at, errors);
    // 253 of a domain, 63 of a namespace and 253 of a name, with what stands between.
    if name.len() > 571 {
        at.too_long(errors, 571);
    }
}

/// The faults of the first label that has any.
fn signer_part<'n>(
    part: &str,
    mut labels: impl Iterator<Item = &'n str>,
    check: fn(&str) -> Vec<String>,
    at: &At<'_>,
    errors: &mut ErrorList,
) {
    let wrong = labels.find_map(|label| Some((label, check(label))).filter(|(_, faults)| !faults.is_empty()));
    if let Some((label, faults)) = wrong {
        faults.iter().for_each(|fault| at.invalid(errors, part, &format!("validating label {label:?}: {fault}")));
    }
}

/// `metav1validation.ValidateConditions`.
pub fn conditions(list: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let mut seen = std::collections::HashSet::new();
    for (index, condition) in items(list, "conditions") {
        let conditions = at.child("conditions");
        let at = conditions.index(index);
        let ty = text(condition, "type");
        if !seen.insert(ty) {
            at.child("type").duplicate(errors, ty);
        }
        at.child("type").qualified(errors, ty);
        let status = text(condition, "status");
        if !matches!(status, "True" | "False" | "Unknown") {
            at.child("status").not_supported(errors, status, &["False", "True", "Unknown"]);
        }
        if let Some(generation) = number(condition, "observedGeneration").filter(|g| *g < 0) {
            at.child("observedGeneration").invalid(errors, generation, "must be greater than or equal to zero");
        }
        if text(condition, "lastTransitionTime").is_empty() {
            at.child("lastTransitionTime").required(errors, "must be set");
        }
        reason(text(condition, "reason"), &at.child("reason"), errors);
        if text(condition, "message").len() > 32 * 1024 {
            at.child("message").too_long(errors, 32 * 1024);
        }
    }
}

const REASON: &str = "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric \
    characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or \
    'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')";

fn reason(reason: &str, at: &At<'_>, errors: &mut ErrorList) {
    if reason.is_empty() {
        return at.required(errors, "must be set");
    }
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"_,:".contains(&b);
    let ends = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let bytes = reason.as_bytes();
    let sound = bytes.first().is_some_and(u8::is_ascii_alphabetic) && ends(bytes.last()) && bytes.iter().all(|b| inner(*b));
    if !sound {
        at.invalid(errors, reason, REASON);
    }
    if reason.len() > 1024 {
        at.too_long(errors, 1024);
    }
}

/// `ValidateWebhookURL`, https only.
pub fn webhook_url(url: &str, at: &At<'_>, errors: &mut ErrorList) {
    const FORM: &str = "; desired format: https://host[/path]";
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = if scheme.is_empty() { "" } else { rest.split('/').next().unwrap_or_default() };
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    if url.chars().any(|c| c.is_control() || c == ' ') {
        return at.required(errors, &format!("url must be a valid URL: parse {url:?}: invalid character in URL{FORM}"));
    }
    if !scheme.eq_ignore_ascii_case("https") {
        at.invalid(errors, scheme, &format!("'https' is the only allowed URL scheme{FORM}"));
    }
    if host.is_empty() {
        at.invalid(errors, host, &format!("host must be specified{FORM}"));
    }
    if let Some(user) = user {
        at.invalid(errors, user, "user information is not permitted in the URL");
    }
    if !fragment.is_empty() {
        at.invalid(errors, fragment, "fragments are not permitted in the URL");
    }
    if !query.is_empty() {
        at.invalid(errors, query, "query parameters are not permitted in the URL");
    }
}

/// `ValidateWebhookService`.
pub fn webhook_service(service: &Value, at: &At<'_>, errors: &mut ErrorList) {
    // The callers upstream give name and namespace in each other's place, so causes come in this order.
    for field in ["namespace", "name"] {
        if text(service, field).is_empty() {
            at.child(field).required(errors, "");
        }
    }
    port(number(service, "port"), &at.child("port"), errors);
    let Some(path) = service.get("path").and_then(Value::as_str).filter(|p| !matches!(*p, "" | "/")) else { return };
    let at = at.child("path");
    if path == "//" {
        return at.invalid(errors, path, "segment[0] may not be empty");
    }
    if !path.starts_with('/') {
        at.invalid(errors, path, "must start with a '/'");
    }
    // Upstream cuts the first byte whatever it is.
    let mut rest = path.chars();
    rest.next();
    let rest = rest.as_str();
    for (index, step) in rest.strip_suffix('/').unwrap_or(rest).split('/').enumerate() {
        if step.is_empty() {
            at.invalid(errors, path, &format!("segment[{index}] may not be empty"));
            continue;
        }
        for fault in names::dns1123_subdomain(step) {
            at.invalid(errors, path, &format!("segment[{index}]: {fault}"));
        }
    }
}

/// A service's port; 443 when it is not given.
pub fn port(port: Option<i64>, at: &At<'_>, errors: &mut ErrorList) {
    let port = port.unwrap_or(443);
    let faults = names::port_number(port);
    if !faults.is_empty() {
        at.invalid(errors, port, &format!("port is not valid: {}", faults.join(", ")));
    }
}
