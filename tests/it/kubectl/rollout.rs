//! rollout status, history, undo, pause, resume, restart; set image and set env.

use super::{names, roll_out};
use serde_json::Value;
use tests::{Cluster, Space};

fn version(space: &Space) -> Value {
    let pods = space.json(&["get", "pods", "-l", "app=web"]);
    let live = pods["items"].as_array().expect("a list has items").iter().find(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    live.map(|pod| pod["spec"]["containers"][0]["env"][0]["value"].clone()).unwrap_or_default()
}

fn set_version(space: &Space, version: &str) {
    space.ok(&["set", "env", "deployment/web", &format!("VERSION={version}")]);
}

fn done(space: &Space) {
    let said = space.ok(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    assert!(said.contains("deployment \"web\" successfully rolled out"), "{said}");
}

#[test]
fn rollout_replaces_pods_and_undoes_it() {
    let space = Cluster::shared().space("rollout-undo");
    roll_out(&space, "web", 2);
    set_version(&space, "two");
    done(&space);
    assert_eq!(version(&space), "two");
    set_version(&space, "three");
    done(&space);
    let history = space.ok(&["rollout", "history", "deployment/web"]);
    let revisions: Vec<&str> =
        history.lines().filter_map(|line| line.split_whitespace().next()).filter(|word| word.parse::<u32>().is_ok()).collect();
    assert_eq!(revisions, ["1", "2", "3"], "{history}");
    let first = space.ok(&["rollout", "history", "deployment/web", "--revision=1"]);
    assert!(first.contains("VERSION:\tone"), "{first}");
    space.ok(&["rollout", "undo", "deployment/web"]);
    done(&space);
    assert_eq!(version(&space), "two");
    space.ok(&["rollout", "undo", "deployment/web", "--to-revision=1"]);
    done(&space);
    assert_eq!(version(&space), "one");
    assert_eq!(names(&space, "replicasets", "app=web").len(), 3, "an undo takes an old set again");
    space.fails(&["rollout", "undo", "deployment/web", "--to-revision=77"], "unable to find specified revision 77 in history");
}

#[test]
fn rollout_stands_still_while_paused() {
    let space = Cluster::shared().space("rollout-pause");
    roll_out(&space, "web", 1);
    space.ok(&["rollout", "pause", "deployment/web"]);
    set_version(&space, "two");
    space.until("deployments", "web", "have been looked at", |web| {
        web["status"]["observedGeneration"] == web["metadata"]["generation"] && web["metadata"]["generation"].as_i64() >= Some(3)
    });
    assert_eq!(names(&space, "replicasets", "app=web").len(), 1);
    assert_eq!(version(&space), "one");
    space.ok(&["rollout", "resume", "deployment/web"]);
    done(&space);
    assert_eq!(version(&space), "two");
}

#[test]
fn rollout_restart_makes_new_pods() {
    let space = Cluster::shared().space("rollout-restart");
    roll_out(&space, "web", 1);
    let before = names(&space, "pods", "app=web");
    space.ok(&["rollout", "restart", "deployment/web"]);
    done(&space);
    space.ok(&["wait", "--for=delete", &format!("pod/{}", before[0]), "--timeout=60s"]);
    assert_ne!(names(&space, "pods", "app=web"), before);
}

#[test]
fn rollout_of_a_missing_image_keeps_the_old_pods() {
    let space = Cluster::shared().space("rollout-bad");
    roll_out(&space, "web", 2);
    space.ok(&["set", "image", "deployment/web", "web=coracle.dev/test/absent:v1"]);
    space.until("deployments", "web", "try the new image", |web| {
        web["status"]["updatedReplicas"].as_i64() == Some(1) && web["status"]["unavailableReplicas"].as_i64() >= Some(1)
    });
    space.fails(&["rollout", "status", "deployment/web", "--timeout=1s"], "timed out");
    // 25 % of 2, rounded down, may be missing: none.
    assert_eq!(space.get("deployment", "web")["status"]["availableReplicas"], 2);
    space.ok(&["rollout", "undo", "deployment/web"]);
    done(&space);
    assert_eq!(space.get("deployment", "web")["spec"]["template"]["spec"]["containers"][0]["image"], "coracle.dev/test/echo-http:v1");
}

#[test]
fn rollout_by_recreate_ends_the_old_pods_first() {
    let space = Cluster::shared().space("rollout-recreate");
    roll_out(&space, "web", 1);
    space.ok(&["patch", "deployment", "web", "-p", r#"{"spec":{"strategy":{"type":"Recreate","rollingUpdate":null}}}"#]);
    let old = names(&space, "pods", "app=web");
    set_version(&space, "two");
    done(&space);
    space.fails(&["get", "pod", &old[0]], "not found");
    assert_eq!(version(&space), "two");
}
