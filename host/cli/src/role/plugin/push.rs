//! `coracle plugin push`: an OCI artifact of the CNCF TAG Runtime's wasm layout, with the credentials that docker keeps.

use super::{Component, read};
use anyhow::{Context, Result, bail};
use image::{Credential, PullOptions};
use std::path::PathBuf;
use std::process::Stdio;

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Where to: REGISTRY/NAME:TAG
    image: String,
    #[command(flatten)]
    component: Component,
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
    image::build::wasm_artifact(&path, &args.image, &archive)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let digest = runtime.block_on(image::push(&archive, &reference, &options)).with_context(|| {
        let advice = if args.insecure { "" } else { " (a registry without TLS needs --insecure; for credentials see `docker login`)" };
        format!("cannot push to {}{advice}", args.image)
    })?;
    println!("pushed {} as {}@{digest}", found.file, reference.whole());
    println!("apply it by spec.image: {}/{}@{digest}", reference.registry(), reference.repository());
    Ok(())
}

/// Of docker's configuration: entries of `auths`, and what credential helpers say of this registry.
fn credentials(file: Option<&std::path::Path>, registry: &str) -> Result<Vec<Credential>> {
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
