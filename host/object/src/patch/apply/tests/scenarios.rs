use super::*;

#[test]
fn leaves() {
    check(
        vec![Apply("a", json!({"numeric": 1, "string": "s"})), Apply("a", json!({"numeric": 2, "string": "s", "bool": false}))],
        json!({"numeric": 2, "string": "s", "bool": false}),
        &[("a", &[".bool", ".numeric", ".string"])],
    );
    check(
        vec![
            Apply("a", json!({"numeric": 1, "string": "s"})),
            Update("c", json!({"numeric": 1, "string": "s", "bool": true})),
            Apply("a", json!({"numeric": 2, "string": "s"})),
        ],
        json!({"numeric": 2, "string": "s", "bool": true}),
        &[("a", &[".numeric", ".string"]), ("c", &[".bool"])],
    );
    // An updater takes over without asking; the applier then meets it.
    check(
        vec![
            Apply("a", json!({"numeric": 1, "string": "s"})),
            Update("c", json!({"numeric": 1, "string": "t", "bool": true})),
            Refused("a", json!({"numeric": 2, "string": "u"}), &["\"c\" using v1 .string"]),
            Force("a", json!({"numeric": 2, "string": "u"})),
        ],
        json!({"numeric": 2, "string": "u", "bool": true}),
        &[("a", &[".numeric", ".string"]), ("c", &[".bool"])],
    );
    // What is applied no more and nobody else owns goes; what another owns stays.
    check(
        vec![Apply("a", json!({"numeric": 1, "string": "s", "bool": false})), Apply("a", json!({"string": "s"}))],
        json!({"string": "s"}),
        &[("a", &[".string"])],
    );
    check(
        vec![
            Apply("a", json!({"numeric": 1, "string": "s"})),
            Update("c", json!({"numeric": 2, "string": "s"})),
            Apply("a", json!({"string": "s"})),
        ],
        json!({"numeric": 2, "string": "s"}),
        &[("a", &[".string"]), ("c", &[".numeric"])],
    );
    // Fields that an updater removes have no owner any more.
    check(
        vec![Apply("a", json!({"numeric": 1, "string": "s"})), Update("c", json!({"string": "s"}))],
        json!({"string": "s"}),
        &[("a", &[".string"])],
    );
}

#[test]
fn several_appliers() {
    check(
        vec![
            Apply("one", json!({"list": [{"name": "a"}, {"name": "b"}]})),
            Apply("two", json!({"list": [{"name": "c"}]})),
            Apply("one", json!({"list": [{"name": "a"}]})),
        ],
        json!({"list": [{"name": "a"}, {"name": "c"}]}),
        &[("one", &[".list[name=\"a\"]", ".list[name=\"a\"].name"]), ("two", &[".list[name=\"c\"]", ".list[name=\"c\"].name"])],
    );
    check(
        vec![
            Apply("one", json!({"list": [{"name": "a", "value": 0}]})),
            Apply("two", json!({"list": [{"name": "a", "value": 0}]})),
            Refused("two", json!({"list": [{"name": "a", "value": 1}]}), &["\"one\" .list[name=\"a\"].value"]),
        ],
        json!({"list": [{"name": "a", "value": 0}]}),
        &[
            ("one", &[".list[name=\"a\"]", ".list[name=\"a\"].name", ".list[name=\"a\"].value"]),
            ("two", &[".list[name=\"a\"]", ".list[name=\"a\"].name", ".list[name=\"a\"].value"]),
        ],
    );
    check(
        vec![
            Apply("one", json!({"list": [{"name": "a"}, {"name": "b"}, {"name": "c"}]})),
            Apply("two", json!({"list": [{"name": "c"}, {"name": "d"}]})),
            Apply("one", json!({"list": [{"name": "a"}]})),
        ],
        json!({"list": [{"name": "a"}, {"name": "c"}, {"name": "d"}]}),
        &[
            ("one", &[".list[name=\"a\"]", ".list[name=\"a\"].name"]),
            ("two", &[".list[name=\"c\"]", ".list[name=\"c\"].name", ".list[name=\"d\"]", ".list[name=\"d\"].name"]),
        ],
    );
}

