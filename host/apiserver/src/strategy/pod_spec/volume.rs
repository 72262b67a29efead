//! A pod's volumes: `ValidateVolumes`, `validateVolumeSource`.

mod disk;
mod files;
mod projected;

use super::words::{no_backsteps, not_reserved};
use super::{Options, claim, given, given_text};
use crate::strategy::at::At;
use crate::strategy::read::{items, number, text};
use object::field::ErrorList;
use object::quantity::Quantity;
use object::{Value, names};
use std::collections::{HashMap, HashSet};

/// Sound volumes by name.
pub type Volumes<'v> = HashMap<&'v str, &'v Value>;

/// How one source is checked; the place is the source's own.
type Check = fn(&Value, &At<'_>, &mut ErrorList);

/// Sources in upstream's order: field of the API, name in causes, check.
const SOURCES: &[(&str, &str, Check)] = &[
    ("hostPath", "hostPath", host_path),
    ("gitRepo", "gitRepo", disk::git_repo),
    ("gcePersistentDisk", "persistentDisk", disk::gce),
    ("awsElasticBlockStore", "awsElasticBlockStore", disk::aws),
    ("secret", "secret", files::secret),
    ("nfs", "nfs", disk::nfs),
    ("iscsi", "iscsi", disk::iscsi),
    ("glusterfs", "glusterfs", disk::glusterfs),
    ("flocker", "flocker", disk::flocker),
    ("persistentVolumeClaim", "persistentVolumeClaim", claim_name),
    ("rbd", "rbd", disk::rbd),
    ("cinder", "cinder", disk::cinder),
    ("cephfs", "cephfs", disk::cephfs),
    ("quobyte", "quobyte", disk::quobyte),
    ("downwardAPI", "downwardAPI", files::downward_api),
    ("fc", "fc", disk::fc),
    ("flexVolume", "flexVolume", disk::flex),
    ("configMap", "configMap", files::config_map),
    ("azureFile", "azureFile", disk::azure_file),
    ("vsphereVolume", "vsphereVolume", disk::vsphere),
    ("photonPersistentDisk", "photonPersistentDisk", disk::photon),
    ("portworxVolume", "portworxVolume", disk::portworx),
    ("azureDisk", "azureDisk", disk::azure_disk),
    ("storageos", "storageos", disk::storageos),
    ("projected", "projected", projected::validate),
    ("scaleIO", "scaleIO", disk::scale_io),
    ("csi", "csi", csi),
    ("ephemeral", "ephemeral", ephemeral),
];

/// The sound ones of the pod's volumes.
pub fn validate<'v>(spec: &'v Value, options: Options<'_>, at: &At<'_>, errors: &mut ErrorList) -> Volumes<'v> {
    let mut sound = Volumes::new();
    let pod = options.pod.unwrap_or_default();
    let created: HashSet<String> = match pod {
        "" => HashSet::new(),
        pod => items(spec, "volumes")
            .filter(|(_, v)| given(v, "ephemeral").is_some())
            .map(|(_, v)| format!("{pod}-{}", text(v, "name")))
            .collect(),
    };
    for (index, volume) in items(spec, "volumes") {
        let at = at.index(index);
        let before = errors.len();
        source(volume, options, &at, errors);
        let name = text(volume, "name");
        at.child("name").label(errors, name);
        if sound.contains_key(name) {
            at.child("name").duplicate(errors, name);
        }
        if errors.len() == before {
            sound.insert(name, volume);
        }
        let claim = given(volume, "persistentVolumeClaim").map_or("", |c| text(c, "claimName"));
        if created.contains(claim) {
            let detail = "must not reference a PVC that gets created for an ephemeral volume";
            at.child("persistentVolumeClaim.claimName").invalid(errors, claim, detail);
        }
    }
    sound
}

