//! Answers that are of the right type and make no sense: what the host makes of them in each world.

use super::place::{Case, End};
use super::worlds::World;
use object::{Value, json};

/// An export, what it answers (as `tests/guests/hostile/answer.rs` says), how that ends.
type Row = (&'static str, &'static str, Value, End);

const MIB: u64 = 1 << 20;
/// Texts of 10 MiB need room, and time to be copied by a debug build.
const ROOM_MIB: u64 = 48;

/// Malformed answers of a world.
pub fn of(world: &'static World) -> Vec<Case> {
    let rows = match world.name {
        "scheduler" => scheduler(),
        "admission" => admission(),
        "adapter" => adapter(),
        "http-middleware" => middleware(),
        "cloud-provider" => cloud(),
        _ => controller(),
    };
    let case = |(what, export, answer, end): Row| {
        let mut spec = world.spec();
        spec["limits"] = json!({ "memoryMiB": ROOM_MIB, "timeoutMilliseconds": 5000 });
        let guest = world.guest().without_answer(export).answers(export, answer);
        let at_load = world.at_load.contains(&export);
        let ask = if at_load { world.usual() } else { export };
        Case { name: format!("{} {export}: {what}", world.name), bytes: guest.build().into(), spec, ask: ask.to_owned(), end }
    };
    rows.into_iter().map(case).collect()
}

fn text(bytes: u64) -> Value {
    json!({ "$text": bytes })
}

fn times(count: u64, value: Value) -> Value {
    json!({ "$times": [count, value] })
}

/// What is the same in every world: words of failure that are too many, or none.
fn bad_words(export: &'static str) -> Vec<Row> {
    vec![
        ("an err of 10 MiB", export, json!({"err": text(10 * MIB)}), End::Failed("")),
        ("an err that is no UTF-8", export, json!({"err": {"$bytes": [255, 254]}}), End::Trap("invalid utf-8")),
        ("neither ok nor err", export, json!({"$case": 2}), End::Trap("invalid")),
        ("an err from outside", export, json!({"err": {"$at": [0x7fff_0000_u64, 16]}}), End::Trap("")),
        ("an err of 4 GiB", export, json!({"err": {"$at": [1024, u32::MAX]}}), End::Trap("")),
    ]
}

fn scheduler() -> Vec<Row> {
    let mut rows = bad_words("pre-filter#pre-filter");
    rows.extend([
        ("a node that is none", "pre-filter#pre-filter", json!({"ok": {"only": [0, 7]}}), End::Failed("it named node 7 of 2")),
        ("a case that is none", "pre-filter#pre-filter", json!({"ok": {"$case": 9}}), End::Trap("unexpected discriminant: 9")),
        ("two gates for a pod", "pre-enqueue#pre-enqueue", json!({"ok": [null, null]}), End::Failed("it gave 2 answers for 1 pods")),
        ("a gate of 1 MiB", "pre-enqueue#pre-enqueue", json!({"ok": [text(MIB)]}), End::Harmless),
        ("a million keys", "queue-sort#keys", json!({"ok": times(100_000, json!([]))}), End::Failed("it gave 100000 answers for 1 pods")),
        (
            "a key of a million",
            "queue-sort#keys",
            json!({"ok": [times(100_000, json!(-1))]}),
            End::Answer("[-1, -1, -1, -1, -1, -1, -1, -1]]"),
        ),
        ("no hint", "requeue#hint", json!({"ok": []}), End::Failed("it gave 0 answers for 1 pods")),
        ("a normal score of 200", "score-normalize#normalize", json!({"ok": [1, 200]}), End::Failed("it gave a score of 200, beyond 100")),
        ("one raw score", "raw-score#score", json!({"ok": [1]}), End::Failed("it gave 1 scores for 2 nodes")),
        (
            "annotations of 1 MiB",
            "bind#bind",
            json!({"ok": {"write": [{"key": "a", "value": text(MIB)}]}}),
            End::Failed("it gave 1048577 bytes of annotations"),
        ),
        ("a denial of 1 MiB", "permit#permit", json!({"ok": {"deny": text(MIB)}}), End::Harmless),
        ("a wait of 49 days", "permit#permit", json!({"ok": {"wait": u32::MAX}}), End::Answer("Wait(4294967.295s)")),
    ]);
    rows
}

