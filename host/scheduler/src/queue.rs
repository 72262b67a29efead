//! [`Queue`]: which pod is next: `pkg/scheduler/backend/queue/scheduling_queue.go`.
//!
//! A waiting pod is in one of these places: *active* (ready, by the queue-sort plugin's key, else by priority; then by time),
//! *back-off* (ready once its pause is over), or *unschedulable* (until an event that concerns it, or [`LONGEST_WAIT`]). One
//! whose profile has plugins that gate or sort is *arriving* before it gets to the first two: the scheduler asks them
//! ([`crate::ask`]). One that was taken out is *in flight* until it is bound or comes back. Events are taken in between
//! cycles, never during one; what happened while a pod was being bound is remembered for the case that it comes back.

use crate::event::{Event, Events};
use crate::pod::PodInfo;
use crate::profile::Profiles;
use interfaces::schedule::{Points, SchedulePlugin, SortKey};
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `DefaultPodMaxInUnschedulablePodsDuration`: an event may have been missed by a hint that was wrong.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// How often waits are compared with it.
const FLUSH_EVERY: Duration = Duration::from_secs(30);

/// Without a queue-sort plugin there are no keys, and the priority decides.
type ActiveKey = (Option<SortKey>, Reverse<i32>, u64, String);
type PauseKey = (Instant, u64, String);

pub struct Queue {
    pods: HashMap<String, Queued>,
    active: BTreeSet<ActiveKey>,
    pausing: BTreeSet<PauseKey>,
    /// Pods that plugins must be asked about first, in order.
    arriving: Vec<String>,
    /// Rises with every pod that is queued: the order of arrival.
    arrivals: u64,
    /// Rises with every event.
    events: u64,
    flushed: Option<Instant>,
    first_pause: Duration,
    longest_pause: Duration,
}

impl Default for Queue {
    fn default() -> Self {
        let defaults = crate::config::Configuration::default();
        Self::new(defaults.first_pause, defaults.longest_pause)
    }
}

/// A plugin that is to say which of these pods an event may have helped.
pub struct Question {
    pub plugin: Arc<dyn SchedulePlugin>,
    pub pods: Vec<Arc<PodInfo>>,
}

struct Queued {
    pod: Arc<PodInfo>,
    /// Cycles it has been through.
    attempts: u32,
    arrival: u64,
    place: Place,
    /// Names of the plugins that refused it; empty: whatever happens may help.
    refused_by: Vec<String>,
    /// Of the queue-sort plugin.
    key: Option<SortKey>,
    /// Plugins are to be asked before it gets ready.
    must_ask: bool,
    /// The queue's count of events when it was taken out.
    taken_at: u64,
}

enum Place {
    /// To be asked about; then ready at once, or after a pause until then.
    Arriving {
        until: Option<Instant>,
    },
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
    /// Pauses after failures: the first, and the longest.
    pub fn new(first_pause: Duration, longest_pause: Duration) -> Self {
        Self {
            pods: HashMap::new(),
            active: BTreeSet::new(),
            pausing: BTreeSet::new(),
            arriving: Vec::new(),
            arrivals: 0,
            events: 0,
            flushed: None,
            first_pause,
            longest_pause,
        }
    }

    /// A pod that is new, or a new version of one that waits. A plugin that is to be asked whether the change helps.
    pub fn set(&mut self, pod: Arc<PodInfo>, profiles: &Profiles, now: Instant) -> Vec<Question> {
        let must_ask = profiles.asks_about(pod.scheduler_name());
        let Some(known) = self.pods.get_mut(&pod.uid) else {
            let uid = pod.uid.clone();
            self.arrivals += 1;
            let queued = Queued {
                pod,
                attempts: 0,
                arrival: self.arrivals,
                place: Place::InFlight,
                refused_by: Vec::new(),
                key: None,
                must_ask,
                taken_at: 0,
            };
            self.pods.insert(uid.clone(), queued);
            self.enter(&uid, None);
            return Vec::new();
        };
        let changed = known.pod.differs_from(&pod);
        known.pod = pod;
        let uid = known.pod.uid.clone();
        if !changed {
            return Vec::new();
        }
        match known.place {
            // Its priority may be another, or what plugins say of it.
            Place::Active(_) => {
                known.must_ask = must_ask;
                self.enter(&uid, None);
            }
            Place::Unschedulable { .. } => {
                let event = Event::only(Events::POD_ITSELF);
                let mut questions = Vec::new();
                if self.pods.get(&uid).is_some_and(|q| q.may_be_helped(profiles, &event, &mut questions)) {
                    self.requeue(&uid, profiles, now);
                }
                return questions;
            }
            Place::Arriving { .. } | Place::Pausing { .. } | Place::InFlight => {}
        }
        Vec::new()
    }

    pub fn remove(&mut self, uid: &str) {
        self.leave(uid);
        self.pods.remove(uid);
    }

