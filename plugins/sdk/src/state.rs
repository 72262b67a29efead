//! What a plugin keeps: keys and values that all its instances share, and that outlive the server.

pub use crate::bindings::platform::state::{Failure, delete, get, keys, replace, set};

/// Changes the value of `key` by `change`, however many instances do so at the same time. Gives what is stored then.
///
/// # Errors
/// `TooLarge`, `Unavailable`; `Changed` after eight attempts, when others were faster each time.
pub fn update(key: &str, change: impl Fn(Option<&[u8]>) -> Vec<u8>) -> Result<Vec<u8>, Failure> {
    for _ in 0..8 {
        let old = get(key)?;
        let new = change(old.as_deref());
        match replace(key, old.as_deref(), &new) {
            Ok(()) => return Ok(new),
            Err(Failure::Changed) => {}
            Err(other) => return Err(other),
        }
    }
    Err(Failure::Changed)
}
