//! Does what a line says. `arg.mark` of the annotation, else `config.mark`, is put before each line.

wit_bindgen::generate!({ path: "../../../wit", world: "adapter" });

use coracle::plugin::config;
use exports::coracle::plugin::adapt::{Answer, Guest, Line, Origin};

struct Told;

export!(Told);

fn nothing() -> Answer {
    Answer { carry: Vec::new(), lines: Vec::new(), samples: Vec::new() }
}

impl Guest for Told {
    fn process(origin: Origin, _: Vec<u8>, lines: Vec<Line>) -> Result<Answer, String> {
        let behaves = config::get("behave").is_some();
        let argument = origin.arguments.iter().find(|(name, _)| name == "mark").map(|(_, value)| value.clone());
        let mark = argument.or_else(|| config::get("mark")).unwrap_or_default();
        let mut answer = nothing();
        for mut line in lines {
            match line.text.as_slice() {
                _ if behaves => {}
                b"trap" => std::process::abort(),
                b"loop" => loop {
                    std::hint::black_box(0);
                },
                b"hog" => {
                    let mut all = Vec::new();
                    loop {
                        all.push(vec![1_u8; 1 << 20]);
                        std::hint::black_box(&all);
                    }
                }
                b"recurse" => drop(std::hint::black_box(deep(0))),
                b"flood" => answer.lines = vec![line.clone(); 5000],
                b"carry" => answer.carry = vec![0; 65 << 10],
                b"error" => return Err("told to fail".to_owned()),
                _ => {}
            }
            line.text = [mark.as_bytes(), &line.text].concat();
            answer.lines.push(line);
        }
        Ok(answer)
    }

    fn flush(_: Origin, _: Vec<u8>) -> Result<Answer, String> {
        Ok(nothing())
    }
}

#[allow(unconditional_recursion)]
fn deep(depth: u64) -> u64 {
    std::hint::black_box(deep(std::hint::black_box(depth + 1))) + 1
}