    /// The next pod and how many cycles it has been through, this one included.
    pub fn pop(&mut self, profiles: &Profiles, now: Instant) -> Option<(Arc<PodInfo>, u32)> {
        while let Some((_, _, uid)) = self.pausing.first().filter(|(until, ..)| *until <= now).cloned() {
            self.enter(&uid, None);
        }
        self.flush(profiles, now);
        let uid = match self.active.first() {
            Some((.., uid)) => uid.clone(),
            // Nothing else is to do: a pod that something may have helped need not wait (`SchedulerPopFromBackoffQ`).
            None => self.pausing.iter().find(|(_, _, uid)| self.is_paused_without_error(uid))?.2.clone(),
        };
        self.leave(&uid);
        let events = self.events;
        let queued = self.pods.get_mut(&uid)?;
        queued.attempts += 1;
        queued.taken_at = events;
        Some((queued.pod.clone(), queued.attempts))
    }

    /// Pods that plugins are to be asked about: each is to be [`Queue::admit`]ted, [`Queue::gate`]d or [`Queue::unasked`].
    pub fn take_arriving(&mut self) -> Vec<Arc<PodInfo>> {
        let arriving = std::mem::take(&mut self.arriving);
        let still = |uid: String| self.pods.get(&uid).filter(|q| matches!(q.place, Place::Arriving { .. })).map(|q| q.pod.clone());
        arriving.into_iter().filter_map(still).collect()
    }

    pub fn has_arriving(&self) -> bool {
        !self.arriving.is_empty()
    }

    /// The pod may enter, and this is its place.
    pub fn admit(&mut self, uid: &str, key: Option<SortKey>) {
        let Some(queued) = self.pods.get_mut(uid) else { return };
        let Place::Arriving { until } = queued.place else { return };
        (queued.key, queued.must_ask) = (key, false);
        self.enter(uid, until);
    }

    /// A plugin keeps it out until something happens that it cares about.
    pub fn gate(&mut self, uid: &str, by: String, now: Instant) {
        let Some(queued) = self.pods.get_mut(uid) else { return };
        queued.refused_by = vec![by];
        queued.place = Place::Unschedulable { since: now };
    }

    /// The plugin failed: it is asked again after a pause.
    pub fn unasked(&mut self, uid: &str, now: Instant) {
        if let Some(queued) = self.pods.get_mut(uid) {
            queued.attempts += 1;
        }
        self.failed(uid, now);
    }

    /// No node took it, or a plugin took its node away. What has happened since it was taken out may have helped it already.
    pub fn unschedulable(&mut self, uid: &str, refused_by: Vec<String>, profiles: &Profiles, now: Instant) {
        let events = self.events;
        let Some(queued) = self.pods.get_mut(uid) else { return };
        queued.refused_by = refused_by;
        queued.place = Place::Unschedulable { since: now };
        if queued.taken_at != events {
            self.requeue(uid, profiles, now);
        }
    }

    /// Its cycle or its binding failed: again after a pause, whatever happens meanwhile.
    pub fn failed(&mut self, uid: &str, now: Instant) {
        let (first, longest) = (self.first_pause, self.longest_pause);
        let Some(queued) = self.pods.get_mut(uid) else { return };
        queued.refused_by.clear();
        let key = (now + queued.pause(first, longest), queued.arrival, uid.to_owned());
        queued.place = Place::Pausing { key: key.clone(), error: true };
        self.pausing.insert(key);
    }

    /// Something happened: pods that it may help are tried again, after what is left of their pause. Of the others, plugins
    /// are to be asked: what they say goes to [`Queue::helped`].
    pub fn on_event(&mut self, event: &Event<'_>, profiles: &Profiles, now: Instant) -> Vec<Question> {
        self.events += 1;
        let mut questions = Vec::new();
        // What happens to a pod itself on its way helps others only.
        let other = |uid: &str| event.pod.is_none_or(|pod| pod.uid != uid);
        let waiting = self.pods.iter().filter(|(uid, q)| matches!(q.place, Place::Unschedulable { .. }) && other(uid));
        let helped = waiting.filter(|(_, q)| q.may_be_helped(profiles, event, &mut questions));
        let helped: Vec<String> = helped.map(|(uid, _)| uid.clone()).collect();
        for uid in helped {
            self.requeue(&uid, profiles, now);
        }
        // What failed may have been a plugin that is another now.
        if event.kinds.overlaps(Events::PLUGINS) {
            for queued in self.pods.values_mut() {
                if let Place::Pausing { error, .. } = &mut queued.place {
                    *error = false;
                }
            }
        }
        questions
    }

    /// A plugin says that an event may have helped this pod.
    pub fn helped(&mut self, uid: &str, profiles: &Profiles, now: Instant) {
        self.requeue(uid, profiles, now);
    }

