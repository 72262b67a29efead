//! The ruleset's text. Dispatch is by maps, so its cost per packet does not depend on the number of Services. The shape is that
//! of `pkg/proxy/nftables/proxier.go`: a chain per Service port for the way inside, one for the way from outside where it
//! differs, one for who may come.

use super::Config;
use super::view::{Backend, ServicePort};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::Ipv4Addr;

/// Mark of packets whose sender's address is kept (`externalTrafficPolicy: Local`): a bit that neither kube-proxy nor the usual
/// CNI plugins use.
const KEEP_SENDER: &str = "0x00010000";

/// The whole table, replaced in one transaction.
pub fn render(config: &Config, ports: &[ServicePort]) -> String {
    let mut out = String::with_capacity(1024 + ports.len() * 256);
    // Adding before deleting makes the deletion succeed on the first run too.
    out.push_str("add table ip coracle\ndelete table ip coracle\ntable ip coracle {\n");
    let mut maps = Maps::default();
    for port in ports {
        maps.add(config, port);
    }
    maps.render(&mut out);
    for port in ports {
        chains(&mut out, config, port);
    }
    hooks(&mut out, config);
    out
}

/// Elements of a map: what is looked up, and the verdict. Services may claim the same external address; the first one has it.
type Verdicts = BTreeMap<String, String>;

/// What is looked up per packet.
#[derive(Default)]
struct Maps {
    service_ips: Verdicts,
    node_ports: Verdicts,
    guarded: Verdicts,
    refused: Verdicts,
    refused_node_ports: Verdicts,
    hairpin: BTreeSet<Ipv4Addr>,
    balancers: BTreeSet<Ipv4Addr>,
}

fn put(map: &mut Verdicts, keys: impl IntoIterator<Item = String>, verdict: &str) {
    for key in keys {
        map.entry(key).or_insert_with(|| verdict.to_owned());
    }
}

impl Maps {
    fn add(&mut self, config: &Config, port: &ServicePort) {
        let chain = chain_name(port);
        let at = |addresses: &[Ipv4Addr]| -> Vec<String> {
            addresses.iter().map(|a| format!("{a} . {} . {}", port.protocol, port.port)).collect()
        };
        let external = || at(&port.external_ips).into_iter().chain(at(&port.balancer_ips));
        let node_port = (port.node_port != 0).then(|| format!("{} . {}", port.protocol, port.node_port));
        if !internal(port).is_empty() {
            put(&mut self.service_ips, at(&port.cluster_ips), &format!("goto svc_{chain}"));
        }
        if !port.backends.is_empty() {
            put(&mut self.service_ips, external(), &format!("goto {}", outside(port)));
            put(&mut self.node_ports, node_port.clone(), &format!("goto {}", outside(port)));
        }
        // Who asks from outside and finds nothing here is told so, or, where another node may have a backend, hears nothing.
        if reachable(port).is_empty() {
            let verdict = if port.backends.is_empty() { "goto refuse" } else { "drop" };
            put(&mut self.refused, external(), verdict);
            put(&mut self.refused_node_ports, node_port, verdict);
        }
        if !port.source_ranges.is_empty() {
            put(&mut self.guarded, at(&port.balancer_ips), &format!("goto who_{chain}"));
        }
        self.balancers.extend(port.balancer_ips.iter().filter(|a| Some(**a) != config.node_address));
        self.hairpin.extend(port.backends.iter().map(|b| b.address));
    }

    fn render(&self, out: &mut String) {
        let of = |map: &Verdicts| -> Vec<String> { map.iter().map(|(key, verdict)| format!("{key} : {verdict}")).collect() };
        let (address, port) = ("ipv4_addr . inet_proto . inet_service : verdict", "inet_proto . inet_service : verdict");
        collection(out, "map service_ips", address, &of(&self.service_ips));
        collection(out, "map node_ports", port, &of(&self.node_ports));
        collection(out, "map guarded", address, &of(&self.guarded));
        collection(out, "map refused", address, &of(&self.refused));
        collection(out, "map refused_node_ports", port, &of(&self.refused_node_ports));
        let pairs: Vec<String> = self.hairpin.iter().map(|a| format!("{a} . {a}")).collect();
        collection(out, "set hairpin", "ipv4_addr . ipv4_addr", &pairs);
        let balancers: Vec<String> = self.balancers.iter().map(ToString::to_string).collect();
        collection(out, "set balancers", "ipv4_addr", &balancers);
        out.push_str(
            "\tchain refuse {
\t\tmeta l4proto tcp reject with tcp reset
\t\treject with icmp port-unreachable
\t}
",
        );
    }
}

/// Where a cluster IP leads.
fn internal(port: &ServicePort) -> &[Backend] {
    if port.internal_local { &port.local } else { &port.backends }
}

