//! The last step: one transaction that holds only if the world is as the decision saw it.

use super::Write;
use crate::server::store_error;
use crate::strategy::Claims;
use crate::{crd, stored};
use bytes::Bytes;
use object::{Object, StatusError};
use registry::Persistence;
use store::{Compare, Durability, Entry, Op, Txn, TxnOutcome};

/// An object after its write.
#[derive(Clone, Debug)]
pub struct Committed {
    /// With its resourceVersion.
    pub json: Bytes,
    pub revision: u64,
}

/// What became of a transaction.
pub enum Outcome {
    Done(Committed),
    /// Someone else wrote first; the key's state now.
    Raced(Option<Entry>),
}

impl Write<'_> {
    fn durability(&self) -> Durability {
        match self.kind.persistence {
            Persistence::Durable => Durability::Durable,
            Persistence::Lazy => Durability::Lazy,
            Persistence::Heartbeat => Durability::Heartbeat,
        }
    }

    /// Writes an object over the revision that was read (`None`: nothing was there).
    pub async fn put(&self, object: &Object, over: Option<u64>) -> Result<Outcome, StatusError> {
        // Nothing is claimed, so nothing is taken by others.
        Ok(self.put_claiming(object, over, Claims::default()).await?.unwrap_or(Outcome::Raced(None)))
    }

    /// The same, together with keys that it takes. `Err`: those that others have; nothing was written.
    pub async fn put_claiming(
        &self,
        object: &Object,
        over: Option<u64>,
        claims: Claims,
    ) -> Result<Result<Outcome, Vec<Bytes>>, StatusError> {
        let key = self.key(object.name());
        let shown = stored::encode(object).map_err(StatusError::internal)?;
        let value = match &self.kind.stored_as {
            Some(form) if self.kind.is_custom() => {
                let api_version = object::gvk::api_version(&form.group, &form.version);
                let converted = crd::objects(&self.call.shared, &self.kind, &api_version, vec![object.clone()]).await?;
                let converted = converted.into_iter().next().unwrap_or_default();
                stored::encode(&converted).map_err(StatusError::internal)?
            }
            _ => shown.clone(),
        };
        if self.options.dry_run {
            let taken = self.taken(&claims).await?;
            if !taken.is_empty() {
                return Ok(Err(taken));
            }
            // Nothing is written: the object keeps the revision it was made from.
            let revision = over.unwrap_or(0);
            let mut shown = object.clone();
            match over {
                Some(revision) => shown.set_at(&["metadata", "resourceVersion"], revision.to_string().into()),
                None => {
                    shown.remove_at(&["metadata", "resourceVersion"]);
                }
            }
            let json = serde_json::to_vec(&shown).map_err(StatusError::internal)?.into();
            return Ok(Ok(Outcome::Done(Committed { json, revision })));
        }
        let mut compares = vec![match over {
            Some(revision) => Compare::ModRevision(key.clone(), revision),
            None => Compare::Absent(key.clone()),
        }];
        let mut ops = vec![Op::Put { key, value }];
        let wanted: Vec<Bytes> = claims.takes.iter().map(|(key, _)| key.clone()).collect();
        compares.extend(wanted.iter().cloned().map(Compare::Absent));
        ops.extend(claims.takes.into_iter().map(|(key, value)| Op::Put { key, value }));
        ops.extend(claims.leaves.into_iter().map(|key| Op::Delete { key }));
        let txn = Txn { compares, ops, durability: self.durability() };
        match self.call.shared.store.txn(txn).await.map_err(|e| store_error(&e))? {
            TxnOutcome::Committed(revision) => {
                let (json, _) = stored::splice(&shown, revision).map_err(StatusError::internal)?;
                Ok(Ok(Outcome::Done(Committed { json, revision })))
            }
            TxnOutcome::Failed(states) => {
                let mut states = states.into_iter();
                let now = states.next().flatten();
                let taken: Vec<Bytes> = wanted.into_iter().zip(states).filter_map(|(key, state)| state.map(|_| key)).collect();
                Ok(if taken.is_empty() { Ok(Outcome::Raced(now)) } else { Err(taken) })
            }
        }
    }

    /// Which of the wanted keys exist.
    async fn taken(&self, claims: &Claims) -> Result<Vec<Bytes>, StatusError> {
        let mut taken = Vec::new();
        for (key, _) in &claims.takes {
            if self.call.shared.store.get(key).await.map_err(|e| store_error(&e))?.is_some() {
                taken.push(key.clone());
            }
        }
        Ok(taken)
    }

    /// Removes an object as it was read, with the keys that go with it. What is there now when someone else wrote first.
    pub async fn remove(&self, old: &Object, over: u64) -> Result<Outcome, StatusError> {
        let key = self.key(old.name());
        if self.options.dry_run {
            return Ok(Outcome::Done(Committed { json: Bytes::new(), revision: over }));
        }
        let compares = vec![Compare::ModRevision(key.clone(), over)];
        let mut ops = vec![Op::Delete { key }];
        ops.extend(self.strategy.releases(old)?.into_iter().map(|key| Op::Delete { key }));
        let txn = Txn { compares, ops, durability: self.durability() };
        match self.call.shared.store.txn(txn).await.map_err(|e| store_error(&e))? {
            TxnOutcome::Committed(revision) => Ok(Outcome::Done(Committed { json: Bytes::new(), revision })),
            TxnOutcome::Failed(mut states) => Ok(Outcome::Raced(states.pop().flatten())),
        }
    }

    /// The stored state, straight from the store.
    pub async fn read(&self, name: &str) -> Result<Option<Entry>, StatusError> {
        self.call.shared.store.get(&self.key(name)).await.map_err(|e| store_error(&e))
    }

    /// A stored state in the storage row's form.
    pub async fn object_of(&self, entry: &Entry) -> Result<Object, StatusError> {
        let object = stored::decode(&entry.value, entry.mod_revision).map_err(StatusError::internal)?;
        if self.kind.is_custom() {
            return crd::object(&self.call.shared, &self.kind, crd::defaulted(&self.kind, object)).await;
        }
        crate::convert::hub(&self.call.shared, &self.kind, object).await
    }
}
