//! An HTTP server, `wasi:http/proxy`: greets who asks, by the name in the path. Each request gets an instance of its own.

use std::io::Write as _;
use wasip2::http::types::{Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Server;

wasip2::http::proxy::export!(Server);

impl wasip2::exports::http::incoming_handler::Guest for Server {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let (status, text) = answer(&request.method(), &path);
        println!("{path} {status}");
        send(out, status, &text);
    }
}

fn answer(method: &Method, path: &str) -> (u16, String) {
    if !matches!(method, Method::Get) {
        return (405, "only GET is known here\n".to_owned());
    }
    let greeting = std::env::var("GREETING").unwrap_or_else(|_| "Hello".to_owned());
    match path.trim_start_matches('/') {
        "" => (404, "say a name: /NAME\n".to_owned()),
        name => (200, format!("{greeting}, {name}\n")),
    }
}

fn send(out: ResponseOutparam, status: u16, text: &str) {
    let headers = Fields::new();
    let _ = headers.append("content-type", b"text/plain; charset=utf-8");
    let response = OutgoingResponse::new(headers);
    let _ = response.set_status_code(status);
    let Ok(body) = response.body() else { return };
    ResponseOutparam::set(out, Ok(response));
    if let Ok(mut stream) = body.write() {
        let _ = stream.write_all(text.as_bytes());
        let _ = stream.flush();
    }
    let _ = OutgoingBody::finish(body, None);
}
