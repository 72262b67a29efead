//! CustomResourcePublishOpenAPI: kubectl knows custom kinds by what their definitions say.

use tests::{Cluster, Space};

const FOO: &str = "description: Foo CRD for Testing
          type: object
          properties:
            spec:
              type: object
              description: Specification of Foo
              properties:
                bars:
                  description: List of Bars and their specs.
                  type: array
                  items:
                    type: object
                    required: [name]
                    properties:
                      name: {description: Name of Bar., type: string}
                      age: {description: Age of Bar., type: string}
                      feeling: {description: Whether Bar is feeling great., type: string, enum: [Great, Down]}
                      bazs: {description: List of Bazs., type: array, items: {type: string}}
";

fn define(space: &Space, group: &str, schema: &str) {
    space.apply(&format!(
        "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: tests.{group}}}
spec:
  group: {group}
  scope: Namespaced
  names: {{plural: tests, kind: Test}}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
        openAPIV3Schema:
          {schema}"
    ));
    space.ok(&["wait", "--for=condition=Established", &format!("crd/tests.{group}"), "--timeout=30s"]);
}

fn object(group: &str, rest: &str) -> String {
    format!(r#"{{"kind":"Test","apiVersion":"{group}/v1","metadata":{{"name":"test-cr"}}{rest}}}"#)
}

/// Both ways that validate: create and apply.
fn said(space: &Space, object: &str) -> [tests::Said; 2] {
    ["create", "apply"].map(|way| space.kubectl().run_with(&["-n", space.name(), way, "-f", "-"], object, &[]))
}

fn accepted(space: &Space, group: &str, rest: &str) {
    for way in ["create", "apply"] {
        let said = space.kubectl().run_with(&["-n", space.name(), way, "-f", "-"], &object(group, rest), &[]);
        assert_eq!(said.code, Some(0), "{way}: {}{}", said.out, said.err);
        space.ok(&["delete", &format!("tests.{group}"), "test-cr", "--timeout=20s"]);
    }
}

/// The words stand in this order.
fn explained(space: &Space, what: &str, words: &[&str]) {
    let text = space.ok(&["explain", what]);
    let mut rest = text.as_str();
    for word in words {
        let at = rest.find(word).unwrap_or_else(|| panic!("no {word:?} (in this order) in\n{text}"));
        rest = &rest[at + word.len()..];
    }
}

#[test]
fn kubectl_validates_and_explains_by_the_schema() {
    let space = Cluster::shared().space("published");
    let group = "published-foo.example.com";
    define(&space, group, FOO);
    accepted(&space, group, r#","spec":{"bars":[{"name":"test-bar"}]}"#);
    for (spec, told) in [
        (r#","spec":{"bars":[{"name":"b","feeling":"NonExistentValue"}]}"#, "Unsupported value: \"NonExistentValue\""),
        (r#","spec":{"foo":true}"#, "unknown field \"spec.foo\""),
        (r#","spec":{"bars":[{"age":"10"}]}"#, "spec.bars[0].name: Required value"),
    ] {
        for said in said(&space, &object(group, spec)) {
            assert!(said.code != Some(0) && said.err.contains(told), "{spec}: {}{}", said.out, said.err);
        }
    }
    let tests = format!("tests.{group}");
    let spec = [
        "DESCRIPTION:",
        "Foo CRD for Testing",
        "FIELDS:",
        "apiVersion",
        "<string>",
        "APIVersion defines",
        "spec",
        "<Object>",
        "Specification of Foo",
    ];
    explained(&space, &tests, &spec);
    let meta =
        ["DESCRIPTION:", "Standard object's metadata", "FIELDS:", "creationTimestamp", "<string>", "CreationTimestamp is a timestamp"];
    explained(&space, &format!("{tests}.metadata"), &meta);
    explained(
        &space,
        &format!("{tests}.spec"),
        &["DESCRIPTION:", "Specification of Foo", "FIELDS:", "bars", "<[]Object>", "List of Bars and their specs"],
    );
    let bars = [
        "bars",
        "<[]Object>",
        "DESCRIPTION:",
        "List of Bars and their specs",
        "FIELDS:",
        "bazs",
        "<[]string>",
        "List of Bazs",
        "name",
        "<string>",
        "Name of Bar",
    ];
    explained(&space, &format!("{tests}.spec.bars"), &bars);
    space.fails(&["explain", &format!("{tests}.spec.bars2")], "field \"bars2\" does not exist");
    space.ok(&["delete", "crd", &tests, "--timeout=30s"]);
}

#[test]
fn kubectl_lets_pass_what_a_schema_keeps() {
    let space = Cluster::shared().space("published-any");
    let waldo = "type: object
          properties:
            spec:
              description: Specification of Waldo
              type: object
              NESTED
              properties:
                dummy: {description: Dummy property., type: object}
";
    let keep = "x-kubernetes-preserve-unknown-fields: true";
    let plain = "description: Specification of Waldo";
    let everything = r#","a":{"b":[{"c":"d"}]}"#;
    for (group, schema, rest, words) in [
        ("published-empty.example.com", format!("{keep}\n          type: object\n"), everything, ["DESCRIPTION:", "<empty>"]),
        (
            "published-root.example.com",
            format!("description: all is kept\n          {keep}\n          {}", waldo.replace("              NESTED\n", "")),
            everything,
            ["KIND:", "Test"],
        ),
        (
            "published-nested.example.com",
            format!("description: preserve-unknown-properties in nested field for Testing\n          {}", waldo.replace("NESTED", keep)),
            r#","spec":{"a":null,"b":[{"c":"d"}]}"#,
            ["DESCRIPTION:", "preserve-unknown-properties in nested field for Testing"],
        ),
    ] {
        assert!(group.contains("empty") || schema.contains(plain));
        define(&space, group, &schema);
        accepted(&space, group, rest);
        explained(&space, &format!("tests.{group}"), &words);
        space.ok(&["delete", "crd", &format!("tests.{group}"), "--timeout=30s"]);
    }
}
