//! The executable.

use std::process::ExitCode;

use clap::Parser;
use erp::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("erp: cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(erp::cli::run(cli));
    // What may still run is the look-up of a name that no server answers: nobody waits for it.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("erp: {message}");
            ExitCode::FAILURE
        }
    }
}
