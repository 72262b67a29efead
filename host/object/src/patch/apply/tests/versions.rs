//! Keys that have defaults, and managers who come back in another version.

use super::*;

/// Items keyed by two fields, one of which defaults.
fn ports() -> Graph {
    fixture::build(&json!({
        "Root": {"plain": true, "fields": {
            "apiVersion": "string", "kind": "string", "metadata": {"plain": true, "fields": {"managedFields": {"list": "any"}}},
            "size": "int",
            "doors": {"list": {"plain": true, "fields": {"number": "int", "side": "string", "colour": "string"}, "defaults": {"side": "left"}},
                "kind": ["number", "side"]}
        }}
    }))
}

/// One write: operation (`apply`, `force`, `update`), manager, version, content.
type Step<'a> = (&'a str, &'a str, &'a str, Value);

/// What the steps leave: the object, and the book as `manager operation version: paths`. A refused apply ends with its
/// message.
fn told(steps: &[Step<'_>]) -> (Value, Vec<String>) {
    let graph = ports();
    let mut live: Option<Object> = None;
    for (operation, manager, version, content) in steps {
        let mut content = content.clone();
        content["apiVersion"] = json!(version);
        let mut object = Object::from_value(content).unwrap();
        let context = ApplyContext {
            schema: graph.named("Root").unwrap(),
            manager,
            api_version: version,
            subresource: "",
            force: *operation == "force",
            now: "2020-01-01T00:00:00Z",
            reset_fields: &[],
        };
        if *operation == "update" {
            if let Some(book) = live.as_ref().and_then(|l| managed_fields(l.as_map())) {
                object.set_at(&["metadata", "managedFields"], book.clone());
            }
            update_managers(live.as_ref(), &mut object, &context);
            live = Some(object);
            continue;
        }
        match apply(live.as_ref(), &object, &context) {
            Ok(applied) => live = Some(applied),
            Err(error) => return (Value::Null, vec![error.to_string()]),
        }
    }
    let live = live.unwrap();
    let book = Managers::decode(managed_fields(live.as_map())).unwrap();
    let entry = |(id, entry): (&ManagerId, &managers::Entry)| {
        let paths: Vec<String> = entry.set.to_string().lines().filter(|p| *p != ".apiVersion").map(str::to_owned).collect();
        format!("{} {:?} {}: {}", id.manager, id.operation, entry.api_version, paths.join(" "))
    };
    let entries = book.entries.iter().map(entry).collect();
    let mut bare = live.into_map();
    bare.remove("metadata");
    bare.remove("apiVersion");
    (Value::Object(bare), entries)
}

#[test]
fn keys_may_default() {
    let (object, book) = told(&[("apply", "a", "v1", json!({"doors": [{"number": 1, "colour": "red"}]}))]);
    assert_eq!(object, json!({"doors": [{"number": 1, "colour": "red"}]}));
    assert_eq!(
        book,
        [r#"a Apply v1: .doors[number=1,side="left"] .doors[number=1,side="left"].colour .doors[number=1,side="left"].number"#]
    );

    // Told or not, it is the same door; another side is another one.
    let (object, _) = told(&[
        ("apply", "a", "v1", json!({"doors": [{"number": 1, "colour": "red"}]})),
        ("apply", "a", "v1", json!({"doors": [{"number": 1, "side": "left", "colour": "blue"}, {"number": 1, "side": "right"}]})),
    ]);
    assert_eq!(object, json!({"doors": [{"number": 1, "side": "left", "colour": "blue"}, {"number": 1, "side": "right"}]}));
    let (_, refused) = told(&[
        ("apply", "a", "v1", json!({"doors": [{"number": 1, "colour": "red"}]})),
        ("apply", "b", "v1", json!({"doors": [{"number": 1, "side": "left", "colour": "blue"}]})),
    ]);
    assert_eq!(refused, [r#"Apply failed with 1 conflict: conflict with "a": .doors[number=1,side="left"].colour"#]);

    for (doors, why) in [
        (json!([{"number": 1}, {"number": 1}]), r#"duplicate entries for key [number=1,side="left"]"#),
        (json!([{"number": 1}, {"number": 1, "side": "left"}]), r#"duplicate entries for key [number=1,side="left"]"#),
    ] {
        let (_, refused) = told(&[("apply", "a", "v1", json!({"doors": doors}))]);
        assert!(refused.iter().all(|message| message.contains(why)), "{doors}: {refused:?}");
    }
    // A default is a key too, so only its other keys are missed.
    let (object, book) = told(&[("apply", "a", "v1", json!({"doors": [{"colour": "red"}]}))]);
    assert_eq!(object, json!({"doors": [{"colour": "red"}]}));
    assert_eq!(book, [r#"a Apply v1: .doors[side="left"] .doors[side="left"].colour"#]);
}

#[test]
fn an_applier_is_one_at_all_versions_an_updater_is_not() {
    let (object, book) =
        told(&[("apply", "a", "v1", json!({"size": 1, "doors": [{"number": 1}]})), ("apply", "a", "v2", json!({"size": 2}))]);
    // What it applied in the other version and does not now, goes.
    assert_eq!(object["size"], json!(2));
    assert!(object.get("doors").is_none_or(|doors| doors.as_array().is_none_or(Vec::is_empty)), "{object}");
    assert_eq!(book, ["a Apply v2: .size"]);

    let (_, book) = told(&[("update", "u", "v1", json!({"size": 1})), ("update", "u", "v2", json!({"size": 1, "doors": [{"number": 1}]}))]);
    assert_eq!(book, ["u Update v1: .size", r#"u Update v2: .doors .doors[number=1,side="left"] .doors[number=1,side="left"].number"#]);

    let (_, refused) = told(&[("update", "u", "v1", json!({"size": 1})), ("apply", "a", "v2", json!({"size": 2}))]);
    assert_eq!(refused, [r#"Apply failed with 1 conflict: conflict with "u" using v1: .size"#]);
    let (_, book) = told(&[("update", "u", "v1", json!({"size": 1})), ("force", "a", "v2", json!({"size": 2}))]);
    assert_eq!(book, ["a Apply v2: .size"]);
    // The same value is shared.
    let (_, book) = told(&[("update", "u", "v1", json!({"size": 1})), ("apply", "a", "v2", json!({"size": 1}))]);
    assert_eq!(book, ["a Apply v2: .size", "u Update v1: .size"]);
}

#[test]
fn entries_of_another_group_are_obsolete() {
    let (_, book) = told(&[("update", "u", "old.io/v1", json!({"size": 1})), ("apply", "a", "new.io/v1", json!({"size": 2}))]);
    assert_eq!(book, ["a Apply new.io/v1: .size"]);
}
