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
            let told = json!({
                "method": changes.method, "path": changes.path, "authority": changes.authority,
                "remove": changes.remove, "set": shown(&changes.set), "context": String::from_utf8_lossy(&changes.context),
            });
            answer.insert("next".to_owned(), told);
            if row.middleware.sees_responses() {
                let changes = row.middleware.on_response(request, response, &changes.context).await?;
                let told = json!({ "status": changes.status, "remove": changes.remove, "set": shown(&changes.set) });
                answer.insert("response".to_owned(), told);
            }
        }
        Decision::Respond(response, body) => {
            let told = json!({ "status": response.status, "headers": shown(&response.headers), "body": String::from_utf8_lossy(&body) });
            answer.insert("respond".to_owned(), told);
        }
        Decision::NeedBody(most) => drop(answer.insert("needBody".to_owned(), json!(most))),
    }
    Ok(())
}

/// A mapping of names to texts.
fn headers(given: &Value) -> Vec<Header> {
    let all = given.get("headers").and_then(Value::as_object).into_iter().flatten();
    all.map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap_or_default().as_bytes().to_vec())).collect()
}

fn shown(headers: &[Header]) -> Value {
    headers.iter().map(|(name, value)| json!([name, String::from_utf8_lossy(value)])).collect()
}
