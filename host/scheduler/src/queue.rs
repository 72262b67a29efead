//! [`Queue`]: which pod is next: `pkg/scheduler/backend/queue/scheduling_queue.go`.
//!
//! A waiting pod is in one of three places: *active* (ready, by priority and time), *back-off* (ready once its pause is
//! over), or *unschedulable* (until an event that concerns it, or [`LONGEST_WAIT`]). One that was taken out is *in flight*
//! until it is bound or comes back. Events are taken in between cycles, never during one, so none can slip past a pod in
//! flight.

use crate::event::{Event, Events};
use crate::plugins::table::Row;
use crate::pod::PodInfo;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `DefaultPodInitialBackoffDuration` and `DefaultPodMaxBackoffDuration`.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// `DefaultPodMaxInUnschedulablePodsDuration`: an event may have been missed by a hint that was wrong.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// How often waits are compared with it.
const FLUSH_EVERY: Duration = Duration::from_secs(30);

type ActiveKey = (Reverse<i32>, u64, String);
type PauseKey = (Instant, u64, String);

#[derive(Default)]
pub struct Queue {
    pods: HashMap<String, Queued>,
    active: BTreeSet<ActiveKey>,
    pausing: BTreeSet<PauseKey>,
    /// Rises with every pod that is queued: the order of arrival.
    arrivals: u64,
    flushed: Option<Instant>,
}

struct Queued {
    pod: Arc<PodInfo>,
    /// Cycles it has been through.
    attempts: u32,
    arrival: u64,
    place: Place,
    /// Names of the plugins that refused it; empty: whatever happens may help.
    refused_by: Vec<String>,
}

enum Place {
    Active(ActiveKey),
    /// After an error of ours the pause is kept even when nothing else is to do.
    Pausing {
        key: PauseKey,
        error: bool,
    },
    Unschedulable {
        since: Instant,
    },
    InFlight,
}

impl Queue {
    /// A pod that is new, or a new version of one that waits.
    pub fn set(&mut self, pod: Arc<PodInfo>, rows: &[Row], now: Instant) {
        let Some(known) = self.pods.get_mut(&pod.uid) else {
            let uid = pod.uid.clone();
            self.arrivals += 1;
            let queued = Queued { pod, attempts: 0, arrival: self.arrivals, place: Place::InFlight, refused_by: Vec::new() };
            self.pods.insert(uid.clone(), queued);
            return self.activate(&uid);
        };
        let changed = known.pod.differs_from(&pod);
        known.pod = pod;
        let uid = known.pod.uid.clone();
        if !changed {
            return;
        }
        match known.place {
            // Its priority may be another.
            Place::Active(_) => self.activate(&uid),
            Place::Unschedulable { .. } => {
                let event = Event::only(Events::POD_ITSELF);
                if self.pods.get(&uid).is_some_and(|q| q.may_be_helped(rows, &event)) {
                    self.requeue(&uid, now);
                }
            }
            Place::Pausing { .. } | Place::InFlight => {}
        }
    }

    pub fn remove(&mut self, uid: &str) {
        self.leave(uid);
        self.pods.remove(uid);
    }

    /// The next pod and how many cycles it has been through, this one included.
    pub fn pop(&mut self, now: Instant) -> Option<(Arc<PodInfo>, u32)> {
        while let Some((_, _, uid)) = self.pausing.first().filter(|(until, ..)| *until <= now).cloned() {
            self.activate(&uid);
        }
        self.flush(now);
        let uid = match self.active.first() {
            Some((_, _, uid)) => uid.clone(),
            // Nothing else is to do: a pod that something may have helped need not wait (`SchedulerPopFromBackoffQ`).
            None => self.pausing.iter().find(|(_, _, uid)| self.is_paused_without_error(uid))?.2.clone(),
        };
        self.leave(&uid);
        let queued = self.pods.get_mut(&uid)?;
        queued.attempts += 1;
        Some((queued.pod.clone(), queued.attempts))
    }

    /// No node took it.
    pub fn unschedulable(&mut self, uid: &str, refused_by: Vec<String>, now: Instant) {
        let Some(queued) = self.pods.get_mut(uid) else { return };
        queued.refused_by = refused_by;
        queued.place = Place::Unschedulable { since: now };
    }

    /// Its cycle or its binding failed: again after a pause, whatever happens meanwhile.
    pub fn failed(&mut self, uid: &str, now: Instant) {
        let Some(queued) = self.pods.get_mut(uid) else { return };
        queued.refused_by.clear();
        let key = (now + queued.pause(), queued.arrival, uid.to_owned());
        queued.place = Place::Pausing { key: key.clone(), error: true };
        self.pausing.insert(key);
    }

    /// Something happened: pods that it may help are tried again, after what is left of their pause.
    pub fn on_event(&mut self, event: &Event<'_>, rows: &[Row], now: Instant) {
        let helped = self.pods.iter().filter(|(_, q)| matches!(q.place, Place::Unschedulable { .. }) && q.may_be_helped(rows, event));
        let helped: Vec<String> = helped.map(|(uid, _)| uid.clone()).collect();
        for uid in helped {
            self.requeue(&uid, now);
        }
        // What failed may have been a plugin that is another now.
        if event.kinds.overlaps(Events::PLUGINS) {
            for queued in self.pods.values_mut() {
                if let Place::Pausing { error, .. } = &mut queued.place {
                    *error = false;
                }
            }
        }
    }

