//! What does not compile, and in which words.

use super::*;
use object::json;

#[test]
fn messages() {
    check(&[
        (
            "1 +",
            "COMPILE ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
        ),
        (
            "",
            "COMPILE ERROR: <input>:1:1: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
        ),
        ("1 2", "COMPILE ERROR: <input>:1:3: Syntax error: extraneous input '2' expecting <EOF>"),
        ("(1", "COMPILE ERROR: <input>:1:3: Syntax error: missing ')' at '<EOF>'"),
        ("[1", "COMPILE ERROR: <input>:1:3: Syntax error: missing ']' at '<EOF>'"),
        ("1 # 2", "COMPILE ERROR: <input>:1:3: Syntax error: token recognition error at: '#'"),
        ("'abc", "COMPILE ERROR: <input>:1:1: Syntax error: token recognition error at: ''abc'"),
        ("a = 1", "COMPILE ERROR: <input>:1:3: Syntax error: token recognition error at: '='"),
        ("x", "COMPILE ERROR: <input>:1:1: undeclared reference to 'x' (in container '')"),
        ("f(1)", "COMPILE ERROR: <input>:1:2: undeclared reference to 'f' (in container '')"),
        ("'a'.f()", "COMPILE ERROR: <input>:1:6: undeclared reference to 'f' (in container '')"),
        ("1 + 'a'", "COMPILE ERROR: <input>:1:3: found no matching overload for '_+_' applied to '(int, string)'"),
        ("1 == 'a'", "COMPILE ERROR: <input>:1:3: found no matching overload for '_==_' applied to '(int, string)'"),
        ("!1", "COMPILE ERROR: <input>:1:1: found no matching overload for '!_' applied to '(int)'"),
        ("1 && true", "COMPILE ERROR: <input>:1:1: expected type 'bool' but found 'int'"),
        ("true ? 1 : 'a'", "COMPILE ERROR: <input>:1:6: found no matching overload for '_?_:_' applied to '(bool, int, string)'"),
        ("[1, 'a']", "COMPILE ERROR: <input>:1:5: expected type 'int' but found 'string'"),
        ("[1, dyn('a')]", "COMPILE ERROR: <input>:1:8: expected type 'int' but found 'dyn'"),
        ("{'a': 1, 2: 3}", "COMPILE ERROR: <input>:1:10: expected type 'string' but found 'int'"),
        ("'a'.size(1)", "COMPILE ERROR: <input>:1:9: found no matching overload for 'size' applied to 'string.(int)'"),
        (
            "1.all(x, true)",
            "COMPILE ERROR: <input>:1:1: expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)",
        ),
        ("[1].all(x.y, true)", "COMPILE ERROR: <input>:1:10: argument must be a simple name"),
        ("[1].all(x, x)", "COMPILE ERROR: <input>:1:12: expected type 'bool' but found 'int'"),
        ("[1].all(x, x, true)", "COMPILE ERROR: <input>:1:12: duplicate variable name: x"),
        ("[1].all(__result__, true)", "COMPILE ERROR: <input>:1:9: iteration variable overwrites accumulator variable"),
        ("has(1)", "COMPILE ERROR: <input>:1:4: invalid argument to has() macro"),
        ("'a'.b", "COMPILE ERROR: <input>:1:4: type 'string' does not support field selection"),
        ("namespace", "COMPILE ERROR: <input>:1:1: reserved identifier: namespace"),
        ("99999999999999999999", "COMPILE ERROR: <input>:1:1: invalid int literal"),
        ("-1u", "COMPILE ERROR: <input>:1:1: found no matching overload for '-_' applied to '(uint)'"),
        ("'\\q'", "COMPILE ERROR: <input>:1:1: unable to unescape string"),
        ("optional.of(1).optMap(x.y, 1)", "COMPILE ERROR: <input>:1:24: optMap() variable name must be a simple identifier"),
        ("[?1]", "COMPILE ERROR: <input>:1:3: expected type 'optional_type(int)' but found 'int'"),
        ("{'a': 1}.`b`", "COMPILE ERROR: <input>:1:10: unsupported syntax: '`'"),
    ]);
}

