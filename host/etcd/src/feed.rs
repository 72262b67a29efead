//! One watch of the store: a task that follows etcd and fills a watcher's queue, over the deaths of members.
//!
//! etcd's revisions count writes anywhere in it, and whoever waits for a revision must hear that it has passed. So the feed
//! watches every key of etcd, not only the store's: each revision then comes by as an event, those of other keys become bare
//! marks, and nobody ever asks for progress. (`WatchProgressRequest`, which kube-apiserver uses, is sent too early by etcd
//! before 3.4.25 and 3.5.8 – etcd-io/etcd#15220 – and costs a round trip for every read that waits.)

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use store::watcher::{QueueLimits, Watcher};
use store::{Entry, Error, Event, EventBatch, Revision};
use tonic::{Status, Streaming};

use crate::failure::{self, Meaning};
use crate::members::{Members, Repeat};
use crate::proto::{self, EventType, KeyValue, RangeRequest, RangeResponse, WatchCreateRequest, WatchRequest, WatchResponse};

/// Pause before a broken watch is opened again, doubled up to [`LONGEST_PAUSE`]. Members are tried in turn.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long a member may take to begin a watch.
const OPENING: Duration = Duration::from_secs(5);

pub struct Feed {
    pub watcher: Arc<Watcher>,
    progress: Mutex<Progress>,
}

struct Progress {
    /// Everything up to here was offered to the watcher.
    reached: Revision,
    /// A mark is wanted when this is reached; 0: none.
    wanted: Revision,
}

impl Feed {
    pub fn new(prefix: &[u8], after: Revision) -> Self {
        let progress = Progress { reached: after, wanted: 0 };
        Self { watcher: Arc::new(Watcher::new(prefix, after)), progress: Mutex::new(progress) }
    }

    /// Wants a mark of this revision or a later one.
    pub fn want(&self, revision: Revision) {
        let mut progress = self.progress.lock();
        if progress.reached >= revision {
            self.watcher.mark(progress.reached);
        } else {
            progress.wanted = progress.wanted.max(revision);
        }
    }

    fn reached(&self) -> Revision {
        self.progress.lock().reached
    }

    /// One revision's events of the store's keys; none: others wrote. False: nobody listens any more.
    fn offer(&self, batch: EventBatch) -> bool {
        let mut progress = self.progress.lock();
        progress.reached = batch.revision;
        let bare = batch.events.is_empty();
        let live = self.watcher.offer(std::slice::from_ref(&batch), QueueLimits::default());
        if bare || (1..=progress.reached).contains(&progress.wanted) {
            progress.wanted = 0;
            self.watcher.mark(progress.reached);
        }
        live
    }
}

/// An open watch on one member.
pub struct Open {
    member: usize,
    answers: Streaming<WatchResponse>,
}

impl Open {
    /// What etcd answers to a watch that begins before the compaction point.
    pub async fn compaction_point(&mut self) -> Result<Revision, Status> {
        while let Some(answer) = self.answers.message().await? {
            if answer.compact_revision > 0 {
                return Ok(u64::try_from(answer.compact_revision).unwrap_or_default());
            }
        }
        Err(Status::unavailable("the watch ended"))
    }
}

/// Begins a watch behind a revision and waits until the member has it.
pub async fn open(members: &Members, after: Revision) -> Result<Open, Status> {
    let member = members.chosen();
    let opening = async {
        let create = WatchCreateRequest {
            // Every key (`clientv3.WithFromKey` of the first one).
            key: Bytes::from_static(&[0]),
            range_end: Bytes::from_static(&[0]),
            start_revision: i64::try_from(after).unwrap_or(i64::MAX).saturating_add(1),
            progress_notify: true,
            prev_kv: true,
            fragment: true,
        };
        let requests = stream::once(async { WatchRequest { create: Some(create) } }).chain(stream::pending());
        let mut answers: Streaming<WatchResponse> = members.stream(member, proto::method::WATCH, requests).await?;
        match answers.message().await? {
            Some(answer) if answer.created && !answer.canceled => Ok(Open { member, answers }),
            Some(answer) => Err(Status::failed_precondition(format!("the watch was refused: {}", answer.cancel_reason))),
            None => Err(Status::unavailable("the watch ended before it began")),
        }
    };
    let opened = match tokio::time::timeout(OPENING, opening).await {
        Ok(opened) => opened,
        Err(_) => Err(Status::deadline_exceeded("the watch did not begin in time")),
    };
    if let Err(status) = &opened {
        members.leave(member, &failure::told(status));
    }
    opened
}

