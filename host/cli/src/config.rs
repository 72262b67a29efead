//! The only reader of flags and of the configuration file. Names and defaults follow k3s' server flags.

pub mod cloud;
pub mod store;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use net::Cidr;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Read when it exists and `--config` does not name another.
const DEFAULT_FILE: &str = "/etc/coracle/config.yaml";

/// Parts that `--disable` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    Scheduler,
    Controllers,
    /// The node agent: no pods run here.
    Agent,
    /// The service proxy: Services have no virtual addresses.
    Proxy,
    Dns,
    /// Plugins in wasm.
    Plugins,
}

#[derive(Args, Debug)]
#[command(args_override_self = true)]
pub struct ServerArgs {
    /// Configuration file: YAML with the names of these flags [default: /etc/coracle/config.yaml when it exists]
    #[arg(long, short = 'c', value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Where state, certificates, images and pods are kept [default: /var/lib/coracle, or ~/.local/share/coracle]
    #[arg(long, short = 'd', value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Address the API server listens on
    #[arg(long, value_name = "IP", default_value = "0.0.0.0", help_heading = "Listener")]
    pub bind_address: IpAddr,

    /// Port the API server listens on; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 6443, help_heading = "Listener")]
    pub https_listen_port: u16,

    /// Address that pods and other nodes reach the API server by [default: the node's]
    #[arg(long, value_name = "IP", help_heading = "Listener")]
    pub advertise_address: Option<IpAddr>,

    /// Further host name or address for the server's certificate (may be repeated)
    #[arg(long, value_name = "NAME", help_heading = "Listener")]
    pub tls_san: Vec<String>,

    /// PEM of the PKCS#8 key on P-256 that signs service account tokens; servers of one cluster need the same
    /// [default: <data-dir>/tls/service-account.key]
    #[arg(long, value_name = "FILE", help_heading = "Identity")]
    pub service_account_signing_key_file: Option<PathBuf>,

    /// Issuer that service account tokens name [default: https://kubernetes.default.svc.<cluster-domain>]
    #[arg(long, value_name = "URL", help_heading = "Identity")]
    pub service_account_issuer: Option<String>,

    /// Audiences that a service account token must be for [default: the issuer]
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Identity")]
    pub api_audiences: Vec<String>,

    /// Where the administrator's kubeconfig is written [default: /etc/coracle/coracle.yaml, or <data-dir>/coracle.yaml]
    #[arg(long, short = 'o', value_name = "FILE", help_heading = "Client")]
    write_kubeconfig: Option<PathBuf>,

    /// Name of this node [default: the host's name]
    #[arg(long, value_name = "NAME", help_heading = "Node")]
    node_name: Option<String>,

    /// Address of this node [default: the first global one, or the bridge's]
    #[arg(long, value_name = "IP", help_heading = "Node")]
    pub node_ip: Option<IpAddr>,

    /// Label of this node, key=value (may be repeated)
    #[arg(long, value_name = "LABEL", help_heading = "Node")]
    pub node_label: Vec<String>,

    /// Taint of this node, key=value:effect (may be repeated)
    #[arg(long, value_name = "TAINT", help_heading = "Node")]
    pub node_taint: Vec<String>,

    /// Pods this node takes
    #[arg(long, value_name = "N", default_value_t = 250, help_heading = "Node")]
    pub max_pods: u32,

    /// Port of the node agent's HTTPS endpoint; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 10250, help_heading = "Node")]
    pub kubelet_port: u16,

    /// Image archives (.tar) and components (.wasm) in this directory are imported at start [default: <data-dir>/images/import]
    #[arg(long, value_name = "DIR", help_heading = "Node")]
    image_dir: Option<PathBuf>,

    /// Registry host[:port] that is spoken to over plain HTTP (may be repeated)
    #[arg(long, value_name = "HOST", help_heading = "Node")]
    pub insecure_registry: Vec<String>,

