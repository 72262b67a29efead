//! Objects between the version of a request and the version that is stored. The stored one is the hub: strategies,
//! admission and validation see only it (`k8s.io/apiserver/pkg/endpoints/handlers`, where it is the internal version).

use crate::cache::{Change, Item};
use crate::crd;
use crate::server::Shared;
use futures::future::try_join_all;
use object::{Object, StatusError};
use registry::{Conversion, Kind};
use std::sync::Arc;

/// Objects of `from`'s form in `to`'s form: one of them is the other's storage row, or both are the same.
pub async fn objects(shared: &Shared, from: &Arc<Kind>, to: &Arc<Kind>, mut objects: Vec<Object>) -> Result<Vec<Object>, StatusError> {
    if Arc::ptr_eq(from, to) {
        return Ok(objects);
    }
    // Whichever row is stored as the other one knows the way.
    let forth = from.stored_as.as_ref().map(|s| s.conversion);
    let back = to.stored_as.as_ref().map(|s| s.conversion);
    let change: Option<fn(&mut Object)> = match (forth, back) {
        (Some(Conversion::Code { to_storage, .. }), _) => Some(to_storage),
        (None, Some(Conversion::Code { from_storage, .. })) => Some(from_storage),
        (Some(Conversion::Webhook), _) | (None, Some(Conversion::Webhook)) => return webhook(shared, to, objects).await,
        _ => None,
    };
    for object in &mut objects {
        if let Some(change) = change {
            change(object);
        }
        name(object, to);
    }
    Ok(objects)
}

/// One object; see [`objects`].
pub async fn object(shared: &Shared, from: &Arc<Kind>, to: &Arc<Kind>, object: Object) -> Result<Object, StatusError> {
    if Arc::ptr_eq(from, to) {
        return Ok(object);
    }
    let lost = || StatusError::internal(format!("conversion of {} lost the object", to.kind));
    objects(shared, from, to, vec![object]).await?.pop().ok_or_else(lost)
}

fn name(object: &mut Object, kind: &Kind) {
    object.set_at(&["apiVersion"], kind.api_version().into());
    object.set_at(&["kind"], kind.kind.clone().into());
}

async fn webhook(_shared: &Shared, to: &Kind, _objects: Vec<Object>) -> Result<Vec<Object>, StatusError> {
    Err(StatusError::internal(format!("conversion to {} {} needs a webhook", to.api_version(), to.kind)))
}

/// Stored items as a row shows them.
pub async fn items(shared: &Shared, stored: &Arc<Kind>, kind: &Arc<Kind>, items: Vec<Arc<Item>>) -> Result<Vec<Arc<Item>>, StatusError> {
    if kind.is_custom() {
        return crd::items(shared, kind, items).await;
    }
    let mut items = items;
    // By the version that each was stored in: a definition's storage version changes, its objects only when they are written.
    while let Some(other) = items.iter().find(|item| !is_shown(stored, kind, item)) {
        let version = other.object().api_version().to_owned();
        let (_, name) = object::gvk::split_api_version(&version);
        let from = shared.registry.resource_by_name(&stored.group, name, &stored.resource).unwrap_or_else(|| stored.clone());
        let at: Vec<usize> = items.iter().enumerate().filter(|(_, item)| item.is_of(&version)).map(|(at, _)| at).collect();
        let some = at.iter().filter_map(|at| items.get(*at)).map(|item| item.object()).collect();
        let converted = versions(shared, stored, &from, kind, some).await?;
        for (at, object) in at.into_iter().zip(&converted) {
            if let Some(item) = items.get_mut(at) {
                *item = Arc::new(item.with(object).map_err(StatusError::internal)?);
            }
        }
        // A conversion that does not change the version would be asked for again and again.
        if converted.iter().any(|object| object.api_version() == version) {
            return Err(StatusError::internal(format!("conversion of {version} to {} did not change the version", kind.api_version())));
        }
    }
    Ok(items)
}

/// Nothing is to be converted: built-in kinds are always stored in their storage row's version.
fn is_shown(stored: &Arc<Kind>, kind: &Arc<Kind>, item: &Item) -> bool {
    Arc::ptr_eq(stored, kind) && !kind.is_dynamic() || item.is_of(&kind.api_version())
}

/// Between any two versions of a kind, by its storage row.
async fn versions(
    shared: &Shared,
    stored: &Arc<Kind>,
    from: &Arc<Kind>,
    to: &Arc<Kind>,
    some: Vec<Object>,
) -> Result<Vec<Object>, StatusError> {
    let hub = objects(shared, from, stored, some).await?;
    objects(shared, stored, to, hub).await
}

/// A stored object in the storage row's form, whatever version it was stored in.
pub async fn hub(shared: &Shared, stored: &Arc<Kind>, object: Object) -> Result<Object, StatusError> {
    if !stored.is_dynamic() || object.api_version() == stored.api_version() {
        return Ok(object);
    }
    let (_, version) = object::gvk::split_api_version(object.api_version());
    let from = shared.registry.resource_by_name(&stored.group, version, &stored.resource).unwrap_or_else(|| stored.clone());
    self::object(shared, &from, stored, object).await
}

/// One stored item as a row shows it.
pub async fn item(shared: &Shared, stored: &Arc<Kind>, kind: &Arc<Kind>, item: Arc<Item>) -> Result<Arc<Item>, StatusError> {
    if is_shown(stored, kind, &item) {
        return Ok(item);
    }
    Ok(items(shared, stored, kind, vec![item.clone()]).await?.pop().unwrap_or(item))
}

/// Changes of stored items as a row shows them.
pub async fn changes(
    shared: &Shared,
    stored: &Arc<Kind>,
    kind: &Arc<Kind>,
    changes: Vec<Arc<Change>>,
) -> Result<Vec<Arc<Change>>, StatusError> {
    if Arc::ptr_eq(stored, kind) && !kind.is_dynamic() {
        return Ok(changes);
    }
    if kind.is_custom() {
        // All at once: a webhook is asked for every call.
        let both = changes.iter().flat_map(|c| [Some(c.item.clone()), c.previous.clone()]).flatten().collect();
        let mut shown = crd::items(shared, kind, both).await?.into_iter();
        let change = |change: Arc<Change>| {
            let item = shown.next().unwrap_or_else(|| change.item.clone());
            let previous = change.previous.as_ref().and_then(|_| shown.next());
            let same = Arc::ptr_eq(&item, &change.item);
            if same { change } else { Arc::new(Change::at(change.ty, change.revision, item, previous)) }
        };
        return Ok(changes.into_iter().map(change).collect());
    }
    let one = async |change: Arc<Change>| {
        let mut both = vec![change.item.clone()];
        both.extend(change.previous.clone());
        if both.iter().all(|item| is_shown(stored, kind, item)) {
            return Ok(change);
        }
        let mut both = items(shared, stored, kind, both).await?.into_iter();
        let item = both.next().unwrap_or_else(|| change.item.clone());
        Ok::<_, StatusError>(Arc::new(Change::at(change.ty, change.revision, item, both.next())))
    };
    try_join_all(changes.into_iter().map(one)).await
}
