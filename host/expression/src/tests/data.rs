//! Typed data: how schemas make JSON into values.

use super::*;
use object::json;

#[test]
fn formats_and_kinds() {
    let schema = json!({"type": "object", "properties": {
        "n": {"type": "integer"}, "d": {"type": "number"}, "b": {"type": "boolean"}, "s": {"type": "string"},
        "bytes": {"type": "string", "format": "byte"}, "date": {"type": "string", "format": "date"},
        "at": {"type": "string", "format": "date-time"}, "long": {"type": "string", "format": "duration"},
        "port": {"x-kubernetes-int-or-string": true}, "text": {"x-kubernetes-int-or-string": true},
        "nil": {"type": "string", "nullable": true}, "absent": {"type": "string"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "any": {"x-kubernetes-preserve-unknown-fields": true},
        "sub": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"x": {"type": "integer"}}}}});
    let data = json!({"n": 3, "d": 2, "b": true, "s": "text", "bytes": "aGk=", "date": "2024-02-29",
        "at": "2024-02-29T10:00:00Z", "long": "2 days", "port": 80, "text": "http", "nil": null,
        "labels": {"a.b/c": "v"}, "any": {"z": 1}, "sub": {"x": 1, "y": 2}});
    check_on(
        &schema,
        &data,
        &[
            ("self.n + 1", "4"),
            ("self.d", "2.0"),
            ("self.d + 0.5", "2.5"),
            ("self.n + self.d", "COMPILE ERROR: <input>:1:8: found no matching overload for '_+_' applied to '(int, double)'"),
            ("!self.b", "false"),
            ("self.s.size()", "4"),
            ("self.bytes == b'hi'", "true"),
            ("self.date.getDate()", "29"),
            ("self.at == timestamp('2024-02-29T10:00:00Z')", "true"),
            ("self.long == duration('48h')", "true"),
            ("self.port == 80", "true"),
            ("type(self.port) == int && type(self.text) == string", "true"),
            ("self.text.startsWith('h')", "true"),
            ("self.port.startsWith('h')", "ERROR no such overload"),
            ("has(self.nil)", "false"),
            ("self.nil", "ERROR no such key: nil"),
            ("has(self.absent)", "false"),
            ("self.absent == ''", "ERROR no such key: absent"),
            ("self.?absent.orValue('x')", "'x'"),
            ("self.labels['a.b/c']", "'v'"),
            ("self.labels.all(k, k.contains('/'))", "true"),
            ("'a.b/c' in self.labels", "true"),
            ("self.any", "COMPILE ERROR: <input>:1:5: undefined field 'any'"),
            ("self.sub.x", "1"),
            ("self.sub.y", "COMPILE ERROR: <input>:1:9: undefined field 'y'"),
            ("self.sub == oldSelf.sub", "true"),
            ("self.nothing", "COMPILE ERROR: <input>:1:5: undefined field 'nothing'"),
        ],
    );
}

#[test]
fn names_are_escaped() {
    let field = |name: &str| json!({"type": "object", "properties": {name: {"type": "integer"}}});
    for (name, written) in [
        ("plain", "plain"),
        ("a-b", "a__dash__b"),
        ("a.b", "a__dot__b"),
        ("a/b", "a__slash__b"),
        ("a__b", "a__underscores__b"),
        ("_a_", "_a_"),
        ("namespace", "__namespace__"),
        ("namespace", "namespace"),
        ("if", "__if__"),
        ("if", "if"),
        ("true", "__true__"),
        ("x-k8s.io/y", "x__dash__k8s__dot__io__slash__y"),
    ] {
        check_on(&field(name), &json!({name: 7}), &[(&format!("self.{written}"), "7"), (&format!("has(self.{written})"), "true")]);
        assert_eq!(escape(name).and_then(|e| unescape(&e)).as_deref(), Some(name));
    }
    for wrong in ["", "1a", "a b", "a!", "é"] {
        assert_eq!(escape(wrong), None, "{wrong}");
    }
    assert_eq!(unescape("a__what__b"), None);
    assert_eq!(unescape("__if__x"), None);
}

