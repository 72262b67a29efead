//! The Common Expression Language as Kubernetes uses it, without I/O: CRD validation rules, admission policies, match
//! conditions and device selectors all compile here.
//!
//! Mechanism: cel-go (parser, checker, cost estimate and cost tracking) with the options and libraries of
//! `k8s.io/apiserver/pkg/cel/environment/base.go`; typed data by `k8s.io/apiserver/pkg/cel/common` (`schemas.go`,
//! `valuesunstructured.go`). Why an engine of our own: docs/adr/0012-cel.md.
//!
//! The way of an expression: `syntax` (text → tree, macros) → `check` (tree + [`Declarations`] → types, slots) → `cost`
//! (worst case) → [`Program`], which `eval` runs over JSON that is read lazily, guided by the declared types.
//!
//! Invariants
//! - Compiling and evaluating never panic and never recurse deeper than [`MAX_DEPTH`] levels of the expression.
//! - Evaluation is deterministic, and so is its cost: the same program and data give the same result and the same cost.
//! - Every step is paid from the [`Budget`] before or as it is done; what cel-go's cost model leaves free although it
//!   grows with the data (list concatenation, equality of deep values) is bounded by a second, generous meter.

mod check;
mod cost;
mod declare;
mod error;
mod eval;
mod functions;
mod program;
mod syntax;
mod types;
mod value;

#[cfg(test)]
mod tests;

pub use cost::Estimate;
pub use declare::{Decl, Declarations, Form, ListKind, escape, unescape};
pub use error::{CompileError, EvalError, Issue};
pub use eval::{Bindings, Budget};
pub use functions::{Call, Function, Library, Overload};
pub use program::{Environment, Expected, Program};
pub use syntax::{MAX_DEPTH, RESERVED};
pub use types::{Field, ObjectType, Type};
pub use value::{Duration, Key, List, Map, Opaque, Text, Timestamp, Value};

/// Static limit of one rule's estimated cost (`StaticEstimatedCostLimit` of apiextensions' validation).
pub const ESTIMATE_LIMIT: u64 = 10_000_000;
/// Static limit of the sum over all rules of one CustomResourceDefinition version (`StaticEstimatedCRDCostLimit`).
pub const ESTIMATE_LIMIT_CRD: u64 = 100_000_000;
/// Run-time limit of one evaluation, about a tenth of a second upstream (`PerCallLimit`, apiserver/pkg/apis/cel).
pub const CALL_LIMIT: u64 = 1_000_000;
/// Run-time limit of all rules of one object, or of one policy binding (`RuntimeCELCostBudget`).
pub const OBJECT_BUDGET: u64 = 10_000_000;
/// Run-time limit of all match conditions of one webhook or policy (`RuntimeCELCostBudgetMatchConditions`).
pub const MATCH_CONDITIONS_BUDGET: u64 = 2_500_000;
/// Largest message that a `messageExpression` may give, in bytes (`MaxEvaluatedMessageExpressionSizeBytes`).
pub const MESSAGE_LIMIT: usize = 5 * 1024;
/// What a request may weigh, in bytes: the base of size estimates where a schema sets no limit (`MaxRequestSizeBytes`).
pub const MAX_REQUEST: u64 = 3 * 1024 * 1024;
