use anyhow::Result;
#[derive(clap::Args)] pub struct Args {}
pub fn test(_:&Args)->Result<()>{Ok(())}
