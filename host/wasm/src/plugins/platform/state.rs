//! `wit/state.wit`: entries over the whole state of a plugin, which is read and replaced at once.

use super::Kept;
use crate::ctx::State;
use crate::plugins::bindings::coracle::plugin::state as wit;
use crate::plugins::guest::{GuestView, HasGuest, view};
use wasmtime::Result;
use wasmtime::component::Linker;

/// As `wit/state.wit` says.
const LARGEST: usize = 512 << 10;
const LONGEST_KEY: usize = 200;

/// Attempts to be the first: another instance, or another server, may write at the same time.
const ATTEMPTS: u32 = 20;

pub(crate) fn link(l: &mut Linker<State>) -> Result<()> {
    wit::add_to_linker::<State, HasGuest>(l, view)
}

impl GuestView<'_> {
    async fn kept(&mut self) -> std::result::Result<Kept, wit::Failure> {
        let Some(guest) = &self.0 else { return Err(wit::Failure::Unavailable("only plugins use this".to_owned())) };
        guest.given.platform.read_state().await.map_err(wit::Failure::Unavailable)
    }

    /// Makes `change` of what is kept; it answers whether there is anything to write.
    async fn change(
        &mut self,
        change: impl Fn(&mut Kept) -> std::result::Result<bool, wit::Failure>,
    ) -> std::result::Result<(), wit::Failure> {
        for _ in 0..ATTEMPTS {
            let mut kept = self.kept().await?;
            if !change(&mut kept)? {
                return Ok(());
            }
            let size: usize = kept.entries.iter().map(|(key, value)| key.len() + value.len()).sum();
            if size > LARGEST {
                return Err(wit::Failure::TooLarge(format!("the state would be of {size} bytes, at most {LARGEST} are kept")));
            }
            let Some(guest) = &self.0 else { return Ok(()) };
            if guest.given.platform.write_state(&kept).await.map_err(wit::Failure::Unavailable)? {
                return Ok(());
            }
        }
        Err(wit::Failure::Changed)
    }
}

impl wit::Host for GuestView<'_> {
    async fn get(&mut self, key: String) -> std::result::Result<Option<Vec<u8>>, wit::Failure> {
        Ok(self.kept().await?.entries.remove(&key))
    }

    async fn set(&mut self, key: String, value: Vec<u8>) -> std::result::Result<(), wit::Failure> {
        check(&key)?;
        self.change(|kept| {
            let same = kept.entries.get(&key) == Some(&value);
            kept.entries.insert(key.clone(), value.clone());
            Ok(!same)
        })
        .await
    }

    async fn replace(&mut self, key: String, old: Option<Vec<u8>>, value: Vec<u8>) -> std::result::Result<(), wit::Failure> {
        check(&key)?;
        self.change(|kept| {
            if kept.entries.get(&key) != old.as_ref() {
                return Err(wit::Failure::Changed);
            }
            kept.entries.insert(key.clone(), value.clone());
            Ok(true)
        })
        .await
    }

    async fn delete(&mut self, key: String) -> std::result::Result<(), wit::Failure> {
        self.change(|kept| Ok(kept.entries.remove(&key).is_some())).await
    }

    async fn keys(&mut self, prefix: String) -> std::result::Result<Vec<String>, wit::Failure> {
        Ok(self.kept().await?.entries.into_keys().filter(|key| key.starts_with(&prefix)).collect())
    }
}

/// A key stands in a ConfigMap as it is.
fn check(key: &str) -> std::result::Result<(), wit::Failure> {
    if key.len() > LONGEST_KEY {
        return Err(wit::Failure::TooLarge(format!("a key of {} bytes, at most {LONGEST_KEY} are allowed", key.len())));
    }
    if key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        return Err(wit::Failure::Unavailable(format!("{key:?} is not a key: letters, digits, '-', '_' and '.' are")));
    }
    Ok(())
}
