//! LimitRanges and ResourceQuotas (`ValidateLimitRange`, `ValidateResourceQuota` of `pkg/apis/core/validation`,
//! `pkg/registry/core/resourcequota/strategy.go`).

use super::amounts::{self, container_name, may_overcommit, of_resource, quantity, quota_name};
use super::read::{entries, is_empty, items, text};
use super::{Context, Strategy};
use object::field::{ErrorList, Path};
use object::quantity::Quantity;
use object::{Object, Value, json, names};
use std::collections::{BTreeMap, BTreeSet, HashSet};

pub struct LimitRangeStrategy;
pub struct QuotaStrategy;

impl Strategy for LimitRangeStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        let mut seen = HashSet::new();
        for (at, limit) in items(new.at(&["spec"]).unwrap_or(&empty), "limits") {
            let path = Path::new("spec").child("limits").index(at);
            let ty = text(limit, "type");
            limit_type(ty, &path.child("type"), errors);
            if !seen.insert(ty) {
                errors.duplicate(&path.child("type"), ty);
            }
            limits(limit, ty, &path, errors);
        }
    }
}

fn limit_type(ty: &str, path: &Path, errors: &mut ErrorList) {
    let faults = names::qualified_name(ty);
    if faults.is_empty() && !ty.contains('/') && !matches!(ty, "Pod" | "Container" | "PersistentVolumeClaim") {
        errors.invalid(path, ty, "must be a standard limit type or fully qualified");
    }
    errors.invalid_all(path, ty, faults);
}

/// The amounts of one list, by resource.
type Amounts<'v> = BTreeMap<&'v str, Quantity>;

fn limits(limit: &Value, ty: &str, path: &Path, errors: &mut ErrorList) {
    let mut amounts_of = |list: &str| -> Amounts<'_> {
        let given = entries(limit, list).filter_map(|(name, value)| Some((name.as_str(), quantity(Some(value))?)));
        let given: Amounts<'_> = given.collect();
        for name in given.keys() {
            let path = path.child(list).key(name);
            if matches!(ty, "Pod" | "Container") {
                container_name(name, &path, errors);
            } else {
                amounts::name(name, &path, errors);
            }
        }
        given
    };
    let (max, min) = (amounts_of("max"), amounts_of("min"));
    let (mut default, mut request) = (Amounts::new(), Amounts::new());
    if ty != "Pod" {
        default = amounts_of("default");
        request = amounts_of("defaultRequest");
    }
    let ratio = amounts_of("maxLimitRequestRatio");
    if ty == "Pod" {
        for list in ["default", "defaultRequest"] {
            if !is_empty(limit.get(list)) {
                errors.forbidden(&path.child(list), "may not be specified when `type` is 'Pod'");
            }
        }
    }
    if ty == "PersistentVolumeClaim" && !min.contains_key("storage") && !max.contains_key("storage") {
        errors.required(&path.child("limits"), "either minimum or maximum storage value is required, but neither was provided");
    }
    let named: BTreeSet<&str> = [&max, &min, &default, &request, &ratio].iter().flat_map(|list| list.keys().copied()).collect();
    for name in named {
        let (max, min, ratio) = (max.get(name), min.get(name), ratio.get(name));
        let (default, request) = (default.get(name), request.get(name));
        let mut greater = |list: &str, shown: Option<&Quantity>, what: &str, a: Option<&Quantity>, than: &str, b: Option<&Quantity>| {
            if let (Some(shown), Some(a), Some(b)) = (shown, a, b)
                && a > b
            {
                let told = format!("{what} value {a} is greater than {than} value {b}");
                errors.invalid(&path.child(list).key(name), shown.to_string(), &told);
            }
        };
        greater("min", min, "min", min, "max", max);
        greater("defaultRequest", request, "min", min, "default request", request);
        greater("defaultRequest", request, "default request", request, "max", max);
        greater("defaultRequest", request, "default request", request, "default limit", default);
        greater("default", min, "min", min, "default", default);
        greater("default", max, "default", default, "max", max);
        if let Some(ratio) = ratio {
            let path = path.child("maxLimitRequestRatio").key(name);
            if *ratio < Quantity::from_units(1) {
                errors.invalid(&path, ratio.to_string(), &format!("ratio {ratio} is less than 1"));
            }
            if let (Some(min), Some(max)) = (min, max) {
                let possible = max.nanos() as f64 / min.nanos() as f64;
                if ratio.nanos() as f64 / 1e9 > possible {
                    errors.invalid(&path, ratio.to_string(), &format!("ratio {ratio} is greater than max/min = {possible:.6}"));
                }
            }
        }
        if let (Some(default), Some(request)) = (default, request)
            && !may_overcommit(name)
            && default != request
        {
            let told = format!("default value {default} must equal to defaultRequest value {request} in {name}");
            errors.invalid(&path.child("defaultRequest").key(name), request.to_string(), &told);
        }
    }
}

