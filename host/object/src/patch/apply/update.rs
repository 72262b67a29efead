//! Who owns what after a write: `structured-merge-diff/merge/update.go`, `managedfields/internal/managedfieldsupdater.go`.

use super::compare::{self, Comparison, UNOWNED_META};
use super::element::PathElement;
use super::managers::{Entry, ManagerId, Managers, Operation};
use super::set::{self, Set};
use super::ty::Ty;
use super::{ApplyContext, ApplyError, Conflict, merge, remove};
use crate::gvk::split_api_version;
use serde_json::{Map, Value};

type Tree = Map<String, Value>;

/// A write that is not an apply: compares and records.
pub(super) fn update(live: &Tree, new: &Tree, book: &mut Managers, ctx: &ApplyContext<'_>, manager: &str) -> Result<(), String> {
    let comparison = compare::objects(live, new, Ty::root(ctx.schema))?;
    record(comparison, book, ctx, manager);
    Ok(())
}

/// Makes `manager` the owner of what changed.
pub(super) fn record(comparison: Comparison, book: &mut Managers, ctx: &ApplyContext<'_>, manager: &str) {
    reconcile(book, ctx);
    let filtered = comparison.exclude(&Set::of_fields(ctx.reset_fields));
    let changed = filtered.modified.union(&filtered.added);
    for entry in book.entries.values_mut() {
        entry.set.subtract(&changed);
        entry.set.subtract(&filtered.removed);
    }
    if !changed.is_empty() {
        let id = ManagerId::new(ctx, manager, Operation::Update);
        let entry = Entry { set: Set::new(), api_version: ctx.api_version.to_owned(), time: None };
        let entry = book.entries.entry(id).or_insert(entry);
        entry.set.absorb(&changed);
        entry.time = Some(ctx.now.to_owned());
    }
    book.entries.retain(|_, entry| !entry.set.is_empty());
    book.cap();
}

/// Merges the configuration and returns the new tree; `book` is brought up to date. Of a refusal the book is undefined.
pub(super) fn apply(
    live: &Tree,
    applied: &Tree,
    book: &mut Managers,
    ctx: &ApplyContext<'_>,
    id: &ManagerId,
    force: bool,
) -> Result<Tree, ApplyError> {
    let ty = Ty::root(ctx.schema);
    reconcile(book, ctx);
    let merged = merge::maps(live, applied, ty).map_err(|e| ApplyError::Live(format!("failed to merge config: {e}")))?;
    let reset = Set::of_fields(ctx.reset_fields);
    let set = set::of_map(applied, ty).recursive_difference(&reset);
    let previous = book.entries.remove(id);
    let before = previous.as_ref().map(|e| e.set.clone());
    book.entries.insert(id.clone(), Entry { set, api_version: ctx.api_version.to_owned(), time: previous.and_then(|e| e.time) });
    let new = match &before {
        Some(last) if !last.is_empty() => prune(&merged, book, last, ty),
        _ => merged,
    };

    let comparison = compare::objects(live, &new, ty).map_err(|e| ApplyError::Live(format!("failed to compare objects: {e}")))?;
    let filtered = comparison.exclude(&reset);
    let changed = filtered.modified.union(&filtered.added);
    let mut conflicts = Vec::new();
    for (other, entry) in book.entries.iter_mut().filter(|(other, _)| *other != id) {
        let taken = entry.set.intersection(&changed);
        if !force {
            conflicts.extend(taken.paths().into_iter().map(|path| Conflict::new(other, path)));
        }
        entry.set.subtract(&taken);
        entry.set.subtract(&filtered.removed);
    }
    if !conflicts.is_empty() {
        return Err(ApplyError::Conflicts(conflicts));
    }
    if let Some(entry) = book.entries.get_mut(id) {
        entry.set.subtract(&unowned());
        if !comparison.is_same() || before.as_ref() != Some(&entry.set) {
            entry.time = Some(ctx.now.to_owned());
        }
    }
    book.entries.retain(|_, entry| !entry.set.is_empty());
    Ok(new)
}

/// Without the fields that the applier applied last time, does not apply now, and that nobody else owns. Sets are those of
/// after the apply; `last` is the applier's of before.
fn prune(merged: &Tree, book: &Managers, last: &Set, ty: Ty<'_>) -> Tree {
    let named = |set: &Set| set.ensure_named_fields(Some(ty));
    let without = |items: &Set| remove::from_map(merged, items, ty);
    let last = named(last);
    let merged_set = named(&set::of_map(merged, ty));
    // Take out all that was applied last time …
    let pruned = without(&last);
    // … put back what someone owns, the applier with its new configuration among them …
    let mut owned = Set::new();
    book.entries.values().for_each(|entry| owned.absorb(&entry.set));
    let pruned_set = named(&set::of_map(&pruned, ty));
    let pruned = without(&merged_set.difference(&pruned_set.union(&named(&owned))));
    // … and what went along with it but was not the applier's.
    let pruned_set = named(&set::of_map(&pruned, ty));
    without(&merged_set.difference(&pruned_set).intersection(&last))
}

/// Brings the book in line with the schema as it is now, and drops entries of other groups.
fn reconcile(book: &mut Managers, ctx: &ApplyContext<'_>) {
    let (group, _) = split_api_version(ctx.api_version);
    book.entries.retain(|_, entry| split_api_version(&entry.api_version).0 == group);
    for entry in book.entries.values_mut() {
        entry.set.reconcile(Ty::root(ctx.schema));
    }
}

/// What no manager's set names.
fn unowned() -> Set {
    let mut set = Set::of_fields(&[&["apiVersion"], &["kind"], &["metadata"]]);
    for name in UNOWNED_META {
        set.insert(vec![PathElement::field("metadata"), PathElement::field(name)]);
    }
    set
}

pub(super) fn told(path: &[PathElement]) -> String {
    path.iter().map(ToString::to_string).collect()
}
