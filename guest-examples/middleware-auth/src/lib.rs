//! Lets requests pass that bring a known token, and tells the application who they are of. The setting `users` lists them:
//! `alice=<token>,bob=<token>`; the setting `open` has paths that need none, e.g. `/healthz`.

wit_bindgen::generate!({ path: "../../wit", world: "http-middleware" });

use coracle::plugin::config;
use coracle::plugin::http_types::{Answer, Header, Request, Response};
use exports::coracle::plugin::{on_request, on_response};

struct Auth;

export!(Auth);

impl on_request::Guest for Auth {
    fn handle(request: Request, _: Option<Vec<u8>>) -> Result<on_request::Decision, String> {
        let mut changes = on_request::Changes {
            method: None,
            path: None,
            authority: None,
            // The application never sees the token, and nobody else says who the caller is.
            remove: vec!["authorization".to_owned(), "x-user".to_owned()],
            set: Vec::new(),
            context: Vec::new(),
        };
        let path = request.path.split('?').next().unwrap_or_default();
        if listed("open").any(|open| open == path) {
            return Ok(on_request::Decision::Next(changes));
        }
        match user(&request.headers) {
            Some(user) => {
                changes.set.push(header("x-user", &user));
                changes.context = user.into_bytes();
                Ok(on_request::Decision::Next(changes))
            }
            None => Ok(on_request::Decision::Respond(Answer {
                response: Response {
                    status: 401,
                    headers: vec![header("www-authenticate", "Bearer realm=\"coracle\""), header("content-type", "text/plain")],
                },
                body: b"a known token is needed\n".to_vec(),
            })),
        }
    }
}

impl on_response::Guest for Auth {
    fn handle(_: Request, _: Response, context: Vec<u8>) -> Result<on_response::Changes, String> {
        // What was made for one user is not for a cache that serves others.
        let set = if context.is_empty() { Vec::new() } else { vec![header("cache-control", "private"), header("vary", "authorization")] };
        Ok(on_response::Changes { status: None, remove: vec!["server".to_owned()], set })
    }
}

fn header(name: &str, value: &str) -> Header {
    Header { name: name.to_owned(), value: value.as_bytes().to_vec() }
}

fn listed(setting: &str) -> impl Iterator<Item = String> {
    let text = config::get(setting).unwrap_or_default();
    text.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect::<Vec<_>>().into_iter()
}

/// Whose token a request brings. All users are compared in full: how long it takes tells nothing of a token.
fn user(headers: &[Header]) -> Option<String> {
    let brought = headers.iter().find(|header| header.name == "authorization")?;
    let token = brought.value.strip_prefix(b"Bearer ").unwrap_or_default();
    let mut found = None;
    for entry in listed("users") {
        if let Some((name, known)) = entry.split_once('=')
            && !known.is_empty()
            && is_same(known.as_bytes(), token)
        {
            found = Some(name.to_owned());
        }
    }
    found
}

fn is_same(known: &[u8], brought: &[u8]) -> bool {
    let differs = known.iter().zip(brought).fold(0, |seen, (a, b)| seen | (a ^ b));
    differs == 0 && known.len() == brought.len()
}
