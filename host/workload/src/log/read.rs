//! Reading, with the options of `kubectl logs`. Source: `k8s.io/cri-client/pkg/logs/logs.go`.

use super::follow::Watch;
use super::{Entry, Stream, TIMESTAMP, timestamp};
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tokio::sync::mpsc;

/// Bytes read at once.
const CHUNK: usize = 64 << 10;

#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    pub follow: bool,
    /// Lines of the file (parts of a split line count), from its end.
    pub tail_lines: Option<u64>,
    pub since: Option<SystemTime>,
    /// Each line begins with its RFC 3339 time and a space.
    pub timestamps: bool,
    pub limit_bytes: Option<u64>,
    /// Only this stream; both otherwise.
    pub stream: Option<Stream>,
}

/// The text of the log at `path`. With `follow` it goes on until `ended` resolves (the container has ended and its last bytes
/// are written), and then ends after the last byte; it goes over to the new file when the log is rotated.
/// Dropping the stream frees everything.
///
/// # Errors
/// The file does not exist or cannot be read.
pub async fn read(path: &Path, options: ReadOptions, ended: BoxFuture<'static, ()>) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
    // Watched before the first read: no growth is missed.
    let watch = options.follow.then(|| Watch::new(path)).transpose()?;
    let path = path.to_owned();
    let tail = options.tail_lines;
    let opened = path.clone();
    let file = blocking(move || {
        let mut file = File::open(opened)?;
        if let Some(lines) = tail {
            seek_to_tail(&mut file, lines)?;
        }
        Ok(file)
    })
    .await?;
    // One chunk ahead of the client at most.
    let (sender, mut receiver) = mpsc::channel(1);
    let lines = Lines { since: options.since.map(timestamp), remaining: options.limit_bytes, options, pending: Vec::new() };
    tokio::spawn(async move {
        let gone = sender.clone();
        let work = Reader { path, file, lines, watch, ended, sender }.run();
        tokio::select! {
            () = gone.closed() => {}
            outcome = work => if let Err(error) = outcome {
                drop(gone.send(Err(error)).await);
            }
        }
    });
    Ok(futures::stream::poll_fn(move |context| receiver.poll_recv(context)).boxed())
}

async fn blocking<T: Send + 'static>(f: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(f).await.map_err(io::Error::other)?
}

struct Reader {
    path: PathBuf,
    file: File,
    lines: Lines,
    watch: Option<Watch>,
    ended: BoxFuture<'static, ()>,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl Reader {
    async fn run(mut self) -> io::Result<()> {
        let mut last = self.watch.is_none();
        loop {
            self = self.drain().await?;
            if self.lines.is_done() {
                return Ok(());
            }
            if let Some(next) = self.rotated()? {
                // Nothing is appended to the old file any more, but something may have been since `drain`.
                self = self.drain().await?;
                self.file = next;
                continue;
            }
            if last {
                return Ok(());
            }
            let Some(watch) = &self.watch else { return Ok(()) };
            tokio::select! {
                changed = watch.changed() => changed?,
                () = &mut self.ended => last = true,
            }
        }
    }

    /// Sends everything up to the file's present end.
    async fn drain(mut self) -> io::Result<Self> {
        loop {
            let (reader, read, out) = blocking(move || {
                let mut buffer = vec![0; CHUNK];
                let n = self.file.read(&mut buffer)?;
                let out = self.lines.take(buffer.get(..n).unwrap_or_default());
                Ok((self, n, out))
            })
            .await?;
            self = reader;
            if !out.is_empty() && self.sender.send(Ok(out.into())).await.is_err() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            if read == 0 || self.lines.is_done() {
                return Ok(self);
            }
        }
    }

    /// The file now at `path`, if it is another one.
    fn rotated(&self) -> io::Result<Option<File>> {
        if self.watch.is_none() {
            return Ok(None);
        }
        let file = match File::open(&self.path) {
            Ok(file) => file,
            // Between the rename and the new file, or the pod is gone.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let (new, old) = (file.metadata()?, self.file.metadata()?);
        Ok(((new.dev(), new.ino()) != (old.dev(), old.ino())).then_some(file))
    }
}

/// Turns lines of the file into the text asked for.
struct Lines {
    options: ReadOptions,
    since: Option<String>,
    remaining: Option<u64>,
    /// A line whose end is not yet read.
    pending: Vec<u8>,
}

impl Lines {
    fn is_done(&self) -> bool {
        self.remaining == Some(0)
    }

    fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !line.ends_with(b"\n") {
                self.pending.extend_from_slice(line);
            } else if self.pending.is_empty() {
                self.line(line, &mut out);
            } else {
                let mut whole = std::mem::take(&mut self.pending);
                whole.extend_from_slice(line);
                self.line(&whole, &mut out);
            }
        }
        if let Some(remaining) = &mut self.remaining {
            out.truncate(usize::try_from(*remaining).unwrap_or(usize::MAX));
            *remaining -= out.len() as u64;
        }
        out
    }

    /// `line` is `time stream tag text\n`. What has another form is passed over, as upstream does.
    fn line(&self, line: &[u8], out: &mut Vec<u8>) {
        let Some((time, rest)) = split(line) else { return };
        let Some((stream, rest)) = split(rest) else { return };
        let Some((tag, text)) = split(rest) else { return };
        if self.options.stream.is_some_and(|wanted| wanted.name().as_bytes() != stream) {
            return;
        }
        if self.since.as_ref().is_some_and(|since| time.len() == TIMESTAMP && time < since.as_bytes()) {
            return;
        }
        if self.options.timestamps {
            out.extend_from_slice(time);
            out.push(b' ');
        }
        // The newline belongs to the text of a full line only.
        let partial = tag == b"P" || tag.starts_with(b"P:");
        out.extend_from_slice(if partial { text.strip_suffix(b"\n").unwrap_or(text) } else { text });
    }
}

fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = line.iter().position(|byte| *byte == b' ')?;
    Some((line.get(..space)?, line.get(space + 1..)?))
}

/// A line of a log file, with or without its newline. `None` for what has another form.
pub fn parse(line: &[u8]) -> Option<Entry> {
    let (time, rest) = split(line)?;
    let (stream, rest) = split(rest)?;
    let (tag, text) = split(rest)?;
    let stream = [Stream::Stdout, Stream::Stderr].into_iter().find(|known| known.name().as_bytes() == stream)?;
    let format = &time::format_description::well_known::Rfc3339;
    let time = time::OffsetDateTime::parse(std::str::from_utf8(time).ok()?, format).ok()?.unix_timestamp_nanos();
    let text = text.strip_suffix(b"\n").unwrap_or(text).to_vec();
    Some(Entry { time: u64::try_from(time).ok()?, stream, continues: tag == b"P" || tag.starts_with(b"P:"), text })
}

/// Seeks to the start of the last `lines` lines, reading from the end.
fn seek_to_tail(file: &mut File, lines: u64) -> io::Result<()> {
    let mut position = file.seek(SeekFrom::End(0))?;
    if lines == 0 {
        return Ok(());
    }
    // The newline before the first wanted line, counted from the end: the last byte of the file is one as well.
    let mut left = lines.saturating_add(1);
    let mut buffer = vec![0; CHUNK];
    while position > 0 {
        let n = position.min(CHUNK as u64);
        position -= n;
        file.seek(SeekFrom::Start(position))?;
        let window = buffer.get_mut(..usize::try_from(n).unwrap_or(CHUNK)).unwrap_or_default();
        file.read_exact(window)?;
        for (index, byte) in window.iter().enumerate().rev() {
            if *byte == b'\n' {
                left -= 1;
                if left == 0 {
                    file.seek(SeekFrom::Start(position + index as u64 + 1))?;
                    return Ok(());
                }
            }
        }
    }
    file.seek(SeekFrom::Start(0)).map(drop)
}

#[cfg(test)]
mod tests {
    #[test]
    fn lines_are_parsed() {
        let parsed =
            |line: &str| super::parse(line.as_bytes()).map(|e| (e.time, e.stream.name(), e.continues, String::from_utf8(e.text).unwrap()));
        let check = |line: &str, expect: Option<(u64, &'static str, bool, &str)>| {
            assert_eq!(parsed(line), expect.map(|(t, s, c, x)| (t, s, c, x.to_owned())), "{line}");
        };
        check("1970-01-01T00:00:01.000000002Z stdout F a b\n", Some((1_000_000_002, "stdout", false, "a b")));
        check("1970-01-01T00:00:00.000000000Z stderr P ", Some((0, "stderr", true, "")));
        check("1970-01-01T00:00:00.000000000Z stdin F a", None);
        check("yesterday stdout F a", None);
        check("", None);
    }