    /// This node's pod addresses
    #[arg(long, value_name = "CIDR", default_value = "10.42.0.0/24", help_heading = "Network")]
    pub cluster_cidr: Cidr,

    /// Addresses of Services
    #[arg(long, value_name = "CIDR", default_value = "10.43.0.0/16", help_heading = "Network")]
    pub service_cidr: Cidr,

    /// Ports of NodePort Services
    #[arg(long, value_name = "FROM-TO", default_value = "30000-32767", value_parser = port_range, help_heading = "Network")]
    pub service_node_port_range: (u16, u16),

    /// Address of the cluster's DNS [default: the tenth of --service-cidr]
    #[arg(long, value_name = "IP", help_heading = "Network")]
    cluster_dns: Option<Ipv4Addr>,

    /// Domain of the cluster
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local", help_heading = "Network")]
    pub cluster_domain: String,

    /// Name of the bridge that pods are on
    #[arg(long, value_name = "NAME", default_value = "coracle0", help_heading = "Network")]
    pub bridge: String,

    /// Switches API groups, versions and resources off and on: apps/v1=false, batch/v1/jobs=false, v1 (core), api/all, api/ga,
    /// api/beta, api/alpha (may be repeated or comma-separated)
    #[arg(long, value_name = "KEY=BOOL", help_heading = "API")]
    pub runtime_config: Vec<String>,

    #[command(flatten)]
    pub cloud: cloud::CloudArgs,

    #[command(flatten)]
    pub store: store::StoreArgs,

    #[command(flatten)]
    pub leader: store::LeaderArgs,

    /// KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1): profiles, their plugins, weights and arguments
    #[arg(long, value_name = "FILE", help_heading = "Parts")]
    pub scheduler_config: Option<PathBuf>,

    #[command(flatten)]
    pub verification: crate::fetch::VerificationArgs,

    /// Part that does not run (may be repeated or comma-separated)
    #[arg(long, value_name = "PART", value_delimiter = ',', help_heading = "Parts")]
    pub disable: Vec<Part>,

    /// What is logged: error, warn, info, debug, trace, or a filter such as info,scheduler=debug
    #[arg(long, value_name = "FILTER", default_value = "info", help_heading = "Logging")]
    pub log_level: String,

    /// Log as JSON lines
    #[arg(long, help_heading = "Logging")]
    pub log_json: bool,
}

impl ServerArgs {
    pub fn data_dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(default_data_dir)
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.write_kubeconfig.clone().unwrap_or_else(|| {
            if nix::unistd::geteuid().is_root() { "/etc/coracle/coracle.yaml".into() } else { self.data_dir().join("coracle.yaml") }
        })
    }

    pub fn image_dir(&self) -> PathBuf {
        self.image_dir.clone().unwrap_or_else(|| self.data_dir().join("images/import"))
    }

    pub fn cluster_dns(&self) -> Result<Ipv4Addr> {
        let tenth = self.service_cidr.nth(10);
        let address = self.cluster_dns.or(tenth).context("--service-cidr has no tenth address; give --cluster-dns")?;
        if !self.service_cidr.contains(address) {
            bail!("--cluster-dns {address} is not in --service-cidr {}", self.service_cidr);
        }
        Ok(address)
    }

    /// The node's name, as a valid object name.
    pub fn node_name(&self) -> Result<String> {
        let name = match &self.node_name {
            Some(name) => name.clone(),
            None => nix::unistd::gethostname()?.to_string_lossy().to_ascii_lowercase(),
        };
        let wrong = object::names::dns1123_subdomain(&name);
        if let Some(reason) = wrong.first() {
            bail!("node name {name:?} is invalid: {reason}; give another with --node-name");
        }
        Ok(name)
    }

    pub fn runs(&self, part: Part) -> bool {
        !self.disable.contains(&part)
    }
}

pub fn default_data_dir() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return "/var/lib/coracle".into();
    }
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    std::env::var_os("XDG_DATA_HOME").map_or_else(|| home.join(".local/share"), PathBuf::from).join("coracle")
}

