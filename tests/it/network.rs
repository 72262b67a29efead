//! Services, names, the node's network.

use crate::oci_script as script;
use std::collections::BTreeSet;
use tests::{Cluster, Space, eventually};

/// Three pods that say their names, behind a Service.
fn three(space: &Space, cluster_ip: &str) {
    let pods: String = ["a", "b", "c"]
        .iter()
        .map(|name| {
            format!(
                "apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: web}}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: web
    image: coracle.dev/examples/hello-http:v1
    env: [{{name: POD_NAME, valueFrom: {{fieldRef: {{fieldPath: metadata.name}}}}}}]
    ports: [{{name: http, containerPort: 8080}}]
    readinessProbe: {{httpGet: {{path: /, port: http}}, periodSeconds: 1}}
---
"
            )
        })
        .collect();
    space.apply(&format!(
        "{pods}apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  {cluster_ip}
  selector: {{app: web}}
  ports: [{{name: http, port: 80, targetPort: http}}]
"
    ));
    for name in ["a", "b", "c"] {
        space.until_ready(name);
    }
    let all = |slice: &serde_json::Value| {
        slice["endpoints"]
            .as_array()
            .is_some_and(|list| list.iter().filter(|endpoint| endpoint["conditions"]["ready"] == true).count() == 3)
    };
    space.kubectl().until_any(&["endpointslices", "-l", "kubernetes.io/service-name=web"], "three endpoints", all);
}

fn who(cluster: &Cluster, address: &str, wanted: &[&str]) {
    let wanted: BTreeSet<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
    let mut seen = BTreeSet::new();
    eventually(&format!("{wanted:?} to answer on {address}"), || {
        let (_, body) = cluster.http(address, "/")?;
        seen.insert(body.split([' ', ',']).nth(2).unwrap_or_default().to_owned());
        if seen == wanted { Ok(()) } else { Err(format!("{seen:?}")) }
    });
}

#[test]
fn network_services_spread_over_ready_pods() {
    let cluster = Cluster::shared();
    let space = cluster.space("net-service");
    three(&space, "type: NodePort");
    let service = space.get("service", "web");
    let address = format!("{}:80", service["spec"]["clusterIP"].as_str().expect("a Service has an address"));
    who(cluster, &address, &["a", "b", "c"]);
    let node = cluster.kubectl().get("node", tests::NODE);
    let node_address = node["status"]["addresses"][0]["address"].as_str().expect("a node has an address").to_owned();
    who(cluster, &format!("{node_address}:{}", service["spec"]["ports"][0]["nodePort"]), &["a", "b", "c"]);
    // From a pod, also from one that is behind the Service itself.
    let (_, said) = script(&space, "asks", "for n in $(seq 40); do wget -q -O - http://web/; done | cut -d' ' -f3 | sort -u", "", "");
    assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["a,", "b,", "c,"]);
    // A pod that goes gets no more connections.
    space.ok(&["delete", "pod", "b", "--timeout=30s"]);
    let gone = |slice: &serde_json::Value| slice["endpoints"].as_array().is_some_and(|list| list.len() == 2);
    space.kubectl().until_any(&["endpointslices", "-l", "kubernetes.io/service-name=web"], "two endpoints", gone);
    eventually("only a and c to answer", || {
        let answers: Vec<_> = (0..20).map(|_| cluster.http(&address, "/")).collect();
        if answers.iter().all(Result::is_ok) && !answers.iter().flatten().any(|(_, body)| body.contains("from b,")) {
            Ok(())
        } else {
            Err(format!("{answers:?}"))
        }
    });
    // Without any, a connection is refused at once instead of hanging.
    space.ok(&["delete", "pod", "a", "c", "--timeout=30s"]);
    eventually("connections to be refused", || match cluster.http(&address, "/") {
        Err(error) if error.contains("refused") => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn network_names_are_answered_as_kubernetes_specifies() {
    let cluster = Cluster::shared();
    let space = cluster.space("net-names");
    three(&space, "type: ClusterIP");
    space.apply(
        "apiVersion: v1
kind: Service
metadata: {name: headless}
spec:
  clusterIP: None
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}]
---
apiVersion: v1
kind: Service
metadata: {name: far}
spec: {type: ExternalName, externalName: web.net-names.svc.cluster.local}
",
    );
    let all = |slice: &serde_json::Value| slice["endpoints"].as_array().is_some_and(|list| list.len() == 3);
    space.kubectl().until_any(&["endpointslices", "-l", "kubernetes.io/service-name=headless"], "three endpoints", all);
    let service = space.get("service", "web")["spec"]["clusterIP"].as_str().expect("a Service has an address").to_owned();
    let pods = space.json(&["get", "pods", "-l", "app=web"]);
    let mut addresses: Vec<String> = pods["items"]
        .as_array()
        .expect("a list has items")
        .iter()
        .filter_map(|pod| pod["status"]["podIP"].as_str().map(str::to_owned))
        .collect();
    addresses.sort();
    let look_up = |name: &str, question: &str| {
        let (code, said) = script(&space, name, &format!("nslookup {question}"), "", "");
        (code, said)
    };
    let found = |said: &str| {
        // The first address is the server's own.
        let mut found: Vec<String> = said
            .lines()
            .filter_map(|line| line.strip_prefix("Address: "))
            .map(|rest| rest.split_whitespace().next().unwrap_or_default().to_owned())
            .collect();
        found.sort();
        found.dedup();
        found
    };
    for (name, question) in [("full", "web.net-names.svc.cluster.local"), ("dot", "web.net-names.svc.cluster.local.")] {
        let (_, said) = look_up(name, question);
        assert_eq!(found(&said), std::slice::from_ref(&service), "{said}");
    }
    let (_, said) = look_up("headless", "headless.net-names.svc.cluster.local");
    assert_eq!(found(&said), addresses, "{said}");
    let (_, said) = look_up("srv", "-type=srv _http._tcp.web.net-names.svc.cluster.local");
    assert!(said.contains("80 web.net-names.svc.cluster.local"), "{said}");
    let (_, said) = look_up("srv-headless", "-type=srv _http._tcp.headless.net-names.svc.cluster.local");
    assert_eq!(
        said.lines().filter(|line| line.contains("8080") && line.contains("headless.net-names.svc.cluster.local")).count(),
        3,
        "{said}"
    );
    let (_, said) = look_up("reverse", &service);
    assert!(said.contains("web.net-names.svc.cluster.local"), "{said}");
    let (_, said) = look_up("far", "-type=cname far.net-names.svc.cluster.local");
    assert!(said.contains("web.net-names.svc.cluster.local"), "{said}");
    let (code, said) = look_up("nobody", "nobody.net-names.svc.cluster.local");
    assert!(code == 1 && said.contains("NXDOMAIN"), "{code}: {said}");
    let (_, said) = script(&space, "resolv", "cat /etc/resolv.conf", "", "");
    assert!(
        said.contains("nameserver 10.43.0.10")
            && said.contains("search net-names.svc.cluster.local svc.cluster.local cluster.local")
            && said.contains("ndots:5"),
        "{said}"
    );
}

