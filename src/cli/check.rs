//! `check`: every mistake of a configuration in one run, and what it says where there is none.

use std::process::ExitCode;

use super::{WithConfig, configuration};

pub(super) fn check(place: &WithConfig) -> ExitCode {
    match configuration(place) {
        Ok(config) => {
            for warning in &config.warnings {
                eprintln!("warning: {warning}");
            }
            eprintln!("{}: no mistakes", place.config);
            eprint!("{}", config.summary());
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}
