//! `GET /containerLogs/{namespace}/{pod}/{container}`: `getContainerLogs` in `pkg/kubelet/server/server.go`.

use crate::agent::Agent;
use crate::pod::status::spec_of;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use interfaces::workload::ContainerId;
use object::{Object, Value};
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use workload::log::{ReadOptions, read};

/// `PodLogOptions` as a query.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    follow: Option<String>,
    previous: Option<String>,
    timestamps: Option<String>,
    tail_lines: Option<i64>,
    since_seconds: Option<i64>,
    since_time: Option<String>,
    limit_bytes: Option<i64>,
    stream: Option<String>,
}

/// A Go boolean query value.
fn is_true(text: &Option<String>) -> bool {
    matches!(text.as_deref(), Some("true" | "1" | "True" | "TRUE" | "t" | "T"))
}

impl Options {
    fn read_options(&self, now: SystemTime) -> Result<ReadOptions, String> {
        let positive = |name: &str, value: Option<i64>| match value {
            Some(value) => u64::try_from(value).map(Some).map_err(|_| format!("{name} must be greater than or equal to 0")),
            None => Ok(None),
        };
        let since_seconds = positive("sinceSeconds", self.since_seconds)?;
        let since_time = match self.since_time.as_deref().filter(|t| !t.is_empty()) {
            Some(text) => Some(object::time::parse(text).ok_or_else(|| format!("sinceTime {text:?} is not RFC 3339"))?),
            None => None,
        };
        let since = match (since_seconds, since_time) {
            (Some(_), Some(_)) => return Err("at most one of `sinceTime` or `sinceSeconds` may be specified".to_owned()),
            (Some(seconds), None) => now.checked_sub(Duration::from_secs(seconds)),
            (None, since) => since,
        };
        let stream = match self.stream.as_deref() {
            None | Some("" | "All") => None,
            Some("Stdout") => Some(workload::log::Stream::Stdout),
            Some("Stderr") => Some(workload::log::Stream::Stderr),
            Some(other) => return Err(format!("stream {other:?} is not All, Stdout or Stderr")),
        };
        Ok(ReadOptions {
            follow: is_true(&self.follow),
            tail_lines: positive("tailLines", self.tail_lines)?,
            since,
            timestamps: is_true(&self.timestamps),
            limit_bytes: positive("limitBytes", self.limit_bytes)?,
            stream,
        })
    }
}

pub async fn container(
    State(agent): State<Arc<Agent>>,
    Path((namespace, pod, container)): Path<(String, String, String)>,
    Query(options): Query<Options>,
) -> Response {
    match open(&agent, &namespace, &pod, &container, &options).await {
        Ok(body) => ([("content-type", "text/plain")], body).into_response(),
        Err((code, message)) => (code, message).into_response(),
    }
}

async fn open(agent: &Agent, namespace: &str, pod: &str, container: &str, options: &Options) -> Result<Body, (StatusCode, String)> {
    let bad = |message: String| (StatusCode::BAD_REQUEST, message);
    let missing = || (StatusCode::NOT_FOUND, format!("pod \"{pod}\" does not exist"));
    let found = agent.pod_cache.get(namespace, pod).filter(|p| p.str_at(&["spec", "nodeName"]) == agent.config.node_name);
    let object = found.ok_or_else(missing)?;
    let spec = typed::pod(&object).ok().and_then(|p| p.spec.as_ref()).ok_or_else(missing)?;
    if spec_of(spec, container).is_none() {
        return Err(bad(format!("container \"{container}\" in pod \"{pod}\" is not available")));
    }
    let read_options = options.read_options(SystemTime::now()).map_err(bad)?;
    let previous = is_true(&options.previous);
    let attempts = attempts(&agent.config.log_dir(namespace, pod, object.uid()).join(container));
    let chosen = if previous { attempts.iter().rev().nth(1) } else { attempts.last() };
    let Some((attempt, path)) = chosen else {
        return Err(bad(if previous {
            format!("previous terminated container \"{container}\" in pod \"{pod}\" not found")
        } else {
            waiting_message(&object, pod, container)
        }));
    };
    let id = ContainerId { pod_uid: object.uid().to_owned(), name: container.to_owned(), attempt: *attempt };
    let drained = agent.adapters.drained(&id);
    let ended = match agent.runs.alive(&id) {
        Some(token) => async move {
            token.cancelled().await;
            drained.await;
        }
        .boxed(),
        None => {
            // What it wrote last is on its way.
            drained.await;
            futures::future::ready(()).boxed()
        }
    };
    let stream = read(path, read_options, ended).await;
    let stream = stream.map_err(|e| (StatusCode::INTERNAL_SERVER_ERROR, format!("log of container \"{container}\": {e}")))?;
    Ok(Body::from_stream(stream))
}

