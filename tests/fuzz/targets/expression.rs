//! Expressions: made ones give what a naive model gives, and any text at all compiles or is refused without a panic, within
//! its budget, and the same way twice.

#![no_main]

use arbitrary::{Result, Unstructured};
use expression::{Bindings, Budget, CALL_LIMIT, Decl, Declarations, Environment, Expected, Value};
use libfuzzer_sys::fuzz_target;
use object::json;
use std::sync::LazyLock;

fuzz_target!(|bytes: &[u8]| {
    let _ = check(&mut Unstructured::new(bytes));
});

/// What `self` is.
static DATA: LazyLock<object::Value> = LazyLock::new(|| {
    json!({"n": 3, "d": 1.5, "s": "a,b", "l": [1, 2, 2, 3], "set": ["x", "y"], "m": {"k": "v"}, "o": {"a-b": true},
        "at": "2024-02-29T00:00:00Z", "long": "90s", "port": "http", "wrong": 1})
});

static DECLARATIONS: LazyLock<Declarations> = LazyLock::new(|| {
    let schema = json!({"type": "object", "properties": {
        "n": {"type": "integer"}, "d": {"type": "number"}, "s": {"type": "string", "maxLength": 9},
        "l": {"type": "array", "items": {"type": "integer"}},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "m": {"type": "object", "additionalProperties": {"type": "string"}},
        "o": {"type": "object", "properties": {"a-b": {"type": "boolean"}}},
        "at": {"type": "string", "format": "date-time"}, "long": {"type": "string", "format": "duration"},
        "port": {"x-kubernetes-int-or-string": true}, "wrong": {"type": "string"}, "absent": {"type": "string"}}});
    let decl = Decl::from_openapi(&schema, false, "self").expect("the schema is visible");
    Declarations::new().variable("self", decl)
});

fn check(u: &mut Unstructured<'_>) -> Result<()> {
    if u.ratio(1, 2)? {
        let (text, expect) = number(u, 5)?;
        let got = run(&text).map(|(told, _)| told);
        let expect = expect.map_or_else(|| "error".to_owned(), |n| n.to_string());
        assert_eq!(got.as_deref(), Some(expect.as_str()), "{text}");
        return Ok(());
    }
    let text = if u.ratio(1, 4)? { String::from_utf8_lossy(u.bytes(u.len())?).into_owned() } else { made(u)? };
    if let Some(first) = run(&text) {
        assert_eq!(run(&text), Some(first), "twice: {text}");
    }
    Ok(())
}

/// The outcome and its cost; none when it does not compile.
fn run(text: &str) -> Option<(String, u64)> {
    let program = match Environment::kubernetes().compile(text, &DECLARATIONS, &Expected::Any) {
        Ok(program) => program,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    let estimate = program.estimate();
    assert!(estimate.min <= estimate.max || estimate.max == 0, "{text}: {estimate:?}");
    let mut budget = Budget::new(2 * CALL_LIMIT);
    let told = match program.evaluate(&Bindings::new().json("self", &DATA), &mut budget) {
        Ok(Value::Int(n)) => n.to_string(),
        Ok(value) => format!("{value:?}"),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            "error".to_owned()
        }
    };
    Some((told, 2 * CALL_LIMIT - budget.left()))
}

/// An integer expression and what it is; none is an error.
fn number(u: &mut Unstructured<'_>, depth: u32) -> Result<(String, Option<i64>)> {
    if depth == 0 || u.is_empty() {
        let n = *u.choose(&[0i64, 1, 2, 3, -1, 7, i64::MAX, i64::MIN])?;
        return Ok((format!("dyn({n})"), Some(n)).map_text(|text| format!("int({text})")));
    }
    Ok(match u.int_in_range(0..=8)? {
        n @ 0..=4 => {
            let (a, x) = number(u, depth - 1)?;
            let (b, y) = number(u, depth - 1)?;
            let (sign, value): (&str, fn(i64, i64) -> Option<i64>) = match n {
                0 => ("+", i64::checked_add),
                1 => ("-", i64::checked_sub),
                2 => ("*", i64::checked_mul),
                3 => ("/", i64::checked_div),
                _ => ("%", i64::checked_rem),
            };
            (format!("({a} {sign} {b})"), x.zip(y).and_then(|(x, y)| value(x, y)))
        }
        5 => {
            let (condition, c) = truth(u, depth - 1)?;
            let (a, x) = number(u, depth - 1)?;
            let (b, y) = number(u, depth - 1)?;
            (format!("({condition} ? {a} : {b})"), c.and_then(|c| if c { x } else { y }))
        }
        6 => {
            // A list of results: its sum, unless one of them fails.
            let (a, x) = number(u, depth - 1)?;
            let (b, y) = number(u, depth - 1)?;
            (format!("[{a}, {b}].sum()"), x.zip(y).and_then(|(x, y)| x.checked_add(y)))
        }
        7 => {
            let (a, x) = number(u, depth - 1)?;
            let (b, y) = number(u, depth - 1)?;
            (format!("[{a}, {b}].map(v, v % 10 + 1)[1]"), x.zip(y).map(|(_, y)| y % 10 + 1))
        }
        _ => {
            let (a, x) = number(u, depth - 1)?;
            let (b, y) = number(u, depth - 1)?;
            (format!("optional.of({a}).orValue({b})"), x.or(y.and(None)))
        }
    })
}

