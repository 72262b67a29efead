//! Discovery in both forms, and the version.

use super::{anything, named};
use crate::tests::Fixture;
use object::Value;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// `group/version resource` that upstream's tests look for.
const EXPECTED: [(&str, &str, &str); 18] = [
    ("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations"),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
    ("apiregistration.k8s.io", "v1", "apiservices"),
    ("apps", "v1", "deployments"),
    ("authentication.k8s.io", "v1", "tokenreviews"),
    ("authorization.k8s.io", "v1", "selfsubjectaccessreviews"),
    ("autoscaling", "v1", "horizontalpodautoscalers"),
    ("autoscaling", "v2", "horizontalpodautoscalers"),
    ("batch", "v1", "jobs"),
    ("certificates.k8s.io", "v1", "certificatesigningrequests"),
    ("coordination.k8s.io", "v1", "leases"),
    ("discovery.k8s.io", "v1", "endpointslices"),
    ("events.k8s.io", "v1", "events"),
    ("networking.k8s.io", "v1", "ingresses"),
    ("node.k8s.io", "v1", "runtimeclasses"),
    ("policy", "v1", "poddisruptionbudgets"),
    ("scheduling.k8s.io", "v1", "priorityclasses"),
    ("storage.k8s.io", "v1", "csinodes"),
];

async fn aggregated(f: &Fixture, path: &str) -> Value {
    let answer = f.send("GET", path, "", AGGREGATED, "").await;
    assert!(answer.headers["content-type"].to_str().unwrap().contains("g=apidiscovery.k8s.io"), "{:?}", answer.headers);
    answer.expect(200)
}

fn has(list: &Value, group: &str, version: &str, resource: &str) -> bool {
    let groups = list["items"].as_array().unwrap().iter();
    groups
        .filter(|g| g["metadata"]["name"].as_str().unwrap_or_default() == group)
        .flat_map(|g| g["versions"].as_array().unwrap())
        .filter(|v| v["version"] == version)
        .flat_map(|v| v["resources"].as_array().unwrap())
        .any(|r| r["resource"] == resource)
}

#[tokio::test]
async fn aggregated_discovery_has_what_is_built_in() {
    let f = Fixture::new().await;
    let list = aggregated(&f, "/apis").await;
    for (group, version, resource) in EXPECTED {
        assert!(has(&list, group, version, resource), "{group}/{version} {resource}");
    }
    assert!(has(&aggregated(&f, "/api").await, "", "v1", "namespaces"));
}

#[tokio::test]
async fn aggregated_discovery_has_what_was_defined() {
    let f = Fixture::new().await;
    aggregated(&f, "/apis").await;
    f.define(&named("testcrds", "testcrd", "group1.example.com", &["v1"], &anything())).await;
    assert!(has(&aggregated(&f, "/apis").await, "group1.example.com", "v1", "testcrds"));
}

#[tokio::test]
async fn every_group_prefers_a_version_it_has_and_lists_resources() {
    let f = Fixture::new().await;
    let groups = f.get("/apis").await.expect(200);
    for group in groups["groups"].as_array().unwrap() {
        let name = group["name"].as_str().unwrap();
        assert_eq!(f.get(&format!("/apis/{name}")).await.expect(200)["versions"], group["versions"], "{name}");
        let versions = group["versions"].as_array().unwrap();
        assert!(versions.contains(&group["preferredVersion"]), "{group}");
        for version in versions {
            let group_version = version["groupVersion"].as_str().unwrap();
            assert_eq!(group_version, format!("{name}/{}", version["version"].as_str().unwrap()));
            let list = f.get(&format!("/apis/{group_version}")).await.expect(200);
            assert_eq!(list["groupVersion"], group_version);
            let resources = list["resources"].as_array().unwrap();
            assert!(!resources.is_empty(), "{group_version}");
            for resource in resources {
                assert!(resource["name"].is_string() && resource["kind"].is_string(), "{resource}");
                assert!(!resource["verbs"].as_array().unwrap().is_empty(), "{resource}");
            }
        }
    }
}

#[tokio::test]
async fn groups_of_extension_are_found_in_all_documents() {
    let f = Fixture::new().await;
    for (group, resources) in [
        ("admissionregistration.k8s.io", &["mutatingwebhookconfigurations", "validatingwebhookconfigurations"][..]),
        ("apiextensions.k8s.io", &["customresourcedefinitions", "customresourcedefinitions/status"]),
    ] {
        let groups = f.get("/apis").await.expect(200);
        let listed = groups["groups"].as_array().unwrap().iter().find(|g| g["name"] == group).unwrap();
        for document in [listed, &f.get(&format!("/apis/{group}")).await.expect(200)] {
            assert_eq!(document["name"], group);
            assert!(document["versions"].as_array().unwrap().iter().any(|v| v["version"] == "v1"), "{document}");
        }
        let list = f.get(&format!("/apis/{group}/v1")).await.expect(200);
        for resource in resources {
            assert!(list["resources"].as_array().unwrap().iter().any(|r| r["name"] == *resource), "{resource}");
        }
    }
}

#[tokio::test]
async fn the_version_is_told_in_integers() {
    let f = Fixture::new().await;
    let version = f.get("/version").await.expect(200);
    for part in ["major", "minor"] {
        let text = version[part].as_str().unwrap();
        assert!(!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()), "{part}: {text}");
    }
    for part in ["gitVersion", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"] {
        assert!(version[part].is_string(), "{part}: {version}");
    }
}
