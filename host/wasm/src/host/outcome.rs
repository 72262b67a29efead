//! How a run ends, in the words of a container's status.

use crate::meter::MemoryExceeded;
use wasmtime_wasi::I32Exit;

/// As a shell reports signals: 128 + 6, 9, 15.
const TRAPPED: i32 = 134;
const KILLED: i32 = 137;
const STOPPED: i32 = 143;

/// A termination message is at most 4096 bytes (`MaxContainerTerminationMessageLength`); a trap takes half of it.
const LONGEST_TRAP: usize = 2048;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub exit_code: i32,
    pub signal: i32,
    pub reason: &'static str,
    pub message: String,
}

impl Outcome {
    pub fn exited(code: i32) -> Self {
        Self { exit_code: code, reason: if code == 0 { "Completed" } else { "Error" }, ..Self::default() }
    }

    /// Asked to stop, and had no way to do more than end.
    pub fn stopped() -> Self {
        Self { exit_code: STOPPED, signal: 15, reason: "Error", message: String::new() }
    }

    pub fn killed(message: &str) -> Self {
        Self { exit_code: KILLED, signal: 9, reason: "Error", message: message.to_owned() }
    }

    /// What a guest's call failed with: an exit, the memory limit, or a trap.
    pub fn failed(error: &wasmtime::Error) -> Self {
        if let Some(I32Exit(code)) = error.downcast_ref() {
            return Self::exited(*code);
        }
        if let Some(exceeded) = error.downcast_ref::<MemoryExceeded>() {
            return Self { exit_code: KILLED, signal: 9, reason: "OOMKilled", message: exceeded.to_string() };
        }
        Self { exit_code: TRAPPED, signal: 6, reason: "Error", message: describe(error) }
    }
}

/// The cause first, then where.
pub fn describe(error: &wasmtime::Error) -> String {
    let cause = error.root_cause().to_string();
    let place = error.to_string();
    let mut text = if place == cause { cause } else { format!("{cause}\n{place}") };
    if text.len() > LONGEST_TRAP {
        let end = text.floor_char_boundary(LONGEST_TRAP);
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: wasmtime::Error, expect: (i32, &str)) {
        let outcome = Outcome::failed(&error);
        assert_eq!((outcome.exit_code, outcome.reason), expect, "{error:?}");
    }

    #[test]
    fn codes() {
        check(wasmtime::Error::from(I32Exit(0)), (0, "Completed"));
        check(wasmtime::Error::from(I32Exit(3)).context("while running"), (3, "Error"));
        check(MemoryExceeded { wanted: 2, limit: 1 }.into(), (137, "OOMKilled"));
        check(wasmtime::Trap::UnreachableCodeReached.into(), (134, "Error"));
    }

    #[test]
    fn traps_say_the_cause_first() {
        let error =
            wasmtime::Error::from(wasmtime::Trap::IntegerDivisionByZero).context("error while executing at wasm backtrace: 0: main");
        assert_eq!(describe(&error), "wasm trap: integer divide by zero\nerror while executing at wasm backtrace: 0: main");
    }
}
