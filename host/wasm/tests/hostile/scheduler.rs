//! The platform that every plugin has, by the example of scheduler plugins; and components that are none.

use super::guest::{ANSWER, Guest, version};
use super::place::{Case, End};
use super::{FOREVER, TRAPPED};
use object::{Value, json};

const FILTER: &str = "filter#filter";
const SCORE: &str = "score#score";

fn spec() -> Value {
    json!({ "world": "scheduler", "scheduler": {"extensionPoints": ["filter", "score"]} })
}

fn case(name: &str, guest: Guest, ask: &str, end: End) -> Case {
    Case { name: name.to_owned(), bytes: guest.build().into(), spec: spec(), ask: ask.to_owned(), end }
}

fn text(name: &str, component: &str, end: End) -> Case {
    Case { name: name.to_owned(), bytes: wat::parse_str(component).unwrap().into(), spec: spec(), ask: FILTER.to_owned(), end }
}

fn with(more: Value, mut case: Case) -> Case {
    object::patch::merge::apply(&mut case.spec, &more);
    case
}

/// A filter that does this before it has no opinion.
fn filter(body: &str) -> Guest {
    Guest::of("scheduler").on("filter#filter", &format!("{body} (i32.const {ANSWER})"))
}

/// A filter whose answer is these bytes.
fn answer(bytes: &str) -> Guest {
    filter("").with(&format!("(data (i32.const {ANSWER}) \"{bytes}\")"))
}

fn score(bytes: &str) -> Guest {
    Guest::of("scheduler").on("score#score", &format!("(i32.const {ANSWER})")).with(&format!("(data (i32.const {ANSWER}) \"{bytes}\")"))
}

/// In what the host calls on the way.
fn around() -> Vec<Case> {
    let (plain, version) = (|| Guest::of("scheduler"), version());
    vec![
        case("realloc loops", plain().realloc(FOREVER), FILTER, End::Timeout),
        case("realloc traps", plain().realloc("(unreachable)"), FILTER, End::Trap(TRAPPED)),
        case(
            "realloc answers far outside",
            plain().realloc("(i32.const 0x7fffff00)"),
            FILTER,
            End::Trap("realloc return: beyond end of memory"),
        ),
        case("realloc answers at the edge", plain().realloc("(i32.const -4)"), FILTER, End::Trap("realloc return: result not aligned")),
        case(
            "realloc answers the last bytes",
            plain().realloc("(i32.const -8)"),
            FILTER,
            End::Trap("realloc return: beyond end of memory"),
        ),
        case("realloc answers unaligned", plain().realloc("(i32.const 65537)"), FILTER, End::Trap("realloc return: result not aligned")),
        case(
            "post-return loops",
            plain().with(&format!("(func (export \"cabi_post_coracle:plugin/filter@{version}#filter\") (param i32) (loop $l (br $l)))")),
            FILTER,
            End::Timeout,
        ),
        case(
            "post-return traps",
            plain().with(&format!("(func (export \"cabi_post_coracle:plugin/filter@{version}#filter\") (param i32) (unreachable))")),
            FILTER,
            End::Trap(TRAPPED),
        ),
    ]
}

