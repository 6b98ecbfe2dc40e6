//! argv → command → exit code; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    certrelay::cli::main()
}