fn port_range(text: &str) -> Result<(u16, u16), String> {
    let ends = text.split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    ends.filter(|(from, to)| from <= to && *from > 0).ok_or_else(|| "write it as 30000-32767".to_owned())
}

/// Puts the file's settings before the flags of `server`, so that flags win and lists add up.
pub fn with_file(args: impl IntoIterator<Item = OsString>) -> Result<Vec<OsString>> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    if args.get(1).is_none_or(|a| a != "server") {
        return Ok(args);
    }
    let named = args.iter().enumerate().find_map(|(i, arg)| {
        let text = arg.to_str()?;
        match text.split_once('=') {
            Some(("--config" | "-c", file)) => Some(PathBuf::from(file)),
            None if text == "--config" || text == "-c" => args.get(i + 1).map(PathBuf::from),
            _ => None,
        }
    });
    let file = match named {
        Some(file) => file,
        None if Path::new(DEFAULT_FILE).is_file() => DEFAULT_FILE.into(),
        None => return Ok(args),
    };
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read the configuration file {}", file.display()))?;
    let flags = flags_of(&text).with_context(|| format!("configuration file {}", file.display()))?;
    args.splice(2..2, flags);
    Ok(args)
}

fn flags_of(text: &str) -> Result<Vec<OsString>> {
    use serde_yaml_ng::Value;
    let known = <ServerArgs as Args>::augment_args(clap::Command::new("server"));
    let settings: Value = serde_yaml_ng::from_str(text)?;
    let map = match settings {
        Value::Null => return Ok(Vec::new()),
        Value::Mapping(map) => map,
        _ => bail!("it must be a mapping of flag names to values"),
    };
    let mut flags = Vec::new();
    for (key, value) in map {
        let Some(key) = key.as_str() else { bail!("setting {key:?} is no name") };
        let Some(arg) = known.get_arguments().find(|a| a.get_long() == Some(key)) else {
            bail!("unknown setting {key:?}; `coracle server --help` lists them");
        };
        let is_switch = matches!(arg.get_action(), clap::ArgAction::SetTrue);
        let values = match value {
            Value::Sequence(list) => list,
            one => vec![one],
        };
        for value in values {
            let text = match value {
                Value::Bool(on) if is_switch => {
                    if on {
                        flags.push(format!("--{key}").into());
                    }
                    continue;
                }
                Value::Bool(b) => b.to_string(),
                Value::Number(n) => n.to_string(),
                Value::String(s) => s,
                other => bail!("setting {key:?} cannot be {other:?}"),
            };
            flags.push(format!("--{key}={text}").into());
        }
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_becomes_flags() {
        for (text, expect) in [
            ("", Ok(vec![])),
            ("https-listen-port: 7443\nlog-json: true", Ok(vec!["--https-listen-port=7443", "--log-json"])),
            ("log-json: false", Ok(vec![])),
            ("disable: [dns, proxy]", Ok(vec!["--disable=dns", "--disable=proxy"])),
            ("tls-san: a.example", Ok(vec!["--tls-san=a.example"])),
            ("datadir: /x", Err("unknown setting \"datadir\"")),
            ("- a", Err("it must be a mapping")),
            ("node-label: {a: b}", Err("setting \"node-label\" cannot be")),
        ] {
            match (flags_of(text), expect) {
                (Ok(flags), Ok(expect)) => assert_eq!(flags, expect.into_iter().map(OsString::from).collect::<Vec<_>>(), "{text}"),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (got, expect) => panic!("{text}: {got:?} instead of {expect:?}"),
            }
        }
    }

    #[test]
    fn flags_are_well_formed() {
        <ServerArgs as Args>::augment_args(clap::Command::new("server")).debug_assert();
        assert_eq!(port_range("30000-32767"), Ok((30000, 32767)));
        for wrong in ["30000", "2-1", "a-b", "0-5"] {
            assert!(port_range(wrong).is_err(), "{wrong}");
        }
    }
}
