//! The content store through its public face: imports, names, removal, damage, a full disk, `kill -9`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect by unwrap")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use image::build::{Format, ImageBuilder, wasm_artifact};
use image::{Error, Image, Kind, Store};

/// Smallest module: magic and version.
const WASM: &[u8] = b"\0asm\x01\0\0\0";

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn store(&self) -> Store {
        Store::open(self.path("images")).unwrap()
    }
}

fn example(name: &str) -> ImageBuilder {
    ImageBuilder::new(name)
        .bytes("/etc/motd", "hello\n", 0o644)
        .bytes("/bin/tool", "#!/bin/sh\n", 0o755)
        .link("/bin/alias", "tool")
        .folder("/tmp", 0o1777)
        .entrypoint(["/bin/tool"])
        .cmd(["--help"])
        .env(["PATH=/bin", "A=b"])
        .working_dir("/etc")
        .user("10:20")
        .expose("80/tcp")
        .label("who", "test")
}

fn layers(image: &Image) -> &[PathBuf] {
    match &image.kind {
        Kind::Oci { layers } => layers,
        Kind::Wasm { .. } => panic!("a wasm artifact"),
    }
}

/// What is left in the folders of work under way.
fn leftovers(store: &Path) -> usize {
    let workers = fs::read_dir(store.join("tmp")).unwrap().map(|entry| entry.unwrap().path());
    workers.filter(|path| path.is_dir()).map(|path| fs::read_dir(path).unwrap().count()).sum()
}

#[tokio::test]
async fn archives_of_both_forms_are_imported() {
    let place = Place::new();
    let store = place.store();
    let mut digests = Vec::new();
    for (format, name) in [(Format::OciLayout, "app:oci"), (Format::DockerArchive, "app:docker")] {
        let archive = place.path("archive.tar");
        example(name).write(&archive, format).unwrap();
        let plain = fs::read(&archive).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        let packed = [plain.clone(), gzip.finish().unwrap(), zstd::encode_all(plain.as_slice(), 1).unwrap()];
        for bytes in packed {
            fs::write(&archive, bytes).unwrap();
            let images = store.import(&archive, None).await.unwrap();
            assert_eq!(images.len(), 1, "{format:?}");
            assert_eq!(images[0].references, [format!("docker.io/library/{name}")]);
            digests.push(images[0].digest.clone());
        }
        let image = store.get(name).unwrap().unwrap();
        let config = &image.config;
        assert_eq!((config.entrypoint.join(" ").as_str(), config.cmd.join(" ").as_str()), ("/bin/tool", "--help"));
        assert_eq!((config.env.join(" ").as_str(), config.working_dir.as_str(), config.user.as_str()), ("PATH=/bin A=b", "/etc", "10:20"));
        assert_eq!((config.exposed_ports.join(" ").as_str(), config.labels["who"].as_str()), ("80/tcp", "test"));
        let layers = layers(&image);
        assert_eq!(layers.len(), 1);
        assert_eq!(fs::read_to_string(layers[0].join("etc/motd")).unwrap(), "hello\n");
        assert_eq!(fs::metadata(layers[0].join("tmp")).unwrap().mode() & 0o7777, 0o1777);
        assert!(image.size > 0 && !image.is_wasm());
    }
    assert!(digests[0] == digests[1] && digests[1] == digests[2], "compression of the archive changes nothing");
    let list = store.list().unwrap();
    assert_eq!(list.len(), 2);
    assert_eq!(layers(&list[0]), layers(&list[1]), "the same layer is kept once");
    assert_eq!(leftovers(&place.path("images")), 0);
}

#[tokio::test]
async fn wasm_comes_as_a_file_or_as_an_artifact() {
    let place = Place::new();
    let store = place.store();
    let file = place.path("hello.wasm");
    fs::write(&file, WASM).unwrap();
    let bare = store.import(&file, None).await.unwrap();
    assert_eq!(bare[0].references, ["docker.io/library/hello:latest"]);
    let named = store.import(&file, Some("registry.test/hello:v1")).await.unwrap();
    let archive = place.path("hello.tar");
    wasm_artifact(&file, "artifact:v2", &archive).unwrap();
    let artifact = store.import(&archive, None).await.unwrap();
    assert!(bare[0].digest == named[0].digest && named[0].digest == artifact[0].digest);
    assert_eq!(artifact[0].references.len(), 3);
    assert!(artifact[0].is_wasm());
    let component = artifact[0].wasm_component(None).unwrap();
    assert_eq!(artifact[0].kind, Kind::Wasm { component: component.clone() });
    assert_eq!(fs::read(component).unwrap(), WASM);
}

