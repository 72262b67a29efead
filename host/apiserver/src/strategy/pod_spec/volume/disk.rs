//! Volumes of storage systems, most of them served by CSI drivers or by nobody any more; their fields are still checked.

use super::super::words::descending;
use super::super::{given, given_text, is_empty_list, keys};
use crate::strategy::at::At;
use crate::strategy::read::{flag, number, text};
use object::Value;
use object::field::ErrorList;

/// Fields that may not be empty.
fn required(source: &Value, fields: &[&str], at: &At<'_>, errors: &mut ErrorList) {
    for field in fields {
        if text(source, field).is_empty() {
            at.child(field).required(errors, "");
        }
    }
}

fn secret_ref(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if given(source, "secretRef").is_some_and(|secret| text(secret, "name").is_empty()) {
        at.child("secretRef.name").required(errors, "");
    }
}

pub fn git_repo(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    required(source, &["repository"], at, errors);
    descending(text(source, "directory"), &at.child("directory"), errors);
}

fn partition(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if let Some(partition) = number(source, "partition").filter(|p| !(0..=255).contains(p)) {
        at.child("partition").invalid(errors, partition, "must be between 1 and 255, inclusive");
    }
}

pub fn gce(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    required(source, &["pdName"], at, errors);
    partition(source, at, errors);
}

pub fn aws(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    required(source, &["volumeID"], at, errors);
    partition(source, at, errors);
}

pub fn nfs(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    required(source, &["server", "path"], at, errors);
    let path = text(source, "path");
    if !path.starts_with('/') {
        at.child("path").invalid(errors, path, "must be an absolute path");
    }
}

/// Names of initiators and targets: iqn, eui, naa.
fn is_iscsi_name(name: &str) -> bool {
    let alnum = |text: &str, length: usize| text.len() == length && text.bytes().all(|b| b.is_ascii_alphanumeric());
    if let Some(rest) = name.strip_prefix("iqn.") {
        // A year and month, a domain, and perhaps a colon with anything but separators.
        let bytes = rest.as_bytes();
        let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        let date = (0..4).all(digit) && bytes.get(4) == Some(&b'-') && digit(5) && digit(6) && bytes.get(7) == Some(&b'.');
        let Some((domain, own)) = rest.get(8..).and_then(|r| r.split_once(':')) else { return false };
        return date
            && !domain.is_empty()
            && domain.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
            && !own.is_empty()
            && !own.bytes().any(|b| b",;*&$|".contains(&b) || b.is_ascii_whitespace());
    }
    match name.get(..3) {
        Some("eui") => name.get(4..).is_some_and(|rest| alnum(rest, 16)),
        Some("naa") => name.get(4..).is_some_and(|rest| alnum(rest, 32)),
        _ => false,
    }
}

fn iscsi_name(name: &str, at: &At<'_>, errors: &mut ErrorList) {
    if !["iqn", "eui", "naa"].iter().any(|kind| name.starts_with(kind)) {
        at.invalid(errors, name, "must be valid format starting with iqn, eui, or naa");
    } else if !is_iscsi_name(name) {
        at.invalid(errors, name, "must be valid format");
    }
}

pub fn iscsi(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    required(source, &["targetPortal"], at, errors);
    match text(source, "iqn") {
        "" => at.child("iqn").required(errors, ""),
        name => iscsi_name(name, &at.child("iqn"), errors),
    }
    at.child("lun").range(errors, number(source, "lun"), 0, 255);
    let chap = flag(source, "chapAuthDiscovery") || flag(source, "chapAuthSession");
    if chap && given(source, "secretRef").is_none() {
        at.child("secretRef").required(errors, "");
    }
    if let Some(initiator) = given_text(source, "initiatorName") {
        iscsi_name(initiator, &at.child("initiatorname"), errors);
    }
}

/// The volume's name and portal make a name together; `at` is the volume.
pub fn iscsi_names(volume: &Value, source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let name = text(volume, "name");
    if given(source, "initiatorName").is_some() && name.len() + 1 + text(source, "targetPortal").len() > 64 {
        let detail = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.";
        at.child("name").invalid(errors, name, detail);
    }
}

pub fn glusterfs(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    required(source, &["endpoints", "path"], at, errors);
}

