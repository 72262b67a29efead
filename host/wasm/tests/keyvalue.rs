//! `wasi:keyvalue` and `wasi:config` of containers: what is granted, what is shared, what stays.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers fail the test too.

#[path = "support/node.rs"]
mod support;

use interfaces::workload::{Error, ImageSource, Mount, Runtime};
use support::{Node, built};

#[tokio::test]
async fn buckets_are_shared_and_kept_as_they_should() {
    let Some(path) = built("key-value") else { return };
    let node = Node::new();
    let volume = node.directory.path().join("volume");
    std::fs::create_dir(&volume).unwrap();
    let image = ImageSource::Component { path, digest: String::new() };
    let run = async |pod: &str, attempt: u32, bucket: &str| {
        let mut container = node.container(image.clone(), &[bucket]);
        container.attempt = attempt;
        container.env = vec![("GREETING".to_owned(), "ahoy".to_owned())];
        container.grants = vec!["wasi:keyvalue".to_owned()];
        let mount = |target: &str, read_only| Mount { source: volume.clone(), target: target.into(), read_only, ..Mount::default() };
        container.mounts = vec![mount("/data", false), mount("/seen", true)];
        let state = node.run(&node.sandbox(pod), &container).await;
        (state.exit_code, node.log().last().cloned().unwrap_or_default())
    };
    let said = |runs: u32| (0, format!("stdout F run {runs}, keys b,runs, found 1, ahoy"));
    assert_eq!(run("one", 0, "").await, said(1));
    assert_eq!(run("one", 1, "default").await, said(2), "it outlives a restart");
    assert_eq!(run("two", 0, "").await, said(1), "another pod has its own");
    assert_eq!(run("one", 2, "/data/kv").await, said(1));
    assert_eq!(run("two", 1, "/data/kv").await, said(2), "a volume is shared by those who mount it");
    assert_eq!(std::fs::read_to_string(volume.join("kv/runs")).unwrap(), "2");
    for (attempt, bucket, expect) in [(3, "/seen/kv", "AccessDenied"), (4, "/etc", "NoSuchStore"), (5, "other", "NoSuchStore")] {
        let (code, log) = run("one", attempt, bucket).await;
        assert_eq!(code, 1, "{bucket}");
        assert!(node.log().iter().any(|line| line.contains(expect)), "{bucket}: {log}");
    }
    node.runtime.remove_pod(&node.sandbox("one").pod).await.unwrap();
    assert_eq!(run("one", 6, "").await, said(1), "it ends with the pod");
}

#[tokio::test]
async fn what_is_not_granted_is_refused_by_name() {
    let Some(path) = built("key-value") else { return };
    let node = Node::new();
    let start = async |grants: &[&str]| {
        let mut container = node.container(ImageSource::Component { path: path.clone(), digest: String::new() }, &[]);
        container.grants = grants.iter().map(|grant| (*grant).to_owned()).collect();
        node.runtime.start(&node.sandbox("p"), &container).await.unwrap_err()
    };
    let error = start(&[]).await;
    assert!(matches!(error, Error::Create { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("imports wasi:keyvalue/") && text.contains("coracle.dev/grants") && !text.contains("wasi:config/store@"),
        "{text}"
    );
    let error = start(&["wasi:magic"]).await.to_string();
    assert!(error.contains("\"wasi:magic\"") && error.contains("can be granted wasi:keyvalue"), "{error}");
}
