//! Pulling: OCI distribution-spec through `oci-client`, with retries, resumption and the order of credentials that kubelet has.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use oci_client::client::{BlobResponse, Certificate, CertificateEncoding, Client, ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::manifest::ImageIndexEntry;
use oci_client::secrets::RegistryAuth;
use sha2::Digest as _;

use crate::Reference;
use crate::auth::{self, Credential};
use crate::digest::Digest;
use crate::error::{Error, at};
use crate::model::{Descriptor, Document, Image, Platform, media};
use crate::store::{Names, Source, Store};

/// Tries of one request; the node backs off between pulls by itself, so this only bridges hiccups.
const TRIES: u32 = 4;

/// Before the second try, doubled for each further one.
const FIRST_DELAY: Duration = Duration::from_millis(250);

/// A registry that says nothing for so long is taken for dead.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Documents larger than this are refused: distribution's own limit for manifests.
const MAX_DOCUMENT: u64 = 4 << 20;

/// Chunks of a download that may wait for the disk: about 256 KiB.
const CHUNKS: usize = 16;

/// How to pull.
#[derive(Clone, Default)]
pub struct PullOptions {
    /// Credentials of all registries, as [`auth::parse`] reads them; those that match are tried, the most specific first, and
    /// then none.
    pub auth: Vec<Credential>,
    /// Registries (`host` or `host:port`) to speak plain HTTP with. Those on the loopback interface need not be listed: they
    /// are tried by HTTPS first, then by HTTP.
    pub insecure: Vec<String>,
    /// Further certificate authorities to trust, PEM.
    pub roots: Vec<Vec<u8>>,
    pub platform: Platform,
    /// Called as bytes arrive, from several tasks.
    pub progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
}

/// How far one blob is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    pub digest: String,
    pub received: u64,
    pub total: u64,
}

impl Store {
    /// Brings an image here, or as much of it as is missing. Pulls of the same content at the same time fetch it once.
    ///
    /// Always asks the registry what the name stands for now; whether to ask is the caller's `imagePullPolicy`.
    pub async fn pull(&self, reference: &Reference, options: &PullOptions) -> Result<Image, Error> {
        let resolved = resolve(reference, options).await?;
        let mut manifest = resolved.document;
        let digest = Digest::of(&manifest);
        if let Document::Index(index) = Document::parse(&reference.whole(), &manifest)? {
            let chosen = index.choose(&reference.whole(), options.platform)?;
            let name = reference.clone_with_digest(chosen.digest.clone());
            manifest = resolved.remote.document(&name).await?;
        }
        let names = Names {
            references: reference.digest().is_none().then(|| reference.whole()).into_iter().collect(),
            repo_digests: vec![format!("{}/{}@{digest}", reference.registry(), reference.repository())],
        };
        self.install(&reference.whole(), &manifest, Arc::new(resolved.remote), names).await
    }
}

pub(crate) struct Resolved {
    pub(crate) remote: Remote,
    /// What the name stands for: a manifest or an index.
    pub(crate) document: Vec<u8>,
}

/// Finds the scheme and the credential with which the registry gives the image.
pub(crate) async fn resolve(reference: &Reference, options: &PullOptions) -> Result<Resolved, Error> {
    let mut credentials: Vec<RegistryAuth> = auth::matching(&options.auth, reference).into_iter().map(registry_auth).collect();
    credentials.push(RegistryAuth::Anonymous);
    let mut refused = None;
    for auth in credentials {
        for protocol in protocols(reference, &options.insecure) {
            let remote = Remote {
                client: client(protocol.clone(), &options.roots)?,
                auth: auth.clone(),
                reference: reference.clone(),
                progress: options.progress.clone(),
            };
            // A second protocol follows only on the loopback interface, where a refused connection is final.
            let tries = if protocol == ClientProtocol::Https && loopback(reference.resolve_registry()) { 1 } else { TRIES };
            match remote.document_in(reference, tries).await {
                Ok(document) => return Ok(Resolved { remote, document }),
                Err(Failed { error, unreachable }) => {
                    let another = unreachable && tries == 1;
                    if !another {
                        // The first refusal is told: it belongs to the most specific credential.
                        refused.get_or_insert(error);
                    }
                    if !unreachable {
                        break;
                    }
                }
            }
        }
    }
    Err(refused.unwrap_or_else(|| Error::NotFound { reference: reference.whole() }))
}

