//! [`WaitingList`]: pods whose node is chosen and that may not be bound yet: `framework/runtime/waiting_pods_map.go`.

use crate::pod::PodInfo;
use interfaces::schedule::{Waiting, WaitingPods};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// `maxTimeout`: longer than this nobody waits.
const LONGEST: Duration = Duration::from_secs(15 * 60);

#[derive(Default)]
pub(crate) struct WaitingList {
    pods: Mutex<Pods>,
}

#[derive(Default)]
struct Pods {
    /// By order of arrival.
    all: BTreeMap<u64, Entry>,
    arrivals: u64,
}

struct Entry {
    pod: Arc<PodInfo>,
    node: String,
    since: Instant,
    /// Plugins that have not allowed it, and until when each may.
    pending: BTreeMap<String, (Instant, Duration)>,
    done: oneshot::Sender<Verdict>,
}

/// What became of a pod that waited.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    Rejected { plugin: String, reason: String },
}

/// A pod's own end of its wait.
pub(crate) struct Ticket {
    number: u64,
    verdict: oneshot::Receiver<Verdict>,
}

impl WaitingList {
    /// From now on the pod waits for all of `pending`, each for so long at most.
    pub(crate) fn enter(&self, pod: Arc<PodInfo>, node: String, pending: Vec<(String, Duration)>) -> Ticket {
        let (done, verdict) = oneshot::channel();
        let since = Instant::now();
        let until = |(plugin, limit): (String, Duration)| {
            let limit = limit.min(LONGEST);
            (plugin, (since + limit, limit))
        };
        let mut pods = self.pods.lock();
        pods.arrivals += 1;
        let number = pods.arrivals;
        pods.all.insert(number, Entry { pod, node, since, pending: pending.into_iter().map(until).collect(), done });
        Ticket { number, verdict }
    }

    /// `WaitOnPermit`: until all have allowed it, one has rejected it, or one has not spoken in time.
    pub(crate) async fn verdict(&self, mut ticket: Ticket) -> Verdict {
        loop {
            // The list holds the other end until there is a verdict.
            let Some((plugin, (until, limit))) = self.next_limit(ticket.number) else {
                let gone = Verdict::Rejected { plugin: String::new(), reason: "the scheduler ended".to_owned() };
                return ticket.verdict.await.unwrap_or(gone);
            };
            tokio::select! {
                verdict = &mut ticket.verdict => return verdict.unwrap_or(Verdict::Allowed),
                () = tokio::time::sleep_until(until.into()) => {
                    let reason = format!("rejected due to timeout after waiting {} at plugin {plugin}", go_duration(limit));
                    self.end(ticket.number, &plugin, &reason);
                }
            }
        }
    }

    fn next_limit(&self, number: u64) -> Option<(String, (Instant, Duration))> {
        let pods = self.pods.lock();
        let pending = &pods.all.get(&number)?.pending;
        pending.iter().min_by_key(|(_, (until, _))| *until).map(|(plugin, limit)| (plugin.clone(), *limit))
    }

    /// Time is up for `plugin`, unless it allowed the pod meanwhile.
    fn end(&self, number: u64, plugin: &str, reason: &str) {
        let mut pods = self.pods.lock();
        if pods.all.get(&number).is_some_and(|entry| entry.pending.contains_key(plugin)) {
            pods.reject(number, plugin, reason);
        }
    }

    /// Whether the pod waited; now it does not.
    pub(crate) fn cancel(&self, uid: &str, plugin: &str, reason: &str) -> bool {
        let mut pods = self.pods.lock();
        let Some(number) = pods.find(uid) else { return false };
        pods.reject(number, plugin, reason);
        true
    }

    /// Pods that wait for a plugin which is not there any more are tried again.
    pub(crate) fn keep(&self, is_there: impl Fn(&str) -> bool) {
        let mut pods = self.pods.lock();
        let lost = pods.all.iter().filter_map(|(number, entry)| {
            let gone = entry.pending.keys().find(|plugin| !is_there(plugin))?;
            Some((*number, format!("plugin {gone} is gone, which the pod waited for")))
        });
        let lost: Vec<(u64, String)> = lost.collect();
        for (number, reason) in lost {
            pods.reject(number, "", &reason);
        }
    }

    /// Everybody goes: the scheduler ends.
    pub(crate) fn close(&self) {
        let mut pods = self.pods.lock();
        while let Some((number, _)) = pods.all.first_key_value().map(|(number, _)| (*number, ())) {
            pods.reject(number, "", "the scheduler ended");
        }
    }
}

impl Pods {
    fn find(&self, uid: &str) -> Option<u64> {
        self.all.iter().find(|(_, entry)| entry.pod.uid == uid).map(|(number, _)| *number)
    }

    fn reject(&mut self, number: u64, plugin: &str, reason: &str) {
        if let Some(entry) = self.all.remove(&number) {
            // The pod's task may be gone with the scheduler.
            let _ = entry.done.send(Verdict::Rejected { plugin: plugin.to_owned(), reason: reason.to_owned() });
        }
    }
}

