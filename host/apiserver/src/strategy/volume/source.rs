//! `ValidatePersistentVolumeSpec`, `ValidatePersistentVolumeUpdate`.

use crate::strategy::amounts::{self, quantity};
use crate::strategy::at::At;
use crate::strategy::pod_spec::node_selector;
use crate::strategy::read::{entries, immutable, is_empty, items, number, text};
use crate::strategy::storage::driver_name;
use object::field::{ErrorList, Path};
use object::{Object, Value, names};

/// What a kind of volume checks of itself.
type Check = fn(&Value, &Path, &mut ErrorList);

/// Field of the spec, the path that upstream tells, what must be given in it, and what else is checked; in upstream's order.
const SOURCES: &[(&str, &str, &[&str], Check)] = &[
    ("hostPath", "hostPath", &["path"], host_path),
    ("gcePersistentDisk", "persistentDisk", &["pdName"], partition),
    ("awsElasticBlockStore", "awsElasticBlockStore", &["volumeID"], partition),
    ("glusterfs", "glusterfs", &["endpoints", "path"], nothing),
    ("flocker", "flocker", &[], flocker),
    ("nfs", "nfs", &["server", "path"], nfs),
    ("rbd", "rbd", &["monitors", "image"], nothing),
    ("quobyte", "quobyte", &["registry", "volume"], nothing),
    ("cephfs", "cephfs", &["monitors"], nothing),
    ("iscsi", "iscsi", &["targetPortal", "iqn"], iscsi),
    ("cinder", "cinder", &["volumeID"], nothing),
    ("fc", "fc", &[], fibre_channel),
    ("flexVolume", "flexVolume", &["driver"], nothing),
    ("azureFile", "azureFile", &["secretName", "shareName"], nothing),
    ("vsphereVolume", "vsphereVolume", &["volumePath"], nothing),
    ("photonPersistentDisk", "photonPersistentDisk", &["pdID"], nothing),
    ("portworxVolume", "portworxVolume", &["volumeID"], nothing),
    ("azureDisk", "azureDisk", &["diskName", "diskURI"], nothing),
    ("scaleIO", "scaleIO", &["gateway", "system", "volumeName"], nothing),
    ("local", "local", &["path"], no_backsteps_in_path),
    ("storageos", "storageos", &[], nothing),
    ("csi", "csi", &[], csi),
];

fn nothing(_: &Value, _: &Path, _: &mut ErrorList) {}

pub fn validate(volume: &Object, errors: &mut ErrorList) {
    let path = Path::new("spec");
    let empty = Value::Null;
    let spec = volume.at(&["spec"]).unwrap_or(&empty);
    access_modes(spec, "", &path, errors);
    let at = path.child("capacity");
    let capacity = spec.get("capacity").filter(|c| !is_empty(Some(c)));
    if capacity.is_none() {
        errors.required(&at, "");
    }
    if capacity.is_none_or(|c| c.get("storage").is_none()) || entries(spec, "capacity").count() > 1 {
        errors.not_supported(&at, spec.get("capacity").cloned().unwrap_or_default(), &["storage"]);
    }
    for (resource, value) in entries(spec, "capacity") {
        if let Some(value) = quantity(Some(value)) {
            amounts::positive(value, &at.key(resource), errors);
        }
    }
    let policy = text(spec, "persistentVolumeReclaimPolicy");
    let at = path.child("persistentVolumeReclaimPolicy");
    if !matches!(policy, "" | "Delete" | "Recycle" | "Retain") {
        errors.not_supported(&at, policy, &["Delete", "Recycle", "Retain"]);
    }
    let affinity = spec.get("nodeAffinity").filter(|a| a.is_object());
    if let Some(affinity) = affinity {
        node_affinity(affinity, &path.child("nodeAffinity"), errors);
    }
    sources(spec, affinity.is_some(), &path, errors);
    let root = spec.get("hostPath").is_some_and(|h| text(h, "path").split('/').all(|part| matches!(part, "" | ".")));
    if root && policy == "Recycle" {
        errors.forbidden(&at, "may not be 'recycle' for a hostPath mount of '/'");
    }
    let class = text(spec, "storageClassName");
    if !class.is_empty() {
        errors.invalid_all(&path.child("storageClassName"), class, names::dns1123_subdomain(class));
    }
    if let Some(mode) = spec.get("volumeMode").and_then(Value::as_str)
        && !matches!(mode, "Block" | "Filesystem")
    {
        errors.not_supported(&path.child("volumeMode"), mode, &["Block", "Filesystem"]);
    }
    if let Some(class) = spec.get("volumeAttributesClassName").and_then(Value::as_str) {
        let at = path.child("volumeAttributesClassName");
        if class.is_empty() {
            errors.required(&at, "an empty string is disallowed");
        } else {
            errors.invalid_all(&at, class, names::dns1123_subdomain(class));
        }
        if !spec.get("csi").is_some_and(Value::is_object) {
            errors.required(&path.child("csi"), "has to be specified when using volumeAttributesClassName");
        }
    }
}

