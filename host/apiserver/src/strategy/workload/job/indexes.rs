//! Lists of indexes as text: `1,3-5,7` (`validateIndexesFormat`, `validateFailedIndexesNotOverlapCompleted`).

/// How many indexes the list names, all below `completions` and in order.
pub fn count(list: &str, completions: i64) -> Result<i64, String> {
    if list.is_empty() {
        return Ok(0);
    }
    let (mut last, mut total) = (None, 0);
    for interval in list.split(',') {
        let (from, to) = parse(interval, completions)?;
        if let Some(last) = last.filter(|last| *last >= from) {
            return Err(format!("non-increasing order, previous: {last}, current: {from}"));
        }
        total += to - from + 1;
        last = Some(to);
    }
    Ok(total)
}

fn parse(interval: &str, completions: i64) -> Result<(i64, i64), String> {
    let limits: Vec<&str> = interval.split('-').collect();
    let index = |text: &str| -> Result<i64, String> {
        let index = text.parse::<i64>().map_err(|_| format!("cannot convert string to integer for index: {text:?}"))?;
        if index >= completions { Err(format!("too large index: {text:?}")) } else { Ok(index) }
    };
    match limits.as_slice() {
        [one] => index(one).map(|x| (x, x)),
        [from, to] => {
            let (x, y) = (index(from)?, index(to)?);
            if x >= y { Err(format!("non-increasing order, previous: {x}, current: {y}")) } else { Ok((x, y)) }
        }
        _ => Err(format!(
            "the fragment {interval:?} violates the requirement that an index interval can have at most two parts separated by '-'"
        )),
    }
}

/// The first index that both lists name; what cannot be read is told elsewhere.
pub fn overlap(completed: &str, failed: &str, completions: i64) -> Option<i64> {
    let read = |list: &str| -> Vec<(i64, i64)> { list.split(',').filter_map(|i| parse(i, completions).ok()).collect() };
    let (completed, failed) = (read(completed), read(failed));
    let (mut i, mut j) = (0, 0);
    while let (Some((a, b)), Some((c, d))) = (completed.get(i), failed.get(j)) {
        if a <= d && c <= b {
            return Some(*a.max(c));
        }
        if a <= c {
            i += 1;
        } else {
            j += 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        for (list, expect) in [
            ("", Ok(0)),
            ("0", Ok(1)),
            ("0,2-4,6", Ok(5)),
            ("2-4,3", Err("non-increasing order, previous: 4, current: 3")),
            ("4-2", Err("non-increasing order, previous: 4, current: 2")),
            (
                "1-2-3",
                Err("the fragment \"1-2-3\" violates the requirement that an index interval can have at most two parts separated by '-'"),
            ),
            ("a", Err("cannot convert string to integer for index: \"a\"")),
            ("10", Err("too large index: \"10\"")),
        ] {
            assert_eq!(count(list, 10), expect.map_err(str::to_owned), "{list}");
        }
        for (completed, failed, expect) in [("0-2,5", "3-4", None), ("0-2,5", "2", Some(2)), ("5", "0-9", Some(5)), ("", "1", None)] {
            assert_eq!(overlap(completed, failed, 10), expect);
        }
    }
}
