//! The pattern examples of `guest-examples/`, each as its README shows it, and what happens when a part of it dies.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::read_to_string;
use std::sync::OnceLock;
use tests::{Cluster, Options, Said, Space, eventually, paths};

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let images = vec!["redis", "redis-ambassador", "leader-election", "work-queue", "scatter-gather"];
        Cluster::start(Options { images, ..Options::default() })
    })
}

fn apply(space: &Space, example: &str) {
    let path = paths::root().join("guest-examples").join(example).join("manifest.yaml");
    space.apply(&read_to_string(path).expect("the manifest can be read"));
}

fn rolled_out(space: &Space, names: &[&str]) {
    for name in names {
        space.ok(&["rollout", "status", name, "--timeout=90s"]);
    }
}

/// Names of the pods with a label.
fn pods(space: &Space, selector: &str) -> Vec<String> {
    let found = space.ok(&["get", "pods", "-l", selector, "-o", "name"]);
    found.lines().map(|line| line.trim_start_matches("pod/").to_owned()).collect()
}

/// The first process of the pod's OCI container, found by the pod's host name.
const ENTER: &str = r#"
for pid in $(ls /proc | grep '^[0-9]*$' | sort -n); do
    if [ "$(cat /proc/$pid/root/etc/hostname 2>/dev/null)" = "$0" ]; then
        exec nsenter --target $pid --mount --net --pid --root -- "$@"
    fi
done
echo "no process of pod $0" >&2
exit 1
"#;

/// Runs a command in the OCI container of a pod, by the kernel's namespaces: `kubectl exec` is not served yet.
fn inside(space: &Space, pod: &str, command: &[&str]) -> Said {
    let args: Vec<&str> = ["-c", ENTER, pod].iter().chain(command).copied().collect();
    space.cluster().on_node("sh", &args)
}