/// A volume that a VolumeAttachment brings itself: a CSI one, and nothing that only an object of its own has.
pub fn inline(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let told = "may not be specified in the context of inline volumes";
    for field in ["claimRef", "capacity"] {
        if !is_empty(spec.get(field)) {
            errors.forbidden(&path.child(field), told);
        }
    }
    if !spec.get("csi").is_some_and(Value::is_object) {
        errors.required(&path.child("csi"), "has to be specified in the context of inline volumes");
    }
    access_modes(spec, "", path, errors);
    if !matches!(text(spec, "persistentVolumeReclaimPolicy"), "" | "Retain") {
        let told = "may only be Retain in the context of inline volumes";
        errors.forbidden(&path.child("persistentVolumeReclaimPolicy"), told);
    }
    if spec.get("nodeAffinity").is_some_and(Value::is_object) {
        errors.forbidden(&path.child("nodeAffinity"), told);
    }
    sources(spec, false, path, errors);
    if !text(spec, "storageClassName").is_empty() {
        errors.forbidden(&path.child("storageClassName"), told);
    }
    if !matches!(text(spec, "volumeMode"), "" | "Filesystem") {
        let told = "may not specify volumeMode other than Filesystem in the context of inline volumes";
        errors.forbidden(&path.child("volumeMode"), told);
    }
}

/// Of volumes and of claims.
pub fn access_modes(spec: &Value, required: &str, path: &Path, errors: &mut ErrorList) {
    let path = path.child("accessModes");
    let modes: Vec<&str> = items(spec, "accessModes").filter_map(|(_, m)| m.as_str()).collect();
    if modes.is_empty() {
        errors.required(&path, required);
    }
    let known = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
    for mode in modes.iter().filter(|mode| !known.contains(mode)) {
        errors.not_supported(&path, *mode, &known);
    }
    let alone = "ReadWriteOncePod";
    if modes.contains(&alone) && modes.iter().any(|mode| *mode != alone && known.contains(mode)) {
        errors.forbidden(&path, "may not use ReadWriteOncePod with other access modes");
    }
}

fn sources(spec: &Value, has_affinity: bool, path: &Path, errors: &mut ErrorList) {
    let mut found = false;
    for (field, told, required, check) in SOURCES {
        let Some(source) = spec.get(field).filter(|s| s.is_object()) else { continue };
        if found && *field != "flexVolume" {
            let told = if *field == "cephfs" { "cephFS" } else { field };
            errors.forbidden(&path.child(told), "may not specify more than 1 volume type");
            continue;
        }
        found = true;
        let at = path.child(told);
        for name in required.iter().filter(|name| is_empty(source.get(**name))) {
            errors.required(&at.child(name), "");
        }
        check(source, &at, errors);
        if *field == "local" && !has_affinity {
            errors.required(&path.child("nodeAffinity"), "Local volume requires node affinity");
        }
    }
    if !found {
        errors.required(path, "must specify a volume type");
    }
}

fn no_backsteps_in_path(source: &Value, path: &Path, errors: &mut ErrorList) {
    let value = text(source, "path");
    if value.split('/').any(|part| part == "..") {
        errors.invalid(&path.child("path"), value, "must not contain '..'");
    }
}

fn host_path(source: &Value, path: &Path, errors: &mut ErrorList) {
    if text(source, "path").is_empty() {
        return;
    }
    no_backsteps_in_path(source, path, errors);
    let known = ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    let ty = text(source, "type");
    if !known.contains(&ty) {
        errors.not_supported(&path.child("type"), ty, &known);
    }
}

fn partition(source: &Value, path: &Path, errors: &mut ErrorList) {
    let value = number(source, "partition").unwrap_or(0);
    names::in_range(value, 0, 255).iter().for_each(|told| errors.invalid(&path.child("partition"), value, told));
}

fn flocker(source: &Value, path: &Path, errors: &mut ErrorList) {
    let (name, id) = (text(source, "datasetName"), text(source, "datasetUUID"));
    match (name.is_empty(), id.is_empty()) {
        (true, true) => errors.required(path, "one of datasetName and datasetUUID is required"),
        (false, false) => errors.invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously"),
        _ => {}
    }
    if name.contains('/') {
        errors.invalid(&path.child("datasetName"), name, "must not contain '/'");
    }
}

