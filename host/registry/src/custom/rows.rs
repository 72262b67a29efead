//! From a CustomResourceDefinition to the rows of its versions.

use super::definition::{self, flag, text};
use super::props::Props;
use super::{Custom, Family, Scale, ServiceReference, Version, Webhook, graph};
use crate::columns::age;
use crate::columns::jsonpath::JsonPath;
use crate::kind::{Cell, Column, Conversion, Kind, NameRule, Persistence, Scope, SelectableField, StoredAs, Subresource, Verb};
use object::{Gvk, Object, Value};
use std::sync::{Arc, OnceLock};

const STATUS: [Verb; 3] = [Verb::Get, Verb::Update, Verb::Patch];
const ALL: [Verb; 8] = [Verb::Get, Verb::List, Verb::Watch, Verb::Create, Verb::Update, Verb::Patch, Verb::Delete, Verb::DeleteCollection];

/// What the versions share, read anew.
pub fn family(crd: &Object) -> Family {
    let versions = definition::versions(crd);
    let preserves = crd.at(&["spec", "preserveUnknownFields"]).and_then(Value::as_bool).unwrap_or(false);
    Family {
        definition: crd.name().to_owned(),
        uid: crd.uid().to_owned(),
        group: crd.str_at(&["spec", "group"]).to_owned(),
        kind: accepted(crd, "kind").to_owned(),
        list_kind: accepted(crd, "listKind").to_owned(),
        storage: definition::storage_version(crd).to_owned(),
        versions: versions.map(|v| (text(v, "name").to_owned(), Arc::new(version(crd, v, preserves)))).collect(),
        webhook: (crd.str_at(&["spec", "conversion", "strategy"]) == "Webhook").then(|| webhook(crd)),
    }
}

/// The rows of a definition's versions: served ones, and the stored one, without verbs when it is not served.
pub fn of(crd: &Object, family: &Arc<Family>) -> Vec<Arc<Kind>> {
    let terminating = crd.is_deleting() || definition::is_true(crd, definition::TERMINATING);
    let rows = definition::versions(crd).filter(|v| flag(v, "served") || flag(v, "storage"));
    rows.filter_map(|v| Some(Arc::new(row(crd, v, family, family.versions.get(text(v, "name"))?, terminating)))).collect()
}

fn accepted<'o>(crd: &'o Object, name: &str) -> &'o str {
    crd.str_at(&["status", "acceptedNames", name])
}

