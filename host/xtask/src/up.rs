use anyhow::Result;
#[derive(clap::Args)] pub struct Args {}
#[derive(clap::Args)] pub struct DownArgs {}
pub fn up(_:&Args)->Result<()>{Ok(())}
pub fn down(_:&DownArgs)->Result<()>{Ok(())}
