//! A guest that was granted files and hosts tries what it was not granted: `tests/guests/trespasser`.

use super::bystander::Bystander;
use super::place::Place;
use super::worlds::{World, origin};
use interfaces::adapt::{Adapter, Line};
use object::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use wasm::plugins::worlds::Product;

/// The trespasser with these grants; `None`: it is not built.
async fn trespasser(place: &Place, grants: Value) -> Option<Arc<dyn Adapter>> {
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../guests/trespasser.wasm");
    let Ok(bytes) = std::fs::read(&built) else {
        eprintln!("skipped: {} is not built (cargo xtask guests)", built.display());
        return None;
    };
    let mut spec = json!({ "world": "adapter", "grants": grants, "limits": {"timeoutMilliseconds": 10_000, "memoryMiB": 32} });
    spec["grants"]["interfaces"] = json!(["wasi:cli", "wasi:filesystem", "wasi:sockets", "wasi:http"]);
    match place.load(&place.write("trespasser", &bytes), &spec).await {
        Ok(plugin) => match plugin.product {
            Product::Adapter(row) => Some(row.adapter),
            _ => panic!("another world"),
        },
        Err(failed) => panic!("{}", failed.message),
    }
}

/// Tries all of them, in this order, and compares what came of each.
async fn check(adapter: &dyn Adapter, attempts: &[(&str, &str)]) {
    let line = |told: &&str| Line { time: 1, text: told.as_bytes().to_vec(), continues: false };
    let told: Vec<Line> = attempts.iter().map(|(told, _)| line(told)).collect();
    let answer = adapter.process(&origin(), b"", &told).await.unwrap();
    let came: Vec<String> = answer.lines.into_iter().map(|line| String::from_utf8(line.text).unwrap()).collect();
    let wrong: Vec<String> = attempts
        .iter()
        .zip(&came)
        .filter(|((_, expect), came)| expect != came)
        .map(|((told, expect), came)| format!("{told}: {came:?}, not {expect:?}"))
        .collect();
    assert!(wrong.is_empty() && came.len() == attempts.len(), "{}", wrong.join("\n"));
}