fn registry_auth(credential: &Credential) -> RegistryAuth {
    match &credential.token {
        Some(token) => RegistryAuth::Bearer(token.clone()),
        None => RegistryAuth::Basic(credential.username.clone(), credential.password.clone()),
    }
}

fn loopback(registry: &str) -> bool {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    let address: Option<std::net::IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    host == "localhost" || address.is_some_and(|address| address.is_loopback())
}

fn protocols(reference: &Reference, insecure: &[String]) -> Vec<ClientProtocol> {
    let registry = reference.resolve_registry();
    let listed = insecure.iter().any(|other| other == registry || other == reference.registry());
    match (listed, loopback(registry)) {
        (true, _) => vec![ClientProtocol::Http],
        (false, true) => vec![ClientProtocol::Https, ClientProtocol::Http],
        (false, false) => vec![ClientProtocol::Https],
    }
}

/// A client of its own per pull: `oci-client` keeps the first credential it sees for a registry.
pub(crate) fn client(protocol: ClientProtocol, roots: &[Vec<u8>]) -> Result<Client, Error> {
    // Someone else in the process may have chosen already; any provider will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = |accept_invalid_certificates| ClientConfig {
        protocol: protocol.clone(),
        accept_invalid_certificates,
        extra_root_certificates: roots.iter().map(|data| Certificate { encoding: CertificateEncoding::Pem, data: data.clone() }).collect(),
        read_timeout: Some(READ_TIMEOUT),
        connect_timeout: Some(CONNECT_TIMEOUT),
        user_agent: concat!("coracle/", env!("CARGO_PKG_VERSION")),
        ..ClientConfig::default()
    };
    let made = Client::try_from(config(false)).or_else(|error| match protocol {
        // A machine without certificate authorities can still pull by plain HTTP; digests are checked all the same.
        ClientProtocol::Http => Client::try_from(config(true)),
        _ => Err(error),
    });
    made.map_err(|error| Error::invalid("registry client", causes(&error)))
}

/// One image's place in a registry.
pub(crate) struct Remote {
    client: Client,
    auth: RegistryAuth,
    reference: Reference,
    progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
}

struct Failed {
    error: Error,
    /// No connection came about.
    unreachable: bool,
}

impl Remote {
    pub(crate) async fn document(&self, reference: &Reference) -> Result<Vec<u8>, Error> {
        self.document_in(reference, TRIES).await.map_err(|failed| failed.error)
    }

    /// What the registry says refers to a digest; its referrers tag where it does not know of referrers.
    pub(crate) async fn referrers(&self, subject: &Reference) -> Result<Vec<ImageIndexEntry>, Error> {
        let found = self.client.pull_referrers(subject, None).await;
        found.map(|index| index.manifests).map_err(|error| explain("list the referrers of", subject, &error))
    }

    /// A blob that is to be held in memory: of `most` bytes at the most.
    pub(crate) async fn small(&self, blob: &Descriptor, most: u64) -> Result<Vec<u8>, Error> {
        let mut response = self
            .client
            .pull_blob_stream(&self.reference, blob.digest.as_str())
            .await
            .map_err(|error| explain("fetch a blob of", &self.reference, &error))?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.next().await {
            bytes.extend_from_slice(&chunk.map_err(|error| Error::invalid(format!("blob {}", blob.digest), error))?);
            if bytes.len() as u64 > most {
                return Err(Error::invalid(format!("blob {}", blob.digest), format!("larger than {most} bytes")));
            }
        }
        Digest::parse(&blob.digest)?.check(&format!("blob of {}", self.reference), Digest::of(&bytes))?;
        Ok(bytes)
    }