fn admission() -> Vec<Row> {
    let notes = |warnings: Value| json!({"ok": {"allow": {"warnings": warnings}}});
    let change = |change: Value| json!({"ok": {"allow": {"change": change}}});
    let patch = |text: &str| change(json!({ "patch": text }));
    let mut rows = bad_words("validate#validate");
    rows.extend([
        ("a patch that is no JSON", "mutate#mutate", patch("[{"), End::Failed("its patch is no JSON: EOF while parsing")),
        ("a patch that is no list", "mutate#mutate", patch("{\"op\":\"remove\"}"), End::Failed("its patch is no list of operations")),
        ("a patch of text", "mutate#mutate", patch("\"x\""), End::Failed("its patch is no list of operations")),
        ("a patch of 10 MiB", "mutate#mutate", change(json!({"patch": text(10 * MIB)})), End::Failed("its patch is no JSON")),
        (
            "a patch of 20,000 operations",
            "mutate#mutate",
            patch(&format!("[{}0]", "0,".repeat(19_999))),
            End::Failed("its patch has 20000 operations, at most 10000 are allowed"),
        ),
        ("a patch that is too deep", "mutate#mutate", patch(&"[".repeat(100_000)), End::Failed("recursion limit exceeded")),
        ("a whole that is no object", "mutate#mutate", change(json!({"whole": "[]"})), End::Failed("its object is no JSON object")),
        ("a whole that is nothing", "mutate#mutate", change(json!({"whole": ""})), End::Failed("its object is no JSON object")),
        ("a whole that is too deep", "mutate#mutate", change(json!({"whole": "{\"a\":".repeat(100_000)})), End::Failed("recursion limit")),
        ("a change that is none", "mutate#mutate", change(json!({"$case": 3})), End::Trap("unexpected discriminant: 3")),
        ("a warning of 10 MiB", "validate#validate", notes(json!([text(10 * MIB)])), End::Harmless),
        ("100,000 warnings", "validate#validate", notes(times(100_000, json!("x"))), End::Harmless),
        (
            "a denial of 10 MiB and an impossible status",
            "validate#validate",
            json!({"ok": {"deny": {"code": 65_535, "message": text(10 * MIB), "causes": times(10_000, json!({"field": "x"}))}}}),
            End::Answer("Denial { code: 65535"),
        ),
        (
            "100,000 annotations that are one",
            "validate#validate",
            json!({"ok": {"allow": {"audit-annotations": times(100_000, json!(["k", "v"]))}}}),
            End::Answer("audit_annotations: {\"k\": \"v\"}"),
        ),
        (
            "warnings that overlap to 6 GB",
            "validate#validate",
            notes(times(100_000, json!({"$at": [0, 60_000]}))),
            End::Trap("fuel allocated for hostcalls has been exhausted"),
        ),
        ("settings with 10 MiB to say", "settings#check", json!({"err": [text(10 * MIB)]}), End::Refused("spec.config: ")),
        (
            "settings with 100,000 faults",
            "settings#check",
            json!({"err": times(100_000, json!("bad"))}),
            End::Refused("spec.config: bad; bad"),
        ),
        (
            "settings that are neither",
            "settings#check",
            json!({"$case": 7}),
            End::Refused("spec.config could not be checked: plugin hostile trapped"),
        ),
    ]);
    rows
}