    /// When `pop` may have something although nothing happens; `None`: only when something does.
    pub fn next_wake(&self, now: Instant) -> Option<Instant> {
        let pause = self.pausing.first().map(|(until, ..)| *until);
        let waiting = self.pods.len() > self.active.len() + self.pausing.len();
        let flush = waiting.then(|| self.flushed.unwrap_or(now) + FLUSH_EVERY);
        pause.into_iter().chain(flush).min()
    }

    /// Pods that wait or are in flight.
    pub fn len(&self) -> usize {
        self.pods.len()
    }

    pub fn is_empty(&self) -> bool {
        self.pods.is_empty()
    }

    pub fn contains(&self, uid: &str) -> bool {
        self.pods.contains_key(uid)
    }

    fn is_paused_without_error(&self, uid: &str) -> bool {
        self.pods.get(uid).is_some_and(|q| matches!(q.place, Place::Pausing { error: false, .. }))
    }

    /// Out of the ordered sets, in flight.
    fn leave(&mut self, uid: &str) {
        let Some(queued) = self.pods.get_mut(uid) else { return };
        match std::mem::replace(&mut queued.place, Place::InFlight) {
            Place::Active(key) => drop(self.active.remove(&key)),
            Place::Pausing { key, .. } => drop(self.pausing.remove(&key)),
            Place::Unschedulable { .. } | Place::InFlight => {}
        }
    }

    fn activate(&mut self, uid: &str) {
        self.leave(uid);
        let Some(queued) = self.pods.get_mut(uid) else { return };
        let key = (Reverse(queued.pod.priority), queued.arrival, uid.to_owned());
        queued.place = Place::Active(key.clone());
        self.active.insert(key);
    }

    /// From *unschedulable* to *back-off*, or to *active* if the pause is over.
    fn requeue(&mut self, uid: &str, now: Instant) {
        let Some(queued) = self.pods.get_mut(uid) else { return };
        let Place::Unschedulable { since } = queued.place else { return };
        self.arrivals += 1;
        queued.arrival = self.arrivals;
        let until = since + queued.pause();
        if until <= now {
            return self.activate(uid);
        }
        let key = (until, queued.arrival, uid.to_owned());
        queued.place = Place::Pausing { key: key.clone(), error: false };
        self.pausing.insert(key);
    }

    fn flush(&mut self, now: Instant) {
        let last = *self.flushed.get_or_insert(now);
        if now.duration_since(last) < FLUSH_EVERY {
            return;
        }
        self.flushed = Some(now);
        let long = |q: &Queued| matches!(q.place, Place::Unschedulable { since } if now.duration_since(since) > LONGEST_WAIT);
        let tired: Vec<String> = self.pods.iter().filter(|(_, q)| long(q)).map(|(uid, _)| uid.clone()).collect();
        for uid in tired {
            self.requeue(&uid, now);
        }
    }
}

impl Queued {
    /// 1 s after the first cycle, doubled with each more, at most 10 s.
    fn pause(&self) -> Duration {
        let doublings = self.attempts.saturating_sub(1).min(8);
        (FIRST_PAUSE * 2_u32.pow(doublings)).min(LONGEST_PAUSE)
    }