#[test]
fn list_types() {
    let schema = json!({"type": "object", "properties": {
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "set2": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "atomic": {"type": "array", "items": {"type": "string"}},
        "atomic2": {"type": "array", "items": {"type": "string"}},
        "maps": {"type": "array", "items": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
            "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer"}}}}}}});
    let data = json!({"set": ["a", "b"], "set2": ["b", "c"], "atomic": ["a", "b"], "atomic2": ["b", "a"],
        "maps": [[{"k": "x", "v": 1}, {"k": "y", "v": 2}], [{"k": "y", "v": 3}, {"k": "z", "v": 4}],
            [{"k": "z", "v": 4}, {"k": "y", "v": 3}, {"k": "x", "v": 1}]]});
    check_on(
        &schema,
        &data,
        &[
            ("self.set == ['b', 'a']", "true"),
            ("self.set == ['a', 'c']", "false"),
            ("self.set == ['a', 'b', 'b']", "false"),
            ("self.atomic == self.atomic2", "false"),
            ("self.set + self.set2", "['a', 'b', 'c']"),
            ("self.set + self.set2 == ['c', 'b', 'a']", "true"),
            ("self.atomic + self.atomic2", "['a', 'b', 'b', 'a']"),
            ("self.maps[0] + self.maps[1]", "[{'k': 'x', 'v': 1}, {'k': 'y', 'v': 3}, {'k': 'z', 'v': 4}]"),
            ("self.maps[0] == [self.maps[0][1], self.maps[0][0]]", "true"),
            ("self.maps[0] == self.maps[1]", "false"),
            ("self.maps[0] + self.maps[1] == self.maps[2]", "true"),
            ("self.maps[0].exists_one(e, e.k == 'y')", "true"),
            ("self.set.all(e, e in oldSelf.set)", "true"),
        ],
    );
}

