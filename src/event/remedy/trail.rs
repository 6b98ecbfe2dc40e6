//! Remedies for a trail that was stopped, narrowed or deleted: what was taken is given back, by the trail's own name and
//! in its own region, outside of which CloudTrail does not find it by name.

use super::names::words;
use super::quote::option;
use super::{Advice, Names, python};

pub(super) fn restore(names: &Names) -> Advice {
    let form = match names.done.as_deref() {
        Some("StopLogging") => stopped(names),
        Some("PutEventSelectors") => narrowed(names),
        Some("UpdateTrail") => changed(names),
        _ => deleted(names),
    };
    let Names { partition, account, trail, trail_region, .. } = names;
    let arn = format!("arn:{partition}:cloudtrail:{trail_region}:{account}:trail/{trail}");
    let after = [
        command(names, "get-trail-status", vec![option("name", trail)]),
        command(
            names,
            "validate-logs",
            vec![option("trail-arn", &arn), option("start-time", "BEGINNING")],
        ),
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

fn command(names: &Names, operation: &str, mut rest: Vec<String>) -> Vec<String> {
    rest.push(option("region", &names.trail_region));
    words(["cloudtrail", operation], rest)
}

fn stopped(names: &Names) -> Advice {
    Advice {
        title: "Start the trail again",
        console: "CloudTrail → Trails → the trail → Start logging",
        cli: vec![command(names, "start-logging", vec![option("name", &names.trail)])],
        boto3: "cloudtrail.start_logging(Name=name)\n".to_owned(),
        mind: "What happened in between is in no file of this trail: Event history has the management events of the last 90 days, region by region. The last command tells whether files from before were changed.",
    }
}

fn narrowed(names: &Names) -> Advice {
    let trail = || option("trail-name", &names.trail);
    Advice {
        title: "Have the trail record all management events again",
        console: "CloudTrail → Trails → the trail → Management events → Edit",
        cli: vec![
            command(names, "get-event-selectors", vec![trail()]),
            command(
                names,
                "put-event-selectors",
                vec![trail(), option("event-selectors", SELECTORS)],
            ),
        ],
        boto3: NARROWED.to_owned(),
        mind: "The new selectors replace all the old ones: keep the first command's answer, and add the data events that the trail is to record, or give advanced selectors back as such.",
    }
}

const SELECTORS: &str = r#"[{"ReadWriteType":"All","IncludeManagementEvents":true}]"#;

const NARROWED: &str = r#"print(cloudtrail.get_event_selectors(TrailName=name))
everything = {"ReadWriteType": "All", "IncludeManagementEvents": True}
cloudtrail.put_event_selectors(TrailName=name, EventSelectors=[everything])
"#;

/// What a trail should have that protects an account.
const FLAGS: [&str; 3] =
    ["--is-multi-region-trail", "--include-global-service-events", "--enable-log-file-validation"];

/// The trail with all of that.
fn in_full(names: &Names) -> Vec<String> {
    let place = [option("name", &names.trail), option("s3-bucket-name", "BUCKET")].into_iter();
    place.chain(FLAGS.map(str::to_owned)).collect()
}

fn changed(names: &Names) -> Advice {
    let name = || option("name", &names.trail);
    Advice {
        title: "Give the trail back what was taken",
        console: "CloudTrail → Trails → the trail → General details → Edit",
        cli: vec![
            command(names, "get-trail", vec![name()]),
            command(names, "update-trail", in_full(names)),
        ],
        boto3: CHANGED.to_owned(),
        mind: "The record tells what was set, not what was before: compare the first command's answer with the code that manages the trail, and give back only what differs. A bucket that is not yours has the files since.",
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
    let name = || option("name", &names.trail);
    Advice {
        title: "Turn CloudTrail on everywhere, with log-file validation",
        console: "CloudTrail → Trails → Create trail; Enable for all accounts in my organization; Log file validation: Enabled",
        cli: vec![
            command(names, "create-trail", in_full(names)),
            command(names, "start-logging", vec![name()]),
        ],
        boto3: DELETED.to_owned(),
        mind: "A trail that is created does not log until it is started, and the bucket's policy must let CloudTrail write.",
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