    use super::super::{LogWriter, Rotation};
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn second(n: u64) -> String {
        timestamp(UNIX_EPOCH + Duration::from_secs(n))
    }

    async fn all(path: &Path, options: ReadOptions) -> String {
        let mut stream = read(path, options, Box::pin(std::future::pending())).await.unwrap();
        let mut text = Vec::new();
        while let Some(bytes) = stream.next().await {
            text.extend_from_slice(&bytes.unwrap());
        }
        String::from_utf8(text).unwrap()
    }

    #[tokio::test]
    async fn options() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("0.log");
        let log: String =
            [(1, "stdout F", "one"), (2, "stderr F", "two"), (3, "stdout P", "thr"), (3, "stdout F", "ee"), (4, "stdout F", "four")]
                .iter()
                .map(|(at, head, text)| format!("{} {head} {text}\n", second(*at)))
                .collect();
        std::fs::write(&path, log).unwrap();
        let check = async |options: ReadOptions, expect: &str| {
            assert_eq!(all(&path, options.clone()).await, expect, "{options:?}");
        };
        let plain = ReadOptions::default;
        check(plain(), "one\ntwo\nthree\nfour\n").await;
        check(ReadOptions { tail_lines: Some(0), ..plain() }, "").await;
        check(ReadOptions { tail_lines: Some(2), ..plain() }, "ee\nfour\n").await;
        check(ReadOptions { tail_lines: Some(5), ..plain() }, "one\ntwo\nthree\nfour\n").await;
        check(ReadOptions { tail_lines: Some(500), ..plain() }, "one\ntwo\nthree\nfour\n").await;
        check(ReadOptions { since: Some(UNIX_EPOCH + Duration::from_secs(3)), ..plain() }, "three\nfour\n").await;
        check(ReadOptions { since: Some(UNIX_EPOCH + Duration::from_millis(3001)), ..plain() }, "four\n").await;
        check(ReadOptions { limit_bytes: Some(6), ..plain() }, "one\ntw").await;
        check(ReadOptions { limit_bytes: Some(0), ..plain() }, "").await;
        check(ReadOptions { stream: Some(Stream::Stderr), ..plain() }, "two\n").await;
        check(ReadOptions { timestamps: true, tail_lines: Some(1), ..plain() }, &format!("{} four\n", second(4))).await;
        let missing = read(&directory.path().join("1.log"), plain(), Box::pin(std::future::pending())).await;
        assert_eq!(missing.err().map(|e| e.kind()), Some(io::ErrorKind::NotFound));
    }

    #[tokio::test]
    async fn the_tail_of_a_large_log() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("0.log");
        let log: String = (0..20_000).map(|n| format!("{} stdout F line {n}\n", second(1))).collect();
        assert!(log.len() > 10 * CHUNK);
        std::fs::write(&path, log).unwrap();
        for lines in [1, 999, 1500, 19_999, 20_000, 20_001] {
            let text = all(&path, ReadOptions { tail_lines: Some(lines), ..Default::default() }).await;
            assert_eq!(text.lines().count() as u64, lines.min(20_000));
            assert!(text.ends_with("line 19999\n"));
        }
    }

    #[tokio::test]
    async fn a_log_is_followed_over_rotations_to_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("0.log");
        let log = LogWriter::open(&path, Rotation { max_bytes: 200, max_files: 2 }).unwrap();
        let mut stream = log.stream(Stream::Stdout);
        stream.write(b"line 0\n").unwrap();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let ended = Box::pin(async { drop(ended.await) });
        let mut follow = read(&path, ReadOptions { follow: true, ..Default::default() }, ended).await.unwrap();
        for index in 0..30 {
            let got = follow.next().await.unwrap().unwrap();
            assert_eq!(got, format!("line {index}\n"));
            stream.write(format!("line {}\n", index + 1).as_bytes()).unwrap();
        }
        // What is written before the end is still read after it.
        stream.write(b"last\n").unwrap();
        end.send(()).unwrap();
        let mut rest = Vec::new();
        while let Some(bytes) = follow.next().await {
            rest.extend_from_slice(&bytes.unwrap());
        }
        assert_eq!(String::from_utf8(rest).unwrap(), "line 30\nlast\n");
    }
}
