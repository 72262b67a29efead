//! Typed views of objects: plain functions from [`Object`] to the structs of `k8s-openapi`, of which this crate is the
//! only user.
//!
//! A view is taken where a decision is made; it is never what is stored, because it forgets fields it does not know.
//!
//! Invariants
//! - A view is decoded once per object and kept inside it; any mutable access to the object drops it.
//! - Null lists and maps read as empty ones, absent required fields as zero values, as Go decodes them.

use object::{Object, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::Any;

/// The API types: `typed::api::core::v1::Pod`, ….
pub use k8s_openapi::api;
pub use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
/// `metav1`: ObjectMeta, LabelSelector, ….
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
pub use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Why an object has no such view.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{kind} \"{namespace}/{name}\" does not decode as {wanted}")]
    Decode {
        kind: String,
        namespace: String,
        name: String,
        wanted: &'static str,
        #[source]
        source: serde_json::Error,
    },
    /// The same object was viewed as another type before; views of two types need two objects.
    #[error("{kind} \"{namespace}/{name}\" was already viewed as another type than {wanted}")]
    OtherView { kind: String, namespace: String, name: String, wanted: &'static str },
}

/// The object as `T`, decoded on first use.
pub fn view<T: DeserializeOwned + Any + Send + Sync>(object: &Object) -> Result<&T, Error> {
    let wanted = short_name::<T>();
    let about = || (object.kind().to_owned(), object.namespace().to_owned(), object.name().to_owned());
    let found = object.view(|root| T::deserialize(root)).map_err(|source| {
        let (kind, namespace, name) = about();
        Error::Decode { kind, namespace, name, wanted, source }
    })?;
    found.ok_or_else(|| {
        let (kind, namespace, name) = about();
        Error::OtherView { kind, namespace, name, wanted }
    })
}

/// Decodes a part of an object, such as a pod template, without memoising it.
pub fn part<T: DeserializeOwned>(value: &Value) -> Result<T, serde_json::Error> {
    T::deserialize(value)
}

/// The object that a typed value stands for, with its apiVersion and kind. A value that is not a JSON object, which no
/// API type is, becomes an empty object.
pub fn to_object<T: Serialize>(typed: &T) -> Object {
    serde_json::to_value(typed).ok().and_then(Object::from_value).unwrap_or_default()
}

macro_rules! views {
    ($($(#[$doc:meta])* $function:ident: $ty:ty;)*) => {
        $(
            $(#[$doc])*
            pub fn $function(object: &Object) -> Result<&$ty, Error> {
                view(object)
            }
        )*
    };
}

views! {
    config_map: api::core::v1::ConfigMap;
    endpoints: api::core::v1::Endpoints;
    event: api::core::v1::Event;
    namespace: api::core::v1::Namespace;
    node: api::core::v1::Node;
    pod: api::core::v1::Pod;
    secret: api::core::v1::Secret;
    service: api::core::v1::Service;
    service_account: api::core::v1::ServiceAccount;
    deployment: api::apps::v1::Deployment;
    replica_set: api::apps::v1::ReplicaSet;
    lease: api::coordination::v1::Lease;
    endpoint_slice: api::discovery::v1::EndpointSlice;
    runtime_class: api::node::v1::RuntimeClass;
    role: api::rbac::v1::Role;
    role_binding: api::rbac::v1::RoleBinding;
    cluster_role: api::rbac::v1::ClusterRole;
    cluster_role_binding: api::rbac::v1::ClusterRoleBinding;
}

fn short_name<T>() -> &'static str {
    let full = std::any::type_name::<T>();
    full.rsplit("::").next().unwrap_or(full)
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn views_are_lenient_and_memoised() {
        let object = Object::from_value(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n", "labels": null},
            "spec": {"containers": null, "unknown": 1, "nodeName": "a"}, "status": {"podIP": "10.0.0.1"},
        }))
        .unwrap();
        let pod = pod(&object).unwrap();
        assert_eq!(pod.spec.as_ref().unwrap().node_name.as_deref(), Some("a"));
        assert!(std::ptr::eq(pod, super::pod(&object).unwrap()));
        assert!(matches!(node(&object), Err(Error::OtherView { wanted: "Node", .. } | Error::Decode { wanted: "Node", .. })));
        let back = to_object(pod);
        assert_eq!((back.kind(), back.api_version(), back.str_at(&["status", "podIP"])), ("Pod", "v1", "10.0.0.1"));
    }

    #[test]
    fn a_wrong_type_names_the_object() {
        let object = Object::from_value(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}, "spec": {"containers": 3},
        }))
        .unwrap();
        assert_eq!(pod(&object).unwrap_err().to_string(), "Pod \"n/p\" does not decode as Pod");
    }
}
