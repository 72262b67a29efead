//! Raw logs and files through adapters that are written here.

use super::*;
use async_trait::async_trait;
use interfaces::adapt::{Adapter, AdapterRow, Answer, Kind, Line, Origin, Sample};
use interfaces::schedule::{FailurePolicy, PluginError};
use interfaces::workload::{Mount, Sandbox};
use object::{Object, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Joins lines in pairs (the first waits as carry), and counts them; fails on request.
#[derive(Default)]
struct Pairs {
    broken: AtomicBool,
}

impl Pairs {
    fn check(&self) -> Result<(), PluginError> {
        let broken = self.broken.load(Ordering::SeqCst);
        if broken { Err(PluginError::Trap { plugin: "pairs".into(), cause: "unreachable".into() }) } else { Ok(()) }
    }
}

#[async_trait]
impl Adapter for Pairs {
    fn name(&self) -> &str {
        "pairs"
    }

    async fn process(&self, origin: &Origin, carry: &[u8], lines: &[Line]) -> Result<Answer, PluginError> {
        self.check()?;
        let mut answer = Answer { carry: carry.to_vec(), ..Answer::default() };
        for line in lines {
            answer.samples.push(Sample {
                name: "lines_total".into(),
                kind: Kind::Counter,
                labels: vec![("container".into(), origin.container.clone())],
                value: 1.0,
            });
            if answer.carry.is_empty() {
                answer.carry.clone_from(&line.text);
            } else {
                let text = [std::mem::take(&mut answer.carry), line.text.clone()].join(&b'+');
                answer.lines.push(Line { text, ..line.clone() });
            }
        }
        Ok(answer)
    }

    async fn flush(&self, _: &Origin, carry: &[u8]) -> Result<Answer, PluginError> {
        self.check()?;
        let line = Line { text: carry.to_vec(), ..Line::default() };
        Ok(Answer { lines: if carry.is_empty() { vec![] } else { vec![line] }, ..Answer::default() })
    }
}

struct World {
    dir: tempfile::TempDir,
    plugin: Arc<Pairs>,
    set: watch::Sender<AdapterSet>,
    adapters: Adapters,
}

impl World {
    fn new() -> Self {
        let (set, receiver) = watch::channel(None);
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("volume")).unwrap();
        Self { dir, plugin: Arc::default(), adapters: Adapters::new(receiver), set }
    }

    fn load(&self, failure_policy: FailurePolicy) {
        let row = AdapterRow { adapter: self.plugin.clone(), failure_policy };
        self.set.send_replace(Some(Arc::new(BTreeMap::from([("pairs".to_owned(), row)]))));
    }

    fn id(attempt: u32) -> ContainerId {
        ContainerId { pod_uid: "u".into(), name: "app".into(), attempt }
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("app")
    }

    /// As the start of a container does it; answers what its runtime writes to.
    fn start(&self, attempt: u32, annotation: &str) -> LogWriter {
        let pod = PodRef { namespace: "n".into(), name: "p".into(), uid: "u".into() };
        let sandbox = Sandbox { pod, addresses: vec![IpAddr::from([127, 0, 0, 1])], ..Sandbox::default() };
        let object = Object::from_value(json!({"metadata": {"annotations": {"adapter.coracle.dev/app": annotation}}})).unwrap();
        let mounts = [Mount { source: self.dir.path().join("volume"), target: "/data".into(), ..Mount::default() }];
        Plan::new(&object, &["app"], "app", attempt, &self.folder(), &sandbox, &mounts).unwrap().unwrap().save().unwrap();
        let log = LogWriter::open(&Plan::raw(&self.folder(), attempt), Rotation::default()).unwrap();
        self.observe(attempt, false);
        log
    }

    fn observe(&self, attempt: u32, ended: bool) {
        self.adapters.observe(&Self::id(attempt), &self.folder(), ended);
    }

    /// Of the stored log: stream and text of each line.
    fn log(&self, attempt: u32) -> Vec<String> {
        let text = std::fs::read_to_string(crate::pod::log_path(&self.folder(), attempt)).unwrap_or_default();
        text.lines().filter_map(|line| line.split_once(' ')).map(|(_, rest)| rest.replacen(" F", "", 1)).collect()
    }

    /// Waits for the stored log to be so.
    async fn until(&self, attempt: u32, expect: &[&str]) {
        std::fs::create_dir_all(self.folder()).unwrap();
        let all = async {
            loop {
                let watch = workload::log::Watch::new(&crate::pod::log_path(&self.folder(), attempt)).unwrap();
                if self.log(attempt) == expect {
                    return;
                }
                watch.changed().await.unwrap();
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), all).await;
        assert!(waited.is_ok(), "{:?} is not {expect:?}", self.log(attempt));
    }
}

use std::net::IpAddr;

fn write(log: &LogWriter, stream: Stream, text: &str) {
    log.stream(stream).write(text.as_bytes()).unwrap();
}

#[tokio::test]
async fn streams_are_adapted_and_what_is_held_back_comes_at_the_end() {
    let world = World::new();
    let raw = world.start(0, "pairs?source=stdout");
    write(&raw, Stream::Stderr, "e\n");
    // Nothing is known of plugins yet: what needs none does not wait.
    world.until(0, &["stderr e"]).await;
    world.load(FailurePolicy::Fail);
    write(&raw, Stream::Stdout, "a\nb\nc\n");
    world.until(0, &["stderr e", "stdout a+b"]).await;
    world.observe(0, true);
    world.adapters.drained(&World::id(0)).await;
    assert_eq!(world.log(0), ["stderr e", "stdout a+b", "stdout c"]);
    let done = world.adapters.runs.lock().get(&World::id(0)).map(|run| run.done.clone()).unwrap();
    done.cancelled().await;
    assert_eq!(std::fs::read_dir(world.folder().join("raw")).unwrap().count(), 0, "nothing is kept of what is done");
}