/// Memory, tables, stack, instances.
fn appetite() -> Vec<Case> {
    let fill = "(local $at i32)
        (loop $l
            (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (unreachable)))
            (memory.fill (i32.mul (i32.sub (memory.size) (i32.const 16)) (i32.const 65536)) (i32.const 1) (i32.const 1048576))
            (br $l))";
    let recursion = "(func $deeper (param i64) (result i64) (i64.add (local.get 0) (call $deeper (i64.add (local.get 0) (i64.const 1)))))";
    let many = |count: usize, body: &str| {
        let instances: String = (0..count).map(|_| "(core instance (instantiate $m))").collect();
        format!("(component (core module $m {body}) {instances})")
    };
    // Each level is twice the one below.
    let mut nested = "(component $c0 (core module $m (memory 1)) (core instance (instantiate $m)))".to_owned();
    for level in 1..=24 {
        nested = format!("(component $c{level} {nested} (instance (instantiate $c{0})) (instance (instantiate $c{0})))", level - 1);
    }
    vec![
        case("memory is filled", filter(fill), FILTER, End::Memory),
        case("memory is grown at once", filter("(drop (memory.grow (i32.const 65000)))"), FILTER, End::Memory),
        case(
            "a table is grown",
            filter("(loop $l (drop (table.grow $t (ref.null func) (i32.const 100000))) (br $l))").with("(table $t 1 funcref)"),
            FILTER,
            End::Memory,
        ),
        case(
            "recursion without end",
            filter("(drop (call $deeper (i64.const 0)))").with(recursion),
            FILTER,
            End::Trap("wasm trap: call stack exhausted"),
        ),
        case(
            "recursion through a table",
            filter("(call_indirect (type $f) (i32.const 0))")
                .with("(type $f (func)) (table funcref (elem $again)) (func $again (call_indirect (type $f) (i32.const 0)) (call_indirect (type $f) (i32.const 0)))"),
            FILTER,
            End::Trap("wasm trap: call stack exhausted"),
        ),
        text("instances doubled at each of 24 levels", &nested, End::Refused("instances")),
        text("20,000 instances side by side", &many(20_000, ""), End::Refused("instances")),
        text("900 memories side by side", &many(900, "(memory 1)"), End::Refused("exports none of")),
    ]
}

/// Answers that no type of the contract allows.
fn malformed() -> Vec<Case> {
    let everywhere = |at: &str| Guest::of("scheduler").on("filter#filter", at);
    vec![
        case("answer far outside", everywhere("(i32.const 0x7ffffff0)"), FILTER, End::Trap("pointer out of bounds")),
        case("answer at the edge", everywhere("(i32.const -4)"), FILTER, End::Trap("pointer out of bounds")),
        case("answer unaligned", everywhere("(i32.const 1025)"), FILTER, End::Trap("pointer not aligned")),
        case("neither ok nor err", answer(r"\02"), FILTER, End::Trap("invalid expected discriminant")),
        case("all ones", answer(&r"\ff".repeat(64)), FILTER, End::Trap("invalid expected discriminant")),
        case("a list outside", answer(r"\00\00\00\00\00\00\ff\7f\ff\00\00\00"), FILTER, End::Trap("")),
        case("a list longer than memory", answer(r"\00\00\00\00\00\00\00\00\ff\ff\ff\ff"), FILTER, End::Trap("")),
        case("an err that is no text", answer(r"\01\00\00\00\0c\04\00\00\04\00\00\00\ff\fe\fd\fc"), FILTER, End::Trap("invalid utf-8")),
        case("an err of 200,000 bytes", answer(r"\01\00\00\00\00\00\00\00\40\0d\03\00"), FILTER, End::Failed("")),
        case("scores outside", score(r"\00\00\00\00\f0\ff\03\00\11\00\00\00"), SCORE, End::Trap("")),
        case("a score too few", score(r"\00\00\00\00\00\08\00\00\01\00\00\00"), SCORE, End::Failed("it gave 1 scores for 2 nodes")),
        case("a million scores", score(r"\00\00\00\00\00\00\00\00\40\42\03\00"), SCORE, End::Failed("it gave 213568 scores for 2 nodes")),
    ]
}

