//! The parser. After the first syntax error it stops; errors of meaning (a reserved word, a macro's argument) are
//! gathered.

use super::ast::*;
use super::lex::{Lexeme, Token, lex};
use super::literal::unescape;
use super::{MAX_DEPTH, MAX_LENGTH};
use crate::error::Issue;
use std::sync::Arc;

/// A syntax error was reported: nothing more to read.
pub(super) struct Stop;
type Parsed<T> = Result<T, Stop>;

const RESERVED: [&str; 21] = [
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

const EXPECTED: &str = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";

/// The tree and how many ids it uses.
pub(crate) fn parse(source: &[char]) -> Result<(Expr, u32), Vec<Issue>> {
    if source.len() > MAX_LENGTH {
        let message = format!("expression code point size exceeds limit: size: {}, limit {MAX_LENGTH}", source.len());
        return Err(vec![Issue::nowhere(message)]);
    }
    let mut issues = Vec::new();
    let tokens = lex(source, &mut issues);
    let mut parser = Parser { source, tokens, at: 0, ids: 0, nesting: 0, issues };
    let tree = parser.whole();
    match tree {
        Ok(tree) if parser.issues.is_empty() => Ok((tree, parser.ids)),
        _ => Err(parser.issues),
    }
}

pub(super) struct Parser<'a> {
    source: &'a [char],
    tokens: Vec<Lexeme>,
    at: usize,
    ids: u32,
    nesting: u16,
    issues: Vec<Issue>,
}

