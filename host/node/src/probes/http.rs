//! An answer from 200 to 399 is a success: `pkg/probe/http`. Certificates are not verified, as upstream does not.

use super::tcp;
use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use tokio::io::{AsyncRead, AsyncWrite};
use typed::api::core::v1::{Container, HTTPGetAction};

/// One request, ready to be sent.
pub struct Get {
    tls: bool,
    host: String,
    port: u16,
    path: String,
    headers: Vec<(String, String)>,
}

impl Get {
    pub fn new(action: &HTTPGetAction, container: &Container, address: Option<IpAddr>) -> Result<Self, String> {
        let path = action.path.as_deref().unwrap_or("/");
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self {
            tls: action.scheme.as_deref().is_some_and(|s| s.eq_ignore_ascii_case("https")),
            host: super::host(action.host.as_deref(), address)?,
            port: super::port(&action.port, container)?,
            path,
            headers: action.http_headers.iter().flatten().map(|h| (h.name.clone(), h.value.clone())).collect(),
        })
    }

    /// An error is the message of the probe's event.
    pub async fn send(&self) -> Result<(), String> {
        let authority = tcp::join(&self.host, self.port);
        let url = format!("{}://{authority}{}", if self.tls { "https" } else { "http" }, self.path);
        let failed = |cause: String| format!("Get \"{url}\": {cause}");
        let stream = tcp::connect(&self.host, self.port).await.map_err(failed)?;
        let status = if self.tls {
            let name = ServerName::try_from(self.host.clone()).map_err(|e| failed(e.to_string()))?;
            let config = unverified().map_err(|e| failed(e.to_string()))?;
            let stream = tokio_rustls::TlsConnector::from(config).connect(name, stream).await.map_err(|e| failed(e.to_string()))?;
            self.exchange(stream, &authority).await
        } else {
            self.exchange(stream, &authority).await
        };
        match status.map_err(failed)? {
            200..400 => Ok(()),
            status => Err(format!("HTTP probe failed with statuscode: {status}")),
        }
    }

    async fn exchange(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, authority: &str) -> Result<u16, String> {
        let told = |name: &str| self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        let mut request = Request::get(&self.path);
        for (name, value) in [("host", authority), ("user-agent", "kube-probe/1.37"), ("accept", "*/*"), ("connection", "close")] {
            if !told(name) {
                request = request.header(name, value);
            }
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|e| e.to_string())?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
        let answer = async { sender.send_request(request).await.map(|response| response.status().as_u16()).map_err(|e| e.to_string()) };
        let drive = async {
            // Its end without an answer is told by the request itself.
            let _ = connection.await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            status = answer => status,
            () = drive => Err("the connection ended".to_owned()),
        }
    }
}

fn unverified() -> Result<Arc<ClientConfig>, rustls::Error> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(config.clone());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone { schemes }))
        .with_no_client_auth();
    Ok(CONFIG.get_or_init(|| Arc::new(config)).clone())
}

/// Takes every certificate: a probe asks whether someone answers, not who.
#[derive(Debug)]
struct Anyone {
    schemes: Vec<SignatureScheme>,
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn check(answer: &'static str, expect: Result<(), &str>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = i32::from(listener.local_addr().unwrap().port());
        let server = async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 1024];
            let n = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&request[..n]).into_owned()
        };
        let action: HTTPGetAction =
            typed::part(&object::json!({"path": "ok", "port": port, "httpHeaders": [{"name": "X-A", "value": "1"}]})).unwrap();
        let get = Get::new(&action, &Container::default(), Some("127.0.0.1".parse().unwrap())).unwrap();
        let (request, result) = tokio::join!(server, get.send());
        assert!(
            request.starts_with("GET /ok HTTP/1.1\r\n") && request.contains("user-agent: kube-probe/1.37") && request.contains("x-a: 1"),
            "{request}"
        );
        assert_eq!(result.as_ref().copied().map_err(String::as_str), expect);
    }

    #[tokio::test]
    async fn statuses() {
        check("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Ok(())).await;
        check("HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n", Ok(())).await;
        check("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", Err("HTTP probe failed with statuscode: 503")).await;
    }
}
