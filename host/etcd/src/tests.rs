//! Against real etcd processes.

use super::*;
use crate::testing::Etcd;
use std::time::Instant;
use store::Durability;

async fn put(store: &EtcdStore, key: &str, value: &str) -> Result<Revision, Error> {
    let ops = vec![Op::Put { key: Bytes::copy_from_slice(key.as_bytes()), value: Bytes::copy_from_slice(value.as_bytes()) }];
    match store.txn(Txn { ops, durability: Durability::Durable, ..Txn::default() }).await? {
        TxnOutcome::Committed(revision) => Ok(revision),
        TxnOutcome::Failed(found) => panic!("refused without compares: {found:?}"),
    }
}

/// The next batch with events.
async fn events(stream: &mut BoxStream<'static, Result<EventBatch, Error>>) -> EventBatch {
    loop {
        let batch = tokio::time::timeout(Duration::from_secs(30), stream.next()).await.expect("an event in time");
        let batch = batch.expect("the stream goes on").unwrap();
        if !batch.events.is_empty() {
            return batch;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    let etcd = Etcd::start();
    for case in store::suite::CASES {
        let start = Instant::now();
        (case.run)(EtcdStore::connect(etcd.config(&format!("/{}", case.name))).await.unwrap()).await;
        eprintln!("etcd: {} {:.1?}", case.name, start.elapsed());
    }
}

#[tokio::test]
async fn speaks_tls_with_client_certificates() {
    let etcd = Etcd::with(1, true, &[]);
    let store = EtcdStore::connect(etcd.config("/a")).await.unwrap();
    let mut stream = store.watch(b"/", store.revision()).await.unwrap();
    let revision = put(&store, "/k", "v").await.unwrap();
    assert_eq!(events(&mut stream).await.revision, revision);
    assert_eq!(store.get(b"/k").await.unwrap().unwrap().value, "v");

    let anonymous = Config { cert_file: None, key_file: None, timeout: Duration::from_secs(1), ..etcd.config("/a") };
    let members = Members::new(&anonymous).unwrap();
    let refused = members.call::<_, RangeResponse>(method::RANGE, RangeRequest::default(), Repeat::Freely).await;
    assert!(refused.is_err(), "etcd lets in those with a certificate only");
    for (config, expect) in [
        (Config { ca_file: None, ..etcd.config("") }, "needs the CA's certificate"),
        (Config { key_file: None, ..etcd.config("") }, "given together or not at all"),
        (Config { servers: vec!["127.0.0.1:2379".to_owned()], ..etcd.config("") }, "is not http"),
        (Config { servers: vec![], ..etcd.config("") }, "no etcd servers"),
        (Config { ca_file: Some("/none".into()), ..etcd.config("") }, "/none"),
    ] {
        let error = Members::new(&config).err().expect("a configuration that cannot work");
        let told = std::error::Error::source(&error).unwrap().to_string();
        assert!(told.contains(expect), "{told}");
    }
}

#[tokio::test]
async fn compaction_is_one_servers_work_for_all() {
    let etcd = Etcd::start();
    let store = EtcdStore::connect(etcd.config("")).await.unwrap();
    let first = put(&store, "/k", "1").await.unwrap();
    // The first turn only begins the count; the second compacts to where the first was.
    compactor::turns(&store.members, 1).await;
    put(&store, "/k", "2").await.unwrap();
    assert_eq!(store.range(b"/k", b"/l", 0, Some(first)).await.unwrap().entries.len(), 1);
    // Another server without knowledge of the count takes it over, then compacts in its turn.
    compactor::turns(&store.members, 3).await;
    let error = store.range(b"/k", b"/l", 0, Some(first)).await.unwrap_err();
    assert!(matches!(error, Error::Compacted { requested, oldest } if requested == first && oldest > first), "{error}");
    let error = store.watch(b"/", first).await.err().unwrap();
    assert!(matches!(error, Error::Compacted { requested, oldest } if requested == first && oldest > first), "{error}");
    assert_eq!(store.get(b"/k").await.unwrap().unwrap().value, "2");
}

#[tokio::test]
async fn stores_of_one_etcd_see_each_other() {
    let etcd = Etcd::start();
    let (one, two) = (EtcdStore::connect(etcd.config("/x")).await.unwrap(), EtcdStore::connect(etcd.config("/x")).await.unwrap());
    let other = EtcdStore::connect(etcd.config("/y")).await.unwrap();
    let mut stream = two.watch(b"/", two.revision()).await.unwrap();
    let mut delays = Vec::new();
    for turn in 0..50 {
        let start = Instant::now();
        let revision = put(&one, "/k", &turn.to_string()).await.unwrap();
        assert_eq!(events(&mut stream).await.revision, revision);
        delays.push(start.elapsed());
        assert_eq!(two.current_revision().await.unwrap(), revision);
    }
    delays.sort_unstable();
    eprintln!("write to event of another store: median {:.2?}, longest {:.2?}", delays[25], delays[49]);
    // What others write to the same etcd is told as a mark.
    let foreign = put(&other, "/k", "").await.unwrap();
    let mark = stream.next().await.unwrap().unwrap();
    assert_eq!(mark, EventBatch { revision: foreign, events: vec![] });
    assert_eq!(two.range(b"", b"\xff", 0, None).await.unwrap().entries.len(), 1);
}

#[tokio::test]
async fn limits_of_etcd_are_told() {
    let etcd = Etcd::with(1, false, &["--quota-backend-bytes", "4000000"]);
    let store = EtcdStore::connect(etcd.config("")).await.unwrap();
    let large = "x".repeat(2 << 20);
    assert!(matches!(put(&store, "/large", &large).await, Err(Error::TooLarge { .. })));
    let value = "x".repeat(500_000);
    let full = async {
        for turn in 0..100 {
            if let Err(error) = put(&store, &format!("/k/{turn}"), &value).await {
                return error;
            }
        }
        panic!("etcd takes more than its quota");
    };
    assert!(matches!(full.await, Error::Full(_)));
    assert!(store.get(b"/k/0").await.unwrap().is_some(), "reads go on");
}

#[tokio::test]
async fn an_etcd_that_was_away_is_found_again() {
    let mut etcd = Etcd::start();
    let store = EtcdStore::connect(Config { timeout: Duration::from_millis(500), ..etcd.config("") }).await.unwrap();
    let mut stream = store.watch(b"/", store.revision()).await.unwrap();
    let first = put(&store, "/k", "1").await.unwrap();
    assert_eq!(events(&mut stream).await.revision, first);
    etcd.kill(0);
    assert!(matches!(store.get(b"/k").await, Err(Error::Unavailable { .. })));
    assert!(matches!(store.current_revision().await, Err(Error::Unavailable { .. })));
    assert!(put(&store, "/k", "2").await.is_err());
    etcd.restart(0);
    let second = loop {
        match put(&store, "/k", "3").await {
            Ok(revision) => break revision,
            Err(error) => assert!(matches!(error, Error::Unavailable { .. } | Error::Undecided { .. }), "{error}"),
        }
    };
    let mut reached = first;
    while reached < second {
        reached = events(&mut stream).await.revision;
    }
    assert_eq!(reached, second);
    assert_eq!(store.get(b"/k").await.unwrap().unwrap().value, "3");
}

/// Writers on two stores; the member that is asked is killed, then the others in turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_member_loses_nothing_that_was_acknowledged() {
    const WRITERS: usize = 8;
    let mut etcd = Etcd::with(3, false, &[]);
    let stores = [EtcdStore::connect(etcd.config("/x")).await.unwrap(), EtcdStore::connect(etcd.config("/x")).await.unwrap()];
    let mut stream = stores[1].watch(b"/", stores[1].revision()).await.unwrap();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let acknowledged = Arc::new(AtomicU64::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, stop, acknowledged) = (stores[writer % 2].clone(), stop.clone(), acknowledged.clone());
            tokio::spawn(async move {
                let (mut kept, mut failed) = (Vec::new(), 0);
                for turn in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let key = format!("/k/{writer}/{turn:06}");
                    match put(&store, &key, "v").await {
                        Ok(revision) => {
                            acknowledged.fetch_add(1, Ordering::Relaxed);
                            kept.push((key, revision));
                        }
                        Err(Error::Unavailable { .. } | Error::Undecided { .. }) => failed += 1,
                        Err(error) => panic!("{error}"),
                    }
                }
                (kept, failed)
            })
        })
        .collect();
    let more = async |count: u64| {
        let from = acknowledged.load(Ordering::Relaxed);
        let enough = async {
            while acknowledged.load(Ordering::Relaxed) < from + count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), enough).await.expect("writes go on");
    };
    for _ in 0..2 {
        more(100).await;
        let member = stores[0].members.chosen();
        etcd.kill(member);
        more(100).await;
        etcd.restart(member);
    }
    more(100).await;
    stop.store(true, Ordering::Relaxed);
    let (mut kept, mut failed) = (Vec::new(), 0);
    for writer in writers {
        let (keys, failures) = writer.await.unwrap();
        kept.extend(keys);
        failed += failures;
    }
    eprintln!("{} acknowledged, {failed} not", kept.len());
    let page = stores[0].range(b"/k/", b"/k0", 0, None).await.unwrap();
    let found: std::collections::HashMap<&[u8], Revision> = page.entries.iter().map(|e| (&e.key[..], e.mod_revision)).collect();
    for (key, revision) in &kept {
        assert_eq!(found.get(key.as_bytes()), Some(revision), "{key}");
    }
    // The watch lived through it and missed nothing.
    let mut seen = std::collections::HashSet::new();
    let mut reached = 0;
    while reached < page.revision {
        let batch = tokio::time::timeout(Duration::from_secs(30), stream.next()).await.unwrap().unwrap().unwrap();
        assert!(batch.revision > reached || batch.events.is_empty(), "{} after {reached}", batch.revision);
        reached = batch.revision;
        seen.extend(batch.events.into_iter().map(|event| event.key));
    }
    assert!(page.entries.iter().all(|entry| seen.contains(&entry.key)));
}
