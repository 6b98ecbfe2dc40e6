//! The sinks against real servers: what librdkafka's mock cluster and our own stand-in cannot
//! prove.

mod broker;
mod collector;
mod guide;
mod logins;
mod outages;
mod registry;
mod running;
mod secrets;
mod topics;
