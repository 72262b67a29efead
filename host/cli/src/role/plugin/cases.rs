//! Case files: what is asked of a plugin, and what it must answer. YAML or JSON:
//!
//! ```yaml
//! nodes: [...]          # what all cases of the file share
//! cases:
//!   - name: …
//!     pod: {...}        # the question, by world
//!     expect: {...}     # the answer; keys that are not here are not compared
//! ```

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// A file of cases.
#[derive(Debug)]
pub struct File {
    pub path: PathBuf,
    /// Comments before the first line of content: kept when the file is written again.
    head: String,
    content: serde_yaml_ng::Value,
}

/// One question with all that its file shares.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    /// The question: the file's keys, replaced by the case's own; lists under `objects` are joined.
    pub given: Map<String, Value>,
    pub expect: Option<Map<String, Value>>,
}

/// All case files of a folder, sorted by name; or the one file.
pub fn load(place: &Path) -> Result<Vec<File>> {
    if place.is_file() {
        return Ok(vec![File::read(place)?]);
    }
    let entries = std::fs::read_dir(place).with_context(|| format!("cannot read the cases in {}", place.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known)));
    paths.sort();
    if paths.is_empty() {
        bail!("{} has no case files; docs/plugins.md shows what is in one", place.display());
    }
    paths.iter().map(|path| File::read(path)).collect()
}

impl File {
    fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self> {
        let head = text.lines().take_while(|line| line.is_empty() || line.starts_with('#')).map(|line| format!("{line}\n")).collect();
        let content = serde_yaml_ng::from_str(text).with_context(|| format!("case file {}", path.display()))?;
        Ok(Self { path: path.to_owned(), head, content })
    }

    pub fn cases(&self) -> Result<Vec<Case>> {
        let what = || format!("case file {}", self.path.display());
        let value: Value = serde_json::to_value(&self.content).with_context(what)?;
        let Value::Object(mut shared) = value else { bail!("{}: it must be a mapping with `cases`", what()) };
        let Some(Value::Array(cases)) = shared.remove("cases") else { bail!("{}: it has no list `cases`", what()) };
        let mut found = Vec::new();
        for (number, case) in cases.into_iter().enumerate() {
            let Value::Object(mut own) = case else { bail!("{}: case {} is not a mapping", what(), number + 1) };
            let expect = match own.remove("expect") {
                None | Some(Value::Null) => None,
                Some(Value::Object(expect)) => Some(expect),
                Some(_) => bail!("{}: `expect` of case {} is not a mapping", what(), number + 1),
            };
            let name = own.remove("name").and_then(|name| name.as_str().map(str::to_owned));
            let mut given = shared.clone();
            for (key, value) in own {
                match (given.get_mut(&key), value) {
                    (Some(Value::Array(all)), Value::Array(more)) if key == "objects" => all.extend(more),
                    (_, value) => drop(given.insert(key, value)),
                }
            }
            found.push(Case { name: name.unwrap_or_else(|| format!("case {}", number + 1)), given, expect });
        }
        Ok(found)
    }

