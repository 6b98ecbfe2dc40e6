//! A summary of a configuration, for `check` and the first lines of the log. Contains names and
//! numbers only; a secret is shown as its location.

use std::fmt::Write as _;

use super::region::iam_region;
use super::source::{SourceConfig, SourceKind};
use super::types::{
    Config, DeadLetterConfig, DeadLetterLocation, RouteConfig, SinkConfig, SinkKind,
};
use super::values::{show_duration, show_size};

impl Config {
    /// Returns one line for each source, route and sink.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut out = String::new();
        for source in &self.sources {
            for text in source_lines(source) {
                line(&mut out, &text);
            }
        }
        line(&mut out, &events_line(self));
        let tables =
            [("accounts", &self.accounts), ("credential reports", &self.credential_reports)];
        for (what, one) in tables {
            if let Some(one) = one {
                let every = show_duration(one.refresh);
                line(&mut out, &format!("{what} {}, read every {every}", one.location));
            }
        }
        for route in &self.routes {
            line(&mut out, &route_line(route));
        }
        for sink in &self.sinks {
            line(&mut out, &sink_line(sink));
        }
        line(&mut out, &dead_letter_line(&self.dead_letter));
        let delivery = &self.delivery;
        line(
            &mut out,
            &format!(
                "delivery max_concurrent_messages {}, max_in_flight_messages {}, memory_limit {}, \
                 shutdown_grace_period {}",
                delivery.max_concurrent_messages,
                delivery.max_in_flight_messages,
                show_size(delivery.memory_limit),
                show_duration(delivery.shutdown_grace_period)
            ),
        );
        match self.http {
            Some(listen) => line(&mut out, &format!("http {listen}")),
            None => line(&mut out, "http off"),
        }
        out
    }
}

fn line(out: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{text}");
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn source_lines(source: &SourceConfig) -> Vec<String> {
    let (queue_url, region) = match &source.kind {
        SourceKind::Sqs { queue_url, region } => (queue_url, region),
        SourceKind::Directory(path) => return vec![format!("source directory {}", path.display())],
    };
    let buckets = counted(source.buckets.len(), "bucket", "buckets");
    let role = source.role.as_ref().map_or_else(String::new, |role| format!(", as {}", role.arn));
    let channel = if source.eventbridge_records { ", EventBridge records too" } else { "" };
    let mut lines = vec![format!("source sqs {queue_url} in {region}, {buckets}{role}{channel}")];
    let iam = iam_region(region);
    lines.push(match source.regions.as_slice() {
        [] => format!(
            "  fetches the log files of every region; IAM writes its events to {iam} alone, so \
             `regions = [\"{iam}\"]` would save nearly all downloads of a trail of all regions"
        ),
        regions => format!(
            "  fetches only the log files of {}; of a trail of all regions (17 at least in most \
             accounts), each region is a series of files of its own",
            regions.join(", ")
        ),
    });
    let keys = &source.keys;
    if !keys.include.is_empty() {
        lines.push(format!("  fetches only keys like {:?}", keys.include));
    }
    if !keys.exclude.is_empty() {
        lines.push(format!("  fetches no keys like {:?}", keys.exclude));
    }
    lines
}

/// Names what changes how events are assessed and rendered, if it was configured.
fn events_line(config: &Config) -> String {
    let options = &config.options;
    let mut parts = vec![counted(config.events.len(), "name or glob", "names and globs")];
    let principals = options.expected_principals.len();
    if principals > 0 {
        parts.push(counted(principals, "expected principal", "expected principals"));
    }
    let networks = options.known_networks.len();
    if networks > 0 {
        parts.push(counted(networks, "known network", "known networks"));
    }
    if !options.labels.is_empty() {
        parts.push(counted(options.labels.len(), "label", "labels"));
    }
    if options.keep_pem {
        parts.push("certificates kept".to_owned());
    }
    format!("events {}", parts.join(", "))
}

fn route_line(route: &RouteConfig) -> String {
    let sinks: Vec<&str> = route.targets.iter().map(|target| target.sink.as_str()).collect();
    let sinks = if sinks.is_empty() { "discard".to_owned() } else { sinks.join(", ") };
    let continues = if route.continues { ", continue" } else { "" };
    format!("route {} → {sinks}{continues}", route.name)
}

fn sink_line(sink: &SinkConfig) -> String {
    let kind = match &sink.kind {
        SinkKind::Kafka(kafka) => {
            format!("kafka {}, topic {}", kafka.brokers.join(","), kafka.topic)
        }
        SinkKind::SplunkHec(hec) => {
            let endpoints: Vec<&str> = hec.endpoints.iter().map(url::Url::as_str).collect();
            format!("splunk_hec {}, token {:?}", endpoints.join(","), hec.token)
        }
        SinkKind::Http(http) => format!("http {}", http.url.origin().ascii_serialization()),
        SinkKind::Stdout(_) => "stdout".to_owned(),
        SinkKind::File(file) => format!("file {}", file.path.display()),
    };
    let format = sink.format.as_str();
    let effort = if sink.required { "required" } else { "best effort" };
    format!("sink {} {kind}, {format}, {effort}", sink.name)
}

fn dead_letter_line(dead_letter: &DeadLetterConfig) -> String {
    let DeadLetterConfig::Write { location, keep_bytes } = dead_letter else {
        return "dead_letter redrive".to_owned();
    };
    let location = match location {
        DeadLetterLocation::Directory(path) => format!("directory {}", path.display()),
        DeadLetterLocation::S3 { bucket, prefix, .. } => format!("s3://{bucket}/{prefix}"),
        DeadLetterLocation::Sqs { queue_url, .. } => format!("sqs {queue_url}"),
    };
    format!("dead_letter {location}{}", if *keep_bytes { ", with bytes" } else { "" })
}
