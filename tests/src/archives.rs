//! Image archives that clusters import at start: OCI images from packages, and guests as OCI artifacts.

use crate::paths;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Guests that are examples, as are the workloads in each language; the others are `coracle.dev/test/NAME:v1`.
const EXAMPLES: [&str; 6] = ["hello-http", "leader-election", "log-shipper", "redis-ambassador", "scatter-gather", "work-queue"];

/// The image that most tests of OCI containers run.
pub const fn busybox() -> &'static str {
    "coracle.dev/examples/busybox:v1"
}

/// The archive for a short name: `busybox`, `redis`, `nginx`, or a guest's.
pub fn archive(name: &str) -> PathBuf {
    if matches!(name, "busybox" | "redis" | "nginx") {
        return paths::image(&format!("{name}.tar"));
    }
    let guest = paths::guest(name);
    let metadata = std::fs::metadata(&guest).expect("a guest is a file");
    // The name tells one build from another, so an archive that is there is the right one.
    let to = paths::scratch("archives").join(format!("{name}-{}-{}.tar", metadata.mtime(), metadata.len()));
    if !to.exists() {
        let folder = if EXAMPLES.contains(&name) || name.ends_with("-workload") { "examples" } else { "test" };
        let reference = format!("coracle.dev/{folder}/{name}:v1");
        image::build::wasm_artifact(&guest, &reference, &to).unwrap_or_else(|error| panic!("image of {name}: {error}"));
    }
    to
}

/// Links the archives of these names into a folder.
pub(crate) fn link_all(names: &[&str], folder: &Path) {
    std::fs::create_dir_all(folder).expect("the image folder can be made");
    for name in names {
        let link = folder.join(format!("{name}.tar"));
        std::os::unix::fs::symlink(archive(name), link).expect("an archive can be linked");
    }
}
