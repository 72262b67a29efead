//! Start, end, stop, logs, exit codes, exec, usage.

use crate::fixture::Node;
use interfaces::workload::{Error, Mount, Phase, Resources};

#[tokio::test]
async fn a_container_runs_and_ends() {
    let Some(node) = Node::new() else { return };
    let mut container = node.shell("c", "echo out; echo err >&2; echo why > /dev/termination-log; exit 3");
    container.env = vec![("A".to_owned(), "b".to_owned())];
    let state = node.run(&container).await;
    assert_eq!((state.phase, state.exit_code, state.signal, state.reason.as_str()), (Phase::Exited, 3, 0, "Error"));
    assert_eq!(state.message, "why\n");
    assert!(state.started_at > 0 && state.finished_at >= state.started_at);
    let log = std::fs::read_to_string(&container.log_path).unwrap();
    assert!(log.contains(" stdout F out\n") && log.contains(" stderr F err\n"), "{log}");
    // Starting it again is not another run.
    assert_eq!(node.start(&container).await, state);
    assert_eq!(node.runtime.list().await.unwrap(), std::slice::from_ref(&state));
    node.runtime.remove(&state.id).await.unwrap();
    node.runtime.remove(&state.id).await.unwrap();
    assert_eq!(node.runtime.list().await.unwrap(), []);
    // The next attempt is.
    container.attempt = 1;
    assert_eq!(node.run(&container).await.exit_code, 3);
    node.end().await;
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let Some(node) = Node::new() else { return };
    std::fs::write(node.path().join("layer/bin/text"), "no program").unwrap();
    std::fs::write(node.path().join("layer/bin/garbage"), [0x7f, b'E', b'L', b'F', 0, 0, 0, 0]).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(node.path().join("layer/bin/garbage"), mode).unwrap();
    for (index, (args, expect)) in [
        (&["nonsense"][..], "exec: \"nonsense\": executable file not found in $PATH"),
        (&["/nonsense"], "exec: \"/nonsense\": stat /nonsense: no such file or directory"),
        (&["/bin/text"], "exec: \"/bin/text\": permission denied"),
        (&["/tmp"], "exec: \"/tmp\": is a directory"),
        (&["/bin/garbage"], "exec /bin/garbage: exec format error"),
    ]
    .into_iter()
    .enumerate()
    {
        let container = node.container(&format!("c{index}"), args);
        let error = node.runtime.start(&node.sandbox, &container).await.unwrap_err();
        assert_eq!(error, Error::Start { message: expect.to_owned() }, "{args:?}");
        let state = node.start(&container).await;
        assert_eq!((state.exit_code, state.reason.as_str(), state.message.as_str()), (128, "StartError", expect));
    }
    let mut container = node.container("mounts", &["/bin/true"]);
    container.mounts = vec![Mount { source: "/nonexistent".into(), target: "/data".into(), ..Default::default() }];
    let error = node.runtime.start(&node.sandbox, &container).await.unwrap_err();
    let expect = "failed to generate spec: failed to stat \"/nonexistent\": no such file or directory";
    assert_eq!(error, Error::Create { message: expect.to_owned() });
    // It can be tried again when the cause is gone.
    container.mounts.clear();
    assert_eq!(node.run(&container).await.exit_code, 0);
    node.end().await;
}

#[tokio::test]
async fn stop_asks_first_and_then_kills() {
    let Some(node) = Node::new() else { return };
    let polite = node.shell("polite", "trap 'echo bye; exit 5' TERM; while :; do sleep 0.05; done");
    let deaf = node.shell("deaf", "trap '' TERM; echo up; while :; do sleep 1; done");
    let quick = node.shell("quick", "while :; do sleep 1; done");
    for container in [&polite, &deaf, &quick] {
        assert_eq!(node.start(container).await.phase, Phase::Running);
    }
    // The trap is set a moment after the start.
    let trap = ["/bin/sh".to_owned(), "-c".to_owned(), "while ! grep -q 'SigCgt.*[1-9a-f]' /proc/1/status; do :; done".to_owned()];
    node.runtime.exec(&node.id("polite"), &trap, 10).await.unwrap();
    let state = node.runtime.stop(&node.id("polite"), 10).await.unwrap();
    assert_eq!((state.exit_code, state.signal), (5, 0));
    assert_eq!(node.log("polite"), "bye");
    let state = node.runtime.stop(&node.id("deaf"), 1).await.unwrap();
    assert_eq!((state.exit_code, state.signal, state.reason.as_str()), (137, 9, "Error"));
    let state = node.runtime.stop(&node.id("quick"), 0).await.unwrap();
    assert_eq!((state.exit_code, state.signal), (137, 9));
    assert_eq!(node.runtime.stop(&node.id("quick"), 30).await.unwrap(), state);
    assert!(matches!(node.runtime.stop(&node.id("unknown"), 0).await, Err(Error::NotFound { .. })));
    node.end().await;
}

