//! Making images from files: for tests and for the set-up of examples. No build steps, one layer.
//!
//! ```no_run
//! # fn main() -> Result<(), image::Error> {
//! use image::build::{Format, ImageBuilder};
//! let image = ImageBuilder::new("busybox:local").binary("/bin/busybox", "/bin/busybox")?.link("/bin/sh", "busybox").cmd(["/bin/sh"]);
//! image.write("/tmp/busybox.tar".as_ref(), Format::OciLayout)?;
//! # Ok(())
//! # }
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use tar::{EntryType, Header};

use crate::digest::{Digest, Digesting};
use crate::error::{Error, at};
use crate::model::{Descriptor, DescriptorPlatform, Index, Manifest, media, native};

/// What kind of archive to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An OCI layout as tar; layers are gzip.
    OciLayout,
    /// As `docker save` wrote it up to version 24; layers are plain.
    DockerArchive,
}

/// An image to be.
#[derive(Clone, Debug)]
pub struct ImageBuilder {
    name: String,
    /// By path in the image, without the leading slash.
    entries: BTreeMap<String, Content>,
    config: serde_json::Map<String, serde_json::Value>,
    platform: (String, String),
}

#[derive(Clone, Debug)]
enum Content {
    Folder { mode: u32 },
    File { from: PathBuf, mode: u32 },
    Bytes { bytes: Vec<u8>, mode: u32 },
    Link { target: String },
}

impl ImageBuilder {
    pub fn new(name: &str) -> Self {
        let (os, architecture) = native();
        let platform = (os.to_owned(), architecture.to_owned());
        Self { name: name.to_owned(), entries: BTreeMap::new(), config: serde_json::Map::new(), platform }
    }

    /// A file of this machine, with its permissions.
    pub fn file(mut self, from: impl Into<PathBuf>, to: &str) -> Result<Self, Error> {
        let from = from.into();
        let metadata = fs::metadata(&from).map_err(at("look at", &from))?;
        if !metadata.is_file() {
            return Err(Error::invalid(from.display().to_string(), "not a regular file"));
        }
        let mode = metadata.permissions().mode() & 0o7777;
        self.entries.insert(inside(to), Content::File { from, mode });
        Ok(self)
    }

    /// A program of this machine and the shared libraries that it needs, at the paths they have here.
    pub fn binary(self, from: impl Into<PathBuf>, to: &str) -> Result<Self, Error> {
        let from = from.into();
        let libraries = shared_libraries(&from)?;
        let mut image = self.file(&from, to)?;
        for library in libraries {
            let to = library.display().to_string();
            image = image.file(library, &to)?;
        }
        Ok(image)
    }

    /// Everything below a folder of this machine: files, folders and symbolic links.
    pub fn tree(mut self, from: impl AsRef<Path>, to: &str) -> Result<Self, Error> {
        let from = from.as_ref();
        for entry in fs::read_dir(from).map_err(at("list", from))? {
            let entry = entry.map_err(at("list", from))?;
            let (path, to) = (entry.path(), format!("{to}/{}", entry.file_name().to_string_lossy()));
            let metadata = fs::symlink_metadata(&path).map_err(at("look at", &path))?;
            if metadata.is_symlink() {
                let target = fs::read_link(&path).map_err(at("read", &path))?;
                self = self.link(&to, &target.to_string_lossy());
            } else if metadata.is_dir() {
                self.entries.insert(inside(&to), Content::Folder { mode: metadata.permissions().mode() & 0o7777 });
                self = self.tree(&path, &to)?;
            } else if metadata.is_file() {
                self = self.file(path, &to)?;
            }
        }
        Ok(self)
    }

    pub fn bytes(mut self, to: &str, bytes: impl Into<Vec<u8>>, mode: u32) -> Self {
        self.entries.insert(inside(to), Content::Bytes { bytes: bytes.into(), mode });
        self
    }

    pub fn folder(mut self, to: &str, mode: u32) -> Self {
        self.entries.insert(inside(to), Content::Folder { mode });
        self
    }

