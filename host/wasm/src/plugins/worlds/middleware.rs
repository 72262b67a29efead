//! World `http-middleware`: a loaded plugin as the service proxy sees it.

mod heads;

use super::{Loaded, Made, Product};
use crate::ctx::State;
use crate::load::Error;
use crate::plugins::bindings::coracle::plugin::http_types as types;
use crate::plugins::bindings::exports::coracle::plugin::{on_request, on_response};
use crate::plugins::pool::{Exports, Failure, Live, Pool, Returned};
use async_trait::async_trait;
use futures::future::BoxFuture;
use interfaces::middleware::{
    Decision, Header, LONGEST_BODY, Middleware, MiddlewareRow, Request, RequestChanges, Response, ResponseChanges,
};
use interfaces::schedule::{FailurePolicy, PluginError};
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::Instance;

/// What a component may export.
pub const EXPORTS: &[&str] = &[ON_REQUEST, ON_RESPONSE];

const ON_REQUEST: &str = "coracle:plugin/on-request";
const ON_RESPONSE: &str = "coracle:plugin/on-response";

/// As `wit/middleware.wit` says.
const LONGEST_CONTEXT: usize = 64 << 10;

pub fn load(made: Made) -> BoxFuture<'static, Result<Loaded, Error>> {
    Box::pin(async move {
        let (requests, responses) = (made.exports(ON_REQUEST), made.exports(ON_RESPONSE));
        if !requests && !responses {
            made.require(EXPORTS)?;
        }
        let exports = Sides {
            requests: requests.then(|| on_request::GuestIndices::new(&made.pre)).transpose().map_err(|cause| made.mismatch(cause))?,
            responses: responses.then(|| on_response::GuestIndices::new(&made.pre)).transpose().map_err(|cause| made.mismatch(cause))?,
        };
        let settings = made.settings.clone();
        let pool = made.pool(exports, settings.limits).await?;
        let row = MiddlewareRow { middleware: Arc::new(Plugin { pool: pool.clone() }), failure_policy: settings.failure_policy };
        Ok(Loaded { product: Product::Middleware(row), resident: pool })
    })
}

struct Sides {
    requests: Option<on_request::GuestIndices>,
    responses: Option<on_response::GuestIndices>,
}

struct Guest {
    requests: Option<on_request::Guest>,
    responses: Option<on_response::Guest>,
}

impl Exports for Sides {
    type Guest = Guest;

    fn load(&self, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<Guest> {
        Ok(Guest {
            requests: self.requests.as_ref().map(|indices| indices.load(&mut *store, instance)).transpose()?,
            responses: self.responses.as_ref().map(|indices| indices.load(&mut *store, instance)).transpose()?,
        })
    }
}

struct Plugin {
    pool: Arc<Pool<Sides>>,
}

#[async_trait]
impl Middleware for Plugin {
    fn name(&self) -> &str {
        self.pool.name()
    }

    async fn on_request(&self, request: &Request, body: Option<&[u8]>) -> Result<Decision, PluginError> {
        if self.pool.exports().requests.is_none() {
            return Ok(Decision::Next(RequestChanges::default()));
        }
        let (request, body) = (told(request), body.map(<[u8]>::to_vec));
        let decision = self
            .pool
            .call(|mut live| {
                Box::pin(async move {
                    let Live { store, guest, .. } = &mut *live;
                    let answer = match &guest.requests {
                        Some(guest) => flat(guest.call_handle(&mut *store, &request, body.as_deref()).await),
                        None => Err(Failure::Guest("it is not loaded for this".to_owned())),
                    };
                    (live, answer) as Returned<Guest, on_request::Decision>
                })
            })
            .await?;
        decided(decision).map_err(|cause| self.pool.refuse(cause))
    }

    fn sees_responses(&self) -> bool {
        self.pool.exports().responses.is_some()
    }

