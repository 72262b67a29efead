//! A view of one kind that is brought up to date from the watch cache when it is asked, change by change.

use crate::cache::{Ahead, ChangeType, Item, KindCache};

/// What a view does with objects.
pub trait Follow {
    fn clear(&mut self);
    /// New or changed.
    fn put(&mut self, item: &Item);
    fn remove(&mut self, key: &str);
}

/// Where in a kind's history a view stands. A fresh one stands nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    revision: u64,
    epoch: u64,
}

impl Cursor {
    /// Nothing has changed since. A cache's first load makes its epoch 1, so a fresh cursor is never current.
    pub fn is_current(&self, cache: &KindCache) -> bool {
        self.epoch == cache.epoch() && self.revision == cache.revision() && self.epoch > 0
    }

    /// Brings a view up to date.
    pub fn advance(&mut self, cache: &KindCache, view: &mut impl Follow) {
        if let (true, Ahead::Changes(changes)) = (self.epoch > 0, cache.ahead(self.revision, self.epoch)) {
            for change in changes {
                match change.ty {
                    ChangeType::Deleted => view.remove(&change.item.key),
                    ChangeType::Added | ChangeType::Modified => view.put(&change.item),
                }
                self.revision = change.revision;
            }
            return;
        }
        // Too far behind, or the cache was loaded anew.
        view.clear();
        let epoch = cache.epoch();
        let snapshot = cache.snapshot("", None, 0, |_| true);
        snapshot.items.iter().for_each(|item| view.put(item));
        // The epoch is read first: a load in between makes the next look see another epoch and start over.
        *self = Self { revision: snapshot.revision, epoch };
    }
}