#[test]
fn unsetting() {
    let one = || Apply("one", json!({"struct": {"name": "a", "value": 1}}));
    check(
        vec![one(), Apply("two", json!({"struct": {"value": 1}})), Apply("one", json!({"struct": {"name": "a"}}))],
        json!({"struct": {"name": "a", "value": 1}}),
        &[("one", &[".struct.name"]), ("two", &[".struct.value"])],
    );
    check(
        vec![one(), Update("u", json!({"struct": {"name": "a", "value": 2}})), Apply("one", json!({"struct": {"name": "a"}}))],
        json!({"struct": {"name": "a", "value": 2}}),
        &[("one", &[".struct.name"]), ("u", &[".struct.value"])],
    );
    check(vec![one(), Apply("one", json!({}))], json!({}), &[]);
    check(
        vec![
            Apply("one", json!({"struct": {"name": "a"}})),
            Update("u", json!({"struct": {"name": "a", "value": 1}})),
            Apply("one", json!({})),
        ],
        json!({"struct": {"value": 1}}),
        &[("u", &[".struct.value"])],
    );
    check(
        vec![
            Apply("one", json!({"struct": {"name": "a"}})),
            Update("u", json!({"struct": {"name": "a", "value": 1}})),
            Apply("one", json!({"struct": {}})),
        ],
        json!({"struct": {"value": 1}}),
        &[("one", &[".struct"]), ("u", &[".struct.value"])],
    );
    check(
        vec![
            Apply("one", json!({"struct": {"name": "a"}})),
            Update("u", json!({"struct": {"name": "b", "value": 1}})),
            Apply("one", json!({"struct": null})),
        ],
        json!({"struct": {"name": "b", "value": 1}}),
        &[("one", &[".struct"]), ("u", &[".struct.name", ".struct.value"])],
    );
}

#[test]
fn nested_types() {
    let twice = |first: Value, second: Value, paths: &[&str]| {
        check(vec![Apply("a", first), Apply("a", second.clone())], second, &[("a", paths)]);
    };
    twice(
        json!({"listOfLists": [{"name": "a", "value": ["b", "c"]}]}),
        json!({"listOfLists": [{"name": "a", "value": ["a", "c"]}]}),
        &[
            ".listOfLists[name=\"a\"]",
            ".listOfLists[name=\"a\"].name",
            ".listOfLists[name=\"a\"].value[=\"a\"]",
            ".listOfLists[name=\"a\"].value[=\"c\"]",
        ],
    );
    twice(
        json!({"listOfMaps": [{"name": "a", "value": {"b": "x", "c": "y"}}]}),
        json!({"listOfMaps": [{"name": "b", "value": {"a": "x", "c": "z"}}]}),
        &[".listOfMaps[name=\"b\"]", ".listOfMaps[name=\"b\"].name", ".listOfMaps[name=\"b\"].value.a", ".listOfMaps[name=\"b\"].value.c"],
    );
    twice(
        json!({"mapOfLists": {"a": ["b", "c"]}}),
        json!({"mapOfLists": {"b": ["a", "c"]}}),
        &[".mapOfLists.b", ".mapOfLists.b[=\"a\"]", ".mapOfLists.b[=\"c\"]"],
    );
    twice(
        json!({"mapOfMaps": {"a": {"b": "x", "c": "y"}}}),
        json!({"mapOfMaps": {"a": {"a": "x", "c": "z"}}}),
        &[".mapOfMaps.a", ".mapOfMaps.a.a", ".mapOfMaps.a.c"],
    );
    twice(
        json!({"recursive": {"a": {"b": {"c": null}}}}),
        json!({"recursive": {"a": {"d": {"c": null}}}}),
        &[".recursive.a", ".recursive.a.d", ".recursive.a.d.c"],
    );
}

