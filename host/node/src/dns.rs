//! What a pod's resolver asks: `pkg/kubelet/network/dns/dns.go`.

use interfaces::network::DnsConfig;
use std::net::IpAddr;
use typed::api::core::v1::PodSpec;

/// `MaxDNSNameservers`: the C library reads no more.
const MAX_SERVERS: usize = 3;
/// `MaxDNSSearchPaths`.
const MAX_SEARCHES: usize = 32;

/// Reads a `resolv.conf`. Unknown lines and addresses with a zone are left out; the last `search` line counts.
pub fn parse(text: &str) -> DnsConfig {
    let mut config = DnsConfig::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => config.servers.extend(words.next().and_then(|w| w.parse::<IpAddr>().ok())),
            Some("search" | "domain") => {
                config.search = words.map(|w| w.trim_end_matches('.').to_owned()).filter(|w| !w.is_empty()).collect()
            }
            Some("options") => config.options = words.map(str::to_owned).collect(),
            _ => {}
        }
    }
    config
}

/// `dnsPolicy` and `dnsConfig` of a pod, on a node whose own resolver is `host`.
pub fn resolve(spec: &PodSpec, namespace: &str, host: &DnsConfig, cluster_dns: IpAddr, domain: &str) -> DnsConfig {
    let host_network = spec.host_network.unwrap_or_default();
    let cluster = match spec.dns_policy.as_deref() {
        Some("None") => None,
        Some("Default") => Some(false),
        Some("ClusterFirstWithHostNet") => Some(true),
        // A pod on the host's network uses the host's resolver, unless it says otherwise.
        _ => Some(!host_network),
    };
    let mut config = match cluster {
        None => DnsConfig::default(),
        Some(false) => host.clone(),
        Some(true) => {
            let mut search = vec![format!("{namespace}.svc.{domain}"), format!("svc.{domain}"), domain.to_owned()];
            append_new(&mut search, host.search.iter().cloned());
            DnsConfig { servers: vec![cluster_dns], search, options: vec!["ndots:5".to_owned()] }
        }
    };
    if let Some(own) = &spec.dns_config {
        append_new(&mut config.servers, own.nameservers.iter().flatten().filter_map(|s| s.parse().ok()));
        append_new(&mut config.search, own.searches.iter().flatten().cloned());
        for option in own.options.iter().flatten() {
            let name = option.name.clone().unwrap_or_default();
            config.options.retain(|known| known.split(':').next() != Some(name.as_str()));
            config.options.push(match &option.value {
                Some(value) => format!("{name}:{value}"),
                None => name,
            });
        }
    }
    config.servers.truncate(MAX_SERVERS);
    config.search.truncate(MAX_SEARCHES);
    config
}

/// The file's text.
pub fn render(config: &DnsConfig) -> String {
    let mut text = String::new();
    if !config.search.is_empty() {
        text.push_str(&format!("search {}\n", config.search.join(" ")));
    }
    for server in &config.servers {
        text.push_str(&format!("nameserver {server}\n"));
    }
    if !config.options.is_empty() {
        text.push_str(&format!("options {}\n", config.options.join(" ")));
    }
    text
}

fn append_new<T: PartialEq>(list: &mut Vec<T>, more: impl Iterator<Item = T>) {
    for item in more {
        if !list.contains(&item) {
            list.push(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn policies() {
        let host = parse("# c\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\nsearch corp.example. lab\noptions timeout:2\n");
        let check = |spec: object::Value, expect: &str| {
            let mut spec = spec;
            spec["containers"] = json!([]);
            let spec: PodSpec = typed::part(&spec).unwrap();
            let config = resolve(&spec, "shop", &host, "10.43.0.10".parse().unwrap(), "cluster.local");
            assert_eq!(render(&config), expect, "{spec:?}");
        };
        let cluster =
            "search shop.svc.cluster.local svc.cluster.local cluster.local corp.example lab\nnameserver 10.43.0.10\noptions ndots:5\n";
        let own = "search corp.example lab\nnameserver 192.0.2.1\noptions timeout:2\n";
        check(json!({}), cluster);
        check(json!({"dnsPolicy": "ClusterFirst"}), cluster);
        check(json!({"dnsPolicy": "ClusterFirst", "hostNetwork": true}), own);
        check(json!({"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": true}), cluster);
        check(json!({"dnsPolicy": "Default"}), own);
        check(json!({"dnsPolicy": "None"}), "");
        check(
            json!({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["192.0.2.7"], "searches": ["a"], "options": [{"name": "edns0"}, {"name": "ndots", "value": "2"}]}}),
            "search a\nnameserver 192.0.2.7\noptions edns0 ndots:2\n",
        );
        check(
            json!({"dnsConfig": {"options": [{"name": "ndots", "value": "2"}]}}),
            "search shop.svc.cluster.local svc.cluster.local cluster.local corp.example lab\nnameserver 10.43.0.10\noptions ndots:2\n",
        );
    }
}
