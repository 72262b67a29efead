use super::args::{AddedAffinity, Resources, Strategy};
use super::*;
use object::json;

fn file(more: &Value) -> Value {
    let mut file = json!({ "apiVersion": API_VERSION, "kind": KIND });
    if let (Some(file), Some(more)) = (file.as_object_mut(), more.as_object()) {
        file.extend(more.clone());
    }
    file
}

fn check(more: Value, expect: &str) {
    let told = Configuration::of(&file(&more)).map_or_else(|invalid| invalid.to_string(), |_| "good".to_owned());
    assert_eq!(told, expect, "{more}");
}

fn args(name: &str, args: Value, expect: &str) {
    check(json!({ "profiles": [{ "pluginConfig": [{ "name": name, "args": args }] }] }), expect);
}

#[test]
fn upstreams_example_is_read() {
    let file = file(&json!({
        "leaderElection": { "leaderElect": false },
        "clientConnection": { "kubeconfig": "/etc/x", "qps": 50.0, "burst": 100 },
        "percentageOfNodesToScore": 30,
        "podInitialBackoffSeconds": 2, "podMaxBackoffSeconds": 20,
        "profiles": [
            { "schedulerName": "default-scheduler" },
            { "schedulerName": "packing", "percentageOfNodesToScore": 100,
              "plugins": { "score": { "disabled": [{ "name": "ImageLocality" }], "enabled": [{ "name": "NodeResourcesFit", "weight": 5 }] } },
              "pluginConfig": [
                { "name": "NodeResourcesFit", "args": { "apiVersion": API_VERSION, "kind": "NodeResourcesFitArgs",
                    "scoringStrategy": { "type": "MostAllocated", "resources": [{ "name": "cpu", "weight": 3 }, { "name": "a/gpu" }] } } },
                { "name": "InterPodAffinity", "args": { "hardPodAffinityWeight": 7 } },
                { "name": "NodeAffinity", "args": { "addedAffinity": { "requiredDuringSchedulingIgnoredDuringExecution":
                    { "nodeSelectorTerms": [{ "matchExpressions": [{ "key": "pool", "operator": "In", "values": ["a"] }] }] } } } },
              ] },
        ],
    }));
    let read = Configuration::of(&file).unwrap();
    assert_eq!((read.percentage, read.first_pause, read.longest_pause), (30, Duration::from_secs(2), Duration::from_secs(20)));
    let [plain, packing] = read.profiles.as_slice() else { panic!("{read:?}") };
    assert_eq!(*plain, ProfileConfig::default());
    assert_eq!((packing.name.as_str(), packing.percentage, packing.args.affinity.hard_weight), ("packing", Some(100), 7));
    assert_eq!(packing.args.fit.strategy, Strategy::MostAllocated);
    assert_eq!(packing.args.fit.resources, Resources(vec![("cpu".into(), 3), ("a/gpu".into(), 1)]));
    assert!(packing.args.added != AddedAffinity::default());
    assert!(packing.plugins.at("score").disables("ImageLocality"));
    assert_eq!(packing.plugins.weight("NodeResourcesFit"), Some(5));
}

