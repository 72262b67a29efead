//! Prometheus' text form, version 0.0.4.

use super::histogram::Histogram;
use std::fmt::{Display, Write};

#[derive(Default)]
pub struct Text {
    pub out: String,
}

impl Text {
    pub fn head(&mut self, name: &str, ty: &str, help: &str) {
        let _ = write!(self.out, "# HELP {name} {help}\n# TYPE {name} {ty}\n");
    }

    /// `labels` without braces; may be empty.
    pub fn line(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = if labels.is_empty() { writeln!(self.out, "{name} {value}") } else { writeln!(self.out, "{name}{{{labels}}} {value}") };
    }

    /// Leaves out the first bounds; their observations are in those above.
    pub fn histogram(&mut self, name: &str, labels: &str, histogram: &Histogram, from: usize) {
        let comma = if labels.is_empty() { "" } else { "," };
        for (bound, count) in histogram.cumulative().skip(from) {
            let bound = bound.map_or_else(|| "+Inf".to_owned(), number);
            let _ = writeln!(self.out, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}");
        }
        self.line(&format!("{name}_sum"), labels, number(histogram.sum()));
        self.line(&format!("{name}_count"), labels, histogram.count());
    }
}

/// As Go's `strconv.FormatFloat(f, 'g', -1, 64)` writes it.
fn number(value: f64) -> String {
    if value != 0.0 && !(1e-4..1e21).contains(&value.abs()) || value.abs() >= 1e6 && value % 1e5 == 0.0 {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |e| ('-', e));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_go_writes_them() {
        for (value, expect) in
            [(0.0, "0"), (0.005, "0.005"), (1.0, "1"), (1.25, "1.25"), (60.0, "60"), (100_000.0, "100000"), (1e6, "1e+06"), (1e-5, "1e-05")]
        {
            assert_eq!(number(value), expect);
        }
    }
}
