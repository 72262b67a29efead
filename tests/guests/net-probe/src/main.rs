//! `net-probe [resolve NAME|connect ADDRESS TEXT|get URL]`

use std::process::ExitCode;
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::IpAddress;
use wstd::http::{Body, Client, Request};
use wstd::io::{AsyncRead, AsyncWrite};
use wstd::net::TcpStream;

#[wstd::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let answer = match words.as_slice() {
        ["resolve", name] => resolve(name),
        ["connect", address, text] => connect(address, text).await,
        ["get", url] => get(url).await,
        _ => Err("what?".to_owned()),
    };
    match answer {
        Ok(text) => {
            println!("{}", text.trim_end());
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

fn resolve(name: &str) -> Result<String, String> {
    let stream = resolve_addresses(&instance_network(), name).map_err(|code| format!("{code:?}"))?;
    let ready = stream.subscribe();
    ready.block();
    let mut found = Vec::new();
    while let Some(address) = stream.resolve_next_address().map_err(|code| format!("{code:?}"))? {
        found.push(match address {
            IpAddress::Ipv4((a, b, c, d)) => format!("{a}.{b}.{c}.{d}"),
            IpAddress::Ipv6(parts) => format!("{parts:?}"),
        });
    }
    Ok(found.join(" "))
}

async fn connect(address: &str, text: &str) -> Result<String, String> {
    let mut stream =
        TcpStream::connect_addr(address.parse().map_err(|_| "not an address".to_owned())?).await.map_err(|error| error.to_string())?;
    stream.write_all(text.as_bytes()).await.map_err(|error| error.to_string())?;
    let mut answer = vec![0; text.len()];
    let mut got = 0;
    while got < answer.len() {
        match stream.read(&mut answer[got..]).await {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(String::from_utf8_lossy(&answer[..got]).into_owned())
}

async fn get(url: &str) -> Result<String, String> {
    let request = Request::get(url).body(Body::empty()).map_err(|error| error.to_string())?;
    let response = Client::new().send(request).await.map_err(|error| error.to_string())?;
    let status = response.status();
    let mut body = response.into_body();
    let text = body.str_contents().await.map_err(|error| error.to_string())?.to_owned();
    Ok(format!("{} {text}", status.as_u16()))
}
