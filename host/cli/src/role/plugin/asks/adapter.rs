//! World `adapter`: `lines` of a stream, with `source`, `path`, `arguments` and `carry` where they matter. Answers the lines, what is
//! carried, the samples, and `flushed`: what comes when the stream ends then.

use super::super::cases::Case;
use anyhow::Result;
use interfaces::adapt::{AdapterRow, Answer, Kind, Line, Origin, Source};
use interfaces::schedule::PluginError;
use object::{Value, json};
use serde_json::Map;

pub async fn ask(row: &AdapterRow, case: &Case) -> Result<Map<String, Value>> {
    let text = |key: &str| case.given.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let arguments = case.given.get("arguments").and_then(Value::as_object).into_iter().flatten();
    let origin = Origin {
        namespace: "default".to_owned(),
        pod: "pod".to_owned(),
        uid: "uid".to_owned(),
        container: "main".to_owned(),
        attempt: 0,
        source: match text("source").as_str() {
            "stderr" => Source::Stderr,
            "file" => Source::File,
            _ => Source::Stdout,
        },
        path: text("path"),
        arguments: arguments.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect(),
    };
    let given = case.given.get("lines").and_then(Value::as_array).into_iter().flatten();
    let lines: Vec<Line> =
        given.map(|line| Line { time: 0, text: line.as_str().unwrap_or_default().as_bytes().to_vec(), continues: false }).collect();
    let mut answer = Map::new();
    if let Err(error) = asked(row, &origin, text("carry").as_bytes(), &lines, &mut answer).await {
        answer.insert("error".to_owned(), json!(error.to_string()));
    }
    Ok(answer)
}

async fn asked(
    row: &AdapterRow,
    origin: &Origin,
    carry: &[u8],
    lines: &[Line],
    answer: &mut Map<String, Value>,
) -> Result<(), PluginError> {
    let processed = row.adapter.process(origin, carry, lines).await?;
    answer.insert("lines".to_owned(), texts(&processed));
    answer.insert("carry".to_owned(), json!(String::from_utf8_lossy(&processed.carry)));
    let samples: Vec<Value> = processed
        .samples
        .iter()
        .map(|sample| {
            let kind = match sample.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            let labels: Map<String, Value> = sample.labels.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            json!({ "name": sample.name, "kind": kind, "labels": labels, "value": sample.value })
        })
        .collect();
    answer.insert("samples".to_owned(), Value::Array(samples));
    let flushed = row.adapter.flush(origin, &processed.carry).await?;
    answer.insert("flushed".to_owned(), texts(&flushed));
    Ok(())
}

fn texts(answer: &Answer) -> Value {
    answer.lines.iter().map(|line| json!(String::from_utf8_lossy(&line.text))).collect()
}
