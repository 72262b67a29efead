//! JSON, YAML and protobuf, in requests, answers and watches, and what is refused.

use super::matrix::collection;
use super::{Answer, Fixture, config_map};
use crate::negotiate::Encoding;
use axum::body::{Body, BodyDataStream};
use futures::StreamExt;
use http::Request;
use object::protobuf::{self, Unknown};
use object::schema::Schema;
use object::{Value, json};
use registry::{Kind, Registry, Verb};
use std::time::Duration;

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const PARTIAL: &str = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn named(name: &str) -> Schema<'static> {
    registry::graph::builtin().named(name).unwrap_or_else(|| panic!("no definition {name}"))
}

fn config_map_schema() -> Schema<'static> {
    named("io.k8s.api.core.v1.ConfigMap")
}

fn status_schema() -> Schema<'static> {
    named("io.k8s.apimachinery.pkg.apis.meta.v1.Status")
}

/// A body of an object.
fn encoded(value: &Value, schema: Schema<'_>) -> Vec<u8> {
    let text = |key: &str| value[key].as_str().unwrap();
    protobuf::wrap(text("apiVersion"), text("kind"), &protobuf::encode(value, schema).unwrap())
}

impl Answer {
    fn media_type(&self) -> &str {
        self.headers["content-type"].to_str().unwrap()
    }

    #[track_caller]
    fn envelope(&self, code: u16, kind: &str) -> Unknown<'_> {
        assert_eq!((self.code, self.media_type()), (code, PROTOBUF), "{}", String::from_utf8_lossy(&self.bytes));
        let unknown = protobuf::unwrap(&self.bytes).unwrap();
        assert_eq!(unknown.kind, kind);
        unknown
    }

    #[track_caller]
    fn decoded(&self, code: u16, kind: &str, schema: Schema<'_>) -> Value {
        self.envelope(code, kind);
        protobuf::decode_body(&self.bytes, |_, _| Some(schema)).unwrap()
    }
}

/// The metadata and the items of a list's message.
fn list_parts(mut raw: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (mut metadata, mut items) = (Vec::new(), Vec::new());
    while let [tag, rest @ ..] = raw {
        let size = rest.iter().position(|b| b & 0x80 == 0).unwrap();
        let length = rest[..=size].iter().rev().fold(0, |length, b| length << 7 | usize::from(b & 0x7f));
        let (body, tail) = rest[size + 1..].split_at(length);
        match tag {
            0x0a => metadata = body.to_vec(),
            0x12 => items.push(body.to_vec()),
            other => panic!("field {other:x}"),
        }
        raw = tail;
    }
    (metadata, items)
}

/// The frames of a watch in protobuf.
struct Frames {
    body: BodyDataStream,
    rest: Vec<u8>,
}

impl Frames {
    async fn open(f: &Fixture, path: &str, accept: &str) -> Self {
        let mut request = Request::builder().uri(path).header("accept", accept).body(Body::empty()).unwrap();
        request.extensions_mut().insert(f.user.clone().unwrap());
        let response = f.service.handle(request).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/vnd.kubernetes.protobuf;stream=watch");
        Self { body: response.into_body().into_data_stream(), rest: Vec::new() }
    }

    /// Type of the next event, kind and tree of its object.
    async fn next(&mut self, schema: Schema<'_>) -> (String, String, Value) {
        let length = |rest: &[u8]| rest.first_chunk::<4>().map(|prefix| 4 + u32::from_be_bytes(*prefix) as usize);
        while length(&self.rest).is_none_or(|length| self.rest.len() < length) {
            let chunk = tokio::time::timeout(Duration::from_secs(10), self.body.next()).await.expect("no event came");
            self.rest.extend_from_slice(&chunk.expect("the watch ended").unwrap());
        }
        let frame: Vec<u8> = self.rest.drain(..length(&self.rest).unwrap()).skip(4).collect();
        // WatchEvent is bare: its type, and a RawExtension whose bytes are a whole body.
        let (ty, extension) = list_parts(&frame);
        let (body, none) = list_parts(&extension[0]);
        assert!(none.is_empty());
        let kind = protobuf::unwrap(&body).unwrap().kind;
        (String::from_utf8(ty).unwrap(), kind, protobuf::decode_body(&body, |_, _| Some(schema)).unwrap())
    }
}

