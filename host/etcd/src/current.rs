//! etcd's revision now: one linearizable read for all who ask while the one before is under way.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use store::Revision;

use crate::Seen;
use crate::compactor;
use crate::failure;
use crate::members::{Members, Repeat};
use crate::proto::{RangeRequest, RangeResponse, method};

type Flight = Shared<BoxFuture<'static, Result<Revision, Arc<str>>>>;

pub struct Current {
    members: Arc<Members>,
    seen: Arc<Seen>,
    /// The read that has not begun: who asks now may share it. It begins when the one before has ended.
    next: Arc<Mutex<Option<Flight>>>,
    gate: Arc<tokio::sync::Mutex<()>>,
}

impl Current {
    pub fn new(members: Arc<Members>, seen: Arc<Seen>) -> Self {
        Self { members, seen, next: Arc::default(), gate: Arc::default() }
    }

    /// A revision not older than the call.
    pub async fn get(&self) -> Result<Revision, Arc<str>> {
        let flight = self.next.lock().get_or_insert_with(|| self.flight()).clone();
        flight.await
    }

    fn flight(&self) -> Flight {
        let (members, seen, next, gate) = (self.members.clone(), self.seen.clone(), self.next.clone(), self.gate.clone());
        let read = async move {
            let _gate = gate.lock().await;
            // From here on a caller needs another read.
            next.lock().take();
            let request = RangeRequest { key: Bytes::from_static(compactor::KEY), count_only: true, ..RangeRequest::default() };
            match members.call::<_, RangeResponse>(method::RANGE, request, Repeat::Freely).await {
                Ok(answer) => Ok(seen.note(answer.header.map_or(0, |header| header.revision))),
                Err(status) => Err(failure::told(&status).into()),
            }
        };
        read.boxed().shared()
    }
}
