//! What to start next: `computePodActions` in `pkg/kubelet/kuberuntime/kuberuntime_manager.go`, as a pure function.

use super::slot::Role;
use std::time::Instant;
use typed::api::core::v1::{Container, PodSpec};

/// Does a container that ended run again?
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restart {
    pub policy: Policy,
    /// `restartPolicyRules`: the first that matches the exit code restarts, whatever the policy says.
    pub rules: Vec<Rule>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    #[default]
    Always,
    OnFailure,
    Never,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `In` or `NotIn`.
    pub inside: bool,
    pub codes: Vec<i32>,
}

impl Restart {
    pub fn of(container: &Container, role: Role, spec: &PodSpec) -> Self {
        let word = container.restart_policy.as_deref().or(spec.restart_policy.as_deref());
        let policy = match (word, role) {
            (_, Role::Sidecar) => Policy::Always,
            (Some("Never"), _) => Policy::Never,
            // An init container that succeeded is done.
            (Some("OnFailure"), _) | (_, Role::Init) => Policy::OnFailure,
            _ => Policy::Always,
        };
        let rules = container.restart_policy_rules.iter().flatten().filter(|r| r.action == "Restart");
        let rules = rules.filter_map(|r| r.exit_codes.as_ref());
        Self { policy, rules: rules.map(|r| Rule { inside: r.operator == "In", codes: r.values.clone().unwrap_or_default() }).collect() }
    }

    pub fn wants(&self, code: i32) -> bool {
        self.rules.iter().any(|rule| rule.codes.contains(&code) == rule.inside)
            || match self.policy {
                Policy::Always => true,
                Policy::OnFailure => code != 0,
                Policy::Never => false,
            }
    }
}

/// Where a container stands, as far as the plan cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Never,
    /// Something is under way that will end in an event.
    Busy,
    Waiting {
        until: Instant,
    },
    Running {
        started: bool,
    },
    Exited {
        code: i32,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub role: Role,
    pub restart: Restart,
    pub stage: Stage,
}

/// Why a pod is over by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every container ended and none is to run again.
    Completed,
    /// An init container failed and is not to run again.
    InitFailed,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Indexes of containers to start now.
    pub start: Vec<usize>,
    /// Indexes of containers that ended and are to run again, as soon as their back-off allows.
    pub restart: Vec<usize>,
    /// When to plan again though nothing happens.
    pub wake: Option<Instant>,
    /// All init containers are through.
    pub initialized: bool,
    pub end: Option<End>,
}

/// Plans for containers in slot order. `initialized`: they once were through, and are not waited for again.
pub fn plan(views: &[View], initialized: bool, now: Instant) -> Plan {
    let mut plan = Plan { initialized: true, ..Plan::default() };
    if !initialized && main_is_wanted(views) {
        plan.initialized = init(views, now, &mut plan);
        if plan.end.is_some() {
            return plan;
        }
    }
    if !plan.initialized {
        return plan;
    }
    if initialized {
        for (index, view) in views.iter().enumerate().filter(|(_, v)| v.role == Role::Sidecar) {
            plan.next(index, view, now);
        }
    }
    let mut all_done = true;
    for (index, view) in views.iter().enumerate().filter(|(_, v)| v.role == Role::Main) {
        all_done &= plan.next(index, view, now);
    }
    if all_done {
        plan = Plan { initialized: true, end: Some(End::Completed), ..Plan::default() };
    }
    plan
}

fn main_is_wanted(views: &[View]) -> bool {
    views.iter().filter(|v| v.role == Role::Main).any(|v| !matches!(v.stage, Stage::Exited { code } if !v.restart.wants(code)))
}

/// The first init container that is not through holds up all after it. Sidecars before it are kept running.
fn init(views: &[View], now: Instant, plan: &mut Plan) -> bool {
    for (index, view) in views.iter().enumerate().filter(|(_, v)| v.role != Role::Main) {
        let through = match (view.role, view.stage) {
            (Role::Sidecar, Stage::Running { started }) => started,
            (Role::Init, Stage::Exited { code: 0 }) => true,
            (Role::Init, Stage::Exited { code }) if !view.restart.wants(code) => {
                *plan = Plan { end: Some(End::InitFailed), ..Plan::default() };
                return false;
            }
            _ => {
                plan.next(index, view, now);
                false
            }
        };
        if !through {
            return false;
        }
    }
    true
}

