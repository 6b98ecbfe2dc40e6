//! Every kind of mistake, as the operator reads it.

mod conditions;
mod routes;
mod sinks;
mod sources;
mod values;
