//! Which of the events that were read `scan` and `explain` print.

use time::OffsetDateTime;

use super::backfill::instant;
use crate::config::Pattern;
use crate::event::{Event, Severity};

#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// Only events from this time on, by eventTime: 2026-03-01 or 2026-03-01T06:00:00Z
    #[arg(long, value_name = "TIME", value_parser = instant)]
    since: Option<OffsetDateTime>,
    /// Only events before this time
    #[arg(long, value_name = "TIME", value_parser = instant)]
    until: Option<OffsetDateTime>,
    /// Only events of this severity or a higher one
    #[arg(long, value_enum, value_name = "SEVERITY")]
    min_severity: Option<MinSeverity>,
    /// Only these events, as names or globs: --event 'Upload*'
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = Pattern::new)]
    event: Vec<Pattern>,
    /// Only events of these accounts
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    account: Vec<String>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum MinSeverity {
    Low,
    Medium,
    High,
    Critical,
}

impl Filter {
    /// Returns whether it excludes anything.
    pub(super) fn is_set(&self) -> bool {
        let Self { since, until, min_severity, event, account } = self;
        let is_time = since.is_some() || until.is_some();
        is_time || min_severity.is_some() || !event.is_empty() || !account.is_empty()
    }

    /// Returns whether the event is printed. One without a time is never before or after one.
    pub(super) fn passes(&self, event: &Event) -> bool {
        let fields = &event.fields;
        let least = self.min_severity.map(|least| match least {
            MinSeverity::Low => Severity::Low,
            MinSeverity::Medium => Severity::Medium,
            MinSeverity::High => Severity::High,
            MinSeverity::Critical => Severity::Critical,
        });
        self.since.zip(fields.time).is_none_or(|(since, time)| time >= since)
            && self.until.zip(fields.time).is_none_or(|(until, time)| time < until)
            && least.is_none_or(|least| fields.severity >= least)
            && (self.event.is_empty() || self.event.iter().any(|name| name.matches(&fields.name)))
            && (self.account.is_empty()
                || fields.account.as_ref().is_some_and(|account| self.account.contains(account)))
    }
}