    /// Writes the file with these answers as what is expected, one for each case that has `Some`.
    pub fn record(&mut self, answers: &[Option<Map<String, Value>>]) -> Result<()> {
        let cases = self.content.get_mut("cases").and_then(serde_yaml_ng::Value::as_sequence_mut);
        for (case, answer) in cases.into_iter().flatten().zip(answers) {
            if let (Some(case), Some(answer)) = (case.as_mapping_mut(), answer) {
                case.insert("expect".into(), serde_yaml_ng::to_value(answer)?);
            }
        }
        let text = if self.path.extension().is_some_and(|end| end == "json") {
            serde_json::to_string_pretty(&self.content)? + "\n"
        } else {
            format!("{}{}", self.head, serde_yaml_ng::to_string(&self.content)?)
        };
        std::fs::write(&self.path, text).with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// In what an answer differs from what is expected: two lines for each place that does, empty when none does. Only keys that are
/// expected are looked at; below them everything counts.
pub fn differences(expect: &Map<String, Value>, answer: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    for (key, wanted) in expect {
        differs(key, Some(wanted), answer.get(key), &mut found);
    }
    if !expect.contains_key("error")
        && let Some(error) = answer.get("error")
    {
        found.push(format!("it failed: {}", error.as_str().unwrap_or_default()));
    }
    found
}

fn differs(place: &str, wanted: Option<&Value>, got: Option<&Value>, found: &mut Vec<String>) {
    match (wanted, got) {
        (Some(Value::Object(wanted)), Some(Value::Object(got))) => {
            let more = got.keys().filter(|key| !wanted.contains_key(*key));
            for key in wanted.keys().chain(more) {
                differs(&format!("{place}.{key}"), wanted.get(key), got.get(key), found);
            }
        }
        (Some(Value::Array(wanted)), Some(Value::Array(got))) => {
            for number in 0..wanted.len().max(got.len()) {
                differs(&format!("{place}[{number}]"), wanted.get(number), got.get(number), found);
            }
        }
        // What is not there is as good as null.
        (wanted, got) => {
            let (wanted, got) = (wanted.unwrap_or(&Value::Null), got.unwrap_or(&Value::Null));
            if wanted != got {
                found.push(format!("{place}\n  expected {}\n  got      {}", shown(wanted), shown(got)));
            }
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn file(text: &str) -> File {
        File::parse(Path::new("x.yaml"), text).unwrap()
    }

    #[test]
    fn cases_share_what_their_file_says() {
        let cases =
            file("# c\nnodes: [a]\nobjects: [1]\ncases:\n- name: one\n  pod: p\n- nodes: [b]\n  objects: [2]\n  expect: {filter: {}}\n")
                .cases()
                .unwrap();
        assert_eq!((cases[0].name.as_str(), cases[1].name.as_str()), ("one", "case 2"));
        assert_eq!(Value::Object(cases[0].given.clone()), json!({"nodes": ["a"], "objects": [1], "pod": "p"}));
        assert_eq!(Value::Object(cases[1].given.clone()), json!({"nodes": ["b"], "objects": [1, 2]}));
        assert_eq!(cases[0].expect, None);
        assert_eq!(cases[1].expect.clone().map(Value::Object), Some(json!({"filter": {}})));
        for (text, part) in [
            ("a: 1", "no list `cases`"),
            ("[]", "must be a mapping"),
            ("cases: [1]", "case 1 is not"),
            ("cases: [{expect: 1}]", "`expect`"),
        ] {
            let error = file(text).cases().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn answers_are_compared_where_something_is_expected() {
        let check = |expect: Value, answer: Value, lines: usize| {
            let (Value::Object(expect), Value::Object(answer)) = (expect, answer) else { unreachable!() };
            assert_eq!(differences(&expect, &answer).len(), lines, "{expect:?} {answer:?}");
        };
        check(json!({}), json!({"filter": {}}), 0);
        check(json!({"filter": {}}), json!({"filter": {}, "score": {}}), 0);
        check(json!({"filter": {"a": "b"}}), json!({"filter": {}}), 1);
        check(json!({"filter": {}}), json!({"filter": {"a": "b", "c": "d"}}), 2);
        check(json!({"lines": ["a", "b"]}), json!({"lines": ["a", "c", "d"]}), 2);
        check(json!({"preEnqueue": null}), json!({}), 0);
        check(json!({"a": {}}), json!({"a": []}), 1);
        check(json!({"filter": {}}), json!({"error": "trap"}), 2);
        check(json!({"error": "trap"}), json!({"error": "trap"}), 0);
    }

    #[test]
    fn differences_name_their_place() {
        let (Value::Object(expect), Value::Object(answer)) = (
            json!({"writes": [{"verb": "apply", "object": {"data": {"text": "hello"}}}], "outcome": "done"}),
            json!({"writes": [{"verb": "apply", "object": {"data": {"text": "hallo"}}}, {"verb": "delete"}], "outcome": "done"}),
        ) else {
            unreachable!()
        };
        assert_eq!(
            differences(&expect, &answer),
            [
                "writes[0].object.data.text\n  expected \"hello\"\n  got      \"hallo\"",
                "writes[1]\n  expected nothing\n  got      {\"verb\":\"delete\"}"
            ]
        );
    }

    #[test]
    fn a_recorded_file_keeps_its_head_and_other_cases() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        std::fs::write(&path, "# why\n\ncases:\n- name: one\n  pod: {}\n- name: two\n  expect: {filter: {}}\n").unwrap();
        let mut file = File::read(&path).unwrap();
        file.record(&[Some(Map::from_iter([("filter".to_owned(), json!({"n": "no"}))])), None]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# why\n\ncases:\n"), "{text}");
        let cases = File::read(&path).unwrap().cases().unwrap();
        assert_eq!(cases[0].expect.clone().map(Value::Object), Some(json!({"filter": {"n": "no"}})));
        assert_eq!(cases[1].expect.clone().map(Value::Object), Some(json!({"filter": {}})));
    }
}