fn adapter() -> Vec<Row> {
    let lines = |lines: Value| json!({"ok": {"lines": lines}});
    let samples = |samples: Value| json!({"ok": {"samples": samples}});
    let mut rows = bad_words("adapt#process");
    rows.extend(bad_words("adapt#flush"));
    rows.extend([
        (
            "1,000 times the input",
            "adapt#process",
            lines(times(5000, json!({"text": "hello"}))),
            End::Failed("it gave 5000 lines, at most 4096"),
        ),
        ("a line of 10 MiB", "adapt#process", lines(json!([{"text": text(10 * MIB)}])), End::Failed("it gave 10485760 bytes of text")),
        ("a line that is no UTF-8", "adapt#process", lines(json!([{"text": {"$bytes": [255, 0, 10]}}])), End::Answer("[255, 0, 10]")),
        ("nothing, for ever", "adapt#process", json!({"ok": {"carry": text(65_536)}}), End::Harmless),
        (
            "a carry beyond measure",
            "adapt#process",
            json!({"ok": {"carry": text(10 * MIB)}}),
            End::Failed("it gave 10485760 bytes to carry"),
        ),
        ("a carry at the end", "adapt#flush", json!({"ok": {"carry": text(65_537)}}), End::Failed("it gave 65537 bytes to carry")),
        (
            "100,000 samples",
            "adapt#process",
            samples(times(100_000, json!({"name": "x"}))),
            End::Failed("it gave 100000 samples, at most 1024"),
        ),
        ("a sample called 10 MiB", "adapt#process", samples(json!([{"name": text(10 * MIB)}])), End::Failed("bytes of samples")),
        (
            "a label of 10 MiB",
            "adapt#process",
            samples(json!([{"name": "x", "labels": [["a", text(10 * MIB)]]}])),
            End::Failed("it gave 10485762 bytes of samples, at most 262144 are allowed"),
        ),
        (
            "a sample of no kind",
            "adapt#process",
            samples(json!([{"name": "x", "kind": {"$case": 3}}])),
            End::Trap("unexpected discriminant: 3"),
        ),
        ("lines that overlap to 800 MB", "adapt#process", lines(times(4000, json!({"text": {"$at": [0, 200_000]}}))), End::Trap("fuel")),
        ("lines from outside", "adapt#process", lines(json!({"$at": [0x7fff_0000_u64, 8]})), End::Trap("")),
    ]);
    rows
}

fn middleware() -> Vec<Row> {
    const REQUEST: &str = "on-request#handle";
    const RESPONSE: &str = "on-response#handle";
    let next = |changes: Value| json!({"ok": {"next": changes}});
    let respond = |status: u16, headers: Value, body: Value| json!({"ok": {"respond": {"response": {"status": status, "headers": headers}, "body": body}}});
    let header = |name: &str, value: &str| json!([{"name": name, "value": value}]);
    let mut rows = bad_words(REQUEST);
    rows.extend(bad_words(RESPONSE));
    rows.extend([
        ("status 0", REQUEST, respond(0, json!([]), json!("")), End::Failed("it gave status 0, which is none of 200 to 599")),
        ("status 101", REQUEST, respond(101, json!([]), json!("")), End::Failed("it gave status 101")),
        ("status 999", REQUEST, respond(999, json!([]), json!("")), End::Failed("it gave status 999")),
        (
            "a header with a line break",
            REQUEST,
            respond(200, header("x", "a\r\nset-cookie: b"), json!("")),
            End::Failed("it gave header \"x\" a value that is none"),
        ),
        ("a name with a line break", REQUEST, respond(200, header("x\r\ny", "a"), json!("")), End::Failed("is not the name of a header")),
        (
            "a header of one hop",
            REQUEST,
            respond(200, header("Transfer-Encoding", "chunked"), json!("")),
            End::Failed("header transfer-encoding is not a plugin's to change"),
        ),
        (
            "the body's length",
            REQUEST,
            next(json!({"set": header("content-length", "0")})),
            End::Failed("header content-length is not a plugin's to change"),
        ),
        (
            "a connection that is taken away",
            REQUEST,
            next(json!({"remove": ["connection"]})),
            End::Failed("header connection is not a plugin's"),
        ),
        (
            "a body of 10 MiB",
            REQUEST,
            respond(200, json!([]), text(10 * MIB)),
            End::Failed("it gave a body of 10485760 bytes, at most 1048576"),
        ),
        (
            "40,000 headers",
            REQUEST,
            next(json!({"set": times(40_000, json!({"name": "x"}))})),
            End::Failed("it gave 40000 headers, at most 256"),
        ),
        (
            "40,000 headers in an answer",
            REQUEST,
            respond(200, times(40_000, json!({"name": "x"})), json!("")),
            End::Failed("it gave 40000 headers"),
        ),
        (
            "a header of 10 MiB",
            REQUEST,
            next(json!({"set": [{"name": "x", "value": text(10 * MIB)}]})),
            End::Failed("it gave a head of 10485761 bytes"),
        ),
        ("a path of 10 MiB", REQUEST, next(json!({"path": text(10 * MIB)})), End::Failed("it gave a head of 10485760 bytes")),
        ("a path that is none", REQUEST, next(json!({"path": "no slash"})), End::Failed("it gave path \"no slash\", which is none")),
        ("a path of two lines", REQUEST, next(json!({"path": "/ HTTP/1.1\r\nx: y"})), End::Failed("which is none")),
        ("a method that is none", REQUEST, next(json!({"method": "G E T"})), End::Failed("it gave method \"G E T\", which is none")),
        ("CONNECT", REQUEST, next(json!({"method": "CONNECT"})), End::Failed("it gave method \"CONNECT\", which is none")),
        ("an authority that is none", REQUEST, next(json!({"authority": "a/b@c"})), End::Failed("it gave authority")),
        (
            "a context of 10 MiB",
            REQUEST,
            next(json!({"context": text(10 * MIB)})),
            End::Failed("it gave 10485760 bytes of context, at most 65536"),
        ),
        ("a decision that is none", REQUEST, json!({"ok": {"$case": 3}}), End::Trap("unexpected discriminant: 3")),
        ("the body, however long", REQUEST, json!({"ok": {"need-body": u32::MAX}}), End::Answer("NeedBody(4294967295)")),
        ("status 0", RESPONSE, json!({"ok": {"status": 0}}), End::Failed("it gave status 0, which is none of 200 to 599")),
        ("a header with a line break", RESPONSE, json!({"ok": {"set": header("x", "a\nb")}}), End::Failed("a value that is none")),
        ("a header of one hop", RESPONSE, json!({"ok": {"set": header("upgrade", "h2c")}}), End::Failed("is not a plugin's to change")),
        ("40,000 names to remove", RESPONSE, json!({"ok": {"remove": times(40_000, json!("x"))}}), End::Failed("it gave 40000 headers")),
        (
            "a header of 10 MiB",
            RESPONSE,
            json!({"ok": {"set": [{"name": "x", "value": text(10 * MIB)}]}}),
            End::Failed("it gave a head of"),
        ),
    ]);
    rows
}

