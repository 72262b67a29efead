//! `tcp-echo [ADDRESS]` (default 0.0.0.0:7000).

use wstd::io;
use wstd::iter::AsyncIterator;
use wstd::net::TcpListener;

#[wstd::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "0.0.0.0:7000".to_owned());
    let listener = TcpListener::bind(&address).await?;
    println!("listening on {address}");
    let mut incoming = listener.incoming();
    while let Some(stream) = incoming.next().await {
        let stream = stream?;
        wstd::runtime::spawn(async move {
            let _ = io::copy(&stream, &stream).await;
        })
        .detach();
    }
    Ok(())
}
