//! `key=value,key`: what a pod asks of a node's labels.

use coracle_plugin::scheduler::Entry;

pub struct Terms(Vec<Term>);

struct Term {
    text: String,
    key: String,
    value: Option<String>,
}

impl Terms {
    /// `None` when nothing is asked for.
    pub fn parse(text: &str) -> Option<Self> {
        let terms: Vec<Term> = text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(Term::parse).collect();
        (!terms.is_empty()).then_some(Self(terms))
    }

    pub fn first_unmet(&self, labels: &[Entry]) -> Option<&str> {
        self.0.iter().find(|t| !t.is_met(labels)).map(|t| t.text.as_str())
    }

    /// 100 when all are met.
    pub fn percent_met(&self, labels: &[Entry]) -> u8 {
        let met = self.0.iter().filter(|t| t.is_met(labels)).count();
        u8::try_from(met * 100 / self.0.len().max(1)).unwrap_or(100)
    }
}

impl Term {
    fn parse(text: &str) -> Self {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key.trim(), Some(value.trim().to_owned())),
            None => (text, None),
        };
        Self { text: text.to_owned(), key: key.to_owned(), value }
    }

    fn is_met(&self, labels: &[Entry]) -> bool {
        labels.iter().any(|l| self.names(&l.key) && self.value.as_ref().is_none_or(|v| *v == l.value))
    }

    /// Whole keys, and the part after a key's slash.
    fn names(&self, key: &str) -> bool {
        key == self.key || key.rsplit_once('/').is_some_and(|(_, name)| name == self.key)
    }
}
