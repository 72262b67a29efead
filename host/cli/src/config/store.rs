//! Flags of the store and of leader election. Names and defaults are kube-apiserver's and kube-controller-manager's.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// One file in the data directory, for one server.
    Redb,
    /// An etcd cluster, for any number of servers.
    Etcd,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "State")]
pub struct StoreArgs {
    /// Where the state is kept
    #[arg(long, value_enum, default_value_t = Engine::Redb)]
    pub store: Engine,

    /// URL of an etcd member, http://HOST:PORT or https://HOST:PORT (may be repeated or comma-separated)
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    pub etcd_servers: Vec<String>,

    /// CA that signed etcd's certificates
    #[arg(long, value_name = "FILE")]
    pub etcd_cafile: Option<PathBuf>,

    /// Certificate that etcd knows this server by
    #[arg(long, value_name = "FILE", requires = "etcd_keyfile")]
    pub etcd_certfile: Option<PathBuf>,

    /// Key of --etcd-certfile
    #[arg(long, value_name = "FILE", requires = "etcd_certfile")]
    pub etcd_keyfile: Option<PathBuf>,

    /// What every key in etcd begins with; clusters that share an etcd need different ones
    #[arg(long, value_name = "PREFIX", default_value = "/registry")]
    pub etcd_prefix: String,

    /// History that etcd keeps, such as 5m; 0: nothing is compacted by this server
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub etcd_compaction_interval: Duration,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Leader election")]
pub struct LeaderArgs {
    /// Controllers and scheduler run on one server at a time [default: true with --store etcd]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    leader_elect: Option<bool>,

    /// Others take over when the leader did not renew its lease for this long
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration)]
    leader_elect_lease_duration: Duration,

    /// The leader gives up when it could not renew for this long
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    leader_elect_renew_deadline: Duration,

    /// Between tries to take or renew the lease
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    leader_elect_retry_period: Duration,
}

impl StoreArgs {
    /// Whether several servers may work on this store.
    pub fn is_shared(&self) -> bool {
        self.store == Engine::Etcd
    }

    pub fn etcd(&self) -> Result<etcd::Config> {
        if self.etcd_servers.is_empty() {
            bail!("--store etcd needs --etcd-servers");
        }
        Ok(etcd::Config {
            servers: self.etcd_servers.clone(),
            ca_file: self.etcd_cafile.clone(),
            cert_file: self.etcd_certfile.clone(),
            key_file: self.etcd_keyfile.clone(),
            namespace: namespace(&self.etcd_prefix),
            compaction_interval: Some(self.etcd_compaction_interval).filter(|interval| !interval.is_zero()),
            ..etcd::Config::default()
        })
    }

    /// Refuses flags that would be without effect.
    pub fn check(&self) -> Result<()> {
        match self.store {
            Engine::Etcd => self.etcd().map(drop),
            Engine::Redb if !self.etcd_servers.is_empty() => bail!("--etcd-servers goes with --store etcd"),
            Engine::Redb => Ok(()),
        }
    }
}

impl LeaderArgs {
    /// How to elect; `None`: this server is the only one. A server on a store of its own would wait for its own lease after
    /// a crash, so it elects only when told to.
    pub fn settings(&self, shared: bool) -> Result<Option<client::LeaseSettings>> {
        if !self.leader_elect.unwrap_or(shared) {
            return Ok(None);
        }
        let (lease, renew, retry) = (self.leader_elect_lease_duration, self.leader_elect_renew_deadline, self.leader_elect_retry_period);
        // `LeaderElectionConfig` of client-go: renewal must be tried more than once, and the leader gives up before others begin.
        if lease <= renew || renew <= retry.mul_f32(1.2) || retry.is_zero() {
            bail!(
                "--leader-elect-lease-duration must exceed --leader-elect-renew-deadline, and that --leader-elect-retry-period by a fifth"
            );
        }
        Ok(Some(client::LeaseSettings { lease, renew, retry }))
    }
}

/// Our keys begin with `/registry` themselves: what stands before that.
fn namespace(prefix: &str) -> String {
    let prefix = prefix.trim_matches('/');
    let prefix = prefix.strip_suffix("registry").filter(|rest| rest.is_empty() || rest.ends_with('/')).unwrap_or(prefix);
    let prefix = prefix.trim_end_matches('/');
    if prefix.is_empty() { String::new() } else { format!("/{prefix}") }
}

/// Go's `time.ParseDuration` as far as flags need it: `1h30m`, `5m`, `10s`, `500ms`, `0`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration such as 5m, 10s or 500ms");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut rest, mut sum) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = rest.split_at(digits);
        let number: u32 = number.parse().map_err(|_| wrong())?;
        let end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, left) = unit.split_at(end);
        let unit = match unit {
            "h" => Duration::from_secs(3600),
            "m" => Duration::from_secs(60),
            "s" => Duration::from_secs(1),
            "ms" => Duration::from_millis(1),
            _ => return Err(wrong()),
        };
        sum = unit.checked_mul(number).and_then(|part| sum.checked_add(part)).ok_or_else(wrong)?;
        rest = left;
    }
    if text.is_empty() { Err(wrong()) } else { Ok(sum) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, expect) in [
            ("0", Some(0)),
            ("5m", Some(300_000)),
            ("5m0s", Some(300_000)),
            ("1h30m", Some(5_400_000)),
            ("500ms", Some(500)),
            ("1m500ms", Some(60_500)),
            ("", None),
            ("5", None),
            ("m", None),
            ("-1s", None),
            ("5x", None),
        ] {
            assert_eq!(duration(text).ok(), expect.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn the_prefix_becomes_what_stands_before_our_keys() {
        for (prefix, expect) in [
            ("/registry", ""),
            ("registry/", ""),
            ("/", ""),
            ("/a", "/a"),
            ("/a/registry", "/a"),
            ("/a/b/", "/a/b"),
            ("/myregistry", "/myregistry"),
        ] {
            assert_eq!(namespace(prefix), expect, "{prefix}");
        }
    }
}
