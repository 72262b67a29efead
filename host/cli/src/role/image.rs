//! `coracle image`: this node's image store, without the server's help.

use crate::config;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Import an image archive (docker or OCI, plain or gzip) or a wasm component.
    Import(Import),
    /// List the images.
    #[command(visible_alias = "ls")]
    List(Dir),
    /// Remove a name; the image goes with its last name.
    #[command(visible_alias = "rm")]
    Remove(Remove),
}

#[derive(clap::Args, Debug)]
pub struct Dir {
    /// The server's data directory [default: as `coracle server`]
    #[arg(long, short = 'd', value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(clap::Args, Debug)]
pub struct Import {
    #[command(flatten)]
    dir: Dir,
    /// Name for what has none of its own, as pods refer to it [default for a .wasm file: the file's name]
    #[arg(long, short = 'n', value_name = "IMAGE")]
    name: Option<String>,
    /// The archive or component
    file: PathBuf,
}

#[derive(clap::Args, Debug)]
pub struct Remove {
    #[command(flatten)]
    dir: Dir,
    /// Name or digest
    image: String,
}

impl Dir {
    fn open(&self) -> Result<image::Store> {
        let data = self.data_dir.clone().unwrap_or_else(config::default_data_dir);
        image::Store::open(data.join("images")).with_context(|| format!("cannot open the image store in {}", data.display()))
    }
}

pub fn run(command: Command) -> Result<()> {
    match command {
        Command::Import(args) => import(&args),
        Command::List(dir) => list(&dir),
        Command::Remove(args) => {
            if !args.dir.open()?.remove(&args.image)? {
                bail!("no image {:?}", args.image);
            }
            println!("removed {}", args.image);
            Ok(())
        }
    }
}

fn import(args: &Import) -> Result<()> {
    let store = args.dir.open()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let images = runtime.block_on(store.import(&args.file, args.name.as_deref()))?;
    if images.is_empty() {
        bail!("{} holds no image", args.file.display());
    }
    for image in &images {
        println!("imported {} {}", image.references.join(", "), image.digest);
    }
    Ok(())
}

fn list(dir: &Dir) -> Result<()> {
    println!("{:<60} {:<10} {:>12}  DIGEST", "IMAGE", "KIND", "SIZE");
    for image in dir.open()?.list()? {
        let kind = if matches!(image.kind, image::Kind::Wasm { .. }) { "wasm" } else { "oci" };
        for name in &image.references {
            println!("{name:<60} {kind:<10} {:>12}  {}", image.size, image.digest);
        }
    }
    Ok(())
}