/// What is imported is used against its sense.
fn host_calls() -> Vec<Case> {
    let log = |body: &str| filter(body).import("log", "log");
    let config = |body: &str| filter(body).import("config", "get");
    let clock = || Guest::of("scheduler").wasi("clocks/monotonic-clock", "subscribe-duration").wasi("io/poll", "[method]pollable.block");
    let asleep = format!("(call $-method-pollable-block (call $subscribe-duration (i64.const 3600000000000))) (i32.const {ANSWER})");
    let forged = format!("(call $-method-pollable-block (i32.const 4711)) (i32.const {ANSWER})");
    let handles = format!("(loop $l (drop (call $subscribe-duration (i64.const 3600000000000))) (br $l)) (i32.const {ANSWER})");
    let random = |bytes: &str| {
        Guest::of("scheduler")
            .wasi("random/random", "get-random-bytes")
            .on("filter#filter", &format!("(call $get-random-bytes (i64.const {bytes}) (i32.const 32)) (i32.const {ANSWER})"))
    };
    vec![
        case(
            "log flood",
            log(
                "(local $i i32) (loop $l (call $log (i32.const 4) (i32.const 0) (i32.const 60000)) (local.set $i (i32.add (local.get $i) (i32.const 1))) (br_if $l (i32.lt_u (local.get $i) (i32.const 2000))))",
            ),
            FILTER,
            End::Harmless,
        ),
        case(
            "log flood without end",
            log("(loop $l (call $log (i32.const 4) (i32.const 0) (i32.const 1000)) (br $l))"),
            FILTER,
            End::Timeout,
        ),
        case("a message from outside", log("(call $log (i32.const 0) (i32.const 0x7fff0000) (i32.const 1000))"), FILTER, End::Trap("")),
        case("a message of 4 GiB", log("(call $log (i32.const 0) (i32.const 16) (i32.const -1))"), FILTER, End::Trap("")),
        case("a level that is none", log("(call $log (i32.const 77) (i32.const 0) (i32.const 1))"), FILTER, End::Trap("")),
        case(
            "a message that is no text",
            log("(call $log (i32.const 0) (i32.const 1024) (i32.const 4))")
                .with("(data (i32.const 1024) \"\\00\\ff\\fe\\fd\")")
                .on("filter#filter", "(call $log (i32.const 0) (i32.const 1024) (i32.const 4)) (i32.const 4096)"),
            FILTER,
            End::Trap(""),
        ),
        case("a key from outside", config("(call $get (i32.const 0x7fff0000) (i32.const 8) (i32.const 32))"), FILTER, End::Trap("")),
        case(
            "an answer asked for outside",
            config("(call $get (i32.const 0) (i32.const 8) (i32.const 0x7fffff00))"),
            FILTER,
            End::Trap(""),
        ),
        case("asleep in a host call", clock().on("filter#filter", &asleep), FILTER, End::Timeout),
        case("a forged handle", clock().on("filter#filter", &forged), FILTER, End::Trap("unknown handle index 4711")),
        case("handles without end", clock().on("filter#filter", &handles), FILTER, End::Trap("")),
        case("random bytes without measure", random("0xffffffffff"), FILTER, End::Trap("")),
        with(
            json!({"grants": {"interfaces": ["wasi:http"]}}),
            text("files that were not granted", FILES, End::Refused("imports wasi:filesystem/preopens@0.2.0 which was not granted")),
        ),
        text(
            "sockets that were not granted",
            r#"(component (import "wasi:sockets/tcp@0.2.0" (instance)))"#,
            End::Refused("imports wasi:sockets/tcp@0.2.0 which was not granted"),
        ),
        text(
            "something the host never heard of",
            r#"(component (import "evil:root/shell@1.0.0" (instance)))"#,
            End::Refused("imports evil:root/shell@1.0.0 which was not granted"),
        ),
        with(
            json!({"grants": {"interfaces": ["evil:root/shell"]}}),
            text("a grant of what there is not", "(component)", End::Refused("\"evil:root/shell\" cannot be granted to a plugin")),
        ),
    ]
}

const FILES: &str = r#"(component (import "wasi:filesystem/preopens@0.2.0" (instance)))"#;

