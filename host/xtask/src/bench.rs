use anyhow::Result;
#[derive(clap::Args)] pub struct Args {}
pub fn bench(_:&Args)->Result<()>{Ok(())}
