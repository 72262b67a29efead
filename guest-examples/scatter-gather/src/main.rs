//! `scatter-gather`: a search over documents that are spread over several pods. One component, two roles by `ROLE`:
//!
//! - `leaf` answers `/search?q=WORD` from the lines of `DOCUMENTS/NUMBER`.
//! - `root` asks the leaves `LEAF-0.SERVICE`, `LEAF-1.SERVICE`, … (`LEAVES` of them, with `LEAF` and `SERVICE`) at the same time,
//!   merges what comes within `TIMEOUT_MS`, and says who did not answer. A part of an answer is better than none.

use serde_json::{Value, json};
use wstd::future::FutureExt;
use wstd::http::{Body, Client, Error, Request, Response};
use wstd::time::Duration;

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    let query = request.uri().query().unwrap_or_default();
    let word = query.split('&').find_map(|pair| pair.strip_prefix("q=")).unwrap_or_default().to_lowercase();
    let answer = match setting("ROLE", "root").as_str() {
        "leaf" => leaf(&word),
        _ => root(&word).await,
    };
    let response = Response::builder().header("content-type", "application/json");
    Ok(response.body(Body::from(format!("{answer}\n")))?)
}

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// A hit is a line with the word; it scores by how often.
fn leaf(word: &str) -> Value {
    let number = setting("NUMBER", "0");
    let text = std::fs::read_to_string(format!("{}/{number}", setting("DOCUMENTS", "/documents"))).unwrap_or_default();
    let score = |line: &str| line.to_lowercase().split_whitespace().filter(|found| *found == word).count();
    let hits = text.lines().map(|line| (line, score(line))).filter(|(_, score)| *score > 0);
    json!({ "hits": hits.map(|(line, score)| json!({ "text": line, "score": score, "leaf": number })).collect::<Vec<_>>() })
}

async fn root(word: &str) -> Value {
    let count = setting("LEAVES", "3").parse().unwrap_or(3_u32);
    let (leaf, service) = (setting("LEAF", "leaf"), setting("SERVICE", "leaf"));
    let timeout = setting("TIMEOUT_MS", "1000").parse().unwrap_or(1000);
    let ask = |number: u32| {
        let url = format!("http://{leaf}-{number}.{service}:8080/search?q={word}");
        wstd::runtime::spawn(async move { get(url).timeout(Duration::from_millis(timeout)).await })
    };
    let asked: Vec<_> = (0..count).map(ask).collect();
    let (mut hits, mut missing) = (Vec::new(), Vec::new());
    for (number, answer) in asked.into_iter().enumerate() {
        match answer.await {
            Ok(Ok(mut answer)) => hits.extend(answer["hits"].as_array_mut().map(std::mem::take).unwrap_or_default()),
            Ok(Err(error)) => missing.push(json!({ "leaf": number, "cause": error.to_string() })),
            Err(_) => missing.push(json!({ "leaf": number, "cause": format!("no answer in {timeout} ms") })),
        }
    }
    // The best first; by text where they are equal, so that the answer does not depend on who was faster.
    hits.sort_by(|a, b| b["score"].as_u64().cmp(&a["score"].as_u64()).then_with(|| a["text"].as_str().cmp(&b["text"].as_str())));
    json!({ "query": word, "leaves": count, "answered": count as usize - missing.len(), "missing": missing, "hits": hits })
}

async fn get(url: String) -> Result<Value, Error> {
    let request = Request::get(url).body(Body::empty())?;
    let mut response = Client::new().send(request).await?;
    let text = response.body_mut().str_contents().await?.to_owned();
    Ok(serde_json::from_str(&text)?)
}
