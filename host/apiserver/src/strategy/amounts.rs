//! Quantities and the names of resources (`pkg/apis/core/validation`, `pkg/apis/core/helper/helpers.go`).

use object::field::{ErrorList, Path};
use object::quantity::Quantity;
use object::{Value, names};

pub fn quantity(value: Option<&Value>) -> Option<Quantity> {
    value.and_then(|v| Quantity::from_value(v).ok())
}

/// `ValidateNonnegativeQuantity`.
pub fn non_negative(value: Quantity, path: &Path, errors: &mut ErrorList) {
    if value.is_negative() {
        errors.invalid(path, value.to_string(), "must be greater than or equal to 0");
    }
}

/// `ValidatePositiveQuantityValue`.
pub fn positive(value: Quantity, path: &Path, errors: &mut ErrorList) {
    if value <= Quantity::ZERO {
        errors.invalid(path, value.to_string(), "must be greater than zero");
    }
}

/// `ValidateResourceQuantityValue`: things that are counted are whole.
pub fn of_resource(resource: &str, value: Quantity, path: &Path, errors: &mut ErrorList) {
    non_negative(value, path, errors);
    if is_counted(resource) && value.milli() % 1000 != 0 {
        errors.invalid(path, value.to_string(), "must be an integer");
    }
}

fn is_counted(resource: &str) -> bool {
    COUNTED.contains(&resource) || is_extended(resource)
}

const COUNTED: [&str; 9] = [
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];

const COMPUTE: [&str; 9] = [
    "cpu",
    "ephemeral-storage",
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

fn is_huge_pages(name: &str) -> bool {
    name.starts_with("hugepages-") || name.starts_with("requests.hugepages-")
}

fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// A device that a plugin of a node offers.
pub fn is_extended(name: &str) -> bool {
    !is_native(name) && !name.starts_with("requests.") && names::qualified_name(&format!("requests.{name}")).is_empty()
}

/// Whether more may be asked for than there is.
pub fn may_overcommit(name: &str) -> bool {
    is_native(name) && !name.starts_with("hugepages-")
}

pub fn is_standard_quota(name: &str) -> bool {
    COUNTED.contains(&name) || COMPUTE.contains(&name) || name == "requests.storage" || is_huge_pages(name)
}

/// `validateResourceName`; false when it is no name at all.
fn resource_name(name: &str, path: &Path, errors: &mut ErrorList) -> bool {
    let faults = names::qualified_name(name);
    let standard =
        COUNTED.contains(&name) || COMPUTE.contains(&name) || matches!(name, "storage" | "requests.storage") || is_huge_pages(name);
    let unknown = faults.is_empty() && !name.contains('/') && !standard;
    if unknown {
        errors.invalid(path, name, "must be a standard resource type or fully qualified");
    }
    let sound = faults.is_empty() && !unknown;
    errors.invalid_all(path, name, faults);
    sound
}

/// `ValidateResourceQuotaResourceName`.
pub fn quota_name(name: &str, path: &Path, errors: &mut ErrorList) {
    resource_name(name, path, errors);
    if !name.contains('/') && !is_standard_quota(name) {
        errors.invalid(path, name, "must be a standard resource for quota");
    }
}

/// `validateContainerResourceName`.
pub fn container_name(name: &str, path: &Path, errors: &mut ErrorList) {
    resource_name(name, path, errors);
    if !name.contains('/') {
        if !matches!(name, "cpu" | "memory" | "ephemeral-storage") && !name.starts_with("hugepages-") {
            errors.invalid(path, name, "must be a standard resource for containers");
        }
    } else if !is_native(name) && !is_extended(name) {
        errors.invalid(path, name, "doesn't follow extended resource name standard");
    }
}

/// `ValidateResourceName`.
pub fn name(name: &str, path: &Path, errors: &mut ErrorList) {
    resource_name(name, path, errors);
}
