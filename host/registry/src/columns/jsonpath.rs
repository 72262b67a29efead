//! `kubectl`'s JSONPath as printer columns have it (`k8s.io/client-go/util/jsonpath`): fields, indices, slices, wildcards,
//! recursive descent, unions and filters. Missing keys find nothing.

use object::Value;
use std::cmp::Ordering;

/// One path, read once.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    Wildcard,
    /// The value and all below it.
    Recursive,
    /// `[start:end:step]`; negative counts from the end.
    Slice(Option<i64>, Option<i64>, Option<i64>),
    Index(i64),
    Union(Vec<JsonPath>),
    Filter(Operand, Option<(Operator, Operand)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    /// From the item under the filter.
    Path(JsonPath),
    Value(Value),
}

impl JsonPath {
    /// Reads `.spec.x`, `{.spec.x}` or `$.spec.x`. The error says where it ends to make sense.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let text = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or(text);
        let text = text.strip_prefix('$').unwrap_or(text);
        let mut parser = Parser { rest: text };
        let steps = parser.steps(&[])?;
        if parser.rest.is_empty() { Ok(Self { steps }) } else { Err(format!("unexpected {:?}", parser.rest)) }
    }

    /// Everything that the path finds, in order.
    pub fn find<'v>(&self, root: &'v Value) -> Vec<&'v Value> {
        self.steps.iter().fold(vec![root], |found, step| found.into_iter().flat_map(|value| step.find(value)).collect())
    }
}

impl Step {
    fn find<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        match self {
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::Wildcard => children(value),
            Self::Recursive => descend(value),
            Self::Index(index) => {
                let Some(items) = value.as_array() else { return Vec::new() };
                place(*index, items.len()).and_then(|at| items.get(at)).into_iter().collect()
            }
            Self::Slice(start, end, step) => slice(value, *start, *end, *step),
            Self::Union(paths) => paths.iter().flat_map(|path| path.find(value)).collect(),
            Self::Filter(left, right) => {
                let holds = |item: &&Value| match right {
                    None => left.find(item).is_some_and(|v| !v.is_null()),
                    Some((operator, right)) => match (left.find(item), right.find(item)) {
                        (Some(l), Some(r)) => operator.holds(l, r),
                        _ => false,
                    },
                };
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                items.iter().filter(holds).collect()
            }
        }
    }
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(map) => map.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    }
}

fn descend(value: &Value) -> Vec<&Value> {
    let mut found = vec![value];
    children(value).into_iter().for_each(|child| found.extend(descend(child)));
    found
}

fn place(index: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    usize::try_from(if index < 0 { index + length } else { index }).ok()
}

fn slice(value: &Value, start: Option<i64>, end: Option<i64>, step: Option<i64>) -> Vec<&Value> {
    let Some(items) = value.as_array() else { return Vec::new() };
    let start = place(start.unwrap_or(0), items.len()).unwrap_or(0);
    let end = end.map_or(Some(items.len()), |end| place(end, items.len())).unwrap_or(0).min(items.len());
    let step = step.and_then(|s| usize::try_from(s).ok()).filter(|s| *s > 0).unwrap_or(1);
    items.get(start..end).map(|some| some.iter().step_by(step).collect()).unwrap_or_default()
}

impl Operand {
    fn find<'v>(&'v self, item: &'v Value) -> Option<&'v Value> {
        match self {
            Self::Path(path) => path.find(item).first().copied(),
            Self::Value(value) => Some(value),
        }
    }
}

impl Operator {
    fn holds(self, left: &Value, right: &Value) -> bool {
        let order = match (left, right) {
            (Value::Number(l), Value::Number(r)) => l.as_f64().zip(r.as_f64()).and_then(|(l, r)| l.partial_cmp(&r)),
            (Value::String(l), Value::String(r)) => Some(l.cmp(r)),
            (Value::Bool(l), Value::Bool(r)) => Some(l.cmp(r)),
            (l, r) if l == r => Some(Ordering::Equal),
            // A filter over values of different types holds for none but inequality.
            _ => return self == Self::NotEqual,
        };
        match (self, order) {
            (_, None) => false,
            (Self::Equal, Some(o)) => o.is_eq(),
            (Self::NotEqual, Some(o)) => o.is_ne(),
            (Self::Less, Some(o)) => o.is_lt(),
            (Self::LessOrEqual, Some(o)) => o.is_le(),
            (Self::Greater, Some(o)) => o.is_gt(),
            (Self::GreaterOrEqual, Some(o)) => o.is_ge(),
        }
    }
}

