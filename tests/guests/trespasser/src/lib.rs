//! An adapter that tries every door it is told of: each line is what to try, the answer's line what came of it. Errors of files as
//! `std::io::ErrorKind` says them, of the network in WASI's words.
//!
//! - `read PATH`, `write PATH TEXT`, `list PATH`, `link OLD NEW` (symbolic), `hard OLD NEW`, `move OLD NEW`, `remove PATH`
//! - `resolve NAME`, `connect ADDRESS:PORT`, `send ADDRESS:PORT` (a datagram), `listen ADDRESS:PORT`
//! - `get URL`, `follow URL` (and where it leads to)

wit_bindgen::generate!({ path: "../../../wit", world: "adapter" });

use exports::coracle::plugin::adapt::{Answer, Guest, Line, Origin};
use std::fs;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, OutgoingRequest, Scheme};
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::{ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress};
use wasip2::sockets::{tcp, tcp_create_socket, udp, udp_create_socket};

struct Trespasser;

export!(Trespasser);

impl Guest for Trespasser {
    fn process(_: Origin, _: Vec<u8>, lines: Vec<Line>) -> Result<Answer, String> {
        let lines = lines.into_iter().map(|line| {
            let told = String::from_utf8_lossy(&line.text).into_owned();
            let words: Vec<&str> = told.split(' ').collect();
            Line { text: attempt(&words).unwrap_or_else(|error| error).into_bytes(), ..line }
        });
        Ok(Answer { carry: Vec::new(), lines: lines.collect(), samples: Vec::new() })
    }

    fn flush(_: Origin, _: Vec<u8>) -> Result<Answer, String> {
        Ok(Answer { carry: Vec::new(), lines: Vec::new(), samples: Vec::new() })
    }
}

fn attempt(words: &[&str]) -> Result<String, String> {
    let file = |error: std::io::Error| format!("{:?}", error.kind());
    let done = |()| "done".to_owned();
    match words {
        ["read", path] => fs::read_to_string(path).map_err(file),
        ["write", path, text] => fs::write(path, text).map(done).map_err(file),
        ["list", path] => {
            let entries = fs::read_dir(path).map_err(file)?;
            let mut names: Vec<String> = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            names.sort();
            Ok(names.join(" "))
        }
        ["link", old, new] => symbolic_link(old, new),
        ["hard", old, new] => fs::hard_link(old, new).map(done).map_err(file),
        ["move", old, new] => fs::rename(old, new).map(done).map_err(file),
        ["remove", path] => fs::remove_file(path).map(done).map_err(file),
        ["resolve", name] => resolve(name),
        ["connect", address] => connect(socket(address)?),
        ["send", address] => send(socket(address)?),
        ["listen", address] => listen(socket(address)?),
        ["get", url] => get(url).map(|(status, _)| status.to_string()),
        ["follow", url] => match get(url)? {
            (status, Some(location)) => {
                let then = get(&location).map_or_else(|error| error, |(status, _)| status.to_string());
                Ok(format!("{status}, then {then}"))
            }
            (status, None) => Ok(status.to_string()),
        },
        other => Err(format!("what is {other:?}?")),
    }
}

/// A symbolic link in the first directory that was granted.
fn symbolic_link(old: &str, new: &str) -> Result<String, String> {
    let directories = wasip2::filesystem::preopens::get_directories();
    let Some((directory, _)) = directories.first() else { return Err("no directory".to_owned()) };
    directory.symlink_at(old, new).map(|()| "done".to_owned()).map_err(|code| code.name().to_owned())
}

fn resolve(name: &str) -> Result<String, String> {
    let stream = resolve_addresses(&instance_network(), name).map_err(|code| code.name().to_owned())?;
    stream.subscribe().block();
    let mut found = Vec::new();
    while let Some(address) = stream.resolve_next_address().map_err(|code| code.name().to_owned())? {
        if let IpAddress::Ipv4((a, b, c, d)) = address {
            found.push(format!("{a}.{b}.{c}.{d}"));
        }
    }
    Ok(found.join(" "))
}

fn socket(text: &str) -> Result<IpSocketAddress, String> {
    let address: std::net::SocketAddrV4 = text.parse().map_err(|_| "not an address".to_owned())?;
    let [a, b, c, d] = address.ip().octets();
    Ok(IpSocketAddress::Ipv4(Ipv4SocketAddress { port: address.port(), address: (a, b, c, d) }))
}

fn connect(to: IpSocketAddress) -> Result<String, String> {
    let code = |code: ErrorCode| code.name().to_owned();
    let socket = tcp_create_socket::create_tcp_socket(IpAddressFamily::Ipv4).map_err(code)?;
    socket.start_connect(&instance_network(), to).map_err(code)?;
    finished(&socket, || socket.finish_connect().map(|_| "connected".to_owned()))
}

fn listen(at: IpSocketAddress) -> Result<String, String> {
    let code = |code: ErrorCode| code.name().to_owned();
    let socket = tcp_create_socket::create_tcp_socket(IpAddressFamily::Ipv4).map_err(code)?;
    socket.start_bind(&instance_network(), at).map_err(code)?;
    finished(&socket, || socket.finish_bind())?;
    socket.start_listen().map_err(code)?;
    finished(&socket, || socket.finish_listen().map(|()| "listens".to_owned()))
}

fn finished<T>(socket: &tcp::TcpSocket, finish: impl Fn() -> Result<T, tcp::ErrorCode>) -> Result<T, String> {
    loop {
        match finish() {
            Err(tcp::ErrorCode::WouldBlock) => socket.subscribe().block(),
            other => return other.map_err(|code| code.name().to_owned()),
        }
    }
}

fn send(to: IpSocketAddress) -> Result<String, String> {
    let code = |code: ErrorCode| code.name().to_owned();
    let socket = udp_create_socket::create_udp_socket(IpAddressFamily::Ipv4).map_err(code)?;
    let any = IpSocketAddress::Ipv4(Ipv4SocketAddress { port: 0, address: (0, 0, 0, 0) });
    socket.start_bind(&instance_network(), any).map_err(code)?;
    socket.subscribe().block();
    socket.finish_bind().map_err(code)?;
    let (_, outgoing) = socket.stream(None).map_err(code)?;
    outgoing.subscribe().block();
    outgoing.check_send().map_err(code)?;
    let datagram = udp::OutgoingDatagram { data: b"x".to_vec(), remote_address: Some(to) };
    outgoing.send(&[datagram]).map(|sent| format!("sent {sent}")).map_err(code)
}

fn get(url: &str) -> Result<(u16, Option<String>), String> {
    let (authority, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or("not a URL")?;
    let request = OutgoingRequest::new(Fields::new());
    let wrong = |()| "not an authority".to_owned();
    request.set_scheme(Some(&Scheme::Http)).map_err(wrong)?;
    request.set_authority(Some(authority)).map_err(wrong)?;
    request.set_path_with_query(Some(&format!("/{path}"))).map_err(wrong)?;
    let coming = outgoing_handler::handle(request, None).map_err(|code| format!("{code:?}"))?;
    coming.subscribe().block();
    let response = coming.get().and_then(Result::ok).ok_or("nothing came")?.map_err(|code| format!("{code:?}"))?;
    let location = response.headers().get("location").into_iter().next().map(|value| String::from_utf8_lossy(&value).into_owned());
    Ok((response.status(), location))
}