/// What a client from outside reaches through this node.
fn reachable(port: &ServicePort) -> &[Backend] {
    if port.external_local { &port.local } else { &port.backends }
}

/// The chain for external addresses and node ports.
fn outside(port: &ServicePort) -> String {
    let kind = if port.external_local {
        "ext"
    } else if port.internal_local {
        "all"
    } else {
        "svc"
    };
    format!("{kind}_{}", chain_name(port))
}

fn chains(out: &mut String, config: &Config, port: &ServicePort) {
    let chain = chain_name(port);
    if !internal(port).is_empty() {
        translate(out, port, &format!("svc_{chain}"), internal(port));
    }
    if !port.backends.is_empty() {
        if port.internal_local {
            translate(out, port, &format!("all_{chain}"), &port.backends);
        }
        if port.external_local {
            if !port.local.is_empty() {
                translate(out, port, &format!("loc_{chain}"), &port.local);
            }
            let all = if port.internal_local { "all" } else { "svc" };
            let _ = writeln!(out, "\tchain ext_{chain} {{");
            // The cluster itself goes the short way, to any backend.
            let _ = writeln!(out, "\t\tip saddr {} goto {all}_{chain}", config.pod_cidr);
            let _ = writeln!(out, "\t\tfib saddr type local goto {all}_{chain}");
            if !port.local.is_empty() {
                let _ = writeln!(out, "\t\tmeta mark set meta mark | {KEEP_SENDER}");
                let _ = writeln!(out, "\t\tgoto loc_{chain}");
            }
            out.push_str("\t}\n");
        }
    }
    if !port.source_ranges.is_empty() && !port.balancer_ips.is_empty() {
        let _ = writeln!(out, "\tchain who_{chain} {{");
        for range in &port.source_ranges {
            let _ = writeln!(out, "\t\tip saddr {range} return");
        }
        // A node in the ranges that calls a balancer of its own does so with the balancer's address.
        if config.node_address.is_some_and(|node| port.source_ranges.iter().any(|range| range.contains(node))) {
            for address in &port.balancer_ips {
                let _ = writeln!(out, "\t\tip saddr {address} return");
            }
        }
        out.push_str("\t\tdrop\n\t}\n");
    }
}

fn translate(out: &mut String, port: &ServicePort, chain: &str, backends: &[Backend]) {
    let count = backends.len();
    let pick = if port.sticky { format!("jhash ip saddr mod {count}") } else { format!("numgen random mod {count}") };
    let targets: Vec<String> = backends.iter().enumerate().map(|(i, b)| format!("{i} : {} . {}", b.address, b.port)).collect();
    let _ = writeln!(out, "\tchain {chain} {{");
    let _ = writeln!(out, "\t\tcomment \"{}\"", port.name);
    let _ = writeln!(out, "\t\tmeta l4proto {} dnat to {pick} map {{ {} }}", port.protocol, targets.join(", "));
    out.push_str("\t}\n");
}

fn hooks(out: &mut String, config: &Config) {
    let (services, pods, bridge) = (config.service_cidr, config.pod_cidr, &config.bridge);
    let _ = write!(
        out,
        "\tchain services {{
\t\tip daddr . meta l4proto . th dport vmap @service_ips
\t\tip daddr != 127.0.0.0/8 fib daddr type local meta l4proto . th dport vmap @node_ports
\t}}
\tchain guard_prerouting {{
\t\ttype filter hook prerouting priority -110; policy accept;
\t\tct state new ip daddr . meta l4proto . th dport vmap @guarded
\t}}
\tchain guard_output {{
\t\ttype filter hook output priority -110; policy accept;
\t\tct state new ip daddr . meta l4proto . th dport vmap @guarded
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
\t\tmeta mark & {KEEP_SENDER} == {KEEP_SENDER} return
\t\tct status dnat ip saddr != {pods} oifname \"{bridge}\" masquerade
\t}}
\tchain untranslated {{
\t\tip daddr {services} goto refuse
\t\tct state new ip daddr . meta l4proto . th dport vmap @refused
\t\tct state new ip daddr != 127.0.0.0/8 fib daddr type local meta l4proto . th dport vmap @refused_node_ports
\t\tct state new ip daddr @balancers meta l4proto {{ tcp, udp, sctp }} goto refuse
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
}

fn collection(out: &mut String, head: &str, ty: &str, elements: &[String]) {
    let _ = writeln!(out, "\t{head} {{\n\t\ttype {ty}");
    if !elements.is_empty() {
        let _ = writeln!(out, "\t\telements = {{ {} }}", elements.join(", "));
    }
    out.push_str("\t}\n");
}

/// Names a Service port's chains: letters, digits and underscores, unlike for unlike ports.
fn chain_name(port: &ServicePort) -> String {
    let key = format!("{}/{}/{}", port.name, port.protocol, port.port);
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests;