    pub fn link(mut self, to: &str, target: &str) -> Self {
        self.entries.insert(inside(to), Content::Link { target: target.to_owned() });
        self
    }

    pub fn entrypoint<'a>(self, words: impl IntoIterator<Item = &'a str>) -> Self {
        self.words("Entrypoint", words)
    }

    pub fn cmd<'a>(self, words: impl IntoIterator<Item = &'a str>) -> Self {
        self.words("Cmd", words)
    }

    /// `NAME=value`.
    pub fn env<'a>(self, variables: impl IntoIterator<Item = &'a str>) -> Self {
        self.words("Env", variables)
    }

    pub fn working_dir(self, path: &str) -> Self {
        self.set("WorkingDir", json!(path))
    }

    pub fn user(self, user: &str) -> Self {
        self.set("User", json!(user))
    }

    /// `80/tcp`.
    pub fn expose(self, port: &str) -> Self {
        self.set("ExposedPorts", json!({ port: {} }))
    }

    pub fn label(mut self, name: &str, value: &str) -> Self {
        let labels = self.config.entry("Labels").or_insert_with(|| json!({}));
        if let Some(labels) = labels.as_object_mut() {
            labels.insert(name.to_owned(), json!(value));
        }
        self
    }

    /// `linux`, `amd64`; for an image that holds a wasm file `wasip2`, `wasm`. Without it: this machine's.
    pub fn platform(mut self, os: &str, architecture: &str) -> Self {
        self.platform = (os.to_owned(), architecture.to_owned());
        self
    }

    fn words<'a>(self, key: &str, words: impl IntoIterator<Item = &'a str>) -> Self {
        let words: Vec<&str> = words.into_iter().collect();
        self.set(key, json!(words))
    }

    fn set(mut self, key: &str, value: serde_json::Value) -> Self {
        self.config.insert(key.to_owned(), value);
        self
    }

    /// Writes the archive. The same input gives the same bytes.
    pub fn write(&self, to: &Path, format: Format) -> Result<(), Error> {
        let name = crate::reference(&self.name)?.whole();
        let scratch = tempfile::tempdir().map_err(at("make a folder in", &std::env::temp_dir()))?;
        let layer = scratch.path().join("layer");
        let failed = || at("write", &layer);
        let file = Digesting::new(BufWriter::new(File::create(&layer).map_err(failed())?));
        let (file, diff_id) = match format {
            Format::OciLayout => {
                let plain = Digesting::new(GzEncoder::new(file, Compression::fast()));
                let (gzip, diff_id, _) = self.write_layer(plain)?.finish();
                (gzip.finish().map_err(failed())?, diff_id)
            }
            Format::DockerArchive => {
                let (file, diff_id, _) = self.write_layer(Digesting::new(file))?.finish();
                (file, diff_id)
            }
        };
        let (mut file, digest, size) = file.finish();
        file.flush().map_err(failed())?;
        drop(file);
        let (os, architecture) = &self.platform;
        let config = json!({
            "architecture": architecture,
            "os": os,
            "config": self.config,
            "rootfs": { "type": "layers", "diff_ids": [diff_id.to_string()] },
        });
        let config = config.to_string().into_bytes();
        match format {
            Format::OciLayout => {
                let manifest = Manifest {
                    schema_version: 2,
                    media_type: Some(media::OCI_MANIFEST.to_owned()),
                    config: descriptor(media::OCI_CONFIG, &Digest::of(&config), config.len() as u64),
                    layers: vec![descriptor(media::OCI_LAYER_GZIP, &digest, size)],
                };
                let platform = DescriptorPlatform { architecture: architecture.clone(), os: os.clone(), variant: None };
                let documents = Documents { manifest: to_json(&manifest)?, config, definitions: None };
                write_layout(to, &name, &documents, Some(platform), &digest, &layer)
            }
            Format::DockerArchive => {
                let config_name = format!("{}.json", Digest::of(&config).as_str().trim_start_matches("sha256:"));
                let manifest = json!([{ "Config": config_name, "RepoTags": [self.name], "Layers": ["layer/layer.tar"] }]);
                let mut archive = Tar::create(to)?;
                archive.add(&config_name, &config)?;
                archive.add_file("layer/layer.tar", &layer)?;
                archive.add("manifest.json", manifest.to_string().as_bytes())?;
                archive.finish()
            }
        }
    }

    fn write_layer<W: Write>(&self, out: W) -> Result<W, Error> {
        let mut builder = tar::Builder::new(out);
        let mut folders: BTreeSet<String> = BTreeSet::new();
        for (path, content) in &self.entries {
            let failed = || at("add to the layer", Path::new(path));
            // Folders on the way come first, unless they are entries of their own.
            for (end, _) in path.match_indices('/') {
                let folder = path.get(..end).unwrap_or_default();
                if !self.entries.contains_key(folder) && folders.insert(folder.to_owned()) {
                    let mut header = header(EntryType::Directory, 0o755, 0);
                    builder.append_data(&mut header, format!("{folder}/"), io::empty()).map_err(failed())?;
                }
            }
            match content {
                Content::Folder { mode } => {
                    builder.append_data(&mut header(EntryType::Directory, *mode, 0), format!("{path}/"), io::empty()).map_err(failed())?;
                }
                Content::File { from, mode } => {
                    let file = File::open(from).map_err(at("open", from))?;
                    let size = file.metadata().map_err(at("look at", from))?.len();
                    builder.append_data(&mut header(EntryType::Regular, *mode, size), path, file).map_err(failed())?;
                }
                Content::Bytes { bytes, mode } => {
                    let mut header = header(EntryType::Regular, *mode, bytes.len() as u64);
                    builder.append_data(&mut header, path, bytes.as_slice()).map_err(failed())?;
                }
                Content::Link { target } => {
                    builder.append_link(&mut header(EntryType::Symlink, 0o777, 0), path, target).map_err(failed())?;
                }
            }
        }
        builder.into_inner().map_err(at("finish the layer of", Path::new(&self.name)))
    }
}

