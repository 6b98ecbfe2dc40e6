//! `backfill`: history through the same path, here or by way of the source's queue.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::run::stop_on_signal;
use super::{EX_USAGE, WithConfig, configuration, failed, runtime};
use crate::config::Config;
use crate::error::{Code, Error};
use crate::event;
use crate::jobs::{self, Backfill, Counts, Plan, Resume, Span};
use crate::telemetry;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: WithConfig,
    /// Where the files are: s3://bucket/ or any folder above or below AWSLogs/
    #[arg(value_name = "S3-PREFIX")]
    from: String,
    /// Files of this time and later, by their names: 2026-03-01 or 2026-03-01T06:00:00Z
    #[arg(long, value_name = "TIME", value_parser = instant)]
    since: OffsetDateTime,
    /// Files before this time
    #[arg(long, value_name = "TIME", value_parser = instant)]
    until: OffsetDateTime,
    /// Only these accounts, separated by commas
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    accounts: Vec<String>,
    /// Announce the files in the source's queue instead: the running services work on them
    #[arg(long)]
    enqueue: bool,
    /// Note here how far it is; a later run with the same range goes on there
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Print the plan and stop
    #[arg(long)]
    plan: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// A day, or an instant with its offset.
fn instant(text: &str) -> Result<OffsetDateTime, String> {
    let day = format_description!("[year]-[month]-[day]");
    event::instant(text)
        .or_else(|| Date::parse(text, day).ok().map(|day| day.midnight().assume_utc()))
        .ok_or_else(|| "write 2026-03-01 or 2026-03-01T06:00:00Z".to_owned())
}

/// Exit code 1 if anything was not final.
pub(super) fn backfill(args: &Args) -> ExitCode {
    let config = match configuration(&args.place) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let (span, resume) = match asked(args, &config) {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("certrelay: {error}");
            return ExitCode::from(EX_USAGE);
        }
    };
    if let Err(error) = telemetry::init(&config.log) {
        return failed(&error);
    }
    match runtime().and_then(|runtime| runtime.block_on(work(args, config, span, resume))) {
        Ok(Counts { kept: 0, .. }) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

fn asked(args: &Args, config: &Config) -> Result<(Span, Resume), Error> {
    let usage = |text: &str| Error::new(Code::Usage, text);
    let rest = args.from.strip_prefix("s3://");
    let rest = rest.ok_or_else(|| usage("write where the files are as s3://bucket/prefix"))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if args.since >= args.until {
        return Err(usage("--since must be before --until"));
    }
    let slash = if prefix.is_empty() || prefix.ends_with('/') { "" } else { "/" };
    let span = Span {
        bucket: bucket.to_owned(),
        prefix: format!("{prefix}{slash}"),
        since: args.since,
        until: args.until,
        accounts: args.accounts.clone(),
        regions: jobs::source_of(config, bucket)?.regions.clone(),
    };
    let resume = Resume::open(args.resume.clone(), &span)?;
    Ok((span, resume))
}

async fn work(args: &Args, config: Config, span: Span, resume: Resume) -> Result<Counts, Error> {
    let plan = jobs::plan_backfill(&config, None, span).await?;
    show(&plan, args.enqueue, &resume);
    if args.plan || !go_on(args.yes) {
        return Ok(Counts::default());
    }
    let stop = stop_on_signal()?;
    let bar = progress(plan.objects);
    let tick = Box::new({
        let bar = bar.clone();
        move || bar.inc(1)
    });
    let job = Backfill { config, aws: None, resume, tick };
    let ended = if args.enqueue {
        jobs::enqueue(job, &plan, stop).await
    } else {
        jobs::backfill(job, &plan, stop).await
    };
    bar.finish_and_clear();
    let counts = ended?;
    let what = if args.enqueue { "enqueued" } else { "final" };
    eprintln!("objects={} {what}={} kept={}", plan.objects, counts.done, counts.kept);
    Ok(counts)
}

fn show(plan: &Plan, enqueue: bool, resume: &Resume) {
    let Plan { objects, bytes, listed, to_list, .. } = plan;
    eprintln!(
        "s3://{}/{}: {} accounts, {} regions, {objects} objects, {bytes} bytes",
        plan.span.bucket,
        plan.span.prefix,
        plan.accounts.len(),
        plan.regions.len()
    );
    let gets = if enqueue {
        format!("{} SendMessageBatch here, {objects} GET by the services", objects.div_ceil(10))
    } else {
        format!("{objects} GET")
    };
    eprintln!("calls: {listed} LIST for this plan; then {to_list} LIST, {gets}");
    if let Some(after) = resume.after() {
        eprintln!("goes on after {}", telemetry::escape(after));
    }
}

/// Asks a person; goes on where nobody is there to answer.
fn go_on(yes: bool) -> bool {
    if yes || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return true;
    }
    eprint!("Go on? [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// A bar on stderr when a person watches.
fn progress(objects: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("{pos}/{len} objects {wide_bar} {per_sec} {eta}");
    ProgressBar::new(objects).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
