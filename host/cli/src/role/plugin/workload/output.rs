//! What a component wrote, line by line.

use crate::role::plugin::read;
use anyhow::Result;
use object::Value;
use serde_json::Map;
use std::path::Path;
use workload::log::{self, Stream};

/// Adds the lines of a log to an answer, as `stdout` and `stderr`.
///
/// # Errors
/// It cannot be read.
pub fn written(path: &Path, answer: &mut Map<String, Value>) -> Result<()> {
    let bytes = read(path)?;
    let (mut out, mut err) = (Lines::default(), Lines::default());
    for entry in bytes.split(|byte| *byte == b'\n').filter_map(log::parse) {
        match entry.stream {
            Stream::Stdout => out.add(&entry),
            Stream::Stderr => err.add(&entry),
        }
    }
    answer.insert("stdout".to_owned(), Value::from(out.lines));
    answer.insert("stderr".to_owned(), Value::from(err.lines));
    Ok(())
}

/// The lines of one stream; parts of a long one are put together.
#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    continues: bool,
}

impl Lines {
    fn add(&mut self, entry: &log::Entry) {
        let text = String::from_utf8_lossy(&entry.text);
        match self.lines.last_mut().filter(|_| self.continues) {
            Some(line) => line.push_str(&text),
            None => self.lines.push(text.into_owned()),
        }
        self.continues = entry.continues;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn parts_of_a_line_are_put_together() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let line = |stream: &str, tag: &str, text: &str| format!("2026-01-02T03:04:05.000000006Z {stream} {tag} {text}\n");
        let text = [line("stdout", "P", "long "), line("stderr", "F", "oh"), line("stdout", "F", "line"), line("stdout", "F", "next")];
        std::fs::write(&log, text.concat()).unwrap();
        let mut answer = Map::new();
        written(&log, &mut answer).unwrap();
        assert_eq!(Value::Object(answer), json!({"stdout": ["long line", "next"], "stderr": ["oh"]}));
    }
}