#[tokio::test]
async fn wasm_is_found_in_ordinary_images() {
    let place = Place::new();
    let store = place.store();
    let build = |name: &str| ImageBuilder::new(name).platform("wasip2", "wasm");
    let images = [
        build("one").bytes("/app.wasm", WASM, 0o644).entrypoint(["/app.wasm"]),
        build("relative").bytes("/srv/app.wasm", WASM, 0o644).working_dir("/srv").cmd(["app.wasm"]),
        build("link").bytes("/lib/real.wasm", WASM, 0o644).link("/app.wasm", "/../lib/./real.wasm").entrypoint(["/app.wasm"]),
        build("only").bytes("/lib/real.wasm", WASM, 0o644).entrypoint(["/bin/sh"]),
        build("two").bytes("/a.wasm", WASM, 0o644).bytes("/b.wasm", WASM, 0o644),
        build("none").bytes("/a", WASM, 0o644),
        build("gone").bytes("/a", WASM, 0o644).entrypoint(["/app.wasm"]),
        build("out").link("/app.wasm", "/etc/hostname").entrypoint(["/app.wasm"]),
    ];
    for image in images {
        image.write(&place.path("image.tar"), Format::OciLayout).unwrap();
        store.import(&place.path("image.tar"), None).await.unwrap();
    }
    let check = |name: &str, entrypoint: Option<&str>, expect: Result<&str, &str>| {
        let image = store.get(name).unwrap().unwrap();
        match (image.wasm_component(entrypoint), expect) {
            (Ok(found), Ok(path)) => assert!(found.ends_with(path) && fs::read(&found).unwrap() == WASM, "{name}: {found:?}"),
            (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{name}: {error}"),
            (found, _) => panic!("{name}: {found:?}"),
        }
    };
    check("one", None, Ok("app.wasm"));
    check("relative", None, Ok("srv/app.wasm"));
    check("link", None, Ok("lib/real.wasm"));
    check("only", None, Ok("lib/real.wasm"));
    check("two", None, Err("it has 2 .wasm files (/a.wasm, /b.wasm); name one as the command"));
    check("two", Some("/b.wasm"), Ok("b.wasm"));
    check("two", Some("/c.wasm"), Err("/c.wasm does not exist in it"));
    check("none", None, Err("no layer of type application/wasm and no .wasm file"));
    check("gone", None, Err("/app.wasm does not exist in it"));
    check("out", None, Err("/app.wasm does not exist in it"));
    assert!(store.get("one").unwrap().unwrap().is_wasm());
    assert!(!store.get("only").unwrap().unwrap().is_wasm());
}

#[tokio::test]
async fn names_move_and_go() {
    let place = Place::new();
    let store = place.store();
    let archive = place.path("image.tar");
    example("app:v1").write(&archive, Format::OciLayout).unwrap();
    let first = store.import(&archive, None).await.unwrap().remove(0);
    store.tag("app:v1", "app").unwrap();
    example("app:v1").bytes("/more", "1", 0o644).write(&archive, Format::OciLayout).unwrap();
    let second = store.import(&archive, None).await.unwrap().remove(0);
    assert_ne!(first.digest, second.digest);
    assert_eq!(store.get("app:v1").unwrap().unwrap().digest, second.digest, "the tag moved");
    assert_eq!(store.get("docker.io/library/app").unwrap().unwrap().digest, first.digest);
    assert_eq!(store.get(&first.digest).unwrap().unwrap().references, ["docker.io/library/app:latest"]);
    assert!(store.get("app:v2").unwrap().is_none());
    assert!(matches!(store.get("Not A Name"), Err(Error::InvalidReference { .. })));
    assert!(matches!(store.tag("app:v2", "app:v3"), Err(Error::NotFound { .. })));

    assert_eq!(store.prune().unwrap(), 0, "everything is in use");
    assert!(store.remove("app").unwrap());
    assert!(!store.remove("app").unwrap());
    assert!(store.get(&first.digest).unwrap().is_none());
    assert!(layers(&first)[0].exists(), "until it is pruned");
    assert_eq!(store.prune().unwrap(), 3, "manifest, configuration and layer");
    assert!(!layers(&first)[0].exists());
    assert!(layers(&second)[0].exists());
    assert!(store.remove(&second.digest).unwrap());
    assert!(store.list().unwrap().is_empty());
}

#[tokio::test]
async fn a_folder_is_imported_once() {
    let place = Place::new();
    let store = place.store();
    let folder = place.path("import");
    fs::create_dir(&folder).unwrap();
    example("a:1").write(&folder.join("a.tar"), Format::OciLayout).unwrap();
    fs::write(folder.join("b.wasm"), WASM).unwrap();
    fs::write(folder.join("c.tar"), "this is no archive, but as long as one block of it, or longer.".repeat(20)).unwrap();
    fs::write(folder.join("readme.txt"), "not looked at").unwrap();
    let results = store.import_dir(&folder).await.unwrap();
    let names: Vec<_> = results.iter().map(|(path, result)| (path.file_name().unwrap().to_str().unwrap(), result.is_ok())).collect();
    assert_eq!(names, [("a.tar", true), ("b.wasm", true), ("c.tar", false)]);
    let again = store.import_dir(&folder).await.unwrap();
    assert_eq!(again.len(), 1, "only what failed is tried again");
    fs::write(folder.join("b.wasm"), [WASM, b"\0\0"].concat()).unwrap();
    assert_eq!(store.import_dir(&folder).await.unwrap().len(), 2);
}

#[tokio::test]
async fn bad_archives_are_refused_and_leave_nothing() {
    let place = Place::new();
    let store = place.store();
    let archive = place.path("image.tar");
    example("app").write(&archive, Format::OciLayout).unwrap();
    let good = fs::read(&archive).unwrap();
    let find = |text: &[u8]| good.windows(text.len()).position(|window| window == text).unwrap();
    let damaged = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    // Of the layer's gzip: behind its header.
    let layer = find(&[0x1f, 0x8b, 0x08]) + 40;
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", Vec::new(), "neither index.json nor manifest.json"),
        ("half", good[..good.len() / 3].to_vec(), "image.tar"),
        ("a flipped bit of the layer", damaged(layer), "is missing"),
        ("a flipped bit of the configuration", damaged(find(b"\"diff_ids\"") + 2), "is missing"),
        ("no manifest", damaged(find(b"index.json")), "not an image archive"),
    ];
    for (what, bytes, expect) in table {
        fs::write(&archive, bytes).unwrap();
        let error = store.import(&archive, None).await.unwrap_err().to_string();
        assert!(error.contains(expect), "{what}: {error}");
        assert!(store.list().unwrap().is_empty(), "{what}");
        assert_eq!(leftovers(&place.path("images")), 0, "{what}");
    }
    let error = store.import(&place.path("absent.tar"), None).await.unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[tokio::test]
async fn an_image_is_flattened() {
    let place = Place::new();
    let store = place.store();
    let archive = place.path("image.tar");
    example("app").write(&archive, Format::OciLayout).unwrap();
    let image = store.import(&archive, None).await.unwrap().remove(0);
    let target = place.path("rootfs");
    fs::create_dir(&target).unwrap();
    image::flatten(&image, &target).unwrap();
    assert_eq!(fs::read_to_string(target.join("bin/alias")).unwrap(), "#!/bin/sh\n");
    assert_eq!(fs::metadata(target.join("bin/tool")).unwrap().mode() & 0o7777, 0o755);
    assert_eq!(fs::metadata(target.join("tmp")).unwrap().mode() & 0o7777, 0o1777);
    fs::write(target.join("etc/motd"), "changed").unwrap();
    assert_eq!(fs::read_to_string(layers(&image)[0].join("etc/motd")).unwrap(), "hello\n");
}

/// A layer's tar of files; a name with a slash at its end is a folder.
fn layer(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(if path.ends_with('/') { tar::EntryType::Directory } else { tar::EntryType::Regular });
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        builder.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// As `docker save` writes images of several layers.
fn docker_archive(name: &str, layers: &[Vec<u8>]) -> Vec<u8> {
    use sha2::Digest;
    let diff_ids: Vec<String> = layers.iter().map(|layer| format!("\"sha256:{}\"", hex::encode(sha2::Sha256::digest(layer)))).collect();
    let config = format!(r#"{{"os":"linux","architecture":"amd64","rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#, diff_ids.join(","));
    let names: Vec<String> = (0..layers.len()).map(|number| format!("\"{number}/layer.tar\"")).collect();
    let manifest = format!(r#"[{{"Config":"config.json","RepoTags":["{name}"],"Layers":[{}]}}]"#, names.join(","));
    let mut builder = tar::Builder::new(Vec::new());
    let numbered = layers.iter().enumerate().map(|(number, layer)| (format!("{number}/layer.tar"), layer.clone()));
    let documents = [("config.json".to_owned(), config.into_bytes()), ("manifest.json".to_owned(), manifest.into_bytes())];
    for (path, content) in numbered.chain(documents) {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, content.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// Every file below a folder with its content.
fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                found.push(format!("{name}={}", fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn overlayfs_and_we_see_the_same() {
    let place = Place::new();
    let store = place.store();
    let archive = place.path("image.tar");
    let same = layer(&[("again", "")]);
    let layers_of_image = [
        layer(&[
            ("etc/", ""),
            ("etc/a", "1"),
            ("etc/b", "1"),
            ("opt/x/1", "1"),
            ("opt/y/1", "1"),
            ("var/log/old", "1"),
            ("srv/deep/er/1", "1"),
        ]),
        same.clone(),
        layer(&[
            ("etc/.wh.a", ""),
            ("opt/x/.wh..wh..opq", ""),
            ("opt/x/2", "2"),
            ("opt/.wh.y", ""),
            ("var/.wh.log", ""),
            ("srv/deep/.wh.er", ""),
        ]),
        same,
        layer(&[("etc/b", "3"), ("var/log", "3"), ("opt/y/3", "3"), ("srv/deep/er/3", "3")]),
    ];
    fs::write(&archive, docker_archive("app", &layers_of_image)).unwrap();
    let image = store.import(&archive, None).await.unwrap().remove(0);
    assert_eq!(layers(&image).len(), 5);
    let expect = ["again=", "etc/b=3", "opt/x/2=2", "opt/y/3=3", "srv/deep/er/3=3", "var/log=3"];
    let flat = place.path("flat");
    fs::create_dir(&flat).unwrap();
    image::flatten(&image, &flat).unwrap();
    assert_eq!(files(&flat), expect);
    for (path, found) in [
        ("etc/a", false),
        ("opt/x/1", false),
        ("opt/x/2", true),
        ("opt/y/1", false),
        ("var/log/old", false),
        ("srv/deep/er/1", false),
        ("srv/deep/er/3", true),
    ] {
        assert_eq!(image.find(path).unwrap().is_some(), found, "{path}");
    }

    let target = place.path("mounted");
    fs::create_dir(&target).unwrap();
    let lowers: Vec<String> = layers(&image).iter().rev().map(|layer| layer.display().to_string()).collect();
    let options = std::ffi::CString::new(format!("lowerdir={}", lowers.join(":"))).unwrap();
    match rustix::mount::mount("overlay", &target, "overlay", rustix::mount::MountFlags::RDONLY, &*options) {
        Ok(()) => {
            let seen = files(&target);
            rustix::mount::unmount(&target, rustix::mount::UnmountFlags::DETACH).unwrap();
            assert_eq!(seen, expect);
        }
        Err(error) if std::env::var_os("CI").is_none() => eprintln!("skipped: an overlay cannot be mounted here: {error}"),
        Err(error) => panic!("an overlay cannot be mounted: {error}"),
    }
}

#[tokio::test]
async fn a_program_of_this_machine_becomes_an_image() {
    let place = Place::new();
    let store = place.store();
    let archive = place.path("image.tar");
    let image = ImageBuilder::new("shell").binary("/bin/sh", "/bin/sh").unwrap().cmd(["/bin/sh"]);
    image.write(&archive, Format::OciLayout).unwrap();
    let image = store.import(&archive, None).await.unwrap().remove(0);
    let flat = place.path("flat");
    fs::create_dir(&flat).unwrap();
    image::flatten(&image, &flat).unwrap();
    match Command::new("chroot").arg(&flat).args(["/bin/sh", "-c", "echo alive"]).output() {
        Ok(output) if output.status.success() => assert_eq!(output.stdout, b"alive\n"),
        other if std::env::var_os("CI").is_none() => eprintln!("skipped: cannot chroot here: {other:?}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn another_format_is_refused() {
    let place = Place::new();
    drop(place.store());
    fs::write(place.path("images/index.json"), r#"{"format":9,"pictures":[]}"#).unwrap();
    let error = Store::open(place.path("images")).err().unwrap();
    assert!(matches!(error, Error::Format { found: 9, expected: 1, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_on_one_folder_agree() {
    let place = Place::new();
    let (one, two) = (place.store(), place.store());
    let mut tasks = Vec::new();
    for number in 0..8 {
        let archive = place.path(&format!("{number}.tar"));
        // Pairs are the same image, imported by both at once.
        let image = example(&format!("app:{}", number / 2)).bytes("/n", format!("{}", number / 2), 0o644);
        image.write(&archive, Format::OciLayout).unwrap();
        let store = if number % 2 == 0 { one.clone() } else { two.clone() };
        tasks.push(tokio::spawn(async move { store.import(&archive, None).await.unwrap() }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    for store in [&one, &two] {
        assert_eq!(store.list().unwrap().len(), 4);
        for number in 0..4 {
            let image = store.get(&format!("app:{number}")).unwrap().unwrap();
            assert_eq!(fs::read_to_string(image.find("/n").unwrap().unwrap()).unwrap(), number.to_string());
        }
    }
}

/// A file system of a few MiB; `None` where it cannot be mounted.
struct Tiny(tempfile::TempDir);

impl Tiny {
    fn mount(bytes: usize) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = std::ffi::CString::new(format!("size={bytes}")).unwrap();
        match rustix::mount::mount("tmpfs", folder.path(), "tmpfs", rustix::mount::MountFlags::empty(), &*options) {
            Ok(()) => Some(Self(folder)),
            Err(error) if std::env::var_os("CI").is_none() => {
                eprintln!("skipped: a tmpfs cannot be mounted here: {error}");
                None
            }
            Err(error) => panic!("a tmpfs cannot be mounted: {error}"),
        }
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(self.0.path(), rustix::mount::UnmountFlags::DETACH);
    }
}

#[tokio::test]
async fn a_full_disk_says_so_and_leaves_nothing() {
    let Some(tiny) = Tiny::mount(4 << 20) else { return };
    let place = Place::new();
    let archive = place.path("big.tar");
    example("big").bytes("/big", vec![b'x'; 8 << 20], 0o644).write(&archive, Format::OciLayout).unwrap();
    let store = Store::open(tiny.0.path().join("images")).unwrap();
    let error = store.import(&archive, None).await.unwrap_err();
    assert!(matches!(error, Error::Full { .. }), "{error}");
    assert!(store.list().unwrap().is_empty());
    assert_eq!(leftovers(&tiny.0.path().join("images")), 0);
    // What fits still goes in.
    example("small").write(&archive, Format::OciLayout).unwrap();
    store.import(&archive, None).await.unwrap();
}

/// Names the folder for the child.
const CHILD: &str = "CORACLE_IMAGE_CRASH_CHILD";

/// Not a test of its own: the process that is killed. Without [`CHILD`] it does nothing.
#[tokio::test]
async fn child() {
    let Some(folder) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let store = Store::open(folder.join("images")).unwrap();
    let mut out = std::io::stdout();
    for number in 0_u32.. {
        let name = format!("app:{}", number % 5);
        store.import(&folder.join(format!("{}.tar", number % 5)), None).await.unwrap();
        out.write_all(format!("ack {name}\n").as_bytes()).unwrap();
        if number % 3 == 2 {
            store.remove(&format!("app:{}", (number + 1) % 5)).unwrap();
            store.prune().unwrap();
        }
    }
}

#[tokio::test]
async fn kill_9_leaves_no_half_image() {
    let place = Place::new();
    for number in 0..5_u8 {
        let mut image = example(&format!("app:{number}"));
        for file in 0..40_u32 {
            image = image.bytes(&format!("/data/{file}"), vec![number; 20_000], 0o644);
        }
        image.write(&place.path(&format!("{number}.tar")), Format::OciLayout).unwrap();
    }
    for round in 0..12_u64 {
        let told = place.path("told");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, place.folder.path())
            .stdout(Stdio::from(fs::File::create(&told).unwrap()))
            .spawn()
            .unwrap();
        while !fs::read_to_string(&told).unwrap().contains("ack ") {
            assert!(child.try_wait().unwrap().is_none(), "the child ended");
            std::thread::yield_now();
        }
        std::thread::sleep(std::time::Duration::from_millis(round * 7 % 60));
        child.kill().unwrap();
        child.wait().unwrap();

        let store = place.store();
        for image in store.list().unwrap() {
            let number: u8 = image.references[0].rsplit(':').next().unwrap().parse().unwrap();
            for file in 0..40 {
                let path = layers(&image)[0].join(format!("data/{file}"));
                assert_eq!(fs::read(&path).unwrap(), vec![number; 20_000], "round {round}: {}", path.display());
            }
        }
        let workers = fs::read_dir(place.path("images/tmp")).unwrap().count();
        assert_eq!(workers, 2, "round {round}: only our own folder and lock are left");
    }
}
