//! What the agent needs of images. The store itself is crate `image`; this is the seam.

use async_trait::async_trait;
use std::path::{Path, PathBuf};

/// An image that is present on the node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// `name@sha256:…`, as `imageID` tells it.
    pub id: String,
    /// Bytes of all blobs; 0 when not known.
    pub size: u64,
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    pub working_dir: String,
    pub user: String,
    /// A signal's name or number; empty: SIGTERM.
    pub stop_signal: String,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A wasm component.
    Wasm { component: PathBuf, digest: String },
    /// Unpacked layers, lowest first.
    Oci { layers: Vec<PathBuf> },
}

impl Default for Kind {
    fn default() -> Self {
        Self::Oci { layers: Vec::new() }
    }
}

/// One registry's login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    /// As written in `auths`: a registry's host, maybe with a path.
    pub registry: String,
    pub user: String,
    pub password: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    #[error("Failed to apply default image tag {name:?}: {cause}")]
    InvalidName { name: String, cause: String },
    #[error("{cause}")]
    Pull { cause: String },
    #[error("Failed to inspect image {name:?}: {cause}")]
    Inspect { name: String, cause: String },
}

#[async_trait]
pub trait Images: Send + Sync {
    /// The image, if it is here.
    async fn local(&self, name: &str) -> Result<Option<Image>, ImageError>;
    /// Fetches it, trying the logins that fit its registry and then none.
    async fn pull(&self, name: &str, logins: &[Login]) -> Result<Image, ImageError>;
    /// Takes in every archive of a folder; answers the names that are new.
    async fn import(&self, folder: &Path) -> Result<Vec<String>, ImageError>;
}

/// The logins of one `kubernetes.io/dockerconfigjson` or `kubernetes.io/dockercfg` secret.
pub fn logins(secret: &object::Object) -> Vec<Login> {
    let data = crate::env::secret_data(secret);
    let file =
        |name: &str| data.iter().find(|(key, _)| key == name).and_then(|(_, bytes)| serde_json::from_slice::<object::Value>(bytes).ok());
    let auths = match file(".dockerconfigjson") {
        Some(config) => config.get("auths").cloned(),
        None => file(".dockercfg"),
    };
    let auths = auths.as_ref().and_then(object::Value::as_object).into_iter().flatten();
    auths.filter_map(|(registry, entry)| login(registry, entry)).collect()
}

fn login(registry: &str, entry: &object::Value) -> Option<Login> {
    use base64::Engine;
    let text = |name: &str| entry.get(name).and_then(object::Value::as_str).unwrap_or_default().to_owned();
    let (mut user, mut password) = (text("username"), text("password"));
    let auth = text("auth");
    if !auth.is_empty() {
        let decoded = base64::engine::general_purpose::STANDARD.decode(auth).ok()?;
        let decoded = String::from_utf8(decoded).ok()?;
        let (u, p) = decoded.split_once(':')?;
        (user, password) = (u.to_owned(), p.to_owned());
    }
    let registry = registry.trim_start_matches("https://").trim_start_matches("http://");
    let registry = registry.trim_end_matches('/').trim_end_matches("/v1").trim_end_matches("/v2");
    (!user.is_empty()).then(|| Login { registry: registry.to_owned(), user, password })
}

/// Number of the signal that an image's `StopSignal` or a pod's `stopSignal` names; 15 for what is not known.
pub fn signal(name: &str) -> i32 {
    if let Ok(number) = name.parse::<i32>() {
        return if (1..=64).contains(&number) { number } else { 15 };
    }
    let name = name.to_uppercase();
    let name = if name.starts_with("SIG") { name } else { format!("SIG{name}") };
    if let Some(offset) = name.strip_prefix("SIGRTMIN+").and_then(|n| n.parse::<i32>().ok()) {
        return 34 + offset.clamp(0, 30);
    }
    name.parse::<nix::sys::signal::Signal>().map_or(15, |signal| signal as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn pull_secrets() {
        use base64::Engine;
        let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        let config = format!(
            r#"{{"auths": {{"https://r.example/v1/": {{"auth": "{}"}}, "s.example:5000/team": {{"username": "u", "password": "p"}}, "bad": {{}}}}}}"#,
            encode("me:se:cret")
        );
        let secret = object::Object::from_value(json!({"data": {".dockerconfigjson": encode(&config)}})).unwrap();
        let login =
            |registry: &str, user: &str, password: &str| Login { registry: registry.into(), user: user.into(), password: password.into() };
        assert_eq!(logins(&secret), [login("r.example", "me", "se:cret"), login("s.example:5000/team", "u", "p")]);
    }

    #[test]
    fn signals() {
        for (name, expect) in
            [("", 15), ("SIGTERM", 15), ("SIGQUIT", 3), ("QUIT", 3), ("sigint", 2), ("9", 9), ("SIGRTMIN+3", 37), ("NOPE", 15), ("900", 15)]
        {
            assert_eq!(signal(name), expect, "{name}");
        }
    }
}
