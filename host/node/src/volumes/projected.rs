//! Volumes whose files come from API objects and from the pod itself: `configMap`, `secret`, `downwardAPI`, `projected`.

use super::atomic::{self, File, Payload};
use super::{Context, Error, mount, payload};
use std::path::{Path, PathBuf};
use typed::api::core::v1::{DownwardAPIVolumeFile, KeyToPath, Volume, VolumeProjection};

/// `ConfigMapVolumeSourceDefaultMode` and its siblings: 0644.
const DEFAULT_MODE: i32 = 0o644;

/// `ServiceAccountTokenProjection` defaults to an hour.
const TOKEN_SECONDS: i64 = 3600;

pub async fn config_map(context: &Context<'_>, volume: &Volume) -> Result<PathBuf, Error> {
    let source = volume.config_map.clone().unwrap_or_default();
    let mode = source.default_mode.unwrap_or(DEFAULT_MODE);
    let items = source.items.unwrap_or_default();
    let files = config_map_files(context, &source.name, &items, mode, source.optional.unwrap_or_default()).await;
    finish(context, volume, "configmap", false, files)
}

pub async fn secret(context: &Context<'_>, volume: &Volume) -> Result<PathBuf, Error> {
    let source = volume.secret.clone().unwrap_or_default();
    let mode = source.default_mode.unwrap_or(DEFAULT_MODE);
    let (name, items) = (source.secret_name.unwrap_or_default(), source.items.unwrap_or_default());
    let files = secret_files(context, &name, &items, mode, source.optional.unwrap_or_default()).await;
    finish(context, volume, "secret", true, files)
}

pub async fn downward_api(context: &Context<'_>, volume: &Volume) -> Result<PathBuf, Error> {
    let source = volume.downward_api.clone().unwrap_or_default();
    let files = downward_files(context, &source.items.unwrap_or_default(), source.default_mode.unwrap_or(DEFAULT_MODE));
    finish(context, volume, "downward-api", false, files)
}

pub async fn projected(context: &Context<'_>, volume: &Volume) -> Result<PathBuf, Error> {
    let source = volume.projected.clone().unwrap_or_default();
    let mode = source.default_mode.unwrap_or(DEFAULT_MODE);
    let mut all = Ok(Payload::new());
    let mut private = false;
    for part in source.sources.iter().flatten() {
        private |= part.secret.is_some() || part.service_account_token.is_some();
        match (&mut all, one(context, part, mode).await) {
            (Ok(all), Ok(files)) => all.extend(files),
            (Ok(_), Err(error)) => all = Err(error),
            (Err(_), _) => break,
        }
    }
    finish(context, volume, "projected", private, all)
}

async fn one(context: &Context<'_>, part: &VolumeProjection, mode: i32) -> Result<Payload, String> {
    if let Some(source) = &part.config_map {
        let items = source.items.as_deref().unwrap_or_default();
        return config_map_files(context, &source.name, items, mode, source.optional.unwrap_or_default()).await;
    }
    if let Some(source) = &part.secret {
        let items = source.items.as_deref().unwrap_or_default();
        return secret_files(context, &source.name, items, mode, source.optional.unwrap_or_default()).await;
    }
    if let Some(source) = &part.downward_api {
        return downward_files(context, source.items.as_deref().unwrap_or_default(), mode);
    }
    if let Some(source) = &part.service_account_token {
        let (audience, seconds) = (source.audience.as_deref().unwrap_or_default(), source.expiration_seconds.unwrap_or(TOKEN_SECONDS));
        let token = context.sources.tokens.get(context.pod, audience, seconds).await;
        let token = token.map_err(|e| format!("failed to fetch token: {}", e.chain()))?;
        let mode = u32::try_from(mode).unwrap_or_default();
        return Ok(Payload::from([(source.path.clone(), File { data: token.into_bytes(), mode })]));
    }
    let kind = match part {
        p if p.cluster_trust_bundle.is_some() => "clusterTrustBundle",
        _ => "podCertificate",
    };
    Err(format!("projected source {kind} is not supported by this node"))
}

async fn config_map_files(context: &Context<'_>, name: &str, items: &[KeyToPath], mode: i32, optional: bool) -> Result<Payload, String> {
    let found = context.sources.config_map(context.pod.namespace(), name).await.map_err(|e| e.to_string())?;
    match found {
        Some(object) => payload::files(&payload::config_map_data(&object), items, mode, optional, "config"),
        None if optional => Ok(Payload::new()),
        None => Err(format!("configmap \"{name}\" not found")),
    }
}

async fn secret_files(context: &Context<'_>, name: &str, items: &[KeyToPath], mode: i32, optional: bool) -> Result<Payload, String> {
    let found = context.sources.secret(context.pod.namespace(), name).await.map_err(|e| e.to_string())?;
    match found {
        Some(object) => payload::files(&crate::env::secret_data(&object), items, mode, optional, "secret"),
        None if optional => Ok(Payload::new()),
        None => Err(format!("secret \"{name}\" not found")),
    }
}

fn downward_files(context: &Context<'_>, items: &[DownwardAPIVolumeFile], mode: i32) -> Result<Payload, String> {
    payload::downward(context.pod, context.spec, items, mode, context.facts)
}

fn finish(context: &Context<'_>, volume: &Volume, plugin: &str, private: bool, files: Result<Payload, String>) -> Result<PathBuf, Error> {
    let place = context.place(plugin, volume);
    let refuse = |cause: String| Error::SetUp { volume: volume.name.clone(), cause };
    let files = files.map_err(refuse)?;
    prepare(&place, private && context.privileged).map_err(|e| refuse(e.to_string()))?;
    atomic::write(&place, &files, context.fs_group()).map_err(|e| refuse(e.to_string()))?;
    Ok(place)
}

/// Secrets and tokens lie in memory where the node may mount, so that they never reach the disk.
fn prepare(place: &Path, memory: bool) -> std::io::Result<()> {
    std::fs::create_dir_all(place)?;
    if memory && !mount::is_mounted(place)? {
        mount::tmpfs(place, None, 0o755)?;
    }
    Ok(())
}
