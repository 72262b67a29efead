//! What is adapted of one run of a container, and where everything lies: written down before the container starts, so that
//! the next agent goes on with it.
//!
//! Below the container's log folder: `raw/<attempt>.log` is what the runtime writes, `raw/<attempt>.json` this plan,
//! `raw/*.cursor` how far each feed is.

use super::annotation::{self, Attachment, Wanted};
use interfaces::adapt::{Origin, Source};
use interfaces::network::PodRef;
use interfaces::workload::{Mount, Sandbox};
use object::{Object, Value};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub pod: PodRef,
    pub container: String,
    pub attempt: u32,
    /// The container's log folder.
    pub folder: PathBuf,
    pub netns: Option<PathBuf>,
    pub address: Option<IpAddr>,
    pub feeds: Vec<Feed>,
}

/// One stream and the adapters it passes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feed {
    pub source: Source,
    /// Of a file: its path in the container, and where that is: a volume on the node, and the path in it.
    pub path: String,
    pub volume: PathBuf,
    pub within: PathBuf,
    pub stages: Vec<Stage>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    pub plugin: String,
    pub metrics: Option<u16>,
    pub arguments: Vec<(String, String)>,
}

impl Plan {
    /// The plan for a container of `object`; `None` without an annotation for it.
    ///
    /// # Errors
    /// What is wrong with the annotations, in a sentence.
    pub fn new(
        object: &Object,
        containers: &[&str],
        container: &str,
        attempt: u32,
        folder: &Path,
        sandbox: &Sandbox,
        mounts: &[Mount],
    ) -> Result<Option<Self>, String> {
        let annotations = object.at(&["metadata", "annotations"]).and_then(Value::as_object);
        let ours = annotations.into_iter().flatten().filter_map(|(key, value)| Some((key.strip_prefix(annotation::PREFIX)?, value)));
        let mut found = None;
        for (name, value) in ours {
            if !containers.contains(&name) {
                return Err(format!("annotation {}{name}: the pod has no container {name:?}", annotation::PREFIX));
            }
            if name == container {
                let parsed = annotation::parse(value.as_str().unwrap_or_default());
                found = Some(parsed.map_err(|cause| format!("annotation {}{name}: {cause}", annotation::PREFIX))?);
            }
        }
        let Some(attachments) = found else { return Ok(None) };
        Ok(Some(Self {
            pod: sandbox.pod.clone(),
            container: container.to_owned(),
            attempt,
            folder: folder.to_owned(),
            netns: sandbox.netns.clone(),
            address: sandbox.addresses.first().copied(),
            feeds: feeds(&attachments, mounts).map_err(|cause| format!("annotation {}{container}: {cause}", annotation::PREFIX))?,
        }))
    }

    pub fn path(folder: &Path, attempt: u32) -> PathBuf {
        folder.join("raw").join(format!("{attempt}.json"))
    }

    /// What the runtime writes.
    pub fn raw(folder: &Path, attempt: u32) -> PathBuf {
        folder.join("raw").join(format!("{attempt}.log"))
    }

    /// How far feed `index` is. A file goes on in the container's next run, its cursor with it.
    pub fn cursor(&self, feed: &Feed) -> PathBuf {
        let name = match feed.source {
            Source::Stdout => format!("{}-stdout.cursor", self.attempt),
            Source::Stderr => format!("{}-stderr.cursor", self.attempt),
            Source::File => {
                let hash = feed.path.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
                format!("file-{hash:016x}.cursor")
            }
        };
        self.folder.join("raw").join(name)
    }

    pub fn origin(&self, feed: &Feed, stage: &Stage) -> Origin {
        Origin {
            namespace: self.pod.namespace.clone(),
            pod: self.pod.name.clone(),
            uid: self.pod.uid.clone(),
            container: self.container.clone(),
            attempt: self.attempt,
            source: feed.source,
            path: feed.path.clone(),
            arguments: stage.arguments.clone(),
        }
    }

    /// Writes the plan down, at its place.
    pub fn save(&self) -> io::Result<()> {
        let path = Self::path(&self.folder, self.attempt);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, serde_json::to_vec(self)?)
    }

    /// `None`: this run is not adapted, or all of it is done.
    pub fn load(folder: &Path, attempt: u32) -> Option<Self> {
        let bytes = std::fs::read(Self::path(folder, attempt)).ok()?;
        match serde_json::from_slice(&bytes) {
            Ok(plan) => Some(plan),
            Err(error) => {
                tracing::warn!(%error, folder = %folder.display(), attempt, "the plan of an adapted log cannot be read");
                None
            }
        }
    }

    /// Removes what is only kept until everything is adapted.
    pub fn remove(folder: &Path, attempt: u32) {
        let prefixes = [format!("{attempt}.json"), format!("{attempt}.log"), format!("{attempt}-std")];
        for entry in std::fs::read_dir(folder.join("raw")).into_iter().flatten().flatten() {
            if entry.file_name().to_str().is_some_and(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
                && let Err(error) = std::fs::remove_file(entry.path())
            {
                tracing::debug!(%error, path = %entry.path().display(), "a file of an adapted log stays");
            }
        }
    }
}