#[test]
fn network_pods_reach_each_other_and_the_api() {
    let space = Cluster::shared().space("net-pods");
    space.pod_with(
        "web",
        "image: coracle.dev/test/nginx:v1, readinessProbe: {tcpSocket: {port: 80}, periodSeconds: 1}",
        "restartPolicy: Always",
    );
    let pod = space.until_ready("web");
    let address = pod["status"]["podIP"].as_str().expect("a ready pod has an address").to_owned();
    let (_, said) = script(&space, "asks", &format!("wget -q -O - http://{address}/"), "", "");
    assert_eq!(said, "Welcome to nginx in Coracle\n");
    let (_, said) = script(&space, "api", "nc -w 5 kubernetes.default.svc 443 < /dev/null && echo open", "", "");
    assert!(said.contains("open"), "{said}");
}

#[test]
fn network_of_the_host_is_shared_on_request() {
    let cluster = Cluster::shared();
    let space = cluster.space("net-host");
    space.pod_with("oci", "image: coracle.dev/examples/busybox:v1, command: [sh, -c, 'mkdir /www; echo from the host > /www/index.html; httpd -f -p 18080 -h /www'], ports: [{containerPort: 18080, hostPort: 18080}], readinessProbe: {tcpSocket: {port: 18080}, periodSeconds: 1}", "hostNetwork: true");
    let pod = space.until_ready("oci");
    assert_eq!(pod["status"]["podIP"], pod["status"]["hostIP"]);
    assert_eq!(cluster.http("127.0.0.1:18080", "/"), Ok((200, "from the host\n".to_owned())));
    // The port is taken: a second pod finds no place.
    space.pod_with(
        "second",
        "image: coracle.dev/examples/busybox:v1, command: [sleep, '1'], ports: [{containerPort: 18080, hostPort: 18080}]",
        "hostNetwork: true",
    );
    space.until_event(
        "second",
        "FailedScheduling",
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports",
    );
    let (_, said) =
        space.outcome("wasm", "image: coracle.dev/test/net-probe:v1, args: [get, 'http://127.0.0.1:18080/']", "hostNetwork: true");
    assert_eq!(said.trim(), "200 from the host");
}

#[test]
fn network_has_no_way_out_of_the_tests() {
    let cluster = Cluster::shared();
    let routes = cluster.on_node("ip", &["route"]).out;
    assert!(!routes.contains("default"), "{routes}");
}
