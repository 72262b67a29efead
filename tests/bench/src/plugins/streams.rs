//! Components in a stream: an adapter between a container and its log, and middleware before a Service.

use super::{bed, calls};
use crate::table::{Table, quantile, time};
use interfaces::adapt::{BATCH_LINES, Line};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;
use object::json;
use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tests::{Cluster, Options, Space, eventually};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use wasm::plugins::worlds::Product;

const BATCHES: usize = 400;
/// Of a container's log: some megabytes, below the size at which a log is rotated.
const LINES: usize = 100_000;
const CLIENTS: usize = 16;
const LOAD: Duration = Duration::from_secs(5);

pub fn run() {
    adapter_alone();
    let plugins = vec!["adapter-told", "middleware-auth"];
    let cluster = Cluster::start(Options { images: vec!["busybox", "nginx"], plugins, ..Options::default() });
    let space = cluster.space("streams");
    adapter(&cluster, &space);
    middleware(&cluster, &space);
}

fn adapter_alone() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let folder = tempfile::tempdir().expect("a folder can be made");
    let loading = bed::loading(folder.path());
    let mut table = Table::new(format!("Adapters without a server (calls of {BATCH_LINES} lines)"));
    let line = |text: &str| Line { time: 1, text: text.as_bytes().to_vec(), continues: false };
    for (name, what, text) in [
        ("adapter-told", "a mark before each line", "INFO 2026-01-31T10:00:00Z served GET /items in 12 ms, 200"),
        ("adapter-report", "columns to JSON, with counters", "ITEM   0001 WIDGET              0000012 0001999"),
    ] {
        let prepared = runtime.block_on(bed::prepare(&loading, &bed::plugin(name, json!({"world": "adapter"}))));
        let Product::Adapter(row) = prepared.loaded.product else { panic!("{name} is of another world") };
        let mut lines = vec![line(text); BATCH_LINES];
        lines[0] = line("REPORT 20260131 STORE 0042");
        let start = Instant::now();
        for _ in 0..BATCHES {
            let answer = runtime.block_on(row.adapter.process(&calls::origin(), &[], &lines)).expect("it answers");
            assert!(answer.lines.len() + 1 >= lines.len(), "only {} lines of {}", answer.lines.len(), lines.len());
        }
        let (took, all) = (start.elapsed().as_secs_f64(), (BATCHES * BATCH_LINES) as f64);
        table.row(format!("{name}: {what}"), format!("{:.0} lines/s, {:.2} µs each", all / took, took * 1e6 / all), "");
    }
}

/// From the container's start until the API shows the last of its lines.
fn adapter(cluster: &Cluster, space: &Space<'_>) {
    cluster.kubectl().apply(
        "apiVersion: coracle.dev/v1alpha1\nkind: WasmPlugin\nmetadata: {name: adapter-told}\n\
         spec: {world: adapter, path: adapter-told.wasm, config: {mark: '* '}}\n",
    );
    cluster.kubectl().until("wasmplugins", "adapter-told", "be loaded", |plugin| plugin["status"]["phase"] == "Ready");
    let mut table = Table::new(format!("An adapter between a container and its log ({LINES} lines of an OCI container)"));
    let mut rates = Vec::new();
    for (name, what, annotation) in
        [("plain", "without", ""), ("told", "with adapter-told", "adapter.coracle.dev/main: 'adapter-told?source=stdout'")]
    {
        let script = format!("sleep 1; i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo line $i; done");
        space.apply(&format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, annotations: {{{annotation}}}}}\n\
             spec: {{restartPolicy: Never, containers: [{{name: main, image: coracle.dev/examples/busybox:v1, command: [sh, -c, {}]}}]}}\n",
            json!(script)
        ));
        space.until("pods", name, "run", |pod| pod["status"]["phase"] == "Running");
        let (took, last) = cluster.typed(|client| read(client, space.name(), name));
        let rate = LINES as f64 / took.as_secs_f64();
        table.row(what, format!("{rate:.0} lines/s until all are in the log, which ends with {last:?}"), "");
        rates.push(rate);
        space.ok(&["delete", "pod", name, "--grace-period=0", "--force"]);
    }
    if let [without, with] = rates[..] {
        table.row("with : without", format!("{:.2}", with / without), "");
    }
}

