//! Pulling from a scripted registry that breaks off, fails, lies, asks for tokens and offers variants.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect by unwrap")]

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use image::{Error, Platform, PullOptions, Store, reference};

/// What the registry has and does.
#[derive(Default)]
struct Script {
    /// By path: media type and content.
    contents: BTreeMap<String, (String, Vec<u8>)>,
    /// So many answers with blobs break off half-way.
    broken: usize,
    /// So many first answers of everything are errors of the server.
    failing: usize,
    /// Only with the token that this server itself gives to user:secret.
    bearer: bool,
    seen: Vec<String>,
}

struct Scripted {
    script: Arc<Mutex<Script>>,
    address: String,
}

impl Scripted {
    async fn start(script: Script) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let script = Arc::new(Mutex::new(script));
        let (shared, own) = (script.clone(), address.clone());
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(answer(connection, shared.clone(), own.clone()));
            }
        });
        Self { script, address }
    }

    fn seen(&self, part: &str) -> usize {
        self.script.lock().unwrap().seen.iter().filter(|path| path.contains(part)).count()
    }
}

async fn answer(mut connection: tokio::net::TcpStream, script: Arc<Mutex<Script>>, address: String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if connection.read(&mut byte).await.unwrap_or(0) == 0 {
            return;
        }
        request.push(byte[0]);
    }
    let response = respond(&mut script.lock().unwrap(), &String::from_utf8(request).unwrap().to_lowercase(), &address);
    let _ = connection.write_all(&response).await;
    let _ = connection.shutdown().await;
}

fn respond(script: &mut Script, request: &str, address: &str) -> Vec<u8> {
    let path = request.split(' ').nth(1).unwrap().to_owned();
    let header = |name: &str| request.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).map(str::to_owned);
    script.seen.push(path.clone());
    let plain = |status: &str, extra: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\n{extra}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into_bytes()
    };
    if path.starts_with("/token") {
        // base64 of user:secret, in small letters as the whole request.
        return match header("authorization").as_deref() {
            Some("basic dxnlcjpzzwnyzxq=") => plain("200 OK", "", r#"{"token":"t0ken"}"#),
            _ => plain("401 Unauthorized", "", "no"),
        };
    }
    if script.bearer && header("authorization").as_deref() != Some("bearer t0ken") {
        let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{address}/token\",service=\"test\"\r\n");
        return plain("401 Unauthorized", &challenge, "");
    }
    if path == "/v2/" {
        return plain("200 OK", "", "");
    }
    if script.failing > 0 {
        script.failing -= 1;
        return plain("503 Service Unavailable", "", "later");
    }
    let Some((media_type, content)) = script.contents.get(&path) else {
        return plain("404 Not Found", "", r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#);
    };
    let start: usize = header("range").map_or(0, |range| range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap());
    let status = if start > 0 { "206 Partial Content" } else { "200 OK" };
    let rest = &content[start..];
    let mut sent = rest.len();
    if path.contains("/blobs/") && script.broken > 0 {
        script.broken -= 1;
        sent /= 2;
    }
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", rest.len());
    [head.as_bytes(), &rest[..sent]].concat()
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes)))
}

