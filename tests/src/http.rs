//! A request from the node, as a person's browser would make it.

use crate::Cluster;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

impl Cluster {
    /// `GET http://ADDRESS PATH`: status and body, or why there was no answer.
    pub fn http(&self, address: &str, path: &str) -> Result<(u16, String), String> {
        self.sandbox().in_network(|| get(address, path).map_err(|error| error.to_string()))
    }
}

fn get(address: &str, path: &str) -> std::io::Result<(u16, String)> {
    let wrong = |what: &str| std::io::Error::other(what.to_owned());
    let address: SocketAddr = address.parse().map_err(|_| wrong("not an address"))?;
    let patience = Duration::from_secs(5);
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| wrong("an answer without a head"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| wrong("an answer without a status"))?;
    Ok((status, body.to_owned()))
}