#[test]
fn roots_have_metadata() {
    let schema = json!({"type": "object", "properties": {
        "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 10}}},
        "spec": {"type": "object", "properties": {"template": {"type": "object", "x-kubernetes-embedded-resource": true,
            "x-kubernetes-preserve-unknown-fields": true}}}}});
    let decl = Decl::from_openapi(&schema, true, "self").unwrap();
    let declarations = Declarations::new().variable("self", decl);
    let data = json!({"apiVersion": "a/v1", "kind": "A", "metadata": {"name": "n", "labels": {"x": "y"}},
        "spec": {"template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}}});
    for (expression, expect) in [
        ("self.kind", "'A'"),
        ("self.apiVersion", "'a/v1'"),
        ("self.metadata.name", "'n'"),
        ("has(self.metadata.generateName)", "false"),
        ("self.metadata.labels", "COMPILE ERROR: <input>:1:14: undefined field 'labels'"),
        ("self.spec.template.kind", "'Pod'"),
        ("self.spec.template.metadata.name", "'p'"),
    ] {
        assert_eq!(outcome(expression, &declarations, &data), expect, "{expression}");
    }
}

#[test]
fn data_that_breaks_its_schema_is_an_error_where_it_is_read() {
    let schema = json!({"type": "object", "properties": {
        "n": {"type": "integer"}, "s": {"type": "string"}, "l": {"type": "array", "items": {"type": "string"}},
        "at": {"type": "string", "format": "date-time"}, "m": {"type": "object", "additionalProperties": {"type": "string"}}}});
    let data = json!({"n": "x", "s": 1, "l": ["a", null], "at": "yesterday", "m": {"k": null}});
    check_on(
        &schema,
        &data,
        &[
            ("self.n == 1", "ERROR invalid data, expected int, got string"),
            ("self.s == 'a'", "ERROR invalid data, expected string, got int64"),
            ("self.l[0]", "'a'"),
            ("self.l[1]", "ERROR invalid data, got null for schema with nullable=false"),
            ("self.at == timestamp(0)", "ERROR Invalid date-time formatted string yesterday: not in RFC 3339 form"),
            ("self.m['k']", "ERROR invalid data, got null for schema with nullable=false"),
            ("true || self.n == 1", "true"),
        ],
    );
}

#[test]
fn optional_old_self_and_unbound_variables() {
    let decl = Decl::from_openapi(&json!({"type": "integer"}), false, "self").unwrap();
    let declarations =
        Declarations::new().variable("self", decl.clone()).variable("oldSelf", decl.optional()).variable("params", Decl::of(Type::Dyn));
    let program = |expression| Environment::kubernetes().compile(expression, &declarations, &Expected::BOOL).unwrap();
    let rule = program("oldSelf.optMap(o, o <= self).orValue(true)");
    let (old, new) = (json!(5), json!(4));
    let run = |program: &Program, bindings: &Bindings<'_>| {
        // The result holds nothing of the bindings.
        let mut budget = Budget::new(OBJECT_BUDGET);
        let program = program.clone();
        program.evaluate(&bindings.clone(), &mut budget).map(|v| v.as_bool().unwrap()).map_err(|e| e.to_string())
    };
    assert_eq!(run(&rule, &Bindings::new().json("self", &new)), Ok(true));
    assert_eq!(run(&rule, &Bindings::new().json("self", &new).json("oldSelf", &old)), Ok(false));
    assert!(rule.uses("oldSelf") && rule.uses("self") && !rule.uses("params"));
    assert_eq!(run(&program("params.x == 1"), &Bindings::new()), Err("no such attribute(s): params".to_owned()));
    assert_eq!(run(&program("true || params.x == 1"), &Bindings::new()), Ok(true));
}

#[test]
fn variables_of_policies() {
    let field = |name: &str, ty| (std::sync::Arc::from(name), Decl::of(ty));
    let variables = Decl::object("Variables", [field("a", Type::Int), field("b", Type::Int), field("c", Type::Int)]);
    let declarations = Declarations::new().variable("variables", variables);
    let compile = |expression: &str| Environment::kubernetes().compile(expression, &declarations, &Expected::Any).unwrap();
    for (expression, fields) in [
        ("variables.a + variables.b", Some(vec!["a", "b"])),
        ("has(variables.c) || [1].all(x, x == variables.a)", Some(vec!["a", "c"])),
        ("1 == 1", Some(vec![])),
        ("size([variables]) == 1", None),
    ] {
        assert_eq!(compile(expression).fields_of("variables").map(|f| f.into_iter().collect::<Vec<_>>()), fields, "{expression}");
    }
    let failed = || Value::Failed(std::sync::Arc::new(EvalError::IndexOutOfBounds(7)));
    let bound = || {
        let entry = |name: &str, value| (Key::String(name.into()), value);
        let entries = [entry("a", Value::Int(1)), entry("b", failed())];
        Bindings::new().value("variables", Value::Map(crate::Map::Built(std::sync::Arc::new(entries.into_iter().collect()))))
    };
    for (expression, expect) in [
        ("variables.a", "1"),
        ("variables.b", "index out of bounds: 7"),
        ("variables.a == 1 || variables.b == 1", "true"),
        ("variables.c", "no such key: c"),
    ] {
        let program = compile(expression);
        let out = program.evaluate(&bound(), &mut Budget::new(OBJECT_BUDGET));
        assert_eq!(out.map_or_else(|e| e.to_string(), |v| shown(&v)), expect, "{expression}");
    }
}

#[test]
fn graphs_and_constructed_objects() {
    use object::schema::*;
    let mut graph = Graph::default();
    let mut push = |name: &str, shape| graph.push(object::schema::Type { name: name.into(), description: "".into(), shape });
    let string = push("", Shape::Scalar(Scalar::String));
    let int = push("", Shape::Scalar(Scalar::Int32));
    let quantity = push("", Shape::Scalar(Scalar::Quantity));
    let list = push("", Shape::List(object::schema::List { item: string, kind: object::schema::ListKind::Set, merge: None }));
    let field = |name: &str, ty| object::schema::Field {
        name: name.into(),
        ty,
        description: "".into(),
        required: false,
        nullable: false,
        default: None,
        atomic: false,
        retain_keys: false,
        tag: 0,
    };
    let fields = vec![field("args", list), field("cpu", quantity), field("replicas", int)];
    push("test.Spec", Shape::Struct(Struct { fields, preserve_unknown: false, atomic: false }));
    let decl = Decl::from_schema(graph.named("test.Spec").unwrap());
    let crate::Type::Object(ty) = &decl.ty else { panic!("a struct is an object") };
    let declarations = Declarations::new().variable("object", decl.clone()).object(ty.clone());
    let data = json!({"args": ["a"], "cpu": "2", "replicas": 3});
    let run = |expression: &str| {
        let program = match Environment::kubernetes().compile(expression, &declarations, &Expected::Any) {
            Ok(program) => program,
            Err(error) => return error.to_string().lines().next().unwrap_or_default().to_owned(),
        };
        let out = program.evaluate(&Bindings::new().json("object", &data), &mut Budget::new(OBJECT_BUDGET));
        out.unwrap().to_json().unwrap().to_string()
    };
    for (expression, expect) in [
        ("object.replicas * 2", "6"),
        ("quantity(object.cpu).asInteger()", "2"),
        ("object.args + ['a', 'b']", r#"["a","b"]"#),
        ("test.Spec{replicas: object.replicas + 1, args: ['x']}", r#"{"args":["x"],"replicas":4}"#),
        ("test.Spec{?cpu: optional.none()}", "{}"),
        ("test.Spec{nothing: 1}", "ERROR: <input>:1:18: undefined field 'nothing'"),
        ("test.Spec{replicas: 'a'}", "ERROR: <input>:1:19: expected type of field 'replicas' is 'int' but provided type is 'string'"),
        ("Other{a: 1}", "ERROR: <input>:1:1: undeclared reference to 'Other' (in container '')"),
    ] {
        assert_eq!(run(expression), expect, "{expression}");
    }
}
