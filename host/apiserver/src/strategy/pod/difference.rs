//! Whether two trees mean the same, and how they differ (`apimachinery/pkg/api/equality`, `pkg/util/diff`).

use object::Value;
use object::quantity::Quantity;

/// Booleans whose absence means false.
const PLAIN_FLAGS: [&str; 8] = ["hostNetwork", "hostPID", "hostIPC", "stdin", "stdinOnce", "tty", "readOnly", "runAsNonRoot"];
/// Maps and fields of amounts.
const AMOUNTS: [&str; 6] = ["limits", "requests", "overhead", "sizeLimit", "divisor", "capacity"];
/// Lines around a change.
const CONTEXT: usize = 3;
/// Lines between the first and the last change that are compared one by one.
const COMPARED: usize = 600;

/// `Semantic.DeepEqual` on trees: what is empty is as if absent, and amounts are compared as such.
pub fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    same_at("", a, b, false)
}

fn same_at(field: &str, a: Option<&Value>, b: Option<&Value>, amounts: bool) -> bool {
    if a == b {
        return true;
    }
    let amounts = amounts || AMOUNTS.contains(&field);
    match (a, b) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            keys.into_iter().all(|key| same_at(key, a.get(key), b.get(key), amounts))
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_at(field, Some(a), Some(b), amounts))
        }
        (Some(a), Some(b)) if amounts => match (Quantity::from_value(a), Quantity::from_value(b)) {
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        },
        (a, b) => is_nothing(field, a) && is_nothing(field, b),
    }
}

fn is_nothing(field: &str, value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(list)) => list.is_empty(),
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Bool(flag)) => !flag && PLAIN_FLAGS.contains(&field),
        Some(Value::Number(number)) => field == "hostPort" && number.as_i64() == Some(0),
    }
}

/// A unified diff of the trees as JSON with one space of indent, as `diff.Diff` makes it.
pub fn unified(old: &Value, new: &Value) -> String {
    let (old, new) = (pretty(old), pretty(new));
    let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    if head == a.len() && head == b.len() {
        return String::new();
    }
    let most = a.len().min(b.len()) - head;
    let tail = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count().min(most);
    let from = head.saturating_sub(CONTEXT);
    let after = CONTEXT.min(tail);
    let middle = |lines: &[&str]| -> Vec<String> {
        lines.get(head..lines.len() - tail).unwrap_or_default().iter().map(|l| (*l).to_owned()).collect()
    };
    let mut lines: Vec<String> = a.get(from..head).unwrap_or_default().iter().map(|l| format!(" {l}")).collect();
    lines.extend(changed(&middle(&a), &middle(&b)));
    lines.extend(a.get(a.len() - tail..a.len() - tail + after).unwrap_or_default().iter().map(|l| format!(" {l}")));
    let span = |length: usize| length - tail + after - from;
    let header = format!("@@ -{},{} +{},{} @@", from + 1, span(a.len()), from + 1, span(b.len()));
    format!("{header}\n{}\n", lines.join("\n"))
}

fn pretty(value: &Value) -> String {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    if serde::Serialize::serialize(value, &mut serializer).is_err() {
        return String::new();
    }
    String::from_utf8(text).unwrap_or_default()
}

/// Lines that went and came, by the longest common subsequence; beyond a bound, all that went before all that came.
fn changed(a: &[String], b: &[String]) -> Vec<String> {
    let gone = |line: &String| format!("-{line}");
    let come = |line: &String| format!("+{line}");
    if a.len().max(b.len()) > COMPARED {
        return a.iter().map(gone).chain(b.iter().map(come)).collect();
    }
    // `common[i][j]`: common lines of a from i and b from j.
    let mut common = vec![vec![0u16; b.len() + 1]; a.len() + 1];
    let at = |common: &[Vec<u16>], i: usize, j: usize| common.get(i).and_then(|row| row.get(j)).copied().unwrap_or(0);
    for (i, x) in a.iter().enumerate().rev() {
        for (j, y) in b.iter().enumerate().rev() {
            let length = if x == y { at(&common, i + 1, j + 1) + 1 } else { at(&common, i + 1, j).max(at(&common, i, j + 1)) };
            if let Some(slot) = common.get_mut(i).and_then(|row| row.get_mut(j)) {
                *slot = length;
            }
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        if x == y {
            lines.push(format!(" {x}"));
            (i, j) = (i + 1, j + 1);
        } else if at(&common, i + 1, j) >= at(&common, i, j + 1) {
            lines.push(gone(x));
            i += 1;
        } else {
            lines.push(come(y));
            j += 1;
        }
    }
    lines.extend(a.get(i..).unwrap_or_default().iter().map(gone));
    lines.extend(b.get(j..).unwrap_or_default().iter().map(come));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn sameness() {
        for (a, b, expect) in [
            (json!({"a": []}), json!({}), true),
            (json!({"a": {}}), json!({"a": null}), true),
            (json!({"hostNetwork": false}), json!({}), true),
            (json!({"hostUsers": false}), json!({}), false),
            (json!({"limits": {"cpu": "1000m"}}), json!({"limits": {"cpu": "1"}}), true),
            (json!({"image": "1000m"}), json!({"image": "1"}), false),
            (json!({"runAsUser": 0}), json!({}), false),
            (json!({"a": [1, 2]}), json!({"a": [2, 1]}), false),
        ] {
            assert_eq!(same(Some(&a), Some(&b)), expect, "{a} {b}");
        }
    }

    #[test]
    fn differences() {
        let old = json!({"a": 1, "b": [1, 2, 3], "c": "x", "d": 1, "e": 2, "f": 3, "g": 4});
        let mut new = old.clone();
        new["c"] = json!("y");
        let told = unified(&old, &new);
        assert_eq!(
            told,
            "@@ -5,7 +5,7 @@\n  2,\n  3\n ],\n- \"c\": \"x\",\n+ \"c\": \"y\",\n  \"d\": 1,\n  \"e\": 2,\n  \"f\": 3,\n"
                .replace("\n  2,\n  3\n ],", "\n   2,\n   3\n  ],")
        );
        assert_eq!(unified(&old, &old), "");
        assert!(unified(&json!({}), &json!({"a": 1})).contains("+ \"a\": 1"));
    }
}
