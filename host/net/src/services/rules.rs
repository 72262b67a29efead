//! The ruleset's text. Dispatch is by maps, so its cost per packet does not depend on the number of Services.

use super::Config;
use super::view::ServicePort;
use std::collections::BTreeSet;
use std::fmt::Write;

/// The whole table, replaced in one transaction.
pub fn render(config: &Config, ports: &[ServicePort]) -> String {
    let mut out = String::with_capacity(1024 + ports.len() * 256);
    // Adding before deleting makes the deletion succeed on the first run too.
    out.push_str("add table ip coracle\ndelete table ip coracle\ntable ip coracle {\n");
    let served: Vec<(String, &ServicePort)> = ports.iter().filter(|p| !p.backends.is_empty()).map(|p| (chain_name(p), p)).collect();

    let mut by_address = Vec::new();
    let mut by_node_port = Vec::new();
    let mut hairpin = BTreeSet::new();
    for (chain, port) in &served {
        for address in port.cluster_ips.iter().chain(&port.external_ips) {
            by_address.push(format!("{address} . {} . {} : goto {chain}", port.protocol, port.port));
        }
        if port.node_port != 0 {
            by_node_port.push(format!("{} . {} : goto {chain}", port.protocol, port.node_port));
        }
        hairpin.extend(port.backends.iter().map(|b| b.address));
    }
    collection(&mut out, "map service_ips", "ipv4_addr . inet_proto . inet_service : verdict", &by_address);
    collection(&mut out, "map node_ports", "inet_proto . inet_service : verdict", &by_node_port);
    let pairs: Vec<String> = hairpin.iter().map(|a| format!("{a} . {a}")).collect();
    collection(&mut out, "set hairpin", "ipv4_addr . ipv4_addr", &pairs);

    for (chain, port) in &served {
        let count = port.backends.len();
        let pick = if port.sticky { format!("jhash ip saddr mod {count}") } else { format!("numgen random mod {count}") };
        let targets: Vec<String> = port.backends.iter().enumerate().map(|(i, b)| format!("{i} : {} . {}", b.address, b.port)).collect();
        let _ = writeln!(out, "\tchain {chain} {{");
        let _ = writeln!(out, "\t\tcomment \"{}\"", port.name);
        let _ = writeln!(out, "\t\tmeta l4proto {} dnat to {pick} map {{ {} }}", port.protocol, targets.join(", "));
        out.push_str("\t}\n");
    }

    let (services, pods, bridge) = (config.service_cidr, config.pod_cidr, &config.bridge);
    let _ = write!(
        out,
        "\tchain services {{
\t\tip daddr . meta l4proto . th dport vmap @service_ips
\t\tip daddr != 127.0.0.0/8 fib daddr type local meta l4proto . th dport vmap @node_ports
\t}}
\tchain prerouting {{
\t\ttype nat hook prerouting priority dstnat; policy accept;
\t\tjump services
\t}}
\tchain output {{
\t\ttype nat hook output priority -100; policy accept;
\t\tjump services
\t}}
\tchain postrouting {{
\t\ttype nat hook postrouting priority srcnat; policy accept;
\t\tct status dnat ip saddr . ip daddr @hairpin masquerade
\t\tip saddr {pods} ip daddr != {pods} oifname != \"{bridge}\" masquerade
\t\tct status dnat ip saddr != {pods} oifname \"{bridge}\" masquerade
\t}}
\tchain untranslated {{
\t\tip daddr {services} meta l4proto tcp reject with tcp reset
\t\tip daddr {services} reject with icmp port-unreachable
\t}}
\tchain forward {{
\t\ttype filter hook forward priority filter; policy accept;
\t\tjump untranslated
\t}}
\tchain local {{
\t\ttype filter hook output priority filter; policy accept;
\t\tjump untranslated
\t}}
\tchain input {{
\t\ttype filter hook input priority filter; policy accept;
\t\tjump untranslated
\t}}
}}
"
    );
    out
}

fn collection(out: &mut String, head: &str, ty: &str, elements: &[String]) {
    let _ = writeln!(out, "\t{head} {{\n\t\ttype {ty}");
    if !elements.is_empty() {
        let _ = writeln!(out, "\t\telements = {{ {} }}", elements.join(", "));
    }
    out.push_str("\t}\n");
}

/// Names a Service's chain: letters, digits and underscores, unlike for unlike ports.
fn chain_name(port: &ServicePort) -> String {
    let key = format!("{}/{}/{}", port.name, port.protocol, port.port);
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    format!("svc_{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::super::view::Backend;
    use super::*;
    use std::net::Ipv4Addr;

    fn config() -> Config {
        Config {
            pod_cidr: "10.42.0.0/24".parse().unwrap(),
            service_cidr: "10.43.0.0/16".parse().unwrap(),
            bridge: "coracle0".into(),
            node_name: "n".into(),
            middleware: tokio::sync::watch::channel(None).1,
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
            "ip daddr 10.43.0.0/16 meta l4proto tcp reject with tcp reset",
        ] {
            assert!(rules.contains(part), "{part} in\n{rules}");
        }
        assert!(!rules.contains("default/b"), "{rules}");
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
        let rules = render(&config(), &[port("default/a:http", 30080, &[(5, 8080), (6, 8080)]), sticky]);
        child.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
        let out = child.wait_with_output().unwrap();
        if !root {
            eprintln!("skipped: not root");
            return;
        }
        assert!(out.status.success(), "{}\n{rules}", String::from_utf8_lossy(&out.stderr));
    }
}
