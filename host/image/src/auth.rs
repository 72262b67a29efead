//! Credentials of registries, as in Secrets of type `kubernetes.io/dockerconfigjson` and `kubernetes.io/dockercfg`.
//! Matching follows pkg/credentialprovider/keyring.go: host patterns, path prefixes, the most specific first.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::Reference;
use crate::error::Error;

/// What one registry, or one part of it, asks for.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Host with optional port and path; labels of the host may have `*`.
    pub registry: String,
    pub username: String,
    pub password: String,
    /// A bearer token, used in place of name and password.
    pub token: Option<String>,
}

impl std::fmt::Debug for Credential {
    /// Never shows the secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Credential").field("registry", &self.registry).field("username", &self.username).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct ConfigJson {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    auth: String,
    #[serde(default)]
    registrytoken: String,
}

/// The entries of `.dockerconfigjson`, or of the older `.dockercfg`, which is its `auths` alone.
pub fn parse(config: &[u8]) -> Result<Vec<Credential>, Error> {
    let invalid = |reason: String| Error::invalid("registry credentials", reason);
    let value: serde_json::Value = serde_json::from_slice(config).map_err(|error| invalid(error.to_string()))?;
    let value = if value.get("auths").is_some() { value } else { serde_json::json!({ "auths": value }) };
    let config: ConfigJson = serde_json::from_value(value).map_err(|error| invalid(error.to_string()))?;
    let credential = |(registry, entry): (String, Entry)| {
        let (mut username, mut password) = (entry.username, entry.password);
        if !entry.auth.is_empty() {
            let decoded = STANDARD.decode(entry.auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
            let (name, word) = pair.ok_or_else(|| invalid(format!("auth of {registry:?} is not base64 of name:password")))?;
            username = name.to_owned();
            password = word.trim_end_matches('\0').to_owned();
        }
        let token = Some(entry.registrytoken).filter(|token| !token.is_empty());
        Ok(Credential { registry, username, password, token })
    };
    config.auths.into_iter().map(credential).collect()
}

/// Those that apply to the image, the most specific first.
pub fn matching<'a>(credentials: &'a [Credential], reference: &Reference) -> Vec<&'a Credential> {
    let mut found: Vec<&Credential> = credentials.iter().filter(|credential| applies(&credential.registry, reference)).collect();
    // Upstream sorts the patterns in reverse, so that the longer of two prefixes comes first.
    found.sort_by(|one, other| other.registry.cmp(&one.registry));
    found
}

fn applies(pattern: &str, reference: &Reference) -> bool {
    let pattern = pattern.trim_start_matches("https://").trim_start_matches("http://");
    let (host, path) = pattern.split_once('/').unwrap_or((pattern, ""));
    // Docker writes its hub as https://index.docker.io/v1/.
    let path = path.trim_end_matches('/');
    let path = path.strip_prefix("v1").or_else(|| path.strip_prefix("v2")).unwrap_or(path).trim_start_matches('/');
    let hub = |name: &str| matches!(name, "docker.io" | "index.docker.io" | "registry-1.docker.io");
    let host_fits = host_matches(host, reference.registry()) || hub(host) && hub(reference.registry());
    let repository = reference.repository();
    let path_fits = path.is_empty() || repository == path || repository.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
    host_fits && path_fits
}

/// Ports must be equal; each label may use `*` for any characters within it.
fn host_matches(pattern: &str, host: &str) -> bool {
    let split = |text: &str| match text.rsplit_once(':') {
        Some((name, port)) => (name.to_owned(), port.to_owned()),
        None => (text.to_owned(), String::new()),
    };
    let ((pattern, pattern_port), (host, port)) = (split(pattern), split(host));
    let (patterns, labels): (Vec<&str>, Vec<&str>) = (pattern.split('.').collect(), host.split('.').collect());
    pattern_port == port
        && patterns.len() == labels.len()
        && patterns.iter().zip(&labels).all(|(pattern, label)| glob(pattern.as_bytes(), label.as_bytes()))
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skip| text.get(skip..).is_some_and(|text| glob(rest, text))),
        Some((first, rest)) => text.split_first().is_some_and(|(found, text)| found == first && glob(rest, text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_in_both_forms() {
        let both = [
            r#"{"auths":{"r.test":{"auth":"dXNlcjpwYTpzcw=="},"t.test":{"registrytoken":"tok"}}}"#,
            r#"{"r.test":{"username":"user","password":"pa:ss"},"t.test":{"registrytoken":"tok"}}"#,
        ];
        for config in both {
            let found = parse(config.as_bytes()).unwrap();
            assert_eq!((found[0].username.as_str(), found[0].password.as_str()), ("user", "pa:ss"), "{config}");
            assert_eq!(found[1].token.as_deref(), Some("tok"));
            assert!(!format!("{found:?}").contains("pa:ss"));
        }
        for bad in ["", "[]", r#"{"auths":{"r.test":{"auth":"%"}}}"#, r#"{"auths":{"r.test":{"auth":"dXNlcg=="}}}"#] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_most_specific_credential_comes_first() {
        let check = |image: &str, patterns: &[&str], expect: &[&str]| {
            let credential = |registry: &&str| Credential {
                registry: (*registry).to_owned(),
                username: String::new(),
                password: String::new(),
                token: None,
            };
            let credentials: Vec<Credential> = patterns.iter().map(credential).collect();
            let found = matching(&credentials, &crate::reference(image).unwrap());
            let found: Vec<&str> = found.iter().map(|credential| credential.registry.as_str()).collect();
            assert_eq!(found, expect, "{image}");
        };
        check("busybox", &["https://index.docker.io/v1/", "other.test"], &["https://index.docker.io/v1/"]);
        check("r.test/a/b", &["r.test", "r.test/a", "r.test/a/b", "r.test/ab"], &["r.test/a/b", "r.test/a", "r.test"]);
        check("r.test:5000/a", &["r.test", "r.test:5000"], &["r.test:5000"]);
        check("x.r.test/a", &["*.r.test", "r.test", "*.test"], &["*.r.test"]);
        check("prod-1.r.test/a", &["prod-*.r.test"], &["prod-*.r.test"]);
    }
}
