//! Certificate signing requests and trust bundles: `pkg/apis/certificates/validation/validation.go`,
//! `pkg/registry/certificates/certificates/strategy.go`.

mod pem;
mod pod;

pub use pod::PodRequestStrategy;

use super::at::At;
use super::read::{items, number, text};
use super::{Context, Strategy, words};
use object::field::ErrorList;
use object::{Object, Value, json};
use std::collections::HashSet;

pub struct SigningRequestStrategy;
pub struct TrustBundleStrategy;

const USAGES: [&str; 23] = [
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];
const APPROVALS: [&str; 2] = ["Approved", "Denied"];
/// Conditions that can only be true.
const TRUE_ONLY: [&str; 3] = ["Approved", "Denied", "Failed"];
const CONDITIONS: [&str; 2] = ["status", "conditions"];
const CERTIFICATE: [&str; 2] = ["status", "certificate"];

impl Strategy for SigningRequestStrategy {
    /// Who asks is what the server knows of them, whatever they say.
    fn prepare_create(&self, context: &Context, new: &mut Object) {
        let user = context.user;
        new.set_at(&["spec", "username"], json!(user.name));
        for (field, value) in [("uid", json!(user.uid)), ("groups", json!(user.groups)), ("extra", json!(user.extra))] {
            let empty = matches!(&value, Value::String(s) if s.is_empty()) || value == json!([]) || value == json!({});
            if empty {
                new.remove_at(&["spec", field]);
            } else {
                new.set_at(&["spec", field], value);
            }
        }
    }

    /// The specification never changes. Of the status, `approval` writes the verdict and `status` everything else.
    fn prepare_update(&self, context: &Context, new: &mut Object, old: &Object) {
        if let Some(spec) = old.at(&["spec"]) {
            new.set_at(&["spec"], spec.clone());
        }
        match context.subresource {
            Some("approval") => {
                let conditions = new.at(&CONDITIONS).cloned();
                match old.at(&["status"]).cloned() {
                    Some(status) => new.set_at(&["status"], status),
                    None => {
                        new.remove_at(&["status"]);
                    }
                }
                match conditions {
                    Some(conditions) => new.set_at(&CONDITIONS, conditions),
                    None => {
                        new.remove_at(&CONDITIONS);
                    }
                }
                date(new, old);
            }
            Some("status") => {
                keep_approval(new, old);
                date(new, old);
            }
            _ => {}
        }
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        let (spec, at) = (new.at(&["spec"]).unwrap_or(&empty), At::new("spec"));
        if let Err(fault) = pem::request(text(spec, "request")) {
            at.child("request").invalid(errors, text(spec, "request"), &fault);
        }
        usages(spec, &at.child("usages"), errors);
        let signer = text(spec, "signerName");
        if signer == "kubernetes.io/legacy-unknown" {
            let told = "the legacy signerName is not allowed via this API version";
            at.child("signerName").invalid(errors, signer, told);
        } else {
            words::signer(signer, &at.child("signerName"), errors);
        }
        if let Some(seconds) = number(spec, "expirationSeconds").filter(|s| *s < 600) {
            let told = "may not specify a duration less than 600 seconds (10 minutes)";
            at.child("expirationSeconds").invalid(errors, seconds, told);
        }
        conditions(new, errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        approvals_kept(new, old, errors);
    }

    fn validate_subresource(&self, _: &str, new: &Object, old: &Object, errors: &mut ErrorList) {
        removals(new, old, errors);
        if new.str_at(&CERTIFICATE) != old.str_at(&CERTIFICATE) {
            At::new("status.certificate").forbidden(errors, "updates may not set certificate content");
        }
    }

    fn validate_status(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        conditions(new, errors);
        approvals_kept(new, old, errors);
        let (is, was) = (new.str_at(&CERTIFICATE), old.str_at(&CERTIFICATE));
        if is == was {
            return;
        }
        if let Err(fault) = pem::certificates(is) {
            At::new("status.certificate").invalid(errors, "<certificate data>", &fault);
        }
        if !was.is_empty() {
            At::new("status.certificate").forbidden(errors, "updates may not modify existing certificate content");
        }
    }
}

fn of_type<'o>(object: &'o Object, ty: &str) -> Vec<&'o Value> {
    let list = object.at(&CONDITIONS).and_then(Value::as_array);
    list.into_iter().flatten().filter(|c| text(*c, "type") == ty).collect()
}

/// When conditions came and changed, where the client does not say (`populateConditionTimestamps`).
fn date(new: &mut Object, old: &Object) {
    let now = object::time::now();
    let before: Vec<(String, String, Value)> = old
        .at(&CONDITIONS)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|c| (text(c, "type").to_owned(), text(c, "status").to_owned(), c.get("lastTransitionTime").cloned().unwrap_or_default()))
        .collect();
    let Some(mut list) = new.at(&CONDITIONS).cloned() else { return };
    for condition in list.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        let unset = |condition: &object::Map<String, Value>, field: &str| text(condition, field).is_empty();
        if unset(condition, "lastUpdateTime") {
            condition.insert("lastUpdateTime".to_owned(), json!(now));
        }
        if unset(condition, "lastTransitionTime") {
            let (ty, status) = (text(condition, "type"), text(condition, "status"));
            let same = before.iter().find(|(t, s, time)| t == ty && s == status && !time.is_null());
            let time = same.map_or_else(|| json!(now), |(_, _, time)| time.clone());
            condition.insert("lastTransitionTime".to_owned(), time);
        }
    }
    new.set_at(&CONDITIONS, list);
}

