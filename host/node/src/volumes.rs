//! A pod's volumes: `pkg/kubelet/volumemanager` without attachable volumes. Each type is a row of [`table`].

pub mod atomic;
mod empty_dir;
mod host_path;
mod mount;
pub mod ownership;
mod payload;
mod projected;
mod sub_path;
mod table;

use crate::fields::Facts;
use crate::tokens::Tokens;
use client::{Api, Cache};
use interfaces::workload::Mount;
use object::Object;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use typed::api::core::v1::{Container, PodSpec, Volume};

/// The message of a `FailedMount` event.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("MountVolume.SetUp failed for volume \"{volume}\" : {cause}")]
    SetUp { volume: String, cause: String },
    #[error("volume \"{volume}\" has no type that this node supports (emptyDir, hostPath, configMap, secret, downwardAPI, projected)")]
    Unsupported { volume: String },
    #[error("failed to prepare subPath for volumeMount \"{volume}\" of container \"{container}\": {cause}")]
    SubPath { volume: String, container: String, cause: String },
    #[error("volumeMount \"{volume}\" of container \"{container}\" names no volume of the pod")]
    NoVolume { volume: String, container: String },
}

/// Reads config maps and secrets, and makes tokens: the shared cache first, the API when the cache does not (yet) have it.
#[derive(Clone)]
pub struct Sources {
    pub config_maps: (Arc<Cache>, Api),
    pub secrets: (Arc<Cache>, Api),
    pub tokens: Arc<Tokens>,
}

/// What setting up a volume needs to know.
pub struct Context<'a> {
    pub pod: &'a Object,
    pub spec: &'a PodSpec,
    /// The pod's folder on the node.
    pub dir: &'a Path,
    pub sources: &'a Sources,
    pub facts: &'a Facts,
    /// The node may mount file systems.
    pub privileged: bool,
}

impl Context<'_> {
    fn fs_group(&self) -> Option<u32> {
        self.spec.security_context.as_ref().and_then(|s| s.fs_group).and_then(|g| u32::try_from(g).ok())
    }

    /// `volumes/kubernetes.io~<plugin>/<name>`, as the kubelet lays them out.
    fn place(&self, plugin: &str, volume: &Volume) -> PathBuf {
        self.dir.join("volumes").join(format!("kubernetes.io~{plugin}")).join(&volume.name)
    }
}

/// Where each volume lies, by its name.
pub type Places = BTreeMap<String, PathBuf>;

impl Sources {
    pub async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<Arc<Object>>, client::Error> {
        find(&self.config_maps, namespace, name).await
    }

    pub async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Arc<Object>>, client::Error> {
        find(&self.secrets, namespace, name).await
    }
}

async fn find((cache, api): &(Arc<Cache>, Api), namespace: &str, name: &str) -> Result<Option<Arc<Object>>, client::Error> {
    if let Some(object) = cache.get(namespace, name) {
        return Ok(Some(object));
    }
    match api.get(namespace, name).await {
        Ok(object) => Ok(Some(Arc::new(object))),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes all volumes of a pod.
pub async fn set_up(context: &Context<'_>) -> Result<Places, Error> {
    let mut places = Places::new();
    for volume in context.spec.volumes.iter().flatten() {
        let row = table::TABLE.iter().find(|row| (row.present)(volume));
        let row = row.ok_or_else(|| Error::Unsupported { volume: volume.name.clone() })?;
        let place = (row.set_up)(context, volume).await?;
        tracing::trace!(volume = volume.name, kind = row.name, "volume is set up");
        places.insert(volume.name.clone(), place);
    }
    Ok(places)
}

/// Brings the content of live volumes up to date.
pub async fn refresh(context: &Context<'_>) -> Result<(), Error> {
    for volume in context.spec.volumes.iter().flatten() {
        if let Some(row) = table::TABLE.iter().find(|row| row.live && (row.present)(volume)) {
            (row.set_up)(context, volume).await?;
        }
    }
    Ok(())
}

/// Names of the config maps and of the secrets that live volumes show.
pub fn references(spec: &PodSpec) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut config_maps, mut secrets) = (BTreeSet::new(), BTreeSet::new());
    for volume in spec.volumes.iter().flatten() {
        config_maps.extend(volume.config_map.iter().map(|s| s.name.clone()));
        secrets.extend(volume.secret.iter().filter_map(|s| s.secret_name.clone()));
        for source in volume.projected.iter().flat_map(|p| p.sources.iter().flatten()) {
            config_maps.extend(source.config_map.iter().map(|s| s.name.clone()));
            secrets.extend(source.secret.iter().map(|s| s.name.clone()));
        }
    }
    (config_maps, secrets)
}

