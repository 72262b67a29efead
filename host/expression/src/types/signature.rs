//! Overloads are declared by text, so that a library's table reads like its documentation: `string.(int,int):string`
//! for a member, `(string):quantity` for a global function. A single capital letter is a type variable.

use super::*;

/// Receiver and arguments, whether it has a receiver, and the result.
pub(crate) struct Signature {
    pub args: Vec<Type>,
    pub member: bool,
    pub result: Type,
}

/// Reads one; what it does not know is `dyn` (a test reads every table's text and compares it with what was written).
pub(crate) fn signature(text: &str) -> Signature {
    let mut reader = Reader { rest: text };
    let mut args = Vec::new();
    let member = !text.starts_with('(');
    if member {
        args.push(reader.ty());
        reader.eat('.');
    }
    reader.eat('(');
    while !reader.eat(')') && !reader.rest.is_empty() {
        args.push(reader.ty());
        reader.eat(',');
    }
    reader.eat(':');
    Signature { args, member, result: reader.ty() }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn eat(&mut self, wanted: char) -> bool {
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn ty(&mut self) -> Type {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        let mut params = Vec::new();
        if matches!(name, "list" | "map" | "optional" | "type") && self.eat('(') {
            while !self.eat(')') && !self.rest.is_empty() {
                params.push(self.ty());
                self.eat(',');
            }
        }
        let param = |n: usize| Arc::new(params.get(n).cloned().unwrap_or(Type::Dyn));
        match name {
            "null" => Type::Null,
            "bool" => Type::Bool,
            "int" => Type::Int,
            "uint" => Type::Uint,
            "double" => Type::Double,
            "string" => Type::String,
            "bytes" => Type::Bytes,
            "timestamp" => Type::Timestamp,
            "duration" => Type::Duration,
            "list" => Type::List(param(0)),
            "map" => Type::Map(param(0), param(1)),
            "optional" => Type::Optional(param(0)),
            "type" => Type::Type(Some(param(0))),
            "quantity" => Type::opaque(QUANTITY),
            "url" => Type::opaque(URL),
            "ip" => Type::opaque(IP),
            "cidr" => Type::opaque(CIDR),
            "semver" => Type::opaque(SEMVER),
            "format" => Type::opaque(FORMAT),
            letter if letter.len() == 1 && letter.chars().all(|c| c.is_ascii_uppercase()) => {
                Type::Param(letter.chars().next().map_or(0, u32::from))
            }
            _ => Type::Dyn,
        }
    }
}
