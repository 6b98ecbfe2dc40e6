//! The handle and the driver that every sink shares: a bounded hand-over, group commit, answers by event.