pub fn flocker(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let (name, uuid) = (text(source, "datasetName"), text(source, "datasetUUID"));
    if name.is_empty() && uuid.is_empty() {
        at.required(errors, "one of datasetName and datasetUUID is required");
    }
    if !name.is_empty() && !uuid.is_empty() {
        at.invalid(errors, "resource", "datasetName and datasetUUID can not be specified simultaneously");
    }
    if name.contains('/') {
        at.child("datasetName").invalid(errors, name, "must not contain '/'");
    }
}

fn monitors(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if is_empty_list(source, "monitors") {
        at.child("monitors").required(errors, "");
    }
}

pub fn rbd(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    monitors(source, at, errors);
    required(source, &["image"], at, errors);
}

pub fn cinder(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    required(source, &["volumeID"], at, errors);
    secret_ref(source, at, errors);
}

pub fn cephfs(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    monitors(source, at, errors);
}

pub fn quobyte(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let registry = text(source, "registry");
    let detail = "must be a host:port pair or multiple pairs separated by commas";
    if registry.is_empty() {
        at.child("registry").required(errors, detail);
    } else if text(source, "tenant").len() >= 65 {
        at.child("tenant").required(errors, "must be a UUID and may not exceed a length of 64 characters");
    } else {
        for pair in registry.split(',').filter(|pair| !is_host_port(pair)) {
            let _ = pair;
            at.child("registry").invalid(errors, registry, detail);
        }
    }
    required(source, &["volume"], at, errors);
}

/// What Go's `net.SplitHostPort` takes.
fn is_host_port(pair: &str) -> bool {
    let Some((host, port)) = pair.rsplit_once(':') else { return false };
    let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    !port.contains([']', '[']) && inner.map_or(!host.contains([':', '[', ']']), |inner| !inner.contains(['[', ']']))
}

pub fn fc(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let (targets, wwids) = (!is_empty_list(source, "targetWWNs"), !is_empty_list(source, "wwids"));
    let place = at.child("targetWWNs");
    if !targets && !wwids {
        place.required(errors, "must specify either targetWWNs or wwids, but not both");
    }
    if targets && wwids {
        let value = source.get("targetWWNs").cloned().unwrap_or_default();
        place.invalid(errors, value, "targetWWNs and wwids can not be specified simultaneously");
    }
    if targets {
        match number(source, "lun") {
            None => at.child("lun").required(errors, "lun is required if targetWWNs is specified"),
            lun => at.child("lun").range(errors, lun, 0, 255),
        }
    }
}

pub fn flex(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    required(source, &["driver"], at, errors);
    for key in keys(source, "options") {
        let namespace = format!(".{}", key.split('/').next().unwrap_or_default().to_lowercase());
        if namespace.ends_with(".kubernetes.io") || namespace.ends_with(".k8s.io") {
            at.child("options").key(key).invalid(errors, key, "kubernetes.io and k8s.io namespaces are reserved");
        }
    }
}

pub fn azure_file(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    required(source, &["secretName", "shareName"], at, errors);
}

pub fn azure_disk(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    required(source, &["diskName", "diskURI"], at, errors);
    at.child("cachingMode").one_of_given(errors, given_text(source, "cachingMode"), &["None", "ReadOnly", "ReadWrite"]);
    let kind = given_text(source, "kind");
    at.child("kind").one_of_given(errors, kind, &["Dedicated", "Managed", "Shared"]);
    let uri = text(source, "diskURI");
    match kind {
        Some("Managed") if !uri.starts_with("/subscriptions/") => {
            let form = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}";
            at.child("diskURI").not_supported(errors, uri, &[form]);
        }
        Some("Managed") | None => {}
        Some(_) if !uri.starts_with("https://") => {
            let form = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd";
            at.child("diskURI").not_supported(errors, uri, &[form]);
        }
        Some(_) => {}
    }
}

pub fn vsphere(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    required(source, &["volumePath"], at, errors);
}

pub fn photon(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    required(source, &["pdID"], at, errors);
}

pub fn portworx(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    required(source, &["volumeID"], at, errors);
}

pub fn storageos(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    at.child("volumeName").label(errors, text(source, "volumeName"));
    let namespace = text(source, "volumeNamespace");
    if !namespace.is_empty() {
        at.child("volumeNamespace").label(errors, namespace);
    }
    secret_ref(source, at, errors);
}

pub fn scale_io(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    required(source, &["gateway", "system", "volumeName"], at, errors);
}
