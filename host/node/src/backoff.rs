//! Exponential back-off with reset, as `k8s.io/client-go/util/flowcontrol/backoff.go` has it and the kubelet uses it for
//! crashing containers and failing image pulls.

use std::time::{Duration, Instant};

/// The first wait; `MaxContainerBackOff` and `backOffPeriod` in `pkg/kubelet/kubelet.go`.
pub const INITIAL: Duration = Duration::from_secs(10);
/// The longest wait.
pub const MAX: Duration = Duration::from_secs(300);
/// A container that ran this long is healthy again: its next end waits for nothing.
pub const RESET: Duration = Duration::from_secs(600);

/// The waits of one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    wait: Duration,
    updated: Option<Instant>,
}

impl Backoff {
    /// The wait after so many failures, the last of which was at `last`: what a new agent can know of an older one's.
    pub fn resume(failures: u32, last: Instant) -> Self {
        let wait = if failures == 0 { Duration::ZERO } else { INITIAL.saturating_mul(1 << (failures - 1).min(8)).min(MAX) };
        Self { wait, updated: Some(last).filter(|_| failures > 0) }
    }

    /// May the next try start, when the last one ended at `ended`? `Some(t)`: not before `t`. `None`: yes, and the wait
    /// before the try after it has doubled.
    pub fn ask(&mut self, ended: Instant, now: Instant) -> Option<Instant> {
        let expired = self.updated.is_none_or(|updated| ended.saturating_duration_since(updated) > RESET);
        if expired {
            self.wait = Duration::ZERO;
        }
        let until = ended + self.wait;
        if now < until {
            return Some(until);
        }
        self.grow(now);
        None
    }

    /// Notes a failure at `now` and answers when to try again.
    pub fn failed(&mut self, now: Instant) -> Instant {
        self.grow(now);
        now + self.wait
    }

    /// The end of the wait that the last failure began.
    pub fn until(&self) -> Option<Instant> {
        self.updated.map(|at| at + self.wait)
    }

    /// How long the present wait is.
    pub fn wait(&self) -> Duration {
        self.wait
    }

    pub fn reset(&mut self) {
        *self = Self::default();
    }

    fn grow(&mut self, now: Instant) {
        self.wait = if self.wait.is_zero() { INITIAL } else { (self.wait * 2).min(MAX) };
        self.updated = Some(now);
    }
}

/// As Go prints a duration of whole seconds: `10s`, `1m20s`, `5m0s`.
pub fn go_seconds(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds / 60 {
        0 => format!("{seconds}s"),
        minutes => format!("{minutes}m{}s", seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_ten_seconds_to_five_minutes_and_reset_after_ten_healthy_minutes() {
        let zero = Instant::now();
        let at = |s: u64| zero + Duration::from_secs(s);
        let mut backoff = Backoff::default();
        // The first restart is immediate, the next ones wait.
        assert_eq!(backoff.ask(at(0), at(0)), None);
        let mut ended = 1;
        for wait in [10, 20, 40, 80, 160, 300, 300] {
            assert_eq!(backoff.ask(at(ended), at(ended)), Some(at(ended + wait)));
            assert_eq!(backoff.wait(), Duration::from_secs(wait));
            assert_eq!(backoff.ask(at(ended), at(ended + wait)), None);
            ended += wait + 1;
        }
        assert_eq!(backoff.ask(at(ended + 601), at(ended + 601)), None);
        assert_eq!(backoff.wait(), INITIAL);
    }

    #[test]
    fn a_new_agent_goes_on_waiting() {
        let now = Instant::now();
        for (failures, wait) in [(0, 0), (1, 10), (2, 20), (6, 300), (60, 300)] {
            let mut backoff = Backoff::resume(failures, now);
            let expect = (wait > 0).then(|| now + Duration::from_secs(wait));
            assert_eq!(backoff.ask(now, now), expect, "{failures}");
        }
    }

    #[test]
    fn go_durations() {
        for (seconds, expect) in [(10, "10s"), (80, "1m20s"), (300, "5m0s")] {
            assert_eq!(go_seconds(Duration::from_secs(seconds)), expect);
        }
    }
}