/// A client that does not know of the verdict may write the status without it (`preserveConditionInstances`).
fn keep_approval(new: &mut Object, old: &Object) {
    for ty in APPROVALS {
        let known: Vec<Value> = of_type(old, ty).into_iter().cloned().collect();
        if known.is_empty() || !of_type(new, ty).is_empty() {
            continue;
        }
        let mut list = new.at(&CONDITIONS).and_then(Value::as_array).cloned().unwrap_or_default();
        list.extend(known);
        new.set_at(&CONDITIONS, Value::Array(list));
    }
}

fn usages(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let usages: Vec<&str> = items(spec, "usages").filter_map(|(_, v)| v.as_str()).collect();
    if usages.is_empty() {
        at.required(errors, "");
    }
    for (index, usage) in usages.iter().enumerate().filter(|(_, u)| !USAGES.contains(u)) {
        at.index(index).not_supported(errors, *usage, &USAGES);
    }
    let mut seen = HashSet::new();
    for (index, usage) in usages.iter().enumerate() {
        if !seen.insert(*usage) {
            at.index(index).duplicate(errors, *usage);
        }
    }
}

fn conditions(new: &Object, errors: &mut ErrorList) {
    let list = new.at(&CONDITIONS).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let at = At::new("status.conditions");
    let mut seen = HashSet::new();
    for (index, condition) in list.iter().enumerate() {
        let (ty, status) = (text(condition, "type"), text(condition, "status"));
        let place = at.index(index);
        if ty.is_empty() {
            place.child("type").required(errors, "");
        }
        let allowed: &[&str] = if TRUE_ONLY.contains(&ty) { &["True"] } else { &["False", "True", "Unknown"] };
        place.child("status").one_of(errors, status, allowed);
        let other = match ty {
            "Approved" => "Denied",
            "Denied" => "Approved",
            _ => "",
        };
        if !other.is_empty() && seen.contains(other) {
            at.invalid(errors, ty, "Approved and Denied conditions are mutually exclusive");
        }
        if !seen.insert(ty) {
            place.child("type").duplicate(errors, ty);
        }
    }
}

fn removals(new: &Object, old: &Object, errors: &mut ErrorList) {
    for ty in TRUE_ONLY {
        if of_type(new, ty).len() < of_type(old, ty).len() {
            let told = format!("updates may not remove a condition of type {ty:?}");
            At::new("status.conditions").forbidden(errors, &told);
        }
    }
}

/// Only `approval` approves and denies.
fn approvals_kept(new: &Object, old: &Object, errors: &mut ErrorList) {
    removals(new, old, errors);
    for ty in APPROVALS {
        let (is, was) = (of_type(new, ty), of_type(old, ty));
        let told = if is.len() > was.len() {
            format!("updates may not add a condition of type {ty:?}")
        } else if is.len() == was.len() && is != was {
            format!("updates may not modify a condition of type {ty:?}")
        } else {
            continue;
        };
        At::new("status.conditions").forbidden(errors, &told);
    }
}

/// `MaxTrustBundleSize`, in bytes.
const MAX_BUNDLE: usize = 1024 * 1024;

impl Strategy for TrustBundleStrategy {
    fn updates_need_revision(&self) -> bool {
        true
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let signer = new.str_at(&["spec", "signerName"]);
        bundle_name(new.name(), signer, errors);
        if !signer.is_empty() {
            words::signer(signer, &At::new("spec.signerName"), errors);
        }
        let (bundle, at) = (new.str_at(&["spec", "trustBundle"]), At::new("spec.trustBundle"));
        if bundle.len() > MAX_BUNDLE {
            return at.too_long(errors, MAX_BUNDLE);
        }
        for fault in pem::trust_anchors(bundle) {
            at.invalid(errors, "<value omitted>", &fault);
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        let (is, was) = (new.str_at(&["spec", "signerName"]), old.str_at(&["spec", "signerName"]));
        if is != was {
            At::new("spec.signerName").invalid(errors, is, "field is immutable");
        }
    }
}

/// `ValidateClusterTrustBundleName`: of a signer, the name begins with the signer's; of none, it has no colon.
fn bundle_name(name: &str, signer: &str, errors: &mut ErrorList) {
    let at = At::new("metadata.name");
    if name.is_empty() {
        return;
    }
    if signer.is_empty() {
        if name.contains(':') {
            at.invalid(errors, name, "ClusterTrustBundle without signer name must not have \":\" in its name");
        }
        at.invalid_all(errors, name, &object::names::dns1123_subdomain(name));
        return;
    }
    let required = format!("{}:", signer.replace('/', ":"));
    let Some(rest) = name.strip_prefix(&required) else {
        let told = format!("ClusterTrustBundle for signerName {signer} must be named with prefix {required}");
        return at.invalid(errors, name, &told);
    };
    at.invalid_all(errors, name, &object::names::dns1123_subdomain(rest));
}