/// As [`open`], asking members in turn while that may help.
pub async fn open_anywhere(members: &Members, after: Revision, patience: Duration) -> Result<Open, Status> {
    let deadline = tokio::time::Instant::now() + patience;
    let mut pause = PAUSE;
    loop {
        match open(members, after).await {
            Ok(open) => return Ok(open),
            Err(status) => {
                let passing = matches!(failure::meaning(&status), Meaning::NotBegun | Meaning::Interrupted);
                if !passing || tokio::time::Instant::now() + pause >= deadline {
                    return Err(status);
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Feeds the watcher until nobody listens or the history that it needs is gone. Never gives up for a failure that may pass.
pub async fn run(members: Arc<Members>, feed: Arc<Feed>, namespace: Bytes, mut open: Open, seen: impl Fn(Revision) + Send) {
    loop {
        let told = match follow(&members, &feed, &namespace, &mut open, &seen).await {
            End::NobodyListens => return,
            End::Failed(error) => return feed.watcher.end(error),
            End::Broken(told) => told,
        };
        members.leave(open.member, &told);
        open = match open_anywhere(&members, feed.reached(), Duration::MAX / 4).await {
            Ok(open) => open,
            Err(status) => return feed.watcher.end(failure::read_error("watch", &status)),
        };
    }
}

enum End {
    NobodyListens,
    Failed(Error),
    Broken(String),
}

async fn follow(members: &Members, feed: &Feed, namespace: &[u8], open: &mut Open, seen: &(impl Fn(Revision) + Send)) -> End {
    // Parts of an answer whose rest is still to come.
    let mut parts: Vec<proto::Event> = Vec::new();
    loop {
        let answer = match open.answers.message().await {
            Ok(Some(answer)) => answer,
            Ok(None) => return End::Broken("the watch ended".to_owned()),
            Err(status) => return End::Broken(failure::told(&status)),
        };
        if answer.compact_revision > 0 {
            let oldest = u64::try_from(answer.compact_revision).unwrap_or_default();
            return End::Failed(Error::Compacted { requested: feed.reached(), oldest });
        }
        if answer.canceled {
            return End::Broken(format!("the watch was cancelled: {}", answer.cancel_reason));
        }
        parts.extend(answer.events);
        if answer.fragment {
            continue;
        }
        if let Err(status) = complete(members, &mut parts, namespace).await {
            return End::Broken(failure::told(&status));
        }
        for batch in batches(std::mem::take(&mut parts), namespace) {
            // A watch that was opened again on a member may repeat nothing: it begins behind what was reached.
            if batch.revision <= feed.reached() {
                continue;
            }
            seen(batch.revision);
            if !feed.offer(batch) {
                return End::NobodyListens;
            }
        }
    }
}

/// Reads the previous states that are missing: etcd notes that a watch wants them only after it has begun, so the first events
/// may come without (`watchServer.recvLoop`). What is compacted stays away.
async fn complete(members: &Members, events: &mut [proto::Event], namespace: &[u8]) -> Result<(), Status> {
    for event in events {
        let Some(kv) = &event.kv else { continue };
        let created = event.r#type == EventType::Put as i32 && kv.create_revision == kv.mod_revision;
        if event.prev_kv.is_some() || created || !kv.key.starts_with(namespace) {
            continue;
        }
        let request = RangeRequest { key: kv.key.clone(), revision: kv.mod_revision - 1, ..RangeRequest::default() };
        match members.call::<_, RangeResponse>(proto::method::RANGE, request, Repeat::Freely).await {
            Ok(answer) => event.prev_kv = answer.kvs.into_iter().next(),
            Err(status) if failure::meaning(&status) == Meaning::Compacted => {}
            Err(status) => return Err(status),
        }
    }
    Ok(())
}

/// Events by revision, those of other keys left out. etcd never spreads one revision over several answers, fragments apart.
fn batches(events: Vec<proto::Event>, namespace: &[u8]) -> Vec<EventBatch> {
    let mut batches: Vec<EventBatch> = Vec::new();
    for event in events {
        let Some(kv) = event.kv else { continue };
        let revision = u64::try_from(kv.mod_revision).unwrap_or_default();
        if batches.last().is_none_or(|batch| batch.revision != revision) {
            batches.push(EventBatch { revision, events: Vec::new() });
        }
        let Some(key) = strip(&kv.key, namespace) else { continue };
        let previous = event.prev_kv.and_then(|kv| entry(kv, namespace));
        let deleted = event.r#type == EventType::Delete as i32;
        let create_revision = match &previous {
            Some(previous) => previous.create_revision,
            None => u64::try_from(kv.create_revision).unwrap_or_default(),
        };
        let event = Event { key, value: (!deleted).then_some(kv.value), previous, create_revision, revision };
        if let Some(batch) = batches.last_mut() {
            batch.events.push(event);
        }
    }
    batches
}

pub fn strip(key: &Bytes, namespace: &[u8]) -> Option<Bytes> {
    key.starts_with(namespace).then(|| key.slice(namespace.len()..))
}

pub fn entry(kv: KeyValue, namespace: &[u8]) -> Option<Entry> {
    let revision = |number: i64| u64::try_from(number).unwrap_or_default();
    Some(Entry {
        key: strip(&kv.key, namespace)?,
        value: kv.value,
        create_revision: revision(kv.create_revision),
        mod_revision: revision(kv.mod_revision),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(key: &'static str, revision: i64) -> proto::Event {
        let kv =
            KeyValue { key: Bytes::from_static(key.as_bytes()), mod_revision: revision, create_revision: revision, ..KeyValue::default() };
        proto::Event { r#type: EventType::Put as i32, kv: Some(kv), prev_kv: None }
    }

    #[test]
    fn events_are_gathered_by_revision_and_foreign_ones_leave_their_mark() {
        let events = vec![event("/ours/a", 4), event("/ours/b", 4), event("/other", 5), event("/ours/a", 6), event("/other", 6)];
        let told: Vec<String> = batches(events, b"/ours")
            .iter()
            .map(|batch| format!("{} {:?}", batch.revision, batch.events.iter().map(|e| &*e.key).collect::<Vec<_>>().concat()))
            .map(|text| text.replace('"', ""))
            .collect();
        let bytes = |text: &str| format!("{:?}", text.as_bytes());
        assert_eq!(told, [format!("4 {}", bytes("/a/b")), "5 []".to_owned(), format!("6 {}", bytes("/a"))]);
    }

    #[test]
    fn a_mark_comes_when_the_wanted_revision_is_reached() {
        use futures::FutureExt;
        let feed = Feed::new(b"/a", 3);
        let mut stream = store::watcher::WatchStream::of(feed.watcher.clone());
        let mut next =
            || stream.next().now_or_never().map(|batch| batch.unwrap().unwrap()).map(|batch| (batch.revision, batch.events.len()));
        feed.want(3);
        assert_eq!(next(), Some((3, 0)));
        feed.want(5);
        assert_eq!(next(), None);
        let batch = |revision, key: &'static str| EventBatch {
            revision,
            events: vec![Event { key: Bytes::from_static(key.as_bytes()), value: None, previous: None, create_revision: 1, revision }],
        };
        assert!(feed.offer(batch(4, "/a/1")));
        assert_eq!((next(), next()), (Some((4, 1)), None));
        assert!(feed.offer(batch(5, "/a/1")));
        assert_eq!((next(), next()), (Some((5, 1)), Some((5, 0))));
        assert!(feed.offer(EventBatch { revision: 6, events: vec![] }));
        assert_eq!(next(), Some((6, 0)));
    }
}
