//! What is remembered of an object so that its changes, its end included, lead to the keys it concerns.

use interfaces::reconcile::{Key, Mapping};
use object::Object;
use object::gvk::split_api_version;

/// Which facts a mapping needs. Feeds that remember the same are one feed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Facts {
    None,
    Owners,
    Label(String),
    Annotation(String),
}

/// One owner, or the value of a label or annotation as `name`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fact {
    pub group: Box<str>,
    pub kind: Box<str>,
    pub name: Box<str>,
    pub controller: bool,
}

/// The kind of a controller's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Primary {
    pub group: String,
    pub kind: String,
    pub namespaced: bool,
}

impl Facts {
    pub(super) fn of_mapping(mapping: &Mapping) -> Self {
        match mapping {
            Mapping::Owner | Mapping::AnyOwner => Self::Owners,
            Mapping::Label(key) => Self::Label(key.clone()),
            Mapping::Annotation(key) => Self::Annotation(key.clone()),
            Mapping::Every | Mapping::Exported => Self::None,
        }
    }

    pub(super) fn read(&self, object: &Object) -> Box<[Fact]> {
        let value = |text: Option<&str>| {
            let name = text.filter(|text| !text.is_empty());
            name.map(|name| Fact { name: name.into(), ..Fact::default() }).into_iter().collect()
        };
        match self {
            Self::None => Box::default(),
            Self::Label(key) => value(object.label(key)),
            Self::Annotation(key) => value(object.annotation(key)),
            Self::Owners => {
                let owner = |owner: object::OwnerRef| Fact {
                    group: split_api_version(&owner.api_version).0.into(),
                    kind: owner.kind.into(),
                    name: owner.name.into(),
                    controller: owner.controller == Some(true),
                };
                object.owners().into_iter().map(owner).collect()
            }
        }
    }
}

/// The keys of primary objects that the facts of an object lead to.
pub(super) fn keys(mapping: &Mapping, primary: &Primary, object: &Key, facts: &[Fact]) -> Vec<Key> {
    let beside = |name: &str| {
        let namespace = if primary.namespaced { object.namespace.clone() } else { String::new() };
        Key { namespace, name: name.to_owned() }
    };
    let owner = |fact: &&Fact| *fact.group == *primary.group && *fact.kind == *primary.kind;
    match mapping {
        Mapping::Owner => facts.iter().filter(owner).filter(|fact| fact.controller).map(|fact| beside(&fact.name)).collect(),
        Mapping::AnyOwner => facts.iter().filter(owner).map(|fact| beside(&fact.name)).collect(),
        Mapping::Label(_) => facts.iter().map(|fact| beside(&fact.name)).collect(),
        Mapping::Annotation(_) => {
            let named = |fact: &Fact| match fact.name.split_once('/') {
                Some((namespace, name)) if primary.namespaced => Key { namespace: namespace.to_owned(), name: name.to_owned() },
                _ => beside(&fact.name),
            };
            facts.iter().map(named).collect()
        }
        Mapping::Every | Mapping::Exported => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn changes_lead_to_keys() {
        let child = Object::from_value(json!({"metadata": {
            "namespace": "n", "name": "child",
            "labels": {"of": "labelled"}, "annotations": {"of": "other/annotated", "plain": "here"},
            "ownerReferences": [
                {"apiVersion": "e.com/v2", "kind": "Site", "name": "controlled", "uid": "1", "controller": true},
                {"apiVersion": "e.com/v1", "kind": "Site", "name": "owned", "uid": "2"},
                {"apiVersion": "f.com/v1", "kind": "Site", "name": "foreign", "uid": "3", "controller": true},
            ],
        }}))
        .unwrap();
        let key = Key { namespace: "n".into(), name: "child".into() };
        let check = |mapping: Mapping, namespaced: bool, expect: &[(&str, &str)]| {
            let primary = Primary { group: "e.com".into(), kind: "Site".into(), namespaced };
            let facts = Facts::of_mapping(&mapping).read(&child);
            let found = keys(&mapping, &primary, &key, &facts);
            let found: Vec<(&str, &str)> = found.iter().map(|key| (key.namespace.as_str(), key.name.as_str())).collect();
            assert_eq!(found, expect, "{mapping:?}");
        };
        check(Mapping::Owner, true, &[("n", "controlled")]);
        check(Mapping::Owner, false, &[("", "controlled")]);
        check(Mapping::AnyOwner, true, &[("n", "controlled"), ("n", "owned")]);
        check(Mapping::Label("of".into()), true, &[("n", "labelled")]);
        check(Mapping::Label("none".into()), true, &[]);
        check(Mapping::Annotation("of".into()), true, &[("other", "annotated")]);
        check(Mapping::Annotation("plain".into()), true, &[("n", "here")]);
        check(Mapping::Every, true, &[]);
    }
}
