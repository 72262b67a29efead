//! Arguments, environment, volumes, the images' own settings.

use super::script;
use tests::Cluster;

#[test]
fn oci_arguments_and_directory_come_from_image_and_pod() {
    let space = Cluster::shared().space("oci-args");
    let busybox = "image: coracle.dev/examples/busybox:v1";
    let (_, said) = space.outcome(
        "command",
        &format!(
            "{busybox}, command: [echo, $(GREETING)], args: [$(GREETING), $$(GREETING), $(NOBODY)], env: [{{name: GREETING, value: hi}}]"
        ),
        "",
    );
    assert_eq!(said, "hi hi $(GREETING) $(NOBODY)\n");
    let (_, said) = space.outcome("directory", &format!("{busybox}, command: [pwd], workingDir: /var/tmp"), "");
    assert_eq!(said, "/var/tmp\n");
    let (_, said) = space.outcome("from-image", "image: coracle.dev/test/redis:v1, command: [redis-cli, --version]", "");
    assert!(said.starts_with("redis-cli "), "{said}");
}

#[test]
fn oci_environment_comes_from_everywhere() {
    let space = Cluster::shared().space("oci-env");
    space.ok(&["create", "configmap", "settings", "--from-literal=COLOR=blue"]);
    space.ok(&["create", "secret", "generic", "key", "--from-literal=WORD=sesame"]);
    let env = "envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: key}}], resources: {limits: {cpu: 500m}}, env: [\
        {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}, \
        {name: SPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}, \
        {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}, \
        {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}, \
        {name: LABEL, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['app']\"}}}, \
        {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}]";
    let (_, said) = script(&space, "env", "env; ip -4 -o addr show eth0", env, "");
    for line in [
        "COLOR=blue",
        "WORD=sesame",
        "NAME=env",
        "SPACE=oci-env",
        "NODE=node-1",
        "LABEL=env",
        "CPU=500",
        "HOSTNAME=env",
        "PATH=/bin:/usr/bin:/sbin:/usr/sbin",
    ] {
        assert!(said.lines().any(|got| got == line), "no {line} in\n{said}");
    }
    let address = said.lines().find_map(|line| line.strip_prefix("IP=")).expect("the pod knows its address");
    assert!(said.contains(&format!("inet {address}/")), "{said}");
    space.pod("lacks", "image: coracle.dev/examples/busybox:v1, command: [env], envFrom: [{configMapRef: {name: absent}}]");
    let pod = space.until("pods", "lacks", "wait for its settings", |pod| {
        pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "CreateContainerConfigError"
    });
    assert_eq!(pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"], "configmap \"absent\" not found");
    // It starts when what it lacks is there.
    space.ok(&["create", "configmap", "absent", "--from-literal=LATE=yes"]);
    assert!(space.output("lacks").contains("LATE=yes"));
}

