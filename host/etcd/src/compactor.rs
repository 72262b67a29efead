//! Forgets history that is older than the interval, once for all servers (`apiserver/pkg/storage/etcd3/compact.go`).
//!
//! One key's version is the servers' common clock: whoever raises it compacts to the revision that was current one interval
//! before; the others take over the new version and wait for the next turn. So history is kept for one to two intervals,
//! however many servers there are.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tonic::Status;

use crate::failure;
use crate::members::{Members, Repeat};
use crate::proto::{
    CompactionRequest, CompactionResponse, Compare, Equals, PutRequest, RangeRequest, Request, RequestOp, Target, TxnRequest, TxnResponse,
    method,
};

/// The same key as upstream's, outside of every prefix: compaction is of the whole etcd.
pub const KEY: &[u8] = b"compact_rev_key";

/// What one turn leaves for the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Turn {
    /// The key's version, as last seen.
    version: i64,
    /// To compact to, at the next turn; 0: this is the first turn.
    revision: i64,
}

pub async fn run(members: Arc<Members>, interval: Duration) {
    let mut turn = Turn::default();
    loop {
        tokio::time::sleep(interval).await;
        match once(&members, turn).await {
            Ok(next) => turn = next,
            Err(status) => tracing::warn!(error = failure::told(&status), "etcd was not compacted"),
        }
    }
}

async fn once(members: &Members, turn: Turn) -> Result<Turn, Status> {
    let key = Bytes::from_static(KEY);
    let compare = Compare { target: Target::Version as i32, key: key.clone(), equals: Some(Equals::Version(turn.version)) };
    let op = |request| vec![RequestOp { request: Some(request) }];
    let txn = TxnRequest {
        compare: vec![compare],
        success: op(Request::Put(PutRequest { key: key.clone(), value: turn.revision.to_string().into() })),
        failure: op(Request::Range(RangeRequest { key, ..RangeRequest::default() })),
    };
    let answer: TxnResponse = members.call(method::TXN, txn, Repeat::Cautiously).await?;
    let revision = answer.header.map_or(0, |header| header.revision);
    if !answer.succeeded {
        let kv = answer.responses.into_iter().next().and_then(|r| r.range).and_then(|r| r.kvs.into_iter().next());
        return Ok(Turn { version: kv.map_or(0, |kv| kv.version), revision });
    }
    let next = Turn { version: turn.version + 1, revision };
    if turn.revision > 0 {
        let request = CompactionRequest { revision: turn.revision };
        let _: CompactionResponse = members.call(method::COMPACT, request, Repeat::Freely).await?;
        tracing::debug!(revision = turn.revision, "etcd was compacted");
    }
    Ok(next)
}

/// For tests: two turns of one server after another.
#[cfg(test)]
pub async fn turns(members: &Members, count: usize) {
    let mut turn = Turn::default();
    for _ in 0..count {
        turn = once(members, turn).await.unwrap();
    }
}
