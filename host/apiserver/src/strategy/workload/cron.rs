//! Schedules as upstream's parser takes them (`github.com/robfig/cron` ParseStandard): five fields, or `@hourly`, `@every 5m`.

/// A field's numbers, and their names from the first on.
struct Bounds {
    min: u64,
    max: u64,
    names: &'static [&'static str],
}

/// Minute, hour, day of the month, month, day of the week.
const FIELDS: [Bounds; 5] = [
    Bounds { min: 0, max: 59, names: &[] },
    Bounds { min: 0, max: 23, names: &[] },
    Bounds { min: 1, max: 31, names: &[] },
    Bounds { min: 1, max: 12, names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"] },
    Bounds { min: 0, max: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

/// Whether a schedule can be read; why not, in upstream's words. `is_zone`: knows names of time zones.
pub fn parse(schedule: &str, is_zone: fn(&str) -> bool) -> Result<(), String> {
    let mut rest = schedule;
    if rest.starts_with("TZ=") || rest.starts_with("CRON_TZ=") {
        let (head, tail) = rest.split_once(' ').unwrap_or((rest, ""));
        let zone = head.split_once('=').map_or("", |(_, zone)| zone);
        if !matches!(zone, "" | "Local") && !is_zone(zone) {
            return Err(format!("provided bad location {zone}: unknown time zone {zone}"));
        }
        rest = tail.trim();
    }
    if rest.is_empty() {
        return Err("empty spec string".to_owned());
    }
    if rest.starts_with('@') {
        return descriptor(rest);
    }
    let fields: Vec<&str> = rest.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(format!("expected exactly {} fields, found {}: [{}]", FIELDS.len(), fields.len(), fields.join(" ")));
    }
    for (field, bounds) in fields.iter().zip(&FIELDS) {
        // Empty parts between commas are left out.
        field.split(',').filter(|part| !part.is_empty()).try_for_each(|part| range(part, bounds))?;
    }
    Ok(())
}

fn descriptor(text: &str) -> Result<(), String> {
    if let Some(duration) = text.strip_prefix("@every ") {
        return match object::time::parse_duration(duration) {
            Some(_) => Ok(()),
            None => Err(format!("failed to parse duration {text}: time: invalid duration {duration:?}")),
        };
    }
    match text {
        "@yearly" | "@annually" | "@monthly" | "@weekly" | "@daily" | "@midnight" | "@hourly" => Ok(()),
        _ => Err(format!("unrecognized descriptor: {text}")),
    }
}

/// `number`, `number-number`, `*`, each with an optional `/step`.
fn range(text: &str, bounds: &Bounds) -> Result<(), String> {
    let with_step: Vec<&str> = text.split('/').collect();
    let ends: Vec<&str> = with_step.first().copied().unwrap_or_default().split('-').collect();
    let (start, mut end) = match ends.as_slice() {
        ["*" | "?", ..] => (bounds.min, bounds.max),
        [one] => {
            let one = number_or_name(one, bounds)?;
            (one, one)
        }
        [from, to] => (number_or_name(from, bounds)?, number_or_name(to, bounds)?),
        _ => return Err(format!("too many hyphens: {text}")),
    };
    let step = match with_step.as_slice() {
        [_] => 1,
        [_, step] => {
            let step = number(step)?;
            // From a number on, every so many.
            if ends.len() == 1 {
                end = bounds.max;
            }
            step
        }
        _ => return Err(format!("too many slashes: {text}")),
    };
    if start < bounds.min {
        return Err(format!("beginning of range ({start}) below minimum ({}): {text}", bounds.min));
    }
    if end > bounds.max {
        return Err(format!("end of range ({end}) above maximum ({}): {text}", bounds.max));
    }
    if start > end {
        return Err(format!("beginning of range ({start}) beyond end of range ({end}): {text}"));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {text}"));
    }
    Ok(())
}

fn number_or_name(text: &str, bounds: &Bounds) -> Result<u64, String> {
    let lower = text.to_lowercase();
    match (bounds.min..).zip(bounds.names).find(|(_, name)| **name == lower) {
        Some((number, _)) => Ok(number),
        None => number(text),
    }
}

fn number(text: &str) -> Result<u64, String> {
    // Go takes a plus sign as well.
    let number: i64 =
        text.parse().map_err(|_| format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax"))?;
    u64::try_from(number).map_err(|_| format!("negative number ({number}) not allowed: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules() {
        for (schedule, expect) in [
            ("* * * * *", ""),
            ("*/5 0-23/2 1,15 jan-Mar mon", ""),
            ("5/15 * * * ?", ""),
            ("@hourly", ""),
            ("@every 1h30m", ""),
            ("TZ=Europe/Berlin 0 0 * * *", ""),
            ("TZ=Mars/Base 0 0 * * *", "provided bad location Mars/Base: unknown time zone Mars/Base"),
            ("@never", "unrecognized descriptor: @never"),
            ("@every x", "failed to parse duration @every x: time: invalid duration \"x\""),
            ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
            ("60 * * * *", "end of range (60) above maximum (59): 60"),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("5-3 * * * *", "beginning of range (5) beyond end of range (3): 5-3"),
            ("*/0 * * * *", "step of range should be a positive number: */0"),
            ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
            ("1/2/3 * * * *", "too many slashes: 1/2/3"),
            ("x * * * *", "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax"),
            ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ] {
            let got = parse(schedule, |zone| zone == "Europe/Berlin").err().unwrap_or_default();
            assert_eq!(got, expect, "{schedule}");
        }
    }
}