#[test]
fn oci_volumes_hold_what_they_should() {
    let space = Cluster::shared().space("oci-volumes");
    space.ok(&["create", "configmap", "settings", "--from-literal=color=blue", "--from-literal=size=9"]);
    space.ok(&["create", "secret", "generic", "key", "--from-literal=word=sesame"]);
    let volumes = "volumes:
- {name: all, configMap: {name: settings}}
- {name: some, configMap: {name: settings, defaultMode: 0400, items: [{key: color, path: deep/colour}]}}
- {name: key, secret: {secretName: key}}
- {name: memory, emptyDir: {medium: Memory, sizeLimit: 8Mi}}
- {name: about, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
- {name: mix, projected: {sources: [{configMap: {name: settings}}, {secret: {name: key}}]}}
- {name: maybe, configMap: {name: absent, optional: true}}";
    let mounts = "volumeMounts: [{name: all, mountPath: /all}, {name: some, mountPath: /some}, {name: key, mountPath: /key}, {name: memory, mountPath: /memory}, \
        {name: about, mountPath: /about}, {name: mix, mountPath: /mix}, {name: maybe, mountPath: /maybe}, {name: all, mountPath: /one/colour, subPath: color}]";
    let text = "cd /; cat all/color; echo; cat some/deep/colour; echo; stat -L -c %a some/deep/colour; cat key/word; echo; \
        grep ' /memory ' /proc/mounts | cut -d' ' -f3; cat about/labels; echo; echo $(ls mix); echo $(ls maybe) nothing; cat one/colour; echo; touch all/x || echo refused";
    let (code, said) = script(&space, "volumes", text, mounts, volumes);
    let lines: Vec<&str> = said.lines().filter(|line| !line.contains("Read-only")).collect();
    assert_eq!(
        lines,
        ["blue", "blue", "400", "sesame", "tmpfs", "app=\"volumes\"", "color size word", "nothing", "blue", "refused"],
        "{code}: {said}"
    );
}

#[test]
fn oci_volumes_follow_their_configmap() {
    let space = Cluster::shared().space("oci-follow");
    space.ok(&["create", "configmap", "settings", "--from-literal=color=blue"]);
    let container = "image: coracle.dev/examples/busybox:v1, command: [sh, -c, \"cat /s/color; echo; until grep -q red /s/color; do sleep 0.1; done; echo red\"], volumeMounts: [{name: s, mountPath: /s}]";
    space.pod_with("follows", container, "restartPolicy: Never\nvolumes: [{name: s, configMap: {name: settings}}]");
    space.until_ready("follows");
    space.spawn(&["logs", "-f", "follows"]).line("blue");
    space.ok(&["patch", "configmap", "settings", "-p", r#"{"data":{"color":"red"}}"#]);
    assert!(space.output("follows").ends_with("red\n"));
}

#[test]
fn oci_volumes_are_shared_and_survive_a_restart_of_the_container() {
    let space = Cluster::shared().space("oci-shared");
    space.apply(
        "apiVersion: v1
kind: Pod
metadata: {name: pair}
spec:
  restartPolicy: OnFailure
  terminationGracePeriodSeconds: 1
  volumes: [{name: data, emptyDir: {}}]
  containers:
  - {name: counts, image: coracle.dev/examples/busybox:v1, volumeMounts: [{name: data, mountPath: /data}],
     command: [sh, -c, 'echo run >> /data/runs; [ $(wc -l < /data/runs) -ge 2 ]']}
  - {name: reads, image: coracle.dev/examples/busybox:v1, volumeMounts: [{name: data, mountPath: /data, readOnly: true}],
     command: [sh, -c, 'until [ -e /data/runs ] && [ $(wc -l < /data/runs) -ge 2 ]; do sleep 0.1; done; cat /data/runs']}
",
    );
    let pod = space.until_ended("pair");
    assert_eq!(pod["status"]["phase"], "Succeeded", "{:#}", pod["status"]);
    assert_eq!(space.ok(&["logs", "pair", "-c", "reads"]), "run\nrun\n");
}

#[test]
fn oci_programs_of_a_distribution_run() {
    let cluster = Cluster::shared();
    let space = cluster.space("oci-programs");
    space.pod_with(
        "web",
        "image: coracle.dev/test/nginx:v1, ports: [{containerPort: 80}], readinessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 1}",
        "restartPolicy: Always",
    );
    space.pod_with("redis", "image: coracle.dev/test/redis:v1, ports: [{containerPort: 6379}], readinessProbe: {exec: {command: [redis-cli, ping]}, periodSeconds: 1}", "restartPolicy: Always");
    let web = space.until_ready("web");
    let address = format!("{}:80", web["status"]["podIP"].as_str().expect("a ready pod has an address"));
    assert_eq!(cluster.http(&address, "/"), Ok((200, "Welcome to nginx in Coracle\n".to_owned())));
    let logs = space.ok(&["logs", "web"]);
    assert!(logs.contains("\"GET / HTTP/1.0\" 200"), "{logs}");
    space.until_ready("redis");
    space.ok(&["expose", "pod", "redis"]);
    let ask = |name: &str, words: &str| {
        space.outcome(name, &format!("image: coracle.dev/test/redis:v1, command: [redis-cli, -h, redis, {words}]"), "")
    };
    assert_eq!(ask("set", "set, sea, wide"), (0, "OK\n".to_owned()));
    assert_eq!(ask("get", "get, sea"), (0, "wide\n".to_owned()));
}