/// Has the pod a volume whose content follows the pod's own labels and annotations?
pub fn follows_pod(spec: &PodSpec) -> bool {
    spec.volumes
        .iter()
        .flatten()
        .any(|v| v.downward_api.is_some() || v.projected.iter().flat_map(|p| p.sources.iter().flatten()).any(|s| s.downward_api.is_some()))
}

/// The mounts of one container (`makeMounts`). Sub paths are made on the way.
pub fn mounts(context: &Context<'_>, container: &Container, places: &Places, env: &[(String, String)]) -> Result<Vec<Mount>, Error> {
    let mut mounts = Vec::new();
    for (index, wanted) in container.volume_mounts.iter().flatten().enumerate() {
        let about = || (wanted.name.clone(), container.name.clone());
        let place = places.get(&wanted.name).ok_or_else(|| {
            let (volume, container) = about();
            Error::NoVolume { volume, container }
        })?;
        let refuse = |cause: String| {
            let (volume, container) = about();
            Error::SubPath { volume, container, cause }
        };
        let filled = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
        let sub = match filled(&wanted.sub_path_expr) {
            Some(expression) => {
                let missing = crate::expand::unknown(&expression, |name| crate::env::lookup(env, name).is_some());
                if !missing.is_empty() {
                    return Err(refuse(format!("missing value for {missing:?}")));
                }
                Some(crate::expand::expand(&expression, |name| crate::env::lookup(env, name)))
            }
            None => filled(&wanted.sub_path),
        };
        let source = match sub {
            Some(sub) => {
                let pinned = context.dir.join("volume-subpaths").join(&wanted.name).join(&container.name).join(index.to_string());
                sub_path::resolve(place, &sub, &pinned, context.privileged).map_err(|e| refuse(e.to_string()))?
            }
            None => place.clone(),
        };
        let propagation = match wanted.mount_propagation.as_deref() {
            Some("HostToContainer") => "rslave",
            Some("Bidirectional") => "rshared",
            _ => "private",
        };
        let target = Path::new("/").join(&wanted.mount_path);
        // What the agent writes and keeps up to date is not the container's to change, whatever the mount says.
        let volume = context.spec.volumes.iter().flatten().find(|v| v.name == wanted.name);
        let kept = volume.is_some_and(|v| table::TABLE.iter().any(|row| row.live && (row.present)(v)));
        mounts.push(Mount {
            source,
            target,
            read_only: kept || wanted.read_only.unwrap_or_default(),
            propagation: propagation.to_owned(),
            ..Mount::default()
        });
    }
    Ok(mounts)
}

/// Unmounts and removes everything under the pod's folder. Idempotent. Stops at the first file system that cannot be
/// unmounted, so that nothing of a host folder is ever removed.
pub fn tear_down(dir: &Path) -> std::io::Result<()> {
    // The table of mounts is long on a node with many pods; most pods have none.
    if ["volumes", "volume-subpaths"].iter().any(|folder| dir.join(folder).exists()) {
        for point in mount::below(dir)? {
            mount::unmount(&point)?;
        }
    }
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