fn waiting_message(object: &Object, pod: &str, container: &str) -> String {
    let statuses = ["containerStatuses", "initContainerStatuses"].into_iter();
    let all = statuses.filter_map(|list| object.at(&["status", list])).filter_map(Value::as_array).flatten();
    let mut named = all.filter(|s| s.get("name").and_then(Value::as_str) == Some(container));
    let waiting = named.next().and_then(|s| s.get("state")?.get("waiting"));
    let reason = waiting.and_then(|w| w.get("reason")).and_then(Value::as_str).unwrap_or("ContainerCreating");
    let why = match reason {
        "ErrImagePull" => "image can't be pulled",
        "ImagePullBackOff" => "trying and failing to pull image",
        other => other,
    };
    format!("container \"{container}\" in pod \"{pod}\" is waiting to start: {why}")
}

/// The logs that are there, oldest first. Rotated parts belong to their attempt's file.
fn attempts(dir: &std::path::Path) -> Vec<(u32, PathBuf)> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let logs = entries.filter_map(|entry| {
        let path = entry.path();
        let name = path.file_name()?.to_str()?.strip_suffix(".log")?.parse().ok()?;
        Some((name, path))
    });
    let mut all: Vec<_> = logs.collect();
    all.sort();
    all
}

/// `MaxContainerTerminationMessageLogLength` and `…Lines`.
const TAIL_BYTES: usize = 2048;
const TAIL_LINES: usize = 80;

/// The end of a log without time stamps, for `FallbackToLogsOnError`. Empty when it cannot be read.
pub fn tail_text(path: &std::path::Path) -> String {
    use std::io::{Read, Seek, SeekFrom};
    // Each line carries some 40 bytes of its own.
    let most = u64::try_from(TAIL_BYTES + TAIL_LINES * 64).unwrap_or_default();
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let skipped = lines.len().saturating_sub(TAIL_LINES);
    let mut out = String::new();
    for line in lines.iter().skip(skipped) {
        let mut parts = line.splitn(4, ' ');
        let (Some(_), Some(_), Some(tag), Some(content)) = (parts.next(), parts.next(), parts.next(), parts.next()) else { continue };
        out.push_str(content);
        if tag != "P" {
            out.push('\n');
        }
    }
    let cut = out.len().saturating_sub(TAIL_BYTES);
    let from = (cut..=out.len()).find(|at| out.is_char_boundary(*at)).unwrap_or_default();
    out.get(from..).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let now = object::time::parse("2026-01-01T00:01:00Z").unwrap();
        let options = Options { follow: Some("true".into()), tail_lines: Some(5), since_seconds: Some(60), ..Options::default() };
        let got = options.read_options(now).unwrap();
        assert!(got.follow && !got.timestamps);
        assert_eq!((got.tail_lines, got.since), (Some(5), object::time::parse("2026-01-01T00:00:00Z")));
        for bad in [
            Options { tail_lines: Some(-1), ..Options::default() },
            Options { since_time: Some("x".into()), ..Options::default() },
            Options { since_time: Some("2026-01-01T00:00:00Z".into()), since_seconds: Some(1), ..Options::default() },
            Options { stream: Some("Both".into()), ..Options::default() },
        ] {
            assert!(bad.read_options(now).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn files_and_tails() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["10.log", "2.log", "2.log.20260101", "x.log"] {
            std::fs::write(dir.path().join(name), "2026-01-01T00:00:00.000000000Z stderr F boom\n2026-01-01T00:00:00.000000000Z stdout P a\n2026-01-01T00:00:00.000000000Z stdout F b\n").unwrap();
        }
        let found: Vec<u32> = attempts(dir.path()).into_iter().map(|(n, _)| n).collect();
        assert_eq!(found, [2, 10]);
        assert_eq!(tail_text(&dir.path().join("2.log")), "boom\nab\n");
        assert_eq!(tail_text(&dir.path().join("none")), "");
    }
}
