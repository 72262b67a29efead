use super::*;
use crate::fixture;
use serde_json::json;

fn patched(original: Value, patch: Value) -> Result<Value, String> {
    let graph = fixture::workloads();
    let mut got = original;
    apply(&mut got, &patch, graph.named("io.test.v1.PodSpec").unwrap()).map_err(|e| e.to_string())?;
    Ok(got)
}

fn check(original: Value, patch: Value, expect: Value) {
    assert_eq!(patched(original.clone(), patch.clone()), Ok(expect), "{original} + {patch}");
}

fn containers(names: &[&str]) -> Value {
    json!({"containers": names.iter().map(|n| json!({"name": n})).collect::<Vec<_>>()})
}

#[test]
fn merges_maps_and_scalars() {
    check(
        json!({"hostNetwork": true}),
        json!({"terminationGracePeriodSeconds": 5}),
        json!({"hostNetwork": true, "terminationGracePeriodSeconds": 5}),
    );
    check(json!({"hostNetwork": true}), json!({"hostNetwork": null}), json!({}));
    check(
        json!({"nodeSelector": {"a": "1", "b": "2"}}),
        json!({"nodeSelector": {"a": null, "c": "3"}}),
        json!({"nodeSelector": {"b": "2", "c": "3"}}),
    );
    check(json!({}), json!({"nodeSelector": {"a": null, "c": "3"}}), json!({"nodeSelector": {"c": "3"}}));
    check(
        json!({"nodeSelector": {"a": "1"}}),
        json!({"nodeSelector": {"$patch": "replace", "z": "2"}}),
        json!({"nodeSelector": {"z": "2"}}),
    );
    check(json!({"nodeSelector": {"a": "1"}}), json!({"nodeSelector": {"$patch": "delete"}}), json!({"nodeSelector": {}}));
    check(json!({"hostNetwork": true}), json!({"nodeSelector": {"$patch": "delete"}}), json!({"hostNetwork": true}));
}