    /// Other plugins gate and sort now: pods that are ready are asked about again, and those without a profile go.
    pub fn replace_profiles(&mut self, profiles: &Profiles) {
        let lost = self.pods.values().filter(|q| profiles.of(q.pod.scheduler_name()).is_none());
        let lost: Vec<String> = lost.map(|q| q.pod.uid.clone()).collect();
        for uid in lost {
            self.remove(&uid);
        }
        let mut again = Vec::new();
        for (uid, queued) in &mut self.pods {
            let asks = profiles.asks_about(queued.pod.scheduler_name());
            let ready = matches!(queued.place, Place::Active(_) | Place::Arriving { .. });
            if ready && (asks || queued.key.is_some() || queued.must_ask) {
                again.push((queued.arrival, uid.clone()));
            }
            queued.must_ask = asks;
            queued.key = None;
        }
        again.sort_unstable();
        for (_, uid) in again {
            let until = match self.pods.get(&uid).map(|q| &q.place) {
                Some(Place::Arriving { until }) => *until,
                _ => None,
            };
            self.enter(&uid, until);
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
            Place::Arriving { .. } | Place::Unschedulable { .. } | Place::InFlight => {}
        }
    }

    /// To *active*, or to *back-off* until then; but first to *arriving* if plugins have a say.
    fn enter(&mut self, uid: &str, until: Option<Instant>) {
        self.leave(uid);
        let Some(queued) = self.pods.get_mut(uid) else { return };
        if queued.must_ask {
            queued.place = Place::Arriving { until };
            return self.arriving.push(uid.to_owned());
        }
        match until {
            Some(until) => {
                let key = (until, queued.arrival, uid.to_owned());
                queued.place = Place::Pausing { key: key.clone(), error: false };
                self.pausing.insert(key);
            }
            None => {
                let key = (queued.key.clone(), Reverse(queued.pod.priority), queued.arrival, uid.to_owned());
                queued.place = Place::Active(key.clone());
                self.active.insert(key);
            }
        }
    }

    /// From *unschedulable* to *back-off*, or to *active* if the pause is over.
    fn requeue(&mut self, uid: &str, profiles: &Profiles, now: Instant) {
        let (first, longest) = (self.first_pause, self.longest_pause);
        let Some(queued) = self.pods.get_mut(uid) else { return };
        let Place::Unschedulable { since } = queued.place else { return };
        self.arrivals += 1;
        queued.arrival = self.arrivals;
        queued.must_ask = profiles.asks_about(queued.pod.scheduler_name());
        let until = since + queued.pause(first, longest);
        self.enter(uid, (until > now).then_some(until));
    }

    fn flush(&mut self, profiles: &Profiles, now: Instant) {
        let last = *self.flushed.get_or_insert(now);
        if now.duration_since(last) < FLUSH_EVERY {
            return;
        }
        self.flushed = Some(now);
        let long = |q: &Queued| matches!(q.place, Place::Unschedulable { since } if now.duration_since(since) > LONGEST_WAIT);
        let tired: Vec<String> = self.pods.iter().filter(|(_, q)| long(q)).map(|(uid, _)| uid.clone()).collect();
        for uid in tired {
            self.requeue(&uid, profiles, now);
        }
    }
}

impl Queued {
    /// None before the first cycle; then 1 s (or what is configured), doubled with each more, at most 10 s.
    fn pause(&self, first: Duration, longest: Duration) -> Duration {
        let Some(doublings) = self.attempts.checked_sub(1) else { return Duration::ZERO };
        first.saturating_mul(2_u32.saturating_pow(doublings)).min(longest)
    }

    /// Whether the event may help, as far as that is known here; what is not is added to `questions`.
    fn may_be_helped(&self, profiles: &Profiles, event: &Event<'_>, questions: &mut Vec<Question>) -> bool {
        if self.refused_by.is_empty() || event.kinds.overlaps(Events::PLUGINS) {
            return true;
        }
        let Some(profile) = profiles.of(self.pod.scheduler_name()) else { return false };
        let refused = |name: &str| self.refused_by.iter().any(|by| by == name);
        let refusers = profile.rows().iter().filter(|row| refused(row.plugin.name()) && row.plugin.events().overlaps(event.kinds));
        let mut ask = Vec::new();
        for row in refusers {
            match &row.outside {
                Some(outside) if row.points.has(Points::REQUEUE) => ask.push(outside),
                _ if row.plugin.hint(&self.pod, event) => return true,
                _ => {}
            }
        }
        for plugin in ask {
            match questions.iter_mut().find(|question| Arc::ptr_eq(&question.plugin, plugin)) {
                Some(question) => question.pods.push(self.pod.clone()),
                None => questions.push(Question { plugin: plugin.clone(), pods: vec![self.pod.clone()] }),
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Cluster;
    use crate::config::Configuration;
    use crate::testing::{node, pod, pod_with};
    use object::json;

    struct Clock(Instant);
    impl Clock {
        fn at(&self, milliseconds: u64) -> Instant {
            self.0 + Duration::from_millis(milliseconds)
        }
    }

    fn native() -> Profiles {
        Profiles::build(&Configuration::default(), &Arc::default())
    }

    fn setup() -> (Queue, Profiles, Clock) {
        (Queue::default(), native(), Clock(Instant::now()))
    }

    fn popped(queue: &mut Queue, now: Instant) -> Option<String> {
        queue.pop(&native(), now).map(|(pod, _)| pod.name.clone())
    }

    fn refused(queue: &mut Queue, name: &str, by: &str, now: Instant) {
        queue.unschedulable(&format!("uid-{name}"), vec![by.to_owned()], &native(), now);
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
