//! Group flowcontrol.apiserver.k8s.io, v1.

use super::row;
use crate::columns::flowcontrol;
use crate::kind::Kind;

pub(crate) fn rows() -> Vec<Kind> {
    vec![schemas(), levels()]
}

fn flowcontrol(kind: &str, resource: &str) -> Kind {
    row("flowcontrol.apiserver.k8s.io", "v1", kind, resource)
        .definition(&format!("io.k8s.api.flowcontrol.v1.{kind}"))
        .cluster()
        .generation()
        .status()
        .name_column()
}

fn schemas() -> Kind {
    flowcontrol("FlowSchema", "flowschemas")
        .show("PriorityLevel", "string", "Priority level that matching requests belong to.", flowcontrol::priority_level)
        .show("MatchingPrecedence", "string", "The schema with the lowest number that matches is chosen.", flowcontrol::precedence)
        .show("DistinguisherMethod", "string", "What tells the flows of the schema apart.", flowcontrol::distinguisher)
        .age_column()
        .show("MissingPL", "string", "Whether its priority level is missing or broken.", flowcontrol::missing_level)
        .sample(
            r#"{"apiVersion":"flowcontrol.apiserver.k8s.io/v1","kind":"FlowSchema","metadata":{"name":"sample"},"spec":{"priorityLevelConfiguration":{"name":"sample"},"matchingPrecedence":5000,"distinguisherMethod":{"type":"ByUser"},"rules":[{"subjects":[{"kind":"User","user":{"name":"u"}}],"resourceRules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"],"namespaces":["default"]}]}]}}"#,
        )
}

fn levels() -> Kind {
    flowcontrol("PriorityLevelConfiguration", "prioritylevelconfigurations")
        .show("Type", "string", "Whether requests of the level are limited.", flowcontrol::level_type)
        .show("NominalConcurrencyShares", "string", "The level's part of the server's places.", flowcontrol::shares)
        .show("Queues", "string", "Queues of the level.", flowcontrol::queues)
        .show("HandSize", "string", "Queues that a flow may use.", flowcontrol::hand_size)
        .show("QueueLengthLimit", "string", "Requests that one queue holds.", flowcontrol::queue_length)
        .age_column()
        .sample(
            r#"{"apiVersion":"flowcontrol.apiserver.k8s.io/v1","kind":"PriorityLevelConfiguration","metadata":{"name":"sample"},"spec":{"type":"Limited","limited":{"nominalConcurrencyShares":5,"limitResponse":{"type":"Queue","queuing":{"queues":16,"handSize":4,"queueLengthLimit":50}}}}}"#,
        )
}
