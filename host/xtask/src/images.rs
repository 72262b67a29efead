//! Images for examples and tests, made from distribution packages: no registry of images is needed.
//!
//! Each is an archive as `docker save` writes it, in [`paths::images`]; one that is there is kept while its recipe has the same
//! revision.

use crate::run::{self, say};
use crate::{paths, setup};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Recipe {
    /// Of the archive.
    file: &'static str,
    /// As pods refer to it.
    name: &'static str,
    /// Counted up with every change of what is in it.
    revision: u32,
    packages: &'static [&'static str],
    make: fn(&Path, &Path) -> Result<()>,
    config: fn() -> Value,
}

const RECIPES: [Recipe; 3] = [
    Recipe {
        file: "busybox.tar",
        name: "coracle.dev/examples/busybox:v1",
        revision: 1,
        packages: &["busybox-static"],
        make: busybox,
        config: || json!({ "Cmd": ["sh"] }),
    },
    Recipe {
        file: "redis.tar",
        name: "coracle.dev/test/redis:v1",
        revision: 2,
        packages: &["redis-server", "redis-tools", "busybox-static"],
        make: redis,
        config: || json!({ "Cmd": ["redis-server", "--protected-mode", "no", "--save", ""], "WorkingDir": "/data", "ExposedPorts": { "6379/tcp": {} } }),
    },
    Recipe {
        file: "nginx.tar",
        name: "coracle.dev/test/nginx:v1",
        revision: 1,
        packages: &["nginx", "nginx-light"],
        make: nginx,
        config: || json!({ "Entrypoint": ["nginx"], "Cmd": ["-g", "daemon off;"], "ExposedPorts": { "80/tcp": {} } }),
    },
];

const NGINX_CONFIG: &str = "user root;
pid /run/nginx.pid;
error_log /dev/stderr;
events {}
http {
    access_log /dev/stdout;
    types { text/html html; text/plain txt; }
    server { listen 80; root /usr/share/nginx/html; }
}
";

/// Makes the archives that are missing and gives the paths of all.
pub fn build() -> Result<Vec<PathBuf>> {
    build_those(|_| true)
}

/// The image of the example application alone.
pub fn build_example() -> Result<Vec<PathBuf>> {
    build_those(|recipe| recipe.name.starts_with("coracle.dev/examples/"))
}

fn build_those(wanted: impl Fn(&Recipe) -> bool) -> Result<Vec<PathBuf>> {
    let dir = paths::images();
    fs::create_dir_all(&dir)?;
    let mut archives = Vec::new();
    for recipe in RECIPES.iter().filter(|r| wanted(r)) {
        let archive = dir.join(recipe.file);
        let revision = dir.join(format!("{}.revision", recipe.file));
        let made = fs::read_to_string(&revision).ok().and_then(|text| text.trim().parse::<u32>().ok()).unwrap_or(1);
        if !archive.is_file() || made != recipe.revision {
            say(format!("making the image {}", recipe.name));
            let work = dir.join(format!(".{}", recipe.file));
            let _ = fs::remove_dir_all(&work);
            make(recipe, &work, &archive).with_context(|| format!("making the image {}", recipe.name))?;
            fs::remove_dir_all(&work)?;
            fs::write(&revision, recipe.revision.to_string())?;
        }
        archives.push(archive);
    }
    Ok(archives)
}

fn make(recipe: &Recipe, work: &Path, archive: &Path) -> Result<()> {
    let (packages, root) = (work.join("packages"), work.join("root"));
    let wanted = with_libraries(recipe.packages)?;
    setup::unpack_deb(&wanted.iter().map(String::as_str).collect::<Vec<_>>(), &packages)?;
    for folder in ["bin", "dev", "etc", "proc", "run", "sys", "tmp", "var/log", "var/tmp"] {
        fs::create_dir_all(root.join(folder))?;
    }
    write(&root, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")?;
    write(&root, "etc/group", "root:x:0:\nnogroup:x:65534:\n")?;
    (recipe.make)(&packages, &root)?;
    pack(recipe, work, &root, archive)
}

fn busybox(packages: &Path, root: &Path) -> Result<()> {
    let busybox = find(packages, &["bin/busybox", "usr/bin/busybox"])?;
    fs::copy(&busybox, root.join("bin/busybox"))?;
    for applet in run::output(Command::new(&busybox).arg("--list"))?.lines().filter(|name| *name != "busybox") {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet))?;
    }
    Ok(())
}