struct Parser<'t> {
    rest: &'t str,
}

impl<'t> Parser<'t> {
    /// Steps up to one of the characters, which stays.
    fn steps(&mut self, until: &[char]) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        while let Some(c) = self.rest.chars().next().filter(|c| !until.contains(c)) {
            match c {
                '.' => {
                    self.skip(1);
                    if self.rest.starts_with('.') {
                        self.skip(1);
                        steps.push(Step::Recursive);
                        if self.rest.starts_with('[') {
                            continue;
                        }
                    }
                    if self.rest.starts_with('*') {
                        self.skip(1);
                        steps.push(Step::Wildcard);
                    } else {
                        let name = self.name(until);
                        if !name.is_empty() {
                            steps.push(Step::Field(name));
                        }
                    }
                }
                '[' => {
                    self.skip(1);
                    steps.push(self.brackets()?);
                }
                _ if steps.is_empty() => steps.push(Step::Field(self.name(until))),
                _ => return Err(format!("unexpected {:?}", self.rest)),
            }
        }
        Ok(steps)
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// A field's name; a backslash takes the meaning of what follows.
    fn name(&mut self, until: &[char]) -> String {
        let mut name = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => name.extend(chars.next().map(|(_, c)| c)),
                '.' | '[' => {
                    self.skip(at);
                    return name;
                }
                c if until.contains(&c) => {
                    self.skip(at);
                    return name;
                }
                c => name.push(c),
            }
        }
        self.rest = "";
        name
    }

    /// What stands in brackets, to behind the closing one.
    fn brackets(&mut self) -> Result<Step, String> {
        if let Some(inside) = self.rest.strip_prefix("?(") {
            self.rest = inside;
            return self.filter();
        }
        let inside = self.until_closing()?;
        if inside.trim() == "*" {
            return Ok(Step::Wildcard);
        }
        let parts = split_unquoted(inside, ',');
        if parts.len() > 1 {
            let paths: Result<Vec<JsonPath>, String> =
                parts.iter().map(|part| Ok(JsonPath { steps: vec![single(part.trim())?] })).collect();
            return Ok(Step::Union(paths?));
        }
        single(inside.trim())
    }

    /// Up to the bracket that closes, quotes aside.
    fn until_closing(&mut self) -> Result<&'t str, String> {
        let mut quote = None;
        for (at, c) in self.rest.char_indices() {
            match (quote, c) {
                (Some(q), c) if c == q => quote = None,
                (Some(_), _) => {}
                (None, '\'' | '"') => quote = Some(c),
                (None, ']') => {
                    let inside = self.rest.get(..at).unwrap_or_default();
                    self.skip(at + 1);
                    return Ok(inside);
                }
                _ => {}
            }
        }
        Err("unterminated array".to_owned())
    }

    /// `@.type=="Ready")]`
    fn filter(&mut self) -> Result<Step, String> {
        let mut depth = 0_usize;
        let mut quote = None;
        let mut end = None;
        for (at, c) in self.rest.char_indices() {
            match (quote, c) {
                (Some(q), c) if c == q => quote = None,
                (Some(_), _) => {}
                (None, '\'' | '"') => quote = Some(c),
                (None, '(') => depth += 1,
                (None, ')') if depth > 0 => depth -= 1,
                (None, ')') => {
                    end = Some(at);
                    break;
                }
                _ => {}
            }
        }
        let end = end.ok_or("unterminated filter")?;
        let inside = self.rest.get(..end).unwrap_or_default();
        self.skip(end + 1);
        if !self.rest.starts_with(']') {
            return Err("unclosed array expect ]".to_owned());
        }
        self.skip(1);
        const OPERATORS: [(&str, Operator); 6] = [
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        let found = OPERATORS.iter().filter_map(|(sign, operator)| Some((find_unquoted(inside, sign)?, *sign, *operator)));
        // The first sign counts, the longer one of two at a place.
        match found.min_by_key(|(at, sign, _)| (*at, 2 - sign.len())) {
            Some((at, sign, operator)) => {
                let (left, right) = (inside.get(..at).unwrap_or_default(), inside.get(at + sign.len()..).unwrap_or_default());
                Ok(Step::Filter(operand(left)?, Some((operator, operand(right)?))))
            }
            None => Ok(Step::Filter(operand(inside)?, None)),
        }
    }
}

