//! events.k8s.io/v1 Events are core ones under newer names (`pkg/apis/events/v1/conversion.go`).

use super::rename;
use object::Object;

/// Name in events.k8s.io/v1, name in the core group.
const NAMES: [(&str, &str); 7] = [
    ("note", "message"),
    ("regarding", "involvedObject"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

pub(crate) fn to_core(event: &mut Object) {
    let map = event.as_map_mut();
    NAMES.iter().for_each(|(new, core)| rename(map, new, core));
}

pub(crate) fn from_core(event: &mut Object) {
    let map = event.as_map_mut();
    NAMES.iter().for_each(|(new, core)| rename(map, core, new));
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn names_go_there_and_back() {
        let new = json!({
            "metadata": {"name": "e"}, "note": "n", "regarding": {"kind": "Pod"}, "reportingController": "c", "reportingInstance": "i",
            "deprecatedCount": 2, "deprecatedSource": {"component": "s"}, "type": "Normal", "action": "a", "reason": "r",
        });
        let mut event = Object::from_value(new.clone()).unwrap();
        to_core(&mut event);
        assert_eq!(
            event.to_value(),
            json!({
                "metadata": {"name": "e"}, "message": "n", "involvedObject": {"kind": "Pod"}, "reportingComponent": "c",
                "reportingInstance": "i", "count": 2, "source": {"component": "s"}, "type": "Normal", "action": "a", "reason": "r",
            })
        );
        from_core(&mut event);
        assert_eq!(event.to_value(), new);
    }
}
