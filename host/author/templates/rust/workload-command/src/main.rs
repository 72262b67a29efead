//! A program that runs once, `wasi:cli/command`: counts the lines, words and bytes of the files that it is given.

use std::process::ExitCode;

fn main() -> ExitCode {
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        eprintln!("say which files: PLUGIN_NAME FILE...");
        return ExitCode::FAILURE;
    }
    let mut code = ExitCode::SUCCESS;
    for file in files {
        match std::fs::read_to_string(&file) {
            Ok(text) => println!("{}", count(&file, &text)),
            Err(error) => {
                eprintln!("{file}: {error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

fn count(file: &str, text: &str) -> String {
    format!("{file}: {} lines, {} words, {} bytes", text.lines().count(), text.split_whitespace().count(), text.len())
}
