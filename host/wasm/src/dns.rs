//! A stub resolver as `resolv.conf(5)` describes it, asking from inside a pod's network namespace. The libc resolver cannot be
//! used: it reads the files of the process and opens its sockets where it likes.

use crate::network::Network;
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use interfaces::network::DnsConfig;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const DNS_PORT: u16 = 53;

/// `RES_TIMEOUT` and `RES_DFLRETRY` of `resolv.h`.
const TIMEOUT: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 2;

/// `resolv.conf` without `ndots`.
const NDOTS: usize = 1;

/// The largest answer taken by UDP; longer ones come truncated and are asked for again by TCP.
const UDP_ANSWER: usize = 4096;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the network is not granted")]
    Denied,
    #[error("{name} is not a host name")]
    Invalid { name: String },
    #[error("no such host: {name}")]
    NotFound { name: String },
    #[error("no name server answers for {name}: {cause}")]
    Unanswered { name: String, cause: String },
}

/// What `/etc/resolv.conf` and `/etc/hosts` of a pod say.
#[derive(Clone, Debug, Default)]
pub struct Resolver {
    servers: Vec<IpAddr>,
    search: Vec<Name>,
    ndots: usize,
    timeout: Duration,
    attempts: u32,
    /// Read at each lookup: the agent may render it again.
    hosts: Option<PathBuf>,
}

impl Resolver {
    pub fn new(config: &DnsConfig, hosts: Option<PathBuf>) -> Self {
        let option =
            |name: &str| config.options.iter().find_map(|option| option.strip_prefix(name)?.strip_prefix(':')?.parse::<u32>().ok());
        Self {
            servers: config.servers.clone(),
            search: config.search.iter().filter_map(|domain| Name::from_str(domain).ok()).collect(),
            ndots: option("ndots").map_or(NDOTS, |n| n as usize),
            timeout: option("timeout").map_or(TIMEOUT, |seconds| Duration::from_secs(u64::from(seconds.clamp(1, 30)))),
            attempts: option("attempts").unwrap_or(ATTEMPTS).clamp(1, 5),
            hosts,
        }
    }

    /// As the machine's own programs resolve names: `/etc/resolv.conf`, `/etc/hosts`.
    pub fn of_machine() -> Self {
        let mut config = DnsConfig::default();
        for line in std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default().lines() {
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => config.servers.extend(words.next().and_then(|address| address.parse::<IpAddr>().ok())),
                Some("search") => config.search = words.map(str::to_owned).collect(),
                Some("options") => config.options = words.map(str::to_owned).collect(),
                _ => {}
            }
        }
        Self::new(&config, Some(PathBuf::from("/etc/hosts")))
    }

    pub async fn resolve(&self, network: &Network, name: &str) -> Result<Vec<IpAddr>, Error> {
        if let Ok(address) = name.parse::<IpAddr>() {
            return Ok(vec![address]);
        }
        if let Some(path) = &self.hosts
            && let Ok(text) = tokio::fs::read_to_string(path).await
        {
            let found = in_hosts(&text, name);
            if !found.is_empty() {
                return Ok(found);
            }
        }
        // RFC 6761, 6.3: never asked of a server.
        if name.trim_end_matches('.').eq_ignore_ascii_case("localhost") {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let mut unanswered = None;
        for candidate in self.candidates(name)? {
            match self.lookup(network, &candidate).await {
                Ok(found) if !found.is_empty() => return Ok(found),
                Ok(_) => {}
                // The next domain of the search list is asked even so, as glibc does; but then the answer is not "no such host".
                Err(cause) => unanswered = Some(cause),
            }
        }
        let name = name.to_owned();
        Err(match unanswered {
            Some(cause) => Error::Unanswered { name, cause },
            None => Error::NotFound { name },
        })
    }

    /// The full names to ask for, in order: as it stands first if it has `ndots` dots, else last.
    fn candidates(&self, name: &str) -> Result<Vec<Name>, Error> {
        let invalid = |_| Error::Invalid { name: name.to_owned() };
        let mut asked = Name::from_utf8(name).map_err(invalid)?;
        if name.is_empty() {
            return Err(Error::Invalid { name: String::new() });
        }
        if asked.is_fqdn() {
            return Ok(vec![asked]);
        }
        let dots = name.matches('.').count();
        let mut candidates: Vec<Name> = self.search.iter().filter_map(|domain| asked.clone().append_domain(domain).ok()).collect();
        asked.set_fqdn(true);
        if dots >= self.ndots {
            candidates.insert(0, asked);
        } else {
            candidates.push(asked);
        }
        for candidate in &mut candidates {
            candidate.set_fqdn(true);
        }
        Ok(candidates)
    }

    /// A and AAAA at the same time, IPv4 first: pod networks always have it.
    async fn lookup(&self, network: &Network, name: &Name) -> Result<Vec<IpAddr>, String> {
        let (v4, v6) = tokio::join!(self.ask(network, name, RecordType::A), self.ask(network, name, RecordType::AAAA));
        match (v4, v6) {
            (Ok(mut v4), Ok(v6)) => {
                v4.extend(v6);
                Ok(v4)
            }
            (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => Ok(found),
            (Err(cause), _) | (_, Err(cause)) => Err(cause),
        }
    }

    async fn ask(&self, network: &Network, name: &Name, kind: RecordType) -> Result<Vec<IpAddr>, String> {
        let mut cause = "the pod has no name server".to_owned();
        for _ in 0..self.attempts {
            for server in &self.servers {
                let server = SocketAddr::new(*server, DNS_PORT);
                match tokio::time::timeout(self.timeout, exchange(network, server, name, kind)).await {
                    Err(_) => cause = format!("{server} does not answer"),
                    Ok(Err(error)) => cause = format!("{server}: {error}"),
                    Ok(Ok(answer)) => match answer.metadata.response_code {
                        ResponseCode::NoError | ResponseCode::NXDomain => return Ok(addresses(&answer)),
                        code => cause = format!("{server} answers {code}"),
                    },
                }
            }
        }
        Err(cause)
    }
}

async fn exchange(network: &Network, server: SocketAddr, name: &Name, kind: RecordType) -> io::Result<Message> {
    let mut query = Message::query();
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(name.clone(), kind));
    let bytes = query.to_vec().map_err(io::Error::other)?;

    let socket = network.udp(server).await?;
    socket.send(&bytes).await?;
    let mut buffer = vec![0; UDP_ANSWER];
    let answer = loop {
        let length = socket.recv(&mut buffer).await?;
        match Message::from_vec(buffer.get(..length).unwrap_or_default()) {
            // Anything else is an answer to someone else's question, or forged.
            Ok(answer) if answers(&answer, &query) => break answer,
            _ => {}
        }
    };
    if !answer.metadata.truncation {
        return Ok(answer);
    }

    let mut stream = network.connect(server).await?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), bytes.as_slice()].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    let answer = Message::from_vec(&answer).map_err(io::Error::other)?;
    if answers(&answer, &query) { Ok(answer) } else { Err(io::ErrorKind::InvalidData.into()) }
}

