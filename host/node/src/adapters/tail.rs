//! Reads what is appended to a file, from a position that outlives the agent: raw logs in CRI form, with their rotated parts,
//! and files of a volume, which a container may replace or cut at any time, and which are never followed out of the volume.

use interfaces::adapt::{BATCH_BYTES, BATCH_LINES, Line};
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use workload::log::{Stream, parse, rotated};

/// Read at once. A line of a raw log takes at most 16 KiB and its head.
const WINDOW: usize = BATCH_BYTES;

/// Inode, and nanoseconds of its birth (0 where the file system does not tell): a number alone is soon used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity(u64, u64);

impl Identity {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let born = metadata.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Ok(Self(metadata.ino(), born.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or_default()))
    }
}

/// The next byte to be read. The default: nothing was read yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    file: Identity,
    offset: u64,
}

/// What is read.
#[derive(Clone, Debug)]
pub enum What {
    /// One stream of a log that the runtime writes and rotates.
    Raw { path: PathBuf, stream: Stream },
    /// A file in a volume.
    File { volume: PathBuf, within: PathBuf },
}

impl What {
    /// The file whose folder is watched.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Raw { path, .. } => path.clone(),
            Self::File { volume, within } => volume.join(within),
        }
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    pub lines: Vec<Line>,
    /// Where the next chunk begins, once these lines are dealt with.
    pub next: Position,
    /// Parts of the log were rotated away before they were read.
    pub lost: bool,
}

pub struct Tail {
    what: What,
    file: Option<(Identity, File)>,
}

impl Tail {
    pub fn new(what: What) -> Self {
        Self { what, file: None }
    }

    /// One that has read nothing yet, of the same.
    pub fn clone_empty(&self) -> Self {
        Self::new(self.what.clone())
    }

    /// The next lines after `from`; none when there is nothing complete to read. With `ended`, what follows a file's last newline
    /// counts as a line. Blocks for as long as a disk does.
    ///
    /// # Errors
    /// The file cannot be opened or read; a file of a volume is none, or lies outside.
    pub fn read(&mut self, from: Position, ended: bool) -> io::Result<Chunk> {
        let mut chunk = Chunk { next: from, ..Chunk::default() };
        loop {
            if self.file.as_ref().is_none_or(|(known, _)| *known != chunk.next.file) && !self.open(&mut chunk)? {
                return Ok(chunk);
            }
            let Some((_, file)) = &self.file else { return Ok(chunk) };
            let length = file.metadata()?.len();
            if length < chunk.next.offset {
                // Cut by its writer: what is there now is new.
                chunk.next.offset = 0;
            }
            let at_end = self.fill(&mut chunk, ended)?;
            if !chunk.lines.is_empty() || !at_end {
                return Ok(chunk);
            }
            let Some(successor) = self.successor(chunk.next.file)? else { return Ok(chunk) };
            // Nothing is appended to the old file any more, but something may have been since it was read.
            let before = chunk.next.offset;
            self.fill(&mut chunk, true)?;
            if !chunk.lines.is_empty() || chunk.next.offset != before {
                return Ok(chunk);
            }
            chunk.next = Position { file: successor.0, offset: 0 };
            self.file = Some(successor);
        }
    }

    /// Opens the file that the position is in, else the oldest there is. `false`: there is none.
    fn open(&mut self, chunk: &mut Chunk) -> io::Result<bool> {
        let all = self.candidates()?;
        let known = all.iter().position(|(known, _)| *known == chunk.next.file);
        let Some(found) = all.into_iter().nth(known.unwrap_or(0)) else { return Ok(false) };
        if known.is_none() {
            chunk.lost |= chunk.next.file != Identity::default() && matches!(self.what, What::Raw { .. });
            chunk.next = Position { file: found.0, offset: 0 };
        }
        self.file = Some(found);
        Ok(true)
    }

    /// The file after `file`.
    fn successor(&self, file: Identity) -> io::Result<Option<(Identity, File)>> {
        let mut all = self.candidates()?;
        match all.iter().position(|(known, _)| *known == file) {
            Some(index) => Ok((index + 1 < all.len()).then(|| all.swap_remove(index + 1))),
            // It is gone from the folder.
            None => Ok((!all.is_empty()).then(|| all.swap_remove(0))),
        }
    }

