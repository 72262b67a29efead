//! Checks of single words that pods and workloads need beside [`object::names`]; messages are upstream's
//! (`k8s.io/apimachinery/pkg/util/validation/validation.go`).

use crate::strategy::at::At;
use object::field::ErrorList;
use object::names;

const SUBDOMAIN_UNDERSCORE: &str = r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*";

/// `IsHTTPHeaderName`.
pub fn http_header(name: &str) -> Vec<String> {
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Vec::new();
    }
    let told = "a valid HTTP header must consist of alphanumeric characters or '-'";
    vec![format!("{told} (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')")]
}

/// `IsDNS1123SubdomainWithUnderscore`.
pub fn subdomain_with_underscore(value: &str) -> Vec<String> {
    let mut details = Vec::new();
    if value.len() > names::SUBDOMAIN_MAX {
        details.push(format!("must be no more than {} characters", names::SUBDOMAIN_MAX));
    }
    let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let sound = |label: &str| {
        let bytes = label.strip_prefix('_').unwrap_or(label).as_bytes();
        bytes.first().is_some_and(|b| lower(*b))
            && bytes.last().is_some_and(|b| lower(*b))
            && bytes.iter().all(|b| lower(*b) || matches!(b, b'-' | b'_'))
    };
    if !value.split('.').all(sound) {
        details.push(format!(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and \
             end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{SUBDOMAIN_UNDERSCORE}')"
        ));
    }
    details
}

/// `IsDomainPrefixedPath`: `acme.io/foo`.
pub fn domain_prefixed_path(value: &str, at: &At<'_>, errors: &mut ErrorList) {
    if value.is_empty() {
        return at.required(errors, "");
    }
    match value.split_once('/') {
        Some((host, path)) if !host.is_empty() && !path.is_empty() => {
            at.invalid_all(errors, host, &names::dns1123_subdomain(host));
            if !path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&b)) {
                let detail = r"Invalid path (regex used for validation is '[A-Za-z0-9/\-._~%!$&'()*+,;=:]+')";
                at.invalid(errors, path, detail);
            }
        }
        _ => at.invalid(errors, value, "must be a domain-prefixed path (such as \"acme.io/foo\")"),
    }
}

/// `IsValidSysctlName`: names of segments that dots or slashes part.
pub fn is_sysctl(name: &str) -> bool {
    let lower = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let sound = |segment: &str| {
        let bytes = segment.as_bytes();
        bytes.first().is_some_and(lower) && bytes.last().is_some_and(lower) && bytes.iter().all(|b| lower(b) || matches!(b, b'-' | b'_'))
    };
    name.len() <= names::SUBDOMAIN_MAX && name.split(['.', '/']).all(sound)
}

/// `validatePathNoBacksteps`.
pub fn no_backsteps(path: &str, at: &At<'_>, errors: &mut ErrorList) {
    if has_backsteps(path) {
        at.invalid(errors, path, "must not contain '..'");
    }
}

pub fn has_backsteps(path: &str) -> bool {
    path.split('/').any(|part| part == "..")
}

/// `validateLocalDescendingPath`.
pub fn descending(path: &str, at: &At<'_>, errors: &mut ErrorList) {
    if path.starts_with('/') {
        at.invalid(errors, path, "must be a relative path");
    }
    no_backsteps(path, at, errors);
}

/// `ValidateLocalNonReservedPath`.
pub fn not_reserved(path: &str, at: &At<'_>, errors: &mut ErrorList) {
    descending(path, at, errors);
    if path.starts_with("..") && !path.starts_with("../") {
        at.invalid(errors, path, "must not start with '..'");
    }
}

/// Permission bits of projected files.
pub fn file_mode(mode: Option<i64>, at: &At<'_>, errors: &mut ErrorList) {
    if let Some(mode) = mode.filter(|m| !(0..=0o777).contains(m)) {
        at.invalid(errors, mode, "must be a number between 0 and 0777 (octal), both inclusive");
    }
}
