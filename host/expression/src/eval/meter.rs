//! What an evaluation may cost.

use crate::error::EvalError;

/// Steps of work for which cel-go's cost model charges nothing (copying, deep comparison). Twenty for each unit of
/// the call limit: about as long as that takes otherwise.
const WORK_PER_COST: u64 = 20;

/// Paid by one evaluation.
#[derive(Debug)]
pub(crate) struct Meter {
    spent: u64,
    limit: u64,
    work_left: u64,
}

impl Meter {
    pub fn new(limit: u64) -> Self {
        Self { spent: 0, limit, work_left: limit.saturating_mul(WORK_PER_COST) }
    }

    /// Pays; past the limit everything ends.
    pub fn charge(&mut self, cost: u64) -> Result<(), EvalError> {
        self.spent = self.spent.saturating_add(cost);
        if self.spent > self.limit { Err(EvalError::CallLimit) } else { Ok(()) }
    }

    /// Gives back what was paid for something that costs nothing at its place.
    pub fn refund(&mut self, cost: u64) {
        self.spent = self.spent.saturating_sub(cost);
    }

    /// Pays for steps that cost nothing upstream.
    pub fn work(&mut self, steps: u64) -> Result<(), EvalError> {
        self.work_left = self.work_left.checked_sub(steps).ok_or(EvalError::CallLimit)?;
        Ok(())
    }
    pub fn work_len(&mut self, steps: usize) -> Result<(), EvalError> {
        self.work(u64::try_from(steps).unwrap_or(u64::MAX))
    }

    pub fn spent(&self) -> u64 {
        self.spent
    }
}

/// What several evaluations may cost together.
#[derive(Clone, Debug)]
pub struct Budget {
    left: u64,
    /// Most that one of them may cost.
    pub call_limit: u64,
}

impl Budget {
    /// For example [`crate::OBJECT_BUDGET`]; each evaluation at most [`crate::CALL_LIMIT`].
    pub fn new(total: u64) -> Self {
        Self { left: total, call_limit: crate::CALL_LIMIT }
    }
    pub fn left(&self) -> u64 {
        self.left
    }
    /// Nothing may be evaluated any more: upstream stops before the next rule.
    pub fn is_exhausted(&self) -> bool {
        self.left == 0
    }

    pub(crate) fn spend(&mut self, cost: u64) -> Result<(), EvalError> {
        if let Some(left) = self.left.checked_sub(cost) {
            self.left = left;
            return Ok(());
        }
        self.left = 0;
        Err(EvalError::BudgetExceeded)
    }
}
