//! Tables on stdout, in Markdown, so that they can be put into `docs/benchmarks.md` as they are.

use std::time::Duration;

pub struct Table {
    title: String,
    rows: Vec<[String; 3]>,
}

impl Table {
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), rows: Vec::new() }
    }

    /// A figure and the budget beside it.
    pub fn row(&mut self, what: impl Into<String>, figure: impl Into<String>, budget: impl Into<String>) {
        self.rows.push([what.into(), figure.into(), budget.into()]);
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        println!("\n### {}\n\n| what | measured | budget |\n| --- | --- | --- |", self.title);
        for [what, figure, budget] in &self.rows {
            println!("| {what} | {figure} | {budget} |");
        }
    }
}

/// A table with columns of its own.
pub struct Grid {
    title: String,
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    pub fn new(title: impl Into<String>, head: &[&'static str]) -> Self {
        Self { title: title.into(), head: head.to_vec(), rows: Vec::new() }
    }

    /// One text for each column.
    pub fn row<const N: usize>(&mut self, row: [String; N]) {
        self.rows.push(row.into());
    }
}

impl Drop for Grid {
    fn drop(&mut self) {
        let rule = vec!["---"; self.head.len()].join(" | ");
        println!("\n### {}\n\n| {} |\n| {rule} |", self.title, self.head.join(" | "));
        for row in &self.rows {
            println!("| {} |", row.join(" | "));
        }
    }
}

/// In the unit that suits it.
pub fn time(time: Duration) -> String {
    match time.as_secs_f64() * 1e6 {
        micros if micros < 1e3 => format!("{micros:.1} µs"),
        micros if micros < 1e6 => format!("{:.2} ms", micros / 1e3),
        micros => format!("{:.2} s", micros / 1e6),
    }
}

pub fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// The value that `part` (0..=1) of all are not above.
pub fn quantile(times: &mut [Duration], part: f64) -> Duration {
    times.sort();
    let last = times.len().saturating_sub(1);
    let at = (last as f64 * part).round() as usize;
    times.get(at).copied().unwrap_or_default()
}
