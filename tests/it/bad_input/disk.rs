//! A disk without space.

use std::fs;
use tests::{Cluster, Options};

/// Takes all space that is left of the data directory's file system.
fn fill(cluster: &Cluster) {
    let filler = cluster.data().join("filler").display().to_string();
    let said = cluster.on_node("dd", &["if=/dev/zero", &format!("of={filler}"), "bs=64k"]);
    assert!(said.err.contains("No space left"), "{}", said.err);
}

#[test]
fn full_disk_refuses_writes_and_loses_nothing() {
    let flags = vec!["--disable=agent,dns,proxy,plugins".to_owned()];
    let cluster = Cluster::new(Options { flags, data_size: Some("24m"), ..Options::default() });
    cluster.spawn();
    cluster.wait_api();
    let kubectl = cluster.kubectl();
    let value = "x".repeat(100_000);
    let file = cluster.dir().join("value");
    fs::write(&file, &value).expect("a file can be written");
    let from_file = format!("--from-file=value={}", file.display());
    let create = |name: &str| kubectl.run(&["create", "configmap", name, &from_file]);
    assert_eq!(create("before").code, Some(0));
    fill(&cluster);
    // The state file may have room of its own; then it is full as well.
    let mut acknowledged = vec!["before".to_owned()];
    let refused = (0..500).find_map(|n| {
        let name = format!("filled-{n}");
        let said = create(&name);
        match said.code {
            Some(0) => {
                acknowledged.push(name);
                None
            }
            _ => Some(said.err),
        }
    });
    let refused = refused.expect("at some point there is no space left");
    assert!(refused.contains("no space left"), "the error says what is the matter: {refused}");
    // Reads go on, and everything acknowledged is there.
    let all_there = || {
        let list = kubectl.json(&["get", "configmaps"]);
        let items = list["items"].as_array().expect("a list has items").clone();
        for name in &acknowledged {
            let map = items.iter().find(|map| map["metadata"]["name"] == *name.as_str()).unwrap_or_else(|| panic!("{name} is lost"));
            assert_eq!(map["data"]["value"].as_str().map(str::len), Some(value.len()), "{name}");
        }
        assert!(
            !items.iter().any(|map| map["metadata"]["name"] == format!("filled-{}", acknowledged.len() - 1).as_str()),
            "what was refused is not there"
        );
    };
    all_there();
    // With space again, writes go on without a restart.
    let removed = cluster.on_node("rm", &[&cluster.data().join("filler").display().to_string()]);
    assert_eq!(removed.code, Some(0), "{}", removed.err);
    tests::eventually("writes to go on", || {
        let said = create("after");
        if said.code == Some(0) || said.err.contains("already exists") { Ok(()) } else { Err(said.err) }
    });
    cluster.kill9();
    cluster.spawn();
    cluster.wait_api();
    all_there();
    assert_eq!(kubectl.get("configmap", "after")["data"]["value"].as_str().map(str::len), Some(value.len()));
}

#[test]
fn full_disk_keeps_half_images_out() {
    let cluster = Cluster::new(Options { data_size: Some("6m"), ..Options::default() });
    let data = cluster.data().display().to_string();
    let coracle = tests::paths::coracle().display().to_string();
    let image = |args: &[&str]| cluster.on_node(&coracle, &[&["image"], args].concat());
    let big = tests::archive("nginx").display().to_string();
    let said = image(&["import", "--data-dir", &data, &big]);
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert_eq!(said.err.lines().count(), 1, "one line: {}", said.err);
    assert!(said.err.contains("No space left"), "{}", said.err);
    let list = image(&["list", "--data-dir", &data]).out;
    assert_eq!(list.lines().count(), 1, "nothing but the head: {list}");
    // What was written of it is gone again: a small one finds room.
    let small = tests::archive("cli-args").display().to_string();
    let said = image(&["import", "--data-dir", &data, &small]);
    assert_eq!(said.code, Some(0), "{}", said.err);
}