#[test]
fn all_errors_are_told_with_their_line() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
    let error = Environment::kubernetes().compile("self.b\n  || self.é == 1", &declared(&schema), &Expected::BOOL).unwrap_err();
    assert_eq!(
        error.to_string(),
        "ERROR: <input>:2:12: Syntax error: token recognition error at: 'é'\n |   || self.é == 1\n | ..........．"
            .replace("..........．", "...........^")
            .replace("2:12", "2:11")
            .replace("...........^", "..........＾")
            + "\nERROR: <input>:2:13: Syntax error: no viable alternative at input '.=='\n |   || self.é == 1\n | ..........．.^"
    );
    let error = Environment::kubernetes().compile("self.b || self.c", &declared(&schema), &Expected::BOOL).unwrap_err();
    assert_eq!(
        error.to_string(),
        "ERROR: <input>:1:5: undefined field 'b'\n | self.b || self.c\n | ....^\n\
         ERROR: <input>:1:15: undefined field 'c'\n | self.b || self.c\n | ..............^"
    );
}

#[test]
fn results_are_of_the_wanted_type() {
    let compile = |expression: &str, expected: &Expected| {
        Environment::kubernetes().compile(expression, &Declarations::new(), expected).map(|p| p.result().clone()).map_err(|e| e.to_string())
    };
    assert_eq!(compile("1 == 1", &Expected::BOOL), Ok(Type::Bool));
    assert_eq!(compile("1", &Expected::BOOL), Err("must evaluate to a bool".to_owned()));
    assert_eq!(compile("dyn(true)", &Expected::BOOL), Err("must evaluate to a bool".to_owned()));
    assert_eq!(compile("1", &Expected::STRING), Err("must evaluate to a string".to_owned()));
    assert_eq!(compile("[1].map(x, {'a': [x]})", &Expected::Any), Ok(Type::list(Type::map(Type::String, Type::list(Type::Int)))));
    assert_eq!(compile("[]", &Expected::Any), Ok(Type::list(Type::Dyn)));
    assert_eq!(compile("optional.none().orValue('a')", &Expected::STRING), Ok(Type::String));
    assert_eq!(compile("true ? [] : [1]", &Expected::Any), Ok(Type::list(Type::Int)));
    assert_eq!(compile("[1].transformMap(i, v, 'x')", &Expected::Any), Ok(Type::map(Type::Int, Type::String)));
}

#[test]
fn callers_add_functions() {
    let who = Type::opaque("test.Who");
    #[derive(Debug)]
    struct Who;
    impl Opaque for Who {
        fn type_name(&self) -> &str {
            "test.Who"
        }
        fn equals(&self, _: &dyn Opaque) -> bool {
            true
        }
    }
    let overloads = vec![Overload { args: vec![who.clone(), Type::String], member: true, result: Type::Bool }];
    let may = Function::new(overloads, 350_000, |_, args| match args {
        [who, Value::String(verb)] if who.downcast::<Who>().is_some() => Ok(Value::Bool(&**verb == "get")),
        _ => Err(EvalError::NoSuchOverload),
    });
    let environment = Environment::kubernetes().with(Library { functions: vec![("may".to_owned(), may)] });
    let declarations = Declarations::new().variable("who", Decl::of(who));
    let run = |expression: &str| {
        let program = environment.compile(expression, &declarations, &Expected::BOOL).unwrap();
        let bindings = Bindings::new().value("who", Value::opaque(Who));
        let out = program.evaluate(&bindings, &mut Budget::new(OBJECT_BUDGET));
        out.map(|v| v.as_bool().unwrap()).map_err(|e| e.to_string())
    };
    assert_eq!(run("who.may('get')"), Ok(true));
    assert_eq!(run("who.may('put')"), Ok(false));
    // Two are allowed, a third is too dear.
    assert_eq!(run("who.may('get') && who.may('get')"), Ok(true));
    assert_eq!(
        run("who.may('get') && who.may('get') && who.may('get')"),
        Err("operation cancelled: actual cost limit exceeded".to_owned())
    );
}