fn cloud() -> Vec<Row> {
    let ingress = |ip: &str| json!({"ok": [{"ip": ip}]});
    let node = |field: &str, value: Value| json!({"ok": {field: value}});
    let address = |kind: &str, address: &str| json!([{"kind": kind, "address": address}]);
    vec![
        ("a failure of 10 MiB", "load-balancer#get", json!({"err": {"failed": text(10 * MIB)}}), End::Harmless),
        ("a wait for ever", "load-balancer#get", json!({"err": {"retry": {"milliseconds": u64::MAX}}}), End::Answer("after: 3600s")),
        ("a failure that is no UTF-8", "load-balancer#get", json!({"err": {"failed": {"$bytes": [255]}}}), End::Trap("invalid utf-8")),
        ("a failure that is none", "load-balancer#get", json!({"err": {"$case": 5}}), End::Trap("unexpected discriminant: 5")),
        ("neither ok nor err", "load-balancer#get", json!({"$case": 2}), End::Trap("invalid")),
        ("an address that is none", "load-balancer#ensure", ingress("999.1.1.1"), End::Failed("it gave \"999.1.1.1\" as an address")),
        ("an address that is a name", "load-balancer#get", ingress("lb.example"), End::Failed("it gave \"lb.example\" as an address")),
        ("an address of 1 MiB", "load-balancer#ensure", json!({"ok": [{"ip": text(MIB)}]}), End::Failed("as an address")),
        (
            "a host name of 1 MiB",
            "load-balancer#ensure",
            json!({"ok": [{"hostname": text(MIB)}]}),
            End::Failed("it gave a text of 1048576 bytes"),
        ),
        ("an ingress of nothing", "load-balancer#ensure", json!({"ok": [{}]}), End::Failed("an ingress without address and host name")),
        (
            "a mode that is none",
            "load-balancer#ensure",
            json!({"ok": [{"ip": "192.0.2.1", "ip-mode": "Magic"}]}),
            End::Failed("\"Magic\" as the mode"),
        ),
        (
            "100,000 ingresses",
            "load-balancer#ensure",
            json!({"ok": times(100_000, json!({"ip": "192.0.2.1"}))}),
            End::Failed("it gave 100000 ingresses, at most 64"),
        ),
        ("a name of 1 MiB", "load-balancer#name", text(MIB), End::Failed("it gave a text of 1048576 bytes, at most 1024")),
        ("a name from outside", "load-balancer#name", json!({"$at": [0x7fff_0000_u64, 8]}), End::Trap("")),
        ("neither there nor not", "instances#exists", json!({"ok": {"$case": 7}}), End::Harmless),
        (
            "an address of a node that is none",
            "instances#describe",
            node("addresses", address("InternalIP", "here")),
            End::Failed("it gave \"here\" as an InternalIP"),
        ),
        ("a provider ID of 1 MiB", "instances#describe", node("provider-id", text(MIB)), End::Failed("it gave a text of 1048576 bytes")),
        ("a zone of 1 MiB", "instances#describe", node("zone", text(MIB)), End::Failed("it gave a text of 1048576 bytes")),
        (
            "1,000 labels",
            "instances#describe",
            node("labels", times(1000, json!({"key": "a"}))),
            End::Failed("more than 64 addresses or labels"),
        ),
        (
            "a label of 1 MiB",
            "instances#describe",
            node("labels", json!([{"key": "a", "value": text(MIB)}])),
            End::Failed("it gave a text of 1048576 bytes"),
        ),
        ("a zone of 1 MiB", "zones#current", json!({"ok": {"region": text(MIB)}}), End::Failed("it gave a text of 1048576 bytes")),
        (
            "a zone of 1 MiB",
            "zones#by-provider-id",
            json!({"ok": {"failure-domain": text(MIB)}}),
            End::Failed("it gave a text of 1048576 bytes"),
        ),
        ("a zone of 1 MiB", "zones#by-node-name", json!({"ok": {"region": text(MIB)}}), End::Failed("it gave a text of 1048576 bytes")),
        (
            "100,000 clusters",
            "clusters#list",
            json!({"ok": times(100_000, json!("c"))}),
            End::Failed("it gave 100000 names, at most 20000"),
        ),
        ("a cluster of 1 MiB", "clusters#list", json!({"ok": [text(MIB)]}), End::Failed("it gave a text of 1048576 bytes")),
        ("an address of 1 MiB", "clusters#master", json!({"ok": text(MIB)}), End::Failed("it gave a text of 1048576 bytes")),
        (
            "50,000 routes",
            "routes#list",
            json!({"ok": times(50_000, json!({"name": "r"}))}),
            End::Failed("it gave 50000 routes, at most 20000"),
        ),
        ("a route of 1 MiB", "routes#list", json!({"ok": [{"name": text(MIB)}]}), End::Failed("it gave a text of 1048576 bytes")),
        (
            "a route by way of nowhere",
            "routes#list",
            json!({"ok": [{"target-addresses": address("ExternalIP", "")}]}),
            End::Failed("as an ExternalIP"),
        ),
        ("a provider without a name", "cloud#provider-name", json!(""), End::Refused("provider name \"\" is not of lower-case letters")),
        ("a provider called 1 MiB", "cloud#provider-name", text(MIB), End::Refused("is not of lower-case letters")),
        ("a provider called a URL", "cloud#provider-name", json!("sim://x"), End::Refused("provider name \"sim://x\"")),
        ("a start that is refused", "cloud#initialize", json!({"err": {"failed": "not today"}}), End::Answer("not today")),
    ]
}