fn nfs(source: &Value, path: &Path, errors: &mut ErrorList) {
    let value = text(source, "path");
    if !value.is_empty() && !value.starts_with('/') {
        errors.invalid(&path.child("path"), value, "must be an absolute path");
    }
}

fn iscsi(source: &Value, path: &Path, errors: &mut ErrorList) {
    let name = text(source, "iqn");
    if !name.is_empty() && !["iqn", "eui", "naa"].iter().any(|prefix| name.starts_with(prefix)) {
        errors.invalid(&path.child("iqn"), name, "must be valid format starting with iqn, eui, or naa");
    }
    let lun = number(source, "lun").unwrap_or(0);
    names::in_range(lun, 0, 255).iter().for_each(|told| errors.invalid(&path.child("lun"), lun, told));
    for (flag, told) in [("chapAuthDiscovery", "secretRef"), ("chapAuthSession", "secretRef")] {
        let set = source.get(flag).and_then(Value::as_bool).unwrap_or(false);
        if set && !source.get(told).is_some_and(Value::is_object) {
            errors.required(&path.child(told), "");
        }
    }
}

fn fibre_channel(source: &Value, path: &Path, errors: &mut ErrorList) {
    let (ports, ids) = (!is_empty(source.get("targetWWNs")), !is_empty(source.get("wwids")));
    match (ports, ids) {
        (false, false) => errors.required(&path.child("targetWWNs"), "must specify either targetWWNs or wwids, but not both"),
        (true, true) => {
            let given = source.get("targetWWNs").cloned().unwrap_or_default();
            errors.invalid(&path.child("targetWWNs"), given, "targetWWNs and wwids can not be specified simultaneously");
        }
        (true, false) => match number(source, "lun") {
            None => errors.required(&path.child("lun"), "lun is required if targetWWNs is specified"),
            Some(lun) => names::in_range(lun, 0, 255).iter().for_each(|told| errors.invalid(&path.child("lun"), lun, told)),
        },
        (false, true) => {}
    }
}

fn csi(source: &Value, path: &Path, errors: &mut ErrorList) {
    driver_name(text(source, "driver"), &path.child("driver"), errors);
    if text(source, "volumeHandle").is_empty() {
        errors.required(&path.child("volumeHandle"), "");
    }
    let secrets =
        ["controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef"];
    for field in secrets {
        let Some(secret) = source.get(field).filter(|s| s.is_object()) else { continue };
        let path = path.child(field);
        for part in ["name", "namespace"] {
            match text(secret, part) {
                "" => errors.required(&path.child(part), ""),
                value if part == "name" => errors.invalid_all(&path.child(part), value, names::dns1123_subdomain(value)),
                value => errors.invalid_all(&path.child(part), value, names::dns1123_label(value)),
            }
        }
    }
}

/// `validateVolumeNodeAffinity`.
fn node_affinity(affinity: &Value, path: &Path, errors: &mut ErrorList) {
    let path = path.child("required");
    match affinity.get("required").filter(|r| r.is_object()) {
        Some(selector) => node_selector(selector, &At::of(&path), errors),
        None => errors.required(&path, "must specify required node constraints"),
    }
}

pub fn validate_update(new: &Object, old: &Object, errors: &mut ErrorList) {
    // A secret for expansion may be given later.
    let secret = ["spec", "csi", "controllerExpandSecretRef"];
    let mut is = new.clone();
    if old.at(&["spec", "csi"]).is_some() && old.at(&secret).is_none() {
        is.remove_at(&secret);
    }
    if SOURCES.iter().any(|(field, ..)| is.at(&["spec", field]) != old.at(&["spec", field])) {
        let path = Path::new("spec").child("persistentvolumesource");
        errors.forbidden(&path, "spec.persistentvolumesource is immutable after creation");
    }
    immutable(new.at(&["spec", "volumeMode"]), old.at(&["spec", "volumeMode"]), &Path::new("volumeMode"), errors);
    let affinity = ["spec", "nodeAffinity"];
    if old.at(&affinity).is_some() {
        immutable(new.at(&affinity), old.at(&affinity), &Path::new("nodeAffinity"), errors);
    }
    let class = ["spec", "volumeAttributesClassName"];
    if old.at(&class).is_some() && new.at(&class).is_none_or(Value::is_null) {
        errors.forbidden(&Path::new("spec").child("volumeAttributesClassName"), "update from non-nil value to nil is forbidden");
    }
}
