//! The one integration binary.
mod event_explain;
mod event_fixtures;
mod event_golden;
mod event_openssl;
mod event_properties;
mod event_remedies;
mod event_samples;
mod event_semantics;
mod event_stories;
mod event_validators;
