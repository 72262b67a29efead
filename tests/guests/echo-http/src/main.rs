//! `GET /anything` answers method, path and body. `/env/NAME` answers a variable, `/trap` traps, `/hog` takes all memory.

use wstd::http::{Body, Error, Request, Response, StatusCode};

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let text = match path.as_str() {
        "/trap" => std::process::abort(),
        "/hog" => {
            let mut held: Vec<Vec<u8>> = Vec::new();
            loop {
                held.push(std::hint::black_box(vec![1; 1 << 20]));
            }
        }
        "/spin" => loop {
            std::hint::black_box(0);
        },
        path => match path.strip_prefix("/env/") {
            Some(name) => std::env::var(name).unwrap_or_default(),
            None => {
                let mut body = request.into_body();
                let body = body.str_contents().await.unwrap_or_default().to_owned();
                println!("{method} {path}");
                format!("{method} {path} {body}\n")
            }
        },
    };
    Ok(Response::builder().status(StatusCode::OK).body(text.into())?)
}