fn names(crd: &Object, name: &str) -> Vec<String> {
    let list = crd.at(&["status", "acceptedNames", name]).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn version(crd: &Object, v: &Value, preserves: bool) -> Version {
    let schema = v.pointer("/schema/openAPIV3Schema").cloned().unwrap_or_default();
    let name = text(v, "name").to_owned();
    let told = || {
        let given = v.get("deprecationWarning").and_then(Value::as_str).map(str::to_owned);
        given.unwrap_or_else(|| {
            format!("{}/{name} {} is deprecated", crd.str_at(&["spec", "group"]), crd.str_at(&["spec", "names", "kind"]))
        })
    };
    Version {
        deprecation: flag(v, "deprecated").then(told),
        schema: Props::read(&schema),
        preserves: preserves || schema.is_null(),
        raw: schema,
        has_status: v.pointer("/subresources/status").is_some_and(Value::is_object),
        scale: v.pointer("/subresources/scale").filter(|s| s.is_object()).map(scale),
        patterns: Default::default(),
        compiled: OnceLock::new(),
        name,
    }
}

/// Field names of a simple path.
fn path(path: &str) -> Vec<String> {
    path.trim_start_matches('.').split('.').map(str::to_owned).collect()
}

fn scale(scale: &Value) -> Scale {
    Scale {
        spec_replicas: path(text(scale, "specReplicasPath")),
        status_replicas: path(text(scale, "statusReplicasPath")),
        label_selector: Some(text(scale, "labelSelectorPath")).filter(|p| !p.is_empty()).map(path),
    }
}

fn webhook(crd: &Object) -> Webhook {
    let empty = Value::Null;
    let conversion = crd.at(&["spec", "conversion", "webhook"]).unwrap_or(&empty);
    let client = conversion.get("clientConfig").unwrap_or(&empty);
    let service = client.get("service").filter(|s| s.is_object()).map(|service| ServiceReference {
        namespace: text(service, "namespace").to_owned(),
        name: text(service, "name").to_owned(),
        path: text(service, "path").to_owned(),
        port: service.get("port").and_then(Value::as_u64).and_then(|p| u16::try_from(p).ok()).unwrap_or(443),
    });
    let versions = conversion.get("conversionReviewVersions").and_then(Value::as_array);
    Webhook {
        url: client.get("url").and_then(Value::as_str).map(str::to_owned),
        service,
        ca_bundle: text(client, "caBundle").to_owned(),
        review_versions: versions.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(),
    }
}

/// `com.example.v1.CronTab` of `example.com`: definition names reverse the group.
fn definition_name(group: &str, version: &str, kind: &str) -> String {
    let labels: Vec<&str> = group.rsplit('.').collect();
    format!("{}.{version}.{kind}", labels.join("."))
}

fn row(crd: &Object, v: &Value, family: &Arc<Family>, version: &Arc<Version>, terminating: bool) -> Kind {
    let (group, kind, resource) = (family.group.clone(), family.kind.clone(), accepted(crd, "plural").to_owned());
    let schema = definition_name(&group, &version.name, &kind);
    let mut verbs = ALL.to_vec();
    if terminating {
        verbs.retain(|verb| *verb != Verb::Create);
    }
    if !flag(v, "served") {
        verbs.clear();
    }
    let mut subresources = Vec::new();
    if version.has_status {
        subresources.push(Subresource { name: "status".to_owned(), verbs: STATUS.to_vec(), gvk: None });
    }
    if version.scale.is_some() {
        let gvk = Some(Gvk::new("autoscaling", "v1", "Scale"));
        subresources.push(Subresource { name: "scale".to_owned(), verbs: STATUS.to_vec(), gvk });
    }
    let conversion = if family.webhook.is_some() { Conversion::Webhook } else { Conversion::Rename };
    let stored_as = (version.name != family.storage).then(|| StoredAs {
        group: group.clone(),
        version: family.storage.clone(),
        resource: resource.clone(),
        conversion,
    });
    Kind {
        graph: Some(Arc::new(graph::of(&schema, &version.schema, version.preserves))),
        columns: columns(v),
        selectable_fields: selectable(v),
        version: version.name.clone(),
        singular: accepted(crd, "singular").to_owned(),
        short_names: names(crd, "shortNames"),
        categories: names(crd, "categories"),
        scope: if crd.str_at(&["spec", "scope"]) == "Cluster" { Scope::Cluster } else { Scope::Namespaced },
        has_generation: true,
        create_on_update: false,
        name_rule: NameRule::Subdomain,
        persistence: Persistence::Durable,
        is_virtual: false,
        deprecation: None,
        sample: String::new(),
        custom: Some(Arc::new(Custom { family: family.clone(), version: version.clone(), terminating })),
        group,
        kind,
        resource,
        verbs,
        subresources,
        schema,
        stored_as,
    }
}

fn columns(v: &Value) -> Vec<Column> {
    let mut columns = vec![Column {
        name: "Name".to_owned(),
        ty: "string".to_owned(),
        format: "name".to_owned(),
        description: "Unique within its namespace; chosen when the object is created and never changed.".to_owned(),
        priority: 0,
        cell: Cell::Path("metadata.name".to_owned()),
    }];
    let given = v.get("additionalPrinterColumns").and_then(Value::as_array).filter(|c| !c.is_empty());
    let Some(given) = given else {
        columns.push(Column {
            name: "Age".to_owned(),
            ty: "date".to_owned(),
            format: String::new(),
            description: "Time since the object was created.".to_owned(),
            priority: 0,
            cell: Cell::Computed(age::since_creation),
        });
        return columns;
    };
    columns.extend(given.iter().map(|c| Column {
        name: text(c, "name").to_owned(),
        ty: text(c, "type").to_owned(),
        format: text(c, "format").to_owned(),
        description: text(c, "description").to_owned(),
        priority: c.get("priority").and_then(Value::as_i64).and_then(|p| i32::try_from(p).ok()).unwrap_or(0),
        cell: match JsonPath::parse(text(c, "jsonPath")) {
            Ok(path) => Cell::JsonPath(Arc::new(path)),
            // A path that cannot be read finds nothing.
            Err(_) => Cell::Path(String::new()),
        },
    }));
    columns
}

fn selectable(v: &Value) -> Vec<SelectableField> {
    let fields = v.get("selectableFields").and_then(Value::as_array);
    let field = |f: &Value| SelectableField { name: text(f, "jsonPath").trim_start_matches('.').to_owned(), absent: String::new() };
    fields.into_iter().flatten().map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    fn crd() -> Object {
        Object::from_value(json!({
            "metadata": {"name": "crontabs.stable.example.com", "uid": "u"},
            "spec": {
                "group": "stable.example.com", "scope": "Namespaced",
                "names": {"plural": "crontabs", "kind": "CronTab"},
                "versions": [
                    {"name": "v1", "served": true, "storage": false, "deprecated": true, "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                        "spec": {"type": "object", "properties": {
                            "cronSpec": {"type": "string"},
                            "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["p"], "items": {"type": "object", "properties": {"p": {"type": "integer"}}}}}}}}},
                        "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}},
                        "additionalPrinterColumns": [{"name": "Spec", "type": "string", "jsonPath": ".spec.cronSpec"}],
                        "selectableFields": [{"jsonPath": ".spec.cronSpec"}]},
                    {"name": "v2", "served": false, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}},
                ],
            },
            "status": {"acceptedNames": {"plural": "crontabs", "singular": "crontab", "kind": "CronTab", "listKind": "CronTabList", "shortNames": ["ct"], "categories": ["all"]}},
        }))
        .unwrap()
    }

    #[test]
    fn a_definition_becomes_rows() {
        let crd = crd();
        let family = Arc::new(family(&crd));
        let rows = of(&crd, &family);
        let [v1, v2] = rows.as_slice() else { panic!("{}", rows.len()) };
        assert_eq!((v1.schema.as_str(), v1.list_kind()), ("com.example.stable.v1.CronTab", "CronTabList".to_owned()));
        assert_eq!(v1.stored_as.as_ref().map(|s| s.version.as_str()), Some("v2"));
        assert_eq!(v1.storage_prefix(), v2.storage_prefix());
        assert!(v2.stored_as.is_none() && v2.verbs.is_empty());
        assert_eq!(v1.subresources.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["status", "scale"]);
        assert_eq!(v1.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["Name", "Spec"]);
        assert_eq!(v1.selectable_fields[0].name, "spec.cronSpec");
        assert_eq!(v1.short_names, ["ct"]);
        let ports = v1.schema().child("spec").unwrap().child("ports").unwrap();
        assert!(matches!(ports.shape(), object::schema::Shape::List(l) if l.kind == object::schema::ListKind::Map(vec![Arc::from("p")])));
        assert!(v1.schema().child("metadata").unwrap().child("labels").is_some());
        let custom = v1.custom.as_ref().unwrap();
        assert_eq!(custom.version.scale.as_ref().unwrap().spec_replicas, ["spec", "replicas"]);
        assert_eq!(custom.version.deprecation.as_deref(), Some("stable.example.com/v1 CronTab is deprecated"));
        let mut value = json!({"apiVersion": "stable.example.com/v1", "spec": {"cronSpec": "x", "more": 1}, "y": 2});
        assert_eq!(custom.version.prune(&mut value), ["spec.more", "y"]);
    }
}
