//! Group certificates.k8s.io, v1.

use super::row;
use crate::columns::certificates;
use crate::kind::{Kind, NameRule, Verb};

pub(crate) fn rows() -> Vec<Kind> {
    vec![signing_requests(), trust_bundles(), pod_requests()]
}

fn certificates(kind: &str, resource: &str) -> Kind {
    row("certificates.k8s.io", "v1", kind, resource).definition(&format!("io.k8s.api.certificates.v1.{kind}")).name_column()
}

fn signing_requests() -> Kind {
    certificates("CertificateSigningRequest", "certificatesigningrequests")
        .cluster()
        .short(&["csr"])
        .status()
        .sub("approval", &[Verb::Get, Verb::Update, Verb::Patch], None)
        .select("spec.signerName", "")
        .age_column()
        .show("SignerName", "string", "Who is asked to sign.", certificates::signer)
        .show("Requestor", "string", "User that made the request.", certificates::requestor)
        .show("RequestedDuration", "string", "How long the certificate should be valid.", certificates::requested_duration)
        .show("Condition", "string", "Pending, Approved or Denied; then Failed and Issued when they hold.", certificates::condition)
        .sample(SIGNING_REQUEST)
}

/// Names begin with those of their signers: `example.com:signer:name`.
fn trust_bundles() -> Kind {
    certificates("ClusterTrustBundle", "clustertrustbundles")
        .cluster()
        .names(NameRule::PathSegment)
        .select("spec.signerName", "")
        .show("SignerName", "string", "Signer whose trust anchors these are.", certificates::bundle_signer)
        .sample(TRUST_BUNDLE)
}

fn pod_requests() -> Kind {
    certificates("PodCertificateRequest", "podcertificaterequests")
        .status()
        .select("spec.signerName", "")
        .select("spec.podName", "")
        .select("spec.nodeName", "")
        .show("PodName", "string", "Pod that the certificate is for.", certificates::pod_name)
        .show("ServiceAccountName", "string", "Service account of the pod.", certificates::service_account_name)
        .show("NodeName", "string", "Node of the pod.", certificates::node_name)
        .show("SignerName", "string", "Who is asked to sign.", certificates::bundle_signer)
        .show("State", "string", "Pending, Issued, Denied or Failed.", certificates::pod_request_state)
        .sample(POD_REQUEST)
}

/// A P-256 request for `CN=sample`.
const SIGNING_REQUEST: &str = r#"{"apiVersion":"certificates.k8s.io/v1","kind":"CertificateSigningRequest","metadata":{"name":"sample"},"spec":{"request":"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIS01ITUNBUUF3RVRFUE1BMEdBMVVFQXd3R2MyRnRjR3hsTUZrd0V3WUhLb1pJemowQ0FRWUlLb1pJemowRApBUWNEUWdBRUVIZmF1V1Z6QmpNVG05YlBZUndxMlFTa21IaHRJUkpLcU9xQmJNZ2lqcXJUT2ozM3p1Tmg4VGtzCklMYmVCNWljOFVxMkcyRTNjcDl5TEtsV3kzL1prYUFBTUFvR0NDcUdTTTQ5QkFNQ0EwY0FNRVFDSUgvTzlxM2oKem1OZDlraGF3TDlhaE5sQk85VmFVcjZ3UlY2SUsxUkYrN0ZlQWlCUk5lYWhBV2g5bG9VckNMZ29sMGpjNnVZcgpYbjJKY1llMXNtV0NxeFJtdkE9PQotLS0tLUVORCBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K","signerName":"example.com/sample","usages":["digital signature"]}}"#;

const TRUST_BUNDLE: &str = r#"{"apiVersion":"certificates.k8s.io/v1","kind":"ClusterTrustBundle","metadata":{"name":"sample"},"spec":{"trustBundle":"-----BEGIN CERTIFICATE-----\nMIIBVzCB/qADAgECAhQI66UvPTSLvjKzBZaYydkRLIJMADAKBggqhkjOPQQDAjAR\nMQ8wDQYDVQQDDAZzYW1wbGUwIBcNMjYxMTIyMTQ1NDA5WhgPMjEyNjEwMjkxNDU0\nMDlaMBExDzANBgNVBAMMBnNhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA\nBBB32rllcwYzE5vWz2EcKtkEpJh4bSESSqjqgWzIIo6q0zo9987jYfE5LCC23geY\nnPFKththN3KfciypVst/2ZGjMjAwMA8GA1UdEwEB/wQFMAMBAf8wHQYDVR0OBBYE\nFDJ9B0NcAm31kB6aGofFhqxufNYSMAoGCCqGSM49BAMCA0gAMEUCIF1EJA7vzdOw\n5DlCItFVWXCKwsYiSV5kB18zjY04fm3JAiEAyCf3gYogihnnkzOWO+QEvSmTki9r\n9cE5W9mVegi9ms0=\n-----END CERTIFICATE-----\n"}}"#;

const POD_REQUEST: &str = r#"{"apiVersion":"certificates.k8s.io/v1","kind":"PodCertificateRequest","metadata":{"name":"sample"},"spec":{"signerName":"example.com/sample","podName":"p","podUID":"u","serviceAccountName":"s","serviceAccountUID":"u","nodeName":"n","nodeUID":"u","stubPKCS10Request":"MIG6MGICAQAwADBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBB32rllcwYzE5vWz2EcKtkEpJh4bSESSqjqgWzIIo6q0zo9987jYfE5LCC23geYnPFKththN3KfciypVst/2ZGgADAKBggqhkjOPQQDAgNIADBFAiABAuloSRxaZ/yp//cdtzphw9NJ43q2Yj+q5jsWBhikpAIhANJ1QQL5vDNWt7gbVgM+CGfIeIea109Jir1S3VVnBitx"}}"#;
