//! `hog [MIB]`: takes memory, a MiB at a time, up to MIB or without end; then holds it.

use std::hint::black_box;

fn main() {
    let most = std::env::args().nth(1).and_then(|most| most.parse().ok()).unwrap_or(usize::MAX);
    let mut held: Vec<Vec<u8>> = Vec::new();
    while held.len() < most {
        held.push(black_box(vec![1; 1 << 20]));
        println!("{} MiB", held.len());
    }
    loop {
        std::thread::sleep(std::time::Duration::from_secs(3600));
    }
}
