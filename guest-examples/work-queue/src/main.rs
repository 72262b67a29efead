//! `work-queue`: a worker. Items are texts in the Redis list `queue`; what was done is counted in the hash `done`, by item, and
//! who did it is in the hash `by`.
//!
//! Taking an item moves it to the worker's own list, in one step. Doing it ends with one step, too: it leaves the list and is
//! counted as done, or neither. A worker shows that it lives by a key that expires; the items of one whose key is gone are put
//! back by whoever sees it first. So an item is counted once, whatever dies in between; its work itself may be begun twice, and
//! has to stand that.
//!
//! `REDIS` (host:port), `WORKER` (a name of its own), `LEASE_SECONDS` (default 5). An item `name:500` takes 500 ms.

use redis_wire::{Reply, Wire, resolve};
use std::io::{Error, Result};
use wstd::task::sleep;
use wstd::time::Duration;

/// Ends an item in one step: 1 if it was still ours.
const FINISH: &str = "if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return 0 end \
    redis.call('HINCRBY', 'done', ARGV[1], 1) redis.call('HSET', 'by', ARGV[1], ARGV[2]) return 1";

/// Puts the items of a worker back in one step, if it is gone.
const RECLAIM: &str = "if redis.call('EXISTS', 'alive:' .. ARGV[1]) == 1 then return 0 end \
    local count = 0 while redis.call('LMOVE', KEYS[1], 'queue', 'RIGHT', 'RIGHT') do count = count + 1 end \
    redis.call('SREM', 'workers', ARGV[1]) return count";

struct Worker {
    name: String,
    lease: u64,
    redis: Wire,
}

#[wstd::main]
async fn main() -> Result<()> {
    let setting = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let name = setting("WORKER", &setting("HOSTNAME", "worker"));
    let lease = setting("LEASE_SECONDS", "5").parse().map_err(|_| Error::other("LEASE_SECONDS is no number"))?;
    loop {
        let ended = work(&name, lease, &setting("REDIS", "redis:6379")).await;
        println!("begin again: {}", ended.err().map(|error| error.to_string()).unwrap_or_default());
        sleep(Duration::from_millis(500)).await;
    }
}

/// Works until Redis is gone.
async fn work(name: &str, lease: u64, redis: &str) -> Result<()> {
    let address = resolve(redis).await?.first().copied().ok_or_else(|| Error::other("Redis has no address"))?;
    let mut worker = Worker { name: name.to_owned(), lease, redis: Wire::connect(address).await? };
    println!("{name} works for {redis}");
    loop {
        worker.live().await?;
        worker.reclaim().await?;
        let own = worker.own();
        let taken = worker.redis.call(&["BLMOVE", "queue", &own, "RIGHT", "LEFT", "1"]).await?;
        if let Reply::Text(item) = taken {
            worker.process(&item).await?;
        }
    }
}

impl Worker {
    fn own(&self) -> String {
        format!("processing:{}", self.name)
    }

    async fn live(&mut self) -> Result<()> {
        let (name, key, lease) = (self.name.clone(), format!("alive:{}", self.name), self.lease.to_string());
        self.redis.call(&["SADD", "workers", &name]).await?;
        self.redis.call(&["SET", &key, "1", "EX", &lease]).await.map(drop)
    }

    async fn reclaim(&mut self) -> Result<()> {
        for other in self.redis.call(&["SMEMBERS", "workers"]).await?.texts() {
            let list = format!("processing:{other}");
            if let Reply::Number(count @ 1..) = self.redis.call(&["EVAL", RECLAIM, "1", &list, &other]).await? {
                println!("{other} is gone: {count} items are put back");
            }
        }
        Ok(())
    }

    async fn process(&mut self, item: &str) -> Result<()> {
        println!("begin {item}");
        let takes = item.rsplit_once(':').and_then(|(_, takes)| takes.parse().ok()).unwrap_or(10);
        let mut left = Duration::from_millis(takes);
        // The sign of life is renewed three times within its term.
        let step = Duration::from_millis(self.lease * 333);
        while left > Duration::from_millis(0) {
            let pause = left.min(step);
            sleep(pause).await;
            left -= pause;
            self.live().await?;
        }
        let (own, name) = (self.own(), self.name.clone());
        let finished = self.redis.call(&["EVAL", FINISH, "1", &own, item, &name]).await?;
        println!("{} {item}", if finished == Reply::Number(1) { "done" } else { "too late for" });
        Ok(())
    }
}