fn source(volume: &Value, options: Options<'_>, at: &At<'_>, errors: &mut ErrorList) {
    let mut found = false;
    if let Some(dir) = given(volume, "emptyDir") {
        found = true;
        empty_dir(dir, &at.child("emptyDir"), errors);
    }
    // Most volumes have one source: looked up from the volume's side first.
    let several = volume.as_object().map_or(0, |fields| fields.iter().filter(|(key, v)| *key != "name" && !v.is_null()).count()) > 1;
    if several || !found {
        for (field, told, check) in SOURCES {
            let Some(source) = given(volume, field) else { continue };
            if found {
                at.child(more_than_one(field)).forbidden(errors, "may not specify more than 1 volume type");
            } else {
                found = true;
                check(source, &at.child(told), errors);
                if *field == "ephemeral" {
                    created_claim(volume, options, at, errors);
                }
            }
            if *field == "iscsi" {
                disk::iscsi_names(volume, source, at, errors);
            }
        }
        if let Some(image) = given(volume, "image") {
            if found {
                at.child("image").forbidden(errors, "may not specify more than 1 volume type");
            } else {
                found = true;
                image_volume(image, options, &at.child("image"), errors);
            }
        }
    }
    if !found {
        at.required(errors, "must specify a volume type");
    }
}

/// Upstream names some fields differently when they are one too many.
fn more_than_one(field: &'static str) -> &'static str {
    match field {
        "cephfs" => "cephFS",
        "downwardAPI" => "downwarAPI",
        other => other,
    }
}

fn empty_dir(dir: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let limit = given(dir, "sizeLimit").and_then(|q| Quantity::from_value(q).ok());
    if limit.is_some_and(|q| q.is_negative()) {
        at.child("sizeLimit").forbidden(errors, "SizeLimit field must be a valid resource quantity");
    }
    if let Some(mode) = number(dir, "mode").filter(|m| !(0..=0o1777).contains(m)) {
        at.child("mode").invalid(errors, mode, "must be a number between 0 and 01777 (octal), both inclusive");
    }
}

pub fn host_path(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let path = text(source, "path");
    if path.is_empty() {
        return at.child("path").required(errors, "");
    }
    no_backsteps(path, &at.child("path"), errors);
    let types = ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    at.child("type").one_of_given(errors, given_text(source, "type"), &types);
}

fn claim_name(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if text(source, "claimName").is_empty() {
        at.child("claimName").required(errors, "");
    }
}

/// `ValidateCSIDriverName`.
pub fn csi_driver(driver: &str, at: &At<'_>, errors: &mut ErrorList) {
    if driver.is_empty() {
        at.required(errors, "");
    }
    if driver.len() > 63 {
        at.too_long(errors, 63);
    }
    at.invalid_all(errors, driver, &names::dns1123_subdomain(&driver.to_lowercase()));
}

fn csi(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    csi_driver(text(source, "driver"), &at.child("driver"), errors);
    if let Some(secret) = given(source, "nodePublishSecretRef") {
        match text(secret, "name") {
            "" => at.child("nodePublishSecretRef.name").required(errors, ""),
            name => at.child("name").subdomain(errors, name),
        }
    }
}

fn ephemeral(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let at = at.child("volumeClaimTemplate");
    match given(source, "volumeClaimTemplate") {
        None => at.required(errors, ""),
        Some(template) => claim::template(template, &at, errors),
    }
}

/// The claim that the pod's own volume makes must have a name that is one.
fn created_claim(volume: &Value, options: Options<'_>, at: &At<'_>, errors: &mut ErrorList) {
    let name = text(volume, "name");
    if let Some(pod) = options.pod.filter(|pod| !pod.is_empty() && !name.is_empty()) {
        let claim = format!("{pod}-{name}");
        for detail in names::dns1123_subdomain(&claim) {
            at.child("name").invalid(errors, name, &format!("PVC name {claim:?}: {detail}"));
        }
    }
}

fn image_volume(image: &Value, options: Options<'_>, at: &At<'_>, errors: &mut ErrorList) {
    if options.pod.is_some() && text(image, "reference").is_empty() {
        at.child("reference").required(errors, "");
    }
    at.child("pullPolicy").one_of(errors, text(image, "pullPolicy"), &["Always", "IfNotPresent", "Never"]);
}

/// A relative path that is required.
fn required_local(path: &str, at: &At<'_>, errors: &mut ErrorList) {
    if path.is_empty() {
        at.required(errors, "");
    }
    not_reserved(path, at, errors);
}
