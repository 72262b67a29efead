//! When an object's time is over.

use serde_json::Value;

pub struct Rules {
    /// The annotation or label that says how long.
    pub key: String,
    /// For finished Pods and Jobs that say nothing, in seconds.
    pub finished: Option<u64>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Due {
    /// Not before it changes.
    Never,
    /// Seconds since 1970.
    At(u64),
}

/// A Pod's or Job's time begins when it has finished, any other object's when it was created. A value with a `T` is a point in time of its own.
///
/// # Errors
/// The value is neither a duration nor a time.
pub fn due(object: &Value, rules: &Rules) -> Result<Due, String> {
    let metadata = &object["metadata"];
    let said = |place: &str| metadata[place][&rules.key].as_str();
    let runs =
        matches!((object["apiVersion"].as_str(), object["kind"].as_str()), (Some("v1"), Some("Pod")) | (Some("batch/v1"), Some("Job")));
    let Some(value) = said("annotations").or_else(|| said("labels")) else {
        let at = rules.finished.filter(|_| runs).zip(finished(object)).map(|(ttl, at)| at.saturating_add(ttl));
        return Ok(at.map_or(Due::Never, Due::At));
    };
    if value.contains('T') {
        return timestamp(value).map(Due::At).ok_or_else(|| format!("{}: {value:?} is no time", rules.key));
    }
    let ttl = duration(value).ok_or_else(|| format!("{}: {value:?} is no duration such as 90s, 1h30m or 7d", rules.key))?;
    let since = if runs { finished(object) } else { metadata["creationTimestamp"].as_str().and_then(timestamp) };
    Ok(since.map_or(Due::Never, |since| Due::At(since.saturating_add(ttl))))
}

/// When a Pod's last container ended, or a Job was complete or failed.
fn finished(object: &Value) -> Option<u64> {
    let status = &object["status"];
    let conditions = || status["conditions"].as_array().into_iter().flatten();
    if object["kind"] == "Job" {
        let ended = |c: &&Value| (c["type"] == "Complete" || c["type"] == "Failed") && c["status"] == "True";
        let condition = conditions().find(ended)?;
        return status["completionTime"].as_str().or_else(|| condition["lastTransitionTime"].as_str()).and_then(timestamp);
    }
    if status["phase"] != "Succeeded" && status["phase"] != "Failed" {
        return None;
    }
    let ends = status["containerStatuses"].as_array().into_iter().flatten();
    let last = ends.filter_map(|c| c["state"]["terminated"]["finishedAt"].as_str()).filter_map(timestamp).max();
    // A pod that never ran has conditions only.
    let changed = conditions().filter_map(|c| c["lastTransitionTime"].as_str()).filter_map(timestamp).max();
    last.or(changed).or_else(|| object["metadata"]["creationTimestamp"].as_str().and_then(timestamp))
}

/// `90s`, `15m`, `1h30m`, `7d`; a number alone is seconds.
pub fn duration(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let (mut total, mut number) = (0_u64, String::new());
    for c in text.chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        let unit = match c {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        number.clear();
    }
    (number.is_empty() && !text.is_empty()).then_some(total)
}

/// RFC 3339 in UTC, as the API writes it; fractions are cut.
pub fn timestamp(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, by: char| -> Option<Vec<i64>> { text.split(by).map(|part| part.parse().ok()).collect() };
    let (date, time) = (numbers(date, '-')?, numbers(time.split('.').next()?, ':')?);
    let (&[year, month, day], &[hour, minute, second]) = (date.as_slice(), time.as_slice()) else { return None };
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days since 1970 in the proleptic Gregorian calendar, by years that begin in March.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    u64::try_from(days * 86_400 + hour * 3_600 + minute * 60 + second).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn durations() {
        let check = |text: &str, expect: Option<u64>| assert_eq!(duration(text), expect, "{text}");
        check("90", Some(90));
        check("90s", Some(90));
        check("1h30m", Some(5_400));
        check("7d", Some(604_800));
        for bad in ["", "h", "1x", "1h3", "-1s", "99999999999999999999d"] {
            check(bad, None);
        }
    }

    #[test]
    fn times() {
        let check = |text: &str, expect: Option<u64>| assert_eq!(timestamp(text), expect, "{text}");
        check("1970-01-01T00:00:00Z", Some(0));
        check("2000-02-29T12:00:00Z", Some(951_825_600));
        check("2026-11-22T18:00:00.123456Z", Some(1_795_370_400));
        for bad in ["2026-11-22", "2026-13-22T00:00:00Z", "2026-11-22T25:00:00Z", "aT bZ"] {
            check(bad, None);
        }
    }

    #[test]
    fn an_objects_time() {
        let rules = |finished| Rules { key: "coracle.dev/ttl".to_owned(), finished };
        let made = "2000-01-01T00:00:00Z";
        let start = timestamp(made).unwrap();
        let map = |ttl: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"creationTimestamp": made, "labels": {"coracle.dev/ttl": ttl}}});
        assert_eq!(due(&map("1m"), &rules(None)), Ok(Due::At(start + 60)));
        assert_eq!(due(&map("2000-01-01T01:00:00Z"), &rules(None)), Ok(Due::At(start + 3_600)));
        assert!(due(&map("soon"), &rules(None)).unwrap_err().contains("\"soon\" is no duration"));

        let pod = |phase: &str, ttl: Option<&str>| {
            json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"creationTimestamp": made, "annotations": ttl.map(|ttl| json!({"coracle.dev/ttl": ttl}))},
                "status": {"phase": phase, "containerStatuses": [{"state": {"terminated": {"finishedAt": "2000-01-01T00:10:00Z"}}}]}})
        };
        assert_eq!(due(&pod("Running", Some("1m")), &rules(Some(5))), Ok(Due::Never), "its time has not begun");
        assert_eq!(due(&pod("Failed", Some("1m")), &rules(Some(5))), Ok(Due::At(start + 660)));
        assert_eq!(due(&pod("Succeeded", None), &rules(Some(5))), Ok(Due::At(start + 605)));
        assert_eq!(due(&pod("Succeeded", None), &rules(None)), Ok(Due::Never));

        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"creationTimestamp": made},
            "status": {"conditions": [{"type": "Failed", "status": "True", "lastTransitionTime": "2000-01-01T00:00:30Z"}]}});
        assert_eq!(due(&job, &rules(Some(5))), Ok(Due::At(start + 35)));
    }
}
