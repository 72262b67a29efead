//! One request through the plugins of a port.

use super::Target;
use super::headers;
use super::proxy::{Body, collect, plain};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Method, StatusCode};
use interfaces::middleware::{self, Decision, LONGEST_BODY, MiddlewareRow, MiddlewareSet, RequestChanges, STATUSES};
use interfaces::schedule::FailurePolicy;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::watch;

/// After a start of the server, until its plugins are known.
const LOADING: Duration = Duration::from_secs(10);

/// What an endpoint is to be asked.
pub struct Head {
    pub method: Method,
    pub path: PathAndQuery,
    pub authority: Option<Authority>,
    pub headers: HeaderMap,
}

/// A plugin that a request has passed: it sees the response.
pub struct Passed {
    row: MiddlewareRow,
    request: middleware::Request,
    context: Vec<u8>,
}

/// Where a request goes on.
pub enum Way {
    Endpoint(Head, Body),
    /// Already answered.
    Answer(http::Response<Body>),
}

/// Passes the head to each plugin in order. What they make of it, and those who passed it on.
pub async fn request(
    set: &mut watch::Receiver<MiddlewareSet>,
    target: &Target,
    mut head: Head,
    mut body: Body,
    client: SocketAddr,
) -> (Way, Vec<Passed>) {
    let mut passed = Vec::new();
    let known = match tokio::time::timeout(LOADING, set.wait_for(Option::is_some)).await {
        Ok(Ok(known)) => known.clone(),
        _ => None,
    };
    let Some(rows) = known else {
        return (Way::Answer(plain(StatusCode::SERVICE_UNAVAILABLE, "the middleware of this Service is not loaded yet")), passed);
    };
    for name in &target.plugins {
        let Some(row) = rows.get(name).cloned() else {
            let text = format!("middleware {name} of Service {}/{} is not loaded", target.namespace, target.service);
            return (Way::Answer(plain(StatusCode::SERVICE_UNAVAILABLE, &text)), passed);
        };
        let seen = view(target, &head, client);
        let (decision, whole) = ask(&row, &seen, body).await;
        body = whole;
        let outcome = match decision {
            Ok(Decision::Next(changes)) => {
                let context = changes.context.clone();
                match apply(&mut head, changes) {
                    Ok(()) => {
                        if row.middleware.sees_responses() {
                            passed.push(Passed { row, request: seen, context });
                        }
                        continue;
                    }
                    Err(cause) => Err(cause),
                }
            }
            Ok(Decision::Respond(response, bytes)) => answer(&response, bytes),
            Ok(Decision::NeedBody(_)) => Err("it asked for the body again".to_owned()),
            Err(Refused::TooLong) => Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long for the middleware of this Service")),
            Err(Refused::Broken) => Ok(plain(StatusCode::BAD_REQUEST, "the body ended early")),
            Err(Refused::Failed(cause)) => Err(cause),
        };
        match outcome {
            Ok(response) => return (Way::Answer(response), passed),
            Err(cause) => {
                if let Some(response) = failed(&row, target, &cause) {
                    return (Way::Answer(response), passed);
                }
            }
        }
    }
    (Way::Endpoint(head, body), passed)
}

/// Passes the head of a response back, last plugin first.
pub async fn response(target: &Target, mut response: http::Response<Body>, passed: Vec<Passed>) -> http::Response<Body> {
    for Passed { row, request, context } in passed.into_iter().rev() {
        let seen = middleware::Response { status: response.status().as_u16(), headers: headers::shown(response.headers()) };
        let outcome = match row.middleware.on_response(&request, &seen, &context).await {
            Ok(changes) => change(&mut response, &changes),
            Err(error) => Err(error.to_string()),
        };
        if let Err(cause) = outcome
            && let Some(answer) = failed(&row, target, &cause)
        {
            response = answer;
        }
    }
    response
}

enum Refused {
    TooLong,
    Broken,
    Failed(String),
}

/// Asks, with the body if the plugin wants it. The body comes back whole.
async fn ask(row: &MiddlewareRow, seen: &middleware::Request, body: Body) -> (Result<Decision, Refused>, Body) {
    let failed = |error: interfaces::schedule::PluginError| Refused::Failed(error.to_string());
    match row.middleware.on_request(seen, None).await {
        Ok(Decision::NeedBody(most)) => match collect(body, most.min(LONGEST_BODY)).await {
            Ok(Some(bytes)) => {
                let decision = row.middleware.on_request(seen, Some(&bytes)).await.map_err(failed);
                (decision, Body::whole(bytes))
            }
            Ok(None) => (Err(Refused::TooLong), Body::whole(bytes::Bytes::new())),
            Err(error) => {
                tracing::debug!(error, "the body of a request");
                (Err(Refused::Broken), Body::whole(bytes::Bytes::new()))
            }
        },
        other => (other.map_err(failed), body),
    }
}

/// What the client gets for a plugin's failure; `None`: it goes on as if there were no such plugin.
fn failed(row: &MiddlewareRow, target: &Target, cause: &str) -> Option<http::Response<Body>> {
    let (name, Target { namespace, service, .. }) = (row.middleware.name(), target);
    tracing::warn!(plugin = name, %namespace, %service, cause, "middleware failed");
    (row.failure_policy == FailurePolicy::Fail)
        .then(|| plain(StatusCode::SERVICE_UNAVAILABLE, &format!("middleware {name} of Service {namespace}/{service} failed")))
}

