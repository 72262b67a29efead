//! Tokens of `CEL.g4`.

use crate::error::Issue;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Ident,
    Int,
    Uint,
    Float,
    Text,
    Bytes,
    True,
    False,
    Null,
    In,
    /// A name in backquotes, which Kubernetes has not enabled.
    Escaped,
    /// An operator or bracket.
    Op(&'static str),
    End,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Lexeme {
    pub token: Token,
    /// Code points `start..end` of the source.
    pub start: usize,
    pub end: usize,
}

/// Longest first.
const OPERATORS: [&str; 24] =
    ["==", "!=", "<=", ">=", "&&", "||", "<", ">", "[", "]", "{", "}", "(", ")", ".", ",", "-", "!", "?", ":", "+", "*", "/", "%"];

pub(super) fn lex(source: &[char], issues: &mut Vec<Issue>) -> Vec<Lexeme> {
    let mut lexer = Lexer { source, at: 0 };
    let mut out = Vec::new();
    loop {
        lexer.skip_blank();
        let start = lexer.at;
        if start >= source.len() {
            out.push(Lexeme { token: Token::End, start, end: start });
            return out;
        }
        match lexer.token() {
            Some(token) => out.push(Lexeme { token, start, end: lexer.at }),
            None => {
                lexer.at = lexer.at.max(start + 1).min(source.len());
                let told: String = source.get(start..lexer.at).unwrap_or_default().iter().collect();
                let told = told.replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
                issues.push(Issue::new(start, format!("Syntax error: token recognition error at: '{told}'")));
            }
        }
    }
}

struct Lexer<'a> {
    source: &'a [char],
    at: usize,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> char {
        self.source.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn skip_blank(&mut self) {
        loop {
            while self.at < self.source.len() && matches!(self.peek(0), '\t' | ' ' | '\r' | '\n' | '\u{c}') {
                self.at += 1;
            }
            if !(self.peek(0) == '/' && self.peek(1) == '/') {
                return;
            }
            while self.at < self.source.len() && self.peek(0) != '\n' {
                self.at += 1;
            }
        }
    }

    /// The token here, with `at` behind it; `None` and `at` behind what is wrong.
    fn token(&mut self) -> Option<Token> {
        let first = self.peek(0);
        if let Some(prefix) = self.text_prefix() {
            return self.text(prefix);
        }
        if first.is_ascii_digit() || (first == '.' && self.peek(1).is_ascii_digit()) {
            return Some(self.number());
        }
        if first.is_ascii_alphabetic() || first == '_' {
            let start = self.at;
            self.skip(|c| c.is_ascii_alphanumeric() || c == '_');
            let name: String = self.source.get(start..self.at).unwrap_or_default().iter().collect();
            return Some(match name.as_str() {
                "true" => Token::True,
                "false" => Token::False,
                "null" => Token::Null,
                "in" => Token::In,
                _ => Token::Ident,
            });
        }
        if first == '`' {
            self.at += 1;
            self.skip(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ' '));
            let closed = self.peek(0) == '`';
            self.at += 1;
            return closed.then_some(Token::Escaped);
        }
        let operator = OPERATORS.iter().find(|op| op.chars().enumerate().all(|(n, c)| self.peek(n) == c))?;
        self.at += operator.len();
        Some(Token::Op(operator))
    }

    fn skip(&mut self, wanted: impl Fn(char) -> bool) {
        while self.at < self.source.len() && wanted(self.peek(0)) {
            self.at += 1;
        }
    }

    fn number(&mut self) -> Token {
        if self.peek(0) == '0' && self.peek(1) == 'x' && self.peek(2).is_ascii_hexdigit() {
            self.at += 2;
            self.skip(|c| c.is_ascii_hexdigit());
            return self.unsigned(Token::Int);
        }
        self.skip(|c| c.is_ascii_digit());
        let mut token = Token::Int;
        if self.peek(0) == '.' && self.peek(1).is_ascii_digit() {
            self.at += 1;
            self.skip(|c| c.is_ascii_digit());
            token = Token::Float;
        }
        if matches!(self.peek(0), 'e' | 'E') {
            let sign = usize::from(matches!(self.peek(1), '+' | '-'));
            if self.peek(1 + sign).is_ascii_digit() {
                self.at += 1 + sign;
                self.skip(|c| c.is_ascii_digit());
                token = Token::Float;
            }
        }
        if token == Token::Int { self.unsigned(token) } else { token }
    }

    fn unsigned(&mut self, token: Token) -> Token {
        if matches!(self.peek(0), 'u' | 'U') {
            self.at += 1;
            return Token::Uint;
        }
        token
    }

    /// Length of `r`, `b`, `br` before a quote, and whether it is raw and bytes.
    fn text_prefix(&self) -> Option<(usize, bool, bool)> {
        let quote = |c| c == '"' || c == '\'';
        let (a, b, c) = (self.peek(0).to_ascii_lowercase(), self.peek(1).to_ascii_lowercase(), self.peek(2));
        match (a, b) {
            _ if quote(a) => Some((0, false, false)),
            ('r', b) if quote(b) => Some((1, true, false)),
            ('b', b) if quote(b) => Some((1, false, true)),
            ('b', 'r') if quote(c) => Some((2, true, true)),
            _ => None,
        }
    }

    fn text(&mut self, (prefix, raw, bytes): (usize, bool, bool)) -> Option<Token> {
        self.at += prefix;
        let quote = self.peek(0);
        let triple = self.peek(1) == quote && self.peek(2) == quote;
        self.at += if triple { 3 } else { 1 };
        while self.at < self.source.len() {
            let c = self.peek(0);
            if c == quote && (!triple || (self.peek(1) == quote && self.peek(2) == quote)) {
                self.at += if triple { 3 } else { 1 };
                return Some(if bytes { Token::Bytes } else { Token::Text });
            }
            if !triple && (c == '\n' || c == '\r') {
                return None;
            }
            // Which escapes there are is checked when the literal is read.
            self.at += if c == '\\' && !raw { 2 } else { 1 };
        }
        self.at = self.source.len();
        None
    }
}