    async fn on_response(&self, request: &Request, response: &Response, context: &[u8]) -> Result<ResponseChanges, PluginError> {
        let request = told(request);
        let response = types::Response { status: response.status, headers: response.headers.iter().map(header).collect() };
        let changes = self
            .pool
            .call(|mut live| {
                Box::pin(async move {
                    let Live { store, guest, .. } = &mut *live;
                    let answer = match &guest.responses {
                        Some(guest) => flat(guest.call_handle(&mut *store, &request, &response, context).await),
                        None => Err(Failure::Guest("it is not loaded for this".to_owned())),
                    };
                    (live, answer) as Returned<Guest, on_response::Changes>
                })
            })
            .await?;
        let on_response::Changes { status, remove, set } = changes;
        let checked = status.map_or(Ok(()), heads::status).and_then(|()| heads::headers(&remove, &set));
        checked.map_err(|cause| self.pool.refuse(cause))?;
        Ok(ResponseChanges { status, remove, set: set.into_iter().map(own).collect() })
    }
}

fn flat<T>(called: wasmtime::Result<Result<T, String>>) -> Result<T, Failure> {
    match called {
        Ok(answer) => answer.map_err(Failure::Guest),
        Err(trap) => Err(Failure::Host(trap)),
    }
}

fn told(request: &Request) -> types::Request {
    types::Request {
        method: request.method.clone(),
        path: request.path.clone(),
        authority: request.authority.clone(),
        headers: request.headers.iter().map(header).collect(),
        client: request.client.clone(),
        namespace: request.namespace.clone(),
        service: request.service.clone(),
        port: request.port,
    }
}

fn header((name, value): &Header) -> types::Header {
    types::Header { name: name.clone(), value: value.clone() }
}

fn own(header: types::Header) -> Header {
    (header.name, header.value)
}

fn decided(decision: on_request::Decision) -> Result<Decision, String> {
    Ok(match decision {
        on_request::Decision::Next(changes) => {
            let on_request::Changes { method, path, authority, remove, set, context } = changes;
            if context.len() > LONGEST_CONTEXT {
                return Err(format!("it gave {} bytes of context, at most {LONGEST_CONTEXT} are allowed", context.len()));
            }
            heads::line(method.as_deref(), path.as_deref(), authority.as_deref())?;
            heads::headers(&remove, &set)?;
            Decision::Next(RequestChanges { method, path, authority, remove, set: set.into_iter().map(own).collect(), context })
        }
        on_request::Decision::Respond(types::Answer { response, body }) => {
            if body.len() > LONGEST_BODY {
                return Err(format!("it gave a body of {} bytes, at most {LONGEST_BODY} are allowed", body.len()));
            }
            heads::status(response.status)?;
            heads::headers(&[], &response.headers)?;
            let headers = response.headers.into_iter().map(own).collect();
            Decision::Respond(Response { status: response.status, headers }, body)
        }
        on_request::Decision::NeedBody(most) => Decision::NeedBody(usize::try_from(most).unwrap_or(usize::MAX)),
    })
}

/// Stands for a plugin that is not loaded, or not yet.
pub struct Missing {
    name: String,
    cause: String,
}

impl Missing {
    pub fn row(name: &str, cause: &str, failure_policy: FailurePolicy) -> MiddlewareRow {
        MiddlewareRow { middleware: Arc::new(Self { name: name.to_owned(), cause: format!("it is not loaded: {cause}") }), failure_policy }
    }

    fn error(&self) -> PluginError {
        PluginError::Failed { plugin: self.name.clone(), cause: self.cause.clone() }
    }
}

#[async_trait]
impl Middleware for Missing {
    fn name(&self) -> &str {
        &self.name
    }

    async fn on_request(&self, _: &Request, _: Option<&[u8]>) -> Result<Decision, PluginError> {
        Err(self.error())
    }

    fn sees_responses(&self) -> bool {
        false
    }

    async fn on_response(&self, _: &Request, _: &Response, _: &[u8]) -> Result<ResponseChanges, PluginError> {
        Err(self.error())
    }
}
