//! Pods whose containers are components.

use tests::{Cluster, eventually};

const CLI: &str = "image: coracle.dev/test/cli-args:v1";

#[test]
fn wasm_commands_have_arguments_and_exit_codes() {
    let space = Cluster::shared().space("wasm-exit");
    for (name, args, code, reason, output) in [
        ("fine", "args: [args, one, two words]", 0, "Completed", "args: main args one two words\n"),
        ("fails", "args: [fail]", 1, "Error", "failed, as it was told\n"),
        // WASI 0.2 tells a host only whether a command succeeded.
        ("exits", "args: [exit, '3']", 1, "Error", ""),
        ("traps", "args: [trap]", 134, "Error", ""),
    ] {
        let (got, said) = space.outcome(name, &format!("{CLI}, {args}"), "");
        let pod = space.get("pod", name);
        let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
        assert_eq!((got, ended["reason"].as_str()), (code, Some(reason)), "{name}: {ended:#}");
        assert_eq!(pod["status"]["phase"], if code == 0 { "Succeeded" } else { "Failed" });
        if !output.is_empty() {
            assert_eq!(said, output, "{name}");
        }
    }
}

#[test]
fn wasm_commands_see_their_environment() {
    let space = Cluster::shared().space("wasm-env");
    space.ok(&["create", "configmap", "settings", "--from-literal=color=blue", "--from-literal=SIZE=9"]);
    space.ok(&["create", "secret", "generic", "key", "--from-literal=word=sesame"]);
    let env = "args: [env], envFrom: [{configMapRef: {name: settings}, prefix: P_}], env: [\
        {name: PLAIN, value: text}, \
        {name: TWICE, value: $(PLAIN)-$(PLAIN)}, \
        {name: ESCAPED, value: $$(PLAIN)}, \
        {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}, \
        {name: MEMORY, valueFrom: {resourceFieldRef: {resource: limits.memory}}}, \
        {name: COLOR, valueFrom: {configMapKeyRef: {name: settings, key: color}}}, \
        {name: MAYBE, valueFrom: {configMapKeyRef: {name: settings, key: absent, optional: true}}}, \
        {name: WORD, valueFrom: {secretKeyRef: {name: key, key: word}}}]";
    let (_, said) = space.outcome("env", &format!("{CLI}, resources: {{limits: {{memory: 32Mi}}}}, {env}"), "");
    for line in [
        "PLAIN=text",
        "TWICE=text-text",
        "ESCAPED=$(PLAIN)",
        "POD=env",
        "MEMORY=33554432",
        "COLOR=blue",
        "WORD=sesame",
        "P_SIZE=9",
        "P_color=blue",
        "KUBERNETES_SERVICE_HOST=10.43.0.1",
        "KUBERNETES_SERVICE_PORT=443",
    ] {
        assert!(said.lines().any(|got| got == line), "no {line} in\n{said}");
    }
    assert!(!said.contains("MAYBE"), "{said}");
}

#[test]
fn wasm_volumes_are_preopened() {
    let space = Cluster::shared().space("wasm-volumes");
    space.ok(&["create", "configmap", "settings", "--from-literal=color=blue"]);
    space.ok(&["create", "secret", "generic", "key", "--from-literal=word=sesame"]);
    let volumes =
        "volumes: [{name: settings, configMap: {name: settings}}, {name: key, secret: {secretName: key}}, {name: scratch, emptyDir: {}}]";
    let run =
        |name: &str, args: &str, mounts: &str| space.outcome(name, &format!("{CLI}, args: [{args}], volumeMounts: [{mounts}]"), volumes);
    assert_eq!(run("config", "cat, /etc/settings/color", "{name: settings, mountPath: /etc/settings}"), (0, "blue".to_owned()));
    assert_eq!(run("secret", "cat, /key/word", "{name: key, mountPath: /key}"), (0, "sesame".to_owned()));
    assert_eq!(run("writes", "write, /data/file, hello", "{name: scratch, mountPath: /data}").0, 0);
    let (code, said) = run("refused", "write, /data/file, hello", "{name: scratch, mountPath: /data, readOnly: true}");
    assert_eq!(code, 1, "a read-only mount takes no writes: {said}");
    let (code, said) = run("outside", "cat, /etc/passwd", "{name: scratch, mountPath: /data}");
    assert_eq!(code, 1, "what is not mounted is not there: {said}");
    let (code, said) = run("climbs", "cat, /data/../../../../etc/passwd", "{name: scratch, mountPath: /data}");
    assert_eq!(code, 1, "nobody climbs out of a mount: {said}");
}

#[test]
fn wasm_memory_is_limited() {
    let space = Cluster::shared().space("wasm-memory");
    let (code, said) = space.outcome("hog", "image: coracle.dev/test/hog:v1, resources: {limits: {memory: 16Mi}}", "");
    let pod = space.get("pod", "hog");
    assert_eq!(pod["status"]["containerStatuses"][0]["state"]["terminated"]["reason"], "OOMKilled", "{:#}", pod["status"]);
    assert_eq!(code, 137);
    let reached = said.lines().count();
    assert!((4..16).contains(&reached), "it got {reached} MiB of 16");
}

