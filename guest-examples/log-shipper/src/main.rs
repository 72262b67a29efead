//! Follows the file named by the first argument, which the container beside it writes, and ships each line to stdout as
//! JSON with a label. The two containers share a volume and nothing else.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::thread::sleep;
use std::time::Duration;

/// How long to wait for more once the end of the file is reached.
const PAUSE: Duration = Duration::from_millis(200);

fn main() {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: log-shipper FILE");
        std::process::exit(2);
    };
    let source = std::env::var("SOURCE").unwrap_or_else(|_| "app".to_owned());
    let mut position = 0;
    let mut rest = String::new();
    loop {
        if let Ok(mut file) = File::open(&path) {
            // A file shorter than what was read was rotated: start again.
            if file.metadata().is_ok_and(|m| m.len() < position) {
                position = 0;
            }
            let mut text = String::new();
            if file.seek(SeekFrom::Start(position)).is_ok() && file.read_to_string(&mut text).is_ok() {
                position += text.len() as u64;
                rest.push_str(&text);
                while let Some((line, after)) = rest.split_once('\n') {
                    println!("{{\"source\":{},\"line\":{}}}", quote(&source), quote(line));
                    rest = after.to_owned();
                }
            }
        }
        sleep(PAUSE);
    }
}

/// A JSON string.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