/// With a shell, for probes.
fn redis(packages: &Path, root: &Path) -> Result<()> {
    busybox(packages, root)?;
    fs::create_dir_all(root.join("data"))?;
    for name in ["redis-server", "redis-cli"] {
        program(packages, root, &format!("usr/bin/{name}"), name)?;
    }
    Ok(())
}

fn nginx(packages: &Path, root: &Path) -> Result<()> {
    fs::create_dir_all(root.join("var/lib/nginx"))?;
    fs::create_dir_all(root.join("var/log/nginx"))?;
    write(root, "etc/nginx/nginx.conf", NGINX_CONFIG)?;
    write(root, "usr/share/nginx/html/index.html", "Welcome to nginx in Coracle\n")?;
    program(packages, root, "usr/sbin/nginx", "nginx")
}

/// Copies a program to `/bin`, and the libraries it is linked with to where its loader finds them.
fn program(packages: &Path, root: &Path, from: &str, name: &str) -> Result<()> {
    let from = fs::canonicalize(find(packages, &[from])?)?;
    fs::copy(&from, root.join("bin").join(name))?;
    let machine = std::env::consts::ARCH;
    let dirs: Vec<String> =
        ["usr/lib", "lib"].iter().map(|dir| packages.join(dir).join(format!("{machine}-linux-gnu")).display().to_string()).collect();
    let told = run::output(Command::new("ldd").arg(&from).env("LD_LIBRARY_PATH", dirs.join(":")))?;
    for line in told.lines() {
        let Some(path) = line.split_whitespace().find(|word| word.starts_with('/')) else {
            if line.contains("not found") {
                bail!("{name} needs a library that no package had: {}", line.trim());
            }
            continue;
        };
        let inside = Path::new(path).strip_prefix(packages).map_or_else(|_| PathBuf::from(path), |inside| Path::new("/").join(inside));
        let to = root.join(inside.strip_prefix("/").unwrap_or(&inside));
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(path, &to).with_context(|| format!("cannot copy {path}"))?;
    }
    Ok(())
}

/// The packages and the libraries that they depend on, directly or not.
fn with_libraries(packages: &[&str]) -> Result<BTreeSet<String>> {
    let mut ask = Command::new("apt-cache");
    ask.args([
        "depends",
        "--recurse",
        "--no-recommends",
        "--no-suggests",
        "--no-conflicts",
        "--no-breaks",
        "--no-replaces",
        "--no-enhances",
    ]);
    let told = run::output(ask.args(packages))?;
    let libraries =
        told.lines().filter(|line| line.starts_with("lib") && !line.contains("-perl") && !line.contains(':')).map(str::to_owned);
    Ok(packages.iter().map(|name| (*name).to_owned()).chain(libraries).collect())
}

fn pack(recipe: &Recipe, work: &Path, root: &Path, archive: &Path) -> Result<()> {
    let layer = work.join("layer.tar");
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "-C"]).arg(root).arg("-cf").arg(&layer).arg(".");
    run::run(&mut tar)?;
    let sum = run::output(Command::new("sha256sum").arg(&layer))?;
    let digest = sum.split_whitespace().next().context("sha256sum said nothing")?;
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let mut settings = (recipe.config)();
    if let Some(settings) = settings.as_object_mut() {
        settings.insert("Env".to_owned(), json!(["PATH=/bin:/usr/bin:/sbin:/usr/sbin"]));
    }
    let rootfs = json!({ "type": "layers", "diff_ids": [format!("sha256:{digest}")] });
    let config = json!({ "architecture": architecture, "os": "linux", "config": settings, "rootfs": rootfs });
    let manifest = json!([{ "Config": "config.json", "RepoTags": [recipe.name], "Layers": ["layer.tar"] }]);
    fs::write(work.join("config.json"), config.to_string())?;
    fs::write(work.join("manifest.json"), manifest.to_string())?;
    let part = archive.with_extension("part");
    run::run(Command::new("tar").arg("-C").arg(work).arg("-cf").arg(&part).args(["config.json", "manifest.json", "layer.tar"]))?;
    fs::rename(part, archive)?;
    Ok(())
}

fn find(dir: &Path, names: &[&str]) -> Result<PathBuf> {
    let found = names.iter().map(|name| dir.join(name)).find(|path| path.exists());
    found.with_context(|| format!("the packages have no {}", names.join(" or ")))
}

fn write(root: &Path, name: &str, text: &str) -> Result<()> {
    let path = root.join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
