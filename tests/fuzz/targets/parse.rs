//! Parsers never panic, and what they print they read again as the same.

#![no_main]

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use object::quantity::Quantity;
use object::selector::{FieldSelector, LabelSelector, Op};
use object::{Map, Value, names, time};

fuzz_target!(|bytes: &[u8]| {
    let _ = check(&mut Unstructured::new(bytes));
});

fn check(u: &mut Unstructured<'_>) -> Result<()> {
    let selected = u.int_in_range(0..=5)?;
    let text = if u.arbitrary()? { made(u)? } else { String::from_utf8_lossy(u.bytes(u.len())?).into_owned() };
    match selected {
        0 => labels(u, &text)?,
        1 => {
            if let Ok(selector) = FieldSelector::parse(&text) {
                let shown = selector.to_string();
                let again = FieldSelector::parse(&shown).unwrap_or_else(|error| panic!("{text:?} is shown as {shown:?}: {error}"));
                assert_eq!(sorted(&again), sorted(&selector), "{text:?} {shown:?}");
            }
        }
        2 => quantities(u, &text)?,
        3 => {
            if let Some(read) = time::parse(&text) {
                let shown = time::format_nano(read);
                assert_eq!(time::parse(&shown), Some(read), "{text:?} {shown:?}");
                time::format(read);
                time::format_micro(read);
            }
        }
        4 => {
            if let Some(nanos) = time::parse_duration(&text) {
                let shown = time::format_duration(nanos);
                assert_eq!(time::parse_duration(&shown), Some(nanos), "{text:?} {shown:?}");
            }
        }
        _ => {
            names::dns1123_subdomain(&text);
            names::dns1123_label(&text);
            names::dns1035_label(&text);
            names::qualified_name(&text);
            names::label_value(&text);
            assert!(names::generate(&text).len() >= 5);
        }
    }
    Ok(())
}

/// Terms are read in the order of their text, in which `=` and `==` differ.
fn sorted(selector: &FieldSelector) -> Vec<(&str, bool, &str)> {
    let mut terms: Vec<_> = selector.requirements().iter().map(|(f, op, v)| (f.as_str(), *op == Op::Equals, v.as_str())).collect();
    terms.sort_unstable();
    terms
}

/// Text of the pieces that the grammars are made of.
fn made(u: &mut Unstructured<'_>) -> Result<String> {
    const PIECES: [&str; 44] = [
        "a",
        "b",
        "x/y",
        "=",
        "==",
        "!=",
        "!",
        ",",
        "in",
        "notin",
        "(",
        ")",
        " ",
        "<",
        ">",
        "\\",
        "1",
        "0",
        "9",
        "5",
        ".",
        "-",
        "+",
        "e",
        "E",
        "m",
        "u",
        "n",
        "k",
        "Ki",
        "Mi",
        "Gi",
        "Ei",
        "P",
        "s",
        "h",
        "µs",
        "ms",
        "T",
        "Z",
        ":",
        "2026-01-02",
        "03:04:05",
        "99999999999999999999",
    ];
    let mut text = String::new();
    for _ in 0..u.int_in_range(0..=12)? {
        text.push_str(u.choose(&PIECES)?);
    }
    Ok(text)
}

fn labels(u: &mut Unstructured<'_>, text: &str) -> Result<()> {
    let Ok(selector) = LabelSelector::parse(text) else { return Ok(()) };
    let shown = selector.to_string();
    let again = LabelSelector::parse(&shown).unwrap_or_else(|error| panic!("{text:?} is shown as {shown:?}: {error}"));
    let mut labels = Map::new();
    for _ in 0..u.int_in_range(0..=3)? {
        labels.insert((*u.choose(&["a", "b", "x/y", "1"])?).into(), Value::from(*u.choose(&["", "a", "b", "1", "9"])?));
    }
    assert_eq!(again.matches(Some(&labels)), selector.matches(Some(&labels)), "{text:?} {shown:?} {labels:?}");
    assert_eq!(again.to_string(), shown);
    Ok(())
}

fn quantities(u: &mut Unstructured<'_>, text: &str) -> Result<()> {
    let Ok(read) = Quantity::parse(text) else { return Ok(()) };
    let shown = read.to_string();
    let again = Quantity::parse(&shown).unwrap_or_else(|error| panic!("{text:?} is shown as {shown:?}: {error}"));
    assert_eq!(again, read, "{text:?} is shown as {shown:?}");
    assert_eq!(again.to_string(), shown, "{text:?}");
    let other = made(u)?;
    if let Ok(other) = Quantity::parse(&other) {
        assert_eq!(read + other, other + read);
        assert_eq!(read < other, other > read);
        let _ = (read - other, -read, read.milli(), read.value(), read.nanos());
    }
    Ok(())
}
