//! One start of one container: image, environment, mounts, runtime (`startContainer` in
//! `pkg/kubelet/kuberuntime/kuberuntime_container.go`).

use super::prepare::Prepared;
use super::slot::Run;
use super::status::spec_of;
use crate::adapters::plan::Plan;
use crate::agent::Agent;
use crate::images;
use crate::{env, resources, security, volumes};
use client::Type;
use image::{Image, Platform, PullOptions};
use interfaces::workload::{self, ContainerId, ContainerState, ImageSource, Phase, Sandbox};
use object::{Object, ObjectRef};
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio_util::sync::CancellationToken;
use typed::api::core::v1::{Container, PodSpec};

pub struct Job {
    pub agent: Arc<Agent>,
    pub object: Arc<Object>,
    pub prepared: Arc<Prepared>,
    pub container: String,
    pub attempt: u32,
    /// The pod is ending: what has not started shall not.
    pub cancel: CancellationToken,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It runs, or has already ended.
    Started(Box<Run>),
    /// Nothing was made; a waiting reason and message. `pull`: the image is at fault.
    Refused { reason: &'static str, message: String, pull: bool },
    /// The pod ended first.
    Cancelled,
}

fn refused(reason: &'static str, message: impl Into<String>) -> Outcome {
    Outcome::Refused { reason, message: message.into(), pull: false }
}

pub async fn start(job: Job) -> Outcome {
    match run(&job).await {
        Ok(outcome) | Err(outcome) => outcome,
    }
}

async fn run(job: &Job) -> Result<Outcome, Outcome> {
    let pod = typed::pod(&job.object).map_err(|e| refused("CreateContainerConfigError", e.to_string()))?;
    let spec = pod.spec.as_ref().ok_or(Outcome::Cancelled)?;
    let container = spec_of(spec, &job.container).ok_or(Outcome::Cancelled)?;
    let about = container_reference(&job.object, spec, &job.container);
    let image = tokio::select! {
        () = job.cancel.cancelled() => return Err(Outcome::Cancelled),
        image = ensure_image(job, spec, container, &about) => image?,
    };
    let fail = |reason: &'static str, message: String| {
        job.agent.recorder.event(&about, Type::Warning, "Failed", &format!("Error: {message}"));
        refused(reason, message)
    };
    let chosen = images::source(&image, container, job.prepared.wasm);
    let (runtime_name, source) = chosen.map_err(|m| fail("CreateContainerError", m))?;
    let Some((runtime_name, runtime)) = job.agent.runtimes.get_key_value(runtime_name) else {
        return Err(fail(
            "CreateContainerError",
            format!("image {} needs the {runtime_name} runtime, which this node does not have", text(&container.image)),
        ));
    };
    if let Some(why) = runtime.unavailable() {
        return Err(fail("CreateContainerError", format!("the {runtime_name} runtime is not available: {why}")));
    }
    let mut resolved = resolve(job, spec, container, &image).await.map_err(|m| fail("CreateContainerConfigError", m))?;
    // An image that names no program (a bare component) is called by its container's name; `args` follow it.
    if matches!(source, ImageSource::Component { .. }) && image.config.entrypoint.is_empty() && container.command.is_none() {
        resolved.args.insert(0, container.name.clone());
    }
    resolved.image = source;
    if job.cancel.is_cancelled() {
        return Err(Outcome::Cancelled);
    }
    let mut sandbox = job.prepared.sandbox.clone();
    // A container that brings its own file keeps it.
    sandbox.etc.retain(|file| resolved.mounts.iter().all(|m| m.target != file.target));
    if let Some(plan) = adapted(job, spec, &sandbox, &resolved).map_err(|m| fail("CreateContainerConfigError", m))? {
        plan.save().map_err(|e| fail("CreateContainerConfigError", format!("log folder {}: {e}", plan.folder.display())))?;
        resolved.log_path = Plan::raw(&plan.folder, plan.attempt);
    }
    let started = runtime.start(&sandbox, &resolved).await;
    let run = |state: ContainerState| Run { state, runtime: runtime_name, image_id: images::id(&image) };
    match started {
        Ok(state) => {
            job.agent.recorder.event(&about, Type::Normal, "Created", "Container created");
            job.agent.recorder.event(&about, Type::Normal, "Started", "Container started");
            Ok(Outcome::Started(Box::new(run(state))))
        }
        Err(workload::Error::Start { message }) => {
            job.agent.recorder.event(&about, Type::Normal, "Created", "Container created");
            job.agent.recorder.event(&about, Type::Warning, "Failed", &format!("Error: {message}"));
            Ok(Outcome::Started(Box::new(run(never_started(job, message)))))
        }
        Err(error) => Err(fail("CreateContainerError", error.to_string())),
    }
}

