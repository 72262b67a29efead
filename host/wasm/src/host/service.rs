//! `wasi:http` components: HTTP/1.1 and h2c on the pod's address, a fresh instance for each request.

use super::outcome::{self, Outcome};
use super::run::Run;
use super::surroundings::Surroundings;
use crate::ctx::State;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio_util::task::TaskTracker;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

/// Where a component is served whose container declares no port.
pub const DEFAULT_PORT: u16 = 8080;

/// Requests that one container works on at the same time; more wait. 256 instances of a small guest take some 50 MiB, and a
/// node's pool holds 48 containers at this limit.
const CONCURRENT_REQUESTS: usize = 256;

/// Time until the guest has to give a status: as an ingress waits (nginx: 60 s). The body may take as long as it likes.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// Time for a client to send the head of a request: hyper's own, which needs a timer to be in force.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Rest after an accept that failed for want of descriptors: they come back when other connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

type Response = http::Response<HyperOutgoingBody>;

pub struct Service {
    pub run: Arc<Run>,
    pub proxy: ProxyPre<State>,
    pub surroundings: Arc<Surroundings>,
    requests: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Service {
    pub fn new(run: Arc<Run>, proxy: ProxyPre<State>, surroundings: Arc<Surroundings>) -> Arc<Self> {
        let requests = Arc::new(Semaphore::new(CONCURRENT_REQUESTS));
        Arc::new(Self { run, proxy, surroundings, requests, tasks: TaskTracker::new() })
    }

    /// Serves until the run is asked to stop and all requests are answered, or until it is killed.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) -> Outcome {
        let accepting = async {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => drop(self.tasks.spawn(self.clone().connection(stream))),
                    Err(error) => {
                        tracing::debug!(%error, "accept for a guest");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        tokio::select! {
            biased;
            () = self.run.kill.cancelled() => {}
            () = self.run.stop.cancelled() => {}
            () = accepting => {}
        }
        drop(listener);
        self.tasks.close();
        tokio::select! {
            biased;
            () = self.run.kill.cancelled() => {
                // Guests end at their next epoch; nothing of this container runs once it is reported.
                self.tasks.wait().await;
                Outcome::killed("")
            }
            () = self.tasks.wait() => Outcome::exited(0),
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream) {
        drop(stream.set_nodelay(true));
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
        let service = self.clone();
        let answer = hyper::service::service_fn(move |request| {
            let service = service.clone();
            async move { Ok::<_, Infallible>(service.answer(request).await) }
        });
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), answer));
        let ended = tokio::select! {
            biased;
            () = self.run.kill.cancelled() => return,
            ended = connection.as_mut() => ended,
            () = self.run.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    () = self.run.kill.cancelled() => return,
                    ended = connection => ended,
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "connection of a guest");
        }
    }

    async fn answer(self: Arc<Self>, request: http::Request<Incoming>) -> Response {
        let Ok(permit) = self.requests.clone().acquire_owned().await else {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "the service is ending");
        };
        let mut store = State::store(&self.run.meter, self.surroundings.wasi(), self.surroundings.network.clone(), None);
        store.data_mut().workload = self.surroundings.workload.clone();
        let (sender, receiver) = oneshot::channel();
        let mut http = store.data_mut().http();
        let arguments =
            http.new_incoming_request(Scheme::Http, request).and_then(|request| Ok((request, http.new_response_outparam(sender)?)));
        let (request, out) = match arguments {
            Ok(arguments) => arguments,
            Err(error) => return plain(StatusCode::BAD_REQUEST, &format!("{error:#}")),
        };
        let proxy = self.proxy.clone();
        let guest = self.run.meter.run(async move {
            let instance = proxy.instantiate_async(&mut store).await?;
            instance.wasi_http_incoming_handler().call_handle(&mut store, request, out).await
        });
        // A task of its own: the guest may go on after it has given the head of its response.
        let service = self.clone();
        let task = self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = service.run.kill.cancelled() => {}
                ended = guest => if let Err(error) = ended {
                    service.surroundings.complain(&format!("request failed: {}", outcome::describe(&error)));
                },
            }
            drop(permit);
        });
        // Until there is a response, a client that goes away takes the guest with it.
        let waiting = AbortOnDrop(Some(task));
        match tokio::time::timeout(RESPONSE_TIMEOUT, receiver).await {
            Ok(Ok(response)) => {
                waiting.release();
                response.unwrap_or_else(|code| plain(status(&code), &format!("{code:?}")))
            }
            // The store is gone, and the sender with it: a trap, or an end without a response.
            Ok(Err(_)) => {
                waiting.release();
                plain(StatusCode::INTERNAL_SERVER_ERROR, "the component gave no response")
            }
            Err(_) => {
                self.surroundings.complain(&format!("request failed: no response within {} s", RESPONSE_TIMEOUT.as_secs()));
                plain(StatusCode::GATEWAY_TIMEOUT, "the component gave no response in time")
            }
        }
    }
}

struct AbortOnDrop(Option<tokio::task::JoinHandle<()>>);

impl AbortOnDrop {
    fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

fn status(code: &ErrorCode) -> StatusCode {
    match code {
        ErrorCode::HttpRequestDenied => StatusCode::FORBIDDEN,
        ErrorCode::HttpRequestBodySize(_) => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::HttpResponseTimeout | ErrorCode::ConnectionTimeout => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn plain(status: StatusCode, text: &str) -> Response {
    let body = Full::new(Bytes::from(format!("{text}\n"))).map_err(|never| match never {}).boxed_unsync();
    let mut response = http::Response::new(body);
    *response.status_mut() = status;
    response
}
