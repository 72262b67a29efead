//! Waiting for conditions.

use std::time::{Duration, Instant};

/// How long a condition may take to come true on a busy machine of two cores.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at what tells nothing by itself. The only pause in the tests.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Looks until there is something. `look` says in the error what it saw instead.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(saw) if Instant::now() > deadline => panic!("waited {PATIENCE:?} in vain for {what}; last seen: {saw}"),
            Err(_) => std::thread::sleep(LOOK_AGAIN),
        }
    }
}