/// A container that was made and did not start is one that ended with 128.
fn never_started(job: &Job, message: String) -> ContainerState {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|d| i64::try_from(d.as_nanos()).ok()).unwrap_or_default();
    ContainerState {
        id: ContainerId { pod_uid: job.object.uid().to_owned(), name: job.container.clone(), attempt: job.attempt },
        phase: Phase::Exited,
        finished_at: now,
        exit_code: 128,
        reason: "StartError".to_owned(),
        message,
        ..ContainerState::default()
    }
}

/// How events name one container of a pod: `spec.containers{name}`.
pub fn container_reference(object: &Object, spec: &PodSpec, container: &str) -> ObjectRef {
    let list = if spec.containers.iter().any(|c| c.name == container) { "containers" } else { "initContainers" };
    ObjectRef { field_path: format!("spec.{list}{{{container}}}"), ..object.reference() }
}

fn text(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or_default()
}

/// `EnsureImageExists` in `pkg/kubelet/images/image_manager.go`.
async fn ensure_image(job: &Job, spec: &PodSpec, container: &Container, about: &ObjectRef) -> Result<Image, Outcome> {
    let (recorder, name) = (&job.agent.recorder, text(&container.image));
    let fail = |reason: &'static str, event: &'static str, message: String| {
        recorder.event(about, Type::Warning, event, &message);
        recorder.event(about, Type::Warning, "Failed", &format!("Error: {reason}"));
        Outcome::Refused { reason, message, pull: true }
    };
    let reference = image::reference(name).map_err(|error| {
        let message = format!("Failed to apply default image tag \"{name}\": {error}");
        fail("InvalidImageName", "InspectFailed", message)
    })?;
    let look = || {
        let found = job.agent.images.get(name);
        found.map_err(|error| fail("ImageInspectError", "InspectFailed", format!("Failed to inspect image \"{name}\": {error}")))
    };
    let mut local = look()?;
    if local.is_none() && !job.agent.imported.is_cancelled() {
        job.agent.imported.cancelled().await;
        local = look()?;
    }
    match (local, text(&container.image_pull_policy)) {
        (Some(image), policy) if policy != "Always" => {
            let message = format!("Container image \"{name}\" already present on machine and can be accessed by the pod");
            recorder.event(about, Type::Normal, "Pulled", &message);
            Ok(image)
        }
        (None, "Never") => {
            let message = format!("Container image \"{name}\" is not present with pull policy of Never");
            Err(fail("ErrImageNeverPull", "ErrImageNeverPull", message))
        }
        _ => pull(job, spec, name, &reference, about).await.map_err(|message| {
            recorder.event(about, Type::Warning, "Failed", &format!("Failed to pull image \"{name}\": {message}"));
            recorder.event(about, Type::Warning, "Failed", "Error: ErrImagePull");
            Outcome::Refused { reason: "ErrImagePull", message, pull: true }
        }),
    }
}

async fn pull(job: &Job, spec: &PodSpec, name: &str, reference: &image::Reference, about: &ObjectRef) -> Result<Image, String> {
    job.agent.recorder.event(about, Type::Normal, "Pulling", &format!("Pulling image \"{name}\""));
    let config = &job.agent.config;
    let platform = if job.prepared.wasm { Platform::Wasm } else { Platform::Native };
    let mut options = PullOptions {
        insecure: config.insecure_registries.clone(),
        roots: config.registry_roots.clone(),
        platform,
        ..PullOptions::default()
    };
    for secret_ref in spec.image_pull_secrets.iter().flatten() {
        match job.agent.sources.secret(job.object.namespace(), &secret_ref.name).await {
            Ok(Some(secret)) => options.auth.extend(images::credentials(&secret)),
            Ok(None) | Err(_) => {
                let message = format!(
                    "Unable to retrieve some image pull secrets ({}); attempting to pull the image may not succeed.",
                    secret_ref.name
                );
                job.agent.recorder.event(&job.object.reference(), Type::Warning, "FailedToRetrieveImagePullSecret", &message);
            }
        }
    }
    let began = Instant::now();
    let image = job.agent.images.pull(reference, &options).await.map_err(|e| e.to_string())?;
    let took = object::time::format_duration(i64::try_from(began.elapsed().as_millis()).unwrap_or_default() * 1_000_000);
    let message = format!("Successfully pulled image \"{name}\" in {took} ({took} including waiting). Image size: {} bytes.", image.size);
    job.agent.recorder.event(about, Type::Normal, "Pulled", &message);
    Ok(image)
}

