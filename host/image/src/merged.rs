//! Reading through layers as overlayfs would show them: whiteouts hide, opaque folders cut off, links are followed within the
//! image and never out of it.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, at};
use crate::model::{Image, Kind};

/// Links followed before a path counts as a loop: Linux' own limit.
pub(crate) const MAX_LINKS: usize = 40;

/// A whiteout hides what lower layers have under its name: a character device 0/0.
pub(crate) fn is_whiteout(metadata: &Metadata) -> bool {
    metadata.file_type().is_char_device() && metadata.rdev() == 0
}

/// The attributes that mark a folder which hides those of lower layers; the second is for mounts without privileges.
pub(crate) const OPAQUE: [&str; 2] = ["trusted.overlay.opaque", "user.overlay.opaque"];

pub(crate) fn is_opaque(folder: &Path) -> bool {
    OPAQUE.iter().any(|name| {
        let mut value = [0_u8; 1];
        matches!(rustix::fs::lgetxattr(folder, *name, &mut value[..]), Ok(1)) && value == *b"y"
    })
}

/// Layers, the lowest first.
pub(crate) struct View<'a> {
    pub(crate) layers: &'a [PathBuf],
}

pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) metadata: Metadata,
}

impl View<'_> {
    /// What stands at a path whose folders are no links. Links are not followed.
    pub(crate) fn at(&self, path: &Path) -> io::Result<Option<Found>> {
        'layer: for layer in self.layers.iter().rev() {
            let mut here = layer.clone();
            let mut hidden = false;
            for component in path {
                hidden |= is_opaque(&here);
                here.push(component);
                match fs::symlink_metadata(&here) {
                    Ok(metadata) if here == layer.join(path) => {
                        return Ok((!is_whiteout(&metadata)).then_some(Found { path: here, metadata }));
                    }
                    Ok(metadata) if metadata.is_dir() => {}
                    // A whiteout or a file hides the folder of a lower layer.
                    Ok(_) => return Ok(None),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        if hidden {
                            return Ok(None);
                        }
                        continue 'layer;
                    }
                    Err(error) => return Err(error),
                }
            }
            // The root itself.
            return Ok(Some(Found { metadata: fs::symlink_metadata(&here)?, path: here }));
        }
        Ok(None)
    }

    /// What a process in the image would find at a path: links are followed.
    pub(crate) fn resolve(&self, path: &str) -> io::Result<Option<Found>> {
        let mut walk = Walk::new(Path::new(path));
        loop {
            let Some(name) = walk.next() else { return self.at(&walk.reached()) };
            let here = walk.reached().join(&name);
            match self.at(&here)? {
                None => return Ok(None),
                Some(found) if found.metadata.is_symlink() => walk.follow(&fs::read_link(&found.path)?)?,
                Some(_) => walk.enter(name),
            }
        }
    }

    /// Every visible file with this extension, as paths in the image.
    fn with_extension(&self, extension: &str) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for layer in self.layers {
            let mut folders = vec![layer.clone()];
            while let Some(folder) = folders.pop() {
                for entry in fs::read_dir(&folder)? {
                    let entry = entry?;
                    let kind = entry.file_type()?;
                    if kind.is_dir() {
                        folders.push(entry.path());
                    } else if kind.is_file() && entry.path().extension() == Some(OsStr::new(extension)) {
                        found.extend(entry.path().strip_prefix(layer).map(Path::to_path_buf));
                    }
                }
            }
        }
        found.sort();
        found.dedup();
        let mut visible = Vec::new();
        for path in found {
            if self.at(&path)?.is_some_and(|found| found.metadata.is_file()) {
                visible.push(path);
            }
        }
        Ok(visible)
    }
}

/// A path on its way through folders and links, clamped to the root.
pub(crate) struct Walk {
    reached: Vec<OsString>,
    rest: VecDeque<OsString>,
    links: usize,
}

impl Walk {
    pub(crate) fn new(path: &Path) -> Self {
        let mut walk = Self { reached: Vec::new(), rest: VecDeque::new(), links: 0 };
        walk.push(path);
        walk
    }

    fn push(&mut self, path: &Path) {
        for component in path.components().rev() {
            match component {
                Component::Normal(name) => self.rest.push_front(name.to_owned()),
                Component::ParentDir => self.rest.push_front(OsString::from("..")),
                _ => {}
            }
        }
    }

    /// The folder reached, relative to the root.
    pub(crate) fn reached(&self) -> PathBuf {
        self.reached.iter().collect()
    }

    /// The next name below the folder reached.
    pub(crate) fn next(&mut self) -> Option<OsString> {
        loop {
            let name = self.rest.pop_front()?;
            if name != ".." {
                return Some(name);
            }
            self.reached.pop();
        }
    }

    pub(crate) fn enter(&mut self, name: OsString) {
        self.reached.push(name);
    }

    pub(crate) fn follow(&mut self, target: &Path) -> io::Result<()> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many levels of symbolic links"));
        }
        if target.is_absolute() {
            self.reached.clear();
        }
        self.push(target);
        Ok(())
    }
}

impl Image {
    /// The WebAssembly file to run.
    ///
    /// For an artifact its component. For an ordinary image the file that the given entrypoint (a Pod's `command`), or else the
    /// image's own, names; when none names a `.wasm` file, the only `.wasm` file in the image.
    pub fn wasm_component(&self, entrypoint: Option<&str>) -> Result<PathBuf, Error> {
        let layers = match &self.kind {
            Kind::Wasm { component } => return Ok(component.clone()),
            Kind::Oci { layers } => layers,
        };
        let view = View { layers };
        let none = |reason: String| Error::NoComponent { image: self.name().to_owned(), reason };
        let failed = |error: io::Error| none(error.to_string());
        let own = self.config.entrypoint.first().or(self.config.cmd.first()).map(String::as_str);
        if let Some(command) = entrypoint.or(own).filter(|command| command.ends_with(".wasm")) {
            let path = match command.starts_with('/') {
                true => command.to_owned(),
                false => format!("{}/{command}", self.config.working_dir),
            };
            return match view.resolve(&path).map_err(failed)? {
                Some(found) if found.metadata.is_file() => Ok(found.path),
                Some(_) => Err(none(format!("{path} is not a regular file"))),
                None => Err(none(format!("{path} does not exist in it"))),
            };
        }
        let files = view.with_extension("wasm").map_err(failed)?;
        match files.as_slice() {
            [] => Err(none("no layer of type application/wasm and no .wasm file".to_owned())),
            [only] => {
                let found = view.at(only).map_err(failed)?;
                found.map(|found| found.path).ok_or_else(|| none(format!("{} does not exist in it", only.display())))
            }
            several => {
                let names: Vec<String> = several.iter().map(|path| format!("/{}", path.display())).collect();
                Err(none(format!("it has {} .wasm files ({}); name one as the command", names.len(), names.join(", "))))
            }
        }
    }

    /// Where a file of an OCI image is on disk, as the topmost layer that shows it has it; links are followed within the
    /// image. `None`: not there, or not an OCI image.
    pub fn find(&self, path: &str) -> Result<Option<PathBuf>, Error> {
        let Kind::Oci { layers } = &self.kind else { return Ok(None) };
        let found = View { layers }.resolve(path).map_err(at("look up", Path::new(path)))?;
        Ok(found.map(|found| found.path))
    }
}