    fn may_be_helped(&self, rows: &[Row], event: &Event<'_>) -> bool {
        if self.refused_by.is_empty() || event.kinds.overlaps(Events::PLUGINS) {
            return true;
        }
        let refusers = rows.iter().filter(|row| self.refused_by.iter().any(|name| name == row.plugin.name()));
        refusers.into_iter().any(|row| row.plugin.events().overlaps(event.kinds) && row.plugin.hint(&self.pod, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Cluster;
    use crate::plugins::table;
    use crate::testing::{node, pod, pod_with};
    use object::json;

    struct Clock(Instant);
    impl Clock {
        fn at(&self, milliseconds: u64) -> Instant {
            self.0 + Duration::from_millis(milliseconds)
        }
    }

    fn setup() -> (Queue, Vec<Row>, Clock) {
        (Queue::default(), table::rows(&Arc::default()), Clock(Instant::now()))
    }

    fn popped(queue: &mut Queue, now: Instant) -> Option<String> {
        queue.pop(now).map(|(pod, _)| pod.name.clone())
    }

    fn refused(queue: &mut Queue, name: &str, by: &str, now: Instant) {
        queue.unschedulable(&format!("uid-{name}"), vec![by.to_owned()], now);
    }

    #[test]
    fn higher_priority_first_then_the_earlier() {
        let (mut queue, rows, clock) = setup();
        for (name, priority) in [("a", 0), ("b", 10), ("c", 0), ("d", 10)] {
            queue.set(pod_with(name, json!({ "spec": { "priority": priority } })), &rows, clock.at(0));
        }
        let order: Vec<_> = std::iter::from_fn(|| popped(&mut queue, clock.at(0))).collect();
        assert_eq!(order, ["b", "d", "a", "c"]);
    }

    #[test]
    fn a_failed_pod_pauses_longer_each_time() {
        let (mut queue, rows, clock) = setup();
        queue.set(pod("a", json!({})), &rows, clock.at(0));
        let mut now = 0;
        for pause in [1000, 2000, 4000, 8000, 10_000, 10_000] {
            assert_eq!(popped(&mut queue, clock.at(now)), Some("a".into()));
            queue.failed("uid-a", clock.at(now));
            assert_eq!(popped(&mut queue, clock.at(now + pause - 1)), None, "{pause}");
            assert_eq!(queue.next_wake(clock.at(now)), Some(clock.at(now + pause)));
            now += pause;
        }
    }

    #[test]
    fn only_events_that_may_help_wake_a_pod() {
        let (mut queue, rows, clock) = setup();
        let mut cluster = Cluster::default();
        cluster.set_node(node("small", json!({ "status": { "allocatable": { "cpu": "1" } } })));
        cluster.set_node(node("large", json!({})));
        queue.set(pod("a", json!({ "cpu": "2" })), &rows, clock.at(0));
        let wakes = |queue: &mut Queue, event: &Event<'_>| {
            popped(queue, clock.at(0));
            refused(queue, "a", "NodeResourcesFit", clock.at(0));
            queue.on_event(event, &rows, clock.at(20_000));
            let woken = popped(queue, clock.at(20_000)).is_some();
            queue.remove("uid-a");
            queue.set(pod("a", json!({ "cpu": "2" })), &rows, clock.at(0));
            woken
        };
        let other = pod("other", json!({}));
        let node = |kinds, name| Event { kinds, node: cluster.row(name), pod: None };
        assert!(!wakes(&mut queue, &node(Events::NODE_ADDED, "small")));
        assert!(wakes(&mut queue, &node(Events::NODE_ADDED, "large")));
        assert!(!wakes(&mut queue, &node(Events::NODE_LABELS, "large")));
        assert!(wakes(&mut queue, &Event { kinds: Events::POD_FREED, node: None, pod: Some(&other) }));
        assert!(!wakes(&mut queue, &Event { kinds: Events::POD_PLACED, node: None, pod: Some(&other) }));
        assert!(wakes(&mut queue, &Event::only(Events::PLUGINS)));
    }

    #[test]
    fn a_helped_pod_keeps_its_pause_unless_all_is_idle() {
        let (mut queue, rows, clock) = setup();
        queue.set(pod("a", json!({})), &rows, clock.at(0));
        popped(&mut queue, clock.at(0));
        refused(&mut queue, "a", "NodeResourcesFit", clock.at(0));
        queue.on_event(&Event::only(Events::PLUGINS), &rows, clock.at(10));
        queue.set(pod("b", json!({})), &rows, clock.at(10));
        assert_eq!(popped(&mut queue, clock.at(10)), Some("b".into()));
        assert_eq!(popped(&mut queue, clock.at(10)), Some("a".into()), "nothing else is to do");
    }

    #[test]
    fn another_set_of_plugins_ends_the_pause_after_an_error() {
        let (mut queue, rows, clock) = setup();
        queue.set(pod("a", json!({})), &rows, clock.at(0));
        popped(&mut queue, clock.at(0));
        queue.failed("uid-a", clock.at(0));
        queue.on_event(&Event::only(Events::NODE_ADDED), &rows, clock.at(10));
        assert_eq!(popped(&mut queue, clock.at(10)), None);
        queue.on_event(&Event::only(Events::PLUGINS), &rows, clock.at(20));
        assert_eq!(popped(&mut queue, clock.at(20)), Some("a".into()));
    }

    #[test]
    fn a_status_of_ours_wakes_nobody_a_change_of_the_pod_does() {
        let (mut queue, rows, clock) = setup();
        queue.set(pod("a", json!({})), &rows, clock.at(0));
        popped(&mut queue, clock.at(0));
        refused(&mut queue, "a", "NodeAffinity", clock.at(0));
        queue.set(
            pod_with("a", json!({ "spec": { "containers": [{ "name": "c", "resources": { "requests": {} } }] }, "status": { "x": 1 } })),
            &rows,
            clock.at(5000),
        );
        assert_eq!(popped(&mut queue, clock.at(5000)), None);
        queue.set(pod_with("a", json!({ "metadata": { "labels": { "x": "y" } } })), &rows, clock.at(5000));
        assert_eq!(popped(&mut queue, clock.at(5000)), Some("a".into()));
    }

    #[test]
    fn nobody_waits_for_ever() {
        let (mut queue, rows, clock) = setup();
        queue.set(pod("a", json!({})), &rows, clock.at(0));
        popped(&mut queue, clock.at(0));
        refused(&mut queue, "a", "NodeName", clock.at(0));
        assert_eq!(popped(&mut queue, clock.at(299_000)), None);
        assert_eq!(popped(&mut queue, clock.at(330_000)), Some("a".into()));
    }
}