fn single(inside: &str) -> Result<Step, String> {
    let quoted = |q: char| inside.strip_prefix(q).and_then(|t| t.strip_suffix(q));
    if let Some(name) = quoted('\'').or_else(|| quoted('"')) {
        return Ok(Step::Field(name.replace("\\'", "'")));
    }
    let number = |text: &str| -> Result<Option<i64>, String> {
        let text = text.trim();
        if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| format!("invalid array index {inside}")) }
    };
    let parts: Vec<&str> = inside.split(':').collect();
    match parts.as_slice() {
        [one] => number(one)?.map(Step::Index).ok_or_else(|| format!("invalid array index {inside}")),
        [start, end] => Ok(Step::Slice(number(start)?, number(end)?, None)),
        [start, end, step] => Ok(Step::Slice(number(start)?, number(end)?, number(step)?)),
        _ => Err(format!("invalid array index {inside}")),
    }
}

fn operand(text: &str) -> Result<Operand, String> {
    let text = text.trim();
    if let Some(path) = text.strip_prefix('@') {
        return JsonPath::parse(path).map(Operand::Path);
    }
    let quoted = |q: char| text.strip_prefix(q).and_then(|t| t.strip_suffix(q));
    if let Some(text) = quoted('\'').or_else(|| quoted('"')) {
        return Ok(Operand::Value(Value::from(text)));
    }
    serde_json::from_str(text).map(Operand::Value).map_err(|_| format!("unrecognized identifier {text}"))
}

fn find_unquoted(text: &str, sign: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            _ if text.get(at..).is_some_and(|rest| rest.starts_with(sign)) => return Some(at),
            _ => {}
        }
    }
    None
}

fn split_unquoted(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut buffer = [0; 4];
    let sign: &str = separator.encode_utf8(&mut buffer);
    while let Some(at) = find_unquoted(rest, sign) {
        parts.push(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + sign.len()..).unwrap_or_default();
    }
    parts.push(rest);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn paths_find_values() {
        let root = json!({
            "spec": {"a": [{"n": "x", "v": 1}, {"n": "y", "v": 2}, {"n": "z"}], "m": {"k": 1, "l": 2}, "on": true},
            "metadata": {"annotations": {"example.com/a": "1"}},
            "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]},
        });
        let check = |path: &str, expect: Value| {
            let parsed = JsonPath::parse(path).unwrap_or_else(|e| panic!("{path}: {e}"));
            assert_eq!(Value::Array(parsed.find(&root).into_iter().cloned().collect()), expect, "{path}");
        };
        check(".spec.on", json!([true]));
        check("{.spec.m.k}", json!([1]));
        check("$.spec.m['k','l']", json!([1, 2]));
        check(".spec.a[0].n", json!(["x"]));
        check(".spec.a[-1].n", json!(["z"]));
        check(".spec.a[0:2].n", json!(["x", "y"]));
        check(".spec.a[::2].n", json!(["x", "z"]));
        check(".spec.a[*].v", json!([1, 2]));
        check(".spec.m.*", json!([1, 2]));
        check("..n", json!(["x", "y", "z"]));
        check(".status.conditions[?(@.type==\"Ready\")].status", json!(["True"]));
        check(".status.conditions[?(@.type!='Ready')].status", json!(["False"]));
        check(".spec.a[?(@.v>1)].n", json!(["y"]));
        check(".spec.a[?(@.v)].n", json!(["x", "y"]));
        check(r".metadata.annotations.example\.com/a", json!(["1"]));
        check(".metadata.annotations['example.com/a']", json!(["1"]));
        check(".spec.missing.field", json!([]));
        check("", json!([root.clone()]));
        for bad in [".a[", ".a[x]", ".a[?(@.b==c)]", ".a[?(@.b"] {
            assert!(JsonPath::parse(bad).is_err(), "{bad}");
        }
    }
}
