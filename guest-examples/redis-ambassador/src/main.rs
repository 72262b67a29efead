//! `redis-ambassador`: what listens on localhost looks like one Redis. Commands that only read go to the replicas, one after the
//! other in turn; all else, and everything within a transaction, to the primary. The application beside it knows of none of that.
//!
//! `LISTEN` (default 127.0.0.1:6379), `PRIMARY` and `REPLICAS` (host:port; a headless Service gives all replicas).

use redis_wire::{Wire, name, resolve};
use std::cell::Cell;
use std::collections::HashMap;
use std::io::{ErrorKind, Result};
use std::net::SocketAddr;
use std::rc::Rc;
use wstd::iter::AsyncIterator;
use wstd::net::TcpListener;

/// Commands without effect, of those that applications use.
const READS: &[&str] = &[
    "BITCOUNT",
    "BITPOS",
    "DBSIZE",
    "EXISTS",
    "EXPIRETIME",
    "GET",
    "GETBIT",
    "GETRANGE",
    "HEXISTS",
    "HGET",
    "HGETALL",
    "HKEYS",
    "HLEN",
    "HMGET",
    "HSCAN",
    "HSTRLEN",
    "HVALS",
    "KEYS",
    "LINDEX",
    "LLEN",
    "LPOS",
    "LRANGE",
    "MGET",
    "PTTL",
    "SCAN",
    "SCARD",
    "SDIFF",
    "SINTER",
    "SISMEMBER",
    "SMEMBERS",
    "SMISMEMBER",
    "SRANDMEMBER",
    "SSCAN",
    "STRLEN",
    "SUNION",
    "TTL",
    "TYPE",
    "XLEN",
    "XRANGE",
    "ZCARD",
    "ZCOUNT",
    "ZRANGE",
    "ZRANGEBYSCORE",
    "ZRANK",
    "ZREVRANGE",
    "ZSCAN",
    "ZSCORE",
];

/// Needs a connection that the server talks on unasked.
const UNFIT: &[&str] = &["MONITOR", "PSUBSCRIBE", "SSUBSCRIBE", "SUBSCRIBE"];

struct Upstream {
    primary: String,
    replicas: String,
    turn: Cell<usize>,
}

#[wstd::main]
async fn main() -> Result<()> {
    let setting = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let upstream = Rc::new(Upstream {
        primary: setting("PRIMARY", "redis-primary:6379"),
        replicas: setting("REPLICAS", "redis-replicas:6379"),
        turn: Cell::new(0),
    });
    let address = setting("LISTEN", "127.0.0.1:6379");
    let listener = TcpListener::bind(&address).await?;
    println!("{address} is {} for writes and {} for reads", upstream.primary, upstream.replicas);
    let mut incoming = listener.incoming();
    while let Some(stream) = incoming.next().await {
        let (stream, upstream) = (stream?, upstream.clone());
        wstd::runtime::spawn(async move {
            let mut session = Session { upstream, connections: HashMap::new(), transaction: false };
            if let Err(error) = session.serve(Wire::new(stream)).await {
                println!("a client is left: {error}");
            }
        })
        .detach();
    }
    Ok(())
}

/// One client, and its own connections to the servers: what it does to one of them (`SELECT`, `WATCH`) concerns nobody else.
struct Session {
    upstream: Rc<Upstream>,
    connections: HashMap<SocketAddr, Wire>,
    transaction: bool,
}

impl Session {
    async fn serve(&mut self, mut client: Wire) -> Result<()> {
        while let Some(command) = client.read().await? {
            let name = name(&command);
            let reply = if UNFIT.contains(&name.as_str()) {
                format!("-ERR the ambassador does not carry {name}\r\n").into_bytes()
            } else if name == "HELLO" {
                // Every connection behind speaks the older version.
                b"-NOPROTO unsupported protocol version\r\n".to_vec()
            } else if READS.contains(&name.as_str()) && !self.transaction {
                self.read(&command).await
            } else {
                let reply = self.write(&command).await;
                match name.as_str() {
                    "MULTI" | "WATCH" => self.transaction = true,
                    "DISCARD" | "EXEC" | "UNWATCH" => self.transaction = false,
                    _ => {}
                }
                reply
            };
            client.write(&reply).await?;
        }
        Ok(())
    }

    async fn write(&mut self, command: &[u8]) -> Vec<u8> {
        let primary = match resolve(&self.upstream.primary).await {
            Ok(found) => found.first().copied(),
            Err(_) => None,
        };
        let asked = match primary {
            // Not tried again: it may have been done.
            Some(primary) => self.ask(primary, command).await,
            None => Err(ErrorKind::HostUnreachable.into()),
        };
        asked.unwrap_or_else(|error| format!("-ERR primary {}: {error}\r\n", self.upstream.primary).into_bytes())
    }

    /// The next replica in turn, or else another, or else the primary.
    async fn read(&mut self, command: &[u8]) -> Vec<u8> {
        let mut replicas = resolve(&self.upstream.replicas).await.unwrap_or_default();
        replicas.sort();
        let turn = self.upstream.turn.get();
        self.upstream.turn.set(turn.wrapping_add(1));
        for at in 0..replicas.len() {
            let replica = replicas[turn.wrapping_add(at) % replicas.len()];
            match self.ask(replica, command).await {
                // It has not caught up with its primary yet.
                Ok(reply) if reply.starts_with(b"-LOADING") || reply.starts_with(b"-MASTERDOWN") => {}
                Ok(reply) => return reply,
                Err(error) => println!("replica {replica}: {error}"),
            }
        }
        self.write(command).await
    }

    /// With a connection that is kept, or a new one if that was closed meanwhile.
    async fn ask(&mut self, server: SocketAddr, command: &[u8]) -> Result<Vec<u8>> {
        let mut wire = match self.connections.remove(&server) {
            Some(wire) => wire,
            None => Wire::connect(server).await?,
        };
        let reply = wire.ask(command).await?;
        self.connections.insert(server, wire);
        Ok(reply)
    }
}
