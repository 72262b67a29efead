//! LIST: from the cache, or from the store's history when a page or an exact revision asks for it
//! (`k8s.io/apiserver/pkg/storage/etcd3/store.go` GetList, `storage/cacher/delegator.go`).

use crate::cache::Item;
use crate::call::{Call, Response, Target};
use crate::selection::Selection;
use crate::transform::ListMeta;
use crate::{convert, crd, negotiate, respond, transform};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use object::{GroupKind, StatusCause, StatusError, Value, json};
use std::sync::Arc;

/// Where a list goes on, and at which revision.
#[derive(Debug, PartialEq, Eq)]
struct Continue {
    /// 0: at the newest, after an expired token was answered with an inconsistent one.
    revision: u64,
    after: String,
}

const EXPIRED: &str = "The provided continue parameter is too old to display a consistent list result. You can start a new \
    list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. \
    Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted \
    between the time the first chunk was returned and now may show up in the list.";

pub async fn list(call: &Call, target: &Target) -> Result<Response, StatusError> {
    let accept = negotiate::accept_of(call.header("accept"), &target.kind)?;
    let include = transform::include_object(&call.query)?;
    let (items, meta) = matching(call, target).await?;
    respond::list(&accept, &target.kind, include, &items, &meta)
}

/// The items that the query asks for.
pub async fn matching(call: &Call, target: &Target) -> Result<(Vec<Arc<Item>>, ListMeta), StatusError> {
    let kind = &target.kind;
    let selection = Selection::parse(&call.query, kind)?;
    let limit = call.query.integer("limit")?.and_then(|l| usize::try_from(l).ok()).unwrap_or(0);
    let namespace = call.info.namespace.as_str();
    let caches = &call.shared.caches;
    let cache = caches.of(kind)?;
    let version = call.query.get("resourceVersion");
    let asked = version_of(call, version, limit > 0)?;

    let token = match call.query.get("continue") {
        "" => None,
        _ if !matches!(version, "" | "0") => {
            return Err(StatusError::bad_request("specifying resource version is not allowed when using continue"));
        }
        text => Some(Continue::decode(text, namespace)?),
    };
    match (&token, asked) {
        // A token of this server is never of the future; one that was made up is not believed.
        (Some(token), _) if token.revision > 0 => caches.wait_for(token.revision).await?,
        (Some(_), _) => caches.current().await?,
        (None, Asked::Newest) => caches.current().await?,
        (None, Asked::Any) => caches.wait_for(0).await?,
        (None, Asked::NotOlder(revision) | Asked::Exact(revision)) => caches.wait_for(revision).await?,
    }
    // The snapshot is taken after this, so it shows at least this revision.
    let applied = caches.applied();
    let at = match (&token, asked) {
        (Some(token), _) if token.revision > 0 => Some(token.revision),
        (None, Asked::Exact(revision)) => Some(revision),
        _ => None,
    };
    let after = token.as_ref().map(|t| t.after.as_str());
    if let Some(at) = at {
        kept(call, target, after, at).await?;
    }
    // The kind has not changed since that revision: the cache shows exactly it.
    // Another version has other fields to select by, so it is converted first, and paged after.
    let direct = Arc::ptr_eq(kind, &target.stored) && !kind.is_dynamic();
    let (items, remaining, revision) = if at.is_none_or(|at| cache.revision() <= at) {
        let mut snapshot = if direct {
            cache.snapshot(namespace, after, limit, |item| selection.matches(kind, item))
        } else {
            cache.snapshot(namespace, after, 0, |_| true)
        };
        if !direct {
            snapshot.items = convert::items(&call.shared, &target.stored, kind, snapshot.items).await?;
            snapshot.items.retain(|item| selection.matches(kind, item));
            snapshot.remaining = cut(&mut snapshot.items, limit);
        }
        let revision = at.unwrap_or(snapshot.revision.max(applied));
        if at.is_some_and(|at| snapshot.revision > at) {
            past(call, target, &selection, after, limit, revision).await?
        } else {
            (snapshot.items, snapshot.remaining, revision)
        }
    } else {
        past(call, target, &selection, after, limit, at.unwrap_or(applied)).await?
    };

    let mut meta = ListMeta { revision, ..ListMeta::default() };
    if limit > 0
        && remaining > 0
        && let Some(last) = items.last()
    {
        meta.continue_token = Continue { revision, after: last.key.to_string() }.encode();
        meta.remaining = selection.is_everything().then_some(remaining as u64);
    }
    Ok((items, meta))
}

/// What the history no longer has is not shown, even where the cache still knows it: tokens expire with the history, as clients
/// expect (upstream drops the snapshots of its cache when the store is compacted).
async fn kept(call: &Call, target: &Target, after: Option<&str>, revision: u64) -> Result<(), StatusError> {
    let start = target.kind.storage_prefix();
    let end = format!("{start}\0");
    match call.shared.store.range(start.as_bytes(), end.as_bytes(), 1, Some(revision)).await {
        Err(error @ store::Error::Compacted { .. }) => Err(too_old(&error, revision, after)),
        // Whether it can be read is told by who reads it.
        _ => Ok(()),
    }
}

fn too_old(error: &store::Error, revision: u64, after: Option<&str>) -> StatusError {
    match error {
        store::Error::Compacted { oldest, .. } => match after {
            None => StatusError::expired(format!("The resourceVersion for the provided list is too old: {revision} ({oldest})")),
            Some(after) => {
                let mut expired = StatusError::expired(EXPIRED);
                expired.continue_token = Continue { revision: 0, after: after.to_owned() }.encode();
                expired
            }
        },
        other => crate::server::store_error(other),
    }
}

