//! The same misbehaviour in every export of every world.

use super::guest::Guest;
use super::place::{Case, End, Place, TIMEOUT_MS};
use super::worlds::{World, ask};
use super::{FOREVER, TRAPPED};
use interfaces::schedule::PluginError;
use object::json;
use std::collections::BTreeMap;
use std::sync::Arc;

const OVERFLOW: &str = "wasm trap: call stack exhausted";
/// Bodies end in a trap, so that they fit exports of every type.
const FILL: &str = "(loop $l
    (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (unreachable)))
    (memory.fill (i32.mul (i32.sub (memory.size) (i32.const 16)) (i32.const 65536)) (i32.const 1) (i32.const 1048576))
    (br $l)) (unreachable)";
const GROW_TABLE: &str = "(loop $l (drop (table.grow $t (ref.null func) (i32.const 100000))) (br $l)) (unreachable)";
const RECURSE: &str = "(drop (call $deeper (i64.const 0))) (unreachable)";
const DEEPER: &str = "(func $deeper (param i64) (result i64) (i64.add (local.get 0) (call $deeper (i64.add (local.get 0) (i64.const 1)))))";
const FLOOD: &str = "(loop $l (call $log (i32.const 4) (i32.const 0) (i32.const 1000)) (br $l)) (unreachable)";
const HOUR: &str = "(call $-method-pollable-block (call $subscribe-duration (i64.const 3600000000000))) (unreachable)";

/// A thing that a function does instead of answering.
struct Deed {
    name: &'static str,
    body: &'static str,
    /// What its component needs.
    needs: fn(Guest) -> Guest,
    end: End,
}

fn nothing(guest: Guest) -> Guest {
    guest
}

fn asleep(guest: Guest) -> Guest {
    guest.wasi("clocks/monotonic-clock", "subscribe-duration").wasi("io/poll", "[method]pollable.block")
}

const DEEDS: [Deed; 7] = [
    Deed { name: "loops", body: FOREVER, needs: nothing, end: End::Timeout },
    Deed { name: "traps", body: "(unreachable)", needs: nothing, end: End::Trap(TRAPPED) },
    Deed { name: "fills memory", body: FILL, needs: nothing, end: End::Memory },
    Deed { name: "grows a table", body: GROW_TABLE, needs: |guest| guest.with("(table $t 1 funcref)"), end: End::Memory },
    Deed { name: "recurses", body: RECURSE, needs: |guest| guest.with(DEEPER), end: End::Trap(OVERFLOW) },
    Deed { name: "floods the log", body: FLOOD, needs: |guest| guest.import("log", "log"), end: End::Timeout },
    Deed { name: "sleeps in a host call", body: HOUR, needs: asleep, end: End::Timeout },
];

/// How a failure at load is told.
fn at_load(end: End) -> End {
    match end {
        End::Timeout => End::Refused("plugin hostile exceeded its time of 300 ms"),
        End::Memory => End::Refused("plugin hostile exceeded its memory of 8 MiB"),
        End::Trap(cause) => End::Refused(cause),
        other => other,
    }
}

/// Every deed in every export.
pub fn in_every_export(world: &'static World) -> Vec<Case> {
    let exports = world.exports();
    assert!(!exports.is_empty(), "{}", world.name);
    let mut cases = Vec::new();
    for deed in &DEEDS {
        let case = |bytes: &Arc<[u8]>, export: &str, ask: &str, end: End| Case {
            name: format!("{} {export} {}", world.name, deed.name),
            bytes: bytes.clone(),
            spec: world.spec(),
            ask: ask.to_owned(),
            end,
        };
        let guest = || (deed.needs)(world.guest());
        // One component for all that are only called when they are asked: each case has a new instance of it.
        let common: Arc<[u8]> = exports.iter().fold(guest(), |guest, export| guest.on(export, deed.body)).build().into();
        cases.extend(exports.iter().map(|export| case(&common, export, export, deed.end)));
        for export in world.before {
            cases.push(case(&guest().on(export, deed.body).build().into(), export, export, deed.end));
        }
        for export in world.at_load {
            let bytes = guest().without_answer(export).on(export, deed.body).build().into();
            cases.push(case(&bytes, export, world.usual(), at_load(deed.end)));
        }
    }
    cases
}

const MISFIT: &str = "plugin hostile does not fit the interfaces of this version: ";

/// Exports the interfaces of the world, with functions that take and give nothing, or without.
fn strange(world: &World, functions: bool) -> Arc<[u8]> {
    let version = super::guest::version();
    let mut interfaces: BTreeMap<String, String> = BTreeMap::new();
    for export in world.guest().exports() {
        let (interface, function) = export.split_once('#').unwrap();
        let line = if functions { format!("(export \"{function}\" (func $f))") } else { String::new() };
        interfaces.entry(interface.to_owned()).or_default().push_str(&line);
    }
    let exports: String = interfaces
        .iter()
        .map(|(name, functions)| format!("(instance ${name} {functions}) (export \"coracle:plugin/{name}@{version}\" (instance ${name}))"))
        .collect();
    let text = format!(
        "(component (core module $m (func (export \"f\"))) (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i \"f\"))) {exports})"
    );
    wat::parse_str(text).unwrap().into()
}