    async fn document_in(&self, reference: &Reference, tries: u32) -> Result<Vec<u8>, Failed> {
        let mut backoff = Backoff::new(tries);
        loop {
            match self.client.pull_manifest_raw(reference, &self.auth, media::ACCEPTED).await {
                Ok((bytes, _)) if bytes.len() as u64 > MAX_DOCUMENT => {
                    let error = Error::invalid(reference.whole(), "the manifest is larger than 4 MiB");
                    return Err(Failed { error, unreachable: false });
                }
                Ok((bytes, _)) => return Ok(bytes.to_vec()),
                Err(error) if transient(&error) && backoff.wait().await => {}
                Err(error) => {
                    // A certificate that we do not trust is an answer: it must not lead to plain HTTP.
                    let unreachable = matches!(&error, OciDistributionError::RequestError(cause) if cause.is_connect())
                        && !causes(&error).contains("certificate");
                    return Err(Failed { error: explain("resolve reference", reference, &error), unreachable });
                }
            }
        }
    }

    fn tell(&self, blob: &Descriptor, received: u64) {
        if let Some(progress) = &self.progress {
            progress(Progress { digest: blob.digest.clone(), received, total: blob.size });
        }
    }

    /// Appends to the file from where it ends, off the async threads. False: the connection broke, and another try may get
    /// the rest.
    async fn receive(&self, blob: &Descriptor, mut partial: Partial) -> Result<(Partial, bool), Error> {
        let expected = Digest::parse(&blob.digest)?;
        let response = self.client.pull_blob_stream_partial(&self.reference, blob.digest.as_str(), partial.received, None).await;
        let mut stream = match response {
            Ok(BlobResponse::Partial(stream)) => stream,
            Ok(BlobResponse::Full(stream)) => {
                partial.restart()?;
                stream
            }
            Err(error) if transient(&error) => return Ok((partial, false)),
            Err(error) => return Err(explain("fetch a layer of", &self.reference, &error)),
        };
        let mut received = partial.received;
        let (chunks, mut inbox) = tokio::sync::mpsc::channel::<Bytes>(CHUNKS);
        let writer = tokio::task::spawn_blocking(move || {
            while let Some(chunk) = inbox.blocking_recv() {
                partial.append(&chunk)?;
            }
            Ok::<_, Error>(partial)
        });
        while received < blob.size
            && let Some(chunk) = stream.next().await
        {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => {
                    tracing::debug!(digest = blob.digest, received, "a download broke off: {error}");
                    break;
                }
            };
            received += chunk.len() as u64;
            if chunks.send(chunk).await.is_err() {
                // The writer failed and says why.
                break;
            }
            self.tell(blob, received);
        }
        drop(chunks);
        let partial = writer.await.map_err(|error| Error::invalid(format!("blob {expected}"), error))??;
        if partial.received < blob.size {
            return Ok((partial, false));
        }
        if partial.received > blob.size {
            return Err(Error::invalid(format!("blob {expected}"), format!("longer than the {} bytes promised", blob.size)));
        }
        expected.check(&format!("blob of {}", self.reference), partial.digest())?;
        Ok((partial, true))
    }
}

#[async_trait]
impl Source for Remote {
    async fn bytes(&self, blob: &Descriptor, scratch: &Path) -> Result<Vec<u8>, Error> {
        if blob.size > MAX_DOCUMENT {
            return Err(Error::invalid(format!("blob {}", blob.digest), "larger than 4 MiB"));
        }
        let path = self.file(blob, scratch).await?;
        std::fs::read(&path).map_err(at("read", &path))
    }