/// The time from the first line to the last, and the last.
async fn read(client: kube::Client, namespace: &str, name: &str) -> (Duration, String) {
    let pods: Api<Pod> = Api::namespaced(client, namespace);
    let tail = LogParams { tail_lines: Some(1), ..LogParams::default() };
    let mut first = None;
    loop {
        let line = pods.logs(name, &tail).await.unwrap_or_default();
        if !line.is_empty() {
            let start = *first.get_or_insert_with(Instant::now);
            if line.trim_end().ends_with(&format!("line {LINES}")) {
                return (start.elapsed(), line.trim_end().to_owned());
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn middleware(cluster: &Cluster, space: &Space<'_>) {
    space.pod_with("web", "image: coracle.dev/test/nginx:v1, readinessProbe: {tcpSocket: {port: 80}, periodSeconds: 1}", "");
    space.until_ready("web");
    space.apply("apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n");
    let service = space.get("service", "web");
    let address = format!("{}:80", service["spec"]["clusterIP"].as_str().expect("a Service has an address"));
    let address: SocketAddr = address.parse().expect("an address");
    let mut table =
        Table::new(format!("Middleware before a Service (nginx; {CLIENTS} connections that are kept, client beside the server)"));
    let mut rates = Vec::new();
    for (what, annotated) in [("without", false), ("with middleware-auth", true)] {
        if annotated {
            cluster.kubectl().apply(
                "apiVersion: coracle.dev/v1alpha1\nkind: WasmPlugin\nmetadata: {name: middleware-auth}\n\
                 spec: {world: http-middleware, path: middleware-auth.wasm, config: {users: 'alice=open-sesame'}}\n",
            );
            cluster.kubectl().until("wasmplugins", "middleware-auth", "be loaded", |plugin| plugin["status"]["phase"] == "Ready");
            space.ok(&["annotate", "service", "web", "middleware.coracle.dev/80=middleware-auth"]);
        }
        // Who brings no token is let in by none but the application itself.
        let wanted = if annotated { 401 } else { 200 };
        eventually("the Service to answer as it should", || match ask(cluster, address, "") {
            Ok(status) if status == wanted => Ok(()),
            other => Err(format!("{other:?}")),
        });
        let (mut times, took, failed) = cluster.sandbox().in_network(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
            runtime.block_on(requests(address))
        });
        let rate = times.len() as f64 / took.as_secs_f64();
        let (p50, p99) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));
        table.row(what, format!("{rate:.0} requests/s, p50 {}, p99 {}, {failed} failed", time(p50), time(p99)), "");
        rates.push(rate);
    }
    if let [without, with] = rates[..] {
        table.row("with : without", format!("{:.2}", with / without), "");
    }
}

const KNOWN: &str = "Authorization: Bearer open-sesame\r\n";

fn ask(cluster: &Cluster, address: SocketAddr, header: &str) -> Result<u16, String> {
    let answer = cluster.sandbox().in_network(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        runtime.block_on(async {
            let mut stream = BufReader::new(TcpStream::connect(address).await?);
            get(&mut stream, header).await
        })
    });
    answer.map_err(|error| error.to_string())
}

/// As many requests as there is time for, by all clients together.
async fn requests(address: SocketAddr) -> (Vec<Duration>, Duration, usize) {
    let start = Instant::now();
    let clients = (0..CLIENTS).map(|_| async move {
        let (mut times, mut failed, mut stream) = (Vec::new(), 0, None);
        while start.elapsed() < LOAD {
            let begin = Instant::now();
            let mut open = match stream.take() {
                Some(open) => open,
                None => BufReader::new(TcpStream::connect(address).await.expect("the Service can be reached")),
            };
            match get(&mut open, KNOWN).await {
                Ok(200) => {
                    times.push(begin.elapsed());
                    stream = Some(open);
                }
                // A server closes a connection after so many requests: not the request's failure if nothing was answered.
                Err(error) if matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe) => {}
                _ => failed += 1,
            }
        }
        (times, failed)
    });
    let all = futures::future::join_all(clients).await;
    let failed = all.iter().map(|(_, failed)| failed).sum();
    (all.into_iter().flat_map(|(times, _)| times).collect(), start.elapsed(), failed)
}

/// One request on a connection that is kept; its status.
async fn get(stream: &mut BufReader<TcpStream>, header: &str) -> std::io::Result<u16> {
    let wrong = |what: &str| std::io::Error::other(what.to_owned());
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: web\r\n{header}\r\n").as_bytes()).await?;
    let (mut status, mut length, mut chunked) = (None, 0, false);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if status.is_none() {
            status = Some(line.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| wrong("no status"))?);
        } else if line.is_empty() {
            break;
        } else if let Some(told) = line.strip_prefix("content-length:") {
            length = told.trim().parse().map_err(|_| wrong("no length"))?;
        } else if line.starts_with("transfer-encoding:") {
            chunked = line.contains("chunked");
        }
    }
    while chunked {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let size = usize::from_str_radix(line.trim_end(), 16).map_err(|_| wrong("no chunk"))?;
        stream.read_exact(&mut vec![0; size + 2]).await?;
        chunked = size > 0;
    }
    stream.read_exact(&mut vec![0; length]).await?;
    status.ok_or_else(|| wrong("no status"))
}
