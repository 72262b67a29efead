//! The store that the flags name, and what servers that share one must have in common.

use crate::config::ServerArgs;
use crate::config::store::Engine;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use store::{Compare, Op, Store, Txn, TxnOutcome};

/// Where the servers' CA is noted. Beside the API's objects: it is what makes servers one cluster, before any of them serves.
const AUTHORITY: &[u8] = b"/coracle/ca.crt";

pub async fn open(args: &ServerArgs, data: &Path) -> Result<Arc<dyn Store>> {
    Ok(match args.store.store {
        Engine::Redb => store::redb::RedbStore::open(data.join("state.redb"), store::redb::Config::default())?,
        Engine::Etcd => etcd::EtcdStore::connect(args.store.etcd()?).await.context("--store etcd")?,
    })
}

/// Servers of one store must sign and trust by one CA and one service-account key: a client's certificate or a pod's token is
/// good at every server or at none. The first server notes its CA; another one is refused here instead of by its clients.
pub async fn one_authority(store: &dyn Store, ca_pem: &str, data: &Path) -> Result<()> {
    let key = Bytes::from_static(AUTHORITY);
    let note = Txn {
        compares: vec![Compare::Absent(key.clone())],
        ops: vec![Op::Put { key, value: Bytes::copy_from_slice(ca_pem.as_bytes()) }],
        ..Txn::default()
    };
    match store.txn(note).await.context("noting the cluster's CA")? {
        TxnOutcome::Committed(_) => Ok(()),
        TxnOutcome::Failed(found) if found.iter().flatten().any(|entry| entry.value == ca_pem.as_bytes()) => Ok(()),
        TxnOutcome::Failed(_) => {
            let tls = data.join("tls");
            bail!(
                "another CA than {}/ca.crt signs for the servers that share this store; copy ca.crt, ca.key and service-account.key \
                 from the tls directory of one of them to {}",
                tls.display(),
                tls.display()
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_authority_is_refused() {
        let store = store::memory::MemoryStore::new();
        let data = Path::new("/data");
        one_authority(&*store, "one", data).await.unwrap();
        one_authority(&*store, "one", data).await.unwrap();
        let refused = one_authority(&*store, "two", data).await.unwrap_err().to_string();
        assert!(refused.contains("copy ca.crt, ca.key and service-account.key"), "{refused}");
    }
}
