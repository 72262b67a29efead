//! The files every pod has under `/etc`: `hosts`, `hostname` and `resolv.conf`. Text as `pkg/kubelet/kubelet_pods.go`
//! (`managedHostsFileContent`) writes it.

use interfaces::workload::Mount;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use typed::api::core::v1::{HostAlias, PodSpec};

/// The pod's host name and, under a `subdomain`, its fully qualified name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub hostname: String,
    /// Empty without a `subdomain`.
    pub domain: String,
    pub as_fqdn: bool,
}

/// `GeneratePodHostNameAndDomain`. A pod on the host's network has the node's name.
pub fn names(spec: &PodSpec, pod_name: &str, namespace: &str, cluster_domain: &str, node_hostname: &str) -> Names {
    let filled = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
    if let Some(hostname) = filled(&spec.hostname_override) {
        return Names { hostname, ..Names::default() };
    }
    if spec.host_network.unwrap_or_default() {
        return Names { hostname: node_hostname.to_owned(), ..Names::default() };
    }
    let hostname = filled(&spec.hostname).unwrap_or_else(|| {
        // The kernel takes 64 bytes; a label has 63 and ends in a letter or digit.
        let cut: String = pod_name.chars().take(63).collect();
        cut.trim_end_matches(['-', '.']).to_owned()
    });
    let domain = filled(&spec.subdomain).map(|sub| format!("{sub}.{namespace}.svc.{cluster_domain}")).unwrap_or_default();
    let as_fqdn = spec.set_hostname_as_fqdn.unwrap_or_default() && !domain.is_empty();
    Names { hostname, domain, as_fqdn }
}

impl Names {
    /// What the kernel is told.
    pub fn kernel(&self) -> String {
        if self.as_fqdn { format!("{}.{}", self.hostname, self.domain) } else { self.hostname.clone() }
    }
}

/// `/etc/hosts` of a pod with its own network.
pub fn hosts(addresses: &[IpAddr], names: &Names, aliases: &[HostAlias]) -> String {
    let mut text = String::from(concat!(
        "# Kubernetes-managed hosts file.\n",
        "127.0.0.1\tlocalhost\n",
        "::1\tlocalhost ip6-localhost ip6-loopback\n",
        "fe00::0\tip6-localnet\n",
        "fe00::0\tip6-mcastprefix\n",
        "fe00::1\tip6-allnodes\n",
        "fe00::2\tip6-allrouters\n",
    ));
    for address in addresses {
        if names.domain.is_empty() {
            text.push_str(&format!("{address}\t{}\n", names.hostname));
        } else {
            text.push_str(&format!("{address}\t{0}.{1}\t{0}\n", names.hostname, names.domain));
        }
    }
    text.push_str(&alias_lines(aliases));
    text
}

/// `/etc/hosts` of a pod on the host's network: the node's own file.
pub fn node_hosts(node_file: &str, aliases: &[HostAlias]) -> String {
    format!("# Kubernetes-managed hosts file (host network).\n{node_file}{}", alias_lines(aliases))
}

fn alias_lines(aliases: &[HostAlias]) -> String {
    if aliases.is_empty() {
        return String::new();
    }
    let mut text = String::from("\n# Entries added by HostAliases.\n");
    for alias in aliases {
        text.push_str(&format!("{}\t{}\n", alias.ip, alias.hostnames.as_deref().unwrap_or_default().join("\t")));
    }
    text
}

/// Writes the three files into `directory` and answers their mounts.
pub fn write(directory: &Path, hosts: &str, hostname: &str, resolv_conf: &str) -> std::io::Result<Vec<Mount>> {
    std::fs::create_dir_all(directory)?;
    let mut mounts = Vec::with_capacity(3);
    for (name, text) in [("hosts", hosts), ("hostname", &format!("{hostname}\n")), ("resolv.conf", resolv_conf)] {
        let source = directory.join(name);
        // Written in place: the file may be mounted already.
        if std::fs::read_to_string(&source).ok().as_deref() != Some(text) {
            std::fs::write(&source, text)?;
        }
        mounts.push(Mount { source, target: PathBuf::from("/etc").join(name), ..Mount::default() });
    }
    Ok(mounts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn host_names() {
        let check = |spec: object::Value, hostname: &str, domain: &str| {
            let mut spec = spec;
            spec["containers"] = json!([]);
            let spec: PodSpec = typed::part(&spec).unwrap();
            let names = names(&spec, "web-0", "shop", "cluster.local", "node1");
            assert_eq!((names.hostname.as_str(), names.domain.as_str()), (hostname, domain));
        };
        check(json!({}), "web-0", "");
        check(json!({"hostname": "h"}), "h", "");
        check(json!({"hostname": "h", "subdomain": "web"}), "h", "web.shop.svc.cluster.local");
        check(json!({"hostNetwork": true, "hostname": "h"}), "node1", "");
        check(json!({"hostnameOverride": "over"}), "over", "");
    }

    #[test]
    fn long_names_are_cut_to_a_label() {
        let spec = PodSpec::default();
        let name = format!("{}-tail", "a".repeat(62));
        assert_eq!(names(&spec, &name, "n", "d", "").hostname, "a".repeat(62));
    }

    #[test]
    fn hosts_file() {
        let names = Names { hostname: "web-0".into(), domain: "web.shop.svc.cluster.local".into(), as_fqdn: false };
        let aliases = [HostAlias { ip: "192.0.2.9".into(), hostnames: Some(vec!["a".into(), "b".into()]) }];
        let text = hosts(&["10.42.0.7".parse().unwrap()], &names, &aliases);
        assert!(text.starts_with("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n"));
        assert!(text.ends_with("10.42.0.7\tweb-0.web.shop.svc.cluster.local\tweb-0\n\n# Entries added by HostAliases.\n192.0.2.9\ta\tb\n"));
        assert_eq!(node_hosts("x\n", &[]), "# Kubernetes-managed hosts file (host network).\nx\n");
    }
}
