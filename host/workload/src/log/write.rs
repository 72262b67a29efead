//! Writing: bytes of a stream become CRI lines. The writer is synchronous (an append to the page cache), so that it can be
//! called from a wasm guest's output stream as well as from an async pump.

use super::{Entry, Rotation, Stream, timestamp};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncRead, AsyncReadExt};

/// A longer line is split, as containerd's `max_container_log_line_size` does.
const LONGEST_LINE: usize = 16 << 10;

/// One run's log file; clones write to the same file.
#[derive(Clone)]
pub struct LogWriter {
    file: Arc<Mutex<LogFile>>,
}

struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
    rotation: Rotation,
}

impl LogWriter {
    /// Opens `path` for appending; makes it (mode 0640) and its directory when they do not exist.
    pub fn open(path: &Path, rotation: Rotation) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let file = open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { file: Arc::new(Mutex::new(LogFile { path: path.to_owned(), file, size, rotation })) })
    }

    /// A writer for one of the container's streams. What follows the last newline is written when it is dropped.
    pub fn stream(&self, stream: Stream) -> LineWriter {
        LineWriter { file: self.file.clone(), stream, pending: Vec::new(), out: Vec::new() }
    }

    /// Appends lines with the times they have. A newline within a text ends a line; a text that is too long is split.
    ///
    /// # Errors
    /// The file cannot be written to: nothing, or a part, was appended.
    pub fn append(&self, entries: &[Entry]) -> io::Result<()> {
        let mut out = Vec::new();
        for entry in entries {
            let time = timestamp(UNIX_EPOCH + Duration::from_nanos(entry.time));
            let mut lines = entry.text.split(|byte| *byte == b'\n').peekable();
            while let Some(line) = lines.next() {
                let mut pieces = line.chunks(LONGEST_LINE).peekable();
                let last = lines.peek().is_none();
                if pieces.peek().is_none() {
                    put(&mut out, &time, entry.stream, if last && entry.continues { b'P' } else { b'F' }, &[]);
                }
                while let Some(piece) = pieces.next() {
                    let goes_on = pieces.peek().is_some() || (last && entry.continues);
                    put(&mut out, &time, entry.stream, if goes_on { b'P' } else { b'F' }, piece);
                }
            }
        }
        if out.is_empty() {
            return Ok(());
        }
        self.file.lock().unwrap_or_else(PoisonError::into_inner).append(&out)
    }
}

fn put(out: &mut Vec<u8>, time: &str, stream: Stream, tag: u8, text: &[u8]) {
    out.extend_from_slice(time.as_bytes());
    out.push(b' ');
    out.extend_from_slice(stream.name().as_bytes());
    out.extend_from_slice(&[b' ', tag, b' ']);
    out.extend_from_slice(text);
    out.push(b'\n');
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

impl LogFile {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.size > 0 && self.size.saturating_add(lines.len() as u64) > self.rotation.max_bytes {
            // A rotation that fails (a full disk) must not lose what is written now.
            match self.rotation.rotate(&self.path).and_then(|()| open(&self.path)) {
                Ok(file) => {
                    self.file = file;
                    self.size = 0;
                }
                Err(error) => tracing::warn!(%error, path = %self.path.display(), "log is not rotated"),
            }
        }
        self.file.write_all(lines)?;
        self.size = self.size.saturating_add(lines.len() as u64);
        Ok(())
    }
}

/// One stream of one container.
pub struct LineWriter {
    file: Arc<Mutex<LogFile>>,
    stream: Stream,
    /// Bytes after the last newline, shorter than [`LONGEST_LINE`].
    pending: Vec<u8>,
    out: Vec<u8>,
}

impl LineWriter {
    /// Takes what the container wrote. Complete lines reach the file before this returns.
    pub fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let now = timestamp(SystemTime::now());
        while !bytes.is_empty() {
            let room = LONGEST_LINE - self.pending.len();
            let window = bytes.get(..room.min(bytes.len())).unwrap_or(bytes);
            match window.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    let (line, rest) = bytes.split_at(end);
                    self.line(&now, b'F', line);
                    bytes = rest.get(1..).unwrap_or_default();
                }
                None if window.len() == room => {
                    let (part, rest) = bytes.split_at(room);
                    // A line of exactly the longest length is complete when its newline is next.
                    match rest.split_first() {
                        Some((b'\n', rest)) => {
                            self.line(&now, b'F', part);
                            bytes = rest;
                        }
                        _ => {
                            self.line(&now, b'P', part);
                            bytes = rest;
                        }
                    }
                }
                None => {
                    self.pending.extend_from_slice(window);
                    bytes = &[];
                }
            }
        }
        self.write_out()
    }

    /// Writes an unfinished line as a partial one.
    pub fn flush(&mut self) -> io::Result<()> {
        if !self.pending.is_empty() {
            self.line(&timestamp(SystemTime::now()), b'P', &[]);
        }
        self.write_out()
    }

    fn line(&mut self, now: &str, tag: u8, rest: &[u8]) {
        self.out.extend_from_slice(now.as_bytes());
        self.out.push(b' ');
        self.out.extend_from_slice(self.stream.name().as_bytes());
        self.out.extend_from_slice(&[b' ', tag, b' ']);
        self.out.append(&mut self.pending);
        self.out.extend_from_slice(rest);
        self.out.push(b'\n');
    }

    fn write_out(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let written = self.file.lock().unwrap_or_else(PoisonError::into_inner).append(&self.out);
        self.out.clear();
        written
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        if let Err(error) = self.flush() {
            tracing::warn!(%error, "the end of a log is lost");
        }
    }
}