/// Maps of maps, several hands, and what dangles when the first owner leaves.
#[test]
fn recursive_maps() {
    let ops = |key: &'static str| {
        let wrap = move |value: Value| json!({ key: value });
        vec![
            Apply("one", wrap(json!({"a": {"b": null}, "c": {"d": null}}))),
            Apply("two", wrap(json!({"a": null, "c": {"d": null}}))),
            Update("c1", wrap(json!({"a": {"b": {"c": null}}, "c": {"d": {"e": null}}}))),
            Update("c2", wrap(json!({"a": {"b": {"c": {"d": null}}}, "c": {"d": {"e": {"f": null}}}}))),
            Update("c1", wrap(json!({"a": {"b": {"c": {"d": {"e": null}}}}, "c": {"d": {"e": {"f": {"g": null}}}}}))),
            Apply("one", json!({})),
        ]
    };
    check(
        ops("recursive"),
        json!({"recursive": {"a": null, "c": {"d": {"e": {"f": {"g": null}}}}}}),
        &[
            ("c1", &[".recursive.c.d.e", ".recursive.c.d.e.f.g"]),
            ("c2", &[".recursive.c.d.e.f"]),
            ("two", &[".recursive.a", ".recursive.c", ".recursive.c.d"]),
        ],
    );
    check(
        ops("free"),
        json!({"free": {"a": null, "c": {"d": {"e": {"f": {"g": null}}}}}}),
        &[("c1", &[".free.c.d.e", ".free.c.d.e.f.g"]), ("c2", &[".free.c.d.e.f"]), ("two", &[".free.a", ".free.c", ".free.c.d"])],
    );
}

#[test]
fn atomic_values() {
    for (key, first, second) in [
        ("atomicMap", json!({"a": "1"}), json!({"b": "2"})),
        ("atomicStruct", json!({"a": "1"}), json!({"b": "2"})),
        ("atomicList", json!(["a"]), json!(["b"])),
    ] {
        let path = format!(".{key}");
        let (got, sets) = open(&run(
            &nested(),
            vec![
                Apply("one", json!({ key: first.clone() })),
                Update("u", json!({ key: second.clone() })),
                Force("one", json!({ key: first.clone() })),
            ],
            &[],
        ));
        assert_eq!(got, json!({ key: first }));
        assert_eq!(sets, BTreeMap::from([("one".to_owned(), vec![path])]));
    }
    check(
        vec![Apply("one", json!({"atomicMap": {"a": "1"}})), Refused("two", json!({"atomicMap": {"b": "2"}}), &["\"one\" .atomicMap"])],
        json!({"atomicMap": {"a": "1"}}),
        &[("one", &[".atomicMap"])],
    );
}

#[test]
fn reset_fields_are_not_owned() {
    let reset: &[&[&str]] = &[&["string"], &["struct", "value"]];
    let value = json!({"numeric": 1, "string": "s", "struct": {"name": "a", "value": 1}});
    check_without(vec![Apply("a", value.clone())], value.clone(), &[("a", &[".numeric", ".struct.name"])], reset);
    check_without(
        vec![Update("a", json!({"struct": {"name": "b"}})), Update("c", value.clone())],
        value.clone(),
        &[("a", &[".struct"]), ("c", &[".numeric", ".struct.name"])],
        reset,
    );
}

/// What became atomic since it was recorded is owned whole.
#[test]
fn follows_the_schema() {
    let graph = nested();
    let mut live = object(json!({"atomicMap": {"a": "1"}, "atomicStruct": {"a": "1"}}));
    live.set_at(
        &["metadata", "managedFields"],
        json!([{"manager": "one", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:atomicMap": {"f:a": {}}, "f:atomicStruct": {".": {}, "f:a": {}}}}]),
    );
    let (_, sets) = open(&apply(Some(&live), &object(json!({"numeric": 1})), &context(&graph, "two", false, &[])).unwrap());
    assert_eq!(sets["one"], [".atomicMap", ".atomicStruct"]);
}
