use super::*;
use object::json;

/// `reason|field|message` of each cause.
fn told(schema: &Value, value: &Value, old: Option<&Value>) -> Vec<String> {
    let schema = Props::read(schema);
    let mut errors = ErrorList::new();
    let ratchet = old.map(|old| Correlated::new(value, old, &schema));
    validate(&schema, &Patterns::default(), value, &Path::root(), ratchet, &mut errors);
    errors.causes().iter().map(|c| format!("{}|{}|{}", c.reason, c.field, c.message)).collect()
}

#[test]
fn faults_in_upstreams_words() {
    let field = |schema: Value| json!({"type": "object", "properties": {"a": schema}});
    let table: &[(Value, Value, &[&str])] = &[
        (json!({"type": "integer"}), json!(1), &[]),
        (json!({"type": "integer"}), json!(1.0), &[]),
        (json!({"type": "number"}), json!(1), &[]),
        (json!({}), json!({"b": 1}), &[]),
        (
            json!({"type": "integer"}),
            json!("x"),
            &[r#"FieldValueTypeInvalid|a|Invalid value: "string": a in body must be of type integer: "string""#],
        ),
        (
            json!({"type": "string"}),
            json!(null),
            &[r#"FieldValueTypeInvalid|a|Invalid value: "null": a in body must be of type string: "null""#],
        ),
        (json!({"type": "string", "nullable": true}), json!(null), &[]),
        (
            json!({"type": "object", "required": ["b"], "properties": {"b": {"type": "string"}}}),
            json!({}),
            &["FieldValueRequired|a.b|Required value"],
        ),
        (
            json!({"type": "string", "enum": ["x", "y"]}),
            json!("z"),
            &[r#"FieldValueNotSupported|a|Unsupported value: "z": supported values: "x", "y""#],
        ),
        (json!({"type": "string", "maxLength": 2}), json!("abc"), &["FieldValueTooLong|a|Too long: may not be more than 2 bytes"]),
        (
            json!({"type": "string", "minLength": 2}),
            json!("a"),
            &[r#"FieldValueInvalid|a|Invalid value: "a": a in body should be at least 2 chars long"#],
        ),
        (
            json!({"type": "string", "pattern": "^b"}),
            json!("a"),
            &[r#"FieldValueInvalid|a|Invalid value: "a": a in body should match '^b'"#],
        ),
        (
            json!({"type": "integer", "minimum": 1, "maximum": 3}),
            json!(0),
            &["FieldValueInvalid|a|Invalid value: 0: a in body should be greater than or equal to 1"],
        ),
        (
            json!({"type": "number", "maximum": 1.5, "exclusiveMaximum": true}),
            json!(1.5),
            &["FieldValueInvalid|a|Invalid value: 1.5: a in body should be less than 1.5"],
        ),
        (
            json!({"type": "integer", "multipleOf": 5}),
            json!(7),
            &["FieldValueInvalid|a|Invalid value: 7: a in body should be a multiple of 5"],
        ),
        (
            json!({"type": "integer", "format": "int32"}),
            json!(3_000_000_000_i64),
            &[r#"FieldValueInvalid|<nil>|Invalid value: "": Checked value must be of type integer with format int32 in a"#],
        ),
        (
            json!({"type": "string", "format": "date-time"}),
            json!("x"),
            &[r#"FieldValueTypeInvalid|a|Invalid value: "x": a in body must be of type date-time: "x""#],
        ),
        (json!({"type": "string", "format": "unheard-of"}), json!("x"), &[]),
        (
            json!({"type": "array", "items": {"type": "string"}, "maxItems": 1}),
            json!(["a", 1]),
            &[
                r#"FieldValueTypeInvalid|a[1]|Invalid value: "integer": a[1] in body must be of type string: "integer""#,
                "FieldValueTooMany|a|Too many: 2: must have at most 1 item",
            ],
        ),
        (
            json!({"type": "array", "items": {"type": "string"}, "minItems": 1}),
            json!([]),
            &["FieldValueInvalid|a|Invalid value: 0: a in body should have at least 1 items"],
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 1}),
            json!({"x": "1", "y": 2}),
            &[
                "FieldValueTooMany|a|Too many: 2: must have at most 1 item",
                r#"FieldValueTypeInvalid|a.y|Invalid value: "integer": a.y in body must be of type string: "integer""#,
            ],
        ),
        (
            json!({"type": "string", "oneOf": [{"pattern": "^a"}, {"pattern": "b$"}]}),
            json!("ab"),
            &[
                r#"FieldValueInvalid|<nil>|Invalid value: "": "a" must validate one and only one schema (oneOf). Found 2 valid alternatives"#,
            ],
        ),
        (
            json!({"type": "string", "anyOf": [{"pattern": "^x"}, {"enum": ["y"]}]}),
            json!("z"),
            &[
                r#"FieldValueInvalid|<nil>|Invalid value: "": "a" must validate at least one schema (anyOf)"#,
                r#"FieldValueInvalid|a|Invalid value: "z": a in body should match '^x'"#,
            ],
        ),
        (
            json!({"type": "string", "allOf": [{"minLength": 1}, {"maxLength": 2}]}),
            json!("abc"),
            &[
                "FieldValueTooLong|a|Too long: may not be more than 2 bytes",
                r#"FieldValueInvalid|<nil>|Invalid value: "": "a" must validate all the schemas (allOf)"#,
            ],
        ),
        (
            json!({"type": "string", "not": {"enum": ["x"]}}),
            json!("x"),
            &[r#"FieldValueInvalid|<nil>|Invalid value: "": "a" must not validate the schema (not)"#],
        ),
        (json!({"x-kubernetes-int-or-string": true}), json!("1"), &[]),
        (
            json!({"x-kubernetes-int-or-string": true}),
            json!(true),
            &[r#"FieldValueTypeInvalid|a|Invalid value: "boolean": a in body must be of type integer,string: "boolean""#],
        ),
    ];
    for (schema, value, expect) in table {
        assert_eq!(told(&field(schema.clone()), &json!({"a": value}), None), *expect, "{schema} {value}");
    }
    assert_eq!(
        told(&json!({"type": "object", "required": ["spec"]}), &json!({}), None),
        ["FieldValueRequired|spec|Required value"],
        "a field of the root"
    );
}

#[test]
fn what_did_not_change_passes() {
    let item = json!({"type": "object", "properties": {"n": {"type": "string"}, "v": {"type": "integer", "minimum": 5}}});
    let schema = json!({"type": "object", "properties": {
        "a": {"type": "string", "maxLength": 2},
        "m": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"], "items": item},
        "l": {"type": "array", "items": {"type": "string", "maxLength": 1}},
    }});
    let check = |old: Value, new: Value, expect: &[&str]| {
        let got: Vec<String> = told(&schema, &new, Some(&old)).iter().map(|t| t.split('|').nth(1).unwrap().to_owned()).collect();
        assert_eq!(got, expect, "{old} {new}");
    };
    check(json!({"a": "long"}), json!({"a": "long", "x": 1}), &[]);
    check(json!({"a": "long"}), json!({"a": "longer"}), &["a"]);
    check(json!({"m": [{"n": "a", "v": 1}]}), json!({"m": [{"n": "b", "v": 7}, {"n": "a", "v": 1}]}), &[]);
    check(json!({"m": [{"n": "a", "v": 1}]}), json!({"m": [{"n": "b", "v": 1}]}), &["m[0].v"]);
    // Items of other lists correspond to nothing: the list passes whole or not at all.
    check(json!({"l": ["long"]}), json!({"l": ["long"], "x": 1}), &[]);
    check(json!({"l": ["long"]}), json!({"l": ["long", "b"]}), &["l[0]"]);
}
