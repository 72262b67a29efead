//! create, run, expose, replace.

use tests::{Cluster, condition};

#[test]
fn create_makes_configmaps_and_secrets_of_literals_and_files() {
    let cluster = Cluster::shared();
    let space = cluster.space("create-maps");
    let file = cluster.dir().join("poem.txt");
    std::fs::write(&file, "roses\nviolets\n").expect("a file can be written");
    let from_file = format!("--from-file={}", file.display());
    assert_eq!(space.ok(&["create", "configmap", "settings", "--from-literal=a=1", &from_file]), "configmap/settings created\n");
    assert_eq!(space.get("configmap", "settings")["data"], serde_json::json!({"a": "1", "poem.txt": "roses\nviolets\n"}));
    space.fails(&["create", "configmap", "settings"], "configmaps \"settings\" already exists");
    space.ok(&["create", "secret", "generic", "key", "--from-literal=word=open sesame"]);
    let secret = space.get("secret", "key");
    assert_eq!(secret["data"]["word"], "b3BlbiBzZXNhbWU=");
    assert_eq!(secret["type"], "Opaque");
    space.ok(&["create", "secret", "docker-registry", "pull", "--docker-server=r.example", "--docker-username=u", "--docker-password=p"]);
    assert_eq!(space.get("secret", "pull")["type"], "kubernetes.io/dockerconfigjson");
}

#[test]
fn create_deployment_then_expose_it() {
    let space = Cluster::shared().space("create-expose");
    space.ok(&["create", "deployment", "web", "--image=coracle.dev/test/nginx:v1", "--replicas=1", "--port=80"]);
    space.ok(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    assert_eq!(space.ok(&["expose", "deployment", "web"]), "service/web exposed\n");
    let service = space.get("service", "web");
    assert_eq!(service["spec"]["ports"][0]["port"], 80);
    assert_eq!(service["spec"]["selector"]["app"], "web");
    assert!(service["spec"]["clusterIP"].as_str().is_some_and(|ip| ip.starts_with("10.43.")), "{service:#}");
}

#[test]
fn run_starts_a_pod() {
    let space = Cluster::shared().space("run");
    assert_eq!(
        space.ok(&[
            "run",
            "box",
            "--image=coracle.dev/examples/busybox:v1",
            "--restart=Never",
            "--env=WHO=me",
            "--",
            "sh",
            "-c",
            "echo hello $WHO"
        ]),
        "pod/box created\n"
    );
    assert_eq!(space.output("box"), "hello me\n");
    space.ok(&["run", "server", "--image=coracle.dev/test/nginx:v1", "--port=80", "--expose", "--labels=app=server"]);
    let pod = space.until_ready("server");
    assert_eq!(condition(&pod, "ContainersReady"), Some("True"));
    assert_eq!(space.get("service", "server")["spec"]["ports"][0]["port"], 80);
}

#[test]
fn create_makes_the_other_kinds_it_knows() {
    let space = Cluster::shared().space("create-others");
    for (args, made) in [
        (vec!["create", "serviceaccount", "robot"], "serviceaccount/robot created\n"),
        (vec!["create", "role", "reader", "--verb=get,list", "--resource=pods"], "role.rbac.authorization.k8s.io/reader created\n"),
        (
            vec!["create", "rolebinding", "reads", "--role=reader", "--serviceaccount=create-others:robot"],
            "rolebinding.rbac.authorization.k8s.io/reads created\n",
        ),
        (vec!["create", "service", "clusterip", "plain", "--tcp=80:8080"], "service/plain created\n"),
        (vec!["create", "service", "externalname", "far", "--external-name=far.example"], "service/far created\n"),
        (vec!["create", "service", "nodeport", "open", "--tcp=80"], "service/open created\n"),
    ] {
        assert_eq!(space.ok(&args), made, "{args:?}");
    }
    let port = space.get("service", "open")["spec"]["ports"][0]["nodePort"].as_i64();
    assert!(port.is_some_and(|port| (30000..=32767).contains(&port)), "{port:?}");
    assert!(space.get("service", "far")["spec"]["clusterIP"].is_null());
}

#[test]
fn replace_needs_the_revision_that_was_read() {
    let space = Cluster::shared().space("replace");
    space.ok(&["create", "configmap", "it", "--from-literal=a=1"]);
    let read = space.ok(&["get", "configmap", "it", "-o", "yaml"]);
    let replace = |yaml: &str| space.kubectl().run_with(&["replace", "-f", "-"], yaml, &[]);
    assert_eq!(replace(&read.replace("\"1\"", "\"2\"")).out, "configmap/it replaced\n");
    let late = replace(&read.replace("\"1\"", "\"3\""));
    assert!(
        late.err.contains("the object has been modified; please apply your changes to the latest version and try again"),
        "{}",
        late.err
    );
    assert_eq!(space.get("configmap", "it")["data"]["a"], "2");
}