impl Strategy for QuotaStrategy {
    fn prepare_create(&self, _: &Context, new: &mut Object) {
        new.set_at(&["status"], json!({}));
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let path = Path::new("spec");
        let empty = Value::Null;
        let spec = new.at(&["spec"]).unwrap_or(&empty);
        hard(spec, "hard", &path, errors);
        scopes(spec, &path, errors);
        if let Some(selector) = spec.get("scopeSelector").filter(|s| s.is_object()) {
            selected_scopes(spec, selector, &path.child("scopeSelector").child("matchExpressions"), errors);
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        let set = |o: &Object| -> BTreeSet<String> {
            let scopes = o.at(&["spec", "scopes"]).and_then(Value::as_array).into_iter().flatten();
            scopes.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        if set(new) != set(old) {
            let scopes = new.at(&["spec", "scopes"]).cloned().unwrap_or_default();
            errors.invalid(&Path::new("spec").child("scopes"), scopes, "field is immutable");
        }
    }

    fn validate_status(&self, new: &Object, _: &Object, errors: &mut ErrorList) {
        let path = Path::new("status");
        let empty = Value::Null;
        let status = new.at(&["status"]).unwrap_or(&empty);
        hard(status, "hard", &path, errors);
        hard(status, "used", &path, errors);
    }

    fn status_writes_metadata(&self) -> bool {
        true
    }
}

fn hard(parent: &Value, list: &str, path: &Path, errors: &mut ErrorList) {
    for (name, value) in entries(parent, list) {
        let path = path.child(list).key(name);
        quota_name(name, &path, errors);
        if let Some(value) = quantity(Some(value)) {
            of_resource(name, value, &path, errors);
        }
    }
}

fn is_scope(scope: &str) -> bool {
    matches!(
        scope,
        "Terminating"
            | "NotTerminating"
            | "BestEffort"
            | "NotBestEffort"
            | "PriorityClass"
            | "CrossNamespacePodAffinity"
            | "VolumeAttributesClass"
    )
}

/// `IsResourceQuotaScopeValidForResource`.
fn fits(scope: &str, resource: &str) -> bool {
    let compute = matches!(resource, "cpu" | "memory" | "limits.cpu" | "limits.memory" | "requests.cpu" | "requests.memory");
    match scope {
        "BestEffort" => resource == "pods",
        "Terminating" | "NotTerminating" | "NotBestEffort" | "PriorityClass" | "CrossNamespacePodAffinity" => resource == "pods" || compute,
        "VolumeAttributesClass" => matches!(resource, "persistentvolumeclaims" | "requests.storage"),
        _ => true,
    }
}

const CONFLICTS: [(&str, &str); 2] = [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")];

fn scopes(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let path = path.child("scopes");
    let all = spec.get("scopes").cloned().unwrap_or_default();
    let named: Vec<&str> = items(spec, "scopes").filter_map(|(_, s)| s.as_str()).collect();
    for scope in &named {
        if !is_scope(scope) {
            errors.invalid(&path, all.clone(), "unsupported scope");
        }
        for (resource, _) in entries(spec, "hard") {
            if amounts::is_standard_quota(resource) && !fits(scope, resource) {
                errors.invalid(&path, all.clone(), "unsupported scope applied to resource");
            }
        }
    }
    for (one, other) in CONFLICTS {
        if named.contains(&one) && named.contains(&other) {
            errors.invalid(&path, all.clone(), "conflicting scopes");
        }
    }
}

fn selected_scopes(spec: &Value, selector: &Value, path: &Path, errors: &mut ErrorList) {
    let mut named = Vec::new();
    for (_, requirement) in items(selector, "matchExpressions") {
        let (scope, operator) = (text(requirement, "scopeName"), text(requirement, "operator"));
        if !is_scope(scope) {
            errors.invalid(&path.child("scopeName"), scope, "unsupported scope");
        }
        for (resource, _) in entries(spec, "hard") {
            if amounts::is_standard_quota(resource) && !fits(scope, resource) {
                errors.invalid(path, selector.clone(), "unsupported scope applied to resource");
            }
        }
        let only_exists = matches!(scope, "BestEffort" | "NotBestEffort" | "Terminating" | "NotTerminating" | "CrossNamespacePodAffinity");
        if only_exists && operator != "Exists" {
            let told = "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
            errors.invalid(&path.child("operator"), operator, told);
        }
        let values = requirement.get("values");
        match operator {
            "In" | "NotIn" if is_empty(values) => {
                errors.required(&path.child("values"), "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector");
            }
            "Exists" | "DoesNotExist" if !is_empty(values) => {
                let told = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
                errors.invalid(&path.child("values"), values.cloned().unwrap_or_default(), told);
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => errors.invalid(&path.child("operator"), operator, "not a valid selector operator"),
        }
        named.push(scope);
    }
    for (one, other) in CONFLICTS {
        if named.contains(&one) && named.contains(&other) {
            errors.invalid(path, spec.get("scopes").cloned().unwrap_or_default(), "conflicting scopes");
        }
    }
}
