use super::*;

fn config() -> Config {
    Config {
        pod_cidr: "10.42.0.0/24".parse().unwrap(),
        service_cidr: "10.43.0.0/16".parse().unwrap(),
        bridge: "coracle0".into(),
        node_name: "n".into(),
        middleware: tokio::sync::watch::channel(None).1,
        node_address: Some(Ipv4Addr::new(192, 0, 2, 1)),
    }
}

fn port(name: &str, node_port: u16, backends: &[(u8, u16)]) -> ServicePort {
    ServicePort {
        name: name.into(),
        protocol: "tcp".into(),
        cluster_ips: vec![Ipv4Addr::new(10, 43, 0, 7)],
        port: 80,
        node_port,
        backends: backends.iter().map(|(last, port)| Backend { address: Ipv4Addr::new(10, 42, 0, *last), port: *port }).collect(),
        ..ServicePort::default()
    }
}

#[test]
fn a_port_with_backends_is_dispatched_and_one_without_is_not() {
    let rules = render(&config(), &[port("default/a:http", 30080, &[(5, 8080), (6, 8080)]), port("default/b", 0, &[])]);
    for part in [
        "10.43.0.7 . tcp . 80 : goto svc_",
        "tcp . 30080 : goto svc_",
        "numgen random mod 2 map { 0 : 10.42.0.5 . 8080, 1 : 10.42.0.6 . 8080 }",
        "10.42.0.5 . 10.42.0.5",
        "ip daddr 10.43.0.0/16 goto refuse",
    ] {
        assert!(rules.contains(part), "{part} in\n{rules}");
    }
    assert!(!rules.contains("default/b"), "{rules}");
}

/// A port with everything that a balancer can have.
fn balanced(local: bool) -> ServicePort {
    let mut port = port("default/lb", 30090, &[(5, 8080), (6, 8080)]);
    port.external_ips = vec![Ipv4Addr::new(198, 51, 100, 7)];
    port.balancer_ips = vec![Ipv4Addr::new(192, 0, 2, 50)];
    port.source_ranges = vec!["192.0.2.0/24".parse().unwrap()];
    port.external_local = local;
    port
}

#[test]
fn external_addresses_lead_where_the_policy_says() {
    let check = |port: ServicePort, present: &[&str], absent: &[&str]| {
        let rules = render(&config(), &[port]);
        present.iter().for_each(|part| assert!(rules.contains(part), "{part} in\n{rules}"));
        absent.iter().for_each(|part| assert!(!rules.contains(part), "no {part} in\n{rules}"));
    };
    let guard = ["192.0.2.50 . tcp . 80 : goto who_", "ip saddr 192.0.2.0/24 return", "ip saddr 192.0.2.50 return"];
    check(
        balanced(false),
        &["192.0.2.50 . tcp . 80 : goto svc_", "198.51.100.7 . tcp . 80 : goto svc_", "tcp . 30090 : goto svc_"],
        &["chain ext_"],
    );
    check(balanced(false), &guard, &["198.51.100.7 . tcp . 80 : goto who_"]);
    // Without a backend here, clients from outside hear nothing; the cluster itself is served by the other nodes.
    let nobody =
        ["192.0.2.50 . tcp . 80 : goto ext_", "192.0.2.50 . tcp . 80 : drop", "tcp . 30090 : drop", "10.43.0.7 . tcp . 80 : goto svc_"];
    check(balanced(true), &nobody, &["chain loc_"]);
    let mut here = balanced(true);
    here.local = vec![here.backends[1]];
    check(here, &["tcp . 30090 : goto ext_", "goto loc_", "mod 1 map { 0 : 10.42.0.6 . 8080 }"], &[": drop"]);
    // Nobody anywhere: told so.
    let mut empty = balanced(true);
    empty.backends.clear();
    check(empty, &["192.0.2.50 . tcp . 80 : goto refuse", "tcp . 30090 : goto refuse"], &["chain ext_", "10.43.0.7 . tcp . 80"]);
    // Inside only this node's, from outside all.
    let mut inside = balanced(false);
    (inside.internal_local, inside.local) = (true, vec![inside.backends[0]]);
    check(inside, &["192.0.2.50 . tcp . 80 : goto all_", "10.43.0.7 . tcp . 80 : goto svc_"], &["chain ext_"]);
}

#[test]
fn other_ports_of_a_balancer_are_closed_but_not_those_of_the_node() {
    let mut both = balanced(false);
    both.balancer_ips.push(Ipv4Addr::new(192, 0, 2, 1));
    let rules = render(&config(), &[both]);
    let set: String = rules.lines().skip_while(|l| !l.contains("set balancers")).take(3).collect();
    assert!(set.contains("192.0.2.50") && !set.contains("192.0.2.1,") && !set.contains("192.0.2.1 "), "{set}");
}

/// The kernel takes what we render, in a namespace of its own.
#[test]
fn nft_accepts_the_ruleset() {
    use std::io::Write as _;
    let root = nix::unistd::geteuid().is_root();
    let Ok(mut child) = std::process::Command::new("unshare")
        .args(["--net", "nft", "-f", "-"])
        .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()))
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
    else {
        eprintln!("skipped: no unshare");
        return;
    };
    let mut sticky = port("default/c", 0, &[(5, 53)]);
    sticky.sticky = true;
    sticky.protocol = "udp".into();
    let mut here = balanced(true);
    (here.local, here.internal_local, here.name) = (vec![here.backends[0]], true, "default/here".into());
    (here.balancer_ips, here.external_ips) = (vec![Ipv4Addr::new(192, 0, 2, 51)], Vec::new());
    (here.cluster_ips, here.node_port) = (vec![Ipv4Addr::new(10, 43, 0, 8)], 30091);
    let mut closed = balanced(true);
    (closed.name, closed.port, closed.node_port) = ("default/closed".into(), 81, 30092);
    closed.backends.clear();
    let rules = render(&config(), &[port("default/a:http", 30080, &[(5, 8080), (6, 8080)]), sticky, balanced(false), here, closed]);
    child.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    if !root {
        eprintln!("skipped: not root");
        return;
    }
    assert!(out.status.success(), "{}\n{rules}", String::from_utf8_lossy(&out.stderr));
}