/// Writes a wasm file as an OCI artifact in a layout: one layer of type `application/wasm`.
pub fn wasm_artifact(component: &Path, name: &str, to: &Path) -> Result<(), Error> {
    plugin_artifact(component, None, name, to)
}

/// The same with what a plugin brings along as a second layer: a JSON list of CustomResourceDefinitions.
pub fn plugin_artifact(component: &Path, definitions: Option<&[u8]>, name: &str, to: &Path) -> Result<(), Error> {
    let name = crate::reference(name)?.whole();
    let bytes = fs::read(component).map_err(at("read", component))?;
    if !bytes.starts_with(b"\0asm") {
        return Err(Error::invalid(component.display().to_string(), "not a WebAssembly file"));
    }
    let digest = Digest::of(&bytes);
    let documents = wasm_documents(&digest, bytes.len() as u64, definitions);
    let platform = DescriptorPlatform { architecture: "wasm".to_owned(), os: "wasip2".to_owned(), variant: None };
    write_layout(to, &name, &documents, Some(platform), &digest, component)
}

/// A manifest and its configuration, and what else an artifact has beside its component.
pub(crate) struct Documents {
    pub(crate) manifest: Vec<u8>,
    pub(crate) config: Vec<u8>,
    pub(crate) definitions: Option<Vec<u8>>,
}

/// Source: CNCF TAG Runtime, Wasm OCI Artifact layout.
pub(crate) fn wasm_documents(component: &Digest, size: u64, definitions: Option<&[u8]>) -> Documents {
    let mut layers = vec![descriptor(media::WASM, component, size)];
    layers.extend(definitions.map(|bytes| descriptor(media::DEFINITIONS, &Digest::of(bytes), bytes.len() as u64)));
    let digests: Vec<&str> = layers.iter().map(|layer| layer.digest.as_str()).collect();
    let config = json!({ "architecture": "wasm", "os": "wasip2", "layerDigests": digests }).to_string().into_bytes();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media::OCI_MANIFEST,
        "config": { "mediaType": media::WASM_CONFIG, "digest": Digest::of(&config).as_str(), "size": config.len() },
        "layers": layers,
    });
    Documents { manifest: manifest.to_string().into_bytes(), config, definitions: definitions.map(<[u8]>::to_vec) }
}

