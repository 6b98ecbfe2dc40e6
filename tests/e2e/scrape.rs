//! `/metrics` as a scraper reads it.

use std::collections::BTreeMap;

/// One response of `/metrics`.
#[derive(Debug)]
pub(crate) struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    /// Reads the text format: `name{label="value"} number`.
    pub(crate) fn read(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.filter_map(|line| {
            let (name, number) = line.rsplit_once(' ')?;
            Some((name.to_owned(), number.parse().ok()?))
        });
        Self(samples.collect())
    }

    /// A counter without labels; `name` without our prefix and `_total`.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.sample(&format!("certrelay_{name}_total"))
    }

    /// A counter with one label.
    pub(crate) fn labelled(&self, name: &str, label: &str, value: &str) -> u64 {
        self.sample(&format!("certrelay_{name}_total{{{label}=\"{value}\"}}"))
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counters are whole"
    )]
    fn sample(&self, name: &str) -> u64 {
        self.0.get(name).map_or(0, |number| *number as u64)
    }

    /// Checks that record counts reconcile.
    ///
    /// # Panics
    /// They do not, or nothing was counted at all.
    pub(crate) fn assert_reconciled(&self, sinks: &[&str]) {
        let read = self.count("records_read");
        let parts = ["records_filtered", "records_invalid", "events_duplicate", "events_discarded"];
        let out: u64 = parts.iter().map(|part| self.count(part)).sum();
        let out = out + self.count("events_routed");
        assert!(read > 0, "nothing was counted: {self:?}");
        assert_eq!(read, out, "per object: {self:#?}");
        for sink in sinks {
            let of = |name| self.labelled(name, "sink", sink);
            let routed = of("sink_routed");
            let out = of("sink_delivered") + of("sink_dead_lettered") + of("sink_dropped");
            assert!(routed > 0, "nothing was routed to {sink}: {self:?}");
            assert_eq!(routed, out, "at {sink}: {self:#?}");
        }
    }
}
