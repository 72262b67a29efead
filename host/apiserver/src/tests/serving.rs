use super::{Fixture, config_map};
use crate::pki;
use hyper_util::rt::TokioIo;
use object::json;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A request over a TLS connection of its own; the code and body.
async fn over_tls(port: u16, tls: rustls::ClientConfig, path: &str) -> (u16, String) {
    use http_body_util::BodyExt;
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(tls)).connect(name, stream).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::builder().uri(path).header("host", "localhost").body(axum::body::Body::empty()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let code = response.status().as_u16();
    (code, String::from_utf8_lossy(&response.into_body().collect().await.unwrap().to_bytes()).into_owned())
}

#[tokio::test]
async fn serves_tls_and_knows_its_clients() {
    let dir = tempfile::tempdir().unwrap();
    let pki = pki::Pki::open(&dir.path().join("tls")).unwrap();
    let f = Fixture::with_roles(crate::Config::default()).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let tls = pki.server_config(&pki::server_names(&["node-a".to_owned(), "10.43.0.1".to_owned()])).unwrap();
    let stop = CancellationToken::new();
    let server = f.server.clone();
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { server.serve(listener, tls, stop).await }
    });
    let admin = || pki.client_config("admin", &["system:masters"]).unwrap();
    let alice = || pki.client_config("alice", &["dev", "ops"]).unwrap();
    let stranger = || {
        let mut roots = rustls::RootCertStore::empty();
        use rustls::pki_types::pem::PemObject;
        roots.add(rustls::pki_types::CertificateDer::from_pem_slice(pki.ca_pem().as_bytes()).unwrap()).unwrap();
        rustls::ClientConfig::builder_with_provider(pki::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    };
    assert_eq!(over_tls(port, admin(), "/api/v1/namespaces/default").await.0, 200);
    assert_eq!(over_tls(port, stranger(), "/healthz").await, (200, "ok".to_owned()));
    assert_eq!(over_tls(port, stranger(), "/version").await.0, 200);
    assert_eq!(over_tls(port, stranger(), "/api").await.0, 401);
    assert_eq!(over_tls(port, stranger(), "/api/v1/pods").await.0, 401);
    let (code, body) = over_tls(port, alice(), "/api/v1/namespaces/y/pods").await;
    assert_eq!(code, 403);
    assert!(
        body.contains(r#"pods is forbidden: User \"alice\" cannot list resource \"pods\" in API group \"\" in the namespace \"y\""#),
        "{body}"
    );
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn keeps_its_certificates() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let names = pki::server_names(&["node-a".to_owned()]);
    let tls = dir.path().join("tls");
    pki::Pki::open(&tls).unwrap().server_config(&names).unwrap();
    let first = std::fs::read_to_string(tls.join("server.crt")).unwrap();
    let again = pki::Pki::open(&tls).unwrap();
    again.server_config(&names).unwrap();
    assert_eq!(std::fs::read_to_string(tls.join("server.crt")).unwrap(), first);
    // A new name makes a new certificate.
    again.server_config(&pki::server_names(&["node-b".to_owned()])).unwrap();
    assert_ne!(std::fs::read_to_string(tls.join("server.crt")).unwrap(), first);
    let (cert, key) = again.issue_client("admin", &["system:masters"]).unwrap();
    let path = dir.path().join("kubeconfig.yaml");
    pki::write_kubeconfig(&path, "default", "https://127.0.0.1:6443", again.ca_pem(), &cert, &key).unwrap();
    for file in [path, tls.join("ca.key"), tls.join("server.key")] {
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
}

#[test]
fn certificates_name_users_and_groups() {
    use rustls::pki_types::pem::PemObject;
    let dir = tempfile::tempdir().unwrap();
    let pki = pki::Pki::open(dir.path()).unwrap();
    let (cert, _) = pki.issue_client("system:node:a", &["system:nodes", "system:masters"]).unwrap();
    let der = rustls::pki_types::CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
    let user = pki::identity(&der).unwrap();
    assert_eq!(
        (user.name.as_str(), user.groups),
        ("system:node:a", ["system:nodes", "system:masters", "system:authenticated"].map(str::to_owned).to_vec())
    );
    assert!(pki.issue_client("x", &["a", "b", "c"]).is_err());
}

#[tokio::test]
async fn thin_road() {
    let f = Fixture::new().await;
    let path = "/api/v1/namespaces/default/configmaps";
    let made = f.post(path, &config_map("a")).await.expect(201);
    let revision = made["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let mut watch = f.watch(&format!("{path}?watch=1&resourceVersion={revision}")).await;
    let mut changed = f.get(&format!("{path}/a")).await.expect(200);
    assert_eq!(changed, made);
    changed["data"]["k"] = json!("w");
    let changed = f.put(&format!("{path}/a"), &changed).await.expect(200);
    assert_eq!(f.put(&format!("{path}/a"), &made).await.expect(409)["reason"], "Conflict");
    let list = f.get(path).await.expect(200);
    assert_eq!(list["items"], json!([changed]));
    f.patch(&format!("{path}/a"), "merge", &json!({ "data": { "x": "y" } })).await.expect(200);
    f.delete(&format!("{path}/a")).await.expect(200);
    f.get(&format!("{path}/a")).await.expect(404);
    for expect in ["MODIFIED a", "MODIFIED a", "DELETED a"] {
        assert_eq!(watch.told().await, expect);
    }
}
