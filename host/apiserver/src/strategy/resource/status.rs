//! Status of claims: what was allocated, for whom it is reserved, and how the devices are.

use super::{MAX_CONFIGS, MAX_PARAMETERS, configuration, itself, list, names, raw, reference, references, request_names, set, slice};
use crate::strategy::at::At;
use crate::strategy::pod_spec::node_selector;
use crate::strategy::read::{immutable, items, text};
use crate::strategy::words;
use object::field::{ErrorList, Path};
use object::{Object, Value};
use std::collections::HashSet;

const MAX_RESERVED: usize = 256;
const MAX_RESULTS: usize = 32;
const MAX_CONDITIONS: usize = 8;
const MAX_IPS: usize = 16;
/// Bytes.
const MAX_INTERFACE: usize = 256;
const MAX_HARDWARE: usize = 128;

pub fn validate(new: &Object, old: &Object, errors: &mut ErrorList) {
    let empty = Value::Null;
    let (status, was) = (new.at(&["status"]).unwrap_or(&empty), old.at(&["status"]).unwrap_or(&empty));
    let at = At::new("status");
    let known = request_names(new.at(&["spec", "devices"]).unwrap_or(&empty));
    let by_uid = |one: &Value| text(one, "uid").to_owned();
    set(status, "reservedFor", MAX_RESERVED, &at, errors, by_uid, |consumer, at, errors| {
        for field in ["resource", "name", "uid"] {
            if text(consumer, field).is_empty() {
                at.child(field).required(errors, "");
            }
        }
    });
    let allocation = status.get("allocation").filter(|a| a.is_object());
    let devices = allocation.and_then(|a| a.get("devices")).unwrap_or(&empty);
    let allocated: HashSet<String> = items(devices, "results").map(|(_, r)| id(r)).collect();
    set(status, "devices", usize::MAX, &at, errors, id, |one, at, errors| device(one, &allocated, at, errors));
    let reserved = items(status, "reservedFor").count() > 0;
    if reserved && allocation.is_none() {
        at.child("reservedFor").forbidden(errors, "may not be specified when `allocated` is not set");
    } else if reserved && new.is_deleting() {
        let before: Vec<&Value> = items(was, "reservedFor").map(|(_, r)| r).collect();
        if items(status, "reservedFor").any(|(_, r)| !before.contains(&r)) {
            let told = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set";
            at.child("reservedFor").forbidden(errors, told);
        }
    }
    match (was.get("allocation").filter(|a| a.is_object()), allocation) {
        (Some(before), Some(now)) => immutable(Some(now), Some(before), &Path::new("status.allocation"), errors),
        (None, Some(now)) => allocation_result(now, &known, &at.child("allocation"), errors),
        _ => {}
    }
}

/// `driver/pool/device`, and the share of it.
fn id(result: &Value) -> String {
    let name = format!("{}/{}/{}", text(result, "driver"), text(result, "pool"), text(result, "device"));
    match text(result, "shareID") {
        "" => name,
        share => format!("{name}/{share}"),
    }
}

fn allocation_result(allocation: &Value, known: &HashSet<String>, at: &At<'_>, errors: &mut ErrorList) {
    let empty = Value::Null;
    let (devices, place) = (allocation.get("devices").unwrap_or(&empty), at.child("devices"));
    list(devices, "results", MAX_RESULTS, &place, errors, |result, at, errors| {
        reference(text(result, "request"), known, &at.child("request"), errors);
        named(result, at, errors);
        slice::binding(result, at, errors);
        if let Some(share) = result.get("shareID").and_then(Value::as_str) {
            names::uid(share, &at.child("shareID"), errors);
        }
    });
    // Those of classes and those of the claim.
    list(devices, "config", 2 * MAX_CONFIGS, &place, errors, |config, at, errors| {
        at.child("source").one_of(errors, text(config, "source"), &["FromClaim", "FromClass"]);
        references(config, known, at, errors);
        configuration(config, at, errors);
    });
    if let Some(selector) = allocation.get("nodeSelector").filter(|s| s.is_object()) {
        node_selector(selector, &at.child("nodeSelector"), errors);
    }
}

fn named(result: &Value, at: &At<'_>, errors: &mut ErrorList) {
    names::driver(text(result, "driver"), &at.child("driver"), errors);
    names::pool(text(result, "pool"), &at.child("pool"), errors);
    names::device(text(result, "device"), &at.child("device"), errors);
}

fn device(device: &Value, allocated: &HashSet<String>, at: &At<'_>, errors: &mut ErrorList) {
    named(device, at, errors);
    if let Some(share) = device.get("shareID").and_then(Value::as_str) {
        names::uid(share, &at.child("shareID"), errors);
    }
    if !allocated.contains(&id(device)) {
        at.invalid(errors, id(device), "must be an allocated device in the claim");
    }
    let count = items(device, "conditions").count();
    if count > MAX_CONDITIONS {
        at.child("conditions").too_many(errors, count, MAX_CONDITIONS);
    }
    words::conditions(device, at, errors);
    if let Some(data) = device.get("data").filter(|d| !d.is_null()) {
        raw(Some(data), MAX_PARAMETERS, &at.child("data"), errors);
    }
    let Some(network) = device.get("networkData").filter(|n| n.is_object()) else { return };
    let at = at.child("networkData");
    for (field, most) in [("interfaceName", MAX_INTERFACE), ("hardwareAddress", MAX_HARDWARE)] {
        if text(network, field).len() > most {
            at.child(field).too_long(errors, most);
        }
    }
    set(network, "ips", MAX_IPS, &at, errors, itself, |address, at, errors| {
        let address = address.as_str().unwrap_or_default();
        if !is_interface_address(address) {
            at.invalid(errors, address, "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)");
        }
    });
}

/// An address with the length of its network.
fn is_interface_address(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let Ok(address) = address.parse::<std::net::IpAddr>() else { return false };
    let most = if address.is_ipv4() { 32 } else { 128 };
    bits.parse::<u8>().is_ok_and(|b| b <= most)
}
