//! The sinks against real servers: what librdkafka's mock cluster and our own stand-in cannot prove.

mod broker;
mod kafka;
mod secrets;
