//! `coracle plugin new`.

use anyhow::Result;
use author::{Language, template};
use std::path::PathBuf;

#[derive(clap::Args, Debug)]
pub struct Args {
    /// What the plugin extends: a world of the contract, or a part of one
    #[arg(long, short = 'w', value_name = "WORLD", default_value = "scheduler-filter")]
    world: String,
    /// rust, c, js, ts, python or go
    #[arg(long, short = 'l', value_name = "LANGUAGE", default_value = "rust", value_parser = language)]
    lang: Language,
    /// The folder to make; its last part is the plugin's name
    #[arg(required_unless_present = "list", value_name = "NAME")]
    folder: Option<PathBuf>,
    /// List the templates instead
    #[arg(long)]
    list: bool,
}

fn language(short: &str) -> Result<Language, String> {
    Language::of(short).ok_or_else(|| format!("there is {}", Language::ALL.map(Language::short).join(", ")))
}

pub fn run(args: &Args) -> Result<()> {
    let Some(folder) = args.folder.as_ref().filter(|_| !args.list) else {
        for (world, language) in template::known() {
            println!("--world {world} --lang {}", language.short());
        }
        return Ok(());
    };
    let project = template::create(folder, &args.world, args.lang)?;
    let name = &project.settings.name;
    println!("{} is a plugin of world {}. Next:", folder.display(), project.settings.world);
    println!("  cd {}", folder.display());
    println!("  coracle plugin build                 # build/{name}.wasm");
    println!("  coracle plugin test                  # the cases in cases/, without a cluster");
    println!("  coracle plugin push REGISTRY/{name}:v1");
    if project.is_workload() {
        println!("  kubectl apply -f manifest.yaml       # with image: REGISTRY/{name}:v1");
    } else {
        println!("  kubectl apply -f wasmplugin.yaml     # with spec.image: REGISTRY/{name}:v1");
    }
    Ok(())
}