/// Everything of the container's spec, resolved. An error is the message of `CreateContainerConfigError`.
async fn resolve(job: &Job, spec: &PodSpec, container: &Container, image: &Image) -> Result<workload::Container, String> {
    let (agent, object, prepared) = (&job.agent, &job.object, &job.prepared);
    let (namespace, uid) = (object.namespace(), object.uid());
    let (config_map_names, secret_names) = env::references(container);
    let (mut config_maps, mut secrets) = (env::Found::new(), env::Found::new());
    for name in config_map_names {
        let found = agent.sources.config_map(namespace, &name).await.map_err(|e| e.to_string())?;
        config_maps.insert(name, found);
    }
    for name in secret_names {
        let found = agent.sources.secret(namespace, &name).await.map_err(|e| e.to_string())?;
        secrets.insert(name, found);
    }
    let links = spec.enable_service_links.unwrap_or(true);
    let services = env::services(&agent.services_for(namespace, links), namespace, links);
    let facts = &prepared.facts;
    let own =
        env::build(&env::Input { pod: object, spec, container, config_maps: &config_maps, secrets: &secrets, services: &services, facts })?;
    let all_env = over_image(&image.config.env, &prepared.sandbox.hostname, own.clone());
    let args = env::arguments(container, &image.config.entrypoint, &image.config.cmd, &own);
    let dir = agent.config.pod_dir(uid);
    let context = volumes::Context { pod: object, spec, dir: &dir, sources: &agent.sources, facts, privileged: agent.config.privileged };
    let mounts = volumes::mounts(&context, container, &prepared.places, &own).map_err(|e| e.to_string())?;
    let security = security::merge(spec, container, &image.config.user, &agent.config.seccomp_dir())?;
    let log_dir = agent.config.log_dir(namespace, object.name(), uid).join(&container.name);
    std::fs::create_dir_all(&log_dir).map_err(|e| format!("log folder {}: {e}", log_dir.display()))?;
    let filled = |own: &Option<String>, image: &str, default: &str| {
        let own = text(own);
        [own, image, default].into_iter().find(|t| !t.is_empty()).unwrap_or_default().to_owned()
    };
    let stop_signal =
        container.lifecycle.as_ref().and_then(|l| l.stop_signal.as_deref()).or(image.config.stop_signal.as_deref()).unwrap_or_default();
    let ports = container.ports.iter().flatten().filter(|p| p.protocol.as_deref().unwrap_or("TCP") == "TCP");
    Ok(workload::Container {
        name: container.name.clone(),
        attempt: job.attempt,
        image: ImageSource::default(),
        args,
        env: all_env,
        working_dir: filled(&container.working_dir, &image.config.working_dir, "/"),
        mounts,
        resources: resources::container(spec, container, agent.machine.memory_bytes),
        security,
        tty: container.tty.unwrap_or_default(),
        stdin: container.stdin.unwrap_or_default(),
        stdin_once: container.stdin_once.unwrap_or_default(),
        log_path: log_path(&log_dir, job.attempt),
        termination_message_path: filled(&container.termination_message_path, "", "/dev/termination-log"),
        ports: ports.filter_map(|p| u16::try_from(p.container_port).ok()).collect(),
        stop_signal: images::signal(stop_signal),
        grants: prepared.grants.clone(),
    })
}

/// What the pod's annotations want to be adapted of this run.
fn adapted(job: &Job, spec: &PodSpec, sandbox: &Sandbox, container: &workload::Container) -> Result<Option<Plan>, String> {
    let all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let names: Vec<&str> = all.map(|c| c.name.as_str()).collect();
    let folder = container.log_path.parent().unwrap_or(Path::new("/"));
    Plan::new(&job.object, &names, &container.name, job.attempt, folder, sandbox, &container.mounts)
}

pub fn log_path(container_dir: &Path, attempt: u32) -> std::path::PathBuf {
    container_dir.join(format!("{attempt}.log"))
}

/// The image's environment, the pod's host name, and over them what the container says.
fn over_image(image: &[String], hostname: &str, own: Vec<(String, String)>) -> Vec<(String, String)> {
    let pairs = image.iter().filter_map(|pair| pair.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned()));
    let mut all: Vec<(String, String)> = pairs.collect();
    all.push(("HOSTNAME".to_owned(), hostname.to_owned()));
    all.retain(|(name, _)| own.iter().all(|(n, _)| n != name));
    all.extend(own);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_container_wins_over_the_image() {
        let pair = |n: &str, v: &str| (n.to_owned(), v.to_owned());
        let got = over_image(&["PATH=/bin".into(), "A=1".into()], "web", vec![pair("A", "2")]);
        assert_eq!(got, [pair("PATH", "/bin"), pair("HOSTNAME", "web"), pair("A", "2")]);
    }
}
