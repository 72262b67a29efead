//! The real kubectl, inside a cluster's network.

use crate::wait::PATIENCE;
use crate::{Cluster, Program, paths};
use serde_json::{Deserializer, Value};
use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Instant;

/// kubectl with the kubeconfig of a cluster, and a namespace.
#[derive(Clone, Copy)]
pub struct Kubectl<'a> {
    pub cluster: &'a Cluster,
    pub namespace: Option<&'a str>,
}

/// What a program said, and how it ended.
#[derive(Clone, Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl<'a> Kubectl<'a> {
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(paths::tool("kubectl"));
        let dir = self.cluster.dir();
        command.env("HOME", dir).env("KUBECONFIG", self.cluster.kubeconfig()).env("KUBECACHEDIR", dir.join("kubectl-cache"));
        command.args(self.namespace.iter().flat_map(|name| ["--namespace", name])).args(args);
        command
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Said {
        self.run_with(args, "", &[])
    }

    /// Runs it with something on stdin, and variables in its environment.
    pub fn run_with(&self, args: &[&str], stdin: &str, variables: &[(&str, &str)]) -> Said {
        let mut command = self.command(args);
        command.envs(variables.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.cluster.sandbox().in_network(|| command.spawn()).expect("kubectl can be started");
        let mut pipe = child.stdin.take().expect("stdin is a pipe");
        // It may end before it has read everything.
        let _ = pipe.write_all(stdin.as_bytes());
        drop(pipe);
        child.wait_with_output().expect("kubectl ends").into()
    }

    /// Its stdout; it must succeed.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(said.code, Some(0), "kubectl {} failed: {}{}", args.join(" "), said.out, said.err);
        said.out
    }

    /// Its stderr; it must fail, and say `part` on stderr.
    #[track_caller]
    pub fn fails(&self, args: &[&str], part: &str) -> String {
        let said = self.run(args);
        assert_ne!(said.code, Some(0), "kubectl {} was expected to fail; it said {}", args.join(" "), said.out);
        assert!(said.err.contains(part), "kubectl {} should say {part:?}; it said {}", args.join(" "), said.err);
        said.err
    }

    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Value {
        let text = self.ok(&[args, &["--output", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("kubectl {}: {error} in {text}", args.join(" ")))
    }

    /// One object.
    #[track_caller]
    pub fn get(&self, kind: &str, name: &str) -> Value {
        self.json(&["get", kind, name])
    }

    /// `apply --server-side -f -`.
    #[track_caller]
    pub fn apply(&self, yaml: &str) -> String {
        let said = self.run_with(&["apply", "--server-side", "--filename", "-"], yaml, &[]);
        assert_eq!(said.code, Some(0), "apply failed: {}{}\n{yaml}", said.out, said.err);
        said.out
    }

    /// Applies what must be refused; the refusal must contain `part`.
    #[track_caller]
    pub fn apply_fails(&self, yaml: &str, part: &str) -> String {
        let said = self.run_with(&["apply", "--server-side", "--filename", "-"], yaml, &[]);
        assert_ne!(said.code, Some(0), "this was expected to be refused, and was not:\n{yaml}");
        assert!(said.err.contains(part), "the refusal should contain {part:?}; it is {}", said.err);
        said.err
    }

    /// Starts it beside the test.
    pub fn spawn(&self, args: &[&str]) -> Program {
        let sandbox = self.cluster.sandbox();
        Program::spawn(self.command(args), |command| sandbox.in_network(|| command.spawn()))
    }

    /// Watches one object until `is_so`, and gives it. Deletions are told as null.
    #[track_caller]
    pub fn until(&self, kind: &str, name: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let selector = format!("metadata.name={name}");
        match self.watch(&["get", kind, "--field-selector", &selector], is_so) {
            Ok(found) => found,
            Err(last) => panic!("waited {PATIENCE:?} in vain for {kind}/{name} to {what}; last seen: {last:#}\n{}", self.state()),
        }
    }

    /// Watches all objects that `get` names until one `is_so`, and gives it.
    #[track_caller]
    pub fn until_any(&self, get: &[&str], what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        match self.watch(&[&["get"], get].concat(), is_so) {
            Ok(found) => found,
            Err(last) => panic!("waited {PATIENCE:?} in vain for {what}; last seen: {last:#}\n{}", self.state()),
        }
    }

    /// The server may go away and come back meanwhile.
    fn watch(&self, get: &[&str], is_so: impl Fn(&Value) -> bool) -> Result<Value, Value> {
        let deadline = Instant::now() + PATIENCE;
        let mut last = Value::Null;
        while Instant::now() < deadline {
            let mut command = self.command(&[get, &["--watch", "--output-watch-events", "--output", "json"]].concat());
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
            let mut child = self.cluster.sandbox().in_network(|| command.spawn()).expect("kubectl can be started");
            let (sender, events) = channel();
            let stdout = child.stdout.take().expect("stdout is a pipe");
            std::thread::spawn(move || read_events(stdout, |event| sender.send(event).is_ok()));
            let found = loop {
                match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                    Ok(object) if is_so(&object) => break Some(object),
                    Ok(object) => last = object,
                    Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => break None,
                }
            };
            let _ = child.kill();
            let _ = child.wait();
            if let Some(found) = found {
                return Ok(found);
            }
        }
        Err(last)
    }

    /// Pods, events and the end of the server's log, for messages of failed tests.
    pub fn state(&self) -> String {
        let seen = |args: &[&str]| {
            let said = self.run(args);
            format!("--- kubectl {}\n{}{}", args.join(" "), said.out, said.err)
        };
        [seen(&["get", "pods,deployments,services", "--output", "wide"]), seen(&["get", "events"]), self.cluster.log_tail()].join("\n")
    }
}

fn read_events(from: impl Read, mut tell: impl FnMut(Value) -> bool) {
    for event in Deserializer::from_reader(from).into_iter::<Value>().map_while(Result::ok) {
        let object = if event["type"] == "DELETED" { Value::Null } else { event["object"].clone() };
        if !tell(object) {
            return;
        }
    }
}
