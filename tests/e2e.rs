//! End to end: the built binary as a child process, between servers that it only knows by URL.
//!
//! The library is not called here. Input and output are compared as sets of eventIDs; the rest is
//! read from the child's endpoints and log.

mod arrivals;
mod aws;
mod bad_input;
mod kills;
mod main_path;
mod overdue;
mod scrape;
mod service;
mod setup;
mod startup;