/// Whether every sample takes the road there and back.
#[tokio::test]
async fn every_kind_in_protobuf() {
    let f = Fixture::new().await;
    let rows = Registry::builtin().kinds();
    let stored = |kind: &&std::sync::Arc<Kind>| !kind.is_virtual && kind.verbs.contains(&Verb::Create);
    let mut tried = 0;
    for kind in rows.iter().filter(stored).filter(|kind| protobuf::is_message(kind.schema())) {
        let (path, schema) = (collection(kind), kind.schema());
        let sample: Value = serde_json::from_str(&kind.sample).unwrap();
        let one = format!("{path}/{}", sample["metadata"]["name"].as_str().unwrap());
        let made = f.send("POST", &path, PROTOBUF, PROTOBUF, encoded(&sample, schema)).await;
        let made = made.decoded(201, &kind.kind, schema);
        super::matrix::settled(&f, &path, &kind.resource).await;
        let shown = f.get(&one).await.expect(200);
        let answer = f.send("GET", &one, "", PROTOBUF, "").await;
        let live = answer.envelope(200, &kind.kind);
        assert_eq!(live.api_version, kind.api_version());
        // The same object, whatever it is asked in; JSON has not the zero values that Go writes.
        assert_eq!(live.raw, protobuf::encode(&shown, schema).unwrap(), "{}", kind.resource);
        assert_eq!(made["metadata"]["uid"], shown["metadata"]["uid"]);
        // What comes back is stable: writing it again changes nothing.
        let again = f.send("PUT", &one, PROTOBUF, "", answer.bytes.clone()).await.expect(200);
        assert_eq!(again["metadata"]["resourceVersion"], shown["metadata"]["resourceVersion"], "{}: {again} {shown}", kind.resource);
        let list = f.send("GET", &path, "", PROTOBUF, "").await;
        let (metadata, items) = list_parts(list.envelope(200, &format!("{}List", kind.kind)).raw);
        assert!(items.iter().any(|item| item == live.raw), "{}", kind.resource);
        let metadata = protobuf::decode(&metadata, named("io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta")).unwrap();
        assert!(metadata["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap() > 0);
        tried += 1;
    }
    assert!(tried > 30, "{tried}");
}

#[tokio::test]
async fn forms_and_statuses_in_protobuf() {
    let f = Fixture::new().await;
    f.post(MAPS, &config_map("a")).await.expect(201);
    let one = format!("{MAPS}/a");
    let partial = named("io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata");
    let found = f.send("GET", &one, "", PARTIAL, "").await.decoded(200, "PartialObjectMetadata", partial);
    assert_eq!((&found["metadata"]["name"], found.get("data")), (&json!("a"), None));
    let list = f.send("GET", MAPS, "", PARTIAL, "").await;
    let (_, items) = list_parts(list.envelope(200, "PartialObjectMetadataList").raw);
    assert_eq!(protobuf::decode(&items[0], partial).unwrap()["metadata"]["name"], "a");

    let missing = f.send("GET", &format!("{MAPS}/b"), "", PROTOBUF, "").await.decoded(404, "Status", status_schema());
    assert_eq!((&missing["reason"], &missing["details"]["name"]), (&json!("NotFound"), &json!("b")));
    let bad = config_map("No");
    let invalid = f.send("POST", MAPS, PROTOBUF, PROTOBUF, encoded(&bad, config_map_schema())).await;
    let invalid = invalid.decoded(422, "Status", status_schema());
    assert_eq!(invalid["details"]["causes"][0]["field"], "metadata.name");
    let options = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": { "uid": "other" } });
    let options = encoded(&options, named("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"));
    f.send("DELETE", &one, PROTOBUF, PROTOBUF, options).await.decoded(409, "Status", status_schema());
    let gone = f.send("DELETE", &one, "", PROTOBUF, "").await.decoded(200, "Status", status_schema());
    assert_eq!((&gone["status"], &gone["details"]["kind"]), (&json!("Success"), &json!("configmaps")));

    let resources = f.send("GET", "/api/v1", "", PROTOBUF, "").await;
    let mut resources = resources.decoded(200, "APIResourceList", named("io.k8s.apimachinery.pkg.apis.meta.v1.APIResourceList"));
    // The legacy group's documents tell no version.
    assert_eq!(resources.as_object_mut().unwrap().remove("apiVersion"), Some(json!("")));
    assert_eq!(resources, f.get("/api/v1").await.expect(200));
}

#[tokio::test]
async fn watches_in_protobuf() {
    let f = Fixture::new().await;
    let made = f.post(MAPS, &config_map("a")).await.expect(201);
    let query = "?watch=1&allowWatchBookmarks=1&sendInitialEvents=1&resourceVersionMatch=NotOlderThan&fieldSelector=metadata.name%3Da";
    let path = format!("{MAPS}{query}");
    let stream = format!("{PROTOBUF};stream=watch");
    let mut watch = Frames::open(&f, &path, &format!("{stream}, application/json")).await;
    let mut partial = Frames::open(&f, &path, PARTIAL).await;
    let schema = config_map_schema();
    let (ty, kind, object) = watch.next(schema).await;
    assert_eq!((&*ty, &*kind, &object), ("ADDED", "ConfigMap", &made));
    let (ty, _, object) = watch.next(schema).await;
    assert_eq!((&*ty, &object["metadata"]["annotations"]["k8s.io/initial-events-end"]), ("BOOKMARK", &json!("true")));
    let changed = f.patch(&format!("{MAPS}/a"), "merge", &json!({ "data": { "k": "w" } })).await.expect(200);
    assert_eq!(watch.next(schema).await, ("MODIFIED".to_owned(), "ConfigMap".to_owned(), changed));
    f.delete(&format!("{MAPS}/a")).await.expect(200);
    assert_eq!(watch.next(schema).await.0, "DELETED");

    let metadata = named("io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata");
    for expect in ["ADDED", "BOOKMARK", "MODIFIED", "DELETED"] {
        let (ty, kind, object) = partial.next(metadata).await;
        assert_eq!((&*ty, &*kind), (expect, "PartialObjectMetadata"));
        assert!(object["metadata"]["resourceVersion"].is_string());
    }
    // An error of the stream is an event as well: this revision is of a store that was never there.
    let old = f.send("GET", &format!("{MAPS}?watch=1&resourceVersion=x"), "", &stream, "").await;
    assert_eq!((old.code, old.media_type()), (400, PROTOBUF));
}

#[tokio::test]
async fn what_cannot_be_told_is_refused() {
    let f = Fixture::new().await;
    let check = |code: u16, answer: Answer, message: &str| {
        assert_eq!((answer.code, answer.message().as_str()), (code, message));
    };
    let all = "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf";
    let streams = "only the following media types are accepted: application/json;stream=watch, \
        application/vnd.kubernetes.protobuf;stream=watch";
    let unknown = "the body of the request was in an unknown format - accepted media types include: application/json, \
        application/yaml, application/vnd.kubernetes.protobuf";
    check(406, f.send("GET", MAPS, "", "text/html", "").await, all);
    check(406, f.send("GET", "/api/v1", "", "application/cbor", "").await, all);
    check(406, f.send("POST", MAPS, "application/json", "text/html", config_map("a").to_string()).await, all);
    f.get(&format!("{MAPS}/a")).await.expect(404);
    let yaml = f.send("GET", &format!("{MAPS}?watch=1"), "", "application/yaml", "").await;
    assert_eq!((yaml.code, serde_yaml_ng::from_slice::<Value>(&yaml.bytes).unwrap()["message"].clone()), (406, json!(streams)));
    check(415, f.send("POST", MAPS, "application/cbor", "", "x").await, unknown);
    check(415, f.send("PUT", &format!("{MAPS}/a"), "text/plain", "", "x").await, unknown);
    f.send("POST", MAPS, "application/json; charset=utf-8", "", config_map("a").to_string()).await.expect(201);
    f.send("POST", MAPS, "Application/JSON", "", config_map("b").to_string()).await.expect(201);
    assert_eq!(f.send("POST", MAPS, PROTOBUF, "", "{}").await.code, 400);
    // An error reaches also those who accept nothing that there is.
    assert_eq!(f.send("GET", &format!("{MAPS}/x"), "", "*/*;q=0.1, text/html", "").await.message(), "configmaps \"x\" not found");

    // Custom kinds have no protobuf form: their metadata has.
    let row = Registry::builtin().kinds().into_iter().find(|k| k.resource == "wasmplugins").unwrap();
    let plugins = collection(&row);
    // The refusal has one.
    let refused = f.send("GET", &plugins, "", PROTOBUF, "").await.decoded(406, "Status", status_schema());
    assert_eq!(refused["message"], all);
    let refused = f.send("GET", &format!("{plugins}?watch=1"), "", &format!("{PROTOBUF};stream=watch"), "").await;
    assert_eq!(refused.decoded(406, "Status", status_schema())["message"], streams);
    let both = f.send("GET", &plugins, "", &format!("{PROTOBUF}, application/json"), "").await;
    assert_eq!((both.code, both.media_type()), (200, Encoding::Json.media_type()));
    f.send("GET", &plugins, "", PARTIAL, "").await.envelope(200, "PartialObjectMetadataList");
    let sample = protobuf::wrap(&row.api_version(), &row.kind, b"");
    assert_eq!(f.send("POST", &plugins, PROTOBUF, "", sample).await.code, 415);
}

#[tokio::test]
async fn yaml_and_pretty_answers() {
    let f = Fixture::new().await;
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: \"1\"}\n";
    let yaml = "application/yaml";
    let of = |answer: &Answer| serde_yaml_ng::from_slice::<Value>(&answer.bytes).unwrap();
    let made = f.send("POST", MAPS, yaml, yaml, text).await;
    assert_eq!((made.code, made.media_type()), (201, yaml));
    assert_eq!(of(&made)["data"], json!({ "k": "1" }));
    let list = f.send("GET", MAPS, "", yaml, "").await;
    assert_eq!(of(&list), f.get(MAPS).await.expect(200));
    let missing = f.send("GET", &format!("{MAPS}/x"), "", yaml, "").await;
    assert_eq!((missing.code, missing.media_type(), &of(&missing)["reason"]), (404, yaml, &json!("NotFound")));
    let table = f.send("GET", MAPS, "", "application/yaml;as=Table;v=v1;g=meta.k8s.io", "").await;
    assert_eq!(of(&table)["kind"], "Table");

    let pretty = |answer: &Answer| answer.bytes.starts_with(b"{\n  \"apiVersion\": \"v1\",\n");
    assert!(pretty(&f.get(&format!("{MAPS}/a?pretty=true")).await));
    assert!(pretty(&f.get(&format!("{MAPS}/x?pretty=1")).await));
    assert!(pretty(&f.send("GET", &format!("{MAPS}/a"), "", "application/json;pretty=1", "").await));
    assert!(!pretty(&f.get(&format!("{MAPS}/a")).await));
    assert!(!pretty(&f.get(&format!("{MAPS}/a?pretty=0")).await));
}
