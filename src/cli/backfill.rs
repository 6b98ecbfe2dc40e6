//! `backfill`: history through the same path, in this process or through the source's queue.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::output::{print_error, print_line, print_stderr, print_warning, progress_bar};
use super::run::{start, stop_on_signal};
use super::{ConfigArgs, EX_USAGE, Failure, load_config, runtime};
use crate::config::Config;
use crate::error::{Code, Error};
use crate::event;
use crate::jobs::{self, Backfill, JobCounts, Plan, ResumeFile, Scope};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Where the files are: s3://bucket/ or any folder above or below AWSLogs/
    #[arg(value_name = "S3-PREFIX")]
    from: String,
    /// Files from this time on, by the time in their names: 2026-03-01 or 2026-03-01T06:00:00Z
    #[arg(long, value_name = "TIME", value_parser = instant)]
    since: OffsetDateTime,
    /// Files before this time
    #[arg(long, value_name = "TIME", value_parser = instant)]
    until: OffsetDateTime,
    /// Only these accounts, separated by commas
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    accounts: Vec<String>,
    /// Send notifications of the files to the source's queue, so that the running services process
    /// them
    #[arg(long)]
    enqueue: bool,
    /// Record progress in this file; a later run with the same arguments continues from it
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Print the plan and exit
    #[arg(long)]
    plan: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

/// Parses a day, or an instant with its offset.
pub(super) fn instant(text: &str) -> Result<OffsetDateTime, String> {
    let day = format_description!("[year]-[month]-[day]");
    event::instant(text)
        .or_else(|| Date::parse(text, day).ok().map(|day| day.midnight().assume_utc()))
        .ok_or_else(|| "write 2026-03-01 or 2026-03-01T06:00:00Z".to_owned())
}

/// Runs the command; exit code 1 if any object failed.
pub(super) fn backfill(args: &Args) -> Result<ExitCode, Failure> {
    let config = load_config(&args.config)?;
    let (scope, resume) = arguments(args, &config).map_err(|error| {
        print_error(&error);
        Failure::Reported(ExitCode::from(EX_USAGE))
    })?;
    start(&config.log)?;
    let counts = runtime()?.block_on(process(args, config, scope, resume))?;
    Ok(if counts.failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn arguments(args: &Args, config: &Config) -> Result<(Scope, ResumeFile), Error> {
    let usage = |text: &str| Error::new(Code::Usage, text);
    let rest = args.from.strip_prefix("s3://");
    let rest = rest.ok_or_else(|| usage("write where the files are as s3://bucket/prefix"))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if args.since >= args.until {
        return Err(usage("--since must be before --until"));
    }
    let slash = if prefix.is_empty() || prefix.ends_with('/') { "" } else { "/" };
    let scope = Scope {
        bucket: bucket.to_owned(),
        prefix: format!("{prefix}{slash}"),
        since: args.since,
        until: args.until,
        accounts: args.accounts.clone(),
        regions: jobs::source_of(config, bucket)?.regions.clone(),
    };
    let resume = ResumeFile::open(args.resume.clone(), &scope)?;
    Ok((scope, resume))
}

async fn process(
    args: &Args,
    config: Config,
    scope: Scope,
    resume: ResumeFile,
) -> Result<JobCounts, Error> {
    let plan = jobs::plan_backfill(&config, None, scope).await?;
    print_plan(&plan, args.enqueue, &resume);
    if args.plan || !confirmed(args.yes) {
        return Ok(JobCounts::default());
    }
    let stop = stop_on_signal()?;
    let bar = progress_bar(plan.objects, "{pos}/{len} objects {wide_bar} {per_sec} {eta}");
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
    let completed = if args.enqueue { "enqueued" } else { "completed" };
    let JobCounts { completed: count, failed } = counts;
    print_line(&format_args!("objects={} {completed}={count} failed={failed}", plan.objects));
    Ok(counts)
}

fn print_plan(plan: &Plan, enqueue: bool, resume: &ResumeFile) {
    let Plan { scope, accounts, regions, objects, bytes, listed, to_list, .. } = plan;
    let (accounts, regions) = (accounts.len(), regions.len());
    print_line(&format_args!(
        "s3://{}/{}: {accounts} accounts, {regions} regions, {objects} objects, {bytes} bytes",
        scope.bucket, scope.prefix
    ));
    let gets = if enqueue {
        format!("{} SendMessageBatch, {objects} GET by the services", objects.div_ceil(10))
    } else {
        format!("{objects} GET")
    };
    print_line(&format_args!("calls: {listed} LIST for this plan; then {to_list} LIST, {gets}"));
    for (reason, (count, first)) in &plan.skipped {
        let place = format!("s3://{}/{first}", scope.bucket);
        print_warning(&format!("{reason}: {count}, first: {place}; to read one, name it"));
    }
    if let Some(after) = resume.after() {
        print_line(&format_args!("resuming after {after}"));
    }
}

/// Asks for confirmation, if stdin and stderr are a terminal.
fn confirmed(yes: bool) -> bool {
    if yes || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return true;
    }
    print_stderr("Continue? [y/N] ");
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}
