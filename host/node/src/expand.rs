//! `$(NAME)` in commands, arguments, environment values and sub paths:
//! `third_party/forked/golang/expansion/expand.go`.

/// Replaces every `$(NAME)` that `lookup` knows. Unknown references stay as they are, `$$` is a literal `$`, and a `$`
/// that begins neither stays.
pub fn expand(input: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut output = String::with_capacity(input.len());
    let mut rest = input;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        output.push_str(before);
        let after = from.get(1..).unwrap_or_default();
        rest = if let Some(escaped) = after.strip_prefix('$') {
            output.push('$');
            escaped
        } else if let Some((name, tail)) = after.strip_prefix('(').and_then(|reference| reference.split_once(')')) {
            match lookup(name) {
                Some(value) => output.push_str(&value),
                None => output.push_str(&format!("$({name})")),
            }
            tail
        } else {
            output.push('$');
            after
        };
    }
    output.push_str(rest);
    output
}

/// As [`expand`], with the names of unknown references instead of text: for `subPathExpr`, which refuses them.
pub fn unknown(input: &str, known: impl Fn(&str) -> bool) -> Vec<String> {
    let missing = std::cell::RefCell::new(Vec::new());
    expand(input, |name| {
        if !known(name) {
            missing.borrow_mut().push(name.to_owned());
        }
        None
    });
    missing.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_escapes_and_leftovers() {
        let lookup = |name: &str| match name {
            "A" => Some("a".to_owned()),
            "EMPTY" => Some(String::new()),
            "REF" => Some("$(A)".to_owned()),
            _ => None,
        };
        for (input, expect) in [
            ("", ""),
            ("plain", "plain"),
            ("$(A)", "a"),
            ("x$(A)y$(A)z", "xayaz"),
            ("$(EMPTY)!", "!"),
            ("$(REF)", "$(A)"),
            ("$(NONE)", "$(NONE)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$a"),
            ("$$$$(A)", "$$(A)"),
            ("$A", "$A"),
            ("$", "$"),
            ("a$", "a$"),
            ("$(A", "$(A"),
            ("$()", "$()"),
            ("$(A))", "a)"),
            ("ä$(A)ö", "äaö"),
        ] {
            assert_eq!(expand(input, lookup), expect, "{input}");
        }
        assert_eq!(unknown("$(A)/$(B)/$$(C)", |n| n == "A"), ["B"]);
    }
}
