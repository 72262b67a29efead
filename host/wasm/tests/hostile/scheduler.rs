//! The scheduler's world.

use super::bystander::Bystander;
use super::guest::{ANSWER, Guest, version};
use super::{FOREVER, in_every_export};
use interfaces::schedule::{NodeTable, NodeView, PluginError, PodView, SchedulePlugin};
use object::{Object, Value, json};
use std::sync::Arc;
use wasm::plugins::Config;
use wasm::plugins::counters::Counters;
use wasm::plugins::prepare::{Around, Failed, Loading};
use wasm::plugins::worlds::Product;

const TIMEOUT_MS: u64 = 300;
const MEMORY_MIB: u64 = 8;
/// Longest sentence of a plugin's failure: it stands in events and statuses.
const LONGEST: usize = 1024;

/// How a component is contained.
#[derive(Clone, Copy, Debug)]
enum End {
    /// Its object says why it is not loaded.
    Refused(&'static str),
    Timeout,
    Memory,
    /// A trap with this cause.
    Trap(&'static str),
    /// It answered, in bad words or badly.
    Failed(&'static str),
    /// The host held it off without its noticing: the call is answered.
    Harmless,
}

/// Which call reaches the misbehaviour.
#[derive(Clone, Copy, Debug)]
enum Ask {
    Filter,
    Score,
}

/// Where components lie, and what loads them.
pub struct Place {
    directory: tempfile::TempDir,
    loading: Loading,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let plugins_dir = directory.path().to_owned();
        let (cache_dir, data_dir) = (plugins_dir.join("cache"), plugins_dir.join("data"));
        let config = Config { plugins_dir, data_dir, cache_dir, fetch: None, images_only: false, node_name: "node".to_owned() };
        Self { directory, loading: Loading::new(config).unwrap() }
    }

    /// The name of a file with this component.
    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let file = format!("{}.wasm", name.replace([' ', '#', ','], "-"));
        std::fs::write(self.directory.path().join(&file), bytes).unwrap();
        file
    }

    async fn load(&self, file: &str, more: Value) -> Result<Plugin, Failed> {
        let mut spec = json!({
            "world": "scheduler", "path": file, "scheduler": {"extensionPoints": ["filter", "score"]},
            "limits": {"timeoutMilliseconds": TIMEOUT_MS, "memoryMiB": MEMORY_MIB},
        });
        for (key, value) in more.as_object().unwrap() {
            spec[key.as_str()] = value.clone();
        }
        let object = Object::from_value(json!({ "metadata": {"name": "hostile"}, "spec": spec })).unwrap();
        let prepared = self.loading.prepare(&Arc::new(object), None, Around::alone()).await?;
        let Product::Scheduler(row) = prepared.loaded.product else { panic!("another world") };
        Ok(Plugin { row: row.plugin, counters: prepared.counters })
    }
}

/// A loaded plugin, and what is counted of it.
pub struct Plugin {
    row: Arc<dyn SchedulePlugin>,
    counters: Arc<Counters>,
}

fn pod() -> PodView {
    PodView {
        object: Arc::new(Object::from_value(json!({"metadata": {"name": "p"}})).unwrap()),
        namespace: "shop".to_owned(),
        name: "p".to_owned(),
        uid: "u".to_owned(),
        labels: Default::default(),
        annotations: Default::default(),
        node_selector: Default::default(),
        priority: 0,
        scheduler_name: "default-scheduler".to_owned(),
        requests: Default::default(),
        images: Vec::new(),
    }
}

fn nodes() -> NodeTable {
    let node = |name: &str, generation| Arc::new(NodeView { name: name.to_owned(), generation, ..NodeView::default() });
    NodeTable { version: 1, nodes: vec![node("a", 1), node("b", 2)] }
}

pub async fn ask_filter(plugin: &Plugin) -> Result<(), PluginError> {
    plugin.row.filter(&pod(), &nodes(), &[0, 1]).await.map(drop)
}

async fn ask(plugin: &Plugin, what: Ask) -> Result<(), PluginError> {
    match what {
        Ask::Filter => ask_filter(plugin).await,
        Ask::Score => plugin.row.score(&pod(), &nodes(), &[0, 1]).await.map(drop),
    }
}

pub async fn friendly(place: &Place) -> Plugin {
    let file = place.write("bystander", &Guest::of("scheduler").build());
    place.load(&file, json!({"limits": {"timeoutMilliseconds": 10_000}})).await.unwrap()
}

struct Case {
    name: String,
    bytes: Vec<u8>,
    spec: Value,
    ask: Ask,
    end: End,
}

fn case(name: &str, guest: Guest, ask: Ask, end: End) -> Case {
    Case { name: name.to_owned(), bytes: guest.build(), spec: json!({}), ask, end }
}

fn text(name: &str, component: &str, end: End) -> Case {
    Case { name: name.to_owned(), bytes: wat::parse_str(component).unwrap(), spec: json!({}), ask: Ask::Filter, end }
}

fn with(spec: Value, case: Case) -> Case {
    Case { spec, ..case }
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

/// Loops, and traps, in every function of the world.
fn everywhere() -> Vec<Case> {
    let cases = in_every_export("scheduler").into_iter().map(|(name, guest)| {
        let ask = if name.starts_with("score") { Ask::Score } else { Ask::Filter };
        let end = if name.ends_with("loops") { End::Timeout } else { End::Trap("wasm trap: wasm `unreachable` instruction executed") };
        case(&name, guest, ask, end)
    });
    cases.collect()
}

/// Outside of the calls: at the start, and in what the host calls on the way.
fn around() -> Vec<Case> {
    let (plain, version) = (|| Guest::of("scheduler"), version());
    let unreachable = "wasm trap: wasm `unreachable` instruction executed";
    let start = |body: &str| plain().with(&format!("(func $start {body}) (start $start)"));
    vec![
        case("start traps", start("(unreachable)"), Ask::Filter, End::Trap(unreachable)),
        case("start loops", start(FOREVER), Ask::Filter, End::Timeout),
        case("start grows memory", start("(loop $l (drop (memory.grow (i32.const 16))) (br $l))"), Ask::Filter, End::Memory),
        case("realloc loops", plain().realloc(FOREVER), Ask::Filter, End::Timeout),
        case("realloc traps", plain().realloc("(unreachable)"), Ask::Filter, End::Trap(unreachable)),
        case(
            "realloc answers far outside",
            plain().realloc("(i32.const 0x7fffff00)"),
            Ask::Filter,
            End::Trap("realloc return: beyond end of memory"),
        ),
        case(
            "realloc answers at the edge",
            plain().realloc("(i32.const -4)"),
            Ask::Filter,
            End::Trap("realloc return: result not aligned"),
        ),
        case(
            "realloc answers the last bytes",
            plain().realloc("(i32.const -8)"),
            Ask::Filter,
            End::Trap("realloc return: beyond end of memory"),
        ),
        case(
            "realloc answers unaligned",
            plain().realloc("(i32.const 65537)"),
            Ask::Filter,
            End::Trap("realloc return: result not aligned"),
        ),
        case(
            "post-return loops",
            plain().with(&format!("(func (export \"cabi_post_coracle:plugin/filter@{version}#filter\") (param i32) (loop $l (br $l)))")),
            Ask::Filter,
            End::Timeout,
        ),
        case(
            "post-return traps",
            plain().with(&format!("(func (export \"cabi_post_coracle:plugin/filter@{version}#filter\") (param i32) (unreachable))")),
            Ask::Filter,
            End::Trap(unreachable),
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
    let scheduler_and = |fields: &str| Guest::of("scheduler").with(fields);
    vec![
        case("memory is filled", filter(fill), Ask::Filter, End::Memory),
        case("memory is grown at once", filter("(drop (memory.grow (i32.const 65000)))"), Ask::Filter, End::Memory),
        case("memory is large from the start", Guest::of("scheduler").pages(256), Ask::Filter, End::Memory),
        case(
            "a table is grown",
            filter("(loop $l (drop (table.grow $t (ref.null func) (i32.const 100000))) (br $l))").with("(table $t 1 funcref)"),
            Ask::Filter,
            End::Memory,
        ),
        case("a table is large from the start", scheduler_and("(table 9000000 funcref)"), Ask::Filter, End::Memory),
        case(
            "recursion without end",
            filter("(drop (call $deeper (i64.const 0)))").with(recursion),
            Ask::Filter,
            End::Trap("wasm trap: call stack exhausted"),
        ),
        case(
            "recursion through a table",
            filter("(call_indirect (type $f) (i32.const 0))")
                .with("(type $f (func)) (table funcref (elem $again)) (func $again (call_indirect (type $f) (i32.const 0)) (call_indirect (type $f) (i32.const 0)))"),
            Ask::Filter,
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
        case("answer far outside", everywhere("(i32.const 0x7ffffff0)"), Ask::Filter, End::Trap("pointer out of bounds")),
        case("answer at the edge", everywhere("(i32.const -4)"), Ask::Filter, End::Trap("pointer out of bounds")),
        case("answer unaligned", everywhere("(i32.const 1025)"), Ask::Filter, End::Trap("pointer not aligned")),
        case("neither ok nor err", answer(r"\02"), Ask::Filter, End::Trap("invalid expected discriminant")),
        case("all ones", answer(&r"\ff".repeat(64)), Ask::Filter, End::Trap("invalid expected discriminant")),
        case("a list outside", answer(r"\00\00\00\00\00\00\ff\7f\ff\00\00\00"), Ask::Filter, End::Trap("")),
        case("a list longer than memory", answer(r"\00\00\00\00\00\00\00\00\ff\ff\ff\ff"), Ask::Filter, End::Trap("")),
        case(
            "an err that is no text",
            answer(r"\01\00\00\00\0c\04\00\00\04\00\00\00\ff\fe\fd\fc"),
            Ask::Filter,
            End::Trap("invalid utf-8"),
        ),
        case("an err of 200,000 bytes", answer(r"\01\00\00\00\00\00\00\00\40\0d\03\00"), Ask::Filter, End::Failed("")),
        case("scores outside", score(r"\00\00\00\00\f0\ff\03\00\11\00\00\00"), Ask::Score, End::Trap("")),
        case("a score too few", score(r"\00\00\00\00\00\08\00\00\01\00\00\00"), Ask::Score, End::Failed("it gave 1 scores for 2 nodes")),
        case(
            "a million scores",
            score(r"\00\00\00\00\00\00\00\00\40\42\03\00"),
            Ask::Score,
            End::Failed("it gave 213568 scores for 2 nodes"),
        ),
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
            Ask::Filter,
            End::Harmless,
        ),
        case(
            "log flood without end",
            log("(loop $l (call $log (i32.const 4) (i32.const 0) (i32.const 1000)) (br $l))"),
            Ask::Filter,
            End::Timeout,
        ),
        case(
            "a message from outside",
            log("(call $log (i32.const 0) (i32.const 0x7fff0000) (i32.const 1000))"),
            Ask::Filter,
            End::Trap(""),
        ),
        case("a message of 4 GiB", log("(call $log (i32.const 0) (i32.const 16) (i32.const -1))"), Ask::Filter, End::Trap("")),
        case("a level that is none", log("(call $log (i32.const 77) (i32.const 0) (i32.const 1))"), Ask::Filter, End::Trap("")),
        case(
            "a message that is no text",
            log("(call $log (i32.const 0) (i32.const 1024) (i32.const 4))")
                .with("(data (i32.const 1024) \"\\00\\ff\\fe\\fd\")")
                .on("filter#filter", "(call $log (i32.const 0) (i32.const 1024) (i32.const 4)) (i32.const 4096)"),
            Ask::Filter,
            End::Trap(""),
        ),
        case("a key from outside", config("(call $get (i32.const 0x7fff0000) (i32.const 8) (i32.const 32))"), Ask::Filter, End::Trap("")),
        case(
            "an answer asked for outside",
            config("(call $get (i32.const 0) (i32.const 8) (i32.const 0x7fffff00))"),
            Ask::Filter,
            End::Trap(""),
        ),
        case("asleep in a host call", clock().on("filter#filter", &asleep), Ask::Filter, End::Timeout),
        case("a forged handle", clock().on("filter#filter", &forged), Ask::Filter, End::Trap("unknown handle index 4711")),
        case("handles without end", clock().on("filter#filter", &handles), Ask::Filter, End::Trap("")),
        case("random bytes without measure", random("0xffffffffff"), Ask::Filter, End::Trap("")),
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
        case("5,000 series of metrics", metrics(&repeat(5_000, count)), Ask::Filter, End::Harmless),
        case("metrics that are no numbers", metrics(&count.replace("const 1)", "const nan)")), Ask::Filter, End::Harmless),
        case("labels that overlap to 6 GB", metrics(overlapping), Ask::Filter, End::Trap("")),
        case("a state entry too large", state(&format!("{} {refused}", set(600_000))), Ask::Filter, End::Harmless),
        case("a flood of state entries", state(&format!("{} {refused}", repeat(20, &set(50_000)))), Ask::Filter, End::Harmless),
        case(
            "state written without end",
            state(&format!("(loop $l {} {granted} (br $l))", set(1))).with("(data (i32.const 0) \"abcd\")"),
            Ask::Filter,
            End::Timeout,
        ),
        case("a secret that was not granted", secret, Ask::Filter, End::Harmless),
        case("a deletion without an account", api("delete", &format!("(call $delete {nothing})")), Ask::Filter, End::Harmless),
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
        text("exports of other types", &wrong, End::Trap("expected 1-tuple, found 0-tuple")),
        text("interfaces without functions", &empty, End::Refused("does not fit the interfaces of this version")),
        text("nothing exported", "(component)", End::Refused("exports none of")),
        case(
            "an interface is missing",
            Guest::of("scheduler").without("score"),
            Ask::Score,
            End::Refused("exports none of coracle:plugin/score"),
        ),
        text("a core module", "(module)", End::Refused("is a core module, not a component")),
        Case {
            bytes: b"\0asm\x0d\0\x01\0garbage".to_vec(),
            ..text("a broken component", "(component)", End::Refused("cannot be compiled"))
        },
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scheduler_plugins_are_contained() {
    let place = Place::new();
    let (mut checked, mut failed) = (0, Vec::new());
    for (group, cases) in [
        ("loops and traps", everywhere()),
        ("starts and allocations", around()),
        ("appetite", appetite()),
        ("malformed answers", malformed()),
        ("host calls", host_calls()),
        ("platform", platform()),
        ("strangers", strangers()),
    ] {
        let bystander = Bystander::start(&place).await;
        for case in cases {
            checked += 1;
            failed.extend(check(&place, &case).await.err());
        }
        bystander.finish(group).await;
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    eprintln!("{checked} hostile scheduler plugins contained");
}

/// What is not as expected.
async fn check(place: &Place, case: &Case) -> Result<(), String> {
    let name = &case.name;
    let file = place.write(name, &case.bytes);
    let began = std::time::Instant::now();
    let loaded = place.load(&file, case.spec.clone()).await;
    let plugin = match (loaded, case.end) {
        (Ok(plugin), _) => plugin,
        (Err(failed), End::Refused(part)) if failed.message.contains(part) => {
            eprintln!("{name}: refused in {:?}: {}", began.elapsed(), failed.message);
            return Ok(());
        }
        (Err(failed), end) => return Err(format!("{name}: refused, not {end:?}: {}", failed.message)),
    };
    let outcome = ask(&plugin, case.ask).await;
    let said = outcome.as_ref().err().map(ToString::to_string).unwrap_or_default();
    eprintln!("{name}: {:?} {said:.200}", began.elapsed());
    let (traps, timeouts) = match (&outcome, case.end) {
        (Ok(()), End::Harmless) => (0, 0),
        (Err(PluginError::Timeout { limit_ms: TIMEOUT_MS, .. }), End::Timeout) => (0, 1),
        (Err(PluginError::Memory { limit_mib: MEMORY_MIB, .. }), End::Memory) => (1, 0),
        (Err(PluginError::Trap { cause, .. }), End::Trap(part)) if cause.contains(part) => (1, 0),
        (Err(PluginError::Failed { cause, .. }), End::Failed(part)) if cause.contains(part) => (0, 0),
        (outcome, end) => return Err(format!("{name}: {outcome:?}, not {end:?}")),
    };
    if said.len() > LONGEST {
        return Err(format!("{name}: {} bytes for an event", said.len()));
    }
    let counted = plugin.counters.read();
    let failures = u64::from(outcome.is_err());
    if (counted.calls, counted.failures, counted.traps, counted.timeouts) != (1, failures, traps, timeouts) {
        return Err(format!("{name}: counted as {counted:?}"));
    }
    if plugin.counters.last_failure() != said {
        return Err(format!("{name}: remembered as {}", plugin.counters.last_failure()));
    }
    Ok(())
}
