//! HTTP middleware: requests and responses on their way to and from a Service.
//!
//! ```no_run
//! use coracle_plugin::middleware::{Changes, Decision, OnRequest, Request};
//!
//! /// Nobody but the machine itself sees `/admin`.
//! struct Local;
//!
//! impl OnRequest for Local {
//!     fn handle(request: Request, _body: Option<Vec<u8>>) -> Result<Decision, String> {
//!         if request.path.starts_with("/admin") && request.client != "127.0.0.1" {
//!             return Ok(Decision::respond(403, "not from here\n"));
//!         }
//!         Ok(Decision::Next(Changes::none().set("x-client", &request.client)))
//!     }
//! }
//!
//! coracle_plugin::middleware!(request: Local);
//! # fn main() {}
//! ```

pub use crate::bindings::on_request::exports::coracle::plugin::on_request::{Changes, Decision};
pub use crate::bindings::on_response::exports::coracle::plugin::on_response::Changes as ResponseChanges;
pub use crate::bindings::platform::http_types::{Answer, Header, Request, Response};

/// What is done to requests.
pub trait OnRequest {
    /// `body` is only there after [`Decision::NeedBody`].
    ///
    /// # Errors
    /// The client gets a 503, or the request goes on, as `spec.failurePolicy` says.
    fn handle(request: Request, body: Option<Vec<u8>>) -> Result<Decision, String>;
}

/// What is done to responses. `context` is what [`Changes::context`] of the same request said.
pub trait OnResponse {
    /// # Errors
    /// As for [`OnRequest::handle`].
    fn handle(request: Request, response: Response, context: Vec<u8>) -> Result<ResponseChanges, String>;
}

impl Changes {
    /// Nothing is changed.
    pub fn none() -> Self {
        Self { method: None, path: None, authority: None, remove: Vec::new(), set: Vec::new(), context: Vec::new() }
    }

    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.set.push(Header::new(name, value));
        self
    }
}

impl ResponseChanges {
    /// Nothing is changed.
    pub fn none() -> Self {
        Self { status: None, remove: Vec::new(), set: Vec::new() }
    }

    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.set.push(Header::new(name, value));
        self
    }
}

impl Header {
    pub fn new(name: &str, value: &str) -> Self {
        Self { name: name.to_ascii_lowercase(), value: value.as_bytes().to_vec() }
    }
}

impl Request {
    /// The first header of this name, when it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(&header.value).ok()
    }
}

impl Decision {
    /// The client gets this status and text.
    pub fn respond(status: u16, text: &str) -> Self {
        let headers = vec![Header::new("content-type", "text/plain; charset=utf-8")];
        Self::Respond(Answer { response: Response { status, headers }, body: text.as_bytes().to_vec() })
    }
}

/// Makes types the middleware of this component: `middleware!(request: R, response: S)`, or one of them.
#[macro_export]
macro_rules! middleware {
    ($($side:ident: $type:ty),+ $(,)?) => {
        #[doc(hidden)]
        pub struct CoraclePlugin;

        $($crate::__middleware_side!($side, $type);)+
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __middleware_side {
    (request, $type:ty) => {
        impl $crate::bindings::on_request::exports::coracle::plugin::on_request::Guest for CoraclePlugin {
            fn handle(request: $crate::middleware::Request, body: Option<Vec<u8>>) -> Result<$crate::middleware::Decision, String> {
                <$type as $crate::middleware::OnRequest>::handle(request, body)
            }
        }
        $crate::bindings::on_request::export!(CoraclePlugin with_types_in $crate::bindings::on_request);
    };
    (response, $type:ty) => {
        impl $crate::bindings::on_response::exports::coracle::plugin::on_response::Guest for CoraclePlugin {
            fn handle(
                request: $crate::middleware::Request,
                response: $crate::middleware::Response,
                context: Vec<u8>,
            ) -> Result<$crate::middleware::ResponseChanges, String> {
                <$type as $crate::middleware::OnResponse>::handle(request, response, context)
            }
        }
        $crate::bindings::on_response::export!(CoraclePlugin with_types_in $crate::bindings::on_response);
    };
}
