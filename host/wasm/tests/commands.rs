//! `wasi:cli` commands as containers: exit codes, limits, stopping, logs, directories.

#[path = "support/node.rs"]
mod support;

use interfaces::workload::{Error, Mount, Phase, Runtime};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use support::{Node, built, command};

#[tokio::test]
async fn exit_codes() {
    let node = Node::new();
    let spin = "(loop (br 0)) (unreachable)";
    // A page at a time until the host says no.
    let hog = "(loop (drop (memory.grow (i32.const 1))) (br 0)) (unreachable)";
    let cases = [
        ("ok", "(i32.const 0)", 0, "Completed", ""),
        ("fails", "(i32.const 1)", 1, "Error", ""),
        ("traps", "(unreachable)", 134, "Error", "unreachable"),
        ("divides", "(i32.div_u (i32.const 1) (i32.const 0))", 134, "Error", "divide by zero"),
        ("overflows", "(call 0)", 134, "Error", "call stack exhausted"),
        ("hogs", hog, 137, "OOMKilled", "the limit of the container is 16777216"),
    ];
    for (name, body, code, reason, message) in cases {
        let mut container = node.container(node.text(&command(body)), &[]);
        container.resources.memory_limit_bytes = 16 << 20;
        let state = node.run(&node.sandbox(name), &container).await;
        assert_eq!((state.exit_code, state.reason.as_str()), (code, reason), "{name}");
        assert!(state.message.contains(message), "{name}: {}", state.message);
        assert!(state.started_at > 0 && state.finished_at >= state.started_at, "{name}");
    }

    // Asked to stop: at once and 143; with no grace: 137.
    for (name, grace, code) in [("stopped", 30, 143), ("killed", 0, 137)] {
        let container = node.container(node.text(&command(spin)), &[]);
        let state = node.runtime.start(&node.sandbox(name), &container).await.unwrap();
        assert_eq!(state.phase, Phase::Running);
        let begin = Instant::now();
        let state = node.runtime.stop(&state.id, grace).await.unwrap();
        assert_eq!((state.exit_code, state.phase), (code, Phase::Exited), "{name}");
        assert!(begin.elapsed() < Duration::from_secs(5), "{name} took {:?}", begin.elapsed());
        // Idempotent.
        assert_eq!(node.runtime.stop(&state.id, grace).await.unwrap(), state);
        node.runtime.remove(&state.id).await.unwrap();
        node.runtime.remove(&state.id).await.unwrap();
        assert_eq!(node.runtime.stop(&state.id, 0).await, Err(Error::NotFound { name: "main".to_owned() }));
    }
}

#[tokio::test]
async fn refused_before_it_runs() {
    let node = Node::new();
    let imports = r#"(component
        (import "wasi:keyvalue/store@0.2.0-draft" (instance))
        (import "wasi:sockets/network@0.2.0" (instance))
        (import "acme:db/query" (instance)))"#;
    let library = r#"(component (core module $m) (core instance (instantiate $m)))"#;
    let cases = [
        (node.file(b"\x7fELF..."), "is not WebAssembly"),
        (node.file(&wat::parse_str("(module)").unwrap()), "is a core module, not a component"),
        (node.file(b"\0asm\x0d\0\x01\0garbage"), "cannot be compiled"),
        (node.text(imports), "imports wasi:keyvalue/store@0.2.0-draft, acme:db/query which this container was not given: workloads have"),
        (node.text(library), "exports none of wasi:cli/run, wasi:http/incoming-handler"),
    ];
    for (image, expect) in cases {
        let error = node.runtime.start(&node.sandbox("p"), &node.container(image, &[])).await.unwrap_err();
        assert!(matches!(error, Error::Create { .. }) && error.to_string().contains(expect), "{error}");
        assert!(node.runtime.list().await.unwrap().is_empty());
    }
    let layers = interfaces::workload::ImageSource::Layers { layers: Vec::new() };
    let error = node.runtime.start(&node.sandbox("p"), &node.container(layers, &[])).await.unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
}

#[tokio::test]
async fn start_is_idempotent_and_pods_are_removed_whole() {
    let node = Node::new();
    let sandbox = node.sandbox("twice");
    let container = node.container(node.text(&command("(loop (br 0)) (unreachable)")), &[]);
    let (one, two) = tokio::join!(node.runtime.start(&sandbox, &container), node.runtime.start(&sandbox, &container));
    assert_eq!(one.unwrap(), two.unwrap());
    assert_eq!(node.runtime.list().await.unwrap().len(), 1);
    node.runtime.remove_pod(&sandbox.pod).await.unwrap();
    assert!(node.runtime.list().await.unwrap().is_empty());
    assert!(node.runtime.is_unused());
}

