//! Defaults of a schema are valid values of it, without unknown fields (`pkg/apiserver/schema/defaulting/validation.go`).

use crate::crd::instance;
use crate::crd::rules::{Ratchet, Rules, Run};
use expression::{Budget, OBJECT_BUDGET};
use object::field::{ErrorList, Path};
use object::{Map, Value};
use registry::custom::Props;
use registry::custom::validate::{self, Patterns};
use registry::custom::walk::{self, META_FIELDS};

/// How to get from a resource's root to a value.
#[derive(Clone)]
enum Step {
    Child(String),
    Index,
}

struct Walk<'e> {
    errors: &'e mut ErrorList,
    pruned: bool,
    budget: Budget,
    patterns: Patterns,
}

/// Of the whole schema of a resource.
pub(super) fn validate(raw: &Value, schema: &Props, pruned: bool, at: &Path, errors: &mut ErrorList) {
    let mut root = schema.clone();
    root.embedded = true;
    let mut walk = Walk { errors, pruned, budget: Budget::new(OBJECT_BUDGET), patterns: Patterns::default() };
    walk.node(raw, &root, &root, &[], false, at);
}

/// Some default has fields that its schema does not know.
pub(super) fn has_unpruned(schema: &Props) -> bool {
    schema.any(&mut |p| p.default.as_ref().is_some_and(|d| !walk::prune(&mut d.clone(), p, p.embedded).is_empty()))
}

impl Walk<'_> {
    /// False when rules may not be asked any more.
    fn node(&mut self, raw: &Value, s: &Props, root: &Props, steps: &[Step], inside_meta: bool, at: &Path) -> bool {
        let (root, steps, inside_meta) = if s.embedded { (s, &[][..], false) } else { (root, steps, inside_meta) };
        if let Some(default) = &s.default
            && !self.default(raw, s, root, default, steps, inside_meta, &at.child("default"))
        {
            return false;
        }
        let with = |step: Step| -> Vec<Step> { steps.iter().cloned().chain([step]).collect() };
        if let (Some(items), Some(raw)) = (&s.items, raw.get("items"))
            && !self.node(raw, items, root, &with(Step::Index), inside_meta, &at.child("items"))
        {
            return false;
        }
        for (name, property) in &s.properties {
            let Some(raw) = raw.get("properties").and_then(|p| p.get(name)) else { continue };
            let meta = inside_meta || (s.embedded && META_FIELDS.contains(&name.as_str()));
            let at = at.child("properties").key(name);
            if !self.node(raw, property, root, &with(Step::Child(name.clone())), meta, &at) {
                return false;
            }
        }
        true
    }

    #[allow(clippy::too_many_arguments)]
    fn default(&mut self, raw: &Value, s: &Props, root: &Props, default: &Value, steps: &[Step], inside_meta: bool, at: &Path) -> bool {
        if inside_meta {
            let told = |detail: String| format!("must result in valid metadata: {detail}");
            let mut object = surrounded(default.clone(), steps);
            if let Err(error) = walk::coerce(&mut object, root, true, "") {
                self.errors.invalid(at, default.clone(), &told(error.to_string()));
                return true;
            }
            let mut found = ErrorList::new();
            instance::embedded(&object, root, &Path::root(), &mut found);
            if !found.is_empty() {
                let list: Vec<String> = found.causes().iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
                let list = if let [one] = list.as_slice() { one.clone() } else { format!("[{}]", list.join(", ")) };
                self.errors.invalid(at, default.clone(), &told(list));
                return true;
            }
        } else {
            if self.pruned && !walk::prune(&mut default.clone(), s, s.embedded).is_empty() {
                self.errors.invalid(at, default.clone(), "must not have unknown fields");
            }
            if let Err(error) = walk::coerce(&mut default.clone(), s, s.embedded, at.as_str()) {
                self.errors.invalid(&Path::new(&error.path), error.value, &error.detail);
                return true;
            }
            let mut found = ErrorList::new();
            instance::embedded(default, s, at, &mut found);
            if !found.is_empty() {
                self.errors.extend(found);
                return true;
            }
        }
        let mut found = ErrorList::new();
        validate::validate(s, &self.patterns, default, at, None, &mut found);
        if !found.is_empty() {
            self.errors.extend(found);
            return true;
        }
        self.rules(raw, s, default, std::ptr::eq(s, root), at)
    }

    /// As a value that stays, and as one that is new.
    fn rules(&mut self, raw: &Value, s: &Props, default: &Value, is_root: bool, at: &Path) -> bool {
        let Some(rules) = Rules::of(raw, s, is_root) else { return true };
        let mut goes_on = true;
        for old in [Some(default), None] {
            let mut found = ErrorList::new();
            let mut run = Run { errors: &mut found, budget: self.budget.clone() };
            goes_on &= run.node(&rules, s, default, old, at, Ratchet::NONE);
            let left = run.budget;
            let failed = !found.is_empty();
            self.errors.extend(found);
            if old.is_none() {
                self.budget = left;
            }
            if failed || !goes_on {
                break;
            }
        }
        goes_on
    }
}

/// The least resource that has a value in a place.
fn surrounded(value: Value, steps: &[Step]) -> Value {
    let mut object = steps.iter().rev().fold(value, |inner, step| match step {
        Step::Child(name) => Value::Object(Map::from_iter([(name.clone(), inner)])),
        Step::Index => Value::Array(vec![inner]),
    });
    if let Some(map) = object.as_object_mut() {
        map.entry("kind").or_insert_with(|| Value::from("Validation"));
        map.entry("apiVersion").or_insert_with(|| Value::from("validation/v1"));
    }
    object
}
