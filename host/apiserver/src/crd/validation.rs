//! What a CustomResourceDefinition must be (`pkg/apis/apiextensions/validation/validation.go`).
//!
//! Upstream validates its internal form, in which what all versions have in common stands in the spec itself: paths of
//! causes are of that form (`spec.validation.openAPIV3Schema…` of a definition with one version). What an older server let
//! pass may stay as it is in an update ([`Options`]).

mod conversion;
mod defaults;
mod names;
mod schema;
mod version;

use object::field::{ErrorList, Path};
use object::{Object, Value, names as words};
use registry::custom::definition::{self as crd, APPROVED_ANNOTATION, Approval, ESTABLISHED, flag, is_true, text};
use registry::custom::{Props, structure};
use schema::Checks;
use std::collections::BTreeSet;

/// What is asked of a definition; less of one that was stored when less was asked.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// `spec.names.kind` and `spec.scope` cannot change any more.
    immutable_names: bool,
    schema: bool,
    structural: bool,
    checks: Checks,
    recognized_review: bool,
    invalid_ca_bundle: bool,
    /// Versions whose schema is as it was: its rules may cost what they cost.
    unchanged: BTreeSet<String>,
    /// Versions that may keep too many selectable fields.
    many_fields: BTreeSet<String>,
}

impl Options {
    fn create() -> Self {
        Self {
            immutable_names: false,
            schema: true,
            structural: true,
            checks: Checks::ALL,
            recognized_review: true,
            invalid_ca_bundle: true,
            unchanged: BTreeSet::new(),
            many_fields: BTreeSet::new(),
        }
    }

    fn update(new: &Object, old: &Object) -> Self {
        let schemas: Vec<Props> = crd::versions(old).filter_map(schema_of).map(Props::read).collect();
        let any = |f: &dyn Fn(&Props) -> bool| schemas.iter().any(|s| s.any(&mut |p| f(p)));
        let root = Path::root();
        let broken = |s: &Props| structure::unsupported(s).is_some() || !structure::validate(s, &root).is_empty();
        let before = |name: &str| crd::versions(old).find(|v| text(v, "name") == name);
        let name = |v: &Value| text(v, "name").to_owned();
        let same = |v: &&Value, field: &str| before(text(v, "name")).is_some_and(|o| o.get(field) == v.get(field));
        let fields = |v: &Value| v.get("selectableFields").and_then(Value::as_array).map_or(0, Vec::len);
        let reviews = old.at(&["spec", "conversion", "webhook", "conversionReviewVersions"]).and_then(Value::as_array);
        let reviews: Vec<&str> = reviews.into_iter().flatten().filter_map(Value::as_str).collect();
        Self {
            immutable_names: is_true(old, ESTABLISHED),
            schema: crd::versions(old).all(|v| schema_of(v).is_some()),
            structural: !schemas.iter().any(broken),
            checks: Checks {
                types: !any(&|p| !p.ty.is_empty() && !schema::TYPES.contains(&p.ty.as_str())),
                pruned_defaults: !schemas.iter().any(defaults::has_unpruned),
                atomic_sets: !any(&schema::has_open_set),
                map_keys: !any(&|p| !schema::map_keys(p, &root).is_empty()),
                suppress_cost: false,
            },
            recognized_review: reviews.is_empty() || reviews.iter().any(|v| conversion::ACCEPTED.contains(v)),
            invalid_ca_bundle: !is_true(old, ESTABLISHED) || conversion::has_invalid_bundle(old),
            unchanged: crd::versions(new).filter(|v| same(v, "schema")).map(name).collect(),
            many_fields: crd::versions(new).filter(|v| fields(v) > version::FIELDS_MAX && same(v, "selectableFields")).map(name).collect(),
        }
    }
}

fn schema_of(version: &Value) -> Option<&Value> {
    version.pointer("/schema/openAPIV3Schema").filter(|s| s.is_object())
}

/// `ValidateCustomResourceDefinition`.
pub fn create(new: &Object, errors: &mut ErrorList) {
    let expect = format!("{}.{}", new.str_at(&["spec", "names", "plural"]), new.str_at(&["spec", "group"]));
    if !new.name().is_empty() && new.name() != expect {
        errors.invalid(&Path::new("metadata").child("name"), new.name(), "must be spec.names.plural+\".\"+spec.group");
    }
    spec(new, &Options::create(), errors);
    rest(new, None, errors);
}

/// `ValidateCustomResourceDefinitionUpdate`.
pub fn update(new: &Object, old: &Object, errors: &mut ErrorList) {
    let options = Options::update(new, old);
    spec(new, &options, errors);
    let mut immutable = vec![("group", vec!["group"]), ("names.plural", vec!["names", "plural"])];
    if options.immutable_names {
        immutable.splice(0..0, [("scope", vec!["scope"]), ("names.kind", vec!["names", "kind"])]);
    }
    for (field, path) in immutable {
        let path: Vec<&str> = std::iter::once("spec").chain(path).collect();
        if new.at(&path) != old.at(&path) {
            let value = new.at(&path).cloned().unwrap_or_else(|| Value::from(""));
            errors.invalid(&Path::new("spec").child(field), value, "field is immutable");
        }
    }
    rest(new, Some(old), errors);
}

/// `ValidateUpdateCustomResourceDefinitionStatus`.
pub fn status(new: &Object, errors: &mut ErrorList) {
    if let Some(accepted) = new.at(&["status", "acceptedNames"]) {
        names::validate(accepted, &Path::new("status").child("acceptedNames"), errors);
    }
}

