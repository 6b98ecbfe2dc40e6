//! `explain`: what a record means to us, and, with a configuration, where it would go and as what.

use std::path::PathBuf;
use std::process::ExitCode;

use super::format::{Format, shown};
use super::scan::{self, Task};
use super::{failed, optional};
use crate::cloudtrail::Selection;
use crate::config::{Config, OutputFormat, SinkConfig, SinkKind};
use crate::error::Error;
use crate::event::{self, Event};
use crate::route::Router;
use crate::telemetry::escape;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A record or a CloudTrail file, in any form that `scan` reads; - is stdin
    #[arg(value_name = "FILE")]
    path: PathBuf,
    /// Also say which routes match and what each sink would be sent
    #[arg(short, long, value_name = "CONFIG")]
    config: Option<String>,
    /// Also print the event in these formats
    #[arg(long, value_enum, value_delimiter = ',')]
    format: Vec<Format>,
    /// Explain every record, not only those that are ours
    #[arg(long)]
    all_events: bool,
}

/// Where events would go.
struct Destinations {
    selection: Selection,
    router: Router,
    sinks: Vec<SinkConfig>,
}

pub(super) fn explain(args: &Args) -> ExitCode {
    let config = match optional(args.config.as_ref()) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let destinations = match config.as_ref().map(Destinations::new).transpose() {
        Ok(destinations) => destinations,
        Err(error) => return failed(&error),
    };
    let task = Task {
        reading: scan::reading(config, args.all_events),
        write: &|event, out| {
            out.extend_from_slice(event::explain(event).as_bytes());
            if let Some(destinations) = &destinations {
                out.extend_from_slice(destinations.of(event).as_bytes());
            }
            for format in &args.format {
                let format = OutputFormat::from(*format);
                let payload = payload(event, format);
                out.extend_from_slice(format!("{:<13}{payload}\n", format.as_str()).as_bytes());
            }
            out.push(b'\n');
        },
    };
    let (summary, printed) = scan::print(std::slice::from_ref(&args.path), &task);
    let others = summary.records.saturating_sub(summary.events + summary.bad);
    let hint = if others > 0 { "; --all-events explains those, too" } else { "" };
    let others_are =
        if destinations.is_some() { "not selected by [events]" } else { "none of ours" };
    eprintln!("explained {}, {others_are} {others}{hint}", summary.events);
    scan::exit_code(&summary, printed)
}

fn payload(event: &Event, format: OutputFormat) -> String {
    let mut payload = Vec::new();
    event::render(event, format, &mut payload);
    shown(&payload)
}

impl Destinations {
    fn new(config: &Config) -> Result<Self, Error> {
        let sinks = config.sinks.clone();
        let names = sinks.iter().map(|sink| sink.name.as_str());
        let router = Router::new(config.routes.clone(), names)?;
        Ok(Self { selection: Selection::new(config.events.clone()), router, sinks })
    }

    /// The routes that match, and each sink with its payload.
    fn of(&self, event: &Event) -> String {
        if !self.selection.wants(&event.fields.source, &event.fields.name) {
            return format!("{:<13}none: [events] does not select it\n", "route");
        }
        let decision = self.router.decide(event);
        let mut text = format!("{:<13}{}\n", "route", escape(&decision.routes.join(" → ")));
        if decision.targets.is_empty() {
            text.push_str(&format!("{:<13}nowhere: `discard` is written there\n", "sent to"));
        }
        for target in decision.targets {
            let sink = &self.sinks[usize::from(target.sink)];
            let (kind, format) = (described(&sink.kind, event), sink.format.as_str());
            text.push_str(&format!("{:<13}{}, {kind}, {format}:\n", "sent to", sink.name));
            text.push_str(&format!("{:<13}{}\n", "", payload(event, sink.format)));
        }
        text
    }
}

/// Where a sink puts this event.
fn described(kind: &SinkKind, event: &Event) -> String {
    match kind {
        SinkKind::Kafka(kafka) => format!("topic {}", event.choose(&kafka.topic)),
        SinkKind::SplunkHec(hec) => match &hec.index {
            Some(index) => format!("index {}", escape(event.choose(index))),
            None => "the token's index".to_owned(),
        },
        SinkKind::Stdout(_) => "stdout".to_owned(),
        SinkKind::File(file) => format!("file {}", escape(&file.path.display().to_string())),
    }
}
