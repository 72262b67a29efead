//! What differs between two objects, as field sets: `structured-merge-diff/typed/compare.go`.

use super::element::{PathElement, order};
use super::set::Set;
use super::ty::{Form, ListTy, Ty};
use serde_json::{Map, Value};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// No path is in two of the sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Comparison {
    pub(super) removed: Set,
    pub(super) modified: Set,
    pub(super) added: Set,
}

impl Comparison {
    pub(super) fn is_same(&self) -> bool {
        self.removed.is_empty() && self.modified.is_empty() && self.added.is_empty()
    }

    /// Without the given paths and all below them.
    pub(super) fn exclude(&self, paths: &Set) -> Self {
        Self {
            removed: self.removed.recursive_difference(paths),
            modified: self.modified.recursive_difference(paths),
            added: self.added.recursive_difference(paths),
        }
    }
}

/// Fields of `metadata` that nobody owns (`managedfields/internal/stripmeta.go`).
pub(super) const UNOWNED_META: [&str; 9] =
    ["name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields", "resourceVersion"];

/// Compares what can be owned: all but `apiVersion`, `kind` and the unowned part of `metadata`.
pub(super) fn objects(lhs: &Map<String, Value>, rhs: &Map<String, Value>, ty: Ty<'_>) -> Result<Comparison, String> {
    let mut walk = Walk { out: Comparison::default() };
    let (none, empty) = (Map::new(), Value::Object(Map::new()));
    for (key, l, r) in zip(lhs, rhs) {
        let (_, below) = ty.child(key);
        let at = Step { parent: None, name: Name::Field(key) };
        // Go holds `spec` and `status` by value: they are never absent, so nobody comes to own them by making them.
        let embedded = ty.is_embedded_struct(key);
        match key {
            "apiVersion" | "kind" => {}
            "metadata" => {
                let (l, r) = (l.and_then(Value::as_object).unwrap_or(&none), r.and_then(Value::as_object).unwrap_or(&none));
                walk.metadata(l, r, below, &at)?;
            }
            _ if embedded => walk.compare(l.or(Some(&empty)), r.or(Some(&empty)), below, &at)?,
            _ => walk.compare(l, r, below, &at)?,
        }
    }
    Ok(walk.out)
}

type Pair<'v> = (&'v str, Option<&'v Value>, Option<&'v Value>);

/// All keys of both maps.
fn zip<'v>(lhs: &'v Map<String, Value>, rhs: &'v Map<String, Value>) -> impl Iterator<Item = Pair<'v>> {
    let left = lhs.iter().map(|(k, v)| (k.as_str(), Some(v), rhs.get(k)));
    let right = rhs.iter().filter(|(k, _)| !lhs.contains_key(*k)).map(|(k, v)| (k.as_str(), None, Some(v)));
    left.chain(right)
}

/// The path, written out only when something is recorded.
struct Step<'p> {
    parent: Option<&'p Step<'p>>,
    name: Name<'p>,
}

enum Name<'p> {
    Field(&'p str),
    Item(&'p PathElement),
}

impl Step<'_> {
    fn path(&self) -> Vec<PathElement> {
        let mut path = self.parent.map(Step::path).unwrap_or_default();
        path.push(match self.name {
            Name::Field(name) => PathElement::field(name),
            Name::Item(element) => element.clone(),
        });
        path
    }
}

struct Walk {
    out: Comparison,
}

impl Walk {
    fn metadata(&mut self, lhs: &Map<String, Value>, rhs: &Map<String, Value>, ty: Ty<'_>, at: &Step<'_>) -> Result<(), String> {
        for (key, l, r) in zip(lhs, rhs).filter(|(key, ..)| !UNOWNED_META.contains(key)) {
            let (_, below) = ty.child(key);
            self.compare(l, r, below, &Step { parent: Some(at), name: Name::Field(key) })?;
        }
        Ok(())
    }

    fn compare(&mut self, lhs: Option<&Value>, rhs: Option<&Value>, ty: Ty<'_>, at: &Step<'_>) -> Result<(), String> {
        let leaf = match (lhs, rhs) {
            (None, None) => return Ok(()),
            (Some(one), None) | (None, Some(one)) => self.by_form(ty.form(one), lhs, rhs, ty, at)?,
            (Some(l), Some(r)) => {
                let (lf, rf) = (ty.form(l), ty.form(r));
                if std::mem::discriminant(&lf) != std::mem::discriminant(&rf) {
                    self.by_form(lf, lhs, rhs, ty, at)?;
                }
                self.by_form(rf, lhs, rhs, ty, at)?
            }
        };
        match (lhs, rhs) {
            (None, Some(_)) if !leaf => self.out.added.insert(at.path()),
            (Some(_), None) if !leaf => self.out.removed.insert(at.path()),
            _ => {}
        }
        Ok(())
    }

    /// Whether it was compared as a leaf.
    fn by_form(&mut self, form: Form<'_>, lhs: Option<&Value>, rhs: Option<&Value>, ty: Ty<'_>, at: &Step<'_>) -> Result<bool, String> {
        match form {
            Form::Leaf => {}
            Form::Map => {
                let empty = Map::new();
                let l = lhs.and_then(Value::as_object).unwrap_or(&empty);
                let r = rhs.and_then(Value::as_object).unwrap_or(&empty);
                if !(l.is_empty() && r.is_empty()) {
                    for (key, l, r) in zip(l, r) {
                        let (_, below) = ty.child(key);
                        self.compare(l, r, below, &Step { parent: Some(at), name: Name::Field(key) })?;
                    }
                    return Ok(false);
                }
            }
            Form::List(list) => {
                let l = lhs.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                let r = rhs.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                if !(l.is_empty() && r.is_empty()) {
                    if l != r {
                        self.lists(l, r, list, at)?;
                    }
                    return Ok(false);
                }
            }
        }
        // Empty and absent, empty and null differ: such maps and lists are leaves.
        match (lhs, rhs) {
            (None, _) => self.out.added.insert(at.path()),
            (_, None) => self.out.removed.insert(at.path()),
            (Some(l), Some(r)) if order(l, r) != Ordering::Equal => self.out.modified.insert(at.path()),
            _ => {}
        }
        Ok(true)
    }

    fn lists(&mut self, lhs: &[Value], rhs: &[Value], list: ListTy<'_>, at: &Step<'_>) -> Result<(), String> {
        let mut items: BTreeMap<PathElement, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
        let told = |index: usize, error: String| format!("{}: element {index}: {error}", super::update::told(&at.path()));
        for (index, item) in lhs.iter().enumerate() {
            items.entry(list.element(item).map_err(|e| told(index, e))?).or_default().0.push(item);
        }
        for (index, item) in rhs.iter().enumerate() {
            items.entry(list.element(item).map_err(|e| told(index, e))?).or_default().1.push(item);
        }
        for (element, (l, r)) in &items {
            let below = Step { parent: Some(at), name: Name::Item(element) };
            match (l.as_slice(), r.as_slice()) {
                ([] | [_], [] | [_]) => self.compare(l.first().copied(), r.first().copied(), list.item, &below)?,
                // Duplicates on both sides are compared like one atomic value.
                ([_, _, ..], [_, _, ..]) => {
                    if l != r {
                        self.out.modified.insert(below.path());
                    }
                }
                ([_, _, ..], single) => {
                    self.compare(None, single.first().copied(), list.item, &below)?;
                    self.out.removed.insert(below.path());
                }
                (single, _) => {
                    self.compare(single.first().copied(), None, list.item, &below)?;
                    self.out.added.insert(below.path());
                }
            }
        }
        Ok(())
    }
}