    /// The parts that exist, oldest first.
    fn candidates(&self) -> io::Result<Vec<(Identity, File)>> {
        let mut all = Vec::new();
        match &self.what {
            What::Raw { path, .. } => {
                for part in rotated(path)?.into_iter().chain([path.clone()]) {
                    match File::open(part) {
                        Ok(file) => all.push((Identity::of(&file)?, file)),
                        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                        Err(error) => return Err(error),
                    }
                }
                // A rotation may come between the listing and the opening.
                all.dedup_by_key(|(identity, _)| *identity);
            }
            What::File { volume, within } => match open_beneath(volume, within) {
                Ok(file) => {
                    if !file.metadata()?.is_file() {
                        return Err(io::Error::other("it is not a regular file"));
                    }
                    all.push((Identity::of(&file)?, file));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            },
        }
        Ok(all)
    }

    /// Takes lines from the position on and moves it behind them. Answers whether the end was seen.
    fn fill(&self, chunk: &mut Chunk, ended: bool) -> io::Result<bool> {
        let Some((_, file)) = &self.file else { return Ok(true) };
        let mut window = vec![0; WINDOW];
        let mut filled = 0;
        while let Some(room) = window.get_mut(filled..).filter(|room| !room.is_empty()) {
            match file.read_at(room, chunk.next.offset + filled as u64)? {
                0 => break,
                n => filled += n,
            }
        }
        let at_end = filled < WINDOW;
        let bytes = window.get(..filled).unwrap_or_default();
        let mut used = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let whole = line.ends_with(b"\n");
            let too_long = !whole && used == 0 && !at_end;
            let the_last = ended && at_end && matches!(self.what, What::File { .. });
            if !(whole || too_long || the_last) {
                break;
            }
            used += line.len();
            match &self.what {
                What::Raw { stream, .. } => {
                    if let Some(entry) = parse(line).filter(|entry| entry.stream == *stream) {
                        chunk.lines.push(Line { time: entry.time, text: entry.text, continues: entry.continues });
                    }
                }
                What::File { .. } => {
                    let text = line.strip_suffix(b"\n").unwrap_or(line).to_vec();
                    chunk.lines.push(Line { time: now(), text, continues: too_long });
                }
            }
            if chunk.lines.len() >= BATCH_LINES {
                break;
            }
        }
        chunk.next.offset += used as u64;
        Ok(at_end && used == filled || used == 0)
    }
}

/// A container writes the volume: a link or a pipe in it must not lead the agent elsewhere, nor hold it up.
fn open_beneath(volume: &Path, within: &Path) -> io::Result<File> {
    let root = File::open(volume)?;
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    openat2(root.as_fd(), within, how).map(File::from).map_err(|errno| match errno {
        nix::errno::Errno::ELOOP | nix::errno::Errno::EXDEV => io::Error::other("a link leads out of its volume"),
        other => other.into(),
    })
}

pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode;
    use workload::log::{LogWriter, Rotation};

    /// Reads on until there is nothing, as texts (`+` behind those that go on).
    fn all(tail: &mut Tail, position: &mut Position, ended: bool) -> Vec<String> {
        let mut texts = Vec::new();
        loop {
            let chunk = tail.read(*position, ended).unwrap();
            if chunk.lost {
                texts.push("LOST".to_owned());
            }
            let moved = chunk.next != *position;
            *position = chunk.next;
            for line in chunk.lines {
                let text = String::from_utf8(line.text).unwrap();
                texts.push(if line.continues { format!("{}+", text.len()) } else { text });
            }
            if !moved {
                return texts;
            }
        }
    }

    #[test]
    fn raw_logs_are_read_over_rotations_and_from_where_another_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        let log = LogWriter::open(&path, Rotation { max_bytes: 200, max_files: 100 }).unwrap();
        let (mut out, mut err) = (log.stream(Stream::Stdout), log.stream(Stream::Stderr));
        let what = What::Raw { path: path.clone(), stream: Stream::Stdout };
        let (mut tail, mut position) = (Tail::new(what.clone()), Position::default());
        let mut got = all(&mut tail, &mut position, false);
        assert!(got.is_empty());
        for index in 0..40 {
            out.write(format!("{index}\n").as_bytes()).unwrap();
            err.write(b"other\n").unwrap();
            if index % 7 == 0 {
                // Another agent each time.
                tail = Tail::new(what.clone());
                got.extend(all(&mut tail, &mut position, false));
            }
        }
        got.extend(all(&mut tail, &mut position, false));
        assert_eq!(got, (0..40).map(|i| i.to_string()).collect::<Vec<_>>());
    }

    #[test]
    fn what_was_rotated_away_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        let log = LogWriter::open(&path, Rotation { max_bytes: 100, max_files: 2 }).unwrap();
        let mut out = log.stream(Stream::Stdout);
        out.write(b"first\n").unwrap();
        let what = What::Raw { path, stream: Stream::Stdout };
        let mut position = Position::default();
        assert_eq!(all(&mut Tail::new(what.clone()), &mut position, false), ["first"]);
        for index in 0..20 {
            out.write(format!("{index}\n").as_bytes()).unwrap();
        }
        let got = all(&mut Tail::new(what), &mut position, false);
        assert_eq!((got[0].as_str(), got.last().unwrap().as_str()), ("LOST", "19"));
    }

    #[test]
    fn files_are_read_as_they_grow_are_cut_and_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.txt");
        let what = What::File { volume: dir.path().to_owned(), within: "r.txt".into() };
        let (mut tail, mut position) = (Tail::new(what), Position::default());
        assert!(all(&mut tail, &mut position, false).is_empty(), "not there yet");
        std::fs::write(&path, "a\nb\nc").unwrap();
        assert_eq!(all(&mut tail, &mut position, false), ["a", "b"], "an unfinished line waits");
        std::fs::write(&path, "a\nb\nc d\n").unwrap();
        assert_eq!(all(&mut tail, &mut position, false), ["c d"]);
        std::fs::write(&path, "x\n").unwrap();
        assert_eq!(all(&mut tail, &mut position, false), ["x"], "cut");
        std::fs::write(dir.path().join("new"), "y\nz").unwrap();
        std::fs::rename(dir.path().join("new"), &path).unwrap();
        assert_eq!(all(&mut tail, &mut position, false), ["y"], "replaced");
        assert_eq!(all(&mut tail, &mut position, true), ["z"], "the end");
        std::fs::write(dir.path().join("new"), "l".repeat(WINDOW + 5) + "\nm\n").unwrap();
        std::fs::rename(dir.path().join("new"), &path).unwrap();
        assert_eq!(all(&mut tail, &mut position, false), [format!("{WINDOW}+").as_str(), "lllll", "m"], "a long line");
        let many: String = (0..BATCH_LINES + 3).map(|i| format!("{i}\n")).collect();
        std::fs::write(dir.path().join("new"), many).unwrap();
        std::fs::rename(dir.path().join("new"), &path).unwrap();
        assert_eq!(tail.read(position, false).unwrap().lines.len(), BATCH_LINES);
    }

    #[test]
    fn nothing_outside_a_volume_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let volume = dir.path().join("volume");
        std::fs::create_dir(&volume).unwrap();
        std::fs::write(dir.path().join("secret"), "s\n").unwrap();
        std::os::unix::fs::symlink("../secret", volume.join("link")).unwrap();
        std::os::unix::fs::symlink("..", volume.join("up")).unwrap();
        nix::unistd::mkfifo(&volume.join("pipe"), Mode::S_IRWXU).unwrap();
        std::fs::create_dir(volume.join("folder")).unwrap();
        for (name, expect) in [("link", "leads out"), ("up/secret", "leads out"), ("pipe", "regular file"), ("folder", "regular file")] {
            let what = What::File { volume: volume.clone(), within: name.into() };
            let error = Tail::new(what).read(Position::default(), false).unwrap_err();
            assert!(error.to_string().contains(expect), "{name}: {error}");
        }
    }
}
