//! `kill -9` at any moment loses nothing that was acknowledged.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tests::{Cluster, Options, eventually};

const ROUNDS: usize = 12;
const WRITERS: usize = 8;

/// What the server has said yes to.
#[derive(Default)]
struct Acknowledged {
    /// By name, with the revision of the answer.
    created: BTreeMap<String, String>,
    deleted: BTreeSet<String>,
    /// Deletions that were asked for; their answer may have been lost.
    asked: BTreeSet<String>,
    /// Of each writer's counter: the last value that was acknowledged.
    counted: BTreeMap<usize, u64>,
}

fn named(name: String, value: u64) -> ConfigMap {
    let mut map = ConfigMap { data: Some(BTreeMap::from([("value".to_owned(), value.to_string())])), ..ConfigMap::default() };
    map.metadata.name = Some(name);
    map
}

fn value(map: &ConfigMap) -> u64 {
    map.data.as_ref().and_then(|data| data.get("value")?.parse().ok()).expect("every map here has a value")
}

/// Writes until the server goes away.
async fn write(client: Client, round: usize, writer: usize, done: &Mutex<Acknowledged>, count: &AtomicUsize) {
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    let counter = format!("counter-{writer}");
    for n in 0_u64.. {
        let name = format!("r{round}-w{writer}-{n}");
        let Ok(made) = api.create(&PostParams::default(), &named(name.clone(), n)).await else { return };
        done.lock().expect("no writer panics").created.insert(name.clone(), made.metadata.resource_version.unwrap_or_default());
        let Ok(Some(mut old)) = api.get_opt(&counter).await else { return };
        let next = value(&old) + 1;
        old.data = Some(BTreeMap::from([("value".to_owned(), next.to_string())]));
        if api.replace(&counter, &PostParams::default(), &old).await.is_err() {
            return;
        }
        done.lock().expect("no writer panics").counted.insert(writer, next);
        if n % 3 == 2 {
            done.lock().expect("no writer panics").asked.insert(name.clone());
            if api.delete(&name, &DeleteParams::default()).await.is_err() {
                return;
            }
            done.lock().expect("no writer panics").deleted.insert(name);
        }
        count.fetch_add(1, Ordering::Relaxed);
    }
}

async fn check(client: Client, done: &Acknowledged) {
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    let list = api.list(&ListParams::default()).await.expect("the maps can be listed");
    let revision: u64 =
        list.metadata.resource_version.as_deref().and_then(|revision| revision.parse().ok()).expect("a list has a revision");
    let found: BTreeMap<&str, &ConfigMap> = list.items.iter().filter_map(|map| Some((map.metadata.name.as_deref()?, map))).collect();
    for (name, at) in &done.created {
        assert!(at.parse::<u64>().is_ok_and(|at| at <= revision), "the store's revision went back below {at}");
        match found.get(name.as_str()) {
            Some(_) if done.deleted.contains(name) => panic!("{name} is back, though its deletion was acknowledged"),
            None if !done.asked.contains(name) => panic!("{name} is lost, though it was acknowledged at revision {at}"),
            Some(map) => assert_eq!(map.metadata.resource_version.as_ref(), Some(at), "{name}"),
            None => {}
        }
    }
    for (writer, counted) in &done.counted {
        let now = value(found[format!("counter-{writer}").as_str()]);
        assert!(now == *counted || now == counted + 1, "counter {writer} is {now}, and {counted} was acknowledged");
    }
}

/// Kills the server when the round is over, also when it failed: the writers end no sooner.
struct End<'a>(&'a Cluster);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.kill9();
    }
}

#[test]
fn crash_loses_no_acknowledged_write() {
    let flags = vec!["--disable=agent,controllers,dns,plugins,proxy,scheduler".to_owned()];
    let cluster = Cluster::new(Options { flags, ..Options::default() });
    cluster.spawn();
    cluster.wait_api();
    cluster.typed(|client| async move {
        let api: Api<ConfigMap> = Api::default_namespaced(client);
        for writer in 0..WRITERS {
            api.create(&PostParams::default(), &named(format!("counter-{writer}"), 0)).await.expect("a counter can be made");
        }
    });
    let done = Mutex::new(Acknowledged::default());
    for round in 0..ROUNDS {
        let count = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (cluster, done, count) = (&cluster, &done, &count);
                scope.spawn(move || cluster.typed(|client| write(client, round, writer, done, count)));
            }
            let _end = End(&cluster);
            // Each round dies at another point of its work.
            let enough = 5 + round * 7;
            eventually("writes", || {
                let written = count.load(Ordering::Relaxed);
                if written >= enough { Ok(()) } else { Err(format!("{written} of {enough}")) }
            });
        });
        cluster.spawn();
        cluster.wait_api();
        let done = done.lock().expect("no writer panics");
        cluster.typed(|client| check(client, &done));
    }
    let done = done.into_inner().expect("no writer panics");
    assert!(
        done.created.len() > ROUNDS * WRITERS && done.deleted.len() > ROUNDS,
        "there was something to lose: {} writes, {} deletions",
        done.created.len(),
        done.deleted.len()
    );
}
