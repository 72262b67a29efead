//! `labelSelector`: `k8s.io/apimachinery/pkg/labels/selector.go`, and `metav1.LabelSelectorAsSelector`.

use crate::names::{label_value, qualified_name};
use crate::tree::Object;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;

/// All of its requirements must hold; sorted by key. `Nothing` matches no object at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSelector {
    nothing: bool,
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    pub key: String,
    pub operator: Operator,
    /// Sorted.
    pub values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    In,
    NotIn,
    Equals,
    DoubleEquals,
    NotEquals,
    Exists,
    DoesNotExist,
    GreaterThan,
    LessThan,
}

impl LabelSelector {
    pub fn everything() -> Self {
        Self { nothing: false, requirements: Vec::new() }
    }
    pub fn nothing() -> Self {
        Self { nothing: true, requirements: Vec::new() }
    }

    /// Reads the query form: `a=b,c in (d,e),!f,g notin (h),i>1`.
    pub fn parse(selector: &str) -> Result<Self, String> {
        let mut requirements = Parser { tokens: scan(selector), at: 0 }.parse()?;
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Self { nothing: false, requirements })
    }

    /// Reads `metav1.LabelSelector`: null selects nothing, an empty one everything.
    pub fn from_value(selector: &Value) -> Result<Self, String> {
        if selector.is_null() {
            return Ok(Self::nothing());
        }
        let mut requirements = Vec::new();
        for (key, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
            let value = value.as_str().unwrap_or_default().to_owned();
            requirements.push(Requirement::new(key, Operator::Equals, vec![value])?);
        }
        for term in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            let text = |name: &str| term.get(name).and_then(Value::as_str).unwrap_or_default();
            let operator = match text("operator") {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => return Err(format!("{other:?} is not a valid label selector operator")),
            };
            let values = term.get("values").and_then(Value::as_array).into_iter().flatten();
            let values = values.filter_map(Value::as_str).map(str::to_owned).collect();
            requirements.push(Requirement::new(text("key"), operator, values)?);
        }
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Self { nothing: false, requirements })
    }

    /// Reads a plain map of labels, as a Service's or ReplicationController's selector: empty or null selects nothing there.
    pub fn from_map(labels: Option<&Map<String, Value>>) -> Self {
        let Some(labels) = labels.filter(|l| !l.is_empty()) else { return Self::nothing() };
        let one = |(key, value): (&String, &Value)| Requirement {
            key: key.clone(),
            operator: Operator::Equals,
            values: vec![value.as_str().unwrap_or_default().to_owned()],
        };
        Self { nothing: false, requirements: labels.iter().map(one).collect() }
    }

    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }
    /// Empty: no object is left out.
    pub fn is_everything(&self) -> bool {
        !self.nothing && self.requirements.is_empty()
    }
    pub fn is_nothing(&self) -> bool {
        self.nothing
    }
    pub fn matches(&self, labels: Option<&Map<String, Value>>) -> bool {
        !self.nothing && self.requirements.iter().all(|r| r.matches(labels))
    }
    pub fn matches_object(&self, object: &Object) -> bool {
        self.matches(object.labels())
    }
}

impl Requirement {
    /// Checks key, number of values and their form.
    pub fn new(key: &str, operator: Operator, mut values: Vec<String>) -> Result<Self, String> {
        use Operator::*;
        let mut errors = Vec::new();
        let bad = qualified_name(key);
        if !bad.is_empty() {
            errors.push(format!("key: Invalid value: {key:?}: {}", bad.join("; ")));
        }
        let wrong = match operator {
            In | NotIn if values.is_empty() => Some("for 'in', 'notin' operators, values set can't be empty"),
            Equals | DoubleEquals | NotEquals if values.len() != 1 => Some("exact-match compatibility requires one single value"),
            Exists | DoesNotExist if !values.is_empty() => Some("values set must be empty for exists and does not exist"),
            GreaterThan | LessThan if values.len() != 1 => Some("for 'Gt', 'Lt' operators, exactly one value is required"),
            _ => None,
        };
        if let Some(wrong) = wrong {
            errors.push(format!("values: Invalid value: {}: {wrong}", Value::from(values.clone())));
        }
        for (at, value) in values.iter().enumerate() {
            if matches!(operator, GreaterThan | LessThan) && value.parse::<i64>().is_err() {
                errors.push(format!("values[{at}]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer"));
            }
            let bad = label_value(value);
            if !bad.is_empty() {
                errors.push(format!("values[{at}][{key}]: Invalid value: {value:?}: {}", bad.join("; ")));
            }
        }
        match errors.as_slice() {
            [] => {
                values.sort_unstable();
                values.dedup();
                Ok(Self { key: key.to_owned(), operator, values })
            }
            [one] => Err(one.clone()),
            many => Err(format!("[{}]", many.join(", "))),
        }
    }

