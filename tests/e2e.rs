//! From end to end: the built binary as a child process, between servers that it only knows by URL.
//!
//! Nothing of the library is called here. What went in and what came out are compared as sets of
//! eventIDs; what happened between is asked over HTTP and read from the child's log.

mod arrivals;
mod aws;
mod bad_input;
mod kills;
mod main_path;
mod scrape;
mod service;
mod setup;
mod start;
