//! A connection that opens is a success: `pkg/probe/tcp`.

use tokio::net::TcpStream;

pub async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    TcpStream::connect((host, port)).await.map_err(|e| {
        let cause = match e.kind() {
            std::io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
            _ => e.to_string(),
        };
        format!("dial tcp {}: {cause}", join(host, port))
    })
}

/// `host:port`, with brackets around IPv6 addresses.
pub fn join(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
