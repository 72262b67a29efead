//! Schemas for tests, in a small notation of their own.
//!
//! `build(json)` takes a map of type name to type. A type is: a name (`"Pod"`), a scalar (`"string"`, `"int"`, `"bool"`,
//! `"float"`, `"quantity"`, `"time"`, `"micro"`, `"bytes"`, `"intstr"`, `"duration"`, `"any"`), `{"map": T, "atomic": b}`,
//! `{"list": T, "kind": "set" | ["key", …], "merge": "key" | true}`, or
//! `{"fields": {name: T}, "defaults": {name: v}, "atomic": b, "preserve": b, "plain": b}`.

use crate::schema::{Field, Graph, List, ListKind, ListMerge, Scalar, Shape, Struct, Type, TypeId};
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) fn build(types: &Value) -> Graph {
    let mut graph = Graph::default();
    let types = types.as_object().unwrap();
    for name in types.keys() {
        graph.push(Type { name: name.as_str().into(), description: "".into(), shape: Shape::Any });
    }
    for (name, ty) in types {
        let shape = shape(&mut graph, ty);
        let id = graph.by_name[name.as_str()];
        graph.types[id.0 as usize].shape = shape;
    }
    graph
}

fn type_of(graph: &mut Graph, ty: &Value) -> TypeId {
    if let Some(id) = ty.as_str().and_then(|name| graph.by_name.get(name)) {
        return *id;
    }
    let shape = shape(graph, ty);
    graph.push(Type { name: "".into(), description: "".into(), shape })
}

fn shape(graph: &mut Graph, ty: &Value) -> Shape {
    if let Some(name) = ty.as_str() {
        return Shape::Scalar(match name {
            "string" => Scalar::String,
            "int" => Scalar::Int32,
            "int64" => Scalar::Int64,
            "bool" => Scalar::Boolean,
            "float" => Scalar::Float64,
            "quantity" => Scalar::Quantity,
            "time" => Scalar::Time,
            "micro" => Scalar::MicroTime,
            "bytes" => Scalar::Bytes,
            "intstr" => Scalar::IntOrString,
            "duration" => Scalar::Duration,
            "any" => return Shape::Any,
            other => panic!("no such type: {other}"),
        });
    }
    let flag = |name: &str| ty[name] == json!(true);
    if let Some(value) = ty.get("map") {
        return Shape::Map { value: type_of(graph, value), atomic: flag("atomic") };
    }
    if let Some(item) = ty.get("list") {
        let kind = match &ty["kind"] {
            Value::String(s) if s == "set" => ListKind::Set,
            Value::Array(keys) => ListKind::Map(keys.iter().map(|k| Arc::from(k.as_str().unwrap())).collect()),
            _ => ListKind::Atomic,
        };
        let merge = match &ty["merge"] {
            Value::String(key) => Some(ListMerge { key: Some(key.as_str().into()) }),
            Value::Bool(true) => Some(ListMerge { key: None }),
            _ => None,
        };
        return Shape::List(List { item: type_of(graph, item), kind, merge });
    }
    let fields = ty["fields"].as_object().unwrap().iter().map(|(name, ty_of)| Field {
        name: name.as_str().into(),
        ty: type_of(graph, ty_of),
        description: "".into(),
        required: false,
        nullable: false,
        default: ty["defaults"].get(name).cloned(),
        atomic: false,
        retain_keys: false,
        tag: u32::from(!flag("plain")),
    });
    Shape::Struct(Struct { fields: fields.collect(), preserve_unknown: flag("preserve"), atomic: flag("atomic") })
}

/// A cut of the workload types, with the merge facts that the real ones have.
pub(crate) fn workloads() -> Graph {
    build(&json!({
        "io.test.v1.Deployment": {"fields": {
            "apiVersion": "string", "kind": "string", "metadata": "io.test.v1.ObjectMeta",
            "spec": {"fields": {
                "replicas": "int", "paused": "bool", "selector": {"fields": {"matchLabels": {"map": "string"}}, "atomic": true},
                "strategy": {"fields": {"type": "string", "rollingUpdate": {"fields": {"maxSurge": "intstr", "maxUnavailable": "intstr"}}}},
                "template": {"fields": {"metadata": "io.test.v1.ObjectMeta", "spec": "io.test.v1.PodSpec"}}
            }},
            "status": {"fields": {"replicas": "int", "conditions":
                {"list": {"fields": {"type": "string", "status": "string"}}, "kind": ["type"], "merge": "type"}}}
        }},
        "io.test.v1.ObjectMeta": {"fields": {
            "name": "string", "namespace": "string", "uid": "string", "resourceVersion": "string", "generation": "int64",
            "creationTimestamp": "time", "labels": {"map": "string"}, "annotations": {"map": "string"},
            "finalizers": {"list": "string", "kind": "set", "merge": true}, "managedFields": {"list": "any"}
        }},
        "io.test.v1.PodSpec": {"fields": {
            "containers": {"list": "io.test.v1.Container", "kind": ["name"], "merge": "name"},
            "volumes": {"list": {"fields": {"name": "string", "emptyDir": {"fields": {"medium": "string"}},
                "hostPath": {"fields": {"path": "string"}}}}, "kind": ["name"], "merge": "name"},
            "tolerations": {"list": {"fields": {"key": "string"}}},
            "nodeSelector": {"map": "string", "atomic": true},
            "terminationGracePeriodSeconds": "int64", "hostNetwork": "bool"
        }},
        "io.test.v1.Container": {"fields": {
            "name": "string", "image": "string", "args": {"list": "string"},
            "env": {"list": {"fields": {"name": "string", "value": "string"}}, "kind": ["name"], "merge": "name"},
            "ports": {"list": {"fields": {"containerPort": "int", "protocol": "string", "name": "string"}, "defaults": {"protocol": "TCP"}},
                "kind": ["containerPort", "protocol"], "merge": "containerPort"},
            "resources": {"fields": {"limits": {"map": "quantity"}}},
            "timeout": "duration", "data": {"map": "bytes"}, "at": "micro", "weight": "float"
        }}
    }))
}