/// Names and contents of everything below a directory; links as they are.
fn tree(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            found.extend(tree(&path));
        } else if kind.is_symlink() {
            found.push(format!("{} -> {}", path.display(), std::fs::read_link(&path).unwrap().display()));
        } else {
            found.push(format!("{}: {}", path.display(), std::fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_do_not_lead_out_of_the_granted_directories() {
    let place = Place::new();
    let own = place.data();
    let (desk, shelf, outside) = (own.join("desk"), own.join("shelf"), own.join("outside"));
    for directory in [&desk, &shelf, &outside] {
        std::fs::create_dir_all(directory).unwrap();
    }
    std::fs::write(desk.join("mine"), "mine").unwrap();
    std::fs::write(shelf.join("book"), "book").unwrap();
    std::fs::write(outside.join("secret"), "secret").unwrap();
    let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, desk.join(name)).unwrap();
    link(Path::new("../outside/secret"), "relative");
    link(&outside.join("secret"), "absolute");
    link(Path::new(".."), "up");
    link(Path::new("up/outside"), "through");
    link(Path::new("/"), "root");
    link(Path::new("mine"), "inside");
    let grants =
        json!({ "directories": [{"name": "desk", "mountPath": "/desk"}, {"name": "shelf", "mountPath": "/shelf", "readOnly": true}] });
    let Some(adapter) = trespasser(&place, grants).await else { return };
    let before = tree(&outside);
    let bystander = Bystander::start(&place, World::of("adapter")).await;
    const REFUSED: &str = "PermissionDenied";
    check(
        &*adapter,
        &[
            ("read /desk/mine", "mine"),
            ("read /desk/./inside", "mine"),
            ("read /shelf/book", "book"),
            // Upwards.
            ("read /desk/../outside/secret", REFUSED),
            ("read /desk/../desk/mine", REFUSED),
            ("read /desk/../../../../../../etc/passwd", REFUSED),
            ("list /desk/..", REFUSED),
            ("write /desk/../outside/new text", REFUSED),
            ("move /desk/mine /desk/../outside/mine", REFUSED),
            ("hard /desk/mine /desk/../outside/mine", REFUSED),
            ("remove /desk/../outside/secret", REFUSED),
            // From the root: there is none.
            ("read /etc/passwd", "NotFound"),
            ("read /outside/secret", "NotFound"),
            ("list /", "NotFound"),
            ("read /proc/self/environ", "NotFound"),
            ("write /new text", "NotFound"),
            // By links that lie there.
            ("read /desk/relative", REFUSED),
            ("read /desk/absolute", REFUSED),
            ("read /desk/up/outside/secret", REFUSED),
            ("read /desk/through/secret", REFUSED),
            ("read /desk/root/etc/passwd", REFUSED),
            ("list /desk/up", REFUSED),
            ("list /desk/root", REFUSED),
            ("write /desk/relative text", REFUSED),
            ("write /desk/through/new text", REFUSED),
            ("remove /desk/through/secret", REFUSED),
            // By links that it makes: those that lead out may lie there, but lead nowhere.
            ("link /etc/passwd own", "not-permitted"),
            ("link ../outside/secret own", "done"),
            ("read /desk/own", REFUSED),
            ("write /desk/own text", REFUSED),
            ("hard /desk/relative /desk/copy", "done"),
            ("read /desk/copy", REFUSED),
            // Where it may only read.
            ("write /shelf/new text", REFUSED),
            ("write /shelf/book text", REFUSED),
            ("remove /shelf/book", REFUSED),
            ("move /shelf/book /desk/book", REFUSED),
            ("move /desk/mine /shelf/mine", REFUSED),
            ("hard /desk/mine /shelf/mine", REFUSED),
            ("read /shelf/book", "book"),
            ("read /desk/mine", "mine"),
        ],
    )
    .await;
    bystander.finish("escapes of paths").await;
    assert_eq!(tree(&outside), before);
    assert_eq!(tree(&shelf), [format!("{}: book", shelf.join("book").display())]);
}

#[tokio::test]
async fn without_a_directory_there_are_no_files() {
    let place = Place::new();
    let Some(adapter) = trespasser(&place, json!({})).await else { return };
    check(&*adapter, &[("list /", "NotFound"), ("read /etc/passwd", "NotFound"), ("list .", "NotFound"), ("link a b", "no directory")])
        .await;
}

/// Answers every request with a redirection to `to`, until it is dropped with the test's process. Its address.
fn redirecting(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut asked = [0; 4096];
            // Who only connects, asks nothing.
            if stream.read(&mut asked).is_ok_and(|length| length > 0) {
                let _ = write!(stream, "HTTP/1.1 302 Found\r\nlocation: http://{to}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            }
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_go_to_granted_hosts_only() {
    let place = Place::new();
    let forbidden = TcpListener::bind("127.0.0.1:0").unwrap();
    forbidden.set_nonblocking(true).unwrap();
    let closed = forbidden.local_addr().unwrap();
    let open = redirecting(closed);
    let Some(adapter) = trespasser(&place, json!({ "hosts": [format!("localhost:{}", open.port())] })).await else { return };
    let bystander = Bystander::start(&place, World::of("adapter")).await;
    const HTTP: &str = "ErrorCode::HttpRequestDenied";
    let (a, b) = (open.port(), closed.port());
    let attempts = [
        // The address of an allowed name is nothing before the name was asked for.
        (format!("connect 127.0.0.1:{a}"), "access-denied"),
        (format!("get http://127.0.0.1:{a}/"), HTTP),
        ("resolve localhost".to_owned(), "127.0.0.1"),
        (format!("connect 127.0.0.1:{a}"), "connected"),
        (format!("get http://localhost:{a}/"), "302"),
        // Other ports, other names, other addresses.
        (format!("connect 127.0.0.1:{b}"), "access-denied"),
        (format!("get http://localhost:{b}/"), HTTP),
        ("get http://localhost/".to_owned(), HTTP),
        (format!("follow http://localhost:{a}/"), "302, then ErrorCode::HttpRequestDenied"),
        (format!("get http://localhost:{a}@127.0.0.1:{b}/"), HTTP),
        (format!("get http://localhost.example.com:{a}/"), HTTP),
        (format!("get http://example.com:{a}/"), HTTP),
        ("resolve example.com".to_owned(), "access-denied"),
        ("resolve localhost.example.com".to_owned(), "access-denied"),
        (format!("connect 0.0.0.0:{b}"), "invalid-argument"),
        (format!("connect 127.0.0.2:{a}"), "access-denied"),
        // Where clouds tell their machines' secrets.
        ("get http://169.254.169.254/latest/meta-data/".to_owned(), HTTP),
        ("connect 169.254.169.254:80".to_owned(), "access-denied"),
        ("resolve 169.254.169.254".to_owned(), "169.254.169.254"),
        ("connect 169.254.169.254:80".to_owned(), "access-denied"),
        // Datagrams, and being called.
        (format!("send 127.0.0.1:{b}"), "access-denied"),
        ("send 169.254.169.254:53".to_owned(), "access-denied"),
        ("listen 127.0.0.1:0".to_owned(), "access-denied"),
        (format!("listen 0.0.0.0:{b}"), "access-denied"),
    ];
    let attempts: Vec<(&str, &str)> = attempts.iter().map(|(told, expect)| (told.as_str(), *expect)).collect();
    check(&*adapter, &attempts).await;
    bystander.finish("forbidden hosts").await;
    assert_eq!(forbidden.accept().map(drop).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock), "somebody came");
}

#[tokio::test]
async fn without_a_host_there_is_no_network() {
    let place = Place::new();
    let Some(adapter) = trespasser(&place, json!({})).await else { return };
    check(
        &*adapter,
        &[
            ("connect 127.0.0.1:1", "access-denied"),
            ("send 127.0.0.1:1", "access-denied"),
            ("listen 127.0.0.1:0", "access-denied"),
            ("resolve localhost", "access-denied"),
            ("get http://localhost/", "ErrorCode::HttpRequestDenied"),
        ],
    )
    .await;
}