impl Plan {
    /// Adds what one container needs. Answers whether it ended for good.
    fn next(&mut self, index: usize, view: &View, now: Instant) -> bool {
        match view.stage {
            Stage::Never => self.start.push(index),
            Stage::Waiting { until } if until <= now => self.start.push(index),
            Stage::Waiting { until } => self.wake = Some(self.wake.map_or(until, |wake| wake.min(until))),
            Stage::Exited { code } if view.restart.wants(code) => self.restart.push(index),
            Stage::Exited { .. } => return true,
            Stage::Busy | Stage::Running { .. } => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const UP: Stage = Stage::Running { started: true };
    const BOOTING: Stage = Stage::Running { started: false };
    const OK: Stage = Stage::Exited { code: 0 };
    const BAD: Stage = Stage::Exited { code: 3 };
    use Stage::{Busy, Never};

    /// Rows: policy, initialized before, (role, stage)…, expected starts, restarts, initialized, end.
    #[test]
    fn what_to_start_next() {
        let now = Instant::now();
        let check = |policy: Policy,
                     before: bool,
                     stages: &[(char, Stage)],
                     start: &[usize],
                     restart: &[usize],
                     initialized: bool,
                     end: Option<End>| {
            let views: Vec<View> = stages
                .iter()
                .map(|(role, stage)| {
                    let (role, policy) = match role {
                        'i' => (Role::Init, if policy == Policy::Always { Policy::OnFailure } else { policy }),
                        's' => (Role::Sidecar, Policy::Always),
                        _ => (Role::Main, policy),
                    };
                    View { role, restart: Restart { policy, rules: Vec::new() }, stage: *stage }
                })
                .collect();
            let got = plan(&views, before, now);
            let wake = got.wake;
            assert_eq!(got, Plan { start: start.to_vec(), restart: restart.to_vec(), wake, initialized, end }, "{stages:?}");
        };
        let (always, failure, never) = (Policy::Always, Policy::OnFailure, Policy::Never);
        let later = Stage::Waiting { until: now + Duration::from_secs(1) };
        let due = Stage::Waiting { until: now };
        // Main containers start side by side.
        check(always, false, &[('m', Never), ('m', Never)], &[0, 1], &[], true, None);
        check(always, true, &[('m', UP), ('m', Busy)], &[], &[], true, None);
        check(always, true, &[('m', UP), ('m', OK)], &[], &[1], true, None);
        check(always, true, &[('m', later)], &[], &[], true, None);
        check(always, true, &[('m', due)], &[0], &[], true, None);
        // Ends.
        check(failure, true, &[('m', OK), ('m', BAD)], &[], &[1], true, None);
        check(failure, true, &[('m', OK), ('m', OK)], &[], &[], true, Some(End::Completed));
        check(never, true, &[('m', OK), ('m', UP)], &[], &[], true, None);
        check(never, true, &[('m', BAD), ('m', OK)], &[], &[], true, Some(End::Completed));
        check(never, true, &[('s', UP), ('m', BAD)], &[], &[], true, Some(End::Completed));
        // Init containers, one after the other.
        check(always, false, &[('i', Never), ('i', Never), ('m', Never)], &[0], &[], false, None);
        check(always, false, &[('i', BOOTING), ('i', Never), ('m', Never)], &[], &[], false, None);
        check(always, false, &[('i', OK), ('i', Never), ('m', Never)], &[1], &[], false, None);
        check(always, false, &[('i', OK), ('i', OK), ('m', Never)], &[2], &[], true, None);
        check(always, false, &[('i', BAD), ('i', Never), ('m', Never)], &[], &[0], false, None);
        check(never, false, &[('i', BAD), ('i', Never), ('m', Never)], &[], &[], false, Some(End::InitFailed));
        // Sidecars: waited for until started, then kept up.
        check(always, false, &[('s', Never), ('i', Never), ('m', Never)], &[0], &[], false, None);
        check(always, false, &[('s', BOOTING), ('i', Never), ('m', Never)], &[], &[], false, None);
        check(always, false, &[('s', UP), ('i', Never), ('m', Never)], &[1], &[], false, None);
        check(always, false, &[('s', UP), ('i', OK), ('m', Never)], &[2], &[], true, None);
        check(never, true, &[('s', BAD), ('m', UP)], &[], &[0], true, None);
        // After a lost sandbox nothing of a finished pod runs again.
        check(never, false, &[('i', Never), ('m', BAD)], &[], &[], true, Some(End::Completed));
    }

    #[test]
    fn rules_restart_what_the_policy_does_not() {
        let restart = Restart { policy: Policy::Never, rules: vec![Rule { inside: true, codes: vec![42] }] };
        assert!(restart.wants(42) && !restart.wants(1));
        let restart = Restart { policy: Policy::Never, rules: vec![Rule { inside: false, codes: vec![42] }] };
        assert!(!restart.wants(42) && restart.wants(1));
    }
}
