//! One watcher: a cursor over the cache's changes, told in the form and by the selectors that its client asked for.

use super::Start;
use crate::cache::{Ahead, Change, ChangeType, Item, KindCache, event_line};
use crate::call::{Call, Target};
use crate::metrics::{Labels, Watched};
use crate::negotiate::{Accept, Encoding, Form};
use crate::selection::Selection;
use crate::server::{Shared, store_error};
use crate::{convert, crd, protobuf, transform};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::{BoxStream, Stream};
use object::{StatusError, Value, json};
use registry::Kind;
use registry::columns::IncludeObject;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use store::EventBatch;
use tokio::time::{Instant, Interval, Sleep};
use tokio_util::sync::CancellationToken;

/// Bytes of events sent in one piece: four TLS records.
const CHUNK: usize = 64 * 1024;

pub struct Watcher {
    shared: Arc<Shared>,
    cache: Arc<KindCache>,
    kind: Arc<Kind>,
    stored: Arc<Kind>,
    namespace: String,
    selection: Selection,
    accept: Accept,
    include: IncludeObject,
    /// Every change up to here was told or did not concern the client.
    cursor: u64,
    epoch: u64,
    changed: tokio::sync::watch::Receiver<u64>,
    /// Changes between the client's revision and the ring, from the store.
    history: Option<History>,
    /// Initial state that is not told yet.
    initial: VecDeque<Arc<Item>>,
    initial_bookmark: bool,
    /// Lines ready to be sent.
    ready: VecDeque<Bytes>,
    bookmarks: Option<Interval>,
    /// The last revision told by an event or a bookmark.
    told: u64,
    deadline: std::pin::Pin<Box<Sleep>>,
    drain: CancellationToken,
    /// Column definitions are sent with the first Table only.
    defined: bool,
    ended: bool,
    counted: Counted,
}

struct History {
    batches: BoxStream<'static, Result<EventBatch, store::Error>>,
    /// From here on the ring has everything.
    until: u64,
}

/// Counts a watch while it lives, and its events.
struct Counted {
    shared: Arc<Shared>,
    labels: Labels,
    events: Arc<Watched>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.shared.metrics.long_running_ended(&self.labels);
    }
}

enum Wake {
    Changed,
    Bookmark,
    Deadline,
    Drain,
}

impl Watcher {
    #[allow(clippy::too_many_arguments)]
    pub async fn new(
        call: &Call,
        target: &Target,
        selection: Selection,
        accept: Accept,
        include: IncludeObject,
        start: Start,
        bookmarks: bool,
        timeout: Duration,
    ) -> Result<Self, StatusError> {
        let shared = call.shared.clone();
        let cache = shared.caches.of(&target.kind)?;
        let interval = shared.config.bookmark_interval;
        let counted = Counted {
            labels: Labels::new(&call.info, true, false, false),
            events: shared.metrics.watched(&target.kind),
            shared: shared.clone(),
        };
        shared.metrics.long_running_started(&counted.labels);
        let mut watcher = Self {
            // Subscribed before the state is read: nothing falls between.
            changed: cache.subscribe(),
            epoch: cache.epoch(),
            kind: target.kind.clone(),
            stored: target.stored.clone(),
            namespace: call.info.watched_namespace(&target.kind),
            selection,
            accept,
            include,
            cursor: 0,
            history: None,
            initial: VecDeque::new(),
            initial_bookmark: false,
            ready: VecDeque::new(),
            bookmarks: bookmarks.then(|| tokio::time::interval_at(Instant::now() + interval, interval)),
            told: 0,
            deadline: Box::pin(tokio::time::sleep(timeout)),
            drain: call.drain.clone().unwrap_or_default(),
            defined: false,
            ended: false,
            counted,
            cache,
            shared,
        };
        match start {
            Start::After(revision) => watcher.cursor = revision,
            Start::State { initial_bookmark } => watcher.initial(initial_bookmark).await?,
        }
        Ok(watcher)
    }

    /// Everything that is there, as ADDED.
    async fn initial(&mut self, bookmark: bool) -> Result<(), StatusError> {
        let applied = self.shared.caches.applied();
        let direct = Arc::ptr_eq(&self.kind, &self.stored) && !self.kind.is_dynamic();
        let snapshot = self.cache.snapshot(&self.namespace, None, 0, |item| !direct || self.selection.matches(&self.kind, item));
        self.cursor = applied.max(snapshot.revision);
        let mut items = snapshot.items;
        if !direct {
            items = convert::items(&self.shared, &self.stored, &self.kind, items).await?;
            items.retain(|item| self.selection.matches(&self.kind, item));
        }
        self.initial = items.into();
        self.initial_bookmark = bookmark;
        Ok(())
    }

