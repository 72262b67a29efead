//! Group admissionregistration.k8s.io, v1: who is asked before an object is written.

use super::row;
use crate::columns::admission;
use crate::kind::Kind;

pub(crate) fn rows() -> Vec<Kind> {
    vec![
        webhooks("MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
        webhooks("ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
        policies("ValidatingAdmissionPolicy", "validatingadmissionpolicies")
            .status()
            .show("Validations", "integer", "Number of validations.", admission::validations)
            .show("ParamKind", "string", "Kind of the objects that parameterize the policy.", admission::param_kind)
            .age_column()
            .sample(&sample(
                "ValidatingAdmissionPolicy",
                &format!(r#""spec":{{{MATCHED},"validations":[{{"expression":"object.metadata.name != 'x'"}}]}}"#),
            )),
        policies("MutatingAdmissionPolicy", "mutatingadmissionpolicies")
            .show("Mutations", "integer", "Number of mutations.", admission::mutations)
            .show("ParamKind", "string", "Kind of the objects that parameterize the policy.", admission::param_kind)
            .age_column()
            .sample(&sample(
                "MutatingAdmissionPolicy",
                &format!(
                    r#""spec":{{{MATCHED},"reinvocationPolicy":"Never","mutations":[{{"patchType":"ApplyConfiguration","applyConfiguration":{{"expression":"Object{{}}"}}}}]}}"#
                ),
            )),
        bindings("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings")
            .sample(&sample("ValidatingAdmissionPolicyBinding", r#""spec":{"policyName":"sample","validationActions":["Deny"]}"#)),
        bindings("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings")
            .sample(&sample("MutatingAdmissionPolicyBinding", r#""spec":{"policyName":"sample"}"#)),
    ]
}

/// With all defaults: it is owned as a whole, so that applying less would be another value.
const MATCHED: &str = r#""matchConstraints":{"resourceRules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":["nothings"],"scope":"*"}],"matchPolicy":"Equivalent","namespaceSelector":{},"objectSelector":{}}"#;

fn policies(kind: &str, resource: &str) -> Kind {
    row("admissionregistration.k8s.io", "v1", kind, resource)
        .definition(&format!("io.k8s.api.admissionregistration.v1.{kind}"))
        .cluster()
        .category("api-extensions")
        .generation()
        .name_column()
}

fn webhooks(kind: &str, resource: &str) -> Kind {
    let webhook = r#""webhooks":[{"name":"w.example.com","admissionReviewVersions":["v1"],"sideEffects":"None","failurePolicy":"Ignore","clientConfig":{"url":"https://w.example.com/"},"rules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":["nothings"],"scope":"*"}]}]"#;
    policies(kind, resource)
        .show("Webhooks", "integer", "Number of webhooks.", admission::webhooks)
        .age_column()
        .sample(&sample(kind, webhook))
}

fn bindings(kind: &str, resource: &str) -> Kind {
    policies(kind, resource)
        .show("PolicyName", "string", "The bound policy.", admission::policy_name)
        .show("ParamRef", "string", "The object that parameterizes the policy.", admission::param_ref)
        .age_column()
}

fn sample(kind: &str, body: &str) -> String {
    format!(r#"{{"apiVersion":"admissionregistration.k8s.io/v1","kind":"{kind}","metadata":{{"name":"sample"}},{body}}}"#)
}
