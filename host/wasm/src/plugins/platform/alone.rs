//! [`Alone`]: a platform without a server, for trying a plugin.

use super::{Answer, Kept, Platform, Reference, Refused, Request};
use async_trait::async_trait;
use client::Type;
use parking_lot::Mutex;

/// Answers every request with 503, keeps state in memory, and has no secrets.
#[derive(Debug, Default)]
pub struct Alone {
    state: Mutex<Kept>,
}

#[async_trait]
impl Platform for Alone {
    async fn request(&self, _: Request) -> Result<Answer, Refused> {
        Err(Refused { code: 503, reason: "ServiceUnavailable".to_owned(), message: "there is no API server".to_owned() })
    }

    fn event(&self, _: &Reference, _: Type, _: &str, _: &str) {}

    async fn read_state(&self) -> Result<Kept, String> {
        Ok(self.state.lock().clone())
    }

    async fn write_state(&self, kept: &Kept) -> Result<bool, String> {
        let mut state = self.state.lock();
        if state.revision != kept.revision {
            return Ok(false);
        }
        let next = state.revision.parse::<u64>().unwrap_or_default() + 1;
        *state = Kept { entries: kept.entries.clone(), revision: next.to_string() };
        Ok(true)
    }

    async fn secret(&self, name: &str) -> Result<Vec<u8>, String> {
        Err(format!("there is no server that has secret {name:?}"))
    }
}