    async fn file(&self, blob: &Descriptor, scratch: &Path) -> Result<PathBuf, Error> {
        let path = scratch.join("blob");
        let mut partial = Partial::new(&path)?;
        let mut backoff = Backoff::new(TRIES);
        loop {
            let before = partial.received;
            let (after, whole) = self.receive(blob, partial).await?;
            if whole {
                return Ok(path);
            }
            partial = after;
            if partial.received > before {
                // It goes forward, so the count starts anew.
                backoff = Backoff::new(TRIES);
            }
            if !backoff.wait().await {
                let reason = format!("the connection broke after {} of {} bytes of {}", partial.received, blob.size, blob.digest);
                return Err(Error::Registry { operation: "fetch a layer of", reference: self.reference.whole(), reason });
            }
        }
    }
}

/// A blob as far as it is here.
struct Partial {
    path: PathBuf,
    file: File,
    hash: sha2::Sha256,
    received: u64,
}

impl Partial {
    fn new(path: &Path) -> Result<Self, Error> {
        let file = File::create(path).map_err(at("make", path))?;
        Ok(Self { path: path.to_path_buf(), file, hash: sha2::Sha256::new(), received: 0 })
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(at("write", &self.path))?;
        self.hash.update(bytes);
        self.received += bytes.len() as u64;
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Error> {
        self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0))).map_err(at("write", &self.path))?;
        self.hash = sha2::Sha256::new();
        self.received = 0;
        Ok(())
    }

    fn digest(&self) -> Digest {
        Digest::from_hash(self.hash.clone())
    }
}

/// Waits between tries.
struct Backoff {
    left: u32,
    delay: Duration,
}

impl Backoff {
    fn new(tries: u32) -> Self {
        Self { left: tries.saturating_sub(1), delay: FIRST_DELAY }
    }

    /// False: no try is left.
    async fn wait(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        tokio::time::sleep(self.delay).await;
        self.delay *= 2;
        true
    }
}

/// Whether the same request may succeed a moment later.
fn transient(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::RequestError(error) => !error.is_builder(),
        OciDistributionError::ServerError { code, .. } => *code >= 500 || *code == 429,
        OciDistributionError::RegistryError { envelope, .. } => {
            envelope.errors.iter().any(|error| matches!(error.code, OciErrorCode::Toomanyrequests))
        }
        OciDistributionError::IoError(_) => true,
        _ => false,
    }
}

/// The registry's refusal in our words.
pub(crate) fn explain(operation: &'static str, reference: &Reference, error: &OciDistributionError) -> Error {
    use OciErrorCode::{BlobUnknown, Denied, ManifestUnknown, NameUnknown, NotFound, Unauthorized};
    let whole = reference.whole();
    let unauthorized = |reason: String| Error::Unauthorized { reference: whole.clone(), reason };
    match error {
        OciDistributionError::UnauthorizedError { .. } => unauthorized("authentication required".to_owned()),
        OciDistributionError::AuthenticationFailure(reason) => unauthorized(reason.clone()),
        OciDistributionError::ServerError { code: 401 | 403, message, .. } => unauthorized(message.trim().to_owned()),
        OciDistributionError::ServerError { code: 404, .. } | OciDistributionError::ImageManifestNotFoundError(_) => {
            Error::NotFound { reference: whole }
        }
        OciDistributionError::RegistryError { envelope, .. } => {
            let said = envelope.errors.iter().find(|error| !matches!(error.code, BlobUnknown));
            match said.map(|error| (&error.code, error.message.as_str())) {
                Some((ManifestUnknown | NameUnknown | NotFound, _)) => Error::NotFound { reference: whole },
                Some((Denied | Unauthorized, message)) => unauthorized(message.to_owned()),
                Some((code, message)) => Error::Registry { operation, reference: whole, reason: format!("{code:?}: {message}") },
                None => Error::Registry { operation, reference: whole, reason: "the registry lacks a blob of it".to_owned() },
            }
        }
        other => Error::Registry { operation, reference: whole, reason: causes(other) },
    }
}

/// An error with all that stands behind it: the cause that helps (`connection refused`) is the innermost.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut inner = error.source();
    while let Some(cause) = inner {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        inner = cause.source();
    }
    text
}