/// Both standard streams, since only one process may write the log; then the files.
fn feeds(attachments: &[Attachment], mounts: &[Mount]) -> Result<Vec<Feed>, String> {
    let stage = |a: &Attachment| Stage { plugin: a.plugin.clone(), metrics: a.metrics, arguments: a.arguments.clone() };
    let stages = |wanted: &Wanted| -> Vec<Stage> {
        let passes = |a: &&Attachment| a.source == *wanted || (a.source == Wanted::Output && !matches!(wanted, Wanted::File(_)));
        attachments.iter().filter(passes).map(stage).collect()
    };
    let standard =
        |source, wanted| Feed { source, path: String::new(), volume: PathBuf::new(), within: PathBuf::new(), stages: stages(&wanted) };
    let mut all = vec![standard(Source::Stdout, Wanted::Stdout), standard(Source::Stderr, Wanted::Stderr)];
    for attachment in attachments {
        let Wanted::File(path) = &attachment.source else { continue };
        if all.iter().any(|feed| feed.path == *path) {
            continue;
        }
        let (volume, within) = place(path, mounts).ok_or_else(|| format!("{path} lies in no volume that the container mounts"))?;
        all.push(Feed { source: Source::File, path: path.clone(), volume, within, stages: stages(&attachment.source) });
    }
    Ok(all)
}

/// The folder on the node and the path in it for a path of the container.
fn place(path: &str, mounts: &[Mount]) -> Option<(PathBuf, PathBuf)> {
    let path = Path::new(path);
    let covering = mounts.iter().filter(|mount| path.starts_with(&mount.target) && mount.source.is_dir());
    let mount = covering.max_by_key(|mount| mount.target.components().count())?;
    let within = path.strip_prefix(&mount.target).ok()?;
    (within.file_name().is_some()).then(|| (mount.source.clone(), within.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn plans() {
        let dir = tempfile::tempdir().unwrap();
        let mount = |target: &str, source: &Path| Mount { source: source.to_owned(), target: target.into(), ..Mount::default() };
        std::fs::create_dir(dir.path().join("deep")).unwrap();
        let mounts = [mount("/data", dir.path()), mount("/data/deep", &dir.path().join("deep"))];
        let make = |key: &str, value: &str| {
            let object = Object::from_value(json!({"metadata": {"annotations": {key: value, "other": "x"}}})).unwrap();
            Plan::new(&object, &["app", "side"], "app", 2, dir.path(), &Sandbox::default(), &mounts)
        };
        assert_eq!(make("other.dev/app", "x").unwrap(), None);
        assert_eq!(make("adapter.coracle.dev/side", "x").unwrap(), None);
        assert!(make("adapter.coracle.dev/none", "x").unwrap_err().contains("the pod has no container \"none\""));
        assert!(make("adapter.coracle.dev/app", "X").unwrap_err().starts_with("annotation adapter.coracle.dev/app: "));
        assert!(make("adapter.coracle.dev/app", "x?source=file:/etc/a").unwrap_err().contains("/etc/a lies in no volume"));

        let plan =
            make("adapter.coracle.dev/app", "a?source=stdout,b,c?source=file:/data/deep/r.txt,d?source=file:/data/x").unwrap().unwrap();
        let shape: Vec<_> = plan
            .feeds
            .iter()
            .map(|f| {
                let stages: Vec<&str> = f.stages.iter().map(|s| s.plugin.as_str()).collect();
                (f.source, stages, f.volume.strip_prefix(dir.path()).unwrap_or(&f.volume).to_owned(), f.within.clone())
            })
            .collect();
        assert_eq!(
            shape,
            [
                (Source::Stdout, vec!["a", "b"], "".into(), "".into()),
                (Source::Stderr, vec!["b"], "".into(), "".into()),
                (Source::File, vec!["c"], "deep".into(), "r.txt".into()),
                (Source::File, vec!["d"], "".into(), "x".into()),
            ]
        );
        plan.save().unwrap();
        assert_eq!(Plan::load(dir.path(), 2).as_ref(), Some(&plan));
        let kept = plan.cursor(&plan.feeds[2]);
        std::fs::write(&kept, "").unwrap();
        std::fs::write(plan.cursor(&plan.feeds[0]), "").unwrap();
        Plan::remove(dir.path(), 2);
        assert_eq!(Plan::load(dir.path(), 2), None);
        let left: Vec<PathBuf> = std::fs::read_dir(dir.path().join("raw")).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(left, [kept], "a file goes on in the next run");
    }
}
