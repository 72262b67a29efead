//! What is allowed.

use crate::reference::Reference;
use pod_specs::{PodSpec, text};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Settings {
    /// Registries (`ghcr.io`, `*.example.com`), with or without the beginning of a path (`docker.io/library`).
    allowed: Vec<String>,
    /// Only images by digest.
    #[serde(default)]
    require_digest: bool,
    /// Neither `latest` nor no tag at all, but by digest.
    #[serde(default)]
    deny_latest: bool,
}

impl Settings {
    /// What is wrong with an image.
    pub fn judge(&self, image: &str) -> Option<String> {
        let reference = Reference::parse(image);
        if !self.allowed.iter().any(|entry| allows(entry, &reference)) {
            return Some(format!(
                "image {image:?} comes from {}/{}; allowed: {}",
                reference.registry,
                reference.path,
                self.allowed.join(", ")
            ));
        }
        if self.require_digest && reference.digest.is_none() {
            return Some(format!("image {image:?} has no digest"));
        }
        if self.deny_latest && reference.digest.is_none() && matches!(reference.tag, None | Some("latest")) {
            return Some(format!("image {image:?} has no tag that stays"));
        }
        None
    }
}

/// Whole parts of a path only: `example.com/team` is not `example.com/teammates`.
fn allows(entry: &str, reference: &Reference<'_>) -> bool {
    let (registry, path) = entry.trim_end_matches('/').split_once('/').unwrap_or((entry.trim_end_matches('/'), ""));
    let host = match registry.strip_prefix('*') {
        Some(end) => end.starts_with('.') && reference.registry.ends_with(end) && reference.registry.len() > end.len(),
        None => registry == reference.registry,
    };
    let path = path.trim_end_matches("/*");
    host && (path.is_empty()
        || path == "*"
        || reference.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Images of containers, and of volumes that are images, with their fields.
pub fn images<'a>(spec: &PodSpec<'a>) -> Vec<(String, &'a str)> {
    let containers = spec.containers().map(|container| (format!("{}.image", container.field), container.image()));
    let volumes = spec
        .list("volumes")
        .filter_map(|(field, volume)| Some((format!("{field}.image.reference"), text(volume.get("image")?, "reference"))));
    containers.chain(volumes).filter(|(_, image)| !image.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(settings: serde_json::Value, image: &str, expect: Option<&str>) {
        let settings: Settings = serde_json::from_value(settings).expect("good settings");
        let told = settings.judge(image);
        match expect {
            None => assert_eq!(told, None, "{image}"),
            Some(part) => assert!(told.as_ref().is_some_and(|told| told.contains(part)), "{image}: {told:?}"),
        }
    }

    #[test]
    fn registries_and_paths_are_allowed() {
        let allowed = json!({"allowed": ["ghcr.io/team", "*.example.com", "docker.io/library/*", "registry:5000/"]});
        for image in ["ghcr.io/team/app:v1", "eu.example.com/x", "nginx", "registry:5000/a/b"] {
            check(allowed.clone(), image, None);
        }
        for image in
            ["ghcr.io/teammates/app", "ghcr.io/other", "example.com/x", "team/app", "evil.com/ghcr.io/team/app", "evilexample.com/x"]
        {
            check(allowed.clone(), image, Some("allowed: ghcr.io/team"));
        }
    }

    #[test]
    fn tags_and_digests_are_asked_for() {
        let digest = json!({"allowed": ["docker.io"], "requireDigest": true});
        check(digest.clone(), "nginx:1.27", Some("has no digest"));
        check(digest, "nginx@sha256:ab", None);
        let latest = json!({"allowed": ["docker.io"], "denyLatest": true});
        check(latest.clone(), "nginx", Some("no tag that stays"));
        check(latest.clone(), "nginx:latest", Some("no tag that stays"));
        check(latest, "nginx:1.27", None);
    }

    #[test]
    fn images_are_found_in_containers_and_volumes() {
        let pod = json!({"spec": {"containers": [{"image": "a"}], "initContainers": [{"image": "b"}, {}], "volumes": [{"image": {"reference": "c"}}, {"emptyDir": {}}]}});
        let spec = PodSpec::find(&pod).expect("a pod");
        let found: Vec<&str> = images(&spec).into_iter().map(|(_, image)| image).collect();
        assert_eq!(found, ["b", "a", "c"]);
    }
}