fn view(target: &Target, head: &Head, client: SocketAddr) -> middleware::Request {
    middleware::Request {
        method: head.method.as_str().to_owned(),
        path: head.path.as_str().to_owned(),
        authority: head.authority.as_ref().map(|a| a.as_str().to_owned()).unwrap_or_default(),
        headers: headers::shown(&head.headers),
        client: client.ip().to_string(),
        namespace: target.namespace.clone(),
        service: target.service.clone(),
        port: target.port,
    }
}

fn apply(head: &mut Head, changes: RequestChanges) -> Result<(), String> {
    let wrong = |what: &str, text: &str| format!("it gave {what} {text:?}, which is none");
    let mut headers = head.headers.clone();
    headers::change(&mut headers, &changes.remove, &changes.set)?;
    let method = changes.method.map(|m| Method::try_from(m.as_str()).map_err(|_| wrong("method", &m))).transpose()?;
    if method == Some(Method::CONNECT) {
        return Err(wrong("method", "CONNECT"));
    }
    let path = changes.path.map(|p| match PathAndQuery::try_from(p.as_str()) {
        Ok(path) if p.starts_with('/') => Ok(path),
        _ => Err(wrong("path", &p)),
    });
    let path = path.transpose()?;
    let authority = changes.authority.map(|a| Authority::try_from(a.as_str()).map_err(|_| wrong("authority", &a))).transpose()?;
    head.headers = headers;
    head.method = method.unwrap_or_else(|| head.method.clone());
    head.path = path.unwrap_or_else(|| head.path.clone());
    head.authority = authority.or_else(|| head.authority.take());
    Ok(())
}

fn change(response: &mut http::Response<Body>, changes: &middleware::ResponseChanges) -> Result<(), String> {
    let mut headers = response.headers().clone();
    headers::change(&mut headers, &changes.remove, &changes.set)?;
    let status = changes.status.map(status).transpose()?;
    *response.headers_mut() = headers;
    if let Some(status) = status {
        *response.status_mut() = status;
    }
    Ok(())
}

fn status(code: u16) -> Result<StatusCode, String> {
    StatusCode::from_u16(code)
        .ok()
        .filter(|_| STATUSES.contains(&code))
        .ok_or_else(|| format!("it gave status {code}, which is none of {} to {}", STATUSES.start(), STATUSES.end()))
}

fn answer(given: &middleware::Response, body: Vec<u8>) -> Result<http::Response<Body>, String> {
    if body.len() > LONGEST_BODY {
        return Err(format!("it gave a body of {} bytes, at most {LONGEST_BODY} are allowed", body.len()));
    }
    let mut response = http::Response::new(Body::whole(body.into()));
    *response.status_mut() = status(given.status)?;
    headers::change(response.headers_mut(), &[], &given.headers)?;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_changed_or_the_plugin_has_failed() {
        let check = |changes: RequestChanges, expect: Result<(&str, &str, &str), &str>| {
            let mut head = Head {
                method: Method::GET,
                path: PathAndQuery::from_static("/a?b"),
                authority: Some(Authority::from_static("web")),
                headers: HeaderMap::new(),
            };
            match (apply(&mut head, changes), expect) {
                (Ok(()), Ok((method, path, authority))) => {
                    assert_eq!((head.method.as_str(), head.path.as_str(), head.authority.unwrap().as_str()), (method, path, authority));
                }
                (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
                (got, expect) => panic!("{got:?} is not {expect:?}"),
            }
        };
        let with = |f: fn(&mut RequestChanges)| {
            let mut changes = RequestChanges::default();
            f(&mut changes);
            changes
        };
        check(RequestChanges::default(), Ok(("GET", "/a?b", "web")));
        check(with(|c| c.method = Some("POST".into())), Ok(("POST", "/a?b", "web")));
        check(with(|c| c.path = Some("/x".into())), Ok(("GET", "/x", "web")));
        check(with(|c| c.authority = Some("other:80".into())), Ok(("GET", "/a?b", "other:80")));
        check(with(|c| c.method = Some("CONNECT".into())), Err("method \"CONNECT\""));
        check(with(|c| c.method = Some("G T".into())), Err("method"));
        check(with(|c| c.path = Some("x".into())), Err("path"));
        check(with(|c| c.path = Some("/a b".into())), Err("path"));
        check(with(|c| c.authority = Some("a/b".into())), Err("authority"));
        check(with(|c| c.set = vec![("content-length".into(), vec![])]), Err("content-length"));
    }

    #[test]
    fn answers_are_checked() {
        let check = |code: u16, length: usize, expect: bool| {
            let given = middleware::Response { status: code, headers: vec![("x".into(), b"y".to_vec())] };
            assert_eq!(answer(&given, vec![0; length]).is_ok(), expect, "{code} {length}");
        };
        check(200, 0, true);
        check(599, LONGEST_BODY, true);
        check(101, 0, false);
        check(600, 0, false);
        check(200, LONGEST_BODY + 1, false);
    }
}
