//! Rewrites a report of fixed columns, as old programs write it, as JSON lines, and counts what was sold:
//!
//! ```text
//! REPORT 20260131 STORE 0042
//! ITEM   0001 WIDGET              0000012 0001999
//! TOTAL  0001
//! ```
//!
//! An item is a line of its own, and needs store and date of the line above it, which may have come with an earlier call:
//! they are what this adapter carries. Any other line stays as it is.

wit_bindgen::generate!({ path: "../../wit", world: "adapter" });

use exports::coracle::plugin::adapt::{Answer, Guest, Kind, Line, Origin, Sample};

struct Report;

export!(Report);

/// The head of the report that lines belong to: `<date> <store> <items so far>`.
#[derive(Clone, Debug, Default, PartialEq)]
struct Head {
    date: String,
    store: String,
    items: u64,
}

impl Head {
    fn read(carry: &[u8]) -> Self {
        let text = String::from_utf8_lossy(carry);
        let mut words = text.split(' ');
        let mut next = || words.next().unwrap_or_default().to_owned();
        Self { date: next(), store: next(), items: next().parse().unwrap_or_default() }
    }

    fn write(&self) -> Vec<u8> {
        format!("{} {} {}", self.date, self.store, self.items).into_bytes()
    }
}

impl Guest for Report {
    fn process(_: Origin, carry: Vec<u8>, lines: Vec<Line>) -> Result<Answer, String> {
        let mut head = Head::read(&carry);
        let mut answer = Answer { carry: Vec::new(), lines: Vec::new(), samples: Vec::new() };
        for line in lines {
            let text = String::from_utf8_lossy(&line.text).into_owned();
            match rewrite(&text, &mut head, &mut answer.samples) {
                Rewritten::Json(json) => answer.lines.push(Line { text: json.into_bytes(), ..line }),
                Rewritten::Nothing => {}
                Rewritten::Unknown => answer.lines.push(line),
            }
        }
        answer.carry = head.write();
        Ok(answer)
    }

    fn flush(_: Origin, _: Vec<u8>) -> Result<Answer, String> {
        Ok(Answer { carry: Vec::new(), lines: Vec::new(), samples: Vec::new() })
    }
}

enum Rewritten {
    Json(String),
    Nothing,
    Unknown,
}

fn rewrite(text: &str, head: &mut Head, samples: &mut Vec<Sample>) -> Rewritten {
    match column(text, 0, 7) {
        "REPORT" => {
            let date = column(text, 7, 8);
            *head = Head { date: dashed(date), store: column(text, 22, 4).to_owned(), items: 0 };
            Rewritten::Nothing
        }
        "ITEM" => {
            let numbers = (column(text, 32, 7).parse::<u64>(), column(text, 40, 7).parse::<u64>());
            let (Ok(quantity), Ok(cents)) = numbers else { return Rewritten::Unknown };
            head.items += 1;
            let (item, name) = (column(text, 7, 4), column(text, 12, 19));
            let labels = vec![("item".to_owned(), item.to_owned()), ("store".to_owned(), head.store.clone())];
            samples.push(sample("report_items_sold_total", labels.clone(), quantity as f64));
            samples.push(sample("report_sales_cents_total", labels, (quantity * cents) as f64));
            Rewritten::Json(format!(
                "{{\"date\":{},\"item\":{},\"name\":{},\"price\":{}.{:02},\"quantity\":{quantity},\"store\":{}}}",
                quoted(&head.date),
                quoted(item),
                quoted(name),
                cents / 100,
                cents % 100,
                quoted(&head.store)
            ))
        }
        "TOTAL" => {
            let complete = column(text, 7, 4).parse::<u64>() == Ok(head.items);
            samples.push(sample("reports_total", vec![("complete".to_owned(), complete.to_string())], 1.0));
            Rewritten::Json(format!("{{\"complete\":{complete},\"items\":{},\"store\":{}}}", head.items, quoted(&head.store)))
        }
        _ => Rewritten::Unknown,
    }
}

fn sample(name: &str, labels: Vec<(String, String)>, value: f64) -> Sample {
    Sample { name: name.to_owned(), kind: Kind::Counter, labels, value }
}

/// What stands in `length` columns from `from` on, without the blanks around it.
fn column(text: &str, from: usize, length: usize) -> &str {
    let end = (from + length).min(text.len());
    text.get(from..end).unwrap_or_default().trim()
}

/// `20260131` as `2026-01-31`.
fn dashed(date: &str) -> String {
    match (date.get(..4), date.get(4..6), date.get(6..8)) {
        (Some(year), Some(month), Some(day)) => format!("{year}-{month}-{day}"),
        _ => date.to_owned(),
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
