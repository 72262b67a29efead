//! One object in the cache, and one change of it.

use crate::{protobuf, stored};
use bytes::Bytes;
use object::{Map, Object, StatusError, Value};
use registry::Kind;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// An object's final JSON at one revision, with what selectors ask of it.
pub struct Item {
    /// `name`, or `namespace/name`.
    pub key: Arc<str>,
    pub revision: u64,
    pub create_revision: u64,
    /// With its resourceVersion.
    pub json: Bytes,
    digits: Range<usize>,
    facts: OnceLock<Facts>,
    partial: OnceLock<Bytes>,
    protobuf: OnceLock<Bytes>,
}

/// What selectors see; kept instead of the parsed tree, which is many times as large.
#[derive(Debug, Default)]
pub struct Facts {
    pub labels: Option<Map<String, Value>>,
    /// Values of the kind's selectable fields, in the row's order, after name and namespace.
    fields: Vec<Box<str>>,
    name: Box<str>,
    namespace: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeType {
    Added,
    Modified,
    Deleted,
}

/// One change, as all watchers share it.
pub struct Change {
    pub ty: ChangeType,
    pub revision: u64,
    /// The new state; for a deletion the last state, at the deletion's revision.
    pub item: Arc<Item>,
    pub previous: Option<Arc<Item>>,
    lines: [OnceLock<Bytes>; 3],
    /// The same in protobuf; mostly nobody asks.
    frames: OnceLock<Box<[OnceLock<Bytes>; 3]>>,
}

impl ChangeType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

impl Item {
    pub fn from_stored(key: Arc<str>, value: &[u8], create_revision: u64, revision: u64) -> Result<Self, stored::Error> {
        let (json, digits) = stored::splice(value, revision)?;
        Ok(Self {
            key,
            revision,
            create_revision,
            json,
            digits,
            facts: OnceLock::new(),
            partial: OnceLock::new(),
            protobuf: OnceLock::new(),
        })
    }

    /// The same state as of another revision: what a deletion shows.
    pub fn at(&self, revision: u64) -> Result<Self, stored::Error> {
        let (json, digits) = stored::resplice(&self.json, &self.digits, revision)?;
        let key = self.key.clone();
        Ok(Self {
            key,
            revision,
            create_revision: self.create_revision,
            json,
            digits,
            facts: OnceLock::new(),
            partial: OnceLock::new(),
            protobuf: OnceLock::new(),
        })
    }

    /// The same item in the form of another version.
    pub fn with(&self, object: &Object) -> Result<Self, stored::Error> {
        Self::from_stored(self.key.clone(), &stored::encode(object)?, self.create_revision, self.revision)
    }

    /// Whether its JSON says that it is of this version. Keys are sorted, so that the version nearly always comes first.
    pub fn is_of(&self, api_version: &str) -> bool {
        let rest = self.json.strip_prefix(b"{\"apiVersion\":\"").and_then(|rest| rest.strip_prefix(api_version.as_bytes()));
        rest.is_some_and(|rest| rest.first() == Some(&b'"')) || self.object().api_version() == api_version
    }

    pub fn object(&self) -> Object {
        // What the cache holds was encoded by this server; an unreadable item reads as empty rather than ending the list.
        serde_json::from_slice(&self.json).unwrap_or_default()
    }

    pub fn namespace(&self) -> &str {
        self.key.split_once('/').map_or("", |(ns, _)| ns)
    }

    pub fn name(&self) -> &str {
        self.key.split_once('/').map_or(&*self.key, |(_, name)| name)
    }

    pub fn facts(&self, kind: &Kind) -> &Facts {
        self.facts.get_or_init(|| {
            let object = self.object();
            let field =
                |f: &registry::SelectableField| registry::fields::selectable(kind, &object, &f.name).unwrap_or_default().into_boxed_str();
            Facts {
                labels: object.labels().cloned(),
                fields: kind.selectable_fields.iter().map(field).collect(),
                name: object.name().into(),
                namespace: object.namespace().into(),
            }
        })
    }

