//! Formatting, clippy and the rules for dependencies. The tidy test runs with the tests and here.

use crate::run;
use anyhow::Result;

pub fn lint() -> Result<()> {
    run::say("cargo fmt --check");
    run::cargo(["fmt", "--all", "--check"])?;
    run::say("cargo clippy");
    run::cargo(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    run::say("tidy and dependency rules");
    run::cargo(["test", "--quiet", "--package", "tests", "--test", "it", "--", "tidy", "deny"])
}
