//! Label and field selectors of a list, watch or deletecollection, checked against what the kind selects by.

use crate::cache::Item;
use crate::query::Query;
use object::StatusError;
use object::selector::{FieldSelector, LabelSelector};
use registry::Kind;

pub struct Selection {
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Selection {
    pub fn parse(query: &Query, kind: &Kind) -> Result<Self, StatusError> {
        let labels = LabelSelector::parse(query.get("labelSelector")).map_err(|e| {
            StatusError::bad_request(format!("unable to parse requirement: {}", e.trim_start_matches("unable to parse requirement: ")))
        })?;
        let fields = FieldSelector::parse(query.get("fieldSelector")).map_err(StatusError::bad_request)?;
        for (field, _, _) in fields.requirements() {
            if !registry::fields::is_selectable(kind, field) {
                return Err(StatusError::bad_request(format!("field label not supported: {field}")));
            }
        }
        Ok(Self { labels, fields })
    }

    /// The same for one object only: a watch with a name in the path.
    pub fn of_name(mut self, name: &str) -> Result<Self, StatusError> {
        let both =
            if self.fields.is_everything() { format!("metadata.name={name}") } else { format!("{},metadata.name={name}", self.fields) };
        self.fields = FieldSelector::parse(&both).map_err(StatusError::bad_request)?;
        Ok(self)
    }

    /// The one object that a watch or list of `metadata.name=x` is about; the same as a name in the path.
    pub fn name(&self) -> Option<&str> {
        self.fields.exact("metadata.name")
    }

    pub fn is_everything(&self) -> bool {
        self.labels.is_everything() && self.fields.is_everything()
    }

    pub fn matches(&self, kind: &Kind, item: &Item) -> bool {
        if self.is_everything() {
            return true;
        }
        // The name is known without reading the object.
        if let Some(name) = self.name()
            && item.name() != name
        {
            return false;
        }
        let facts = item.facts(kind);
        self.labels.matches(facts.labels.as_ref()) && self.fields.matches(|field| facts.field(kind, field))
    }
}