/// What goes wrong before any call, answers that no type allows, and types that are others than the contract's.
pub fn around(world: &'static World) -> Vec<Case> {
    let usual = world.usual();
    let case = |what: &str, guest: Guest, end: End| Case {
        name: format!("{} {what}", world.name),
        bytes: guest.build().into(),
        spec: world.spec(),
        ask: usual.to_owned(),
        end,
    };
    let start = |body: &str| world.guest().with(&format!("(func $start {body}) (start $start)"));
    let mut cases = vec![
        case(
            "start traps",
            start("(unreachable)"),
            End::Refused("cannot be started: plugin hostile trapped: wasm trap: wasm `unreachable`"),
        ),
        case("start loops", start(FOREVER), End::Refused("cannot be started: plugin hostile exceeded its time of 1000 ms")),
        case(
            "start takes memory",
            start("(loop $l (drop (memory.grow (i32.const 16))) (br $l))"),
            End::Refused("cannot be started: plugin hostile exceeded its memory of 8 MiB"),
        ),
        case(
            "start calls the host",
            start("(loop $l (call $log (i32.const 4) (i32.const 0) (i32.const 1000)) (br $l))").import("log", "log"),
            End::Refused("cannot be started: plugin hostile trapped"),
        ),
        case("memory is large from the start", world.guest().pages(256), End::Refused("exceeded its memory of 8 MiB")),
        case(
            "a table is large from the start",
            world.guest().with("(table 9000000 funcref)"),
            End::Refused("exceeded its memory of 8 MiB"),
        ),
        case("realloc loops", world.guest().realloc(FOREVER), End::Timeout),
        case("realloc traps", world.guest().realloc("(unreachable)"), End::Trap(TRAPPED)),
        case(
            "realloc answers far outside",
            world.guest().realloc("(i32.const 0x7fffff00)"),
            End::Trap("realloc return: beyond end of memory"),
        ),
    ];
    if world.name == "admission" {
        // The settings are told while it is loaded.
        let refused = |case: &mut Case| {
            if case.name.contains("realloc") {
                case.end = at_load(case.end)
            }
        };
        cases.iter_mut().for_each(refused);
    }
    cases.push(Case { bytes: strange(world, true), ..case("functions of other types", world.guest(), End::Refused(MISFIT)) });
    cases.push(Case { bytes: strange(world, false), ..case("interfaces without functions", world.guest(), End::Refused(MISFIT)) });
    // Every export that answers in memory, with nonsense there.
    for export in world.exports() {
        if world.guest().answers_in_memory(&export) {
            let ask = |what: &str, body: &str, end: End| Case {
                name: format!("{} {export} answers {what}", world.name),
                bytes: world.guest().on(&export, body).build().into(),
                spec: world.spec(),
                ask: export.clone(),
                end,
            };
            cases.push(ask("from outside", "(i32.const 0x7ffffff0)", End::Trap("pointer out of bounds")));
        }
    }
    cases
}

/// Whoever calls at the same time shares `spec.limits.instances`, whatever the instances do.
pub async fn instances_are_few(place: &Place, world: &'static World) {
    let usual = world.usual();
    let mut spec = world.spec();
    spec["limits"] = json!({ "instances": 2, "timeoutMilliseconds": 10_000 });
    // Each call is in a host call for a while, so that all are there at once.
    let answer = format!("(i32.const {})", super::guest::ANSWER);
    let body = format!("(call $-method-pollable-block (call $subscribe-duration (i64.const 20000000))) {answer}");
    let file = place.write(&format!("{} crowd", world.name), &asleep(world.guest()).on(usual, &body).build());
    let plugin = place.load(&file, &spec).await.unwrap();
    let (idle, made) = (plugin.resident.idle(), plugin.counters.read().instances);
    let answers = futures::future::join_all((0..8).map(|_| ask(&plugin.product, usual))).await;
    answers.into_iter().for_each(|answer| drop(answer.unwrap()));
    // A scheduler's cycle is one at a time.
    let most = if world.name == "scheduler" { 1 } else { 2 };
    let made = plugin.counters.read().instances - made;
    assert_eq!((plugin.resident.idle(), idle as u64 + made), (most, most as u64), "{}", world.name);
}

/// Callers of a plugin whose instances are all stuck are told so, and do not wait behind each other.
pub async fn nobody_queues_behind_the_stuck(place: &Place, world: &'static World) {
    let usual = world.usual();
    let mut spec = world.spec();
    spec["limits"] = json!({ "instances": 1 });
    let file = place.write(&format!("{} stuck", world.name), &asleep(world.guest()).on(usual, HOUR).build());
    let plugin = place.load(&file, &spec).await.unwrap();
    let before = plugin.counters.read();
    let answers = futures::future::join_all((0..6).map(|_| ask(&plugin.product, usual))).await;
    let late = PluginError::Timeout { plugin: "hostile".to_owned(), limit_ms: TIMEOUT_MS }.to_string();
    let busy = "plugin hostile failed: its 1 instances were busy for 300 ms";
    let errors: Vec<String> = answers.into_iter().map(|answer| answer.unwrap_err()).collect();
    assert!(errors.iter().all(|error| *error == late || error == busy), "{errors:?}");
    // Some had their turn when the first was over; nobody was the third in a row.
    assert!(errors.iter().filter(|error| *error == busy).count() >= 4, "{errors:?}");
    let counted = plugin.counters.read();
    assert_eq!((counted.calls - before.calls, counted.failures - before.failures), (6, 6));
}