    /// `PartialObjectMetadata` of it.
    pub fn partial(&self) -> Bytes {
        let made = self.partial.get_or_init(|| {
            let partial = registry::columns::partial_metadata(&self.object());
            Bytes::from(serde_json::to_vec(&partial).unwrap_or_default())
        });
        made.clone()
    }

    /// Its protobuf message, without an envelope. `kind` is the row that it is a form of.
    pub fn protobuf(&self, kind: &Kind) -> Result<Bytes, StatusError> {
        if let Some(made) = self.protobuf.get() {
            return Ok(made.clone());
        }
        let made = protobuf::message(kind.schema(), &self.json)?;
        Ok(self.protobuf.get_or_init(|| made).clone())
    }
}

impl Facts {
    pub fn field(&self, kind: &Kind, field: &str) -> Option<String> {
        match field {
            "metadata.name" => Some(self.name.to_string()),
            "metadata.namespace" => Some(self.namespace.to_string()),
            _ => {
                let at = kind.selectable_fields.iter().position(|f| f.name == field)?;
                self.fields.get(at).map(|f| f.to_string())
            }
        }
    }
}

impl Change {
    pub fn new(ty: ChangeType, item: Arc<Item>, previous: Option<Arc<Item>>) -> Self {
        Self::at(ty, item.revision, item, previous)
    }

    /// The same for an item that is shown as of another revision.
    pub fn at(ty: ChangeType, revision: u64, item: Arc<Item>, previous: Option<Arc<Item>>) -> Self {
        Self { ty, revision, item, previous, lines: Default::default(), frames: OnceLock::new() }
    }

    /// The plain watch event of this change as the given type, serialised once for all watchers.
    pub fn line(&self, ty: ChangeType) -> Bytes {
        cell(&self.lines, ty)
            .get_or_init(|| match (ty, self.ty, &self.previous) {
                // A selector transition shows the state that matched, at this change's revision.
                (ChangeType::Deleted, ChangeType::Added | ChangeType::Modified, Some(previous)) => {
                    previous.at(self.revision).map(|p| event_line(ty.as_str(), &p.json)).unwrap_or_default()
                }
                _ => event_line(ty.as_str(), &self.item.json),
            })
            .clone()
    }

    /// The same event in protobuf, serialised once as well.
    pub fn frame(&self, ty: ChangeType, kind: &Kind) -> Result<Bytes, StatusError> {
        let cell = cell(self.frames.get_or_init(Box::default), ty);
        if let Some(made) = cell.get() {
            return Ok(made.clone());
        }
        let message = self.shown(ty).protobuf(kind)?;
        let made = protobuf::frame(ty.as_str(), &protobuf::body(&kind.api_version(), &kind.kind, &message));
        Ok(cell.get_or_init(|| made).clone())
    }

    /// The state that a watcher sees when this change is told as the given type.
    pub fn shown(&self, ty: ChangeType) -> Arc<Item> {
        match (ty, self.ty, &self.previous) {
            (ChangeType::Deleted, ChangeType::Added | ChangeType::Modified, Some(previous)) => {
                previous.at(self.revision).map_or_else(|_| previous.clone(), Arc::new)
            }
            _ => self.item.clone(),
        }
    }
}

fn cell(cells: &[OnceLock<Bytes>; 3], ty: ChangeType) -> &OnceLock<Bytes> {
    let [added, modified, deleted] = cells;
    match ty {
        ChangeType::Added => added,
        ChangeType::Modified => modified,
        ChangeType::Deleted => deleted,
    }
}

/// One line of a watch: `{"type":…,"object":…}`.
pub fn event_line(ty: &str, json: &[u8]) -> Bytes {
    let mut line = Vec::with_capacity(json.len() + 40);
    line.extend_from_slice(b"{\"type\":\"");
    line.extend_from_slice(ty.as_bytes());
    line.extend_from_slice(b"\",\"object\":");
    line.extend_from_slice(json);
    line.extend_from_slice(b"}\n");
    Bytes::from(line)
}
