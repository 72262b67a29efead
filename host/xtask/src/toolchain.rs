//! A Rust toolchain with the std of the wasm targets.
//!
//! In order: the user's own toolchain when it has the targets; else a sysroot made once from distribution packages
//! (compiler and std sources from `rustc-web` and `rust-web-src`, linkers from the user's toolchain, the C library from
//! the npm package of the YoWASP clang); else an error that tells the rustup line. It never lets rustup download.

use crate::paths;
use crate::run::{self, say};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGETS: [&str; 2] = ["wasm32-unknown-unknown", "wasm32-wasip2"];
/// The release whose resources hold the libc that the recipe was proven with.
const LIBC_PACKAGE: &str = "@yowasp/clang@22.0.0-git20542-10";
const WEB_RUSTC: &str = "/usr/bin/rustc";
const WEB_SOURCES: &str = "/usr/lib/rustlib/src/rust/library";

/// The compiler to build guests with, made on first use.
pub fn rustc() -> Result<PathBuf> {
    let own = std::env::var_os("RUSTC").map_or_else(|| PathBuf::from("rustc"), PathBuf::from);
    if has_targets(&own) {
        return Ok(own);
    }
    let dir = paths::cache().join("guest-toolchain");
    let made = dir.join("bin/rustc");
    if has_targets(&made) {
        return Ok(made);
    }
    if !Path::new(WEB_SOURCES).is_dir() && run::output(Command::new("apt-cache").args(["show", "rustc-web"])).is_err() {
        bail!(
            "no toolchain here has the wasm targets, and this system has no package rustc-web; run\n    rustup target add {}",
            TARGETS.join(" ")
        );
    }
    say("making the wasm toolchain (once, a few minutes)");
    if !Path::new(WEB_SOURCES).is_dir() {
        crate::setup::apt(&["rustc-web", "rust-web-src"])?;
    }
    let libc = libc(&dir)?;
    sysroot(&dir, &libc)?;
    if !has_targets(&made) {
        bail!("the wasm toolchain in {} was made but has no std for {}", dir.display(), TARGETS.join(", "));
    }
    Ok(made)
}

/// Differs for compilers whose standard libraries differ: what one compiled, another cannot link.
pub fn stamp(rustc: &Path) -> Result<String> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    run::output(Command::new(rustc).arg("-vV"))?.hash(&mut hasher);
    for target in TARGETS {
        let dir = run::output(Command::new(rustc).args(["--print", "target-libdir", "--target", target]))?;
        let files = std::fs::read_dir(&dir).with_context(|| format!("the standard library in {dir}"))?.flatten();
        let std = files.filter(|f| f.file_name().to_string_lossy().starts_with("libstd-"));
        let mut made: Vec<_> = std.map(|f| Ok((f.file_name(), f.metadata()?.modified()?))).collect::<std::io::Result<_>>()?;
        made.sort();
        (dir, made).hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn has_targets(rustc: &Path) -> bool {
    TARGETS.iter().all(|target| {
        let Ok(dir) = run::output(Command::new(rustc).args(["--print", "target-libdir", "--target", target])) else { return false };
        let Ok(files) = std::fs::read_dir(dir) else { return false };
        files.flatten().any(|f| f.file_name().to_string_lossy().starts_with("libstd-"))
    })
}

/// `libc.a` and the start files for wasip2.
fn libc(dir: &Path) -> Result<PathBuf> {
    let libc = dir.join("libc");
    if libc.join("libc.a").is_file() {
        return Ok(libc);
    }
    if !run::has("npm") {
        crate::setup::apt(&["npm"])?;
    }
    std::fs::create_dir_all(&libc)?;
    let pack = run::output(Command::new("npm").args(["pack", "--silent", LIBC_PACKAGE]).current_dir(&libc))?;
    let pack = pack.lines().last().context("npm pack told no file name")?.to_owned();
    run::run(Command::new("tar").args(["xzf", &pack, "package/gen/llvm-resources.tar"]).current_dir(&libc))?;
    let inner = ["xf", "package/gen/llvm-resources.tar", "--strip-components=2", "lib/wasm32-wasip1"];
    run::run(Command::new("tar").args(inner).current_dir(&libc))?;
    std::fs::remove_file(libc.join(pack))?;
    std::fs::remove_dir_all(libc.join("package"))?;
    Ok(libc)
}

fn sysroot(dir: &Path, libc: &Path) -> Result<()> {
    let own = PathBuf::from(run::output(Command::new("rustc").args(["--print", "sysroot"]))?);
    let told = run::output(Command::new("rustc").arg("-vV"))?;
    let host = told.lines().find_map(|l| l.strip_prefix("host: ")).context("rustc -vV tells no host")?;
    let linkers = own.join("lib/rustlib").join(host).join("bin");
    for name in ["bin", "lib"] {
        let _ = std::fs::remove_dir_all(dir.join(name));
    }
    let host_dir = dir.join("lib/rustlib").join(host);
    std::fs::create_dir_all(dir.join("bin"))?;
    std::fs::create_dir_all(&host_dir)?;
    let link = |from: PathBuf, to: PathBuf| std::os::unix::fs::symlink(&from, &to).with_context(|| format!("cannot link {}", to.display()));
    link(Path::new("/usr/lib/rustlib").join(host).join("lib"), host_dir.join("lib"))?;
    link(linkers, host_dir.join("bin"))?;
    link("/usr/lib/rustlib/src".into(), dir.join("lib/rustlib/src"))?;
    let wrapper = dir.join("bin/rustc");
    std::fs::write(&wrapper, format!("#!/bin/sh\nexec {WEB_RUSTC} --sysroot {} \"$@\"\n", dir.display()))?;
    run::run(Command::new("chmod").arg("+x").arg(&wrapper))?;

    let work = dir.join("std");
    std::fs::create_dir_all(work.join("src"))?;
    std::fs::write(work.join("src/lib.rs"), "")?;
    let manifest = "[package]\nname=\"x\"\nversion=\"0.0.0\"\nedition=\"2021\"\n[profile.release]\npanic=\"abort\"\n[workspace]\n";
    std::fs::write(work.join("Cargo.toml"), manifest)?;
    for target in TARGETS {
        // Bitcode must be embedded, or guests that ask for LTO do not link.
        let args = ["build", "--quiet", "--release", "--target", target, "-Z", "build-std=std,panic_abort"];
        let mut cargo = Command::new("cargo");
        cargo.args(args).current_dir(&work).env("RUSTC", &wrapper).env("RUSTC_BOOTSTRAP", "1");
        cargo.env("RUSTFLAGS", "-Cembed-bitcode=yes").env("CARGO_TARGET_DIR", work.join("target"));
        cargo.env_remove("RUSTC_WRAPPER").env_remove("CARGO_ENCODED_RUSTFLAGS");
        run::run(&mut cargo)?;
        let lib = dir.join("lib/rustlib").join(target).join("lib");
        std::fs::create_dir_all(&lib)?;
        for file in std::fs::read_dir(work.join("target").join(target).join("release/deps"))?.flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            if name.ends_with(".rlib") && !name.starts_with("libx-") {
                std::fs::copy(file.path(), lib.join(name))?;
            }
        }
        if target.contains("wasip") {
            let contained = lib.join("self-contained");
            std::fs::create_dir_all(&contained)?;
            for name in ["libc.a", "crt1-command.o", "crt1-reactor.o"] {
                std::fs::copy(libc.join(name), contained.join(name)).with_context(|| format!("the C library lacks {name}"))?;
            }
        }
    }
    std::fs::remove_dir_all(work)?;
    Ok(())
}