/// Copies a container's pipe into its log until the pipe ends. A log that cannot be written loses lines; the container is
/// never blocked by it.
pub async fn pump(mut reader: impl AsyncRead + Unpin, mut log: LineWriter) -> io::Result<()> {
    // A pipe's capacity is 64 KiB; a read of a quarter keeps an idle container cheap.
    let mut buffer = vec![0; 16 << 10];
    let mut failed = false;
    loop {
        let n = reader.read(&mut buffer).await?;
        if n == 0 {
            return log.flush();
        }
        if let Err(error) = log.write(buffer.get(..n).unwrap_or_default()) {
            if !failed {
                tracing::warn!(%error, "log lines are lost");
            }
            failed = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of a log without their times, which are checked for their length.
    fn lines(path: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines()
            .map(|line| {
                let (time, rest) = line.split_once(' ').unwrap();
                assert_eq!(time.len(), super::super::TIMESTAMP);
                rest.to_owned()
            })
            .collect()
    }

    #[test]
    fn bytes_become_lines() {
        let long = "x".repeat(LONGEST_LINE);
        let full = |text: &str| format!("stdout F {text}");
        let part = |text: &str| format!("stdout P {text}");
        let check = |writes: &[&str], expect: &[String]| {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("pod/0.log");
            let log = LogWriter::open(&path, Rotation::default()).unwrap();
            let mut stream = log.stream(Stream::Stdout);
            for bytes in writes {
                stream.write(bytes.as_bytes()).unwrap();
            }
            drop(stream);
            assert_eq!(lines(&path), expect, "{writes:?}");
        };
        check(&[], &[]);
        check(&["a\nb\n"], &[full("a"), full("b")]);
        check(&["a", "b", "\n", "\n"], &[full("ab"), full("")]);
        check(&["a\nb"], &[full("a"), part("b")]);
        check(&[&long, "\n"], &[part(&long), full("")]);
        check(&[&format!("{long}\n")], &[full(&long)]);
        check(&[&format!("{long}y\n")], &[part(&long), full("y")]);
        check(&[&format!("{long}{long}"), "z\n"], &[part(&long), part(&long), full("z")]);
    }

    #[test]
    fn streams_do_not_mix_within_a_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("0.log");
        let log = LogWriter::open(&path, Rotation::default()).unwrap();
        let (mut out, mut err) = (log.stream(Stream::Stdout), log.stream(Stream::Stderr));
        out.write(b"o1 ").unwrap();
        err.write(b"e1\n").unwrap();
        out.write(b"o2\n").unwrap();
        assert_eq!(lines(&path), ["stderr F e1", "stdout F o1 o2"]);
    }

    #[test]
    fn entries_are_appended_as_lines() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("0.log");
        let log = LogWriter::open(&path, Rotation::default()).unwrap();
        let entry = |text: &str, continues| Entry { time: 1_000_000_002, stream: Stream::Stderr, continues, text: text.into() };
        let long = "x".repeat(LONGEST_LINE + 1);
        log.append(&[entry("a", false), entry("b\nc", true), entry("", false), entry(&long, false)]).unwrap();
        let expect = ["F a", "F b", "P c", "F ", &format!("P {}", "x".repeat(LONGEST_LINE)), "F x"].map(|l| format!("stderr {l}"));
        assert_eq!(lines(&path), expect);
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("1970-01-01T00:00:01.000000002Z "));
    }

    #[test]
    fn a_log_is_rotated() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("0.log");
        let log = LogWriter::open(&path, Rotation { max_bytes: 100, max_files: 3 }).unwrap();
        let mut stream = log.stream(Stream::Stdout);
        for index in 0..20 {
            stream.write(format!("line {index}\n").as_bytes()).unwrap();
        }
        let mut names: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().path()).collect();
        names.sort();
        assert_eq!(names.len(), 3, "{names:?}");
        let text: Vec<String> = names[1..].iter().chain([&names[0]]).flat_map(|path| lines(path)).collect();
        assert_eq!(text.last().unwrap(), "stdout F line 19");
        let numbers: Vec<u32> = text.iter().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    }
}
