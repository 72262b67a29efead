//! How a request gets to an API server: into its router in this process, or by HTTPS.

use crate::metrics;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use interfaces::authorize::UserInfo;
use std::sync::Arc;
use tower::{Service, ServiceExt};

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// An answer's body: one frame for most, a stream of lines for a watch.
pub type ResponseBody = UnsyncBoxBody<Bytes, BoxError>;

type Call = dyn Fn(Request<Bytes>) -> BoxFuture<'static, std::result::Result<Response<ResponseBody>, BoxError>> + Send + Sync;

/// The API server's router as a value: any tower service over HTTP, its types erased.
#[derive(Clone)]
pub struct Router {
    call: Arc<Call>,
}

impl Router {
    /// Wraps a service, e.g. `Router::new(axum_router)`. Its request body need only be made from bytes.
    pub fn new<S, Q, B>(service: S) -> Self
    where
        S: Service<Request<Q>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        Q: From<Bytes> + Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let call = move |request: Request<Bytes>| -> BoxFuture<'static, _> {
            let service = service.clone();
            Box::pin(async move {
                let response = service.oneshot(request.map(Q::from)).await.map_err(Into::into)?;
                Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
            })
        };
        Self { call: Arc::new(call) }
    }

    pub async fn call(&self, request: Request<Bytes>) -> std::result::Result<Response<ResponseBody>, BoxError> {
        (self.call)(request).await
    }
}

#[derive(Clone)]
pub(crate) enum Transport {
    InProcess(Router),
    Https(kube::Client),
}

impl Transport {
    /// Sends one request as `user`. Over HTTPS the client certificate says who asks, and `user` is not used.
    pub(crate) async fn send(
        &self,
        user: &Arc<UserInfo>,
        request: Request<Bytes>,
    ) -> std::result::Result<Response<ResponseBody>, BoxError> {
        let method = request.method().clone();
        let answer = self.carry(user, request).await;
        let code = answer.as_ref().map_or_else(|_| "<error>".to_owned(), |response| response.status().as_str().to_owned());
        let host = if matches!(self, Self::InProcess(_)) { "in-process" } else { "server" };
        metrics::request(&code, method.as_str(), host);
        answer
    }

    async fn carry(&self, user: &Arc<UserInfo>, mut request: Request<Bytes>) -> std::result::Result<Response<ResponseBody>, BoxError> {
        match self {
            Self::InProcess(router) => {
                request.extensions_mut().insert(user.clone());
                router.call(request).await
            }
            Self::Https(client) => {
                let response = client.send(request.map(kube::client::Body::from)).await?;
                Ok(response.map(|body| body.map_err(BoxError::from).boxed_unsync()))
            }
        }
    }

    /// The same road under the `kube` crate's own client. Must be called within a tokio runtime.
    pub(crate) fn kube(&self, user: &Arc<UserInfo>) -> kube::Client {
        match self {
            Self::Https(client) => client.clone(),
            Self::InProcess(_) => {
                let (transport, user) = (self.clone(), user.clone());
                let service = tower::service_fn(move |request: Request<kube::client::Body>| {
                    let (transport, user) = (transport.clone(), user.clone());
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect_bytes().await.map_err(BoxError::from)?;
                        transport.send(&user, Request::from_parts(parts, body)).await
                    }
                });
                kube::Client::new(service, "default")
            }
        }
    }
}
