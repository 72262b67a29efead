//! Which events become objects, which raise a count and which are too many: `client-go/tools/record/events_cache.go`.

use super::{Event, Type};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

/// From this many different messages in the interval on, similar events become one.
const SIMILAR: usize = 10;
const SIMILAR_INTERVAL: Duration = Duration::from_secs(600);
/// Events about one object: this many at once, then one in five minutes.
const BURST: f64 = 25.0;
const REFILL_SECONDS: f64 = 300.0;
/// `maxLruCacheEntries`.
const REMEMBERED: usize = 4096;

/// What becomes of an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    New { message: String },
    Raise { name: String, count: u64, message: String },
    Drop,
}

/// Everything that makes two events the same; the message is empty for similar ones taken together.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    about: (String, String, String, String, String),
    ty: Type,
    reason: String,
    message: String,
}

#[derive(Default)]
pub(super) struct Correlator {
    written: HashMap<Key, Written>,
    similar: HashMap<Key, Similar>,
    buckets: HashMap<Key, Bucket>,
    clock: u64,
    /// What the event judged last was taken for: `written` refers to it.
    last: Option<Key>,
}

struct Written {
    name: String,
    count: u64,
    used: u64,
}

struct Similar {
    messages: HashSet<String>,
    last: SystemTime,
    used: u64,
}

struct Bucket {
    tokens: f64,
    at: SystemTime,
    used: u64,
}

impl Correlator {
    pub(super) fn judge(&mut self, event: &Event) -> Verdict {
        self.clock += 1;
        let (key, message) = self.aggregate(event);
        self.last = Some(key.clone());
        let clock = self.clock;
        let known = self.written.get_mut(&key).map(|w| {
            w.used = clock;
            w.count += 1;
            (w.name.clone(), w.count)
        });
        if !self.admit(event) {
            return Verdict::Drop;
        }
        match known {
            Some((name, count)) => Verdict::Raise { name, count, message },
            None => Verdict::New { message },
        }
    }

    /// The event judged last was written under this name.
    pub(super) fn written(&mut self, name: &str, count: u64) {
        let Some(key) = self.last.clone() else { return };
        self.written.insert(key, Written { name: name.to_owned(), count, used: self.clock });
        trim(&mut self.written, |w| w.used);
    }

    /// Takes events that differ by message only together when there are many.
    fn aggregate(&mut self, event: &Event) -> (Key, String) {
        let group = Key::of(event, "");
        let similar = self.similar.entry(group.clone()).or_insert_with(|| Similar { messages: HashSet::new(), last: event.at, used: 0 });
        similar.used = self.clock;
        if event.at.duration_since(similar.last).unwrap_or_default() > SIMILAR_INTERVAL {
            similar.messages.clear();
        }
        similar.last = event.at;
        if similar.messages.len() < SIMILAR {
            similar.messages.insert(event.message.clone());
        }
        let many = similar.messages.len() >= SIMILAR;
        trim(&mut self.similar, |s| s.used);
        if many {
            (group, format!("(combined from similar events): {}", event.message))
        } else {
            (Key::of(event, &event.message), event.message.clone())
        }
    }

    fn admit(&mut self, event: &Event) -> bool {
        let mut key = Key::of(event, "");
        // The spam filter knows sources and objects, not reasons.
        (key.reason, key.ty) = (String::new(), Type::Normal);
        let bucket = self.buckets.entry(key).or_insert(Bucket { tokens: BURST, at: event.at, used: 0 });
        let passed = event.at.duration_since(bucket.at).unwrap_or_default().as_secs_f64();
        bucket.tokens = (bucket.tokens + passed / REFILL_SECONDS).min(BURST);
        (bucket.at, bucket.used) = (event.at, self.clock);
        let admitted = bucket.tokens >= 1.0;
        if admitted {
            bucket.tokens -= 1.0;
        }
        trim(&mut self.buckets, |b| b.used);
        admitted
    }
}

impl Key {
    fn of(event: &Event, message: &str) -> Self {
        let about = &event.about;
        Self {
            about: (
                about.kind.clone(),
                about.namespace.clone(),
                about.name.clone(),
                about.uid.clone(),
                format!("{}{}", about.api_version, about.field_path),
            ),
            ty: event.ty,
            reason: event.reason.clone(),
            message: message.to_owned(),
        }
    }
}

/// Forgets the half that was not used for longest, once there are too many.
fn trim<V>(map: &mut HashMap<Key, V>, used: impl Fn(&V) -> u64) {
    if map.len() <= REMEMBERED {
        return;
    }
    let mut times: Vec<u64> = map.values().map(&used).collect();
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let median = *median;
    map.retain(|_, value| used(value) >= median);
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::ObjectRef;
    use std::time::UNIX_EPOCH;

    fn event(message: &str, second: u64) -> Event {
        Event {
            about: ObjectRef { kind: "Pod".into(), name: "a".into(), ..ObjectRef::default() },
            ty: Type::Warning,
            reason: "BackOff".into(),
            message: message.into(),
            at: UNIX_EPOCH + Duration::from_secs(second),
        }
    }

    #[test]
    fn equal_events_raise_the_count() {
        let mut c = Correlator::default();
        assert_eq!(c.judge(&event("m", 0)), Verdict::New { message: "m".into() });
        c.written("a.1", 1);
        assert_eq!(c.judge(&event("m", 1)), Verdict::Raise { name: "a.1".into(), count: 2, message: "m".into() });
        assert_eq!(c.judge(&event("n", 2)), Verdict::New { message: "n".into() });
    }

    #[test]
    fn many_messages_become_one() {
        let mut c = Correlator::default();
        for i in 0..9 {
            assert_eq!(c.judge(&event(&i.to_string(), i)), Verdict::New { message: i.to_string() });
            c.written(&format!("a.{i}"), 1);
        }
        let combined = |m: &str| format!("(combined from similar events): {m}");
        assert_eq!(c.judge(&event("x", 10)), Verdict::New { message: combined("x") });
        c.written("a.x", 1);
        assert_eq!(c.judge(&event("y", 11)), Verdict::Raise { name: "a.x".into(), count: 2, message: combined("y") });
        assert_eq!(c.judge(&event("z", 1000)), Verdict::New { message: "z".into() });
    }

    #[test]
    fn a_flood_is_dropped() {
        let mut c = Correlator::default();
        let verdicts: Vec<Verdict> = (0..30).map(|_| c.judge(&event("m", 0))).collect();
        assert_eq!(verdicts.iter().filter(|v| **v == Verdict::Drop).count(), 5);
        assert_ne!(c.judge(&event("m", 301)), Verdict::Drop, "one more after five minutes");
    }
}
