//! World `http-middleware`: a `request` (`method`, `path`, `headers`, `body`), and a `response` (`status`, `headers`) that an endpoint
//! would give. Answers what becomes of each.

use super::super::cases::Case;
use anyhow::Result;
use interfaces::middleware::{Decision, Header, MiddlewareRow, Request, Response};
use interfaces::schedule::PluginError;
use object::{Value, json};
use serde_json::Map;

pub async fn ask(row: &MiddlewareRow, case: &Case) -> Result<Map<String, Value>> {
    let empty = Value::Null;
    let given = case.given.get("request").unwrap_or(&empty);
    let text = |key: &str, default: &str| given.get(key).and_then(Value::as_str).unwrap_or(default).to_owned();
    let request = Request {
        method: text("method", "GET"),
        path: text("path", "/"),
        authority: text("authority", "service"),
        headers: headers(given),
        client: text("client", "10.42.0.2"),
        namespace: "default".to_owned(),
        service: "service".to_owned(),
        port: 80,
    };
    let body = given.get("body").and_then(Value::as_str).map(str::as_bytes);
    let response = case.given.get("response").unwrap_or(&empty);
    let status = response.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
    let response = Response { status, headers: headers(response) };
    let mut answer = Map::new();
    if let Err(error) = asked(row, &request, body, &response, &mut answer).await {
        answer.insert("error".to_owned(), json!(error.to_string()));
    }
    Ok(answer)
}

async fn asked(
    row: &MiddlewareRow,
    request: &Request,
    body: Option<&[u8]>,
    response: &Response,
    answer: &mut Map<String, Value>,
) -> Result<(), PluginError> {
    let mut decision = row.middleware.on_request(request, None).await?;
    if matches!(decision, Decision::NeedBody(_)) {
        decision = row.middleware.on_request(request, Some(body.unwrap_or_default())).await?;
    }
    match decision {
        Decision::Next(changes) => {
            let text = |text: Option<String>| text.map(Value::String);
            let context = (!changes.context.is_empty()).then(|| json!(String::from_utf8_lossy(&changes.context)));
            let told = [
                ("method", text(changes.method)),
                ("path", text(changes.path)),
                ("authority", text(changes.authority)),
                ("remove", listed(&changes.remove)),
                ("set", shown(&changes.set)),
                ("context", context),
            ];
            answer.insert("next".to_owned(), said(told));
            if row.middleware.sees_responses() {
                let changes = row.middleware.on_response(request, response, &changes.context).await?;
                let status = changes.status.map(|status| json!(status));
                let told = [("status", status), ("remove", listed(&changes.remove)), ("set", shown(&changes.set))];
                answer.insert("response".to_owned(), said(told));
            }
        }
        Decision::Respond(response, body) => {
            let body = (!body.is_empty()).then(|| json!(String::from_utf8_lossy(&body)));
            let told = [("status", Some(json!(response.status))), ("headers", shown(&response.headers)), ("body", body)];
            answer.insert("respond".to_owned(), said(told));
        }
        Decision::NeedBody(most) => drop(answer.insert("needBody".to_owned(), json!(most))),
    }
    Ok(())
}

/// What there is to say, and no more.
fn said<const N: usize>(told: [(&str, Option<Value>); N]) -> Value {
    Value::Object(told.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
}

fn listed(names: &[String]) -> Option<Value> {
    (!names.is_empty()).then(|| json!(names))
}

/// A mapping of names to texts.
fn headers(given: &Value) -> Vec<Header> {
    let all = given.get("headers").and_then(Value::as_object).into_iter().flatten();
    all.map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap_or_default().as_bytes().to_vec())).collect()
}

fn shown(headers: &[Header]) -> Option<Value> {
    let all = super::headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())));
    (!all.is_empty()).then_some(Value::Object(all))
}
