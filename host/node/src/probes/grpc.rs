//! `grpc.health.v1.Health/Check`: `pkg/probe/grpc`. Its two messages are small enough to be written by hand.

use super::tcp;
use bytes::{BufMut, Bytes, BytesMut};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};

/// `HealthCheckResponse.SERVING`.
const SERVING: u64 = 1;
/// An answer is a few bytes; more is nobody's health.
const LIMIT: usize = 4096;

pub async fn check(host: &str, port: u16, service: &str) -> Result<(), String> {
    let stream = tcp::connect(host, port).await?;
    let executor = TokioExecutor::new();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(executor, TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    let request = Request::post(format!("http://{}/grpc.health.v1.Health/Check", tcp::join(host, port)))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", "kube-probe/1.37")
        .body(Full::new(request(service)))
        .map_err(|e| e.to_string())?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(|e| e.to_string())?;
        let head = answer.headers().clone();
        let body = http_body_util::Limited::new(answer.into_body(), LIMIT).collect().await.map_err(|e| e.to_string())?;
        let trailers = body.trailers().cloned().unwrap_or_default();
        let code = trailers.get("grpc-status").or_else(|| head.get("grpc-status")).and_then(|v| v.to_str().ok()).unwrap_or("0").to_owned();
        match code.as_str() {
            "0" => Ok(body.to_bytes()),
            "12" => Err("this server does not implement the grpc health protocol (grpc.health.v1.Health)".to_owned()),
            code => Err(format!("service unhealthy (grpc status {code})")),
        }
    };
    let drive = async {
        let _ = connection.await;
        std::future::pending::<()>().await;
    };
    let body = tokio::select! {
        body = exchange => body?,
        () = drive => return Err("the connection ended".to_owned()),
    };
    match status(&body) {
        SERVING => Ok(()),
        other => Err(format!("service unhealthy (responded with {other})")),
    }
}

/// A frame (no compression, length) around `HealthCheckRequest { service = 1 }`.
fn request(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(0x0a);
        let mut length = service.len();
        while length >= 0x80 {
            message.put_u8(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
            length >>= 7;
        }
        message.put_u8(u8::try_from(length).unwrap_or_default());
        message.put_slice(service.as_bytes());
    }
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or_default());
    frame.put_slice(&message);
    frame.freeze()
}

/// `HealthCheckResponse { status = 1 }`; 0 (UNKNOWN) when it is not there.
fn status(frame: &[u8]) -> u64 {
    match frame.get(5..) {
        Some([0x08, status, ..]) => u64::from(*status),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        assert_eq!(request("").as_ref(), [0, 0, 0, 0, 0]);
        assert_eq!(request("ab").as_ref(), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        for (frame, expect) in [(&[0, 0, 0, 0, 2, 8, 1][..], 1), (&[0, 0, 0, 0, 0], 0), (&[0, 0, 0, 0, 2, 8, 2], 2), (&[], 0)] {
            assert_eq!(status(frame), expect);
        }
    }
}
