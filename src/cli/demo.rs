//! `erp demo`.

use clap::Args;

#[derive(Debug, Args)]
pub struct DemoArgs {
    #[arg(long)]
    url: String,
}

pub async fn demo(args: DemoArgs) -> Result<(), String> {
    Err(args.url)
}