    /// Queues the next of the initial events: made as they are sent, so that a large state is not held twice.
    fn more_initial(&mut self) {
        let mut size = 0;
        while size < CHUNK
            && let Some(item) = self.initial.pop_front()
        {
            let line = match (self.accept.encoding, self.accept.form) {
                (Encoding::Protobuf, _) => self.frame("ADDED", &item),
                (_, Form::Object) => Ok(event_line("ADDED", &item.json)),
                _ => Ok(self.transformed("ADDED", &item)),
            };
            let line = match line {
                Ok(line) => line,
                Err(error) => return self.fail(&error),
            };
            size += line.len();
            self.counted.events.event(line.len());
            self.ready.push_back(line);
        }
        if self.initial.is_empty() && std::mem::take(&mut self.initial_bookmark) {
            let line = self.bookmark(self.cursor, true);
            self.ready.push_back(line);
            self.told = self.cursor;
        }
    }

    /// Lines that are ready, in one piece up to a size: fewer frames and system calls in a burst.
    fn take_ready(&mut self) -> Option<Bytes> {
        let first = self.ready.pop_front()?;
        if self.ready.is_empty() || first.len() >= CHUNK {
            return Some(first);
        }
        let mut chunk = BytesMut::from(first.as_ref());
        while let Some(line) = self.ready.front().filter(|line| chunk.len() + line.len() <= CHUNK) {
            chunk.extend_from_slice(line);
            self.ready.pop_front();
        }
        Some(chunk.freeze())
    }

    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
        futures::stream::unfold(self, |mut watcher| async move {
            let line = watcher.next().await?;
            Some((Ok(line), watcher))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(lines) = self.take_ready() {
                return Some(lines);
            }
            if !self.initial.is_empty() || self.initial_bookmark {
                self.more_initial();
                continue;
            }
            if self.ended {
                return None;
            }
            if let Err(error) = self.advance().await {
                self.fail(&error);
                continue;
            }
            if !self.ready.is_empty() || self.ended {
                continue;
            }
            match self.sleep().await {
                Wake::Changed => {}
                Wake::Bookmark => self.mark().await,
                Wake::Deadline => {
                    // The last word of a watch is how far it came.
                    if self.bookmarks.is_some() {
                        self.mark().await;
                    }
                    self.ended = true;
                }
                Wake::Drain => self.ended = true,
            }
        }
    }

