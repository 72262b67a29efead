//! The book of owners, `metadata.managedFields`: `managedfields/internal/managedfields.go`, `capmanagers.go`.

use super::ApplyContext;
use super::set::Set;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// More updaters than this are folded into one, so that the book stays small.
const MAX_UPDATERS: usize = 10;
const ANCIENT: &str = "ancient-changes";

/// What tells two entries apart. An applier is the same at every version, an updater is not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ManagerId {
    pub(super) manager: String,
    pub(super) operation: Operation,
    /// Empty for appliers.
    pub(super) api_version: String,
    pub(super) subresource: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

/// What a manager owns, at the version in which it wrote.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) set: Set,
    pub(super) api_version: String,
    pub(super) time: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Managers {
    pub(super) entries: BTreeMap<ManagerId, Entry>,
}

impl ManagerId {
    pub(super) fn new(ctx: &ApplyContext<'_>, manager: &str, operation: Operation) -> Self {
        Self {
            manager: if manager.is_empty() { "unknown" } else { manager }.to_owned(),
            operation,
            api_version: if operation == Operation::Apply { String::new() } else { ctx.api_version.to_owned() },
            subresource: ctx.subresource.to_owned(),
        }
    }

    /// `"mgr" with subresource "status" using apps/v1`.
    pub(super) fn told(&self) -> String {
        let mut told = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            told.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if self.operation == Operation::Update {
            told.push_str(&format!(" using {}", self.api_version));
        }
        told
    }
}

impl Managers {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn decode(managed_fields: Option<&Value>) -> Result<Self, String> {
        let mut entries = BTreeMap::new();
        let list = match managed_fields {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(Value::Array(list)) => list,
            Some(_) => return Err("managedFields is not a list".to_owned()),
        };
        for (index, entry) in list.iter().enumerate() {
            let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let operation = match text("operation").as_str() {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return Err("operation must be `Apply` or `Update`".to_owned()),
            };
            let api_version = text("apiVersion");
            if api_version.is_empty() {
                return Err("apiVersion must not be empty".to_owned());
            }
            match text("fieldsType").as_str() {
                "FieldsV1" => {}
                "" => return Err(format!("missing fieldsType in managed fields entry {index}")),
                other => return Err(format!("invalid fieldsType {other:?} in managed fields entry {index}")),
            }
            let id = ManagerId {
                manager: text("manager"),
                operation,
                api_version: if operation == Operation::Apply { String::new() } else { api_version.clone() },
                subresource: text("subresource"),
            };
            let set = Set::from_value(entry.get("fieldsV1").unwrap_or(&Value::Null))?;
            let time = entry.get("time").and_then(Value::as_str).map(str::to_owned);
            entries.insert(id, Entry { set, api_version, time });
        }
        Ok(Self { entries })
    }

    /// Sorted by operation, time, manager, version, subresource.
    pub(super) fn encode(&self) -> Value {
        let mut entries: Vec<(&ManagerId, &Entry)> = self.entries.iter().collect();
        entries.sort_by(|(a, x), (b, y)| {
            let key = |id: &ManagerId, e: &Entry| (id.operation, e.time.clone(), id.manager.clone(), e.api_version.clone());
            key(a, x).cmp(&key(b, y)).then_with(|| a.subresource.cmp(&b.subresource))
        });
        Value::Array(entries.into_iter().map(|(id, entry)| encode(id, entry)).collect())
    }

    /// Folds the oldest updaters of a version into `ancient-changes` until few enough are left.
    pub(super) fn cap(&mut self) {
        let updaters = |m: &Self| -> Vec<(Option<String>, ManagerId)> {
            let updater = m.entries.iter().filter(|(id, _)| id.operation == Operation::Update);
            updater.map(|(id, e)| (e.time.clone(), id.clone())).collect()
        };
        let mut oldest = updaters(self);
        let mut count = oldest.len();
        if count <= MAX_UPDATERS {
            return;
        }
        oldest.sort();
        let mut first_of: BTreeMap<String, ManagerId> = BTreeMap::new();
        for (time, id) in oldest {
            if count <= MAX_UPDATERS {
                return;
            }
            let Some(version) = self.entries.get(&id).map(|e| e.api_version.clone()) else { continue };
            let bucket = ManagerId {
                manager: ANCIENT.to_owned(),
                operation: Operation::Update,
                api_version: version.clone(),
                subresource: String::new(),
            };
            let Some(first) = first_of.get(&version) else {
                first_of.insert(version, id);
                continue;
            };
            if !self.entries.contains_key(&bucket)
                && let Some(entry) = self.entries.remove(first)
            {
                self.entries.insert(bucket.clone(), entry);
            }
            if id == bucket {
                continue;
            }
            let Some(folded) = self.entries.remove(&id) else { continue };
            if let Some(entry) = self.entries.get_mut(&bucket) {
                entry.set.absorb(&folded.set);
                entry.time = time;
            }
            count -= 1;
        }
    }
}

fn encode(id: &ManagerId, entry: &Entry) -> Value {
    let operation = if id.operation == Operation::Apply { "Apply" } else { "Update" };
    let mut map = Map::new();
    map.insert("manager".to_owned(), json!(id.manager));
    map.insert("operation".to_owned(), json!(operation));
    map.insert("apiVersion".to_owned(), json!(entry.api_version));
    map.insert("fieldsType".to_owned(), json!("FieldsV1"));
    map.insert("fieldsV1".to_owned(), entry.set.to_value());
    if let Some(time) = &entry.time {
        map.insert("time".to_owned(), json!(time));
    }
    if !id.subresource.is_empty() {
        map.insert("subresource".to_owned(), json!(id.subresource));
    }
    Value::Object(map)
}
