//! Finite jobs through the same pipeline: replay of dead letters and backfill of history, both over
//! one job queue.

mod backfill;
mod job_queue;
mod replay;

pub use backfill::{
    Backfill, Plan, ResumeFile, Scope, backfill, enqueue, plan_backfill, source_of,
};
pub use job_queue::JobCounts;
pub use replay::{Replayed, replay};
