//! Ranges of sizes: characters, bytes, items.

use super::Estimate;
use crate::types::Type;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub min: u64,
    pub max: u64,
}

impl Size {
    pub const UNKNOWN: Self = Self { min: 0, max: u64::MAX };

    pub fn fixed(size: u64) -> Self {
        Self { min: size, max: size }
    }
    /// The neutral start of a union, or zero when nothing will be added.
    pub fn nothing(empty: bool) -> Self {
        Self { min: if empty { 0 } else { u64::MAX }, max: 0 }
    }
    pub fn union(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }
    pub fn plus(self, other: Self) -> Self {
        Self { min: self.min.saturating_add(other.min), max: self.max.saturating_add(other.max) }
    }
    pub fn times(self, other: Self) -> Self {
        Self { min: self.min.saturating_mul(other.min), max: self.max.saturating_mul(other.max) }
    }
    /// As cost, each unit costing the factor, rounded up.
    pub fn cost(self, factor: f64) -> Estimate {
        // A conversion of too large a number gives the largest.
        let scaled = |n: u64| (n as f64 * factor).ceil() as u64;
        Estimate { min: scaled(self.min), max: scaled(self.max) }
    }
}

/// Of one size whatever the value.
pub(super) fn is_scalar(ty: &Type) -> bool {
    match ty {
        Type::Bool | Type::Double | Type::Duration | Type::Int | Type::Timestamp | Type::Uint => true,
        Type::Optional(of) => is_scalar(of),
        _ => false,
    }
}