#[tokio::test]
async fn cpu_is_limited_and_counted() {
    let node = Node::new();
    let spin = node.text(&command("(loop (br 0)) (unreachable)"));
    let mut ids = Vec::new();
    // More busy guests than threads, one of them limited to a tenth of a core.
    for (name, milli) in [("limited", 100), ("free", 0), ("also-free", 0)] {
        let mut container = node.container(spin.clone(), &[]);
        container.resources.cpu_limit_milli = milli;
        ids.push(node.runtime.start(&node.sandbox(name), &container).await.unwrap().id);
    }
    let used = async |name: &str| {
        let usage = node.runtime.usage().await.unwrap();
        Duration::from_nanos(usage.iter().find(|usage| usage.id.pod_uid == name).unwrap().cpu_nanoseconds)
    };
    let begin = Instant::now();
    // Until the free ones have used a second and a half each: the limited one had its share of the wall time, not more.
    while used("free").await < Duration::from_millis(1500) || used("also-free").await < Duration::from_millis(1500) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(begin.elapsed() < Duration::from_secs(60));
    }
    let (limited, wall) = (used("limited").await, begin.elapsed());
    eprintln!("limited to 100m: {limited:?} of CPU in {wall:?}");
    assert!(limited <= wall / 10 + Duration::from_millis(60), "{limited:?} in {wall:?}");
    assert!(limited >= wall / 25, "{limited:?} in {wall:?}");
    for id in ids {
        node.runtime.stop(&id, 0).await.unwrap();
    }
}

#[tokio::test]
async fn surroundings_of_a_command() {
    let Some(path) = built("cli-args") else { return };
    let node = Node::new();
    let image = interfaces::workload::ImageSource::Component { path, digest: String::new() };
    let data = node.directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("greeting"), "hello\nlast line without end").unwrap();
    let mount = |target: &str, read_only| Mount { source: data.clone(), target: target.into(), read_only, ..Mount::default() };
    let single = Mount { source: data.join("greeting"), target: "/etc/app/config".into(), ..Mount::default() };

    // Arguments, exit code, log, termination message.
    let cases: &[(&[&str], i32, &[&str])] = &[
        (&["args", "a b", "ü"], 0, &["stdout F args: guest args a b ü"]),
        (&["env"], 0, &["stdout F COLOR=blue", "stdout F HOSTNAME=pod"]),
        (&["fail"], 1, &["stderr F failed, as it was told"]),
        (&["cat", "/data/greeting"], 0, &["stdout F hello", "stdout P last line without end"]),
        (&["cat", "/etc/app/config"], 0, &["stdout F hello", "stdout P last line without end"]),
        (&["cat", "/data/../../etc/passwd"], 1, &[]),
        (&["write", "/data/new", "written"], 0, &[]),
        (&["write", "/fixed/new", "not written"], 1, &[]),
        (&["cat", "/elsewhere"], 1, &[]),
        (&["exit", "3"], 1, &[]),
    ];
    for (args, code, log) in cases {
        let mut container = node.container(image.clone(), args);
        container.env = vec![("COLOR".to_owned(), "blue".to_owned())];
        container.mounts = vec![mount("/data", false), mount("/fixed", true), single.clone()];
        drop(std::fs::remove_file(&container.log_path));
        let mut sandbox = node.sandbox("pod");
        sandbox.pod.uid = format!("{args:?}");
        let state = node.run(&sandbox, &container).await;
        assert_eq!(state.exit_code, *code, "{args:?}: {:?}", node.log());
        if !log.is_empty() {
            assert_eq!(node.log(), *log, "{args:?}");
        }
        node.runtime.remove(&state.id).await.unwrap();
    }
    assert_eq!(std::fs::read_to_string(data.join("new")).unwrap(), "written");

    let container = node.container(image.clone(), &["write", "/dev/termination-log", "the last word"]);
    let state = node.run(&node.sandbox("message"), &container).await;
    assert_eq!((state.exit_code, state.message.as_str()), (0, "the last word"));
    let private = node.sandbox("message").state_dir.join("wasm/main-0");
    assert!(private.exists());
    node.runtime.remove(&state.id).await.unwrap();
    assert!(!private.exists());

    // Asleep in a host call, and ended there.
    let container = node.container(image.clone(), &["sleep", "3600"]);
    let state = node.runtime.start(&node.sandbox("asleep"), &container).await.unwrap();
    assert_eq!(node.runtime.stop(&state.id, 30).await.unwrap().exit_code, 143);

    let missing = Mount { source: PathBuf::from("/does/not/exist"), target: "/x".into(), ..Mount::default() };
    let mut container = node.container(image, &[]);
    container.mounts = vec![missing];
    let error = node.runtime.start(&node.sandbox("missing"), &container).await.unwrap_err();
    assert!(error.to_string().contains("cannot mount /x"), "{error}");
}
