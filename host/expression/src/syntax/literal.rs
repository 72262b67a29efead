//! The values of string and bytes literals: cel-go `parser/unescape.go`.

/// The text of a token, with prefix and quotes, as code points; for bytes, as UTF-8 with `\x` and octal escapes as bytes.
pub(super) fn unescape(token: &str, bytes: bool) -> Result<Vec<u8>, &'static str> {
    let mut rest = token;
    if bytes {
        rest = rest.get(1..).unwrap_or_default();
    }
    let raw = rest.starts_with(['r', 'R']);
    if raw {
        rest = rest.get(1..).unwrap_or_default();
    }
    let quotes = if rest.len() >= 6 && (rest.starts_with("'''") || rest.starts_with("\"\"\"")) { 3 } else { 1 };
    let inner = rest.get(quotes..rest.len().saturating_sub(quotes)).unwrap_or_default();
    if raw || !inner.contains('\\') {
        return Ok(normalize(inner, quotes).into_bytes());
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            push(&mut out, c);
            continue;
        }
        let kind = chars.next().ok_or("unable to unescape string, found '\\' as last character")?;
        match kind {
            'a' => out.push(7),
            'b' => out.push(8),
            'f' => out.push(12),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'v' => out.push(11),
            '\\' | '\'' | '"' | '`' | '?' => push(&mut out, kind),
            'x' | 'X' => code(&mut out, &mut chars, "", 2, 16, bytes)?,
            'u' => code(&mut out, &mut chars, "", 4, 16, false)?,
            'U' => code(&mut out, &mut chars, "", 8, 16, false)?,
            '0'..='3' => code(&mut out, &mut chars, kind.encode_utf8(&mut [0; 4]), 2, 8, bytes)?,
            _ => return Err("unable to unescape string"),
        }
    }
    Ok(out)
}

/// Line ends of long literals are one character.
fn normalize(inner: &str, quotes: usize) -> String {
    if quotes == 3 { inner.replace("\r\n", "\n").replace('\r', "\n") } else { inner.to_owned() }
}

fn push(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn code(out: &mut Vec<u8>, chars: &mut std::str::Chars<'_>, first: &str, more: usize, radix: u32, byte: bool) -> Result<(), &'static str> {
    let mut digits = first.to_owned();
    digits.extend(chars.take(more));
    let value = u32::from_str_radix(&digits, radix).map_err(|_| "unable to unescape string")?;
    if digits.len() != first.len() + more {
        return Err("unable to unescape string");
    }
    if byte {
        out.push(u8::try_from(value).map_err(|_| "unable to unescape string")?);
        return Ok(());
    }
    push(out, char::from_u32(value).ok_or("invalid unicode code point")?);
    Ok(())
}
