//! What expressions cost: when they run, and at worst.

use super::*;
use object::json;

fn cost(expression: &str, declarations: &Declarations, data: &Json) -> u64 {
    let program = Environment::kubernetes().compile(expression, declarations, &Expected::Any).unwrap_or_else(|e| panic!("{e}"));
    let mut budget = Budget::new(OBJECT_BUDGET);
    let _ = program.evaluate(&Bindings::new().json("self", data), &mut budget);
    OBJECT_BUDGET - budget.left()
}

#[test]
fn running() {
    let schema = json!({"type": "object", "properties": {
        "n": {"type": "integer"}, "text": {"type": "string"},
        "list": {"type": "array", "items": {"type": "integer"}},
        "objs": {"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "string"}}}},
        "map": {"type": "object", "additionalProperties": {"type": "integer"}}}});
    let data = json!({"n": 1, "text": "twenty-five characters ..", "list": [1, 2, 3, 4],
        "objs": [{"k": "a", "v": "x"}, {"k": "b"}], "map": {"a": 1, "b": 2}});
    let declarations = declared(&schema);
    for (expression, expect) in [
        // Variables and steps cost one each, literals and what is made of them nothing.
        ("self", 1),
        ("self.n", 2),
        ("1", 0),
        ("[1, 2]", 0),
        ("{'a': [1]}", 0),
        ("[self.n]", 12),
        ("{'a': self.n}", 32),
        ("duration('1h')", 0),
        ("1 + 1", 1),
        ("self.n + 1", 3),
        ("self.n == 1", 3),
        ("has(self.n)", 1),
        ("has(self.objs)", 1),
        ("self.list[0]", 3),
        ("self.list[self.n]", 4),
        ("self.map['a']", 3),
        ("[self.n][0]", 14),
        // Texts cost a tenth for each character.
        ("self.text == self.text", 7),
        ("self.text + self.text", 9),
        ("self.text.contains('char')", 5),
        ("self.text.matches('^[a-z]+$')", 8),
        ("self.text.startsWith('twenty')", 3),
        ("self.text.lowerAscii()", 5),
        ("self.text.split(' ')", 7),
        ("self.text.size()", 3),
        // Logic costs what it evaluates.
        ("false && self.n == 1", 0),
        ("true && self.n == 1", 3),
        ("true ? self.n : self.n", 1),
        // Membership in constants is free, in data it is not.
        ("self.n in [1, 2, 3]", 2),
        ("1 in self.list", 6),
        // Each turn reads what it has; a decided loop tests once more.
        ("self.list.all(x, x > 0)", 2 + 4 * (3 + 2) + 1),
        ("self.list.all(x, x < 0)", 2 + (3 + 2) + 2 + 1),
        ("self.list.exists(x, x == 4)", 2 + 4 * (4 + 2) + 1),
        ("self.list.exists(x, x == 1)", 2 + (4 + 2) + 3 + 1),
        ("self.list.map(x, x)", 2 + 4 * (1 + 12) + 1),
        ("self.list.filter(x, x > 2)", 2 + 4 * 2 + 2 * 13 + 1),
        ("self.list.exists_one(x, x == 2)", 2 + 4 * 2 + 2 + 2),
        ("self.map.all(k, k > '')", 2 + 2 * (3 + 1) + 1),
        ("self.map.transformMap(k, v, v)", 2 + 2 * (1 + 3) + 1),
        ("self.list.sum()", 6),
        ("self.list.sort()", 2 + 11 + 32),
        ("sets.contains(self.list, [1, 2])", 2 + 1 + 8),
        ("lists.range(5)", 1 + 10 + 5),
        // What fails is paid as far as it went.
        ("self.objs[1].v == 'x'", 5),
        ("self.?n", 2),
        ("self.objs[0].?v", 4),
        ("self.objs[1].?v", 3),
        ("optional.of(1).optMap(x, x)", 1 + 1 + 1 + 1 + 1 + 1),
        ("quantity(self.text)", 5),
        ("ip('10.0.0.1').family()", 2),
    ] {
        assert_eq!(cost(expression, &declarations, &data), expect, "{expression}");
    }
}

#[test]
fn at_worst() {
    let schema = json!({"type": "object", "properties": {
        "n": {"type": "integer"},
        "text": {"type": "string", "maxLength": 10}, "free": {"type": "string"}, "one": {"type": "string", "enum": ["a", "long"]},
        "list": {"type": "array", "maxItems": 10, "items": {"type": "string", "maxLength": 5}},
        "open": {"type": "array", "items": {"type": "integer"}},
        "objs": {"type": "array", "maxItems": 5, "items": {"type": "object", "required": ["k"], "properties":
            {"k": {"type": "string", "maxLength": 5}}}},
        "map": {"type": "object", "maxProperties": 3, "additionalProperties": {"type": "integer"}}}});
    let declarations = declared(&schema);
    for (expression, expect) in [
        ("self.n == 1", 2),
        ("self.text == 'abc'", 3),
        // Characters have up to four bytes.
        ("self.text == self.text", 8),
        ("self.text.contains('x')", 6),
        ("self.one.contains('x')", 3),
        ("self.free.contains('x')", 314_575),
        ("self.list.all(x, x == 'abc')", 2 + 10 * (2 + 1 + 1 + 1) + 1),
        ("self.list.all(x, self.list.all(y, x == y))", 2 + 10 * (3 + 2 + 10 * (3 + 2 + 2) + 1) + 1),
        // Three megabytes of `0,`.
        ("self.open.all(x, x > 0)", 2 + 1_572_863 * (3 + 2) + 1),
        ("self.objs.exists(o, o.k == 'abc')", 2 + 5 * (4 + 2 + 1) + 1),
        ("self.map.all(k, k == 'a')", 2 + 3 * (3 + 1) + 1),
        ("self.list.map(x, x).size()", 2 + 10 + 10 * 13 + 1 + 1),
        ("self.list.isSorted()", 2 + 10 * (1 + 2)),
        ("self.n > 1 ? self.text == 'a' : false", 2 + 1 + 3),
    ] {
        let program = Environment::kubernetes().compile(expression, &declarations, &Expected::Any).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(program.estimate().max, expect, "{expression}");
    }
    let decl = Decl::from_openapi(&schema, false, "self").unwrap();
    assert_eq!(decl.field("objs").and_then(Decl::item).map(Decl::max_cardinality), Some(MAX_REQUEST / 10));
}

#[test]
fn limits_end_an_evaluation() {
    let schema = json!({"type": "array", "items": {"type": "integer"}});
    let declarations = declared(&schema);
    let data = Json::Array((0..1000).map(Json::from).collect());
    let compile = |expression| Environment::kubernetes().compile(expression, &declarations, &Expected::BOOL).unwrap();
    let dear = compile("self.all(x, self.all(y, x + y >= 0))");
    let mut budget = Budget::new(OBJECT_BUDGET);
    // No logic around it hides that.
    for expression in ["self.all(x, self.all(y, x + y >= 0))", "self.all(x, self.all(y, x + y >= 0)) || true"] {
        let program = compile(expression);
        let out = program.evaluate(&Bindings::new().json("self", &data), &mut Budget::new(OBJECT_BUDGET)).map(|_| ());
        assert_eq!(out, Err(EvalError::CallLimit), "{expression}");
    }
    for _ in 0..9 {
        assert_eq!(dear.evaluate(&Bindings::new().json("self", &data), &mut budget).map(|_| ()), Err(EvalError::CallLimit));
    }
    assert!(!budget.is_exhausted());
    assert_eq!(dear.evaluate(&Bindings::new().json("self", &data), &mut budget).map(|_| ()), Err(EvalError::BudgetExceeded));
    assert!(budget.is_exhausted());
}
