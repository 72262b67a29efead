//! Sets of field paths: `structured-merge-diff/fieldpath/set.go`, `serialize.go`, `typed/tofieldset.go`.

use super::element::PathElement;
use super::ty::{Form, Ty};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// A set of paths as a tree. A path may be a member while paths below it are too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    nodes: BTreeMap<PathElement, Node>,
}

/// Never kept empty: it is a member, or something below it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) member: bool,
    pub(super) children: Set,
}

impl Node {
    fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }
}

impl Set {
    pub fn new() -> Self {
        Self::default()
    }
    /// Of paths of field names.
    pub fn of_fields(paths: &[&[&str]]) -> Self {
        let mut set = Self::new();
        for path in paths {
            set.insert(path.iter().map(|name| PathElement::field(*name)).collect());
        }
        set
    }
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
    pub(super) fn nodes_mut(&mut self) -> impl Iterator<Item = (&PathElement, &mut Node)> {
        self.nodes.iter_mut()
    }
    pub(super) fn get(&self, element: &PathElement) -> Option<&Node> {
        self.nodes.get(element)
    }
    fn put(&mut self, element: PathElement, node: Node) {
        if !node.is_empty() {
            self.nodes.insert(element, node);
        }
    }

    /// The empty path is no field and changes nothing.
    pub fn insert(&mut self, path: Vec<PathElement>) {
        let mut set = self;
        let mut rest = path.into_iter().peekable();
        while let Some(element) = rest.next() {
            let node = set.nodes.entry(element).or_default();
            if rest.peek().is_none() {
                node.member = true;
                return;
            }
            set = &mut node.children;
        }
    }

    pub fn has(&self, path: &[PathElement]) -> bool {
        let Some((last, parents)) = path.split_last() else { return false };
        let parent = parents.iter().try_fold(self, |set, element| set.get(element).map(|n| &n.children));
        parent.and_then(|set| set.get(last)).is_some_and(|n| n.member)
    }

    pub fn union(&self, other: &Self) -> Self {
        let mut out = self.clone();
        out.absorb(other);
        out
    }

    /// The union in place.
    pub(super) fn absorb(&mut self, other: &Self) {
        for (element, node) in &other.nodes {
            match self.nodes.get_mut(element) {
                Some(slot) => {
                    slot.member |= node.member;
                    slot.children.absorb(&node.children);
                }
                None => self.put(element.clone(), node.clone()),
            }
        }
    }

    pub fn intersection(&self, other: &Self) -> Self {
        let mut out = Self::new();
        for (element, a) in &self.nodes {
            if let Some(b) = other.get(element) {
                let node = Node { member: a.member && b.member, children: a.children.intersection(&b.children) };
                out.put(element.clone(), node);
            }
        }
        out
    }

    /// Without the members of `other`; what lies below them stays.
    pub fn difference(&self, other: &Self) -> Self {
        let mut out = self.clone();
        out.subtract(other);
        out
    }

    /// The difference in place: costs what `other` is, however much is left.
    pub(super) fn subtract(&mut self, other: &Self) {
        for (element, node) in &other.nodes {
            let Some(slot) = self.nodes.get_mut(element) else { continue };
            slot.member &= !node.member;
            slot.children.subtract(&node.children);
            if slot.is_empty() {
                self.nodes.remove(element);
            }
        }
    }

    /// Without the members of `other` and all that lies below them.
    pub fn recursive_difference(&self, other: &Self) -> Self {
        let mut out = Self::new();
        for (element, a) in &self.nodes {
            let node = match other.get(element) {
                Some(b) if b.member => continue,
                Some(b) => Node { member: a.member, children: a.children.recursive_difference(&b.children) },
                None => a.clone(),
            };
            out.put(element.clone(), node);
        }
        out
    }

    /// All member paths, in order.
    pub fn paths(&self) -> Vec<Vec<PathElement>> {
        let mut out = Vec::new();
        self.collect(&mut Vec::new(), &mut out);
        out
    }

