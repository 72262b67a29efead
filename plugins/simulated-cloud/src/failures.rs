//! Failures on purpose, by the setting `fail`: one a line (or between semicolons), `<call> [<object>]: <how> [<times>]`.

use crate::coracle::plugin::cloud_types::{Failure, RetryAfter};
use crate::{read, setting, write};

/// Fails if the settings say that this call about this object is to fail.
pub fn pass(call: &str, object: &str) -> Result<(), Failure> {
    for (number, line) in setting("fail", "").split(['\n', ';']).map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        let Some((what, how)) = line.split_once(':') else {
            return Err(Failure::Failed(format!("setting fail: {line:?} has no colon")));
        };
        let mut what = what.split_whitespace();
        if what.next() != Some(call) || what.next().is_some_and(|name| name != object) {
            continue;
        }
        let mut how = how.split_whitespace();
        let kind = how.next().unwrap_or("failed");
        if let Some(times) = how.next().and_then(|times| times.parse::<u32>().ok()) {
            let key = format!("failed.{number}");
            let done: u32 = read(&key)?.and_then(|text| text.parse().ok()).unwrap_or(0);
            if done >= times {
                continue;
            }
            write(&key, &(done + 1).to_string())?;
        }
        return Err(match kind {
            "retry" => Failure::Retry(RetryAfter { message: "the simulated cloud is at work".to_owned(), milliseconds: 100 }),
            "elsewhere" => Failure::ImplementedElsewhere,
            "unsupported" => Failure::NotSupported,
            "trap" => std::process::abort(),
            _ => Failure::Failed(format!("the simulated cloud fails to {call} {object}").trim().to_owned()),
        });
    }
    Ok(())
}
