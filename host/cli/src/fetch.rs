//! How plugins get their images: from the store or a registry, with the credentials that the plugin names, and only if those
//! whom the server and the plugin trust have signed them.

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::{Client, gvr};
use image::{Credential, Image, Platform, PullOptions, Reference, Verifier};
use object::{Object, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wasm::plugins::{Fetch, FetchError, Fetched, Wanted};

/// What the server asks of every plugin, whatever its object says.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct VerificationArgs {
    /// Public keys in PEM: a plugin whose image was signed (cosign) by none of them is not loaded (may be repeated)
    #[arg(long, value_name = "FILE", help_heading = "Plugins")]
    plugin_verification_keys: Vec<PathBuf>,

    /// Images that those keys are for, e.g. registry.example/team/*; others need no signature [default: all, and components
    /// that are no images are refused but for files in the plugins directory] (may be repeated)
    #[arg(long, value_name = "PATTERN", help_heading = "Plugins", requires = "plugin_verification_keys")]
    plugin_verification_images: Vec<String>,
}

/// The keys that were read.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    verifier: Verifier,
    images: Vec<String>,
}

impl VerificationArgs {
    /// # Errors
    /// A file cannot be read, or holds no key that can be used.
    pub fn policy(&self) -> Result<Policy> {
        let mut texts = Vec::new();
        for path in &self.plugin_verification_keys {
            let flag = || format!("--plugin-verification-keys {}", path.display());
            let text = std::fs::read_to_string(path).with_context(flag)?;
            Verifier::new([text.as_str()]).with_context(flag)?;
            texts.push(text);
        }
        let verifier = Verifier::new(texts.iter().map(String::as_str))?;
        Ok(Policy { verifier, images: self.plugin_verification_images.clone() })
    }
}

impl Policy {
    /// Components that cannot be signed (inline, in ConfigMaps) are not to be loaded.
    pub fn images_only(&self) -> bool {
        !self.verifier.is_empty() && self.images.is_empty()
    }

    fn applies(&self, reference: &Reference) -> bool {
        let name = format!("{}/{}", reference.registry(), reference.repository());
        !self.verifier.is_empty() && (self.images.is_empty() || self.images.iter().any(|pattern| glob(pattern, &name)))
    }
}

/// `*` stands for any characters.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(head) else { return false };
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    ends.into_iter().any(|at| text.get(at..).is_some_and(|text| glob(rest, text)))
}

/// Gets components for the loader, which asks for them by the plugin's object.
pub fn fetch(client: Client, images: Arc<image::Store>, insecure: Vec<String>, policy: Policy) -> Fetch {
    let fetcher = Arc::new(Fetcher { client, images, insecure, policy });
    Arc::new(move |wanted| {
        let fetcher = fetcher.clone();
        Box::pin(async move { fetcher.get(&wanted).await })
    })
}

/// The definitions that an image brings along.
fn definitions(path: &Path) -> Result<Vec<Value>, FetchError> {
    let bytes = std::fs::read(path).map_err(|error| FetchError::Pull(format!("its definitions cannot be read: {error}")))?;
    serde_json::from_slice(&bytes).map_err(|error| FetchError::Pull(format!("its definitions are no JSON list: {error}")))
}

struct Fetcher {
    client: Client,
    images: Arc<image::Store>,
    insecure: Vec<String>,
    policy: Policy,
}

impl Fetcher {
    async fn get(&self, wanted: &Wanted) -> Result<Fetched, FetchError> {
        let reference = image::reference(&wanted.image).map_err(pull)?;
        let options = PullOptions {
            auth: self.credentials(wanted).await?,
            insecure: self.insecure.clone(),
            platform: Platform::Wasm,
            ..PullOptions::default()
        };
        let image = self.image(&wanted.image, &reference, &options).await?;
        let mut verified = String::new();
        if self.policy.applies(&reference) {
            verified = self.verify(&self.policy.verifier, &reference, &image, &options).await?;
        }
        if !wanted.keys.is_empty() {
            let own = Verifier::new(wanted.keys.iter().map(String::as_str));
            let own = own.map_err(|error| FetchError::Verify(format!("spec.verification.publicKeys: {error}")))?;
            verified = self.verify(&own, &reference, &image, &options).await?;
        }
        let digest = image.digest.clone();
        let definitions = image.definitions.as_deref().map(definitions).transpose()?.unwrap_or_default();
        Ok(Fetched { path: image.wasm_component(None).map_err(pull)?, digest, verified, definitions })
    }

