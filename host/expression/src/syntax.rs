//! Text to tree: the grammar of cel-go's `parser/gen/CEL.g4`, by recursive descent, with the macros expanded to nodes of
//! their own.

pub(crate) mod ast;
mod lex;
mod literal;
mod macros;
mod parse;

pub(crate) use parse::parse;

/// Deepest nesting of an expression (cel-go's `maxRecursionDepth`).
pub const MAX_DEPTH: u16 = 250;
/// Longest expression, in code points (cel-go's `expressionSizeCodePointLimit`).
pub(crate) const MAX_LENGTH: usize = 100_000;

/// Words that CEL keeps for itself: no identifiers.
pub const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "package",
    "namespace",
    "null",
    "return",
    "true",
    "var",
    "void",
    "while",
];
