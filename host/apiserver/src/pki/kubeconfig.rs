//! The file that kubectl reads.

use super::{Error, files};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::path::Path;

/// A kubeconfig with one cluster, user and context of the given name. JSON, which is YAML.
pub fn kubeconfig(context: &str, server: &str, ca_pem: &str, cert_pem: &str, key_pem: &str) -> String {
    let encode = |pem: &str| STANDARD.encode(pem);
    let value = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": context, "preferences": {},
        "clusters": [{ "name": context, "cluster": { "server": server, "certificate-authority-data": encode(ca_pem) } }],
        "users": [{ "name": context, "user": { "client-certificate-data": encode(cert_pem), "client-key-data": encode(key_pem) } }],
        "contexts": [{ "name": context, "context": { "cluster": context, "user": context } }],
    });
    serde_yaml_ng::to_string(&value).unwrap_or_else(|_| value.to_string())
}

/// Writes it for its owner only (0600), whole or not at all.
pub fn write_kubeconfig(path: &Path, context: &str, server: &str, ca_pem: &str, cert_pem: &str, key_pem: &str) -> Result<(), Error> {
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty() && !p.exists()) {
        files::make_dir(parent)?;
    }
    files::write(path, &kubeconfig(context, server, ca_pem, cert_pem, key_pem), 0o600)
}
