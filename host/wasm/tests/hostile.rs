//! Components that misbehave: how each is contained, while another plugin goes on answering.
//!
//! A case is a component (made by `tests/guests/hostile/guest.rs`, or written out), what it is asked, and exactly how it ends: the
//! error, what is counted, whether its instance is gone. `worlds.rs` is the table of worlds, with the host's call for each export;
//! `everywhere.rs` has what can go wrong in any of them, `answers.rs` the answers that make no sense in one, `scheduler.rs` what
//! concerns the platform, by the example of the scheduler's world.
//! The bystander, a plugin of the same world, is called all the while; how long its calls took is printed, that they were answered
//! is asserted.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect by unwrap")]

#[path = "hostile/answers.rs"]
mod answers;
#[path = "hostile/bystander.rs"]
mod bystander;
#[path = "hostile/everywhere.rs"]
mod everywhere;
#[path = "../../../tests/guests/hostile/guest.rs"]
mod guest;
#[path = "hostile/outside.rs"]
mod outside;
#[path = "hostile/place.rs"]
mod place;
#[path = "hostile/scheduler.rs"]
mod scheduler;
#[path = "hostile/worlds.rs"]
mod worlds;

use bystander::Bystander;
use place::{Case, Place, check};
use worlds::World;

/// Never comes back.
const FOREVER: &str = "(loop $l (br $l)) (unreachable)";
const TRAPPED: &str = "wasm trap: wasm `unreachable` instruction executed";

/// Checks all cases of a world beside a bystander of it.
async fn contained(world: &str, groups: impl IntoIterator<Item = (&'static str, Vec<Case>)>) {
    let (place, world) = (Place::new(), World::of(world));
    let (mut checked, mut failed) = (0, Vec::new());
    for (group, cases) in groups {
        let bystander = Bystander::start(&place, world).await;
        for case in &cases {
            failed.extend(check(&place, case).await.err());
        }
        checked += cases.len();
        bystander.finish(&format!("{} {group}", world.name)).await;
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    eprintln!("{checked} hostile components of world {} contained", world.name);
}

async fn of_world(name: &str) {
    let world = World::of(name);
    let groups = [
        ("every export", everywhere::in_every_export(world)),
        ("starts, allocations, nonsense", everywhere::around(world)),
        ("malformed answers", answers::of(world)),
    ];
    contained(name, groups).await;
    let place = Place::new();
    everywhere::instances_are_few(&place, world).await;
    everywhere::nobody_queues_behind_the_stuck(&place, world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scheduler_points() {
    of_world("scheduler").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admission() {
    of_world("admission").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn adapter() {
    of_world("adapter").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_middleware() {
    of_world("http-middleware").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cloud_provider() {
    of_world("cloud-provider").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn controller() {
    of_world("controller").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_platform() {
    contained("scheduler", scheduler::groups()).await;
}
