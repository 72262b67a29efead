//! Addresses and ports that a write takes: chosen, tried in the object's own transaction, chosen again when somebody has them.

use super::Write;
use super::commit::Outcome;
use crate::server::store_error;
use crate::strategy::Claims;
use crate::strategy::service::{ADDRESSES, PORTS, Taken};
use bytes::Bytes;
use object::{Object, StatusError};
use store::prefix_end;

/// Random choices that were taken, before everything that is taken is read: in a range that is half full one write in
/// a hundred gets so far.
const GUESSES: usize = 7;
/// Choices among what was free when it was read; others take some meanwhile.
const ATTEMPTS: usize = 32;

/// Choices so far.
#[derive(Default)]
pub struct Choices {
    taken: Taken,
    tried: usize,
}

impl Write<'_> {
    /// The object with what its kind takes for it, and the keys of that.
    pub fn allocated(&self, new: &Object, old: Option<&Object>, choices: &Choices) -> Result<(Object, Claims), StatusError> {
        let mut filled = new.clone();
        let claims = self.strategy.allocate(&self.context(), &mut filled, old, &choices.taken)?;
        Ok((filled, claims))
    }

    /// Notes keys that turned out to be taken.
    pub async fn avoid(&self, choices: &mut Choices, keys: Vec<Bytes>) -> Result<(), StatusError> {
        choices.taken.0.extend(keys);
        choices.tried += 1;
        if choices.tried >= ATTEMPTS {
            return Err(StatusError::unavailable("addresses or ports were taken by others again and again; retry"));
        }
        if choices.tried >= GUESSES {
            for prefix in [ADDRESSES, PORTS] {
                let page = self.call.shared.store.range(prefix.as_bytes(), &prefix_end(prefix.as_bytes()), 0, None).await;
                choices.taken.0.extend(page.map_err(|e| store_error(&e))?.entries.into_iter().map(|entry| entry.key));
            }
        }
        Ok(())
    }

    /// Writes an object and takes for it what its kind needs. The object is then as it was written.
    pub async fn put_allocated(&self, object: &mut Object, old: Option<&Object>, over: Option<u64>) -> Result<Outcome, StatusError> {
        if !self.strategy.allocates() {
            return self.put(object, over).await;
        }
        let mut choices = Choices::default();
        loop {
            let (filled, claims) = self.allocated(object, old, &choices)?;
            match self.put_claiming(&filled, over, claims).await? {
                Ok(outcome) => {
                    *object = filled;
                    return Ok(outcome);
                }
                Err(keys) => self.avoid(&mut choices, keys).await?,
            }
        }
    }
}