/// A layer with one file, its configuration and its manifest, at the paths of a registry.
fn contents(marker: &str, platform: (&str, &str)) -> (Vec<u8>, Script) {
    let mut builder = tar::Builder::new(Vec::new());
    let body = marker.repeat(5000);
    let mut header = tar::Header::new_gnu();
    header.set_size(body.len() as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    builder.append_data(&mut header, "marker", body.as_bytes()).unwrap();
    let layer = builder.into_inner().unwrap();
    let config = format!(
        r#"{{"os":"{}","architecture":"{}","rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
        platform.0,
        platform.1,
        sha256(&layer)
    )
    .into_bytes();
    let blob = |media_type: &str, bytes: &[u8]| {
        format!(r#"{{"mediaType":"application/vnd.oci.image.{media_type}","digest":"{}","size":{}}}"#, sha256(bytes), bytes.len())
    };
    let (about_config, about_layer) = (blob("config.v1+json", &config), blob("layer.v1.tar", &layer));
    let manifest = format!(r#"{{"schemaVersion":2,"config":{about_config},"layers":[{about_layer}]}}"#).into_bytes();
    let mut script = Script::default();
    let octets = "application/octet-stream".to_owned();
    for blob in [layer, config] {
        script.contents.insert(format!("/v2/app/blobs/{}", sha256(&blob)), (octets.clone(), blob));
    }
    let media_type = "application/vnd.oci.image.manifest.v1+json".to_owned();
    script.contents.insert(format!("/v2/app/manifests/{}", sha256(&manifest)), (media_type.clone(), manifest.clone()));
    script.contents.insert("/v2/app/manifests/v1".to_owned(), (media_type, manifest.clone()));
    (manifest, script)
}

async fn pull(server: &Scripted, store: &Store, options: PullOptions) -> Result<image::Image, Error> {
    let options = PullOptions { insecure: vec![server.address.clone()], ..options };
    store.pull(&reference(&format!("{}/app:v1", server.address)).unwrap(), &options).await
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("images")).unwrap();
    (folder, store)
}

#[tokio::test]
async fn broken_downloads_go_on_where_they_broke() {
    let (_, mut script) = contents("x", ("linux", "amd64"));
    script.broken = 3;
    script.failing = 2;
    let server = Scripted::start(script).await;
    let (_folder, store) = store();
    let image = pull(&server, &store, PullOptions::default()).await.unwrap();
    assert_eq!(fs::read_to_string(image.find("marker").unwrap().unwrap()).unwrap(), "x".repeat(5000));
    assert_eq!(server.seen("/blobs/"), 5);
}

#[tokio::test]
async fn a_token_server_is_asked() {
    let (_, mut script) = contents("x", ("linux", "amd64"));
    script.bearer = true;
    let server = Scripted::start(script).await;
    let (_folder, store) = store();
    let error = pull(&server, &store, PullOptions::default()).await.unwrap_err();
    assert!(error.is_unauthorized(), "{error}");
    let config = format!(r#"{{"auths":{{"{}":{{"username":"user","password":"secret"}}}}}}"#, server.address);
    let auth = image::auth::parse(config.as_bytes()).unwrap();
    pull(&server, &store, PullOptions { auth, ..PullOptions::default() }).await.unwrap();
    assert!(server.seen("/token?scope=repository%3aapp%3apull&service=test") > 0, "{:?}", server.script.lock().unwrap().seen);
}

#[tokio::test]
async fn the_same_content_is_fetched_once() {
    let (_, script) = contents("x", ("linux", "amd64"));
    let server = Scripted::start(script).await;
    let (_folder, store) = store();
    let pulls = futures::future::join_all((0..6).map(|_| pull(&server, &store, PullOptions::default()))).await;
    let digests: Vec<String> = pulls.into_iter().map(|pulled| pulled.unwrap().digest).collect();
    assert!(digests.iter().all(|digest| *digest == digests[0]));
    let script = server.script.lock().unwrap();
    let layer = script.contents.iter().find(|(path, (_, content))| path.contains("/blobs/") && content.len() > 1000).unwrap().0;
    assert_eq!(script.seen.iter().filter(|path| *path == layer).count(), 1);
}

#[tokio::test]
async fn content_that_is_not_what_its_digest_says_is_refused() {
    let (_, mut script) = contents("x", ("linux", "amd64"));
    for (path, (_, content)) in &mut script.contents {
        if path.contains("/blobs/") && content.len() > 1000 {
            content[600] ^= 1;
        }
    }
    let server = Scripted::start(script).await;
    let (_folder, store) = store();
    let error = pull(&server, &store, PullOptions::default()).await.unwrap_err();
    assert!(error.to_string().contains("digest"), "{error}");
    assert!(store.list().unwrap().is_empty());
}

#[tokio::test]
async fn the_variant_for_this_machine_or_for_wasm_is_chosen() {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let variants = [("linux", "s390x"), ("linux", architecture), ("wasip2", "wasm")];
    let index = |variants: &[(&str, &str)]| {
        let mut script = Script::default();
        let mut rows = Vec::new();
        for (os, architecture) in variants {
            let (manifest, part) = contents(architecture, (os, architecture));
            script.contents.extend(part.contents);
            let platform = format!(r#"{{"os":"{os}","architecture":"{architecture}"}}"#);
            rows.push(format!(r#"{{"digest":"{}","size":{},"platform":{platform}}}"#, sha256(&manifest), manifest.len()));
        }
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, rows.join(","));
        let media_type = "application/vnd.oci.image.index.v1+json".to_owned();
        script.contents.insert("/v2/app/manifests/v1".to_owned(), (media_type, index.clone().into_bytes()));
        (script, sha256(index.as_bytes()))
    };
    let check = async |variants: &[(&str, &str)], platform: Platform, expect: Result<&str, &str>| {
        let (script, digest) = index(variants);
        let server = Scripted::start(script).await;
        let (_folder, store) = store();
        match (pull(&server, &store, PullOptions { platform, ..PullOptions::default() }).await, expect) {
            (Ok(image), Ok(marker)) => {
                assert_eq!(fs::read_to_string(image.find("marker").unwrap().unwrap()).unwrap(), marker.repeat(5000));
                assert_eq!(image.repo_digests, [format!("{}/app@{digest}", server.address)], "the digest of the name, not of the variant");
            }
            (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{error}"),
            (found, _) => panic!("{found:?}"),
        }
    };
    check(&variants, Platform::Native, Ok(architecture)).await;
    check(&variants, Platform::Wasm, Ok("wasm")).await;
    check(&variants[2..], Platform::Native, Ok("wasm")).await;
    check(&variants[..2], Platform::Wasm, Ok(architecture)).await;
    check(&variants[..1], Platform::Native, Err("no match for platform linux/")).await;
}

#[tokio::test]
async fn an_unreachable_registry_is_named() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (_folder, store) = store();
    let name = reference(&format!("127.0.0.1:{port}/app:v1")).unwrap();
    let error = store.pull(&name, &PullOptions::default()).await.unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(matches!(reference("app/UPPER"), Err(Error::InvalidReference { .. })));
}
