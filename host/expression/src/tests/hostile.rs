//! Expressions made to hurt: nothing panics, overflows the stack or takes long.

use super::*;
use object::json;
use std::time::Duration as Wall;

/// On a stack as small as that of a server's worker, within a time that no honest expression needs.
fn survives(expression: String) -> String {
    let (told, answer) = std::sync::mpsc::channel();
    let run = move || {
        let data = json!({"list": (0..2000).collect::<Vec<i32>>(), "text": "a".repeat(100_000)});
        let schema = json!({"type": "object", "properties": {
            "list": {"type": "array", "items": {"type": "integer"}}, "text": {"type": "string"}}});
        let _ = told.send(outcome(&expression, &declared(&schema), &data));
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).expect("a thread starts");
    answer.recv_timeout(Wall::from_secs(60)).expect("it ends, and without a panic")
}

#[test]
fn depth() {
    let deep = "COMPILE ERROR: <input>:-1:0: expression recursion limit exceeded: 250";
    for (open, middle, close) in [
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("{'a': ", "1", "}"),
        ("!(", "true", ")"),
        ("-(", "1", ")"),
        ("dyn(", "1", ")"),
        ("[1].map(x, ", "1", ")"),
        ("optional.of(", "1", ")"),
        ("true ? 1 : (", "1", ")"),
    ] {
        assert_eq!(survives(format!("{}{middle}{}", open.repeat(400), close.repeat(400))), deep, "{open}");
        let shallow = survives(format!("{}{middle}{}", open.repeat(80), close.repeat(80)));
        assert!(!shallow.starts_with("COMPILE ERROR: <input>:-1"), "{open}: {shallow}");
    }
    for chain in [" + 1", " * 1", " == 1", "[0]", ".a", ".b()", " ? 1 : 1"] {
        let out = survives(format!("1{}", chain.repeat(5000)));
        assert!(out.starts_with("COMPILE"), "{chain}: {out}");
    }
    assert_eq!(survives(format!("true{}", " && true".repeat(10_000))), "true");
    assert_eq!(survives("(".repeat(100_000)), deep);
    assert!(survives("1 ".repeat(60_000)).starts_with("COMPILE ERROR: <input>:-1:0: expression code point size exceeds limit"));
}

#[test]
fn deepest_that_is_allowed() {
    for (open, middle, close) in [("(", "1", ")"), ("[", "1", "]"), ("dyn(", "1", ")"), ("!(", "true", ")"), ("[1].map(x, ", "x", ")")] {
        let out = survives(format!("{}{middle}{}", open.repeat(240), close.repeat(240)));
        assert!(!out.starts_with("ERROR"), "{open}: {out}");
    }
    let sum = survives(format!("1{}", " + 1".repeat(240)));
    assert_eq!(sum, "241");
}

#[test]
fn size_of_results() {
    for expression in [
        "self.text.replace('a', self.text)",
        "self.text.replace('', self.text)",
        "[self.text, self.text].map(t, t.replace('a', self.text))",
        "self.list.map(i, self.text).join(self.text)",
        "lists.range(9223372036854775807)",
        "lists.range(100000000).size()",
        "self.list.map(i, self.list + self.list + self.list + self.list).size()",
        "self.list.all(i, self.list.all(j, self.list + self.list != []))",
        "'%.999999999f'.format([1.0])",
        "self.list.map(a, self.list.map(b, self.list)).map(c, '%s'.format([c])).size()",
        "self.list.all(i, self.list.distinct().size() > 0)",
        "self.list.map(i, self.list).flatten().map(i, self.list).flatten().size()",
        "self.list.all(x, self.list == self.list)",
        "self.list.sortBy(x, -x).size() + self.list.sort().size()",
    ] {
        let out = survives(expression.to_owned());
        assert!(!out.is_empty(), "{expression}");
    }
}

#[test]
fn patterns() {
    for expression in [
        "self.text.matches('(a+)+$')",
        "self.text.matches('(a|a)*b')",
        "self.text.matches('(a{1,1000}){1,1000}')",
        "self.text.matches('((a{0,100}){0,100}){0,100}')",
        "self.list.all(i, self.text.substring(0, 3).matches('a{1000}b' + string(i)))",
        "self.list.all(i, 'x'.matches('(x{50}){20}' + string(i)))",
        "self.text.findAll('a*?').size() > 0",
        "self.text.matches('((((((((((a*)*)*)*)*)*)*)*)*)*')",
    ] {
        let out = survives(expression.to_owned());
        assert!(!out.is_empty(), "{expression}");
    }
    let nested = format!("'a'.matches('{}a{}')", "(".repeat(5000), ")".repeat(5000));
    assert!(survives(nested).starts_with("COMPILE"));
}

#[test]
fn types_do_not_explode() {
    let chain: String = (0..120).map(|_| ".map(x, {'a': x, 'b': x})").collect();
    survives(format!("[1]{chain}.size()"));
    let keys: String = (0..120).map(|_| ".map(x, {x: x})").collect();
    let out = survives(format!("[1]{keys}.size()"));
    assert!(out.contains("too complex"), "{out}");
    survives(format!("[{}].size()", "[],".repeat(20_000)));
    survives(format!("[{}].size()", "[[]],".repeat(15_000)));
}

/// Mutations of honest expressions, by a fixed sequence.
#[test]
fn noise() {
    let seeds = [
        "self.list.all(x, x > 0 && x < 10) || self.text.matches('^a+$')",
        "self.?text.optMap(t, t.split(',').map(p, p.trim())).orValue([]).size() == 1",
        "{'a': [1, 2], 'b': []}.transformMap(k, v, v.size() > 0, v.sum())",
        "timestamp('2024-01-01T00:00:00Z').getHours('+01:00') > duration('1h').getHours()",
        "quantity('1Gi').isGreaterThan(quantity('1M')) ? cidr('10.0.0.0/8').containsIP('10.1.1.1') : semver('1.2.3').major() > 0",
        "'%s %d %.2f'.format([self.list, 1, 2.5]) + b'\\x41\\u00e9'.size() in [r'\\d', \"\"\"x\"\"\"]",
    ];
    let pieces = [
        "(", ")", "[", "]", "{", "}", ".", "?", ":", ",", "'", "\"", "\\", "-", "!", "&&", "||", "1", "1u", "1e9", "x", "self", "in",
        "null", "é", "\n",
    ];
    let mut seed = 7u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    let data = json!({"list": [1, 2], "text": "aa"});
    let schema = json!({"type": "object", "properties": {
        "list": {"type": "array", "items": {"type": "integer"}}, "text": {"type": "string"}}});
    let declarations = declared(&schema);
    for _ in 0..4000 {
        let mut text: Vec<char> = seeds[next(seeds.len())].chars().collect();
        for _ in 0..=next(4) {
            let at = next(text.len());
            match next(3) {
                0 => drop(text.remove(at)),
                1 => text.splice(at..at, pieces[next(pieces.len())].chars()).for_each(drop),
                _ => {
                    let other = next(text.len());
                    text.swap(at, other);
                }
            }
        }
        outcome(&text.into_iter().collect::<String>(), &declarations, &data);
    }
}
