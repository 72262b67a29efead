//! A body that is put together while it is sent: a long list is never a whole in memory, and its pieces are copied while
//! they are in the processor's cache.

use axum::body::HttpBody;
use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What is sent at once: four TLS records.
const CHUNK: usize = 64 * 1024;

/// Shared parts with separators between them.
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    parts: Vec<Bytes>,
    next: usize,
    left: u64,
}

impl Pieces {
    /// A head, items with a comma between them, and a tail.
    pub fn list(head: String, items: impl ExactSizeIterator<Item = Bytes>, tail: &'static [u8]) -> Self {
        let mut parts = Vec::with_capacity(items.len() * 2 + 2);
        parts.push(Bytes::from(head));
        for (at, item) in items.enumerate() {
            if at > 0 {
                parts.push(Bytes::from_static(b","));
            }
            parts.push(item);
        }
        parts.push(Bytes::from_static(tail));
        parts.retain(|part| !part.is_empty());
        let left = parts.iter().map(|part| part.len() as u64).sum();
        Self { parts, next: 0, left }
    }

    /// All of it.
    pub fn whole(&self) -> Bytes {
        let mut whole = BytesMut::with_capacity(usize::try_from(self.left).unwrap_or_default());
        self.parts.iter().for_each(|part| whole.extend_from_slice(part));
        whole.freeze()
    }

    /// The next chunk; `None` at the end.
    fn chunk(&mut self) -> Option<Bytes> {
        let first = self.parts.get(self.next)?;
        if first.len() >= CHUNK {
            self.next += 1;
            return Some(first.clone());
        }
        let mut chunk = BytesMut::with_capacity(CHUNK);
        while let Some(part) = self.parts.get(self.next).filter(|part| chunk.len() + part.len() <= CHUNK) {
            chunk.extend_from_slice(part);
            self.next += 1;
        }
        Some(chunk.freeze())
    }
}

impl From<Bytes> for Pieces {
    fn from(whole: Bytes) -> Self {
        Self { left: whole.len() as u64, parts: vec![whole], next: 0 }
    }
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        Poll::Ready(this.chunk().map(|chunk| {
            this.left = this.left.saturating_sub(chunk.len() as u64);
            Ok(Frame::data(chunk))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.next >= self.parts.len()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn chunks_are_the_whole() {
        let sizes = [0, 1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 3, 40_000, 40_000];
        for count in 0..=sizes.len() {
            let items: Vec<Bytes> = sizes[..count].iter().map(|size| Bytes::from(vec![b'x'; *size])).collect();
            let pieces = Pieces::list("head[".to_owned(), items.into_iter(), b"]");
            let (whole, told) = (pieces.whole(), pieces.size_hint().exact());
            assert_eq!(told, Some(whole.len() as u64));
            let mut body = Box::pin(pieces);
            let mut sent = Vec::new();
            while let Some(frame) = body.frame().await {
                let data = frame.unwrap().into_data().unwrap();
                assert!(!data.is_empty() && data.len() <= CHUNK + 1, "{}", data.len());
                sent.extend_from_slice(&data);
                assert_eq!(body.size_hint().exact(), Some((whole.len() - sent.len()) as u64));
            }
            assert_eq!(sent, whole);
        }
    }
}