fn answers(answer: &Message, query: &Message) -> bool {
    answer.metadata.id == query.metadata.id && answer.queries == query.queries
}

/// All addresses, those behind CNAMEs included: the server gives the whole chain.
fn addresses(answer: &Message) -> Vec<IpAddr> {
    let address = |data: &RData| match data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
        _ => None,
    };
    answer.answers.iter().filter_map(|record| address(&record.data)).collect()
}

/// `hosts(5)`: an address and names per line, `#` begins a comment.
fn in_hosts(text: &str, name: &str) -> Vec<IpAddr> {
    let name = name.trim_end_matches('.');
    text.lines()
        .filter_map(|line| {
            let mut words = line.split('#').next()?.split_whitespace();
            let address = words.next()?.parse().ok()?;
            words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(ndots: u32) -> Resolver {
        let config = DnsConfig {
            servers: Vec::new(),
            search: vec!["shop.svc.cluster.local".to_owned(), "svc.cluster.local".to_owned()],
            options: vec![format!("ndots:{ndots}")],
        };
        Resolver::new(&config, None)
    }

    fn check(ndots: u32, name: &str, expect: &[&str]) {
        let names: Vec<String> = cluster(ndots).candidates(name).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(names, expect, "{name} with ndots {ndots}");
    }

    #[test]
    fn search_list() {
        check(5, "web", &["web.shop.svc.cluster.local.", "web.svc.cluster.local.", "web."]);
        check(5, "web.other", &["web.other.shop.svc.cluster.local.", "web.other.svc.cluster.local.", "web.other."]);
        check(1, "example.org", &["example.org.", "example.org.shop.svc.cluster.local.", "example.org.svc.cluster.local."]);
        check(5, "example.org.", &["example.org."]);
        assert!(cluster(5).candidates("").is_err());
    }

    #[test]
    fn hosts_file() {
        let text = "127.0.0.1 localhost\n# 9.9.9.9 web\n10.0.0.7\tweb web.shop # the pod\n::1 localhost\nnonsense web\n";
        assert_eq!(in_hosts(text, "WEB"), ["10.0.0.7".parse::<IpAddr>().unwrap()]);
        assert_eq!(in_hosts(text, "localhost").len(), 2);
        assert!(in_hosts(text, "pod").is_empty());
    }
}
