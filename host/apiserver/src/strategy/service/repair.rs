//! Brings the keys of addresses and ports in line with the Services, once at start
//! (`pkg/registry/core/service/ipallocator/controller/repairip.go`). While servers run, each write keeps them so; what is left
//! to repair was written by a version without such keys, or its IPAddress was deleted by hand.

use super::allocator::{ADDRESSES, MANAGED_BY, MANAGER, PORTS, held};
use crate::server::{Shared, store_error};
use crate::stored;
use bytes::Bytes;
use object::StatusError;
use std::collections::HashMap;
use store::{Compare, Entry, Op, Revision, Txn, TxnOutcome, prefix_end};

pub async fn repair(shared: &Shared) -> Result<(), StatusError> {
    let Some(row) = shared.registry.resource_by_name("", "v1", "services") else { return Ok(()) };
    let revision = shared.store.current_revision().await.map_err(|e| store_error(&e))?;
    let services = entries(shared, &row.storage_prefix(), revision).await?;
    let mut kept: HashMap<Bytes, Entry> = HashMap::new();
    for prefix in [ADDRESSES, PORTS] {
        kept.extend(entries(shared, prefix, revision).await?.into_iter().map(|entry| (entry.key.clone(), entry)));
    }
    for service in services {
        let Ok(object) = stored::decode(&service.value, service.mod_revision) else { continue };
        for (key, value) in held(&object)? {
            if kept.remove(&key).is_some() {
                continue;
            }
            // Not, if the Service has changed meanwhile: then its writer has seen to it.
            let compares = vec![Compare::ModRevision(service.key.clone(), service.mod_revision), Compare::Absent(key.clone())];
            let told = String::from_utf8_lossy(&key).into_owned();
            match commit(shared, compares, Op::Put { key, value }).await? {
                TxnOutcome::Committed(_) => tracing::info!(key = told, service = object.name(), "allocation noted"),
                TxnOutcome::Failed(_) => tracing::warn!(key = told, service = object.name(), "allocation is another Service's, too"),
            }
        }
    }
    for (key, entry) in kept {
        // IPAddresses that people made are theirs.
        let ours = key.starts_with(PORTS.as_bytes())
            || stored::decode(&entry.value, entry.mod_revision)
                .is_ok_and(|object| object.labels().and_then(|labels| labels.get(MANAGED_BY)).and_then(|by| by.as_str()) == Some(MANAGER));
        if ours {
            let told = String::from_utf8_lossy(&key).into_owned();
            let compares = vec![Compare::ModRevision(key.clone(), entry.mod_revision)];
            commit(shared, compares, Op::Delete { key }).await?;
            tracing::warn!(key = told, "allocation without a Service removed");
        }
    }
    Ok(())
}

async fn entries(shared: &Shared, prefix: &str, revision: Revision) -> Result<Vec<Entry>, StatusError> {
    let end = prefix_end(prefix.as_bytes());
    // Revision 0: nothing was ever written.
    let page = shared.store.range(prefix.as_bytes(), &end, 0, Some(revision).filter(|r| *r > 0)).await;
    Ok(page.map_err(|e| store_error(&e))?.entries)
}

async fn commit(shared: &Shared, compares: Vec<Compare>, op: Op) -> Result<TxnOutcome, StatusError> {
    let txn = Txn { compares, ops: vec![op], ..Txn::default() };
    shared.store.txn(txn).await.map_err(|e| store_error(&e))
}
