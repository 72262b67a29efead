//! [`Object`]: a JSON tree with accessors for what every Kubernetes object has.

use crate::gvk::{Gvk, split_api_version};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::any::Any;
use std::sync::OnceLock;

type View = Box<dyn Any + Send + Sync>;

/// One Kubernetes object as JSON. Its root is always a JSON object.
///
/// A typed view may be memoised inside (see crate `typed`); every mutable access drops it.
#[derive(Default)]
pub struct Object {
    root: Map<String, Value>,
    view: OnceLock<View>,
}

/// Names one object: what events, logs and owner references carry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectRef {
    pub api_version: String,
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub resource_version: String,
    pub field_path: String,
}

/// `metadata.ownerReferences[]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnerRef {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    pub uid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_owner_deletion: Option<bool>,
}

impl Object {
    /// Wraps a JSON object; `None` for any other JSON value.
    pub fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Object(root) => Some(Self::from_map(root)),
            _ => None,
        }
    }

    pub fn from_map(root: Map<String, Value>) -> Self {
        Self { root, view: OnceLock::new() }
    }

    pub fn as_map(&self) -> &Map<String, Value> {
        &self.root
    }

    /// Mutable access; drops the memoised view.
    pub fn as_map_mut(&mut self) -> &mut Map<String, Value> {
        self.view.take();
        &mut self.root
    }

    pub fn into_map(self) -> Map<String, Value> {
        self.root
    }

    pub fn into_value(self) -> Value {
        Value::Object(self.root)
    }

    pub fn to_value(&self) -> Value {
        Value::Object(self.root.clone())
    }

    /// The memoised view of type `T`, made by `make` on first use. `None` when another type was memoised first.
    pub fn view<T: Any + Send + Sync, E>(&self, make: impl FnOnce(&Map<String, Value>) -> Result<T, E>) -> Result<Option<&T>, E> {
        if self.view.get().is_none() {
            let made = make(&self.root)?;
            // A racing thread may have set it first; both made the same view of the same tree.
            let _ = self.view.set(Box::new(made));
        }
        Ok(self.view.get().and_then(|v| v.downcast_ref::<T>()))
    }

    /// The value at a path of field names.
    pub fn at(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        let mut value = self.root.get(*first)?;
        for name in rest {
            value = value.as_object()?.get(*name)?;
        }
        Some(value)
    }

    /// The string at a path; `""` when absent or not a string.
    pub fn str_at(&self, path: &[&str]) -> &str {
        self.at(path).and_then(Value::as_str).unwrap_or_default()
    }

    /// Sets the value at a path of field names, making maps on the way. Non-maps on the way are replaced.
    pub fn set_at(&mut self, path: &[&str], value: Value) {
        let Some((last, parents)) = path.split_last() else { return };
        let mut map = self.as_map_mut();
        for name in parents {
            let slot = map.entry((*name).to_owned()).or_insert_with(|| Value::Object(Map::new()));
            if !slot.is_object() {
                *slot = Value::Object(Map::new());
            }
            let Value::Object(next) = slot else { return };
            map = next;
        }
        map.insert((*last).to_owned(), value);
    }

    /// Removes and returns the value at a path of field names.
    pub fn remove_at(&mut self, path: &[&str]) -> Option<Value> {
        let (last, parents) = path.split_last()?;
        let mut map = self.as_map_mut();
        for name in parents {
            map = map.get_mut(*name)?.as_object_mut()?;
        }
        map.remove(*last)
    }

    pub fn api_version(&self) -> &str {
        self.str_at(&["apiVersion"])
    }
    pub fn kind(&self) -> &str {
        self.str_at(&["kind"])
    }
    pub fn gvk(&self) -> Gvk {
        let (group, version) = split_api_version(self.api_version());
        Gvk::new(group, version, self.kind())
    }
    pub fn name(&self) -> &str {
        self.str_at(&["metadata", "name"])
    }
    pub fn namespace(&self) -> &str {
        self.str_at(&["metadata", "namespace"])
    }
    pub fn uid(&self) -> &str {
        self.str_at(&["metadata", "uid"])
    }
    pub fn resource_version(&self) -> &str {
        self.str_at(&["metadata", "resourceVersion"])
    }
    pub fn generation(&self) -> i64 {
        self.at(&["metadata", "generation"]).and_then(Value::as_i64).unwrap_or_default()
    }
    pub fn is_deleting(&self) -> bool {
        self.at(&["metadata", "deletionTimestamp"]).is_some_and(|v| !v.is_null())
    }
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels()?.get(key)?.as_str()
    }
    pub fn labels(&self) -> Option<&Map<String, Value>> {
        self.at(&["metadata", "labels"])?.as_object()
    }
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.at(&["metadata", "annotations"])?.as_object()?.get(key)?.as_str()
    }
    pub fn finalizers(&self) -> Vec<&str> {
        let list = self.at(&["metadata", "finalizers"]).and_then(Value::as_array);
        list.map(|l| l.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
    }
    pub fn owners(&self) -> Vec<OwnerRef> {
        let refs = self.at(&["metadata", "ownerReferences"]).cloned();
        refs.and_then(|v| serde_json::from_value(v).ok()).unwrap_or_default()
    }
    /// The owner whose `controller` is true: `metav1.GetControllerOf`.
    pub fn controller(&self) -> Option<OwnerRef> {
        self.owners().into_iter().find(|o| o.controller == Some(true))
    }
    pub fn reference(&self) -> ObjectRef {
        ObjectRef {
            api_version: self.api_version().to_owned(),
            kind: self.kind().to_owned(),
            namespace: self.namespace().to_owned(),
            name: self.name().to_owned(),
            uid: self.uid().to_owned(),
            resource_version: self.resource_version().to_owned(),
            field_path: String::new(),
        }
    }
}

impl Clone for Object {
    fn clone(&self) -> Self {
        Self::from_map(self.root.clone())
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.root == other.root
    }
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.root.fmt(f)
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.root.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_map(Map::deserialize(deserializer)?))
    }
}
