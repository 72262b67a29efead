//! Rows that come and go, and one object in several versions.

use super::Fixture;
use object::schema::{Field, Graph, Scalar, Shape, Struct, Type, TypeId};
use object::{Object, json};
use registry::{Conversion, Kind, StoredAs};
use std::sync::Arc;

const GROUP: &str = "example.com";

/// A graph with one definition: metadata of any shape, and `spec` with one number.
fn graph(number: &str) -> Arc<Graph> {
    let mut graph = Graph::default();
    let mut push = |name: &str, shape: Shape| graph.push(Type { name: name.into(), description: "".into(), shape });
    let (any, string) = (push("", Shape::Any), push("", Shape::Scalar(Scalar::String)));
    let int = push("", Shape::Scalar(Scalar::Int64));
    let field = |name: &str, ty: TypeId| Field {
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
    let spec = push("", Shape::Struct(Struct { fields: vec![field(number, int)], ..Struct::default() }));
    let fields = vec![field("apiVersion", string), field("kind", string), field("metadata", any), field("spec", spec)];
    push("Widget", Shape::Struct(Struct { fields, ..Struct::default() }));
    Arc::new(graph)
}

fn row(f: &Fixture, version: &str, number: &str, stored: Option<(&str, Conversion)>) -> Arc<Kind> {
    let mut kind = f.registry().resource_by_name("", "v1", "configmaps").unwrap().as_ref().clone();
    (kind.group, kind.version) = (GROUP.to_owned(), version.to_owned());
    (kind.kind, kind.resource, kind.singular) = ("Widget".to_owned(), "widgets".to_owned(), "widget".to_owned());
    (kind.schema, kind.graph, kind.short_names) = ("Widget".to_owned(), Some(graph(number)), Vec::new());
    kind.stored_as = stored.map(|(version, conversion)| StoredAs {
        group: GROUP.to_owned(),
        version: version.to_owned(),
        resource: "widgets".to_owned(),
        conversion,
    });
    Arc::new(kind)
}

fn moved(object: &mut Object, from: &str, to: &str) {
    if let Some(value) = object.remove_at(&["spec", from]) {
        object.set_at(&["spec", to], value);
    }
}

const CODE: Conversion = Conversion::Code { to_storage: |o| moved(o, "size", "count"), from_storage: |o| moved(o, "count", "size") };

fn path(version: &str, name: &str) -> String {
    let slash = if name.is_empty() || name.starts_with('?') { "" } else { "/" };
    format!("/apis/{GROUP}/{version}/namespaces/default/widgets{slash}{name}")
}

#[tokio::test]
async fn a_kind_in_two_versions() {
    let f = Fixture::new().await;
    f.get(&path("v1", "")).await.expect(404);
    f.registry().replace_custom(vec![row(&f, "v1", "count", None), row(&f, "v2", "size", Some(("v1", CODE)))]);
    let made = json!({ "apiVersion": "example.com/v2", "kind": "Widget", "metadata": { "name": "a" }, "spec": { "size": 3, "count": 9 } });
    let made = f.post(&path("v2", ""), &made).await.expect(201);
    assert_eq!((&made["apiVersion"], &made["spec"]), (&json!("example.com/v2"), &json!({ "size": 3 })), "count is unknown to v2");
    assert_eq!(made["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"], json!({ ".": {}, "f:size": {} }));
    let first = f.get(&path("v1", "a")).await.expect(200);
    assert_eq!((&first["apiVersion"], &first["spec"]), (&json!("example.com/v1"), &json!({ "count": 3 })));
    let revision = first["metadata"]["resourceVersion"].as_str().unwrap();

    // A write in one version is seen by a watch in the other.
    let mut watch = f.watch(&path("v2", &format!("?watch=1&resourceVersion={revision}"))).await;
    f.patch(&path("v1", "a"), "merge", &json!({ "spec": { "count": 4 } })).await.expect(200);
    let event = watch.next().await.unwrap();
    assert_eq!((&event["type"], &event["object"]["spec"]), (&json!("MODIFIED"), &json!({ "size": 4 })));
    let applied = json!({ "apiVersion": "example.com/v2", "kind": "Widget", "metadata": { "name": "a" }, "spec": { "size": 5 } });
    f.patch(&path("v2", "a?fieldManager=m"), "apply", &applied).await.expect(409);
    let applied = f.patch(&path("v2", "a?fieldManager=m&force=true"), "apply", &applied).await.expect(200);
    assert_eq!(applied["spec"], json!({ "size": 5 }));
    let list = f.get(&path("v2", "?limit=1")).await.expect(200);
    assert_eq!((&list["apiVersion"], &list["items"][0]["spec"]), (&json!("example.com/v2"), &json!({ "size": 5 })));

    // Another version is stored from now on: what was stored before is still read, and converted when it is written.
    let back = Conversion::Code { to_storage: |o| moved(o, "count", "size"), from_storage: |o| moved(o, "size", "count") };
    f.registry().replace_custom(vec![row(&f, "v1", "count", Some(("v2", back))), row(&f, "v2", "size", None)]);
    assert_eq!(watch.told().await, "MODIFIED a");
    assert_eq!(watch.told().await, "end", "the row is another one");
    assert_eq!(f.get(&path("v1", "a")).await.expect(200)["spec"], json!({ "count": 5 }));
    assert_eq!(f.get(&path("v2", "a")).await.expect(200)["spec"], json!({ "size": 5 }));
    let written = f.patch(&path("v1", "a"), "merge", &json!({ "spec": { "count": 6 } })).await.expect(200);
    assert_eq!(written["spec"], json!({ "count": 6 }));
    assert_eq!(f.get(&path("v2", "a")).await.expect(200)["spec"], json!({ "size": 6 }));
    assert_eq!(f.delete(&path("v1", "?labelSelector=none")).await.expect(200)["items"], json!([]));
    f.delete(&path("v1", "a")).await.expect(200);
    f.get(&path("v2", "a")).await.expect(404);

    f.registry().replace_custom(Vec::new());
    f.get(&path("v1", "")).await.expect(404);
}