fn redis(space: &Space, pod: &str, command: &[&str]) -> String {
    let said = inside(space, pod, &[&["redis-cli"], command].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
    said.out.trim().to_owned()
}

/// How often each command was called at a server, by others than its primary.
fn calls(space: &Space, pod: &str, command: &str) -> u64 {
    let stats = redis(space, pod, &["info", "commandstats"]);
    let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.and_then(|line| line.split(',').next()).map_or(0, |count| count.parse().expect("a count"))
}

#[test]
fn patterns_an_ambassador_spreads_reads_and_sends_writes_to_the_primary() {
    let space = cluster().space("ambassador");
    apply(&space, "redis-ambassador");
    rolled_out(&space, &["deployment/redis-primary", "deployment/redis-replicas", "deployment/redis-app"]);
    let application = pods(&space, "app=redis-app").remove(0);
    let app = |command: &[&str]| redis(&space, &application, command);
    let primary = pods(&space, "role=primary").remove(0);
    let replicas = pods(&space, "role=replica");
    assert_eq!(replicas.len(), 2);

    eventually("the ambassador to answer", || {
        let said = inside(&space, &application, &["redis-cli", "set", "colour", "green"]);
        if said.out.trim() == "OK" { Ok(()) } else { Err(format!("{}{}", said.out, said.err)) }
    });
    let before: Vec<u64> = replicas.iter().map(|pod| calls(&space, pod, "get")).collect();
    let at_primary = calls(&space, &primary, "get");
    eventually("the replicas to have it", || match app(&["get", "colour"]).as_str() {
        "green" => Ok(()),
        other => Err(other.to_owned()),
    });
    for _ in 0..10 {
        app(&["get", "colour"]);
    }
    for (pod, before) in replicas.iter().zip(before) {
        let count = calls(&space, pod, "get") - before;
        assert!(count >= 5, "{pod} was asked {count} times");
    }
    assert_eq!(calls(&space, &primary, "get"), at_primary, "reads do not reach the primary");
    assert_eq!(redis(&space, &primary, &["get", "colour"]), "green");

    // A transaction is one conversation with the primary, its reads too.
    let script = "printf 'MULTI\\nINCR n\\nGET n\\nEXEC\\n' | redis-cli";
    let said = inside(&space, &application, &["sh", "-c", script]);
    assert_eq!(said.out.lines().collect::<Vec<_>>(), ["OK", "QUEUED", "QUEUED", "1", "1"]);
    assert!(app(&["subscribe", "news"]).contains("the ambassador does not carry SUBSCRIBE"));

    // A replica goes: reads go on, by the other one and its successor.
    space.ok(&["delete", "pod", &replicas[0], "--force", "--grace-period=0"]);
    for _ in 0..10 {
        assert_eq!(app(&["get", "colour"]), "green");
    }
    // All go: the primary is read.
    space.ok(&["scale", "deployment/redis-replicas", "--replicas=0"]);
    eventually("the replicas to be gone", || match pods(&space, "role=replica").as_slice() {
        [] => Ok(()),
        left => Err(format!("{left:?}")),
    });
    assert_eq!(app(&["get", "colour"]), "green");
    assert!(calls(&space, &primary, "get") > at_primary);
}

#[test]
fn patterns_one_replica_leads_and_another_takes_over() {
    let space = cluster().space("leader");
    apply(&space, "leader-election");
    rolled_out(&space, &["deployment/leader-election"]);
    let holder = |lease: &Value| lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned();
    let acted = || -> BTreeMap<String, u64> {
        let map = space.get("configmap", "leader");
        let data = map["data"].as_object().cloned().unwrap_or_default();
        data.into_iter().map(|(name, count)| (name, count.as_str().and_then(|count| count.parse().ok()).expect("a count"))).collect()
    };
    let has_acted = |leader: &str, times: u64| {
        space.until("configmaps", "leader", "be written by the leader", |map| {
            map["data"][leader].as_str().and_then(|count| count.parse::<u64>().ok()) >= Some(times)
        });
    };
    let first = holder(&space.until("leases", "leader", "be held", |lease| !holder(lease).is_empty()));
    let all: BTreeSet<String> = pods(&space, "app=leader-election").into_iter().collect();
    assert!(all.contains(&first), "{first} of {all:?}");
    has_acted(&first, 3);
    assert_eq!(acted().into_keys().collect::<Vec<_>>(), std::slice::from_ref(&first), "only the leader acts");
    for pod in &all {
        let leads = space.ok(&["logs", pod]).contains(" leads");
        assert_eq!(leads, *pod == first, "{pod}");
    }

    space.ok(&["delete", "pod", &first, "--force", "--grace-period=0"]);
    let lease = space.until("leases", "leader", "be held by another", |lease| !holder(lease).is_empty() && holder(lease) != first);
    let second = holder(&lease);
    assert_eq!(lease["spec"]["leaseTransitions"], 1, "{lease:#}");
    has_acted(&second, 2);
    let acted = acted();
    assert_eq!(acted.keys().cloned().collect::<BTreeSet<_>>(), BTreeSet::from([first, second]), "{acted:?}");
}

#[test]
fn patterns_a_work_queue_does_every_item_once() {
    let space = cluster().space("work-queue");
    apply(&space, "work-queue");
    rolled_out(&space, &["deployment/redis", "deployment/worker"]);
    let server = pods(&space, "app=redis").remove(0);
    let redis = |command: &[&str]| redis(&space, &server, command);
    let items: Vec<String> = (0..20).map(|n| format!("item-{n}")).collect();
    let slow = "slow:8000";
    redis(&[&["lpush", "queue", slow], items.iter().map(String::as_str).collect::<Vec<_>>().as_slice()].concat());

    // Whoever has the slow item dies in the middle of it.
    let first = eventually("a worker to take the slow item", || {
        let has = |pod: &String| redis(&["lpos", &format!("processing:{pod}"), slow]) == "0";
        pods(&space, "app=worker").into_iter().find(has).ok_or_else(|| redis(&["lrange", "queue", "0", "-1"]))
    });
    space.ok(&["delete", "pod", &first, "--force", "--grace-period=0"]);

    let map = |key: &str| -> BTreeMap<String, String> {
        let said = redis(&["--raw", "hgetall", key]);
        let words: Vec<&str> = said.lines().collect();
        words.chunks_exact(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect()
    };
    let done = eventually("all items to be done", || {
        let done = map("done");
        if done.len() == items.len() + 1 { Ok(done) } else { Err(format!("{done:?}")) }
    });
    assert!(done.values().all(|count| count == "1"), "{done:?}");
    let by = map("by");
    assert_ne!(by[slow], first, "another worker did what the first one began");
    assert!(by.values().collect::<BTreeSet<_>>().len() >= 2, "{by:?}");
    assert_eq!(redis(&["llen", "queue"]), "0");
}

#[test]
fn patterns_scatter_gather_merges_what_the_leaves_answer() {
    let cluster = cluster();
    let space = cluster.space("scatter");
    apply(&space, "scatter-gather");
    rolled_out(&space, &["deployment/leaf-0", "deployment/leaf-1", "deployment/leaf-2", "deployment/root"]);
    let address = format!("{}:80", space.get("service", "search")["spec"]["clusterIP"].as_str().expect("a Service has an address"));
    let search = |word: &str, answered: u64| {
        eventually(&format!("{answered} leaves to answer"), || {
            let (status, body) = cluster.http(&address, &format!("/search?q={word}"))?;
            let answer: Value = serde_json::from_str(&body).map_err(|error| format!("{status} {body}: {error}"))?;
            if answer["answered"] == answered { Ok(answer) } else { Err(answer.to_string()) }
        })
    };
    let texts = |answer: &Value| -> Vec<String> {
        let hits = answer["hits"].as_array().cloned().unwrap_or_default();
        hits.iter().map(|hit| hit["text"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let whole = search("boat", 3);
    assert_eq!(texts(&whole), ["a boat a boat a boat", "a boat on the lake", "the boat and the harbour"], "{whole:#}");
    assert_eq!(texts(&search("nothing", 3)), Vec::<String>::new());

    space.ok(&["scale", "deployment/leaf-2", "--replicas=0"]);
    let part = search("boat", 2);
    assert_eq!(texts(&part), ["a boat on the lake", "the boat and the harbour"], "{part:#}");
    assert_eq!(part["missing"][0]["leaf"], 2, "{part:#}");
    space.ok(&["scale", "deployment/leaf-2", "--replicas=1"]);
    assert_eq!(texts(&search("boat", 3)), texts(&whole));
}
