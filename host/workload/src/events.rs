//! Hands each event to everyone who listens at the time. Nobody is waited for, and nothing is dropped while they listen.

use futures::StreamExt;
use futures::stream::BoxStream;
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc;

#[derive(Debug)]
pub struct Events<T> {
    listeners: Mutex<Vec<mpsc::UnboundedSender<T>>>,
}

impl<T> Default for Events<T> {
    fn default() -> Self {
        Self { listeners: Mutex::default() }
    }
}

impl<T: Clone + Send + 'static> Events<T> {
    /// Everything sent from now on. The stream ends with `self`.
    pub fn subscribe(&self) -> BoxStream<'static, T> {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        futures::stream::poll_fn(move |context| receiver.poll_recv(context)).boxed()
    }

    pub fn send(&self, event: &T) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).retain(|listener| listener.send(event.clone()).is_ok());
    }
}
