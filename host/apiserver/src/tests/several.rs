//! Several servers on one store.

use super::*;
use futures::future::join_all;
use std::collections::BTreeSet;

const SERVICES: &str = "/api/v1/namespaces/default/services";
const ADDRESSES: &str = "/apis/networking.k8s.io/v1/ipaddresses";

/// 13 addresses beside the `kubernetes` Service's, and 8 node ports.
async fn two() -> [Fixture; 2] {
    let config = || Config {
        advertise: Some((IpAddr::V4(Ipv4Addr::LOCALHOST), 6443)),
        service_cidr: (Ipv4Addr::new(10, 43, 0, 0), 28),
        node_ports: (30000, 30007),
        ..Config::default()
    };
    let store = new_store().await;
    [Fixture::over(config(), store.clone()).await, Fixture::over(config(), store).await]
}

fn service(name: &str, spec: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name }, "spec": spec })
}

async fn addresses(f: &Fixture) -> BTreeSet<String> {
    let list = f.get(ADDRESSES).await.expect(200);
    list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_write_at_one_is_read_and_watched_at_the_other() {
    let [one, two] = two().await;
    let path = "/api/v1/namespaces/default/configmaps";
    let mut events = two.watch(&format!("{path}?watch=true")).await;
    let mut delays = Vec::new();
    for turn in 0..20 {
        let name = format!("c{turn}");
        let start = std::time::Instant::now();
        let made = one.post(path, &config_map(&name)).await.expect(201);
        loop {
            let event = events.next().await.unwrap();
            // The controllers' root certificate and the like are not of this test.
            if event["object"]["metadata"]["name"] == name.as_str() {
                assert_eq!(event["object"]["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
                break;
            }
        }
        delays.push(start.elapsed());
        assert_eq!(two.get(&format!("{path}/{name}")).await.expect(200)["metadata"], made["metadata"]);
    }
    delays.sort_unstable();
    eprintln!("create at one server to event at the other, in process: median {:.2?}, longest {:.2?}", delays[10], delays[19]);
}

#[tokio::test]
async fn no_address_and_no_port_is_given_out_twice() {
    let servers = two().await;
    let names: Vec<String> = (0..8).map(|n| format!("s{n}")).collect();
    let made = join_all(names.iter().enumerate().map(|(n, name)| {
        let body = service(name, json!({ "type": "NodePort", "ports": [{ "port": 80 }] }));
        let server = &servers[n % 2];
        async move { server.post(SERVICES, &body).await.expect(201) }
    }));
    let made = made.await;
    let text = |s: &Value, pointer: &str| s.pointer(pointer).unwrap().to_string().trim_matches('"').to_owned();
    let ips: BTreeSet<String> = made.iter().map(|s| text(s, "/spec/clusterIP")).collect();
    let ports: BTreeSet<String> = made.iter().map(|s| text(s, "/spec/ports/0/nodePort")).collect();
    assert_eq!((ips.len(), ports.len()), (8, 8), "{ips:?} {ports:?}");

    let [one, two] = &servers;
    let mut expect = ips.clone();
    expect.insert("10.43.0.1".to_owned());
    assert_eq!(addresses(one).await, expect);
    let address = one.get(&format!("{ADDRESSES}/{}", text(&made[0], "/spec/clusterIP"))).await.expect(200);
    let parent = json!({ "group": "", "resource": "services", "namespace": "default", "name": "s0" });
    assert_eq!(address["spec"]["parentRef"], parent);
    assert_eq!(address["metadata"]["labels"]["ipaddress.kubernetes.io/managed-by"], "ipallocator.k8s.io");

    // All ports are taken; whose they are does not matter.
    let more = service("more", json!({ "type": "NodePort", "ports": [{ "port": 80 }] }));
    assert!(two.post(SERVICES, &more).await.message().contains("failed to allocate a nodePort: range is full"));
    for query in ["", "?dryRun=All"] {
        let ip = service("x", json!({ "clusterIP": ips.first(), "ports": [{ "port": 1 }] }));
        assert!(two.post(&format!("{SERVICES}{query}"), &ip).await.message().contains("provided IP is already allocated"));
        let port = service("x", json!({ "type": "NodePort", "ports": [{ "port": 1, "nodePort": 30003 }] }));
        assert!(two.post(&format!("{SERVICES}{query}"), &port).await.message().contains("provided port is already allocated"));
    }
    // A name that is taken takes nothing else.
    assert_eq!(two.post(SERVICES, &service("s0", json!({ "ports": [{ "port": 1 }] }))).await.code, 409);
    assert_eq!(addresses(two).await, expect);

    // What one server's Service gives up another's may take, at once.
    let freed = text(&made[0], "/spec/clusterIP");
    one.delete(&format!("{SERVICES}/s0")).await.expect(200);
    two.post(SERVICES, &service("next", json!({ "clusterIP": freed, "ports": [{ "port": 1 }] }))).await.expect(201);
    two.patch(&format!("{SERVICES}/s1"), "merge", &json!({ "spec": { "type": "ExternalName", "externalName": "a.example" } }))
        .await
        .expect(200);
    assert!(!addresses(one).await.contains(&text(&made[1], "/spec/clusterIP")));
    let freed = text(&made[1], "/spec/ports/0/nodePort").parse::<u64>().unwrap();
    let body = service("other", json!({ "type": "NodePort", "ports": [{ "port": 1, "nodePort": freed }] }));
    one.post(SERVICES, &body).await.expect(201);
}

#[tokio::test]
async fn a_full_range_is_told_and_filled_to_the_last() {
    let [one, two] = two().await;
    // 14 addresses, of which `kubernetes` has one.
    for n in 0..13 {
        let server = if n % 2 == 0 { &one } else { &two };
        server.post(SERVICES, &service(&format!("s{n}"), json!({ "ports": [{ "port": 1 }] }))).await.expect(201);
    }
    let refused = two.post(SERVICES, &service("more", json!({ "ports": [{ "port": 1 }] }))).await;
    assert!(refused.message().contains("failed to allocate a serviceIP: range is full"), "{}", refused.message());
}

#[tokio::test]
async fn allocations_are_repaired_at_start() {
    let [one, two] = two().await;
    let made = one.post(SERVICES, &service("s", json!({ "ports": [{ "port": 1 }] }))).await.expect(201);
    let ip = made["spec"]["clusterIP"].as_str().unwrap();
    one.delete(&format!("{ADDRESSES}/{ip}")).await.expect(200);
    let left = br#"{"service":"default/gone"}"#;
    let key = bytes::Bytes::from_static(b"/registry/ranges/servicenodeports/30005");
    let ops = vec![store::Op::Put { key: key.clone(), value: bytes::Bytes::from_static(left) }];
    one.store.txn(store::Txn { ops, ..store::Txn::default() }).await.unwrap();
    let foreign = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "IPAddress", "metadata": { "name": "10.43.0.9" },
        "spec": { "parentRef": { "resource": "things", "name": "mine" } },
    });
    one.post(ADDRESSES, &foreign).await.expect(201);
    two.server.bootstrap().await.unwrap();
    let found = addresses(&two).await;
    assert!(found.contains(ip) && found.contains("10.43.0.9"), "{found:?}");
    assert_eq!(one.store.get(&key).await.unwrap(), None);
    // What a person's IPAddress reserves no Service gets.
    let refused = one.post(SERVICES, &service("t", json!({ "clusterIP": "10.43.0.9", "ports": [{ "port": 1 }] }))).await;
    assert!(refused.message().contains("provided IP is already allocated"), "{}", refused.message());
}

/// `port address,address` of each EndpointSlice, and the same of the Endpoints.
async fn endpoints(f: &Fixture) -> (Vec<String>, Vec<String>) {
    let texts = |list: &Value, pointer: &str| {
        let items = list.as_array().unwrap().iter();
        items.map(|item| item.pointer(pointer).unwrap().as_str().unwrap().to_owned()).collect::<Vec<_>>().join(",")
    };
    let slices = f.get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices").await.expect(200);
    let slice = |s: &Value| format!("{} {}", s["ports"][0]["port"], texts(&s["endpoints"], "/addresses/0"));
    let one = f.get("/api/v1/namespaces/default/endpoints/kubernetes").await.expect(200);
    let subset = |s: &Value| format!("{} {}", s["ports"][0]["port"], texts(&s["addresses"], "/ip"));
    let all = |list: &Value, text: &dyn Fn(&Value) -> String| list.as_array().into_iter().flatten().map(text).collect();
    (all(&slices["items"], &slice), all(&one["subsets"], &subset))
}

#[tokio::test]
async fn the_kubernetes_service_leads_to_every_server_that_lives() {
    let store = new_store().await;
    let config =
        |last, port| Config { advertise: Some((IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)), port)), peers: true, ..Config::default() };
    let one = Fixture::over(config(1, 6443), store.clone()).await;
    let alone = || (vec!["6443 10.0.0.1".to_owned()], vec!["6443 10.0.0.1".to_owned()]);
    assert_eq!(endpoints(&one).await, alone());
    let two = Fixture::over(config(2, 6443), store.clone()).await;
    let both = || (vec!["6443 10.0.0.1,10.0.0.2".to_owned()], vec!["6443 10.0.0.1,10.0.0.2".to_owned()]);
    assert_eq!(endpoints(&one).await, both());
    let three = Fixture::over(config(3, 7443), store.clone()).await;
    let apart = vec!["6443 10.0.0.1,10.0.0.2".to_owned(), "7443 10.0.0.3".to_owned()];
    assert_eq!(endpoints(&two).await, (apart.clone(), apart));
    three.server.leave().await.unwrap();
    assert_eq!(endpoints(&two).await, both());

    // A server that renews no more is taken out by the others, in their own time.
    let mut peers = crate::peers::Peers::default();
    peers.reconcile(&one.service, &config(1, 6443)).await.unwrap();
    assert_eq!(endpoints(&one).await, both());
    let long_ago = std::time::Instant::now().checked_sub(Duration::from_secs(20)).unwrap();
    peers.seen.values_mut().for_each(|(_, since)| *since = long_ago);
    let mut second = crate::peers::Peers::default();
    second.reconcile(&two.service, &config(2, 6443)).await.unwrap();
    peers.reconcile(&one.service, &config(1, 6443)).await.unwrap();
    assert_eq!(endpoints(&one).await, both(), "it was renewed meanwhile");
    peers.seen.values_mut().for_each(|(_, since)| *since = long_ago);
    peers.reconcile(&one.service, &config(1, 6443)).await.unwrap();
    assert_eq!(endpoints(&two).await, alone());
    let leases = two.get("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases").await.expect(200);
    assert_eq!(leases["items"].as_array().unwrap().len(), 1);
    second.reconcile(&two.service, &config(2, 6443)).await.unwrap();
    assert_eq!(endpoints(&one).await, both(), "it is back");
}

#[test]
fn addresses_are_stored_where_their_row_is() {
    let registry = Registry::builtin();
    let row = registry.resource_by_name("networking.k8s.io", "v1", "ipaddresses").unwrap();
    assert_eq!(row.storage_prefix(), crate::strategy::service::ADDRESSES);
}
