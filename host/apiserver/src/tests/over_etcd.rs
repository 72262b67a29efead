//! Every test here once more, over a real etcd.

use std::process::Command;

/// This very program, with another store. One test at a time: a compaction is of the whole etcd.
#[test]
fn the_same_holds_over_etcd() {
    if std::env::var_os("CORACLE_TEST_STORE").is_some() {
        return;
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    let output = again.env("CORACLE_TEST_STORE", "etcd").args(["--test-threads=1", "tests::"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
}