fn controller() -> Vec<Row> {
    const DECLARE: &str = "reconcile#declare";
    const RECONCILE: &str = "reconcile#reconcile";
    const KEYS: &str = "reconcile-mapping#keys";
    let watch = |plural: &str| json!({"gvr": {"version": "v1", "plural": plural}});
    let one = |field: &str, value: Value| {
        let mut declaration = json!({"name": "c", "primary": watch("pods")});
        declaration[field] = value;
        json!({ "ok": [declaration] })
    };
    let secondary = |plural: &str, mapping: Value| json!({"watch": watch(plural), "mapping": mapping});
    let key = |namespace: Value, name: Value| json!({"ok": [{"namespace": namespace, "name": name}]});
    let mut rows = bad_words(DECLARE);
    rows.extend(bad_words(KEYS));
    rows.extend([
        ("no controller", DECLARE, json!({"ok": []}), End::Failed("it declared 0 controllers; 1 to 16 are allowed")),
        ("10,000 controllers", DECLARE, json!({"ok": times(10_000, json!({"name": "c"}))}), End::Failed("it declared 10000 controllers")),
        (
            "thousands of watches",
            DECLARE,
            one("secondaries", times(5000, secondary("pods", json!("owner")))),
            End::Failed("5000 secondaries; at most 32"),
        ),
        ("a name of 10 MiB", DECLARE, one("name", text(10 * MIB)), End::Failed("it declared a controller called")),
        ("a name that is a path", DECLARE, one("name", json!("../../etc")), End::Failed("it declared a controller called \"../../etc\"")),
        ("a watch for nothing", DECLARE, one("primary", json!({})), End::Failed("names no resource")),
        (
            "a watch for a kind that nobody knows",
            DECLARE,
            one("primary", json!({"gvr": {"group": "no.where", "version": "v9", "plural": "things"}})),
            End::Answer("resource: \"things\""),
        ),
        ("a watch for a path", DECLARE, one("primary", watch("pods/../../secrets")), End::Failed("is no name of a resource")),
        (
            "a watch in a namespace that is a path",
            DECLARE,
            one("primary", json!({"gvr": {"version": "v1", "plural": "pods"}, "namespace": "../x"})),
            End::Failed("is no namespace"),
        ),
        (
            "a selector that is none",
            DECLARE,
            one("primary", json!({"gvr": {"version": "v1", "plural": "pods"}, "label-selector": "a in"})),
            End::Failed("label selector of pods"),
        ),
        (
            "100,000 fields",
            DECLARE,
            one("primary", json!({"gvr": {"version": "v1", "plural": "pods"}, "fields": times(100_000, json!("spec"))})),
            End::Failed("100000 are more than 64"),
        ),
        ("a finalizer that is none", DECLARE, one("finalizer", json!("mine")), End::Failed("finalizer \"mine\" is not domain/name")),
        ("a finalizer of 1 MiB", DECLARE, one("finalizer", text(MIB)), End::Failed("is not domain/name")),
        (
            "a mapping that is none",
            DECLARE,
            one("secondaries", json!([secondary("pods", json!({"$case": 6}))])),
            End::Trap("unexpected discriminant: 6"),
        ),
        (
            "a mapping by a label of 1 MiB",
            DECLARE,
            one("secondaries", json!([secondary("pods", json!({"label": text(MIB)}))])),
            End::Failed("is no key of a label"),
        ),
        ("once more in 584 million years", RECONCILE, json!({"ok": {"requeue-after": u64::MAX}}), End::Answer("RequeueAfter(31536000s)")),
        ("a failure of 10 MiB", RECONCILE, json!({"err": {"retry": text(10 * MIB)}}), End::Answer("Retry(")),
        ("a last word of 10 MiB", RECONCILE, json!({"err": {"final": text(10 * MIB)}}), End::Answer("Final(")),
        ("a failure that is no UTF-8", RECONCILE, json!({"err": {"retry": {"$bytes": [255]}}}), End::Trap("invalid utf-8")),
        ("an outcome that is none", RECONCILE, json!({"ok": {"$case": 2}}), End::Trap("unexpected discriminant: 2")),
        ("neither ok nor err", RECONCILE, json!({"$case": 2}), End::Trap("invalid")),
        (
            "100,000 keys",
            KEYS,
            json!({"ok": times(100_000, json!({"name": "x"}))}),
            End::Failed("it mapped one change to 100000 keys, at most 1000"),
        ),
        ("a key of 10 MiB", KEYS, key(json!("n"), text(10 * MIB)), End::Failed("no object has such a key")),
        ("a key without a name", KEYS, key(json!("n"), json!("")), End::Failed("no object has such a key")),
        ("a namespace of 10 MiB", KEYS, key(text(10 * MIB), json!("x")), End::Failed("no object has such a key")),
        ("a key that is a path", KEYS, key(json!("n"), json!("../../secrets/x")), End::Failed("no object has such a key")),
    ]);
    rows
}