/// A boolean expression; `&&` and `||` take what decides whatever else fails.
fn truth(u: &mut Unstructured<'_>, depth: u32) -> Result<(String, Option<bool>)> {
    if depth == 0 || u.is_empty() {
        let b = u.arbitrary()?;
        return Ok((format!("{b}"), Some(b)));
    }
    Ok(match u.int_in_range(0..=5)? {
        0 => {
            let (a, x) = truth(u, depth - 1)?;
            let (b, y) = truth(u, depth - 1)?;
            let value = if x == Some(false) || y == Some(false) { Some(false) } else { x.zip(y).map(|(x, y)| x && y) };
            (format!("({a} && {b})"), value)
        }
        1 => {
            let (a, x) = truth(u, depth - 1)?;
            let (b, y) = truth(u, depth - 1)?;
            let value = if x == Some(true) || y == Some(true) { Some(true) } else { x.zip(y).map(|(x, y)| x || y) };
            (format!("({a} || {b})"), value)
        }
        2 => {
            let (a, x) = truth(u, depth - 1)?;
            (format!("!{a}").replace("!!", "! !"), x.map(|x| !x))
        }
        3 => {
            let (a, x) = number(u, depth - 1)?;
            let (b, y) = number(u, depth - 1)?;
            (format!("[{a}, {b}].all(v, v > 0)"), x.zip(y).map(|(x, y)| x > 0 && y > 0))
        }
        4 => {
            let (a, x) = number(u, depth - 1)?;
            let (b, y) = number(u, depth - 1)?;
            (format!("[{a}, {b}].exists(v, v == 2)"), x.zip(y).map(|(x, y)| x == 2 || y == 2))
        }
        _ => {
            let (a, x) = number(u, depth - 1)?;
            let (b, y) = number(u, depth - 1)?;
            let (sign, value): (&str, fn(&i64, &i64) -> bool) = *u.choose(&[
                ("<", i64::lt as fn(&i64, &i64) -> bool),
                ("<=", i64::le),
                (">", i64::gt),
                (">=", i64::ge),
                ("==", i64::eq),
                ("!=", i64::ne),
            ])?;
            (format!("({a} {sign} {b})"), x.zip(y).map(|(x, y)| value(&x, &y)))
        }
    })
}

trait MapText {
    fn map_text(self, f: impl FnOnce(String) -> String) -> Self;
}
impl<T> MapText for (String, T) {
    fn map_text(self, f: impl FnOnce(String) -> String) -> Self {
        (f(self.0), self.1)
    }
}

/// Text of the pieces that expressions are made of.
fn made(u: &mut Unstructured<'_>) -> Result<String> {
    const PIECES: [&str; 64] = [
        "self",
        ".n",
        ".d",
        ".s",
        ".l",
        ".set",
        ".m",
        ".o",
        ".a__dash__b",
        ".at",
        ".long",
        ".port",
        ".wrong",
        ".absent",
        ".?absent",
        "[0]",
        "['k']",
        "[?9]",
        ".size()",
        ".all(x, x > 1)",
        ".exists(x, x == 2)",
        ".map(x, x + 1)",
        ".filter(x, x > 1)",
        ".transformMap(k, v, v)",
        ".sortBy(x, -x)",
        ".sum()",
        ".distinct()",
        ".flatten()",
        ".first()",
        ".orValue('z')",
        ".optMap(o, o)",
        ".split(',')",
        ".join('-')",
        ".replace('a', 'bb')",
        ".matches('^[a-z]+$')",
        ".findAll('.')",
        ".format([1, 'x'])",
        ".getHours('+01:00')",
        "quantity('1Gi')",
        "ip('10.0.0.1')",
        "cidr('10.0.0.0/8')",
        "semver('1.2.3')",
        "url('http://a/b')",
        "duration('1h')",
        "timestamp(0)",
        "optional.none()",
        "lists.range(4)",
        "type(",
        "dyn(",
        "has(",
        "string(",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        " + ",
        " == ",
        " && ",
        " ? ",
        " : ",
        " in ",
        "'%s'",
    ];
    let mut text = String::new();
    for _ in 0..u.int_in_range(0..=14)? {
        text.push_str(u.choose(&PIECES)?);
    }
    Ok(text)
}