#[test]
fn merges_lists_by_key() {
    check(
        json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]}),
        json!({"containers": [{"name": "b", "image": "3"}]}),
        json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "3"}]}),
    );
    check(containers(&["a"]), containers(&["b", "a"]), containers(&["b", "a"]));
    check(containers(&["a"]), containers(&["b"]), containers(&["b", "a"]));
    check(
        json!({"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]}]}),
        json!({"containers": [{"name": "a", "env": [{"name": "X", "$patch": "delete"}, {"name": "Z", "value": "3"}]}]}),
        json!({"containers": [{"name": "a", "env": [{"name": "Z", "value": "3"}, {"name": "Y", "value": "2"}]}]}),
    );
    check(containers(&["a", "b"]), json!({"containers": [{"$patch": "replace"}, {"name": "c"}]}), containers(&["c"]));
    check(containers(&["a", "b"]), json!({"containers": [{"$patch": "delete", "name": "a"}]}), containers(&["b"]));
    check(containers(&["a"]), json!({"containers": [{"$patch": "delete", "name": "zz"}]}), containers(&["a"]));
    check(json!({}), json!({"containers": [{"name": "a", "$patch": "delete"}, {"name": "b", "image": null}]}), containers(&["b"]));
    // Without a merge strategy, lists are replaced.
    check(json!({"tolerations": [{"key": "a"}]}), json!({"tolerations": [{"key": "b"}]}), json!({"tolerations": [{"key": "b"}]}));
    check(
        json!({"containers": [{"name": "a", "args": ["1"]}]}),
        json!({"containers": [{"name": "a", "args": ["2", "3"]}]}),
        json!({"containers": [{"name": "a", "args": ["2", "3"]}]}),
    );
}

#[test]
fn keeps_the_order_asked_for() {
    let ordered = |names: &[&str]| names.iter().map(|n| json!({"name": n})).collect::<Vec<_>>();
    let case = |live: &[&str], patch: &[&str], order: &[&str], expect: &[&str]| {
        check(containers(live), json!({"containers": ordered(patch), "$setElementOrder/containers": ordered(order)}), containers(expect));
        if patch.is_empty() {
            check(containers(live), json!({"$setElementOrder/containers": ordered(order)}), containers(expect));
        }
    };
    case(&["a", "b"], &[], &["b", "a"], &["b", "a"]);
    case(&["a", "b", "x"], &["c"], &["c", "b", "a"], &["c", "b", "a", "x"]);
    case(&["x", "a", "b"], &["c"], &["b", "a", "c"], &["x", "b", "a", "c"]);
    case(&["a", "x", "b"], &[], &["a", "b"], &["a", "x", "b"]);
    case(&[], &["b"], &["a", "b"], &["b"]);
}

#[test]
fn retains_keys() {
    let volumes = |v: Value| json!({"volumes": [v]});
    check(
        volumes(json!({"name": "v", "emptyDir": {}})),
        volumes(json!({"name": "v", "hostPath": {"path": "/x"}, "$retainKeys": ["name", "hostPath"]})),
        volumes(json!({"name": "v", "hostPath": {"path": "/x"}})),
    );
    check(
        json!({"volumes": []}),
        volumes(json!({"name": "v", "emptyDir": {"medium": "Memory"}})),
        volumes(json!({"name": "v", "emptyDir": {"medium": "Memory"}})),
    );
}

#[test]
fn edits_lists_of_scalars() {
    let graph = fixture::workloads();
    let case = |original: Value, patch: Value, expect: Value| {
        let mut got = original.clone();
        apply(&mut got, &patch, graph.named("io.test.v1.ObjectMeta").unwrap()).unwrap();
        assert_eq!(got, expect, "{original} + {patch}");
    };
    case(json!({"finalizers": ["a", "b"]}), json!({"finalizers": ["c", "a"]}), json!({"finalizers": ["c", "a", "b"]}));
    case(json!({"finalizers": ["a", "b", "c"]}), json!({"$deleteFromPrimitiveList/finalizers": ["b"]}), json!({"finalizers": ["a", "c"]}));
    case(
        json!({"finalizers": ["a", "b", "c"]}),
        json!({"$deleteFromPrimitiveList/finalizers": ["b"], "finalizers": ["d"], "$setElementOrder/finalizers": ["d", "a", "c"]}),
        json!({"finalizers": ["d", "a", "c"]}),
    );
    case(json!({}), json!({"$deleteFromPrimitiveList/finalizers": ["b"]}), json!({}));
    case(json!({}), json!({"finalizers": ["b"]}), json!({"finalizers": ["b"]}));
}

#[test]
fn refuses_bad_patches() {
    let table = [
        (json!({"containers": [{"image": "x"}]}), "map: {\"image\":\"x\"} does not contain declared merge key: name"),
        (json!({"containers": [{"name": "a", "$patch": "merge"}]}), "merging lists cannot yet be specified in the patch"),
        (json!({"containers": [{"name": "a", "$patch": "zap"}]}), "unknown patch type: zap in map: {\"$patch\":\"zap\",\"name\":\"a\"}"),
        (json!({"nodeSelector": {"$patch": "merge"}}), "unknown patch type: merge in map: {}"),
        (json!({"$retainKeys": "x"}), "invalid patch format of retainKeys"),
        (json!({"$retainKeys": ["a"], "hostNetwork": true}), "invalid patch format of retainKeys"),
        (json!({"$setElementOrder/containers": {}}), "invalid patch format of setElementOrder list"),
        (json!({"$setElementOrder": []}), "invalid patch format of setElementOrder list"),
        (json!({"$deleteFromPrimitiveList": []}), "invalid patch format of primitive list"),
        (json!({"containers": [["x"]]}), "lists of lists are not supported"),
        (json!({"containers": ["x"]}), "list element types are not identical"),
        (
            json!({"containers": [{"name": "b"}, {"name": "a"}], "$setElementOrder/containers": [{"name": "a"}, {"name": "b"}]}),
            "The order in patch list:\n[{\"name\":\"b\"},{\"name\":\"a\"}]\n doesn't match $setElementOrder list:\n[{\"name\":\"a\"},{\"name\":\"b\"}]\n",
        ),
        (json!({"zap": {"a": 1}}), "unable to find api field in struct PodSpec for the json field \"zap\""),
        (json!([]), "invalid JSON document"),
    ];
    for (patch, expect) in table {
        let original = json!({"containers": [{"name": "a"}], "nodeSelector": {"a": "b"}, "zap": {}});
        assert_eq!(patched(original, patch.clone()), Err(expect.to_owned()), "{patch}");
    }
}

/// A body may hold tens of thousands of items: looked for in each other they would take minutes.
#[test]
fn long_lists_are_looked_up() {
    const ITEMS: usize = 20_000;
    let names: Vec<String> = (0..ITEMS).map(|i| format!("c{i}")).collect();
    let named = |names: &[String]| json!({"containers": names.iter().map(|n| json!({"name": n})).collect::<Vec<_>>()});
    let turned: Vec<String> = names.iter().rev().cloned().collect();
    check(named(&names), named(&turned), named(&turned));
}