/// The platform's functions as weapons: what the host keeps for a plugin, and what it copies for one.
fn platform() -> Vec<Case> {
    // A name or key of four letters that differs with $i, at 0; then `body`; so often.
    let repeat = |times: u32, body: &str| {
        let letter = |at: u32| {
            let shift = at * 4;
            format!(
                "(i32.store8 (i32.const {at}) (i32.add (i32.const 97) (i32.and (i32.shr_u (local.get $i) (i32.const {shift})) (i32.const 15))))"
            )
        };
        let name: String = (0..4).map(letter).collect();
        format!(
            "(local $i i32) (loop $l {name} {body} (local.set $i (i32.add (local.get $i) (i32.const 1))) \
             (br_if $l (i32.lt_u (local.get $i) (i32.const {times}))))"
        )
    };
    let count = "(call $count (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 0) (f64.const 1))";
    // 100,000 labels of which each is the same 60,000 bytes: 6 GB once they are copied.
    let overlapping = "(local $i i32)
        (loop $l
            (i32.store (i32.add (i32.const 131076) (i32.mul (local.get $i) (i32.const 16))) (i32.const 60000))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $l (i32.lt_u (local.get $i) (i32.const 100000))))
        (call $count (i32.const 0) (i32.const 4) (i32.const 131072) (i32.const 100000) (f64.const 1))";
    let metrics = |body: &str| filter(body).import("metrics", "count").pages(40);
    let state = |body: &str| filter(body).import("state", "set").pages(40);
    let set = |value: u32| format!("(call $set (i32.const 0) (i32.const 4) (i32.const 65536) (i32.const {value}) (i32.const 32))");
    // The first byte of a result: 1 = err. What is not refused traps, so that a case shows it was.
    let refused = "(if (i32.eqz (i32.load8_u (i32.const 32))) (then (unreachable)))";
    let granted = "(if (i32.load8_u (i32.const 32)) (then (unreachable)))";
    let secret = filter(&format!("(call $get (i32.const 0) (i32.const 4) (i32.const 32)) {refused}")).import("secrets", "get");
    let api = |function: &str, call: &str| filter(&format!("{call} {refused}")).import("api", function);
    // More than 16 flat parameters are in memory: here all texts empty, all options none.
    let nothing = "(i32.const 4096) (i32.const 32)";
    vec![
        case("5,000 series of metrics", metrics(&repeat(5_000, count)), FILTER, End::Harmless),
        case("metrics that are no numbers", metrics(&count.replace("const 1)", "const nan)")), FILTER, End::Harmless),
        case("labels that overlap to 6 GB", metrics(overlapping), FILTER, End::Trap("")),
        case("a state entry too large", state(&format!("{} {refused}", set(600_000))), FILTER, End::Harmless),
        case("a flood of state entries", state(&format!("{} {refused}", repeat(20, &set(50_000)))), FILTER, End::Harmless),
        case(
            "state written without end",
            state(&format!("(loop $l {} {granted} (br $l))", set(1))).with("(data (i32.const 0) \"abcd\")"),
            FILTER,
            End::Timeout,
        ),
        case("a secret that was not granted", secret, FILTER, End::Harmless),
        case("a deletion without an account", api("delete", &format!("(call $delete {nothing})")), FILTER, End::Harmless),
    ]
}

/// What never gets as far as a call.
fn strangers() -> Vec<Case> {
    let version = version();
    let wrong = format!(
        r#"(component
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f")))
            (instance $filter (export "filter" (func $f)))
            (instance $table (export "sync" (func $f)))
            (instance $score (export "score" (func $f)))
            (export "coracle:plugin/node-table@{version}" (instance $table))
            (export "coracle:plugin/filter@{version}" (instance $filter))
            (export "coracle:plugin/score@{version}" (instance $score)))"#
    );
    let empty = format!(
        r#"(component
            (instance $none)
            (export "coracle:plugin/node-table@{version}" (instance $none))
            (export "coracle:plugin/filter@{version}" (instance $none))
            (export "coracle:plugin/score@{version}" (instance $none)))"#
    );
    vec![
        text(
            "exports of other types",
            &wrong,
            End::Refused(
                "plugin hostile does not fit the interfaces of this version: failed to convert function to given type: type mismatch",
            ),
        ),
        text("interfaces without functions", &empty, End::Refused("does not fit the interfaces of this version")),
        text("nothing exported", "(component)", End::Refused("exports none of")),
        case(
            "an interface is missing",
            Guest::of("scheduler").without("score"),
            SCORE,
            End::Refused("exports none of coracle:plugin/score"),
        ),
        text("a core module", "(module)", End::Refused("is a core module, not a component")),
        Case {
            bytes: b"\0asm\x0d\0\x01\0garbage"[..].into(),
            ..text("a broken component", "(component)", End::Refused("cannot be compiled"))
        },
    ]
}

/// All of them.
pub fn groups() -> [(&'static str, Vec<Case>); 6] {
    [
        ("allocations", around()),
        ("appetite", appetite()),
        ("malformed answers", malformed()),
        ("host calls", host_calls()),
        ("platform", platform()),
        ("strangers", strangers()),
    ]
}
