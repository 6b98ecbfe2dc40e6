//! Remediations for a trail that was stopped, reduced or deleted: they restore its settings, by its
//! own name and in its home region.

use super::advice::{Advice, Names, aws};
use super::quote::python;

pub(super) fn restore(names: &Names) -> Advice {
    let form = match names.done.as_deref() {
        Some("StopLogging") => stopped(names),
        Some("PutEventSelectors") => reduced(names),
        Some("UpdateTrail") => changed(names),
        _ => deleted(names),
    };
    let Names { partition, account, trail, trail_region, .. } = names;
    let arn = format!("arn:{partition}:cloudtrail:{trail_region}:{account}:trail/{trail}");
    let after = [
        command(names, "get-trail-status", [("name", trail.as_str())]),
        command(names, "validate-logs", [("trail-arn", &arn), ("start-time", "BEGINNING")]),
    ];
    Advice {
        cli: form.cli.into_iter().chain(after).collect(),
        boto3: format!(
            "name, region = {}, {}\ncloudtrail = boto3.client(\"cloudtrail\", region_name=region)\n{}{STATUS}",
            python(trail),
            python(trail_region),
            form.boto3
        ),
        ..form
    }
}

const STATUS: &str = "print(cloudtrail.get_trail_status(Name=name)[\"IsLogging\"])\n";

/// CloudTrail finds a trail by name only in its home region.
fn command<const N: usize>(
    names: &Names,
    operation: &str,
    options: [(&str, &str); N],
) -> Vec<String> {
    let region = [("region", names.trail_region.as_str())];
    aws(&format!("cloudtrail {operation}"), options.into_iter().chain(region))
}

fn stopped(names: &Names) -> Advice {
    Advice {
        title: "Start the trail again",
        console: "CloudTrail → Trails → the trail → Start logging",
        cli: vec![command(names, "start-logging", [("name", &names.trail)])],
        boto3: "cloudtrail.start_logging(Name=name)\n".to_owned(),
        note: "What happened in between is in no file of this trail: Event history has the management events of the last 90 days, region by region. The last command tells whether files from before were changed.",
    }
}

fn reduced(names: &Names) -> Advice {
    let trail = ("trail-name", names.trail.as_str());
    Advice {
        title: "Have the trail record all management events again",
        console: "CloudTrail → Trails → the trail → Management events → Edit",
        cli: vec![
            command(names, "get-event-selectors", [trail]),
            command(names, "put-event-selectors", [trail, ("event-selectors", SELECTORS)]),
        ],
        boto3: REDUCED.to_owned(),
        note: "The new selectors replace all the old ones: keep the first command's answer, and add the data events that the trail is to record, or give advanced selectors back as such.",
    }
}

const SELECTORS: &str = r#"[{"ReadWriteType":"All","IncludeManagementEvents":true}]"#;

const REDUCED: &str = r#"print(cloudtrail.get_event_selectors(TrailName=name))
everything = {"ReadWriteType": "All", "IncludeManagementEvents": True}
cloudtrail.put_event_selectors(TrailName=name, EventSelectors=[everything])
"#;

/// Settings that a security trail should have.
const FLAGS: [&str; 3] =
    ["--is-multi-region-trail", "--include-global-service-events", "--enable-log-file-validation"];

/// Returns the command with all of these settings.
fn with_flags(names: &Names, operation: &str) -> Vec<String> {
    let options = [("name", names.trail.as_str()), ("s3-bucket-name", "BUCKET")];
    let mut arguments = command(names, operation, options);
    let region = arguments.pop();
    arguments.into_iter().chain(FLAGS.map(str::to_owned)).chain(region).collect()
}

fn changed(names: &Names) -> Advice {
    let name = [("name", names.trail.as_str())];
    Advice {
        title: "Give the trail back what was taken",
        console: "CloudTrail → Trails → the trail → General details → Edit",
        cli: vec![command(names, "get-trail", name), with_flags(names, "update-trail")],
        boto3: CHANGED.to_owned(),
        note: "The record tells what was set, not what was before: compare the first command's answer with the code that manages the trail, and give back only what differs. A bucket that is not yours has the files since.",
    }
}

const CHANGED: &str = r#"print(cloudtrail.get_trail(Name=name)["Trail"])
cloudtrail.update_trail(
    Name=name,
    S3BucketName="BUCKET",
    IsMultiRegionTrail=True,
    IncludeGlobalServiceEvents=True,
    EnableLogFileValidation=True,
)
"#;

fn deleted(names: &Names) -> Advice {
    let name = [("name", names.trail.as_str())];
    Advice {
        title: "Turn CloudTrail on everywhere, with log-file validation",
        console: "CloudTrail → Trails → Create trail; Enable for all accounts in my organization; Log file validation: Enabled",
        cli: vec![with_flags(names, "create-trail"), command(names, "start-logging", name)],
        boto3: DELETED.to_owned(),
        note: "A trail that is created does not log until it is started, and the bucket's policy must let CloudTrail write.",
    }
}

const DELETED: &str = r#"cloudtrail.create_trail(
    Name=name,
    S3BucketName="BUCKET",
    IsMultiRegionTrail=True,
    IncludeGlobalServiceEvents=True,
    EnableLogFileValidation=True,
)
cloudtrail.start_logging(Name=name)
"#;