    async fn sleep(&mut self) -> Wake {
        let bookmark = async {
            match &mut self.bookmarks {
                Some(interval) => {
                    interval.tick().await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.drain.cancelled() => Wake::Drain,
            changed = self.changed.changed() => if changed.is_ok() { Wake::Changed } else { Wake::Drain },
            () = &mut self.deadline => Wake::Deadline,
            () = bookmark => Wake::Bookmark,
        }
    }

    /// Tells what lies ahead of the cursor.
    async fn advance(&mut self) -> Result<(), StatusError> {
        if self.history.is_some() {
            return self.advance_history().await;
        }
        self.changed.borrow_and_update();
        // Everything up to here is in the ring when it is read below.
        let applied = self.shared.caches.applied();
        // Asked before: what comes until it ends is still told.
        let ended = self.cache.is_ended();
        match self.cache.ahead(self.cursor, self.epoch) {
            Ahead::Changes(changes) => {
                self.ended |= ended;
                let changes = convert::changes(&self.shared, &self.stored, &self.kind, changes).await?;
                for change in changes {
                    self.cursor = change.revision;
                    self.tell(&change);
                }
                self.cursor = self.cursor.max(applied);
                Ok(())
            }
            Ahead::Gone => {
                self.ended = true;
                Ok(())
            }
            Ahead::Behind if self.told > 0 => {
                // A slow client is cut off; it comes again from its last revision.
                self.ended = true;
                Ok(())
            }
            Ahead::Behind => {
                let until = applied;
                let watched = self.shared.store.watch(crate::cache::ROOT.as_bytes(), self.cursor).await;
                let batches = watched.map_err(|e| store_error(&e))?;
                self.history = Some(History { batches, until });
                self.advance_history().await
            }
        }
    }

    /// Tells the next batches of the store's history, until the ring takes over.
    async fn advance_history(&mut self) -> Result<(), StatusError> {
        while let Some(history) = &mut self.history {
            if self.cursor >= history.until {
                self.history = None;
                break;
            }
            let Some(batch) = history.batches.next().await else {
                self.ended = true;
                break;
            };
            let batch = batch.map_err(|e| store_error(&e))?;
            let prefix = self.kind.storage_prefix();
            let change =
                |event: &store::Event| change_of(&self.stored, std::str::from_utf8(&event.key).ok()?.strip_prefix(&prefix)?, event);
            let changes = batch.events.iter().filter_map(change).map(Arc::new).collect();
            for change in convert::changes(&self.shared, &self.stored, &self.kind, changes).await? {
                self.tell(&change);
            }
            self.cursor = batch.revision;
            if !self.ready.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Queues the line of a change when it concerns the client. Entering or leaving the selection is ADDED or DELETED.
    fn tell(&mut self, change: &Change) {
        if !self.namespace.is_empty() && change.item.namespace() != self.namespace {
            return;
        }
        let now = change.ty != ChangeType::Deleted && self.selection.matches(&self.kind, &change.item);
        let before = change.previous.as_ref().is_some_and(|p| self.selection.matches(&self.kind, p));
        let ty = match (before, now) {
            (false, true) => ChangeType::Added,
            (true, true) => ChangeType::Modified,
            (true, false) => ChangeType::Deleted,
            (false, false) => return,
        };
        let line = match (self.accept.encoding, self.accept.form) {
            (Encoding::Protobuf, Form::Object) => change.frame(ty, &self.kind),
            (_, Form::Object) => Ok(change.line(ty)),
            (Encoding::Protobuf, _) => self.frame(ty.as_str(), &change.shown(ty)),
            _ => {
                let shown = change.shown(ty);
                Ok(self.transformed(ty.as_str(), &shown))
            }
        };
        self.told = change.revision;
        match line {
            Ok(line) => {
                self.counted.events.event(line.len());
                self.ready.push_back(line);
            }
            Err(error) => self.fail(&error),
        }
    }

    /// An event in protobuf: of the object, or of its metadata.
    fn frame(&self, ty: &str, item: &Item) -> Result<Bytes, StatusError> {
        let body = match self.accept.form {
            Form::Partial => {
                let message = protobuf::message(protobuf::partial_metadata()?, &item.partial())?;
                protobuf::body("meta.k8s.io/v1", "PartialObjectMetadata", &message)
            }
            _ => protobuf::body(&self.kind.api_version(), &self.kind.kind, &item.protobuf(&self.kind)?),
        };
        Ok(protobuf::frame(ty, &body))
    }

    /// An event about what is no item.
    fn event(&self, ty: &str, value: &Value) -> Bytes {
        let json = transform::bytes(value);
        if self.accept.encoding != Encoding::Protobuf {
            return event_line(ty, &json);
        }
        // Bookmarks and errors have protobuf forms; an event that had none would still end the watch in order.
        protobuf::any(&self.shared.registry, &json).map(|body| protobuf::frame(ty, &body)).unwrap_or_default()
    }

    fn transformed(&mut self, ty: &str, item: &Item) -> Bytes {
        let body = match self.accept.form {
            Form::Partial => item.partial(),
            form => transform::object(&self.kind, form, self.include, &item.json, !std::mem::replace(&mut self.defined, true)),
        };
        event_line(ty, &body)
    }

    /// Queues a bookmark when the client does not know the revision yet.
    async fn mark(&mut self) {
        // A quiet kind's cursor follows the store only when it is asked to.
        if let Err(error) = self.advance().await {
            return self.fail(&error);
        }
        if self.cursor > self.told {
            let line = self.bookmark(self.cursor, false);
            self.told = self.cursor;
            self.ready.push_back(line);
        }
    }

    fn bookmark(&self, revision: u64, end_of_initial: bool) -> Bytes {
        let mut metadata = json!({ "resourceVersion": revision.to_string(), "creationTimestamp": null });
        if end_of_initial {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        let body = match self.accept.form {
            Form::Object => json!({ "kind": self.kind.kind, "apiVersion": self.kind.api_version(), "metadata": metadata }),
            Form::Partial => json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata }),
            Form::Table => json!({
                "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": { "resourceVersion": revision.to_string() },
                "columnDefinitions": [], "rows": [{ "cells": [], "object": {
                    "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
                } }],
            }),
        };
        self.event("BOOKMARK", &body)
    }

    /// The stream's last line: an ERROR event.
    fn fail(&mut self, error: &StatusError) {
        self.ready.push_back(self.event("ERROR", &error.to_value()));
        self.ended = true;
    }
}

/// A store event as a change of the kind.
fn change_of(kind: &Kind, key: &str, event: &store::Event) -> Option<Change> {
    let item = |value: &[u8], revision| {
        Item::from_stored(key.into(), &crd::shown(kind, value), event.create_revision, revision).ok().map(Arc::new)
    };
    let previous = event.previous.as_ref().and_then(|p| item(&p.value, p.mod_revision));
    Some(match &event.value {
        Some(value) => {
            let ty = if previous.is_some() { ChangeType::Modified } else { ChangeType::Added };
            Change::new(ty, item(value, event.revision)?, previous)
        }
        None => {
            let last = previous.as_ref()?.at(event.revision).ok()?;
            Change::new(ChangeType::Deleted, Arc::new(last), previous)
        }
    })
}
