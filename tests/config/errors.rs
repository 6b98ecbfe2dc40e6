//! Every kind of error, as the operator reads it.

mod conditions;
mod routes;
mod sinks;
mod sources;
mod values;