/// All but the spec.
fn rest(new: &Object, old: Option<&Object>, errors: &mut ErrorList) {
    status(new, errors);
    stored_versions(new, errors);
    approval(new, old, errors);
    let preserves = |o: &Object| o.at(&["spec", "preserveUnknownFields"]).and_then(Value::as_bool).unwrap_or(false);
    if preserves(new) && !old.is_some_and(preserves) {
        let detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        errors.invalid(&Path::new("spec").child("preserveUnknownFields"), true, detail);
    }
}

fn stored_versions(new: &Object, errors: &mut ErrorList) {
    let at = Path::new("status").child("storedVersions");
    let stored = new.at(&["status", "storedVersions"]).and_then(Value::as_array).cloned().unwrap_or_default();
    if stored.is_empty() {
        errors.invalid(&at, Value::Array(stored), "must have at least one stored version");
        return;
    }
    let has = |name: &str| stored.iter().any(|v| v.as_str() == Some(name));
    for version in crd::versions(new).filter(|v| flag(v, "storage") && !has(text(v, "name"))) {
        let detail = format!("must have the storage version {}", text(version, "name"));
        errors.invalid(&at, Value::Array(stored.clone()), &detail);
    }
    for (index, name) in stored.iter().enumerate() {
        let name = name.as_str().unwrap_or_default();
        if !crd::versions(new).any(|v| text(v, "name") == name) {
            let detail = format!(
                "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until a storage \
                 migration ensures no data remains persisted in {name} and removes {name} from status.storedVersions"
            );
            errors.invalid(&at.index(index), name, &detail);
        }
    }
}

fn approval(new: &Object, old: Option<&Object>, errors: &mut ErrorList) {
    if !crd::is_protected_group(new.str_at(&["spec", "group"])) {
        return;
    }
    let (state, reason) = crd::approval(new);
    if old.is_some_and(|old| crd::approval(old).0 == state) {
        return;
    }
    let at = Path::new("metadata").child("annotations").key(APPROVED_ANNOTATION);
    match state {
        Approval::Invalid => errors.invalid(&at, new.annotation(APPROVED_ANNOTATION).unwrap_or_default(), &reason),
        Approval::Missing => errors.required(&at, &reason),
        Approval::Approved | Approval::Bypassed => {}
    }
}

/// Whether all versions have the same in a field: then upstream's internal form has it in the spec.
fn is_shared(new: &Object, field: &str) -> bool {
    let mut values = crd::versions(new).map(|v| v.get(field).filter(|v| !v.is_null()));
    let first = values.next();
    values.all(|v| Some(v) == first)
}

fn spec(new: &Object, options: &Options, errors: &mut ErrorList) {
    let at = Path::new("spec");
    let group = new.str_at(&["spec", "group"]);
    let faults = words::dns1123_subdomain(group);
    if group.is_empty() {
        errors.required(&at.child("group"), "");
    } else if !faults.is_empty() {
        errors.invalid(&at.child("group"), group, &faults.join(","));
    } else if !group.contains('.') {
        errors.invalid(&at.child("group"), group, "should be a domain with at least one dot");
    }
    match new.str_at(&["spec", "scope"]) {
        "" => errors.required(&at.child("scope"), ""),
        "Cluster" | "Namespaced" => {}
        other => errors.not_supported(&at.child("scope"), other, &["Cluster", "Namespaced"]),
    }
    let preserves = new.at(&["spec", "preserveUnknownFields"]).and_then(Value::as_bool).unwrap_or(false);
    let versions: Vec<&Value> = crd::versions(new).collect();
    let schema_at = |index: usize| at.child("versions").index(index).child("schema").child("openAPIV3Schema");
    for (index, version) in versions.iter().enumerate().filter(|(_, v)| schema_of(v).is_none()) {
        if options.schema {
            errors.required(&schema_at(index), "");
        } else if !preserves && flag(version, "served") {
            errors.required(&schema_at(index), "because otherwise all fields are pruned");
        }
    }
    let schemas: Vec<Props> = versions.iter().filter_map(|v| schema_of(v)).map(Props::read).collect();
    let any = |f: &dyn Fn(&Props) -> bool| schemas.iter().any(|s| s.any(&mut |p| f(p)));
    let has_defaults = any(&|p| p.default.is_some());
    if has_defaults && preserves {
        errors.invalid(&at.child("preserveUnknownFields"), true, "must be false in order to use defaults in the schema");
    }
    let structural = options.structural || !preserves || has_defaults || any(&schema::has_extensions);
    let mut options = options.clone();
    options.structural = structural;

    version::all(new, &versions, &options, errors);

    let mut seen = BTreeSet::new();
    if !versions.iter().all(|v| seen.insert(text(v, "name"))) {
        errors.invalid(&at.child("versions"), listed(&versions), "must contain unique version names");
    }
    if versions.iter().filter(|v| flag(v, "storage")).count() != 1 {
        errors.invalid(&at.child("versions"), listed(&versions), "must have exactly one version marked as storage version");
    }
    if let Some(first) = versions.first() {
        let faults = words::dns1035_label(text(first, "name"));
        if !text(first, "name").is_empty() && !faults.is_empty() {
            errors.invalid(&at.child("version"), text(first, "name"), &faults.join(","));
        }
    }
    let given = new.at(&["spec", "names"]).cloned().unwrap_or_default();
    for field in ["plural", "singular", "kind", "listKind"] {
        if text(&given, field).is_empty() {
            errors.required(&at.child("names").child(field), "");
        }
    }
    names::validate(&given, &at.child("names"), errors);
    version::shared(new, &versions, &options, errors);
    conversion::validate(new, preserves, &options, errors);
}

fn listed(versions: &[&Value]) -> Value {
    versions.iter().map(|v| (*v).clone()).collect()
}
