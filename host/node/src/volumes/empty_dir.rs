//! `emptyDir`: a folder that lives as long as the pod (`pkg/volume/emptydir`).

use super::{Context, Error, mount, ownership};
use object::quantity::Quantity;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use typed::api::core::v1::Volume;

pub async fn set_up(context: &Context<'_>, volume: &Volume) -> Result<PathBuf, Error> {
    let place = context.place("empty-dir", volume);
    let source = volume.empty_dir.clone().unwrap_or_default();
    let size = source.size_limit.as_ref().and_then(|q| Quantity::parse(&q.0).ok()).map(Quantity::value);
    let memory = match source.medium.as_deref() {
        None | Some("") => false,
        Some("Memory") => true,
        Some(other) => return Err(refuse(volume, format!("medium {other:?} is not supported by this node"))),
    };
    if memory && !context.privileged {
        return Err(refuse(volume, "medium Memory needs a node that runs as root".to_owned()));
    }
    // Anyone may write, as upstream has it: who the containers run as is not known here.
    let mode = source.mode.and_then(|m| u32::try_from(m).ok()).unwrap_or(0o777);
    make(&place, memory, size, mode, context.fs_group()).map_err(|e| refuse(volume, e.to_string()))?;
    Ok(place)
}

fn make(place: &Path, memory: bool, size: Option<i64>, mode: u32, group: Option<u32>) -> io::Result<()> {
    let new = !place.exists();
    if new {
        std::fs::create_dir_all(place)?;
    }
    let fresh_mount = memory && !mount::is_mounted(place)?;
    if fresh_mount {
        mount::tmpfs(place, size, mode)?;
    }
    // A volume that was there keeps what the containers made of it.
    if new || fresh_mount {
        std::fs::set_permissions(place, std::fs::Permissions::from_mode(mode))?;
        if let Some(group) = group {
            ownership::apply(place, group)?;
        }
    }
    Ok(())
}

fn refuse(volume: &Volume, cause: String) -> Error {
    Error::SetUp { volume: volume.name.clone(), cause }
}
