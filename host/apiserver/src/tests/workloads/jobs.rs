//! Jobs and CronJobs.

use super::{Cases, template};
use crate::tests::Fixture;
use crate::tests::causes::{compare, told, with};
use object::{Value, json};

const BATCH: &str = "/apis/batch/v1/namespaces/default";

fn job(spec: &Value) -> Value {
    let base = json!({ "template": with(&template(), &json!({ "spec": { "restartPolicy": "Never" } })) });
    json!({ "metadata": { "name": "j" }, "spec": with(&base, spec) })
}

fn cron_job(spec: &Value) -> Value {
    let base = json!({ "schedule": "* * * * *", "jobTemplate": { "spec": job(&json!({}))["spec"] } });
    json!({ "metadata": { "name": "c" }, "spec": with(&base, spec) })
}

#[tokio::test]
async fn jobs() {
    let f = Fixture::new().await;
    let indexed = |spec: Value| job(&with(&json!({ "completionMode": "Indexed", "completions": 3 }), &spec));
    let fails = |rule: Value| job(&json!({ "podFailurePolicy": { "rules": [rule] } }));
    let succeeds = |rule: Value| indexed(json!({ "successPolicy": { "rules": [rule] } }));
    let codes =
        |patch: Value| fails(json!({ "action": "FailJob", "onExitCodes": with(&json!({ "operator": "In", "values": [1] }), &patch) }));
    let cases: Cases = vec![
        (job(&json!({})), &[]),
        (
            job(&json!({ "parallelism": -1, "completions": -1 })),
            &[
                "spec.parallelism: Invalid value: -1: must be greater than or equal to 0",
                "spec.completions: Invalid value: -1: must be greater than or equal to 0",
            ],
        ),
        (
            job(&json!({ "activeDeadlineSeconds": -1 })),
            &["spec.activeDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0"],
        ),
        (job(&json!({ "backoffLimit": -1 })), &["spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0"]),
        (
            job(&json!({ "ttlSecondsAfterFinished": -1 })),
            &["spec.ttlSecondsAfterFinished: Invalid value: -1: must be greater than or equal to 0"],
        ),
        (
            job(&json!({ "template": { "spec": { "restartPolicy": "Always" } } })),
            &["spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\""],
        ),
        (
            job(&json!({ "template": { "spec": { "restartPolicy": "Maybe" } } })),
            &[
                "spec.template.spec.restartPolicy: Unsupported value: \"Maybe\": supported values: \"Always\", \"OnFailure\", \"Never\"",
                "spec.template.spec.restartPolicy: Unsupported value: \"Maybe\": supported values: \"OnFailure\", \"Never\"",
            ],
        ),
        (
            job(&json!({ "completionMode": "x" })),
            &["spec.completionMode: Unsupported value: \"x\": supported values: \"NonIndexed\", \"Indexed\""],
        ),
        (job(&json!({ "backoffLimitPerIndex": 1 })), &["spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"]),
        (indexed(json!({ "completions": null, "parallelism": 2 })), &["spec.completions: Required value: when completion mode is Indexed"]),
        (
            indexed(json!({ "parallelism": 100001 })),
            &["spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is Indexed"],
        ),
        (indexed(json!({ "maxFailedIndexes": 1 })), &["spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified"]),
        (
            indexed(json!({ "maxFailedIndexes": 4, "backoffLimitPerIndex": 1 })),
            &["spec.maxFailedIndexes: Invalid value: 4: must be less than or equal to completions"],
        ),
        (
            indexed(json!({ "completions": 100001, "backoffLimitPerIndex": 1, "parallelism": 10001 })),
            &[
                "spec.maxFailedIndexes: Required value: must be specified when completions is above 100000",
                "spec.parallelism: Invalid value: 10001: must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index",
            ],
        ),
        (
            job(&json!({ "managedBy": "x" })),
            &["spec.managedBy: Invalid value: \"x\": must be a domain-prefixed path (such as \"acme.io/foo\")"],
        ),
        (job(&json!({ "managedBy": format!("a.b/{}", "x".repeat(60)) })), &["spec.managedBy: Too long: may not be more than 63 bytes"]),
        (
            job(&json!({ "podReplacementPolicy": "x" })),
            &["spec.podReplacementPolicy: Unsupported value: \"x\": supported values: \"Failed\", \"TerminatingOrFailed\""],
        ),
        (
            with(
                &fails(json!({ "action": "Count", "onExitCodes": { "operator": "In", "values": [1] } })),
                &json!({ "spec": { "podReplacementPolicy": "TerminatingOrFailed" } }),
            ),
            &["spec.podReplacementPolicy: Unsupported value: \"TerminatingOrFailed\": supported values: \"Failed\""],
        ),
        (
            fails(json!({ "action": "Cry" })),
            &[
                "spec.podFailurePolicy.rules[0].action: Unsupported value: \"Cry\": supported values: \"Count\", \"FailIndex\", \"FailJob\", \"Ignore\"",
                "spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required",
            ],
        ),
        (
            fails(json!({ "action": "FailIndex", "onExitCodes": { "operator": "In", "values": [1] } })),
            &["spec.podFailurePolicy.rules[0].action: Invalid value: \"FailIndex\": requires the backoffLimitPerIndex to be set"],
        ),
        (
            codes(json!({ "values": [0, 1, 1] })),
            &[
                "spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator",
                "spec.podFailurePolicy.rules[0].onExitCodes.values[2]: Duplicate value: 1",
            ],
        ),
        (codes(json!({ "values": [2, 1] })), &["spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [2,1]: must be ordered"]),
        (
            codes(json!({ "values": [] })),
            &["spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: []: at least one value is required"],
        ),
        (
            codes(json!({ "containerName": "x" })),
            &[
                "spec.podFailurePolicy.rules[0].onExitCodes.containerName: Invalid value: \"x\": must be one of the container or initContainer names in the pod template",
            ],
        ),
        (
            codes(json!({ "operator": "" })),
            &["spec.podFailurePolicy.rules[0].onExitCodes.operator: Required value: valid values: [\"In\" \"NotIn\"]"],
        ),
        (
            fails(json!({ "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "Maybe" }] })),
            &[
                "spec.podFailurePolicy.rules[0].onPodConditions[0].status: Unsupported value: \"Maybe\": supported values: \"False\", \"True\", \"Unknown\"",
            ],
        ),
        (
            with(&codes(json!({})), &json!({ "spec": { "template": { "spec": { "restartPolicy": "OnFailure" } } } })),
            &[
                "spec.template.spec.restartPolicy: Invalid value: \"OnFailure\": only \"Never\" is supported when podFailurePolicy is specified",
            ],
        ),
        (
            job(&json!({ "successPolicy": { "rules": [{ "succeededCount": 1 }] } })),
            &["spec.successPolicy: Invalid value: {\"rules\":[{\"succeededCount\":1}]}: requires indexed completion mode"],
        ),
        (
            indexed(json!({ "successPolicy": { "rules": [] } })),
            &["spec.successPolicy.rules: Required value: at least one rules must be specified when the successPolicy is specified"],
        ),
        (
            succeeds(json!({})),
            &["spec.successPolicy.rules[0]: Required value: at least one of succeededCount or succeededIndexes must be specified"],
        ),
        (
            succeeds(json!({ "succeededIndexes": "0-5" })),
            &[
                "spec.successPolicy.rules[0].succeededIndexes: Invalid value: \"0-5\": error parsing succeededIndexes: too large index: \"5\"",
            ],
        ),
        (
            succeeds(json!({ "succeededIndexes": "0-1", "succeededCount": 3 })),
            &[
                "spec.successPolicy.rules[0].succeededCount: Invalid value: 3: must be less than or equal to 2 (the number of indexes in the specified succeededIndexes field)",
            ],
        ),
        (
            succeeds(json!({ "succeededCount": 4 })),
            &[
                "spec.successPolicy.rules[0].succeededCount: Invalid value: 4: must be less than or equal to 3 (the number of specified completions)",
            ],
        ),
        // Labels of one's own that say otherwise.
        (
            job(&json!({ "template": { "metadata": { "labels": { "job-name": "x" } } } })),
            &["spec.template.metadata.labels[job-name]: Invalid value: {…"],
        ),
        (
            job(&json!({ "manualSelector": true })),
            &[
                "spec.selector: Required value",
                "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`",
            ],
        ),
        (job(&json!({ "manualSelector": true, "selector": { "matchLabels": { "a": "b" } } })), &[]),
        (
            with(&indexed(json!({})), &json!({ "metadata": { "name": "a.b" } })),
            &["metadata.name: Invalid value: \"a.b\": will not able to create pod with invalid DNS label: a.b-2"],
        ),
    ];
    f.check_creates(&format!("{BATCH}/jobs"), &cases).await;
}

#[tokio::test]
async fn jobs_find_their_pods() {
    let f = Fixture::new().await;
    let path = format!("{BATCH}/jobs");
    let made = f.post(&path, &job(&json!({}))).await.expect(201);
    let uid = &made["metadata"]["uid"];
    let labels = json!({ "a": "b", "job-name": "j", "batch.kubernetes.io/job-name": "j", "controller-uid": uid, "batch.kubernetes.io/controller-uid": uid });
    assert_eq!(made["spec"]["template"]["metadata"]["labels"], labels);
    assert_eq!(made["spec"]["selector"], json!({ "matchLabels": { "batch.kubernetes.io/controller-uid": uid } }));
    let one = &format!("{path}/j");
    let spec = |spec: Value| json!({ "spec": spec });
    let cases: Cases = vec![
        (spec(json!({ "parallelism": 2, "suspend": true, "backoffLimit": 1, "ttlSecondsAfterFinished": 1 })), &[]),
        (spec(json!({ "completions": 2 })), &["spec.completions: Invalid value: 2: field is immutable"]),
        (spec(json!({ "completionMode": "Indexed" })), &["spec.completionMode: Invalid value: \"Indexed\": field is immutable"]),
        (spec(json!({ "template": { "spec": { "nodeSelector": { "x": "y" } } } })), &["spec.template: Invalid value: {…"]),
        (spec(json!({ "managedBy": "a.b/c" })), &["spec.managedBy: Invalid value: \"a.b/c\": field is immutable"]),
    ];
    f.check_patches(one, &cases).await;
    // Suspended before it ran, its pods may still be sent elsewhere.
    f.post(&path, &with(&job(&json!({ "suspend": true })), &json!({ "metadata": { "name": "k" } }))).await.expect(201);
    let cases: Cases = vec![
        (
            spec(
                json!({ "template": { "spec": { "nodeSelector": { "x": "y" }, "tolerations": [{ "operator": "Exists" }] }, "metadata": { "annotations": { "n": "o" } } } }),
            ),
            &[],
        ),
        (spec(json!({ "template": { "spec": { "affinity": { "nodeAffinity": {} } } } })), &[]),
        (
            spec(
                json!({ "template": { "spec": { "containers": [{ "name": "c", "image": "i", "resources": { "limits": { "cpu": "1" } } }] } } }),
            ),
            &[],
        ),
        (spec(json!({ "template": { "spec": { "hostNetwork": true } } })), &["spec.template.spec: Invalid value: {…"]),
    ];
    f.check_patches(&format!("{path}/k"), &cases).await;
    let running = json!({ "status": { "active": 1, "ready": 0 } });
    f.patch(&format!("{path}/k/status"), "merge", &running).await.expect(200);
    let elsewhere = spec(json!({ "template": { "spec": { "nodeSelector": { "x": "z" } } } }));
    f.check_patches(&format!("{path}/k"), &[(elsewhere, &["spec.template: Invalid value: {…"])]).await;
    let elastic =
        with(&job(&json!({ "completionMode": "Indexed", "completions": 2, "parallelism": 2 })), &json!({ "metadata": { "name": "e" } }));
    f.post(&path, &elastic).await.expect(201);
    let cases: Cases = vec![
        (spec(json!({ "completions": 3, "parallelism": 3 })), &[]),
        (spec(json!({ "completions": 3 })), &["spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism"]),
    ];
    f.check_patches(&format!("{path}/e"), &cases).await;
    // A deletion that says nothing leaves the pods.
    let gone = f.delete(one).await.expect(200);
    assert!(gone["metadata"]["finalizers"].as_array().is_some_and(|list| list.contains(&json!("orphan"))), "{gone}");
}

#[tokio::test]
async fn job_status() {
    let f = Fixture::new().await;
    f.post(&format!("{BATCH}/jobs"), &job(&json!({}))).await.expect(201);
    let path = format!("{BATCH}/jobs/j/status");
    let set = |status: Value| json!({ "status": status });
    let on = |types: &[&str]| -> Value { types.iter().map(|ty| json!({ "type": ty, "status": "True" })).collect() };
    let start = "2026-01-01T00:00:00Z";
    let cases: Cases = vec![
        (set(json!({ "active": -1 })), &["status.active: Invalid value: -1: must be greater than or equal to 0"]),
        (set(json!({ "active": 1, "ready": 2 })), &["status.ready: Invalid value: 2: cannot set more ready pods than active"]),
        (
            set(json!({ "completionTime": start })),
            &[
                "status.completionTime: Invalid value: \"2026-01-01T00:00:00Z\": cannot set completionTime when there is no Complete=True condition",
            ],
        ),
        (
            set(json!({ "conditions": on(&["Complete"]), "startTime": start, "completionTime": start })),
            &["status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition"],
        ),
        (set(json!({ "conditions": on(&["Complete", "SuccessCriteriaMet"]), "startTime": start, "completionTime": start })), &[]),
        (
            set(json!({ "conditions": on(&["Complete", "SuccessCriteriaMet"]), "startTime": start })),
            &["status.completionTime: Required value: completionTime is required for Complete jobs"],
        ),
        (
            set(
                json!({ "conditions": on(&["Complete", "SuccessCriteriaMet"]), "startTime": start, "completionTime": "2025-01-01T00:00:00Z" }),
            ),
            &["status.completionTime: Invalid value: \"2025-01-01T00:00:00Z\": completionTime cannot be set before startTime"],
        ),
        (
            set(json!({ "conditions": on(&["Failed"]), "startTime": start })),
            &["status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true condition"],
        ),
        (
            set(json!({ "conditions": on(&["Failed", "FailureTarget"]), "startTime": start, "active": 1 })),
            &["status.active: Invalid value: 1: active>0 is invalid for finished job"],
        ),
        (
            set(json!({ "conditions": on(&["Failed", "FailureTarget"]) })),
            &["status.startTime: Required value: startTime is required for finished job"],
        ),
        (
            set(json!({ "completedIndexes": "1" })),
            &[
                "status.completedIndexes: Invalid value: \"1\": error parsing completedIndexes: too large index: \"1\"",
                "status.completedIndexes: Invalid value: \"1\": cannot set non-empty completedIndexes when non-indexed completion mode",
            ],
        ),
        (
            set(json!({ "failedIndexes": "0" })),
            &["status.failedIndexes: Invalid value: \"0\": cannot set non-null failedIndexes when backoffLimitPerIndex is null"],
        ),
        (
            set(json!({ "uncountedTerminatedPods": { "succeeded": ["a", ""], "failed": ["a"] } })),
            &[
                "status.uncountedTerminatedPods.succeeded[1]: Invalid value: \"\": must not be empty",
                "status.uncountedTerminatedPods.failed[0]: Duplicate value: \"a\"",
            ],
        ),
    ];
    f.check_patches(&path, &cases).await;
    let target = on(&["FailureTarget"]);
    f.patch(&path, "merge", &set(json!({ "failed": 2, "succeeded": 2, "startTime": start, "conditions": target }))).await.expect(200);
    let cases: Cases = vec![
        (set(json!({ "failed": 1 })), &["status.failed: Invalid value: 1: cannot decrease the failed counter"]),
        (set(json!({ "succeeded": 1 })), &["status.succeeded: Invalid value: 1: cannot decrease the succeeded counter"]),
        (set(json!({ "conditions": [] })), &["status.conditions: Invalid value: cannot disable the terminal FailureTarget=True condition"]),
        (set(json!({ "startTime": null })), &["status.startTime: Required value: startTime cannot be removed for unsuspended job"]),
    ];
    f.check_patches(&path, &cases).await;
    let noted = f.patch(&path, "merge", &json!({ "metadata": { "annotations": { "seen": "yes" } } })).await.expect(200);
    assert_eq!(noted["metadata"]["annotations"]["seen"], "yes");
}

#[tokio::test]
async fn cron_jobs() {
    let f = Fixture::new().await;
    let path = format!("{BATCH}/cronjobs");
    let zone = |zone: &str| cron_job(&json!({ "timeZone": zone }));
    let cases: Cases = vec![
        (cron_job(&json!({})), &[]),
        (cron_job(&json!({ "schedule": "@hourly" })), &[]),
        (cron_job(&json!({ "schedule": "" })), &["spec.schedule: Required value"]),
        (
            cron_job(&json!({ "schedule": "* * * *" })),
            &["spec.schedule: Invalid value: \"* * * *\": expected exactly 5 fields, found 4: [* * * *]"],
        ),
        (
            cron_job(&json!({ "schedule": "CRON_TZ=UTC * * * * *" })),
            &["spec.schedule: Invalid value: \"CRON_TZ=UTC * * * * *\": cannot use TZ or CRON_TZ in schedule, use timeZone field instead"],
        ),
        (zone("Europe/Berlin"), &[]),
        (zone("US/Pacific"), &[]),
        (zone("Mars/Base"), &["spec.timeZone: Invalid value: \"Mars/Base\": unknown time zone Mars/Base"]),
        (zone("europe/berlin"), &["spec.timeZone: Invalid value: \"europe/berlin\": unknown time zone europe/berlin"]),
        (zone(""), &["spec.timeZone: Invalid value: \"\": timeZone must be nil or non-empty string"]),
        (
            zone("Local"),
            &[
                "spec.timeZone: Invalid value: \"Local\": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
            ],
        ),
        (zone("../etc"), &["spec.timeZone: Invalid value: \"../etc\": unknown time zone ../etc"]),
        (
            cron_job(&json!({ "concurrencyPolicy": "x" })),
            &["spec.concurrencyPolicy: Unsupported value: \"x\": supported values: \"Allow\", \"Forbid\", \"Replace\""],
        ),
        (
            cron_job(&json!({ "startingDeadlineSeconds": -1 })),
            &["spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0"],
        ),
        (
            cron_job(&json!({ "successfulJobsHistoryLimit": -1, "failedJobsHistoryLimit": -1 })),
            &[
                "spec.successfulJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0",
                "spec.failedJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0",
            ],
        ),
        (
            cron_job(&json!({ "jobTemplate": { "spec": { "selector": { "matchLabels": { "a": "b" } } } } })),
            &["spec.jobTemplate.spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"b\"}}: `selector` will be auto-generated"],
        ),
        (
            cron_job(&json!({ "jobTemplate": { "spec": { "manualSelector": true } } })),
            &["spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: \"nil\", \"false\""],
        ),
        (
            cron_job(&json!({ "jobTemplate": { "spec": { "template": { "spec": { "restartPolicy": "Always" } } } } })),
            &["spec.jobTemplate.spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\""],
        ),
        (with(&cron_job(&json!({})), &json!({ "metadata": { "name": "x".repeat(53) } })), &["metadata.name: Invalid value: \"xxxxx…"]),
    ];
    f.check_creates(&path, &cases).await;
    f.post(&path, &cron_job(&json!({}))).await.expect(201);
    let body = json!({ "spec": { "schedule": "TZ=UTC 0 0 * * *" } });
    let got = told(&f.patch(&format!("{path}/c"), "merge", &body).await);
    compare(
        &body,
        &got,
        &["spec.schedule: Invalid value: \"TZ=UTC 0 0 * * *\": cannot use TZ or CRON_TZ in schedule, use timeZone field instead"],
    );
}