#[test]
fn wasm_that_never_yields_can_be_stopped_and_starves_nobody() {
    let space = Cluster::shared().space("wasm-spin");
    space.pod("spin", "image: coracle.dev/test/spin:v1, resources: {limits: {cpu: 100m}}");
    let mut logs = {
        space.until("pods", "spin", "run", |pod| pod["status"]["containerStatuses"][0]["state"]["running"].is_object());
        space.spawn(&["logs", "-f", "spin"])
    };
    logs.line("spinning");
    assert_eq!(space.outcome("beside", &format!("{CLI}, args: [args]"), "").0, 0, "another component runs meanwhile");
    space.ok(&["delete", "pod", "spin", "--timeout=30s"]);
}

#[test]
fn wasm_http_components_answer_on_the_pods_address() {
    let cluster = Cluster::shared();
    let space = cluster.space("wasm-http");
    space.pod_with("echo", "image: coracle.dev/test/echo-http:v1, resources: {limits: {memory: 32Mi}}, env: [{name: COLOR, value: blue}], readinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1}", "runtimeClassName: wasm");
    let pod = space.until_ready("echo");
    let address = format!("{}:8080", pod["status"]["podIP"].as_str().expect("a ready pod has an address"));
    assert_eq!(cluster.http(&address, "/path?query"), Ok((200, "GET /path \n".to_owned())));
    assert_eq!(cluster.http(&address, "/env/COLOR"), Ok((200, "blue".to_owned())));
    // Each request has an instance of its own: one that traps or takes all memory harms no other.
    for path in ["/trap", "/hog"] {
        let (status, _) = cluster.http(&address, path).expect("there is an answer");
        assert_eq!(status, 500, "{path}");
    }
    assert_eq!(cluster.http(&address, "/env/COLOR"), Ok((200, "blue".to_owned())));
    let logs = space.ok(&["logs", "echo"]);
    assert!(logs.contains("GET /path"), "{logs}");
    assert_eq!(space.get("pod", "echo")["status"]["containerStatuses"][0]["restartCount"], 0);
}

#[test]
fn wasm_services_listen_and_connect_by_sockets() {
    let cluster = Cluster::shared();
    let space = cluster.space("wasm-sockets");
    space.pod("echo", "image: coracle.dev/test/tcp-echo:v1, readinessProbe: {tcpSocket: {port: 7000}, periodSeconds: 1}");
    let pod = space.until_ready("echo");
    let address = format!("{}:7000", pod["status"]["podIP"].as_str().expect("a ready pod has an address"));
    let (code, said) = space.outcome("asks", &format!("image: coracle.dev/test/net-probe:v1, args: [connect, '{address}', ahoy]"), "");
    assert_eq!((code, said.as_str()), (0, "ahoy\n"));
}

#[test]
fn wasm_resolves_names_and_calls_services() {
    let space = Cluster::shared().space("wasm-dns");
    space.pod_with("echo", "image: coracle.dev/test/echo-http:v1, ports: [{containerPort: 8080}], readinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1}", "restartPolicy: Always");
    space.until_ready("echo");
    space.ok(&["expose", "pod", "echo", "--port=80", "--target-port=8080"]);
    let address = space.get("service", "echo")["spec"]["clusterIP"].as_str().expect("a Service has an address").to_owned();
    let slice = |slice: &serde_json::Value| slice["endpoints"][0]["conditions"]["ready"] == true;
    space.kubectl().until_any(&["endpointslices", "-l", "kubernetes.io/service-name=echo"], "an endpoint", slice);
    for (name, host) in [("short", "echo"), ("with-namespace", "echo.wasm-dns"), ("full", "echo.wasm-dns.svc.cluster.local")] {
        let (code, said) = space.outcome(name, &format!("image: coracle.dev/test/net-probe:v1, args: [resolve, {host}]"), "");
        assert_eq!((code, said.trim()), (0, address.as_str()), "{host}");
    }
    let (code, said) = space.outcome("unknown", "image: coracle.dev/test/net-probe:v1, args: [resolve, nobody.example]", "");
    assert_eq!(code, 1, "{said}");
    let (code, said) = space.outcome("calls", "image: coracle.dev/test/net-probe:v1, args: [get, 'http://echo/from/wasm']", "");
    assert_eq!((code, said.trim()), (0, "200 GET /from/wasm"));
}

