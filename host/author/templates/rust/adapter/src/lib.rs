//! A stream adapter: hides what stands behind `password=` in a container's log.

use coracle_plugin::adapter::{Adapter, Answer, Line, Origin};

const MARK: &str = "password=";

struct Hide;

impl Adapter for Hide {
    fn process(_origin: Origin, _carry: Vec<u8>, lines: Vec<Line>) -> Result<Answer, String> {
        Ok(Answer::lines(lines.into_iter().map(hidden).collect()))
    }
}

fn hidden(line: Line) -> Line {
    let text = line.lossy();
    let Some((before, after)) = text.split_once(MARK) else { return line };
    let rest = after.split_once(' ').map(|(_, rest)| format!(" {rest}")).unwrap_or_default();
    line.with(format!("{before}{MARK}***{rest}"))
}

coracle_plugin::adapter!(Hide);
