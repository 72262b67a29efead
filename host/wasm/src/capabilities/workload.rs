//! What workloads may import beside WASI 0.2: `wasi:config` and `wasi:keyvalue`.
//!
//! `wasi:config/store` shows the container's environment, so that `env`, `envFrom`, ConfigMaps and Secrets are the source
//! of settings as for any container; it tells nothing that `wasi:cli/environment` does not, and needs no grant.

use crate::ctx::State;
use crate::keyvalue::{Access, Bucket, Error};
use std::sync::Arc;
use wasmtime::Result;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

mod bindings {
    wasmtime::component::bindgen!({
        path: "wit/workload",
        world: "imports",
        imports: {
            "wasi:keyvalue/store": async | trappable,
            "wasi:keyvalue/atomics": async | trappable,
            "wasi:keyvalue/batch": async | trappable,
        },
        with: { "wasi:keyvalue/store.bucket": crate::keyvalue::Bucket },
    });
}

use bindings::wasi::config::store as config;
use bindings::wasi::keyvalue::{atomics, batch, store};

/// Keys or pairs of one batch.
const BATCH: usize = 1000;

/// What only a workload's store has.
#[derive(Clone, Default)]
pub struct Workload {
    pub environment: Arc<Vec<(String, String)>>,
    pub keyvalue: Arc<Access>,
}

struct HasWorkload;

impl HasData for HasWorkload {
    type Data<'a> = View<'a>;
}

struct View<'a> {
    workload: &'a Workload,
    table: &'a mut ResourceTable,
}

fn view(state: &mut State) -> View<'_> {
    View { workload: &state.workload, table: &mut state.table }
}

pub fn link_config(l: &mut Linker<State>) -> Result<()> {
    config::add_to_linker::<State, HasWorkload>(l, view)
}

pub fn link_keyvalue(l: &mut Linker<State>) -> Result<()> {
    store::add_to_linker::<State, HasWorkload>(l, view)?;
    atomics::add_to_linker::<State, HasWorkload>(l, view)?;
    batch::add_to_linker::<State, HasWorkload>(l, view)
}

impl config::Host for View<'_> {
    fn get(&mut self, key: String) -> Result<Option<String>, config::Error> {
        // As a process sees it: of two with one name, the later one.
        let found = self.workload.environment.iter().rev().find(|(name, _)| *name == key);
        Ok(found.map(|(_, value)| value.clone()))
    }

    fn get_all(&mut self) -> Result<Vec<(String, String)>, config::Error> {
        Ok(self.workload.environment.to_vec())
    }
}

impl From<Error> for store::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::NoBucket => Self::NoSuchStore,
            Error::ReadOnly => Self::AccessDenied,
            Error::Refused(text) => Self::Other(text),
        }
    }
}

type Answer<T> = Result<Result<T, store::Error>>;

impl View<'_> {
    /// One piece of work on a bucket; what may wait for a disk does so on a thread for that.
    async fn on<T: Send + 'static>(
        &mut self,
        bucket: &Resource<Bucket>,
        work: impl FnOnce(&Bucket) -> Result<T, Error> + Send + 'static,
    ) -> Answer<T> {
        let bucket = self.table.get(bucket)?.clone();
        let done = match bucket {
            Bucket::Memory(_) => work(&bucket),
            Bucket::Folder(_) => tokio::task::spawn_blocking(move || work(&bucket)).await?,
        };
        Ok(done.map_err(store::Error::from))
    }
}

impl store::Host for View<'_> {
    async fn open(&mut self, identifier: String) -> Answer<Resource<Bucket>> {
        let access = self.workload.keyvalue.clone();
        match tokio::task::spawn_blocking(move || access.open(&identifier)).await? {
            Ok(bucket) => Ok(Ok(self.table.push(bucket)?)),
            Err(error) => Ok(Err(error.into())),
        }
    }
}

impl store::HostBucket for View<'_> {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<Option<Vec<u8>>> {
        self.on(&bucket, move |bucket| bucket.get(&key)).await
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Answer<()> {
        self.on(&bucket, move |bucket| bucket.set(&key, value)).await
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<()> {
        self.on(&bucket, move |bucket| bucket.delete(&key)).await
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<bool> {
        self.on(&bucket, move |bucket| bucket.get(&key).map(|value| value.is_some())).await
    }

    async fn list_keys(&mut self, bucket: Resource<Bucket>, cursor: Option<u64>) -> Answer<store::KeyResponse> {
        let page = self.on(&bucket, move |bucket| bucket.keys(cursor.unwrap_or(0))).await?;
        Ok(page.map(|(keys, cursor)| store::KeyResponse { keys, cursor }))
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for View<'_> {
    async fn increment(&mut self, bucket: Resource<Bucket>, key: String, delta: u64) -> Answer<u64> {
        self.on(&bucket, move |bucket| bucket.increment(&key, delta)).await
    }
}

fn check(count: usize) -> Result<(), Error> {
    if count > BATCH { Err(Error::Refused(format!("a batch has at most {BATCH} keys, not {count}"))) } else { Ok(()) }
}

impl batch::Host for View<'_> {
    async fn get_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Answer<Vec<Option<(String, Vec<u8>)>>> {
        self.on(&bucket, move |bucket| {
            check(keys.len())?;
            keys.into_iter().map(|key| Ok(bucket.get(&key)?.map(|value| (key, value)))).collect()
        })
        .await
    }

    async fn set_many(&mut self, bucket: Resource<Bucket>, pairs: Vec<(String, Vec<u8>)>) -> Answer<()> {
        self.on(&bucket, move |bucket| {
            check(pairs.len())?;
            pairs.into_iter().try_for_each(|(key, value)| bucket.set(&key, value))
        })
        .await
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Answer<()> {
        self.on(&bucket, move |bucket| {
            check(keys.len())?;
            keys.iter().try_for_each(|key| bucket.delete(key))
        })
        .await
    }
}
