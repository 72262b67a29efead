//! The parser. After the first syntax error it stops; errors of meaning (a reserved word, a macro's argument) are
//! gathered.

use super::RESERVED;
use super::ast::*;
use super::lex::{Lexeme, Token, lex};
use super::literal::unescape;
use super::{MAX_DEPTH, MAX_LENGTH};
use crate::error::Issue;
use std::sync::Arc;

/// A syntax error was reported: nothing more to read.
pub(super) struct Stop;
type Parsed<T> = Result<T, Stop>;

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
        let mut out = self.binary(0)?;
        if self.here().token == Token::Op("?") {
            out = self.conditional(out)?;
        }
        self.nesting -= 1;
        if out.depth > MAX_DEPTH { self.too_deep() } else { Ok(out) }
    }

    #[inline(never)]
    fn conditional(&mut self, condition: Expr) -> Parsed<Expr> {
        let at = self.expect("?")?;
        let then = self.binary(0)?;
        self.expect(":")?;
        let otherwise = self.expr()?;
        Ok(self.node(at, Kind::Conditional(Box::new([condition, then, otherwise]))))
    }

    /// All binary operators by precedence: `||` (0), `&&` (1), relations (2), sums (3), products (4). One function for all
    /// levels keeps the stack shallow.
    fn binary(&mut self, least: u8) -> Parsed<Expr> {
        let mut left = self.unary()?;
        loop {
            let Some((level, function)) = operator(self.here().token) else { return Ok(left) };
            if level < least {
                return Ok(left);
            }
            let at = self.place();
            self.at += 1;
            let right = self.binary(level + 1)?;
            left = self.combine(at, function, left, right);
            if left.depth > MAX_DEPTH {
                return self.too_deep();
            }
        }
    }

    /// Chains of `&&` and of `||` are one node, however long.
    fn combine(&mut self, at: u32, function: &'static str, mut left: Expr, right: Expr) -> Expr {
        match (function, &mut left.kind) {
            ("||", Kind::Or(terms)) | ("&&", Kind::And(terms)) => {
                left.depth = left.depth.max(right.depth.saturating_add(1));
                terms.push(right);
                left
            }
            ("||", _) => self.node(at, Kind::Or(vec![left, right])),
            ("&&", _) => self.node(at, Kind::And(vec![left, right])),
            _ => self.call(at, function, None, vec![left, right]),
        }
    }

    fn unary(&mut self) -> Parsed<Expr> {
        match self.here().token {
            Token::Op("!") => self.signs("!", "!_"),
            // A sign before a number is part of the literal.
            Token::Op("-") if !matches!(self.ahead(1), Token::Int | Token::Float) => self.signs("-", "-_"),
            _ => self.member(),
        }
    }

    fn signs(&mut self, operator: &'static str, function: &'static str) -> Parsed<Expr> {
        let at = self.place();
        let mut count = 0u32;
        while self.here().token == Token::Op(operator) && !(operator == "-" && matches!(self.ahead(1), Token::Int | Token::Float)) {
            self.at += 1;
            count += 1;
        }
        let operand = self.member()?;
        // An even number of them is nothing.
        Ok(if count.is_multiple_of(2) { operand } else { self.call(at, function, None, vec![operand]) })
    }

    /// A primary and all steps behind it. (Split so that the frames of nested parentheses stay small.)
    fn member(&mut self) -> Parsed<Expr> {
        let mut out = self.primary()?;
        while matches!(self.here().token, Token::Op("." | "[" | "{")) {
            let before = self.at;
            out = self.step(out)?;
            if self.at == before {
                break;
            }
            if out.depth > MAX_DEPTH {
                return self.too_deep();
            }
        }
        Ok(out)
    }

    /// One step: `.field`, `.call(…)`, `[index]`, `Name{…}`; nothing is eaten where there is none.
    #[inline(never)]
    fn step(&mut self, operand: Expr) -> Parsed<Expr> {
        if let Some(at) = self.eat("[") {
            let optional = self.eat("?").is_some();
            let index = self.expr()?;
            self.expect("]")?;
            return Ok(self.call(at, if optional { "_[?_]" } else { "_[_]" }, None, vec![operand, index]));
        }
        if let Some(at) = self.eat(".") {
            return self.dot(at, operand);
        }
        let Some(name) = operand.qualified() else { return Ok(operand) };
        self.at += 1;
        let at = operand.at;
        let fields = self.fields()?;
        Ok(self.node(at, Kind::Struct(Box::new(Struct { name: Arc::from(name), fields }))))
    }

    #[inline(never)]
    fn dot(&mut self, at: u32, operand: Expr) -> Parsed<Expr> {
        let optional = self.eat("?").is_some();
        let field = self.told();
        match self.here().token {
            Token::Ident => {}
            Token::Escaped => self.issue(self.place() as usize, "unsupported syntax: '`'"),
            Token::Op(_) => return self.fail(format!("no viable alternative at input '.{field}'")),
            _ => return self.fail(format!("mismatched input '{field}' expecting IDENTIFIER")),
        }
        self.at += 1;
        let open = if optional { None } else { self.eat("(") };
        let Some(open) = open else {
            let field = Arc::from(field);
            return Ok(self.node(at, Kind::Select(Box::new(Select { operand, field, test: false, optional }))));
        };
        let args = self.args()?;
        match self.member_macro(open, &field, operand, args) {
            Ok(expanded) => Ok(expanded),
            Err((target, args)) => Ok(self.call(open, &field, Some(target), args)),
        }
    }

    fn primary(&mut self) -> Parsed<Expr> {
        match self.here().token {
            Token::Op("(") => self.nested(),
            Token::Op("[") => self.list(),
            Token::Op("{") => self.map(),
            Token::Op(".") if self.ahead(1) == Token::Ident => {
                self.at += 1;
                self.name()
            }
            Token::Ident => self.name(),
            _ => self.literal(),
        }
    }

    fn nested(&mut self) -> Parsed<Expr> {
        self.at += 1;
        let inner = self.expr()?;
        self.expect(")")?;
        Ok(inner)
    }

    #[inline(never)]
    fn literal(&mut self) -> Parsed<Expr> {
        let (at, told, token) = (self.place(), self.told(), self.here().token);
        let kind = match token {
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

    fn list(&mut self) -> Parsed<Expr> {
        let at = self.place();
        self.at += 1;
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

    fn map(&mut self) -> Parsed<Expr> {
        let at = self.place();
        self.at += 1;
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

/// Precedence and function of a binary operator.
fn operator(token: Token) -> Option<(u8, &'static str)> {
    Some(match token {
        Token::Op("||") => (0, "||"),
        Token::Op("&&") => (1, "&&"),
        Token::Op("==") => (2, "_==_"),
        Token::Op("!=") => (2, "_!=_"),
        Token::Op("<") => (2, "_<_"),
        Token::Op("<=") => (2, "_<=_"),
        Token::Op(">") => (2, "_>_"),
        Token::Op(">=") => (2, "_>=_"),
        Token::In => (2, "@in"),
        Token::Op("+") => (3, "_+_"),
        Token::Op("-") => (3, "_-_"),
        Token::Op("*") => (4, "_*_"),
        Token::Op("/") => (4, "_/_"),
        Token::Op("%") => (4, "_%_"),
        _ => return None,
    })
}
