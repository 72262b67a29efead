//! A tiny API server for this crate's tests: answers are scripted, requests are recorded.

use crate::{BoxError, Client, Router, UserInfo};
use bytes::Bytes;
use futures::StreamExt;
use futures::channel::mpsc;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

type Body = UnsyncBoxBody<Bytes, BoxError>;

pub(crate) enum Answer {
    Whole(u16, String),
    /// Lines as they are sent; ends when the sender is dropped.
    Stream(mpsc::UnboundedReceiver<String>),
}

/// Answers in order; requests beyond the script wait for ever.
#[derive(Clone, Default)]
pub(crate) struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    /// `user METHOD uri body`.
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
}

impl Script {
    pub(crate) fn then(self, code: u16, body: &str) -> Self {
        self.answers.lock().push_back(Answer::Whole(code, body.to_owned()));
        self
    }

    pub(crate) fn then_stream(&self) -> mpsc::UnboundedSender<String> {
        let (sender, receiver) = mpsc::unbounded();
        self.answers.lock().push_back(Answer::Stream(receiver));
        sender
    }

    pub(crate) fn client(&self) -> Client {
        let script = self.clone();
        let service = tower::service_fn(move |request: Request<Bytes>| script.clone().answer(request));
        Client::in_process(Router::new(service), registry::Registry::builtin(), UserInfo::component("system:test", &[]))
    }

    async fn answer(self, request: Request<Bytes>) -> Result<Response<Body>, BoxError> {
        let (parts, body) = request.into_parts();

        let user = parts.extensions.get::<std::sync::Arc<UserInfo>>().map(|u| u.name.clone()).unwrap_or_default();
        let line = format!("{user} {} {} {}", parts.method, parts.uri, String::from_utf8_lossy(&body));
        self.requests.lock().push(line.trim().to_owned());
        let answer = self.answers.lock().pop_front();
        let (code, body) = match answer {
            None => std::future::pending().await,
            Some(Answer::Whole(code, text)) => (code, Full::new(Bytes::from(text)).map_err(|e| match e {}).boxed_unsync()),
            Some(Answer::Stream(lines)) => {
                let frames = lines.map(|l| Ok(http_body::Frame::data(Bytes::from(l))));
                (200, StreamBody::new(frames).boxed_unsync())
            }
        };
        Ok(Response::builder().status(code).body(body)?)
    }
}
