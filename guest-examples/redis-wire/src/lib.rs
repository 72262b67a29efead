//! The protocol of Redis (RESP) on TCP: whole messages, as bytes, so that they can be passed on as they came.

use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::{ErrorCode, IpAddress, resolve_addresses};
use wstd::io::{AsyncPollable, AsyncRead, AsyncWrite};
use wstd::net::TcpStream;

/// Longest message: Redis' own limit of a string.
const LONGEST: usize = 512 << 20;

/// One connection.
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub async fn connect(address: SocketAddr) -> Result<Self> {
        TcpStream::connect_addr(address).await.map(Self::new)
    }

    /// The next message, whole; `None` when the other side has closed.
    pub async fn read(&mut self) -> Result<Option<Vec<u8>>> {
        let mut chunk = [0; 16 << 10];
        loop {
            if let Some(end) = end(&self.buffer, 0)? {
                let rest = self.buffer.split_off(end);
                return Ok(Some(std::mem::replace(&mut self.buffer, rest)));
            }
            if self.buffer.len() > LONGEST {
                return Err(malformed("a message is too long"));
            }
            match (&self.stream).read(&mut chunk).await? {
                0 if self.buffer.is_empty() => return Ok(None),
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => self.buffer.extend_from_slice(&chunk[..read]),
            }
        }
    }

    pub async fn write(&mut self, message: &[u8]) -> Result<()> {
        (&self.stream).write_all(message).await?;
        (&self.stream).flush().await
    }

    /// Sends a command and gives the reply as it came.
    pub async fn ask(&mut self, command: &[u8]) -> Result<Vec<u8>> {
        self.write(command).await?;
        self.read().await?.ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }

    /// The same with words; a reply that is an error is an error.
    pub async fn call(&mut self, words: &[&str]) -> Result<Reply> {
        let reply = self.ask(&command(words)).await?;
        match Reply::read(&reply)? {
            Reply::Error(message) => Err(Error::other(message)),
            reply => Ok(reply),
        }
    }
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Text(String),
    Number(i64),
    Nothing,
    List(Vec<Reply>),
    Error(String),
}

impl Reply {
    fn read(bytes: &[u8]) -> Result<Self> {
        let (line, after) = line(bytes, 0).ok_or_else(|| malformed("a reply is cut"))?;
        let text = || String::from_utf8_lossy(line.get(1..).unwrap_or_default()).into_owned();
        Ok(match line.first() {
            Some(b'+') => Self::Text(text()),
            Some(b'-') => Self::Error(text()),
            Some(b':') => Self::Number(number(line)?),
            Some(b'$') if number(line)? < 0 => Self::Nothing,
            Some(b'*') if number(line)? < 0 => Self::Nothing,
            Some(b'$') => {
                let content = bytes.get(after..bytes.len().saturating_sub(2)).unwrap_or_default();
                Self::Text(String::from_utf8_lossy(content).into_owned())
            }
            Some(b'*') => {
                let mut list = Vec::new();
                let mut at = after;
                for _ in 0..number(line)? {
                    let end = end(bytes, at)?.ok_or_else(|| malformed("a reply is cut"))?;
                    list.push(Self::read(&bytes[at..end])?);
                    at = end;
                }
                Self::List(list)
            }
            _ => return Err(malformed("a reply of an unknown kind")),
        })
    }

    /// All texts in it.
    pub fn texts(self) -> Vec<String> {
        match self {
            Self::Text(text) => vec![text],
            Self::List(list) => list.into_iter().flat_map(Self::texts).collect(),
            _ => Vec::new(),
        }
    }
}

/// A command as clients send it.
pub fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

/// The first word of a command, in capitals.
pub fn name(message: &[u8]) -> String {
    let mut lines = message.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.next().unwrap_or_default();
    let word = if first.first() == Some(&b'*') { lines.nth(1).unwrap_or_default() } else { first };
    String::from_utf8_lossy(word).split_whitespace().next().unwrap_or_default().to_uppercase()
}

/// Where the message that begins at `at` ends; `None`: not all of it is here.
fn end(bytes: &[u8], at: usize) -> Result<Option<usize>> {
    let Some((line, after)) = line(bytes, at) else { return Ok(None) };
    let parts = match line.first() {
        Some(b'$' | b'=' | b'!') => {
            let length = number(line)?;
            let end = usize::try_from(length).map_or(after, |length| after + length + 2);
            return Ok((bytes.len() >= end).then_some(end));
        }
        Some(b'*' | b'~' | b'>') => number(line)?,
        Some(b'%') => number(line)? * 2,
        _ => 0,
    };
    let mut at = after;
    for _ in 0..parts {
        match end(bytes, at)? {
            Some(end) => at = end,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

fn line(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = bytes.get(at..)?;
    let length = rest.iter().position(|byte| *byte == b'\n')?;
    let line = &rest[..length];
    Some((line.strip_suffix(b"\r").unwrap_or(line), at + length + 1))
}

fn number(line: &[u8]) -> Result<i64> {
    let text = std::str::from_utf8(line.get(1..).unwrap_or_default()).ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| malformed("a length is no number"))
}

fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

/// All addresses of `host:port`, as the cluster's DNS knows them now.
pub async fn resolve(name: &str) -> Result<Vec<SocketAddr>> {
    let (host, port) = name.rsplit_once(':').ok_or_else(|| malformed("an address is host:port"))?;
    let port: u16 = port.parse().map_err(|_| malformed("a port is a number"))?;
    let stream = resolve_addresses(&instance_network(), host).map_err(|code| Error::other(format!("{host}: {code}")))?;
    let mut found = Vec::new();
    loop {
        match stream.resolve_next_address() {
            Ok(Some(IpAddress::Ipv4((a, b, c, d)))) => found.push(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), port)),
            Ok(Some(IpAddress::Ipv6(_))) => {}
            Ok(None) => return Ok(found),
            Err(ErrorCode::WouldBlock) => AsyncPollable::new(stream.subscribe()).wait_for().await,
            Err(code) => return Err(Error::other(format!("{host}: {code}"))),
        }
    }
}
