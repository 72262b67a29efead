//! Guests on their pod's network: HTTP services, sockets, names. Each test has a namespace of its own.

#[path = "support/node.rs"]
mod support;

use interfaces::workload::{Error, ImageSource, Runtime};
use std::io::{Read, Write};
use std::time::{Duration, Instant};
use support::{Netns, Node, built};

fn component(name: &str) -> Option<ImageSource> {
    Some(ImageSource::Component { path: built(name)?, digest: String::new() })
}

#[tokio::test(flavor = "multi_thread")]
async fn http_service() {
    let (Some(netns), Some(image)) = (Netns::new(), component("echo-http")) else { return };
    let node = Node::new();
    let mut sandbox = node.sandbox("web");
    netns.hold(&mut sandbox);
    let mut container = node.container(image, &[]);
    container.ports = vec![9000];
    container.env = vec![("COLOR".to_owned(), "blue".to_owned())];
    container.resources.memory_limit_bytes = 64 << 20;
    let state = node.runtime.start(&sandbox, &container).await.unwrap();

    // The port is the pod's: this test's own namespace has none there.
    assert!(std::net::TcpStream::connect(("127.0.0.1", 9000)).is_err());
    let cases = [
        ("GET", "/a?b=c", "", 200, "GET /a"),
        ("POST", "/x", "a body", 200, "POST /x a body"),
        ("GET", "/env/COLOR", "", 200, "blue"),
        ("GET", "/trap", "", 500, "the component gave no response"),
        ("GET", "/hog", "", 500, "the component gave no response"),
        ("GET", "/after", "", 200, "GET /after"),
    ];
    for (method, path, body, status, text) in cases {
        let (got, answer) = netns.request(9000, method, path, body);
        assert_eq!(got, status, "{path}: {answer}");
        assert!(answer.contains(text), "{path}: {answer}");
    }
    let log = node.log();
    assert!(log.contains(&"stdout F GET /a".to_owned()), "{log:?}");
    assert!(log.iter().any(|line| line.contains("unreachable")), "{log:?}");
    assert!(log.iter().any(|line| line.contains("the limit of the container is 67108864")), "{log:?}");

    // A second server on the port is refused, by words that name it.
    container.name = "second".to_owned();
    let error = node.runtime.start(&sandbox, &container).await.unwrap_err();
    assert!(matches!(&error, Error::Start { message } if message.starts_with("cannot listen on port 9000 of the pod")), "{error}");

    let begin = Instant::now();
    for n in 0..500 {
        assert_eq!(netns.request(9000, "GET", &format!("/{n}"), "").0, 200);
    }
    eprintln!("http: {:?} per request on a new connection, one at a time", begin.elapsed() / 500);
    assert_eq!(node.runtime.usage().await.unwrap()[0].memory_bytes, 0);

    let state = node.runtime.stop(&state.id, 30).await.unwrap();
    assert_eq!((state.exit_code, state.reason.as_str()), (0, "Completed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_ends_is_cut_off_by_the_grace_period() {
    let (Some(netns), Some(image)) = (Netns::new(), component("echo-http")) else { return };
    let node = Node::new();
    let mut sandbox = node.sandbox("busy");
    netns.hold(&mut sandbox);
    let state = node.runtime.start(&sandbox, &node.container(image, &[])).await.unwrap();
    let mut stream = netns.inside(|| std::net::TcpStream::connect(("127.0.0.1", 8080))).unwrap();
    stream.write_all(b"GET /spin HTTP/1.1\r\nhost: web\r\n\r\n").unwrap();
    let running = async {
        while node.runtime.usage().await.unwrap()[0].cpu_nanoseconds < 50_000_000 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), running).await.unwrap();
    let state = node.runtime.stop(&state.id, 1).await.unwrap();
    assert_eq!(state.exit_code, 137);
    // Nobody is left to answer.
    assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap_or(0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_and_names_are_those_of_the_pod() {
    let (Some(netns), Some(other), Some(echo), Some(probe), Some(web)) =
        (Netns::new(), Netns::new(), component("tcp-echo"), component("net-probe"), component("echo-http"))
    else {
        return;
    };
    netns.name_server([127, 0, 0, 1]);
    let node = Node::new();
    let mut sandbox = node.sandbox("pod");
    netns.hold(&mut sandbox);
    for (name, image) in [("echo", echo), ("web", web)] {
        let mut container = node.container(image, &[]);
        container.name = name.to_owned();
        container.log_path = node.directory.path().join(name);
        node.runtime.start(&sandbox, &container).await.unwrap();
    }
    // The guest says when it listens.
    let listening = async {
        while !std::fs::read_to_string(node.directory.path().join("echo")).is_ok_and(|log| log.contains("listening")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), listening).await.unwrap();

    let here = &[
        (&["connect", "127.0.0.1:7000", "ping"][..], 0, "stdout F ping"),
        (&["resolve", "web"], 0, "stdout F 127.0.0.1"),
        (&["resolve", "web.shop.svc.cluster.local"], 0, "stdout F 127.0.0.1"),
        (&["resolve", "10.1.2.3"], 0, "stdout F 10.1.2.3"),
        (&["resolve", "nowhere"], 1, "name-unresolvable"),
        (&["get", "http://web:8080/path"], 0, "stdout F 200 GET /path"),
        (&["get", "http://nowhere:8080/"], 1, "NXDOMAIN"),
        (&["get", "http://web:9/"], 1, "ConnectionRefused"),
    ];
    for (n, (args, code, expect)) in here.iter().enumerate() {
        let mut container = node.container(probe.clone(), args);
        container.attempt = u32::try_from(n).unwrap();
        drop(std::fs::remove_file(&container.log_path));
        let state = node.run(&sandbox, &container).await;
        let log = node.log();
        assert_eq!(state.exit_code, *code, "{args:?}: {log:?}");
        assert!(log.first().is_some_and(|line| line.contains(expect)), "{args:?}: {log:?}");
    }

    // Another pod's loopback is another.
    let mut stranger = node.sandbox("stranger");
    other.hold(&mut stranger);
    let state = node.run(&stranger, &node.container(probe, &["connect", "127.0.0.1:7000", "ping"])).await;
    assert_eq!(state.exit_code, 1);
    // Our threads are where they were.
    assert!(std::net::TcpStream::connect(("127.0.0.1", 7000)).is_err());
}
