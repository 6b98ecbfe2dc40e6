//! A world in memory for the whole pipeline: honest queue, store and sinks on a paused clock, with
//! seeded faults and a crash between any two effects. The same seed is the same history.

pub mod dead_letters;
pub mod sink;
pub mod steps;
pub mod store;
pub mod world;

pub use dead_letters::MemoryDeadLetters;
pub use sink::{RecordingSink, SinkFaults};
pub use steps::{SteppedQueue, Steps};
pub use store::{MemoryStore, StoreFaults};
pub use world::{World, WorldSettings};
