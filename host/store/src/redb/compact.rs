//! Forgetting history, some of it with every commit, so that no compaction is ever long.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::apply::Tables;
use super::failure::{Failure, failed};
use super::tables;
use crate::Revision;

/// Between two notes of the revision's age.
const SAMPLE: Duration = Duration::from_secs(10);

/// How much of the history may go.
pub(super) struct Compaction {
    /// Rows of the log up to this one are gone.
    done: Revision,
    /// Asked for by a caller.
    asked: Revision,
    /// When which revision was the newest, oldest first.
    ages: VecDeque<(Instant, Revision)>,
    history: Duration,
    history_revisions: u64,
}

impl Compaction {
    pub(super) fn new(oldest: Revision, revision: Revision, history: Duration, history_revisions: u64) -> Self {
        Self { done: oldest, asked: 0, ages: VecDeque::from([(Instant::now(), revision)]), history, history_revisions }
    }

    pub(super) fn ask(&mut self, revision: Revision) {
        self.asked = self.asked.max(revision);
    }

    /// What was asked for and not yet done. Age alone waits for the next commit: it costs no write of its own.
    pub(super) fn owed(&self, revision: Revision) -> bool {
        self.done < self.asked.min(revision.saturating_sub(1))
    }

    /// The revision up to which history may go now.
    fn target(&mut self, revision: Revision, now: Instant) -> Revision {
        if self.ages.back().is_none_or(|(at, _)| now.duration_since(*at) >= SAMPLE) {
            self.ages.push_back((now, revision));
        }
        let mut aged = 0;
        while let Some((at, noted)) = self.ages.front()
            && now.duration_since(*at) >= self.history
        {
            aged = *noted;
            self.ages.pop_front();
        }
        if aged > 0 {
            self.asked = self.asked.max(aged);
        }
        // The last row of the log says which revision the disk has, so it stays.
        self.asked.max(revision.saturating_sub(self.history_revisions)).min(revision.saturating_sub(1))
    }

    /// Removes at most `budget` revisions of history. Returns how far it came; to be told to [`Compaction::finished`] when
    /// the commit is made.
    pub(super) fn step(&mut self, tables: &mut Tables<'_>, revision: Revision, budget: u64) -> Result<Revision, Failure> {
        let target = self.target(revision, Instant::now()).min(self.done.saturating_add(budget));
        if target <= self.done {
            return Ok(self.done);
        }
        let mut undo = Vec::new();
        for row in tables.log.extract_from_if(..=target, |_, _| true).map_err(failed)? {
            let (revision, keys) = row.map_err(failed)?;
            let had_previous = tables::log_keys(keys.value()).filter(|(_, had_previous)| *had_previous);
            undo.extend(had_previous.map(|(key, _)| (key.to_vec(), revision.value())));
        }
        for (key, revision) in undo {
            tables.history.remove((key.as_slice(), revision)).map_err(failed)?;
        }
        Ok(target)
    }

    pub(super) fn finished(&mut self, done: Revision) {
        self.done = self.done.max(done);
    }
}