#[tokio::test]
async fn policy_fail_lets_lines_wait_and_nothing_pass() {
    let world = World::new();
    world.plugin.broken.store(true, Ordering::SeqCst);
    world.load(FailurePolicy::Fail);
    let raw = world.start(0, "pairs?source=stdout");
    write(&raw, Stream::Stdout, "a\nb\n");
    let told = "stderr coracle: adapter of stdout failed: plugin pairs trapped: unreachable; lines wait until it works (policy Fail)";
    world.until(0, &[told]).await;
    world.observe(0, true);
    // It is known to be stuck: nobody waits for it.
    world.adapters.drained(&World::id(0)).await;
    world.plugin.broken.store(false, Ordering::SeqCst);
    world.load(FailurePolicy::Fail);
    world.until(0, &[told, "stderr coracle: adapter pairs of stdout works again", "stdout a+b"]).await;
}

#[tokio::test]
async fn policy_ignore_lets_lines_pass_as_they_are() {
    let world = World::new();
    world.load(FailurePolicy::Ignore);
    let raw = world.start(0, "pairs?source=stdout");
    write(&raw, Stream::Stdout, "a\nb\nc\n");
    world.until(0, &["stdout a+b"]).await;
    world.plugin.broken.store(true, Ordering::SeqCst);
    write(&raw, Stream::Stdout, "d\n");
    let told = "stderr coracle: adapter of stdout failed: plugin pairs trapped: unreachable; lines pass as they are (policy Ignore)";
    world.until(0, &["stdout a+b", told, "stdout d"]).await;
    world.observe(0, true);
    let lost =
        "stderr coracle: adapter of stdout failed: plugin pairs trapped: unreachable; 1 bytes that it held back are lost (policy Ignore)";
    world.until(0, &["stdout a+b", told, "stdout d", lost]).await;
}

#[tokio::test]
async fn a_plugin_that_is_not_there_is_waited_for() {
    let world = World::new();
    world.set.send_replace(Some(Arc::default()));
    let raw = world.start(0, "pairs?source=stdout");
    write(&raw, Stream::Stdout, "a\nb\n");
    let told = "stderr coracle: adapter of stdout failed: adapter pairs is not loaded; lines wait until it works (policy Fail)";
    world.until(0, &[told]).await;
    world.load(FailurePolicy::Ignore);
    world.until(0, &[told, "stderr coracle: adapter pairs of stdout works again", "stdout a+b"]).await;
}

#[tokio::test]
async fn the_next_agent_goes_on_where_the_last_one_stopped() {
    let world = World::new();
    world.load(FailurePolicy::Fail);
    let raw = world.start(0, "pairs?source=stdout");
    write(&raw, Stream::Stdout, "a\nb\nc\n");
    world.until(0, &["stdout a+b"]).await;
    // The cursor is noted after the log is written.
    let cursor = world.folder().join("raw/0-stdout.cursor");
    let watch = workload::log::Watch::new(&cursor).unwrap();
    while !std::fs::read_to_string(&cursor).unwrap_or_default().contains("Yw==") {
        watch.changed().await.unwrap();
    }
    let World { dir, plugin, set, adapters } = world;
    drop(adapters);
    let world = World { dir, plugin, adapters: Adapters::new(set.subscribe()), set };
    write(&raw, Stream::Stdout, "d\n");
    world.observe(0, true);
    world.until(0, &["stdout a+b", "stdout c+d"]).await;
}

#[tokio::test]
async fn a_file_is_adapted_into_the_log_and_goes_on_in_the_next_run() {
    let world = World::new();
    world.load(FailurePolicy::Fail);
    let file = world.dir.path().join("volume/r.txt");
    let annotation = "pairs?source=file:/data/r.txt";
    let raw = world.start(0, annotation);
    write(&raw, Stream::Stdout, "own\n");
    world.until(0, &["stdout own"]).await;
    std::fs::write(&file, "a\nb\nc\nunfinished").unwrap();
    world.until(0, &["stdout own", "stdout a+b"]).await;
    world.observe(0, true);
    world.until(0, &["stdout own", "stdout a+b", "stdout c+unfinished"]).await;
    let _raw = world.start(1, annotation);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text + "\nd\ne\n").unwrap();
    // What was left of the last line is a line of its own, here an empty one that `Pairs` does not see as held back.
    world.until(1, &["stdout d+e"]).await;
}

#[tokio::test]
async fn samples_are_served_on_the_pod_s_address() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let world = World::new();
    world.load(FailurePolicy::Fail);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let raw = world.start(0, &format!("pairs?source=stdout&metrics={port}"));
    write(&raw, Stream::Stdout, "a\nb\n");
    world.until(0, &["stdout a+b"]).await;
    let ask = async || {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.ok()?;
        Some(text)
    };
    let text = ask().await.unwrap();
    assert!(text.contains("lines_total{container=\"app\"} 2\n"), "{text}");
    world.adapters.settle("u").await;
    // The listener goes with its task.
    while ask().await.is_some() {
        tokio::task::yield_now().await;
    }
}