    /// What is here is taken, as with the pull policy `IfNotPresent`; of a name that moves (`latest`, or no tag) what the
    /// registry has, if it answers.
    async fn image(&self, name: &str, reference: &Reference, options: &PullOptions) -> Result<Image, FetchError> {
        let local = self.images.get(name).map_err(pull)?;
        let moves = reference.digest().is_none() && reference.tag().is_none_or(|tag| tag == "latest");
        match (local, moves) {
            (Some(image), false) => Ok(image),
            (None, _) => self.images.pull(reference, options).await.map_err(pull),
            (Some(image), true) => Ok(self.images.pull(reference, options).await.unwrap_or_else(|error| {
                tracing::info!(image = name, "what is here is used: {error}");
                image
            })),
        }
    }

    /// By its manifest, or by the index that it came by. Gives the fingerprint of the key.
    async fn verify(&self, by: &Verifier, reference: &Reference, image: &Image, options: &PullOptions) -> Result<String, FetchError> {
        let named = reference.digest().map(str::to_owned);
        let pulled = image.repo_digests.iter().filter_map(|name| name.rsplit_once('@').map(|(_, digest)| digest.to_owned()));
        let mut digests = vec![image.digest.clone()];
        for digest in named.into_iter().chain(pulled) {
            if !digests.contains(&digest) {
                digests.push(digest);
            }
        }
        let mut refused: Option<image::Error> = None;
        for digest in digests {
            match by.verify(&self.images, reference, &digest, options).await {
                Ok(verified) => return Ok(verified.key),
                // A signature that is no good tells more than one that is missing.
                Err(error) if refused.as_ref().is_none_or(|first| matches!(first, image::Error::Unsigned { .. })) => refused = Some(error),
                Err(_) => {}
            }
        }
        Err(FetchError::Verify(refused.map(|error| error.to_string()).unwrap_or_default()))
    }

    async fn credentials(&self, wanted: &Wanted) -> Result<Vec<Credential>, FetchError> {
        if !wanted.pull_secrets.is_empty() && wanted.namespace.is_empty() {
            let cause = "spec.imagePullSecrets: they are taken from the namespace of spec.grants.serviceAccount, which is not set";
            return Err(FetchError::Pull(cause.to_owned()));
        }
        let mut all = Vec::new();
        for name in &wanted.pull_secrets {
            let failed = |cause: String| FetchError::Pull(format!("pull secret {}/{name}: {cause}", wanted.namespace));
            let secret = self.client.api(&gvr::secrets()).get(&wanted.namespace, name).await;
            let secret = secret.map_err(|error| failed(error.to_string()))?;
            all.extend(credentials(&secret).map_err(failed)?);
        }
        Ok(all)
    }
}

/// Of a Secret of type `kubernetes.io/dockerconfigjson` or `kubernetes.io/dockercfg`.
fn credentials(secret: &Object) -> Result<Vec<Credential>, String> {
    let value = [".dockerconfigjson", ".dockercfg"].into_iter().map(|key| secret.str_at(&["data", key])).find(|text| !text.is_empty());
    let text = value.ok_or_else(|| "it has neither .dockerconfigjson nor .dockercfg".to_owned())?;
    let bytes = STANDARD.decode(text).map_err(|error| error.to_string())?;
    image::auth::parse(&bytes).map_err(|error| error.to_string())
}

fn pull(error: image::Error) -> FetchError {
    FetchError::Pull(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn patterns_name_images() {
        let cases = [
            ("r.test/team/*", "r.test/team/app", true),
            ("r.test/team/*", "r.test/team/deep/app", true),
            ("r.test/team/*", "r.test/teams/app", false),
            ("r.test/team/*", "evil.test/r.test/team/app", false),
            ("*/app", "r.test/team/app", true),
            ("r.*/app", "r.test/app", true),
            ("r.test/app", "r.test/app", true),
            ("r.test/app", "r.test/apps", false),
            ("*", "r.test/app", true),
            ("", "r.test/app", false),
        ];
        for (pattern, name, expect) in cases {
            assert_eq!(glob(pattern, name), expect, "{pattern} {name}");
        }
    }

    #[test]
    fn credentials_are_read_from_both_kinds_of_secrets() {
        let encoded = |text: &str| STANDARD.encode(text);
        let check = |data: object::Value| {
            let secret = Object::from_value(json!({ "metadata": { "name": "s" }, "data": data })).unwrap();
            credentials(&secret).map(|all| all.into_iter().map(|one| (one.registry, one.username, one.password)).collect::<Vec<_>>())
        };
        let user = vec![("r.test".to_owned(), "u".to_owned(), "p".to_owned())];
        let auths = r#"{"r.test":{"username":"u","password":"p"}}"#;
        assert_eq!(check(json!({ ".dockerconfigjson": encoded(&format!("{{\"auths\":{auths}}}")) })), Ok(user.clone()));
        assert_eq!(check(json!({ ".dockercfg": encoded(auths) })), Ok(user));
        assert_eq!(check(json!({ "password": encoded("p") })).unwrap_err(), "it has neither .dockerconfigjson nor .dockercfg");
        assert!(check(json!({ ".dockercfg": "%" })).is_err());
    }
}
