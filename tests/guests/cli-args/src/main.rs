//! `cli-args [args|env|cat PATH|write PATH TEXT|exit CODE|fail|trap|sleep SECONDS]`

use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    match words.as_slice() {
        [] | ["args", ..] => println!("args: {}", args.join(" ")),
        ["env"] => std::env::vars().for_each(|(name, value)| println!("{name}={value}")),
        ["cat", path] => match std::fs::read_to_string(path) {
            Ok(text) => print!("{text}"),
            Err(error) => return fail(&format!("{path}: {error}")),
        },
        ["write", path, text] => {
            if let Err(error) = std::fs::write(path, text) {
                return fail(&format!("{path}: {error}"));
            }
        }
        ["exit", code] => std::process::exit(code.parse().unwrap_or(1)),
        ["fail"] => return fail("failed, as it was told"),
        ["trap"] => std::process::abort(),
        ["sleep", seconds] => {
            println!("sleeping");
            std::thread::sleep(Duration::from_secs(seconds.parse().unwrap_or(1)));
        }
        _ => return fail("what?"),
    }
    ExitCode::SUCCESS
}

fn fail(text: &str) -> ExitCode {
    eprintln!("{text}");
    ExitCode::FAILURE
}
