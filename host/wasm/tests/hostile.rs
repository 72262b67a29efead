//! Components that misbehave: how each is contained, while another plugin goes on answering.
//!
//! A case is a component (made by `tests/guests/hostile/guest.rs`, or written out), what it is asked, and exactly how it ends.
//! The bystander is called all the while; how long its calls took is printed, that they were answered is asserted.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect by unwrap")]

#[path = "hostile/bystander.rs"]
mod bystander;
#[path = "../../../tests/guests/hostile/guest.rs"]
mod guest;
#[path = "hostile/scheduler.rs"]
mod scheduler;

use guest::Guest;

/// Never comes back.
const FOREVER: &str = "(loop $l (br $l)) (unreachable)";

/// Every export of a world is one that loops, traps and answers out of bounds; `check` calls it and says how that ended.
fn in_every_export(world: &str) -> Vec<(String, Guest)> {
    let exports = Guest::of(world).exports();
    assert!(!exports.is_empty(), "{world}");
    let each = |export: &String| {
        let case = |what: &str, body: &str| (format!("{export} {what}"), Guest::of(world).on(export, body));
        [case("loops", FOREVER), case("traps", "(unreachable)")]
    };
    exports.iter().flat_map(each).collect()
}
