//! The executable.

use std::process::ExitCode;

use clap::Parser;
use erp::cli::Cli;

/// Gives memory back after a burst (a password hash takes 19 MiB) and is quicker than the
/// allocator of the system where several threads allocate at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("erp: cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(erp::cli::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("erp: {message}");
            ExitCode::FAILURE
        }
    }
}
