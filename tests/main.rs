//! The one integration binary: linking it once is what keeps `make test` short.

mod deploy;
mod first_run;
mod readme;
mod samples;
mod skip;
mod tidy;