impl Parser<'_> {
    fn whole(&mut self) -> Parsed<Expr> {
        let tree = self.expr()?;
        if self.here().token != Token::End {
            let told = self.told();
            let what = if self.tokens.len() > self.at + 2 { "mismatched" } else { "extraneous" };
            return self.fail(format!("{what} input '{told}' expecting <EOF>"));
        }
        Ok(tree)
    }

    /// `or ? or : expr`
    fn expr(&mut self) -> Parsed<Expr> {
        self.nesting += 1;
        if self.nesting > MAX_DEPTH {
            return self.too_deep();
        }
        let condition = self.or()?;
        let out = if let Some(at) = self.eat("?") {
            let then = self.or()?;
            self.expect(":")?;
            let otherwise = self.expr()?;
            self.node(at, Kind::Conditional(Box::new([condition, then, otherwise])))
        } else {
            condition
        };
        self.nesting -= 1;
        if out.depth > MAX_DEPTH { self.too_deep() } else { Ok(out) }
    }

    fn or(&mut self) -> Parsed<Expr> {
        let first = self.and()?;
        let mut place = None;
        let mut terms = vec![first];
        while let Some(at) = self.eat("||") {
            place.get_or_insert(at);
            terms.push(self.and()?);
        }
        match place {
            Some(at) => Ok(self.node(at, Kind::Or(terms))),
            None => terms.pop().ok_or(Stop),
        }
    }

    fn and(&mut self) -> Parsed<Expr> {
        let first = self.binary(0)?;
        let mut place = None;
        let mut terms = vec![first];
        while let Some(at) = self.eat("&&") {
            place.get_or_insert(at);
            terms.push(self.binary(0)?);
        }
        match place {
            Some(at) => Ok(self.node(at, Kind::And(terms))),
            None => terms.pop().ok_or(Stop),
        }
    }

    /// Relations bind loosest (0), then sums (1), then products (2); all associate to the left.
    fn binary(&mut self, level: u8) -> Parsed<Expr> {
        let mut left = if level == 2 { self.unary()? } else { self.binary(level + 1)? };
        loop {
            let function = match (level, self.here().token) {
                (0, Token::Op("==")) => "_==_",
                (0, Token::Op("!=")) => "_!=_",
                (0, Token::Op("<")) => "_<_",
                (0, Token::Op("<=")) => "_<=_",
                (0, Token::Op(">")) => "_>_",
                (0, Token::Op(">=")) => "_>=_",
                (0, Token::In) => "@in",
                (1, Token::Op("+")) => "_+_",
                (1, Token::Op("-")) => "_-_",
                (2, Token::Op("*")) => "_*_",
                (2, Token::Op("/")) => "_/_",
                (2, Token::Op("%")) => "_%_",
                _ => return Ok(left),
            };
            let at = self.place();
            self.at += 1;
            let right = if level == 2 { self.unary()? } else { self.binary(level + 1)? };
            left = self.call(at, function, None, vec![left, right]);
            if left.depth > MAX_DEPTH {
                return self.too_deep();
            }
        }
    }

    fn unary(&mut self) -> Parsed<Expr> {
        let at = self.place();
        let (operator, function) = match self.here().token {
            Token::Op("!") => ("!", "!_"),
            // A sign before a number is part of the literal.
            Token::Op("-") if !matches!(self.ahead(1), Token::Int | Token::Float) => ("-", "-_"),
            _ => return self.member(),
        };
        let mut count = 0u32;
        while self.here().token == Token::Op(operator) && !(operator == "-" && matches!(self.ahead(1), Token::Int | Token::Float)) {
            self.at += 1;
            count += 1;
        }
        let operand = self.member()?;
        // An even number of them is nothing.
        Ok(if count.is_multiple_of(2) { operand } else { self.call(at, function, None, vec![operand]) })
    }

    fn member(&mut self) -> Parsed<Expr> {
        let mut out = self.primary()?;
        loop {
            if let Some(at) = self.eat(".") {
                let optional = self.eat("?").is_some();
                let field = match self.here().token {
                    Token::Ident => self.told(),
                    Token::Escaped => {
                        self.issue(self.place() as usize, "unsupported syntax: '`'");
                        self.told()
                    }
                    _ => {
                        let told = self.told();
                        return self.fail(match self.here().token {
                            Token::Op(_) => format!("no viable alternative at input '.{told}'"),
                            _ => format!("mismatched input '{told}' expecting IDENTIFIER"),
                        });
                    }
                };
                self.at += 1;
                if !optional && let Some(open) = self.eat("(") {
                    let args = self.args()?;
                    out = match self.member_macro(open, &field, out, args) {
                        Ok(expanded) => expanded,
                        Err((target, args)) => self.call(open, &field, Some(target), args),
                    };
                } else {
                    let field = Arc::from(field);
                    out = self.node(at, Kind::Select(Box::new(Select { operand: out, field, test: false, optional })));
                }
            } else if let Some(at) = self.eat("[") {
                let optional = self.eat("?").is_some();
                let index = self.expr()?;
                self.expect("]")?;
                out = self.call(at, if optional { "_[?_]" } else { "_[_]" }, None, vec![out, index]);
            } else if self.here().token == Token::Op("{") && out.qualified().is_some() {
                self.at += 1;
                let name = Arc::from(out.qualified().unwrap_or_default());
                let at = out.at;
                let fields = self.fields()?;
                out = self.node(at, Kind::Struct(Box::new(Struct { name, fields })));
            } else {
                return Ok(out);
            }
            if out.depth > MAX_DEPTH {
                return self.too_deep();
            }
        }
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let at = self.place();
        let told = self.told();
        let token = self.here().token;
        let kind = match token {
            Token::Op("(") => {
                self.at += 1;
                let inner = self.expr()?;
                self.expect(")")?;
                return Ok(inner);
            }
            Token::Op("[") => {
                self.at += 1;
                return self.list(at);
            }
            Token::Op("{") => {
                self.at += 1;
                return self.map(at);
            }
            Token::Op(".") if self.ahead(1) == Token::Ident => {
                self.at += 1;
                return self.name();
            }
            Token::Ident => return self.name(),
            Token::Op("-") => {
                self.at += 1;
                let number = format!("-{}", self.told());
                self.number(at, &number)
            }
            Token::Int | Token::Float | Token::Uint => self.number(at, &told),
            Token::True => Kind::Literal(Literal::Bool(true)),
            Token::False => Kind::Literal(Literal::Bool(false)),
            Token::Null => Kind::Literal(Literal::Null),
            Token::Text | Token::Bytes => self.text(at, &told, token == Token::Bytes),
            _ => {
                let what = if token == Token::End { "mismatched" } else { "extraneous" };
                return self.fail(format!("{what} input '{told}' expecting {EXPECTED}"));
            }
        };
        self.at += 1;
        Ok(self.node(at, kind))
    }

    /// A variable, a global call or `has`.
    fn name(&mut self) -> Parsed<Expr> {
        let (at, name) = (self.place(), self.told());
        self.at += 1;
        if RESERVED.contains(&name.as_str()) {
            self.issue(at as usize, format!("reserved identifier: {name}"));
        }
        let Some(open) = self.eat("(") else {
            return Ok(self.node(at, Kind::Ident(Arc::from(name))));
        };
        let mut args = self.args()?;
        if name == "has"
            && args.len() == 1
            && let Some(argument) = args.pop()
        {
            return Ok(self.has(open, argument));
        }
        Ok(self.call(open, &name, None, args))
    }

    fn args(&mut self) -> Parsed<Vec<Expr>> {
        let mut out = Vec::new();
        if self.eat(")").is_some() {
            return Ok(out);
        }
        loop {
            out.push(self.expr()?);
            if self.eat(",").is_none() {
                self.expect(")")?;
                return Ok(out);
            }
        }
    }

    fn list(&mut self, at: u32) -> Parsed<Expr> {
        let mut elements = Vec::new();
        while self.eat("]").is_none() {
            let optional = self.eat("?").is_some();
            elements.push(Element { optional, value: self.expr()? });
            if self.eat(",").is_none() {
                self.expect("]")?;
                break;
            }
        }
        Ok(self.node(at, Kind::List(elements)))
    }

    fn map(&mut self, at: u32) -> Parsed<Expr> {
        let mut entries = Vec::new();
        while self.eat("}").is_none() {
            let optional = self.eat("?").is_some();
            let key = self.expr()?;
            self.expect(":")?;
            entries.push(Entry { optional, key, value: self.expr()? });
            if self.eat(",").is_none() {
                self.expect("}")?;
                break;
            }
        }
        Ok(self.node(at, Kind::Map(entries)))
    }

    fn fields(&mut self) -> Parsed<Vec<StructField>> {
        let mut out = Vec::new();
        while self.eat("}").is_none() {
            let optional = self.eat("?").is_some();
            let name = self.told();
            if self.here().token != Token::Ident {
                return self.fail(format!("extraneous input '{name}' expecting {{'}}', ',', '?', IDENTIFIER, ESC_IDENTIFIER}}"));
            }
            self.at += 1;
            let at = self.expect(":")?;
            out.push(StructField { at, optional, name: Arc::from(name), value: self.expr()? });
            if self.eat(",").is_none() {
                self.expect("}")?;
                break;
            }
        }
        Ok(out)
    }

    fn number(&mut self, at: u32, text: &str) -> Kind {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let sign = if digits.len() == text.len() { "" } else { "-" };
        let literal = match self.here().token {
            Token::Float => text.parse().ok().filter(|d: &f64| d.is_finite()).map(Literal::Double).ok_or("invalid double literal"),
            Token::Uint => {
                let digits = digits.trim_end_matches(['u', 'U']);
                let value = match digits.strip_prefix("0x") {
                    Some(hex) => u64::from_str_radix(hex, 16),
                    None => digits.parse(),
                };
                value.ok().filter(|_| sign.is_empty()).map(Literal::Uint).ok_or("invalid uint literal")
            }
            _ => {
                let value = match digits.strip_prefix("0x") {
                    Some(hex) => i64::from_str_radix(&format!("{sign}{hex}"), 16),
                    None => text.parse(),
                };
                value.map(Literal::Int).map_err(|_| "invalid int literal")
            }
        };
        Kind::Literal(literal.unwrap_or_else(|message| {
            self.issue(at as usize, message);
            Literal::Null
        }))
    }

    fn text(&mut self, at: u32, token: &str, bytes: bool) -> Kind {
        let value = unescape(token, bytes).and_then(|value| {
            Ok(match bytes {
                true => Literal::Bytes(value.into()),
                false => Literal::String(String::from_utf8(value).map_err(|_| "invalid UTF-8")?.into()),
            })
        });
        Kind::Literal(value.unwrap_or_else(|message| {
            self.issue(at as usize, message);
            Literal::Null
        }))
    }

    pub(super) fn node(&mut self, at: u32, kind: Kind) -> Expr {
        let id = self.ids;
        self.ids += 1;
        let mut out = Expr { id, at, depth: 1, kind };
        out.depth = out.children().iter().map(|c| c.depth).max().unwrap_or(0).saturating_add(1);
        out
    }

    fn call(&mut self, at: u32, function: &str, target: Option<Expr>, args: Vec<Expr>) -> Expr {
        let function = Arc::from(function);
        self.node(
            at,
            Kind::Call(Box::new(Call { function, target, args, overloads: Vec::new(), pattern: None, wrong_pattern: None, free: false })),
        )
    }

    pub(super) fn issue(&mut self, at: usize, message: impl Into<String>) {
        self.issues.push(Issue::new(at, message.into()));
    }

    fn here(&self) -> Lexeme {
        let end = Lexeme { token: Token::End, start: self.source.len(), end: self.source.len() };
        self.tokens.get(self.at).copied().unwrap_or(end)
    }
    fn ahead(&self, by: usize) -> Token {
        self.tokens.get(self.at + by).map_or(Token::End, |t| t.token)
    }
    fn place(&self) -> u32 {
        u32::try_from(self.here().start).unwrap_or(u32::MAX)
    }
    /// The text of the token here.
    fn told(&self) -> String {
        let here = self.here();
        if here.token == Token::End {
            return "<EOF>".to_owned();
        }
        self.source.get(here.start..here.end).unwrap_or_default().iter().collect()
    }

    fn eat(&mut self, operator: &'static str) -> Option<u32> {
        let at = self.place();
        (self.here().token == Token::Op(operator)).then(|| {
            self.at += 1;
            at
        })
    }

    fn expect(&mut self, operator: &'static str) -> Parsed<u32> {
        if let Some(at) = self.eat(operator) {
            return Ok(at);
        }
        let told = self.told();
        let message = match self.here().token {
            Token::End => format!("missing '{operator}' at '<EOF>'"),
            _ => format!("mismatched input '{told}' expecting '{operator}'"),
        };
        self.fail(message)
    }

    fn fail<T>(&mut self, message: String) -> Parsed<T> {
        self.issue(self.place() as usize, format!("Syntax error: {message}"));
        Err(Stop)
    }

    fn too_deep<T>(&mut self) -> Parsed<T> {
        self.issues.push(Issue::nowhere(format!("expression recursion limit exceeded: {MAX_DEPTH}")));
        Err(Stop)
    }
}
