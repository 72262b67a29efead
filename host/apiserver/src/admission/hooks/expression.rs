//! Policies joined by a boolean expression: `signed() && (pinned() || !open())`. Members are called by name without arguments;
//! there are `&&`, `||`, `!`, parentheses, `true` and `false`, with the precedence that they have in CEL.

/// Deep enough for anything written by hand; an expression is evaluated by recursion.
const MAX_DEPTH: usize = 64;
/// Characters, as for any expression in an object that a person has to understand.
const MAX_LENGTH: usize = 16 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    Constant(bool),
    /// Number of the member.
    Member(usize),
    Not(Box<Expression>),
    And(Vec<Expression>),
    Or(Vec<Expression>),
}

impl Expression {
    /// The result by what is known of the members. The error is the member that it hangs on next, from left to right: so that
    /// none is asked in vain.
    pub fn evaluate(&self, known: &[Option<bool>]) -> Result<bool, usize> {
        match self {
            Self::Constant(value) => Ok(*value),
            Self::Member(number) => known.get(*number).copied().flatten().ok_or(*number),
            Self::Not(inner) => inner.evaluate(known).map(|value| !value),
            Self::And(parts) => decided(parts, known, false),
            Self::Or(parts) => decided(parts, known, true),
        }
    }
}

/// The first part with that value decides.
fn decided(parts: &[Expression], known: &[Option<bool>], by: bool) -> Result<bool, usize> {
    for part in parts {
        if part.evaluate(known)? == by {
            return Ok(by);
        }
    }
    Ok(!by)
}

/// Reads an expression over members.
///
/// # Errors
/// What is wrong, and where, in characters from 1.
pub fn parse(text: &str, members: &[&str]) -> Result<Expression, String> {
    if text.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.chars().count() > MAX_LENGTH {
        return Err(format!("it is longer than {MAX_LENGTH} characters"));
    }
    let mut parser = Parser { text: text.chars().collect(), at: 0, depth: 0, members };
    let expression = parser.or()?;
    parser.space();
    if parser.at < parser.text.len() { Err(parser.unexpected("&& or ||")) } else { Ok(expression) }
}

struct Parser<'m> {
    text: Vec<char>,
    at: usize,
    depth: usize,
    members: &'m [&'m str],
}

impl Parser<'_> {
    fn or(&mut self) -> Result<Expression, String> {
        let mut parts = vec![self.and()?];
        while self.takes("||") {
            parts.push(self.and()?);
        }
        Ok(joined(parts, Expression::Or))
    }

    fn and(&mut self) -> Result<Expression, String> {
        let mut parts = vec![self.unary()?];
        while self.takes("&&") {
            parts.push(self.unary()?);
        }
        Ok(joined(parts, Expression::And))
    }

    fn unary(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("it is nested deeper than {MAX_DEPTH} levels"));
        }
        let found = if self.takes("!") {
            Expression::Not(Box::new(self.unary()?))
        } else if self.takes("(") {
            let inner = self.or()?;
            self.needs(")")?;
            inner
        } else {
            self.word()?
        };
        self.depth -= 1;
        Ok(found)
    }

    fn word(&mut self) -> Result<Expression, String> {
        self.space();
        let begin = self.at;
        let is_word = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
        while self.text.get(self.at).is_some_and(is_word) {
            self.at += 1;
        }
        let word: String = self.text.get(begin..self.at).unwrap_or_default().iter().collect();
        match word.as_str() {
            "" => return Err(self.unexpected("a policy")),
            "true" => return Ok(Expression::Constant(true)),
            "false" => return Ok(Expression::Constant(false)),
            _ => {}
        }
        let number = self.members.iter().position(|member| *member == word);
        let number = number.ok_or_else(|| format!("column {}: there is no policy {word:?}", begin + 1))?;
        self.needs("(")?;
        self.needs(")")?;
        Ok(Expression::Member(number))
    }

    fn space(&mut self) {
        while self.text.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.at += 1;
        }
    }

    fn takes(&mut self, token: &str) -> bool {
        self.space();
        let found = token.chars().enumerate().all(|(offset, c)| self.text.get(self.at + offset) == Some(&c));
        if found {
            self.at += token.chars().count();
        }
        found
    }

    fn needs(&mut self, token: &str) -> Result<(), String> {
        if self.takes(token) { Ok(()) } else { Err(self.unexpected(token)) }
    }

    fn unexpected(&self, wanted: &str) -> String {
        match self.text.get(self.at) {
            Some(found) => format!("column {}: expected {wanted}, found '{found}'", self.at + 1),
            None => format!("column {}: expected {wanted}, found the end", self.at + 1),
        }
    }
}

fn joined(mut parts: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.len() {
        1 => parts.remove(0),
        _ => join(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBERS: [&str; 3] = ["a", "b", "c"];

    #[test]
    fn expressions_ask_no_more_than_they_need() {
        // Who is asked, in order, with these answers, and the result.
        let check = |text: &str, answers: [bool; 3], expect: (&str, bool)| {
            let expression = parse(text, &MEMBERS).unwrap();
            let (mut known, mut asked) = (vec![None; 3], String::new());
            let result = loop {
                match expression.evaluate(&known) {
                    Ok(result) => break result,
                    Err(number) => {
                        asked.push_str(MEMBERS[number]);
                        known[number] = Some(answers[number]);
                    }
                }
            };
            assert_eq!((asked.as_str(), result), expect, "{text} with {answers:?}");
        };
        check("a()", [true, false, false], ("a", true));
        check("!a()", [true, false, false], ("a", false));
        check("a() && b()", [false, true, true], ("a", false));
        check("a() && b()", [true, true, true], ("ab", true));
        check("a() || b()", [true, false, false], ("a", true));
        check(" a()||b()&&c() ", [false, true, false], ("abc", false));
        check("(a() || b()) && c()", [true, false, true], ("ac", true));
        check("a() && (b() || !c())", [true, false, false], ("abc", true));
        check("!!a() && a()", [true, false, false], ("a", true));
        check("true || a()", [false; 3], ("", true));
        check("false", [false; 3], ("", false));
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let check = |text: &str, expect: &str| assert_eq!(parse(text, &MEMBERS), Err(expect.to_owned()), "{text}");
        check(" ", "it is empty");
        check("d()", "column 1: there is no policy \"d\"");
        check("a", "column 2: expected (, found the end");
        check("a(1)", "column 3: expected ), found '1'");
        check("a() b()", "column 5: expected && or ||, found 'b'");
        check("a() &&", "column 7: expected a policy, found the end");
        check("(a()", "column 5: expected ), found the end");
        check("a() & b()", "column 5: expected && or ||, found '&'");
        check(&format!("{}a()", "!".repeat(100)), "it is nested deeper than 64 levels");
        check(&" ".repeat(MAX_LENGTH + 1), "it is empty");
    }
}