#[tokio::test]
async fn commands_are_executed_in_a_container() {
    let Some(node) = Node::new() else { return };
    let mut container = node.shell("c", "while :; do sleep 1; done");
    container.env = vec![("A".to_owned(), "b".to_owned())];
    container.working_dir = "/made/for/it".to_owned();
    container.security.run_as_user = Some(101);
    node.start(&container).await;
    let exec = async |args: &[&str], timeout| {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        node.runtime.exec(&node.id("c"), &args, timeout).await
    };
    let outcome = exec(&["/bin/sh", "-c", "echo $A $(id -u) $PWD; echo err >&2; exit 4"], 5).await.unwrap();
    assert_eq!((outcome.exit_code, outcome.output.as_str()), (4, "b 101 /made/for/it\nerr\n"));
    let error = exec(&["nonsense"], 5).await.unwrap_err();
    assert_eq!(error.to_string(), "exec: \"nonsense\": executable file not found in $PATH");
    let error = exec(&["/bin/sleep", "100"], 1).await.unwrap_err();
    assert_eq!(error.to_string(), "exec: command \"/bin/sleep 100\" timed out after 1s");
    let outcome = exec(&["/bin/dd", "if=/dev/zero", "bs=1024", "count=100"], 5).await.unwrap();
    assert_eq!((outcome.exit_code, outcome.output.len()), (0, 16 << 10));
    let usage = node.runtime.usage().await.unwrap();
    assert!(usage.len() == 1 && usage[0].cpu_nanoseconds > 0 && usage[0].memory_bytes > 0, "{usage:?}");
    node.end().await;
}

#[tokio::test]
async fn limits_are_kept() {
    let Some(node) = Node::new() else { return };
    let mut container = node.shell("memory", "dd if=/dev/zero of=/dev/null bs=200M count=1; exit 1");
    container.args = ["/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1"].map(str::to_owned).to_vec();
    container.resources = Resources { memory_limit_bytes: 16 << 20, oom_score_adj: 900, ..Default::default() };
    let state = node.run(&container).await;
    assert_eq!((state.exit_code, state.signal, state.reason.as_str()), (137, 9, "OOMKilled"), "{state:?}");

    let mut container = node.shell("pids", "for i in 1 2 3 4 5 6; do sleep 5 & done; wait");
    container.resources = Resources { pids_limit: 3, ..Default::default() };
    assert_ne!(node.run(&container).await.exit_code, 0);
    assert!(node.log("pids").contains("can't fork"), "{}", node.log("pids"));

    let mut container = node.shell("score", "");
    container.resources = Resources { oom_score_adj: 555, cpu_limit_milli: 500, cpu_request_milli: 250, ..Default::default() };
    assert_eq!(node.output(container, "cat /proc/self/oom_score_adj").await, "555");
    node.end().await;
}

#[tokio::test]
async fn a_terminal_is_logged() {
    let Some(node) = Node::new() else { return };
    let mut container = node.shell("c", "");
    container.tty = true;
    container.stdin = true;
    assert_eq!(node.output(container, "tty; echo $TERM; echo err >&2").await, "/dev/pts/0\nxterm\nerr");
    node.end().await;
}

/// Prints what a start takes: `cargo test -p oci -- --ignored --nocapture figures`.
#[tokio::test]
#[ignore = "measures, proves nothing"]
async fn figures() {
    let Some(node) = Node::new() else { return };
    let mut first = None;
    let mut times = Vec::new();
    for index in 0..20 {
        let container = node.container(&format!("c{index}"), &["/bin/sleep", "1000"]);
        let begin = std::time::Instant::now();
        node.start(&container).await;
        let took = begin.elapsed();
        if first.is_none() {
            first = Some(took);
        } else {
            times.push(took);
        }
    }
    times.sort();
    println!("with a new shim {first:?}; in a running one p50 {:?}, max {:?}", times[times.len() / 2], times[times.len() - 1]);
    let begin = std::time::Instant::now();
    node.end().await;
    println!("end of 20 containers {:?}", begin.elapsed());
}
