//! The wire: gates, ledger, dead letter, drain. The only room that spawns.