#[test]
fn what_is_not_known_is_refused() {
    check(json!({}), "good");
    check(json!({ "profile": [] }), r#"strict decoding error: unknown field "profile""#);
    let nested = json!({ "profiles": [{ "plugins": { "score": { "enable": [] } }, "name": "x" }] });
    check(nested, r#"strict decoding error: unknown field "profiles[0].plugins.score.enable", unknown field "profiles[0].name""#);
    check(json!({ "parallelism": "many" }), "json: cannot unmarshal string into field parallelism of type int");
    args(
        "NodeResourcesFit",
        json!({ "strategy": {} }),
        r#"strict decoding error: unknown field "profiles[0].pluginConfig[0].args.strategy""#,
    );
    let other = json!({ "apiVersion": "kubescheduler.config.k8s.io/v1beta3", "kind": KIND });
    let told = Configuration::of(&other).unwrap_err().to_string();
    assert!(
        told.starts_with(r#"no kind "KubeSchedulerConfiguration" is registered for version "kubescheduler.config.k8s.io/v1beta3""#),
        "{told}"
    );
}

#[test]
fn what_is_wrong_is_told_in_upstreams_words() {
    check(json!({ "parallelism": 0 }), "parallelism: Invalid value: 0: should be an integer value greater than zero");
    check(json!({ "percentageOfNodesToScore": 101 }), "percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]");
    check(json!({ "podInitialBackoffSeconds": 0 }), "podInitialBackoffSeconds: Invalid value: 0: must be greater than 0");
    let pauses = json!({ "podInitialBackoffSeconds": 5, "podMaxBackoffSeconds": 4 });
    check(pauses, "podMaxBackoffSeconds: Invalid value: 4: must be greater than or equal to PodInitialBackoffSeconds");
    let twice = json!({ "profiles": [{ "schedulerName": "a" }, { "schedulerName": "a" }] });
    check(twice, r#"profiles[1].schedulerName: Duplicate value: "profiles[0].schedulerName""#);
    check(json!({ "profiles": [{}] }), "good");
    check(json!({ "profiles": [{ "schedulerName": "a" }, {}] }), "profiles[1].schedulerName: Required value");
    let removed = json!({ "profiles": [{ "plugins": { "filter": { "enabled": [{ "name": "EBSLimits" }] } } }] });
    check(
        removed,
        "profiles[0].plugins.filter.enabled[0]: Invalid value: \"EBSLimits\": was invalid in version \
         \"kubescheduler.config.k8s.io/v1\" (KubeSchedulerConfiguration is version \"kubescheduler.config.k8s.io/v1\")",
    );
    let sorts = json!({ "queueSort": { "enabled": [{ "name": "mine" }], "disabled": [{ "name": "*" }] } });
    let sorts = json!({ "profiles": [{ "schedulerName": "a" }, { "schedulerName": "b", "plugins": sorts }] });
    check(sorts, r#"profiles[1].plugins.queueSort: Invalid value: ["mine"]: must be the same for all profiles"#);
    let none = json!({ "profiles": [{ "plugins": { "bind": { "disabled": [{ "name": "*" }] } } }] });
    check(
        none,
        r#"profiles[0].plugins.bind: Required value: at least one bind plugin is needed for profile with scheduler name "default-scheduler""#,
    );
    let wrong = json!({ "profiles": [{ "plugins": { "score": { "enabled": [{ "name": "NodeName" }] } } }] });
    check(wrong, r#"profiles[0].plugins.score.enabled: Invalid value: "NodeName": plugin "NodeName" does not extend score plugin"#);
    check(
        json!({ "leaderElection": { "resourceLock": "x" } }),
        r#"leaderElection.resourceLock: Invalid value: "x": resourceLock value must be "leases""#,
    );
    check(
        json!({ "extenders": [{ "urlPrefix": "x" }] }),
        "extenders: Forbidden: this scheduler calls no HTTP extenders: a WasmPlugin does what they do",
    );
}

#[test]
fn arguments_are_checked() {
    const AT: &str = "profiles[0].pluginConfig[0].args";
    let strategy = |strategy: Value, expect: &str| args("NodeResourcesFit", json!({ "scoringStrategy": strategy }), expect);
    strategy(json!({ "type": "LeastAllocated" }), "good");
    strategy(
        json!({ "type": "Best" }),
        &format!(
            r#"{AT}.scoringStrategy.type: Unsupported value: "Best": supported values: "LeastAllocated", "MostAllocated", "RequestedToCapacityRatio""#
        ),
    );
    let weights = json!({ "type": "MostAllocated", "resources": [{ "name": "cpu", "weight": 101 }] });
    strategy(
        weights,
        &format!("{AT}.scoringStrategy.resources[0].weight: Invalid value: 101: resource weight of cpu not in valid range (0, 100]"),
    );
    let ratio = |shape: Value| json!({ "type": "RequestedToCapacityRatio", "requestedToCapacityRatio": { "shape": shape } });
    let point = |utilization: i64, score: i64| json!({ "utilization": utilization, "score": score });
    strategy(ratio(json!([point(0, 0), point(100, 10)])), "good");
    const RATIO: &str = "scoringStrategy.requestedToCapacityRatio";
    strategy(ratio(json!([])), &format!("{AT}.{RATIO}.shape: Required value: at least one point must be specified"));
    let falling = format!("{AT}.{RATIO}.shape[1].utilization: Invalid value: 5: values must be sorted in increasing order");
    strategy(ratio(json!([point(5, 0), point(5, 10)])), &falling);
    strategy(ratio(json!([point(0, 11)])), &format!("{AT}.{RATIO}.shape[0].score: Invalid value: 11: not in valid range [0, 10]"));
    let missing = format!("{AT}.{RATIO}: Required value: must be specified when type is RequestedToCapacityRatio");
    strategy(json!({ "type": "RequestedToCapacityRatio" }), &missing);
    args(
        "NodeResourcesFit",
        json!({ "ignoredResourceGroups": ["a/b"] }),
        &format!("{AT}.ignoredResourceGroups[0]: Invalid value: \"a/b\": resource group name can't contain '/'"),
    );
    args(
        "InterPodAffinity",
        json!({ "hardPodAffinityWeight": 101 }),
        &format!("{AT}.hardPodAffinityWeight: Invalid value: 101: not in valid range [0, 100]"),
    );
    args(
        "NodeResourcesBalancedAllocation",
        json!({ "resources": [{ "name": "cpu", "weight": 2 }] }),
        &format!("{AT}.resources[0].weight: Invalid value: 2: must be 1"),
    );
    let both = args_message(AT);
    args("DefaultPreemption", json!({ "minCandidateNodesPercentage": 0, "minCandidateNodesAbsolute": 0 }), &both);
    let constraint = json!({ "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway" });
    let list = |constraints: Value| json!({ "defaultingType": "List", "defaultConstraints": constraints });
    args("PodTopologySpread", list(json!([constraint])), "good");
    args(
        "PodTopologySpread",
        json!({ "defaultConstraints": [constraint] }),
        &format!("{AT}.defaultingType: Invalid value: \"System\": when .defaultConstraints are not empty"),
    );
    args(
        "PodTopologySpread",
        list(json!([constraint, constraint])),
        &format!("{AT}.defaultConstraints[1]: Duplicate value: \"{{zone, ScheduleAnyway}}\""),
    );
    let mut selects = constraint.clone();
    selects["labelSelector"] = json!({});
    args(
        "PodTopologySpread",
        list(json!([selects])),
        &format!(
            "{AT}.defaultConstraints[0].labelSelector: Forbidden: constraint must not define a selector, as they deduced for each pod"
        ),
    );
    args(
        "other",
        json!({}),
        &format!("{AT}: Forbidden: only native plugins have arguments here: a WasmPlugin's settings are its spec.config"),
    );
    let kind = json!({ "kind": "NodeAffinityArgs" });
    args(
        "NodeResourcesFit",
        kind,
        &format!(
            "decoding .{AT}: args for plugin NodeResourcesFit were not of type NodeResourcesFitArgs.{API_VERSION}, got , Kind=NodeAffinityArgs"
        ),
    );
}

fn args_message(at: &str) -> String {
    format!(
        "[{at}.minCandidateNodesPercentage: Invalid value: 0: cannot be zero at the same time as minCandidateNodesAbsolute, \
         {at}.minCandidateNodesAbsolute: Invalid value: 0: cannot be zero at the same time as minCandidateNodesPercentage]"
    )
}