fn descriptor(media_type: &str, digest: &Digest, size: u64) -> Descriptor {
    Descriptor { media_type: media_type.to_owned(), digest: digest.to_string(), size, annotations: None, platform: None }
}

fn to_json(document: &impl serde::Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(document).map_err(|error| Error::invalid("document", error))
}

fn write_layout(
    to: &Path,
    name: &str,
    documents: &Documents,
    platform: Option<DescriptorPlatform>,
    blob: &Digest,
    content: &Path,
) -> Result<(), Error> {
    let mut manifest = descriptor(media::OCI_MANIFEST, &Digest::of(&documents.manifest), documents.manifest.len() as u64);
    manifest.platform = platform;
    let tag = name.rsplit_once(':').map_or(name, |(_, tag)| tag);
    let annotations = [("io.containerd.image.name", name), ("org.opencontainers.image.ref.name", tag)];
    manifest.annotations = Some(annotations.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    let index = Index { schema_version: 2, media_type: Some(media::OCI_INDEX.to_owned()), manifests: vec![manifest] };
    let mut archive = Tar::create(to)?;
    archive.add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    archive.add("index.json", &to_json(&index)?)?;
    for document in [Some(&documents.manifest), Some(&documents.config), documents.definitions.as_ref()].into_iter().flatten() {
        archive.add(&blob_name(&Digest::of(document)), document)?;
    }
    archive.add_file(&blob_name(blob), content)?;
    archive.finish()
}

fn blob_name(digest: &Digest) -> String {
    digest.below(Path::new("blobs")).display().to_string()
}

/// An archive that gets its name when it is whole.
struct Tar {
    to: PathBuf,
    builder: tar::Builder<tempfile::NamedTempFile>,
}

impl Tar {
    fn create(to: &Path) -> Result<Self, Error> {
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = tempfile::NamedTempFile::new_in(folder).map_err(at("make a file in", folder))?;
        Ok(Self { to: to.to_path_buf(), builder: tar::Builder::new(file) })
    }

    fn add(&mut self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        let mut header = header(EntryType::Regular, 0o644, bytes.len() as u64);
        self.builder.append_data(&mut header, path, bytes).map_err(at("write", &self.to))
    }

    fn add_file(&mut self, path: &str, from: &Path) -> Result<(), Error> {
        let file = File::open(from).map_err(at("open", from))?;
        let size = file.metadata().map_err(at("look at", from))?.len();
        self.builder.append_data(&mut header(EntryType::Regular, 0o644, size), path, file).map_err(at("write", &self.to))
    }

    fn finish(self) -> Result<(), Error> {
        let file = self.builder.into_inner().map_err(at("write", &self.to))?;
        let mode = fs::Permissions::from_mode(0o644);
        file.as_file().set_permissions(mode).map_err(at("set the mode of", &self.to))?;
        file.persist(&self.to).map(drop).map_err(|error| at("put in place", &self.to)(error.error))
    }
}

/// Owned by root, without a time, so that the same input gives the same digest.
fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn inside(path: &str) -> String {
    path.trim_matches('/').to_owned()
}

/// What the dynamic linker would load for a program, itself included; none for a static one.
fn shared_libraries(program: &Path) -> Result<Vec<PathBuf>, Error> {
    let output = Command::new("ldd").arg(program).output().map_err(at("find the libraries of", program))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let said = text + &String::from_utf8_lossy(&output.stderr);
        if said.contains("not a dynamic executable") || said.contains("statically linked") {
            return Ok(Vec::new());
        }
        return Err(Error::invalid(program.display().to_string(), said.trim()));
    }
    if let Some(missing) = text.lines().find(|line| line.contains("not found")) {
        return Err(Error::invalid(program.display().to_string(), missing.trim()));
    }
    let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from);
    Ok(text.lines().filter_map(path).collect())
}
