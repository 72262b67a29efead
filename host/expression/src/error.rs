//! What can go wrong, in the words of cel-go and of the Kubernetes libraries, which clients read.

use crate::types::Type;
use std::fmt;

/// One error of an expression's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Code point that it is about; `None` when it is about the whole.
    pub at: Option<usize>,
    pub message: String,
}

impl Issue {
    pub(crate) fn new(at: usize, message: String) -> Self {
        Self { at: Some(at), message }
    }
    pub(crate) fn nowhere(message: String) -> Self {
        Self { at: None, message }
    }
}

/// An expression that does not compile.
#[derive(Clone, Debug)]
pub enum CompileError {
    /// In the order of the text. Displayed as cel-go does, each with its line and a mark below it.
    Issues { source: String, issues: Vec<Issue> },
    /// The expression is fine, but of another type than its place wants.
    Result { wanted: Type, got: Type },
    /// A conversion of a constant that cannot work: `int('a')`.
    Constant(EvalError),
}

/// More than this are only counted (cel-go's `maxErrorsToReport`).
const MAX_REPORTED: usize = 100;

impl CompileError {
    /// As apiextensions tells it of a validation rule.
    pub fn of_rule(&self) -> String {
        match self {
            Self::Issues { .. } => format!("compilation failed: {self}"),
            Self::Result { .. } => format!("cel expression {self}"),
            Self::Constant(_) => self.to_string(),
        }
    }

    /// As apiextensions tells it of a `messageExpression`.
    pub fn of_message(&self) -> String {
        match self {
            Self::Issues { .. } => format!("messageExpression compilation failed: {self}"),
            Self::Result { .. } => format!("messageExpression {self}"),
            Self::Constant(error) => format!("messageExpression instantiation failed: {error}"),
        }
    }

    pub(crate) fn issues(source: &str, mut issues: Vec<Issue>) -> Self {
        issues.sort_by_key(|issue| issue.at.map_or(0, |at| at + 1));
        Self::Issues { source: source.to_owned(), issues }
    }
}

/// `ERROR: <input>:1:6: …` with source line and mark; or `must evaluate to a bool`.
/// Where upstream puts words before it: [`CompileError::of_rule`], [`CompileError::of_message`].
impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Result { wanted, .. } => write!(f, "must evaluate to a {wanted}"),
            Self::Constant(error) => write!(f, "program instantiation failed: {error}"),
            Self::Issues { source, issues } => {
                let lines: Vec<&str> = source.split('\n').collect();
                for (n, issue) in issues.iter().take(MAX_REPORTED).enumerate() {
                    if n > 0 {
                        f.write_str("\n")?;
                    }
                    display(f, &lines, issue)?;
                }
                match issues.len().checked_sub(MAX_REPORTED) {
                    Some(more) if more > 0 => write!(f, "\n{more} more errors were truncated"),
                    _ => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for CompileError {}

/// Lines longer than this are not repeated.
const MAX_SNIPPET: usize = 16_384;

fn display(f: &mut fmt::Formatter<'_>, lines: &[&str], issue: &Issue) -> fmt::Result {
    let Some(mut column) = issue.at else {
        return write!(f, "ERROR: <input>:-1:0: {}", issue.message);
    };
    let mut number = 0;
    for (n, line) in lines.iter().enumerate() {
        number = n;
        let length = line.chars().count();
        if column <= length {
            break;
        }
        column -= length + 1;
    }
    write!(f, "ERROR: <input>:{}:{}: {}", number + 1, column + 1, issue.message)?;
    let line = lines.get(number).copied().unwrap_or_default();
    if line.len() > MAX_SNIPPET {
        return Ok(());
    }
    let line = line.replace('\t', " ");
    write!(f, "\n | {line}\n | ")?;
    let mut chars = line.chars();
    for _ in 0..column {
        match chars.next() {
            Some(c) if c.len_utf8() > 1 => f.write_str("\u{ff0e}")?,
            Some(_) => f.write_str(".")?,
            None => break,
        }
    }
    f.write_str(if chars.next().is_some_and(|c| c.len_utf8() > 1) { "\u{ff3e}" } else { "^" })
}

/// An evaluation that gave no value. `Display` is what upstream says; two kinds end more than the expression itself
/// ([`EvalError::is_fatal`]).
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EvalError {
    /// This evaluation cost more than [`crate::CALL_LIMIT`].
    #[error("operation cancelled: actual cost limit exceeded")]
    CallLimit,
    /// The budget shared with other evaluations is used up.
    #[error("validation failed due to running out of cost budget, no further validation rules will be run")]
    BudgetExceeded,
    /// A value of a type that the function does not take.
    #[error("no such overload")]
    NoSuchOverload,
    #[error("no such key: {0}")]
    NoSuchKey(String),
    #[error("no such attribute(s): {0}")]
    NoSuchAttribute(String),
    #[error("index out of bounds: {0}")]
    IndexOutOfBounds(i64),
    /// `integer overflow`, `division by zero`, …
    #[error("{0}")]
    Arithmetic(&'static str),
    #[error("type conversion error from '{from}' to '{to}'")]
    Conversion { from: String, to: &'static str },
    /// JSON that its declared type does not allow.
    #[error("{0}")]
    Data(String),
    /// What a function says of its arguments.
    #[error("{0}")]
    Argument(String),
}

impl EvalError {
    /// Ends the whole evaluation; `||` and `&&` do not absorb it.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::CallLimit | Self::BudgetExceeded)
    }
    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::Argument(message.into())
    }
}