    pub fn matches(&self, labels: Option<&Map<String, Value>>) -> bool {
        let value = labels.and_then(|l| l.get(&self.key)).and_then(Value::as_str);
        let has = |v: &str| self.values.iter().any(|w| w == v);
        match self.operator {
            Operator::In | Operator::Equals | Operator::DoubleEquals => value.is_some_and(has),
            Operator::NotIn | Operator::NotEquals => !value.is_some_and(has),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan | Operator::LessThan => {
                let bound = self.values.first().and_then(|v| v.parse::<i64>().ok());
                match (value.and_then(|v| v.parse::<i64>().ok()), bound) {
                    (Some(value), Some(bound)) if self.operator == Operator::GreaterThan => value > bound,
                    (Some(value), Some(bound)) => value < bound,
                    _ => false,
                }
            }
        }
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, requirement) in self.requirements.iter().enumerate() {
            write!(f, "{}{requirement}", if at > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, values) = (&self.key, self.values.join(","));
        match self.operator {
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::Exists => write!(f, "{key}"),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    End,
    /// `( ) , ! = == != < > in notin`
    Sign(&'static str),
    Word(String),
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Self::End => "",
            Self::Sign(sign) => sign,
            Self::Word(text) => text,
        }
    }
}

fn scan(selector: &str) -> Vec<Token> {
    const SIGNS: [&str; 9] = ["==", "!=", "=", "!", "(", ")", ",", "<", ">"];
    let mut tokens = Vec::new();
    let mut rest = selector;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        if rest.is_empty() || rest.starts_with('\0') {
            tokens.push(Token::End);
            return tokens;
        }
        if let Some((sign, after)) = SIGNS.iter().find_map(|s| Some((*s, rest.strip_prefix(s)?))) {
            tokens.push(Token::Sign(sign));
            rest = after;
            continue;
        }
        let end = rest.find(|c: char| "=!(),<> \t\r\n\0".contains(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        tokens.push(match word {
            "in" => Token::Sign("in"),
            "notin" => Token::Sign("notin"),
            word => Token::Word(word.to_owned()),
        });
        rest = after;
    }
}

struct Parser {
    /// Ends with `End`.
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    /// The token at hand. Where a key or value is expected, `in` and `notin` are plain words.
    fn peek(&self) -> Token {
        match self.raw() {
            Token::Sign(sign @ ("in" | "notin")) => Token::Word(sign.to_owned()),
            other => other,
        }
    }
    fn raw(&self) -> Token {
        self.tokens.get(self.at).cloned().unwrap_or(Token::End)
    }
    fn take(&mut self) -> Token {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn parse(&mut self) -> Result<Vec<Requirement>, String> {
        let mut requirements = Vec::new();
        loop {
            match self.peek() {
                Token::Word(_) | Token::Sign("!") => {
                    requirements.push(self.requirement().map_err(|e| format!("unable to parse requirement: {e}"))?);
                    match self.take() {
                        Token::End => return Ok(requirements),
                        Token::Sign(",") => match self.peek() {
                            Token::Word(_) | Token::Sign("!") => {}
                            other => return Err(format!("found '{}', expected: identifier after ','", other.text())),
                        },
                        other => return Err(format!("found '{}', expected: ',' or 'end of string'", other.text())),
                    }
                }
                Token::End => return Ok(requirements),
                other => return Err(format!("found '{}', expected: !, identifier, or 'end of string'", other.text())),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let mut token = self.take();
        let absent = token == Token::Sign("!");
        if absent {
            token = self.take();
        }
        let Token::Word(key) = token else { return Err(format!("found '{}', expected: identifier", token.text())) };
        let bad = qualified_name(&key);
        if !bad.is_empty() {
            return Err(format!("<nil>: Invalid value: {key:?}: {}", bad.join("; ")));
        }
        if absent {
            return Requirement::new(&key, Operator::DoesNotExist, Vec::new());
        }
        if matches!(self.peek(), Token::End | Token::Sign(",")) {
            return Requirement::new(&key, Operator::Exists, Vec::new());
        }
        let sign = self.raw();
        self.at += 1;
        let operator = match &sign {
            Token::Sign("in") => Operator::In,
            Token::Sign("notin") => Operator::NotIn,
            Token::Sign("=") => Operator::Equals,
            Token::Sign("==") => Operator::DoubleEquals,
            Token::Sign("!=") => Operator::NotEquals,
            Token::Sign(">") => Operator::GreaterThan,
            Token::Sign("<") => Operator::LessThan,
            other => return Err(format!("found '{}', expected: in, notin, =, ==, !=, gt, lt", other.text())),
        };
        let values = match operator {
            Operator::In | Operator::NotIn => self.values()?,
            _ => vec![self.exact_value()?],
        };
        Requirement::new(&key, operator, values)
    }

    fn exact_value(&mut self) -> Result<String, String> {
        if matches!(self.peek(), Token::End | Token::Sign(",")) {
            return Ok(String::new());
        }
        match self.take() {
            Token::Word(value) => Ok(value),
            other => Err(format!("found '{}', expected: identifier", other.text())),
        }
    }

    /// `(a,,b)`: what stands between commas, possibly empty.
    fn values(&mut self) -> Result<Vec<String>, String> {
        let open = self.take();
        if open != Token::Sign("(") {
            return Err(format!("found '{}' expected: '('", open.text()));
        }
        let mut values = BTreeSet::new();
        let mut value = None;
        loop {
            match self.take() {
                Token::Word(word) if value.is_none() => value = Some(word),
                Token::Sign(",") => {
                    values.insert(value.take().unwrap_or_default());
                }
                Token::Sign(")") => {
                    values.insert(value.take().unwrap_or_default());
                    return Ok(values.into_iter().collect());
                }
                other if value.is_some() => return Err(format!("found '{}', expected: ',' or ')'", other.text())),
                other => return Err(format!("found '{}', expected: ',', or identifier", other.text())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parses() {
        let table = [
            ("", Ok("")),
            ("a=b", Ok("a=b")),
            (" a == b , c!=d ", Ok("a==b,c!=d")),
            ("x in (b,,a),y,z notin ()", Ok("x in (,a,b),y,z notin ()")),
            ("!a,b>1,c<2", Ok("!a,b>1,c<2")),
            ("a=", Ok("a=")),
            ("in in (in,notin)", Ok("in in (in,notin)")),
            ("b,a", Ok("a,b")),
            ("example.com/x=1", Ok("example.com/x=1")),
            ("a in (b", Err("unable to parse requirement: found '', expected: ',' or ')'")),
            ("a,", Err("found '', expected: identifier after ','")),
            ("=a", Err("found '=', expected: !, identifier, or 'end of string'")),
            ("a b", Err("unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt")),
            ("!a=b", Err("found '=', expected: ',' or 'end of string'")),
            (
                "a>x",
                Err("unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer"),
            ),
        ];
        for (input, expect) in table {
            let got = LabelSelector::parse(input).map(|s| s.to_string());
            assert_eq!(got.as_deref().map_err(String::as_str), expect, "{input}");
        }
        assert!(
            LabelSelector::parse("-a=b").unwrap_err().starts_with("unable to parse requirement: <nil>: Invalid value: \"-a\": name part")
        );
    }

    #[test]
    fn matches() {
        let labels = json!({"app": "web", "n": "5", "empty": ""});
        let table = [
            ("", true),
            ("app=web", true),
            ("app!=web", false),
            ("app in (web,db)", true),
            ("app notin (db)", true),
            ("zone notin (x)", true),
            ("zone!=x", true),
            ("zone", false),
            ("!zone", true),
            ("n>4", true),
            ("n>5", false),
            ("n<6", true),
            ("app>1", false),
            ("empty=", true),
            ("app=web,zone=x", false),
        ];
        for (selector, expect) in table {
            assert_eq!(LabelSelector::parse(selector).unwrap().matches(labels.as_object()), expect, "{selector}");
        }
        assert!(LabelSelector::parse("!a").unwrap().matches(None));
    }

    #[test]
    fn reads_the_api_form() {
        let labels = json!({"app": "web", "tier": "front"});
        let check = |selector: Value, expect: bool| {
            let parsed = LabelSelector::from_value(&selector).unwrap();
            assert_eq!(parsed.matches(labels.as_object()), expect, "{selector}");
        };
        check(Value::Null, false);
        check(json!({}), true);
        check(json!({"matchLabels": {"app": "web"}}), true);
        check(json!({"matchLabels": {"app": "db"}}), false);
        check(json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["front"]}]}), true);
        check(json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}), false);
        check(json!({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["y"]}]}), true);
        assert_eq!(
            LabelSelector::from_value(&json!({"matchExpressions": [{"key": "a", "operator": "Foo"}]})).unwrap_err(),
            "\"Foo\" is not a valid label selector operator"
        );
        assert!(LabelSelector::from_value(&json!({"matchExpressions": [{"key": "a", "operator": "In"}]})).is_err());
        assert!(LabelSelector::from_map(None).is_nothing());
        assert!(LabelSelector::from_map(labels.as_object()).matches(labels.as_object()));
    }
}
