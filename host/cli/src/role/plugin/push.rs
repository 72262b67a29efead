//! `coracle plugin push`: an OCI artifact of the CNCF TAG Runtime's wasm layout, with the credentials that docker keeps.

use super::trial::documents;
use super::{Component, Folder, read};
use anyhow::{Context, Result, anyhow, bail};
use author::contract::base;
use image::{Credential, PullOptions};
use object::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use wasm::plugins::controllers::Crd;

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Where to: REGISTRY/NAME:TAG
    image: String,
    #[command(flatten)]
    component: Component,
    /// A folder of manifests with CustomResourceDefinitions that a controller brings along [default: crds/ of the project, if it is
    /// there]
    #[arg(long, value_name = "DIR")]
    crds: Option<PathBuf>,
    /// Speak plain HTTP with the registry
    #[arg(long)]
    insecure: bool,
    /// PEM of a certificate authority to trust (may be repeated)
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
    /// Credentials as `docker login` writes them [default: $DOCKER_CONFIG/config.json, ~/.docker/config.json]
    #[arg(long, value_name = "FILE")]
    auth_file: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<()> {
    let path = args.component.path()?;
    let reference = image::reference(&args.image)?;
    if reference.digest().is_some() {
        bail!("{}: push to a tag; the digest follows from the component", args.image);
    }
    let found = super::inspect::look(&path)?;
    let registry = reference.registry().to_owned();
    let options = PullOptions {
        auth: credentials(args.auth_file.as_deref(), &registry)?,
        insecure: if args.insecure { vec![registry] } else { Vec::new() },
        roots: args.ca.iter().map(|path| read(path)).collect::<Result<_>>()?,
        ..PullOptions::default()
    };
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let archive = folder.path().join("artifact.tar");
    let definitions = definitions(args.crds.as_deref(), &args.component.folder)?;
    if !definitions.is_empty() && !found.exports.iter().any(|export| base(export) == "coracle:plugin/reconcile") {
        bail!("--crds: {} is no controller, and only controllers bring definitions along", found.file);
    }
    let layer = (!definitions.is_empty()).then(|| serde_json::to_vec(&definitions)).transpose()?;
    image::build::plugin_artifact(&path, layer.as_deref(), &args.image, &archive)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let digest = runtime.block_on(image::push(&archive, &reference, &options)).with_context(|| {
        let advice = if args.insecure { "" } else { " (a registry without TLS needs --insecure; for credentials see `docker login`)" };
        format!("cannot push to {}{advice}", args.image)
    })?;
    println!("pushed {} as {}@{digest}", found.file, reference.whole());
    for crd in &definitions {
        println!("  with {}", crd.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default());
    }
    println!("apply it by spec.image: {}/{}@{digest}", reference.registry(), reference.repository());
    Ok(())
}

/// What is to go along: every document of every manifest in the folder, which must be definitions.
///
/// # Errors
/// The folder was named and has none; or it has something else.
pub fn definitions(named: Option<&Path>, project: &Folder) -> Result<Vec<Value>> {
    let folder = match (named, project.open()) {
        (Some(folder), _) => folder.to_owned(),
        (None, Ok(project)) if project.folder.join("crds").is_dir() => project.folder.join("crds"),
        _ => return Ok(Vec::new()),
    };
    let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known)));
    files.sort();
    let mut all = Vec::new();
    for file in files {
        for value in documents(&file)? {
            Crd::new(value.clone()).map_err(|cause| anyhow!("{}: a document {cause}", file.display()))?;
            all.push(value);
        }
    }
    if all.is_empty() {
        bail!("{} has no manifest with a CustomResourceDefinition", folder.display());
    }
    Ok(all)
}

/// Of docker's configuration: entries of `auths`, and what credential helpers say of this registry.
fn credentials(file: Option<&Path>, registry: &str) -> Result<Vec<Credential>> {
    let place = match file {
        Some(file) => file.to_owned(),
        None => {
            let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker"));
            let Some(folder) = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from).or_else(home) else { return Ok(Vec::new()) };
            let place = folder.join("config.json");
            if !place.is_file() {
                return Ok(Vec::new());
            }
            place
        }
    };
    let bytes = read(&place)?;
    let told = || format!("credentials in {}", place.display());
    let config: serde_json::Value = serde_json::from_slice(&bytes).with_context(told)?;
    if let Some(helper) = helper(&config, registry) {
        return helped(&helper, registry).map(|credential| credential.into_iter().collect());
    }
    match config.get("auths") {
        Some(_) => image::auth::parse(&bytes).with_context(told),
        None => Ok(Vec::new()),
    }
}

/// The program that keeps the credentials of a registry: its own, or that of all.
fn helper(config: &serde_json::Value, registry: &str) -> Option<String> {
    let own = config.get("credHelpers").and_then(|helpers| helpers.get(registry));
    let name = own.or_else(|| config.get("credsStore"))?.as_str()?;
    (!name.is_empty()).then(|| format!("docker-credential-{name}"))
}

/// `None`: the helper knows nothing of this registry. The protocol: docker/docker-credential-helpers README.
fn helped(program: &str, registry: &str) -> Result<Option<Credential>> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        username: String,
        secret: String,
    }
    let failed = || format!("the credential helper {program}, which docker's configuration names");
    let mut child =
        std::process::Command::new(program).arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().with_context(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        std::io::Write::write_all(&mut stdin, registry.as_bytes()).with_context(failed)?;
    }
    let output = child.wait_with_output().with_context(failed)?;
    if !output.status.success() {
        return Ok(None);
    }
    let answer: Answer = serde_json::from_slice(&output.stdout).with_context(failed)?;
    // By this name a helper gives an identity token, which is for the registry's token server.
    let token = (answer.username == "<token>").then(|| answer.secret.clone());
    Ok(Some(Credential { registry: registry.to_owned(), username: answer.username, password: answer.secret, token }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn helpers_are_named_by_registry() {
        for (config, expect) in [
            (json!({}), None),
            (json!({"credsStore": "pass"}), Some("docker-credential-pass")),
            (json!({"credsStore": ""}), None),
            (json!({"credsStore": "pass", "credHelpers": {"r.test": "own"}}), Some("docker-credential-own")),
            (json!({"credHelpers": {"other.test": "own"}}), None),
        ] {
            assert_eq!(helper(&config, "r.test").as_deref(), expect, "{config}");
        }
    }

    #[test]
    fn credentials_are_read_where_docker_keeps_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        std::fs::write(&file, r#"{"auths": {"r.test": {"auth": "dXNlcjpwYXNz"}}}"#).unwrap();
        let found = credentials(Some(&file), "r.test").unwrap();
        assert_eq!(found.iter().map(|c| (c.username.as_str(), c.password.as_str())).collect::<Vec<_>>(), [("user", "pass")]);
        std::fs::write(&file, "{}").unwrap();
        assert_eq!(credentials(Some(&file), "r.test").unwrap(), []);
        std::fs::write(&file, "nonsense").unwrap();
        assert!(credentials(Some(&file), "r.test").is_err());
    }
}