/// A page of the store's history.
async fn past(
    call: &Call,
    target: &Target,
    selection: &Selection,
    after: Option<&str>,
    limit: usize,
    revision: u64,
) -> Result<(Vec<Arc<Item>>, usize, u64), StatusError> {
    let kind = &target.kind;
    let prefix = kind.storage_prefix();
    let namespace = call.info.namespace.as_str();
    let base = if namespace.is_empty() { prefix.clone() } else { format!("{prefix}{namespace}/") };
    // The least key after a key is the key with a zero byte.
    let start = after.map_or_else(|| base.clone(), |after| format!("{prefix}{after}\0"));
    let end = store::prefix_end(base.as_bytes());
    // Without selectors the store can stop at the limit, and count what is left.
    let plain = selection.is_everything() && Arc::ptr_eq(kind, &target.stored) && !kind.is_dynamic();
    let at_most = if plain { limit } else { 0 };
    let page = call.shared.store.range(start.as_bytes(), &end, at_most, Some(revision)).await;
    let page = page.map_err(|error| too_old(&error, revision, after))?;
    let left = usize::try_from(page.remaining).unwrap_or(usize::MAX);
    let mut items: Vec<Arc<Item>> = Vec::new();
    for entry in page.entries {
        let Some(key) = std::str::from_utf8(&entry.key).ok().and_then(|k| k.strip_prefix(&prefix)) else { continue };
        let item = Item::from_stored(key.into(), &crd::shown(&target.stored, &entry.value), entry.create_revision, entry.mod_revision)
            .map_err(StatusError::internal)?;
        items.push(Arc::new(item));
    }
    let mut items = convert::items(&call.shared, &target.stored, kind, items).await?;
    items.retain(|item| selection.matches(kind, item));
    let remaining = cut(&mut items, limit).saturating_add(left);
    Ok((items, remaining, revision))
}

/// Cuts a page and says how many items were left.
fn cut(items: &mut Vec<Arc<Item>>, limit: usize) -> usize {
    if limit == 0 {
        return 0;
    }
    let remaining = items.len().saturating_sub(limit);
    items.truncate(limit);
    remaining
}

/// What `resourceVersion` and `resourceVersionMatch` mean together.
#[derive(Clone, Copy)]
enum Asked {
    Newest,
    Any,
    NotOlder(u64),
    Exact(u64),
}

fn version_of(call: &Call, version: &str, limited: bool) -> Result<Asked, StatusError> {
    let invalid = |field: &str, reason: &str, message: String| {
        let kind = GroupKind { group: "meta.k8s.io".to_owned(), kind: "ListOptions".to_owned() };
        StatusError::invalid(&kind, "", vec![StatusCause { reason: reason.to_owned(), message, field: field.to_owned() }])
    };
    if call.query.has("sendInitialEvents") {
        let message = "Forbidden: sendInitialEvents is forbidden for list".to_owned();
        return Err(invalid("sendInitialEvents", "FieldValueForbidden", message));
    }
    let rule = call.query.get("resourceVersionMatch");
    if !rule.is_empty() && !call.query.flag("watch") {
        if version.is_empty() {
            let message = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided".to_owned();
            return Err(invalid("resourceVersionMatch", "FieldValueForbidden", message));
        }
        if call.query.has("continue") && !call.query.get("continue").is_empty() {
            let message = "Forbidden: resourceVersionMatch is forbidden when continue is provided".to_owned();
            return Err(invalid("resourceVersionMatch", "FieldValueForbidden", message));
        }
        if !matches!(rule, "Exact" | "NotOlderThan") {
            let message = format!("Unsupported value: \"{rule}\": supported values: \"Exact\", \"NotOlderThan\"");
            return Err(invalid("resourceVersionMatch", "FieldValueNotSupported", message));
        }
        if rule == "Exact" && version == "0" {
            let message = "Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"".to_owned();
            return Err(invalid("resourceVersionMatch", "FieldValueForbidden", message));
        }
    }
    let number = |text: &str| {
        let bad = || {
            invalid(
                "resourceVersion",
                "FieldValueInvalid",
                format!("Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"),
            )
        };
        text.parse::<u64>().map_err(|_| bad())
    };
    Ok(match (version, rule) {
        ("", _) => Asked::Newest,
        (text, "Exact") => Asked::Exact(number(text)?),
        ("0", _) => Asked::Any,
        (text, "NotOlderThan") => Asked::NotOlder(number(text)?),
        // With a limit and no rule, a revision is exact: a legacy of paging.
        (text, _) if limited => Asked::Exact(number(text)?),
        (text, _) => Asked::NotOlder(number(text)?),
    })
}

impl Continue {
    fn encode(&self) -> String {
        let value = json!({ "v": "meta.k8s.io/v1", "rv": self.revision, "start": self.after });
        URL_SAFE_NO_PAD.encode(value.to_string())
    }

    /// A token goes on inside the namespace that is listed: it must not lead into another one.
    fn decode(text: &str, namespace: &str) -> Result<Self, StatusError> {
        let invalid = || StatusError::bad_request("continue key is not valid");
        let raw = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| invalid())?;
        let value: Value = serde_json::from_slice(&raw).map_err(|_| invalid())?;
        let inside = |s: &&str| !s.is_empty() && (namespace.is_empty() || s.strip_prefix(namespace).is_some_and(|s| s.starts_with('/')));
        let after = value.get("start").and_then(Value::as_str).filter(inside).ok_or_else(invalid)?;
        let revision = value.get("rv").and_then(Value::as_u64).ok_or_else(invalid)?;
        Ok(Self { revision, after: after.to_owned() })
    }
}