impl WaitingPods for WaitingList {
    fn list(&self) -> Vec<Waiting> {
        let pods = self.pods.lock();
        let told = |entry: &Entry| Waiting {
            pod: entry.pod.view().clone(),
            node: entry.node.clone(),
            pending: entry.pending.keys().cloned().collect(),
            since: entry.since.elapsed(),
        };
        pods.all.values().map(told).collect()
    }

    fn allow(&self, plugin: &str, uid: &str) -> bool {
        let mut pods = self.pods.lock();
        let Some(number) = pods.find(uid) else { return false };
        let Some(entry) = pods.all.get_mut(&number) else { return false };
        let waited = entry.pending.remove(plugin).is_some();
        if waited
            && entry.pending.is_empty()
            && let Some(entry) = pods.all.remove(&number)
        {
            let _ = entry.done.send(Verdict::Allowed);
        }
        waited
    }

    fn reject(&self, plugin: &str, uid: &str, reason: &str) -> bool {
        let mut pods = self.pods.lock();
        let number = pods.find(uid).filter(|number| pods.all.get(number).is_some_and(|entry| entry.pending.contains_key(plugin)));
        let Some(number) = number else { return false };
        pods.reject(number, plugin, reason);
        true
    }
}

/// As Go prints a duration, to the millisecond.
fn go_duration(duration: Duration) -> String {
    let (seconds, milliseconds) = (duration.as_secs(), duration.subsec_millis());
    let fraction = if milliseconds == 0 { String::new() } else { format!(".{milliseconds:03}").trim_end_matches('0').to_owned() };
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0) => {
            if milliseconds == 0 {
                "0s".to_owned()
            } else {
                format!("{milliseconds}ms")
            }
        }
        (0, 0, s) => format!("{s}{fraction}s"),
        (0, m, s) => format!("{m}m{s}{fraction}s"),
        (h, m, s) => format!("{h}h{m}m{s}{fraction}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pod;
    use object::json;

    fn enter(list: &WaitingList, name: &str, pending: &[(&str, u64)]) -> Ticket {
        let pending = pending.iter().map(|(plugin, ms)| ((*plugin).to_owned(), Duration::from_millis(*ms))).collect();
        list.enter(pod(name, json!({})), "n".to_owned(), pending)
    }

    fn rejected(plugin: &str, reason: &str) -> Verdict {
        Verdict::Rejected { plugin: plugin.to_owned(), reason: reason.to_owned() }
    }

    #[tokio::test]
    async fn all_must_allow_one_may_reject() {
        let list = WaitingList::default();
        let a = enter(&list, "a", &[("x", 1000), ("y", 1000)]);
        let b = enter(&list, "b", &[("x", 1000)]);
        let names: Vec<(String, Vec<String>)> = list.list().into_iter().map(|w| (w.pod.name, w.pending)).collect();
        assert_eq!(names, [("a".into(), vec!["x".to_owned(), "y".to_owned()]), ("b".into(), vec!["x".to_owned()])]);
        assert!(!list.allow("z", "uid-a"));
        assert!(list.allow("x", "uid-a") && !list.allow("x", "uid-a") && list.allow("y", "uid-a"));
        assert_eq!(list.verdict(a).await, Verdict::Allowed);
        assert!(!list.reject("y", "uid-b", "no"), "it does not wait for y");
        assert!(list.reject("x", "uid-b", "no"));
        assert_eq!(list.verdict(b).await, rejected("x", "no"));
        assert!(list.list().is_empty());
    }

    #[tokio::test]
    async fn time_runs_for_each_plugin() {
        let list = WaitingList::default();
        let a = enter(&list, "a", &[("x", 5), ("y", 90_000)]);
        assert_eq!(list.verdict(a).await, rejected("x", "rejected due to timeout after waiting 5ms at plugin x"));
        let b = enter(&list, "b", &[("x", 5), ("y", 6)]);
        assert!(list.allow("x", "uid-b"));
        assert_eq!(list.verdict(b).await, rejected("y", "rejected due to timeout after waiting 6ms at plugin y"));
        let left = enter(&list, "left", &[("x", 90_000)]);
        list.keep(|plugin| plugin != "x");
        assert_eq!(list.verdict(left).await, rejected("", "plugin x is gone, which the pod waited for"));
        let c = enter(&list, "c", &[("x", u64::MAX)]);
        assert!(list.cancel("uid-c", "", "removed") && !list.cancel("uid-c", "", "removed"));
        assert_eq!(list.verdict(c).await, rejected("", "removed"));
    }

    #[test]
    fn durations_are_written_as_in_go() {
        for (ms, expect) in [(0, "0s"), (20, "20ms"), (1000, "1s"), (1250, "1.25s"), (60_000, "1m0s"), (3_661_000, "1h1m1s")] {
            assert_eq!(go_duration(Duration::from_millis(ms)), expect);
        }
    }
}
