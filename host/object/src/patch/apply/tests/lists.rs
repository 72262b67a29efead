use super::*;

/// `typed/merge_test.go`: one letter is one item of a set.
#[test]
fn order_of_merged_sets() {
    let table = [
        ("abc", "ab", "abc"),
        ("ab", "abc", "abc"),
        ("abc", "", "abc"),
        ("", "abc", "abc"),
        ("ab", "ba", "ba"),
        ("abc", "def", "abcdef"),
        ("abc", "cdef", "abcdef"),
        ("abcgf", "cdef", "abcgdef"),
        ("abc", "defxyz", "abcdefxyz"),
        ("cdef", "ace", "acdef"),
        ("abcxyz", "def", "abcxyzdef"),
        ("abcxyz", "defxyz", "abcdefxyz"),
        ("cagf", "cfag", "cfag"),
        ("abcd", "defa", "bcdefa"),
        ("cdefghij", "2h3e4kl", "cdfg2hij3e4kl"),
        ("abcdefghij", "1b2h3e4kl", "a1bcdfg2hij3e4kl"),
        ("abb", "c", "abbc"),
        ("abb", "b", "ab"),
        ("abb", "a", "abb"),
        ("abcdec", "1b2ed", "a1bc2ecd"),
        ("abcdec", "1b2ced", "a1b2ced"),
        ("aabb", "bcd", "aabcd"),
        ("aabb", "", "aabb"),
        ("cagfca", "cfag", "cfag"),
    ];
    let graph = fixture::build(&json!({"Root": {"plain": true, "fields": {"s": {"list": "string", "kind": "set"}}}}));
    let letters = |text: &str| json!({"s": text.chars().map(String::from).collect::<Vec<_>>()});
    for (lhs, rhs, expect) in table {
        let (l, r) = (letters(lhs), letters(rhs));
        let got = merge::maps(l.as_object().unwrap(), r.as_object().unwrap(), Ty::root(graph.named("Root").unwrap())).unwrap();
        assert_eq!(Value::Object(got), letters(expect), "{lhs} + {rhs}");
    }
}

/// `merge/duplicates_test.go`
#[test]
fn duplicates() {
    let updated = |first: Value, second: Value, book: &[(&str, &[&str])]| {
        check(vec![Update("one", json!({"set": first})), Update("two", json!({"set": second.clone()}))], json!({"set": second}), book);
    };
    updated(json!([1, 3, 4]), json!([1, 1, 3, 4]), &[("one", &[".set", ".set[=3]", ".set[=4]"]), ("two", &[".set[=1]"])]);
    updated(json!([1, 1, 3, 4]), json!([1, 3, 4]), &[("one", &[".set", ".set[=3]", ".set[=4]"]), ("two", &[".set[=1]"])]);
    check(
        vec![
            Update("u", json!({"set": [1, 1, 3, 4]})),
            Refused("a", json!({"set": [1]}), &["\"u\" using v1 .set[=1]"]),
            Force("a", json!({"set": [1]})),
        ],
        json!({"set": [1, 3, 4]}),
        &[("a", &[".set[=1]"]), ("u", &[".set", ".set[=3]", ".set[=4]"])],
    );
    check(
        vec![Update("u", json!({"set": [1, 1, 3, 4]})), Apply("a", json!({"set": [5]}))],
        json!({"set": [1, 1, 3, 4, 5]}),
        &[("a", &[".set[=5]"]), ("u", &[".set", ".set[=1]", ".set[=3]", ".set[=4]"])],
    );
    let items = json!([{"name": "a", "value": 1}, {"name": "a", "value": 2}, {"name": "b", "value": 3}]);
    check(
        vec![Update("u", json!({"list": items.clone()}))],
        json!({ "list": items }),
        &[("u", &[".list", ".list[name=\"a\"]", ".list[name=\"b\"]", ".list[name=\"b\"].name", ".list[name=\"b\"].value"])],
    );
}

/// `fieldpath/serialize_test.go`: what is written reads back the same.
#[test]
fn sets_as_json() {
    let table = [
        json!({"f:a": {}, "f:b": {".": {}, "f:c": {}}, "f:d": {"f:e": {}}}),
        json!({"f:l": {"k:{\"name\":\"a\",\"port\":80}": {".": {}, "f:x": {}}, "v:\"s\"": {}, "v:1": {}, "i:0": {}}}),
        json!({"f:": {}, "f:a:b/c.d": {}}),
        json!({}),
    ];
    for fields in table {
        assert_eq!(Set::from_value(&fields).unwrap().to_value(), fields);
    }
    assert_eq!(Set::from_value(&json!({"f:a": {"x:unknown": {}, ".": {}}})).unwrap().to_value(), json!({"f:a": {}}));
    for bad in [json!({"a": {}}), json!({"fa": {}}), json!({"k:{": {}}), json!({"i:x": {}}), json!([])] {
        assert!(Set::from_value(&bad).is_err(), "{bad}");
    }
}

/// Set algebra against sets of strings.
#[test]
fn sets_agree_with_a_model() {
    use std::collections::BTreeSet;
    let mut seed = 11u64;
    let mut random = || -> BTreeSet<String> {
        let mut model = BTreeSet::new();
        for _ in 0..6 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let bits = seed >> 40;
            let depth = 1 + bits % 3;
            model.insert(
                (0..depth).map(|n| ["a", "b", "c"][usize::try_from(bits >> (4 + 2 * n)).unwrap() % 3]).collect::<Vec<_>>().join("."),
            );
        }
        model
    };
    let set = |model: &BTreeSet<String>| {
        let mut set = Set::new();
        model.iter().for_each(|path| set.insert(path.split('.').map(PathElement::field).collect()));
        set
    };
    for _ in 0..300 {
        let (a, b) = (random(), random());
        assert_eq!(set(&a).union(&set(&b)), set(&(&a | &b)));
        assert_eq!(set(&a).intersection(&set(&b)), set(&(&a & &b)));
        assert_eq!(set(&a).difference(&set(&b)), set(&(&a - &b)));
        let below = |path: &String| b.iter().any(|p| path == p || path.starts_with(&format!("{p}.")));
        assert_eq!(set(&a).recursive_difference(&set(&b)), set(&a.iter().filter(|p| !below(p)).cloned().collect()));
        assert_eq!(Set::from_value(&set(&a).to_value()).unwrap(), set(&a));
    }
}
