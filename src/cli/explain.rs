//! `explain`: what a record means and, with a configuration, which routes match and what each sink
//! would receive.

use std::path::PathBuf;
use std::process::ExitCode;

use super::filter::Filter;
use super::scan::{ReadOptions, Task, print_files};
use super::{Failure, Format, load_optional_config, output::print_line};
use crate::cloudtrail::Selection;
use crate::config::{Config, OutputFormat, SinkConfig, SinkKind};
use crate::error::Error;
use crate::escape::escape;
use crate::event::{self, Event};
use crate::route::Router;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Records, CloudTrail files or folders, in any format that `scan` reads; - is stdin
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    filter: Filter,
    /// Also print which routes match and what each sink would receive
    #[arg(short, long, value_name = "CONFIG")]
    config: Option<String>,
    /// Also print the event in these formats
    #[arg(long, value_enum, value_delimiter = ',')]
    format: Vec<Format>,
    /// Explain every record, not only those about IAM certificates
    #[arg(long)]
    all_events: bool,
}

/// The routes and sinks of a configuration.
struct Destinations {
    selection: Selection,
    router: Router,
    sinks: Vec<SinkConfig>,
}

pub(super) fn explain(args: &Args) -> Result<ExitCode, Failure> {
    let config = load_optional_config(args.config.as_ref())?;
    let destinations = config.as_ref().map(Destinations::new).transpose()?;
    let task = Task {
        options: ReadOptions::new(config, args.all_events),
        filter: &args.filter,
        header: "",
        write: &|event, out| {
            out.extend_from_slice(event::explain(event).as_bytes());
            if let Some(destinations) = &destinations {
                out.extend_from_slice(destinations.describe(event).as_bytes());
            }
            for format in &args.format {
                let format = OutputFormat::from(*format);
                let payload = payload(event, format);
                out.extend_from_slice(format!("{:<13}{payload}\n", format.as_str()).as_bytes());
            }
            out.push(b'\n');
        },
    };
    let (summary, printed) = print_files(&args.paths, &task);
    let skipped = summary.records.saturating_sub(summary.events + summary.invalid);
    let hint = if skipped > 0 { "; --all-events explains those too" } else { "" };
    let reason = if args.filter.is_set() {
        "not selected, or excluded by an option"
    } else if destinations.is_some() {
        "not selected by [events]"
    } else {
        "not about IAM certificates"
    };
    summary.print_severities();
    print_line(&format_args!("explained={} skipped={skipped} ({reason}){hint}", summary.events));
    Ok(summary.exit_code(printed))
}

fn payload(event: &Event, format: OutputFormat) -> String {
    let mut payload = Vec::new();
    crate::format::render_for_terminal(event, format, &mut payload);
    String::from_utf8_lossy(&payload).into_owned()
}

impl Destinations {
    fn new(config: &Config) -> Result<Self, Error> {
        let sinks = config.sinks.clone();
        let names = sinks.iter().map(|sink| sink.name.as_str());
        let router = Router::new(config.routes.clone(), names)?;
        Ok(Self { selection: Selection::new(config.events.clone()), router, sinks })
    }

    /// Returns the routes that match, and each sink with its payload.
    fn describe(&self, event: &Event) -> String {
        if !self.selection.wants(&event.fields.source, &event.fields.name) {
            return format!("{:<13}none: not selected by [events]\n", "route");
        }
        let decision = self.router.decide(event);
        let mut text = format!("{:<13}{}\n", "route", escape(&decision.routes.join(" → ")));
        if decision.targets.is_empty() {
            text.push_str(&format!("{:<13}nowhere: `discard`\n", "sent to"));
        }
        for target in decision.targets {
            let sink = &self.sinks[usize::from(target.sink)];
            let (kind, format) = (destination(&sink.kind, event), sink.format.as_str());
            text.push_str(&format!("{:<13}{}, {kind}, {format}:\n", "sent to", sink.name));
            text.push_str(&format!("{:<13}{}\n", "", payload(event, sink.format)));
        }
        text
    }
}

/// Returns the destination of an event at a sink.
fn destination(kind: &SinkKind, event: &Event) -> String {
    match kind {
        SinkKind::Kafka(kafka) => format!("topic {}", event.choose(&kafka.topic)),
        SinkKind::SplunkHec(hec) => match &hec.index {
            Some(index) => format!("index {}", escape(event.choose(index))),
            None => "the token's default index".to_owned(),
        },
        SinkKind::Http(http) => http.url.origin().ascii_serialization(),
        SinkKind::Stdout(_) => "stdout".to_owned(),
        SinkKind::File(file) => format!("file {}", escape(&file.path.display().to_string())),
    }
}