#[test]
fn wasm_is_restarted_as_the_policy_says() {
    let space = Cluster::shared().space("wasm-restart");
    for (name, policy, args) in
        [("always", "Always", "args"), ("on-failure", "OnFailure", "fail"), ("on-success", "OnFailure", "args"), ("never", "Never", "fail")]
    {
        space.pod_with(name, &format!("{CLI}, args: [{args}]"), &format!("restartPolicy: {policy}"));
    }
    for name in ["always", "on-failure"] {
        let pod = space.until("pods", name, "wait between restarts", |pod| {
            pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        });
        let status = &pod["status"]["containerStatuses"][0];
        assert!(status["restartCount"].as_i64() >= Some(1), "{status:#}");
        let message = status["state"]["waiting"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("restarting failed container=main pod="), "{message}");
        assert!(status["lastState"]["terminated"]["finishedAt"].is_string(), "{status:#}");
    }
    assert_eq!(space.until_ended("on-success")["status"]["phase"], "Succeeded");
    let never = space.until_ended("never");
    assert_eq!(never["status"]["phase"], "Failed");
    assert_eq!(never["status"]["containerStatuses"][0]["restartCount"], 0);
}

#[test]
fn wasm_file_in_an_ordinary_image_runs() {
    let cluster = Cluster::start(tests::Options { flags: vec!["--disable=dns".to_owned()], ..Default::default() });
    let archive = cluster.dir().join("wrapped.tar");
    let image = image::build::ImageBuilder::new("coracle.dev/test/wrapped:v1").platform("wasip2", "wasm").entrypoint(["/app.wasm"]);
    let image = image.file(tests::paths::guest("cli-args"), "/app.wasm").expect("the guest can be read");
    image.write(&archive, image::build::Format::OciLayout).expect("the archive can be written");
    let data = cluster.data();
    let args = ["image", "import", "--data-dir", &data.display().to_string(), &archive.display().to_string()];
    let said = cluster.on_node(&tests::paths::coracle().display().to_string(), &args);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let space = cluster.space("wasm-wrapped");
    let (code, said) = space.outcome("wrapped", "image: coracle.dev/test/wrapped:v1, args: [args, wrapped]", "");
    assert_eq!(code, 0);
    assert!(said.trim().ends_with("args wrapped"), "{said}");
    // A listed image is known to the node.
    eventually("the image in the node's status", || {
        let node = cluster.kubectl().get("node", tests::NODE);
        let names = node["status"]["images"].to_string();
        if names.contains("coracle.dev/test/wrapped:v1") { Ok(()) } else { Err(names) }
    });
}

/// Processor time that the wasm host has used, in hundredths of a second.
fn host_time(cluster: &Cluster) -> u64 {
    let script = "for p in /proc/[0-9]*; do grep -q wasm-host $p/cmdline 2>/dev/null && cut -d')' -f2 $p/stat; done";
    let said = cluster.on_node("sh", &["-c", script]).out;
    // After the name in parentheses: state is the first field, user and system time the 12th and 13th.
    let times = said.lines().map(|line| line.split_whitespace().skip(11).take(2).filter_map(|time| time.parse::<u64>().ok()).sum::<u64>());
    let time = times.sum();
    assert!(time > 0, "there is a wasm host: {said}");
    time
}

#[test]
fn wasm_processor_time_is_limited() {
    let cluster = Cluster::start(tests::Options { images: vec!["spin", "cli-args"], ..Default::default() });
    let space = cluster.space("wasm-cpu");
    // The part of a processor that the host uses while another component sleeps for three seconds.
    let used = |name: &str, resources: &str| {
        space.pod(name, &format!("image: coracle.dev/test/spin:v1, resources: {resources}"));
        space.until("pods", name, "run", |pod| pod["status"]["containerStatuses"][0]["state"]["running"].is_object());
        space.spawn(&["logs", "-f", name]).line("spinning");
        let (before, start) = (host_time(&cluster), std::time::Instant::now());
        assert_eq!(space.outcome(&format!("beside-{name}"), &format!("{CLI}, args: [sleep, '3']"), "").0, 0);
        let used = (host_time(&cluster) - before) as f64 / 100.0 / start.elapsed().as_secs_f64();
        space.ok(&["delete", "pod", name, "--timeout=30s"]);
        used
    };
    let limited = used("limited", "{limits: {cpu: 100m}}");
    let free = used("free", "{}");
    // By the clock, so that a busy machine, which gives less to both, changes nothing.
    assert!(limited < 0.2 && free > 1.5 * limited, "a tenth of a processor used {limited:.2}, a whole one {free:.2} of one");
}

#[test]
fn wasm_a_hundred_replicas_become_ready() {
    let space = Cluster::shared().space("wasm-hundred");
    space.ok(&["create", "deployment", "web", "--image=coracle.dev/test/tcp-echo:v1", "--replicas=100"]);
    space.ok(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    let pods = space.json(&["get", "pods", "-l", "app=web"]);
    let addresses: std::collections::BTreeSet<&str> =
        pods["items"].as_array().into_iter().flatten().filter_map(|pod| pod["status"]["podIP"].as_str()).collect();
    assert_eq!(addresses.len(), 100, "each has an address of its own");
    space.ok(&["delete", "deployment", "web"]);
    space.ok(&["wait", "--for=delete", "pod", "-l", "app=web", "--timeout=60s"]);
}
