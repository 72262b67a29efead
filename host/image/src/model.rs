//! Images and the documents that describe them: OCI image-spec (manifest.md, config.md, image-index.md), which Docker's
//! schema 2 shares but for media types.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::Error;

/// An image that is whole on disk.
#[derive(Clone, Debug)]
pub struct Image {
    /// Of its manifest: `sha256:…`.
    pub digest: String,
    /// Names with tags, in full form (`docker.io/library/busybox:latest`).
    pub references: Vec<String>,
    /// Names with digests as they were pulled (`docker.io/library/busybox@sha256:…`): a Pod status' `imageID`.
    pub repo_digests: Vec<String>,
    pub config: Config,
    pub kind: Kind,
    /// Bytes of the content as transferred.
    pub size: u64,
    /// What a plugin brings along beside its component: a file with a JSON list of CustomResourceDefinitions.
    pub definitions: Option<PathBuf>,
}

/// What an image holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An artifact with one component or module.
    Wasm { component: PathBuf },
    /// File system layers as folders, the lowest first, in the form that overlayfs takes. May hold wasm, too:
    /// [`Image::wasm_component`].
    Oci { layers: Vec<PathBuf> },
}

/// How the image wants to be run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Empty: `/`.
    pub working_dir: String,
    /// `user`, `uid`, `user:group` or `uid:gid`; empty: root.
    pub user: String,
    pub labels: BTreeMap<String, String>,
    /// `80/tcp`.
    pub exposed_ports: Vec<String>,
    pub stop_signal: Option<String>,
    pub os: String,
    pub architecture: String,
}

/// Which of an image's variants is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Platform {
    /// This machine's, or else wasm.
    #[default]
    Native,
    /// Wasm, or else this machine's: for a Pod with the runtime class `wasm`.
    Wasm,
}

impl Image {
    /// Whether a wasm host should run it, as far as the image can tell: an artifact, or a command that is a `.wasm` file.
    pub fn is_wasm(&self) -> bool {
        let command = self.config.entrypoint.first().or(self.config.cmd.first());
        matches!(self.kind, Kind::Wasm { .. }) || command.is_some_and(|command| command.ends_with(".wasm"))
    }

    /// The name to show: its first one.
    pub fn name(&self) -> &str {
        self.references.first().or(self.repo_digests.first()).unwrap_or(&self.digest)
    }
}

/// `linux/amd64`, as image indexes write this machine.
pub(crate) fn native() -> (&'static str, &'static str) {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    };
    ("linux", architecture)
}

pub(crate) mod media {
    pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    pub(crate) const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    pub(crate) const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// CNCF TAG Runtime's wasm OCI artifact layout.
    pub(crate) const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
    pub(crate) const WASM: &str = "application/wasm";
    /// A JSON list of the definitions that a plugin brings along, beside its component.
    pub(crate) const DEFINITIONS: &str = "application/vnd.coracle.definitions.v1+json";

    /// What we can take from a registry.
    pub(crate) const ACCEPTED: &[&str] = &[OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST];

    /// A layer that is one wasm file; the others are older tools' names for the same.
    pub(crate) fn is_wasm(layer: &str) -> bool {
        matches!(layer, WASM | "application/vnd.wasm.content.layer.v1+wasm" | "application/vnd.module.wasm.content.layer.v1+wasm")
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: String,
    #[serde(default)]
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) annotations: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<DescriptorPlatform>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct DescriptorPlatform {
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default)]
    pub(crate) os: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) variant: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    pub(crate) schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    pub(crate) manifests: Vec<Descriptor>,
}

/// A manifest or an index of them.
pub(crate) enum Document {
    Manifest(Manifest),
    Index(Index),
}

impl Document {
    /// By its fields, as media types of documents are often absent or wrong.
    pub(crate) fn parse(what: &str, bytes: &[u8]) -> Result<Self, Error> {
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| Error::invalid(what, error))?;
        let parsed = if value.get("manifests").is_some() {
            serde_json::from_value(value).map(Document::Index)
        } else if value.get("layers").is_some() {
            serde_json::from_value(value).map(Document::Manifest)
        } else {
            return Err(Error::invalid(what, "neither an image manifest nor an index (schema 1 manifests are not supported)"));
        };
        parsed.map_err(|error| Error::invalid(what, error))
    }
}

impl Manifest {
    /// The layer that is the artifact's wasm, if this is a wasm artifact.
    pub(crate) fn wasm_layer(&self) -> Option<&Descriptor> {
        self.layers.iter().find(|layer| media::is_wasm(&layer.media_type)).or_else(|| {
            let artifact = self.config.media_type == media::WASM_CONFIG;
            self.layers.first().filter(|_| artifact && self.layers.len() == 1)
        })
    }
}

impl Manifest {
    /// The layer with the definitions that a wasm artifact brings along.
    pub(crate) fn definitions_layer(&self) -> Option<&Descriptor> {
        self.layers.iter().find(|layer| layer.media_type == media::DEFINITIONS)
    }
}

impl Index {
    /// The variant to take.
    pub(crate) fn choose(&self, reference: &str, wanted: Platform) -> Result<&Descriptor, Error> {
        let (os, architecture) = native();
        let fits = |wasm: bool| {
            self.manifests.iter().find(|manifest| match &manifest.platform {
                Some(platform) if wasm => platform.architecture == "wasm" || platform.os.starts_with("was"),
                Some(platform) => platform.os == os && platform.architecture == architecture,
                // An archive's index need not say; attestations have the platform unknown/unknown.
                None => !wasm,
            })
        };
        let first = wanted == Platform::Wasm;
        fits(first)
            .or_else(|| fits(!first))
            .ok_or_else(|| Error::NoPlatform { reference: reference.to_owned(), platform: format!("{os}/{architecture}") })
    }
}

/// The image's configuration document.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ConfigFile {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    config: Option<ExecConfig>,
    #[serde(default)]
    rootfs: RootFs,
}

#[derive(Debug, Default, Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ExecConfig {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    env: Option<Vec<String>>,
    working_dir: Option<String>,
    user: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
    stop_signal: Option<String>,
}

impl ConfigFile {
    pub(crate) fn parse(what: &str, bytes: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(bytes).map_err(|error| Error::invalid(what, error))
    }

    pub(crate) fn diff_ids(&self) -> Result<Vec<Digest>, Error> {
        self.rootfs.diff_ids.iter().map(|digest| Digest::parse(digest)).collect()
    }

    pub(crate) fn into_config(self) -> Config {
        let run = self.config.unwrap_or_default();
        Config {
            entrypoint: run.entrypoint.unwrap_or_default(),
            cmd: run.cmd.unwrap_or_default(),
            env: run.env.unwrap_or_default(),
            working_dir: run.working_dir.unwrap_or_default(),
            user: run.user.unwrap_or_default(),
            labels: run.labels.unwrap_or_default(),
            exposed_ports: run.exposed_ports.unwrap_or_default().into_keys().collect(),
            stop_signal: run.stop_signal.filter(|signal| !signal.is_empty()),
            os: self.os,
            architecture: self.architecture,
        }
    }
}
