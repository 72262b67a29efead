//! Group resource.k8s.io, v1: devices and claims on them (KEP-4381).

use super::row;
use crate::columns::resource;
use crate::kind::Kind;

pub(crate) fn rows() -> Vec<Kind> {
    vec![claims(), claim_templates(), classes(), slices(), taint_rules()]
}

fn resource(kind: &str, resource: &str) -> Kind {
    row("resource.k8s.io", "v1", kind, resource).definition(&format!("io.k8s.api.resource.v1.{kind}")).name_column()
}

fn sample(kind: &str, spec: &str) -> String {
    format!(r#"{{"apiVersion":"resource.k8s.io/v1","kind":"{kind}","metadata":{{"name":"sample"}},"spec":{spec}}}"#)
}

const CLAIM: &str = r#"{"devices":{"requests":[{"name":"r","exactly":{"deviceClassName":"c","allocationMode":"ExactCount","count":1}}]}}"#;

fn claims() -> Kind {
    resource("ResourceClaim", "resourceclaims")
        .status()
        .show("State", "string", "Pending, allocated, reserved or deleted.", resource::claim_state)
        .age_column()
        .sample(&sample("ResourceClaim", CLAIM))
}

fn claim_templates() -> Kind {
    resource("ResourceClaimTemplate", "resourceclaimtemplates")
        .age_column()
        .sample(&sample("ResourceClaimTemplate", &format!(r#"{{"spec":{CLAIM}}}"#)))
}

fn classes() -> Kind {
    let spec = r#"{"selectors":[{"cel":{"expression":"device.driver == \"d.example.com\""}}]}"#;
    resource("DeviceClass", "deviceclasses").cluster().generation().age_column().sample(&sample("DeviceClass", spec))
}

fn slices() -> Kind {
    let spec =
        r#"{"driver":"d.example.com","pool":{"name":"p","generation":1,"resourceSliceCount":1},"nodeName":"n","devices":[{"name":"d"}]}"#;
    resource("ResourceSlice", "resourceslices")
        .cluster()
        .generation()
        .select("spec.nodeName", "")
        .select("spec.driver", "")
        .show("Node", "string", "Node that the devices are on.", resource::slice_node)
        .show("Driver", "string", "Driver of the devices.", resource::slice_driver)
        .show("Pool", "string", "Pool that the devices belong to.", resource::slice_pool)
        .age_column()
        .sample(&sample("ResourceSlice", spec))
}

fn taint_rules() -> Kind {
    let spec = r#"{"deviceSelector":{"driver":"d.example.com"},"taint":{"key":"example.com/k","effect":"NoSchedule"}}"#;
    resource("DeviceTaintRule", "devicetaintrules").cluster().generation().status().age_column().sample(&sample("DeviceTaintRule", spec))
}