    fn collect(&self, prefix: &mut Vec<PathElement>, out: &mut Vec<Vec<PathElement>>) {
        for (element, node) in &self.nodes {
            prefix.push(element.clone());
            if node.member {
                out.push(prefix.clone());
            }
            node.children.collect(prefix, out);
            prefix.pop();
        }
    }

    /// With every declared field on the way to a member made a member too.
    pub(super) fn ensure_named_fields(&self, ty: Option<Ty<'_>>) -> Self {
        let mut out = Self::new();
        for (element, node) in &self.nodes {
            let (declared, below) = ty.map_or((false, None), |ty| ty.step(element));
            let named = declared && !node.children.is_empty();
            out.put(element.clone(), Node { member: node.member || named, children: node.children.ensure_named_fields(below) });
        }
        out
    }

    /// Follows a change of schema: what has become atomic is owned whole (`typed/reconcile_schema.go`).
    pub(super) fn reconcile(&mut self, ty: Ty<'_>) {
        for (element, node) in self.nodes_mut() {
            if node.children.is_empty() {
                continue;
            }
            let (_, below) = ty.step(element);
            let Some(below) = below else { continue };
            if below.is_atomic() {
                *node = Node { member: true, children: Set::new() };
            } else {
                node.children.reconcile(below);
            }
        }
    }

    /// `fieldsV1`.
    pub fn to_value(&self) -> Value {
        Value::Object(self.to_map())
    }

    fn to_map(&self) -> Map<String, Value> {
        let encode = |(element, node): (&PathElement, &Node)| {
            let mut below = node.children.to_map();
            if node.member && !below.is_empty() {
                below.insert(".".to_owned(), Value::Object(Map::new()));
            }
            (element.encode(), Value::Object(below))
        };
        self.nodes.iter().map(encode).collect()
    }

    /// Reads `fieldsV1`.
    pub fn from_value(fields: &Value) -> Result<Self, String> {
        match fields {
            Value::Object(map) => Self::from_map(map),
            Value::Null => Ok(Self::new()),
            other => Err(format!("fieldsV1 is not an object: {other}")),
        }
    }

    fn from_map(map: &Map<String, Value>) -> Result<Self, String> {
        let mut set = Self::new();
        for (key, below) in map.iter().filter(|(k, _)| *k != ".") {
            let Some(element) = PathElement::decode(key)? else { continue };
            let children = Self::from_value(below)?;
            let dot = below.get(".").is_some();
            set.nodes.insert(element, Node { member: dot || children.is_empty(), children });
        }
        Ok(set)
    }
}

/// One path a line.
impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told: Vec<String> = self.paths().iter().map(|p| p.iter().map(ToString::to_string).collect()).collect();
        f.write_str(&told.join("\n"))
    }
}

/// The paths that an object sets: its leaves, list items, keys of maps, and empty maps.
pub(super) fn of_map(object: &Map<String, Value>, ty: Ty<'_>) -> Set {
    let mut set = Set::new();
    for (key, value) in object {
        let (declared, below) = ty.child(key);
        let mut node = of_value(value, below);
        let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
        node.member |= empty || !declared;
        set.put(PathElement::field(key), node);
    }
    set
}

fn of_value(value: &Value, ty: Ty<'_>) -> Node {
    let mut node = Node::default();
    match (ty.form(value), value) {
        (Form::Leaf, _) => node.member = true,
        (Form::Map, Value::Object(map)) => node.children = of_map(map, ty),
        (Form::List(list), Value::Array(items)) => {
            // Of items that stand there twice only the place is owned, not what is below.
            let elements: Vec<Option<PathElement>> = items.iter().map(|item| list.element(item).ok()).collect();
            let mut times: BTreeMap<&PathElement, usize> = BTreeMap::new();
            elements.iter().flatten().for_each(|element| *times.entry(element).or_default() += 1);
            for (item, element) in items.iter().zip(&elements) {
                let Some(element) = element else { continue };
                let twice = times.get(element).is_some_and(|n| *n > 1);
                let mut below = if twice { Node::default() } else { of_value(item, list.item) };
                below.member = true;
                node.children.put(element.clone(), below);
            }
        }
        _ => {}
    }
    node
}
