//! Query strings: percent-decoding and the option types that upstream reads from them.

use object::StatusError;

/// Decoded pairs in order.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|p| !p.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key, true), decode(value, true))
        });
        Self { pairs: pairs.collect() }
    }

    /// The first value; `""` when absent.
    pub fn get(&self, key: &str) -> &str {
        self.pairs.iter().find(|(k, _)| k == key).map_or("", |(_, v)| v.as_str())
    }

    pub fn has(&self, key: &str) -> bool {
        self.pairs.iter().any(|(k, _)| k == key)
    }

    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// As upstream's `Convert_Slice_string_To_bool`: present and neither `false` nor `0` is true.
    pub fn flag(&self, key: &str) -> bool {
        self.optional_flag(key).unwrap_or(false)
    }

    pub fn optional_flag(&self, key: &str) -> Option<bool> {
        self.has(key).then(|| !matches!(self.get(key).to_ascii_lowercase().as_str(), "false" | "0"))
    }

    pub fn integer(&self, key: &str) -> Result<Option<i64>, StatusError> {
        match self.get(key) {
            "" => Ok(None),
            text => text
                .parse()
                .map(Some)
                .map_err(|_| StatusError::bad_request(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax"))),
        }
    }
}

/// Percent-decoding; a malformed escape stays as it is.
pub fn decode(text: &str, plus_is_space: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = (byte == b'%').then(|| text.get(at + 1..at + 3).and_then(|h| u8::from_str_radix(h, 16).ok())).flatten();
        match (byte, escaped) {
            (_, Some(value)) => {
                out.push(value);
                at += 3;
                continue;
            }
            (b'+', _) if plus_is_space => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes() {
        let query = Query::parse("labelSelector=a%3Db%2Cc+in+(x)&watch=1&pretty&n=5&e=%zz");
        assert_eq!(query.get("labelSelector"), "a=b,c in (x)");
        assert!(query.flag("watch"));
        assert!(query.flag("pretty"));
        assert!(!query.flag("absent"));
        assert_eq!(query.integer("n").unwrap(), Some(5));
        assert_eq!(query.get("e"), "%zz");
        assert!(query.integer("e").is_err());
    }
}
