//! Parses object keys, so that digest files, insights and other services' files are not downloaded.

/// The kind of object that a key names, decided by path segments, never by substrings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyKind {
    /// A log file, in CloudTrail's layout.
    Log(LogKey),
    /// `CloudTrail-Digest`: shows that the account's trail is active; nothing to deliver.
    Digest(LogKey),
    /// `CloudTrail-Insight`.
    Insight,
    /// A folder marker (`…/`).
    Folder,
    /// Another service's segment of the layout (`Config`, `elasticloadbalancing` …), and not the
    /// name of a log file.
    OtherService(String),
    /// No known layout, such as a copy: its content has to be read.
    Unknown,
}

/// The parts of a log or digest key. Not proof of identity: a record names its own account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogKey {
    /// Account id in the path.
    pub account: String,
    /// CloudTrail region in the path.
    pub region: String,
}

impl KeyKind {
    /// Parses a decoded key: plain, organisation (`o-…`) and Control Tower layouts.
    /// Source: AWS CloudTrail User Guide, "Finding your CloudTrail log files".
    #[must_use]
    pub fn of(key: &str) -> Self {
        if key.ends_with('/') {
            return Self::Folder;
        }
        let segments: Vec<&str> = key.split('/').collect();
        // A custom prefix may contain anything, even `AWSLogs`: the last layout counts.
        let layout = (0..segments.len()).rev().find_map(|at| layout(&segments[at..]));
        let Some((account, service, rest)) = layout else { return Self::Unknown };
        match service {
            "CloudTrail" => log_key(account, rest).map_or(Self::Unknown, Self::Log),
            "CloudTrail-Digest" => log_key(account, rest).map_or(Self::Unknown, Self::Digest),
            "CloudTrail-Insight" => Self::Insight,
            _ if LogFileName::of(key).is_some() => Self::Unknown,
            other => Self::OtherService(other.to_owned()),
        }
    }
}

/// The parts of the name of a log file, `ACCOUNT_CloudTrail_REGION_YYYYMMDDTHHMMZ_….json.gz`, which
/// copies keep in any folder.
/// Source: AWS CloudTrail User Guide, "CloudTrail log file examples", "Log file name format".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogFileName<'k> {
    /// Account id.
    pub account: &'k str,
    /// CloudTrail region.
    pub region: &'k str,
    /// When the file was written: `YYYYMMDDTHHMMZ`.
    pub time: &'k str,
}

impl<'k> LogFileName<'k> {
    /// Parses the last segment of a key or path.
    #[must_use]
    pub fn of(key: &'k str) -> Option<Self> {
        let mut parts = key.rsplit('/').next()?.split('_');
        let (account, kind) = (parts.next()?, parts.next()?);
        let (region, time) = (parts.next()?, parts.next()?);
        let is_time = time.len() == 14
            && time.bytes().enumerate().all(|(at, byte)| match at {
                8 => byte == b'T',
                13 => byte == b'Z',
                _ => byte.is_ascii_digit(),
            });
        (is_account(account) && kind == "CloudTrail" && is_region(region) && is_time)
            .then_some(Self { account, region, time })
    }
}

/// Parses `AWSLogs/[o-…/]<account>/<service>/…` into the account, the service, and what follows.
fn layout<'k, 's>(segments: &'s [&'k str]) -> Option<(&'k str, &'k str, &'s [&'k str])> {
    let (&"AWSLogs", rest) = segments.split_first()? else { return None };
    let rest = match rest.split_first()? {
        (organisation, rest) if is_organisation(organisation) => rest,
        _ => rest,
    };
    match rest {
        [account, service, rest @ ..] if is_account(account) && !rest.is_empty() => {
            Some((account, service, rest))
        }
        _ => None,
    }
}

/// Parses `<region>/YYYY/MM/DD/<file>`.
fn log_key(account: &str, rest: &[&str]) -> Option<LogKey> {
    let [region, year, month, day, file] = rest else { return None };
    let numeric = |text: &str, digits| text.len() == digits && is_digits(text);
    let dated = numeric(year, 4) && numeric(month, 2) && numeric(day, 2);
    (is_region(region) && dated && !file.is_empty())
        .then(|| LogKey { account: account.to_owned(), region: (*region).to_owned() })
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns whether a segment is an account id.
#[must_use]
pub fn is_account(segment: &str) -> bool {
    segment.len() == 12 && is_digits(segment)
}

/// Returns whether a segment is `o-` and 10 to 32 lower-case letters or digits.
/// Source: AWS Organizations API Reference, `Organization`, field `Id`.
fn is_organisation(segment: &str) -> bool {
    segment.strip_prefix("o-").is_some_and(|id| {
        (10..=32).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

/// Returns whether a segment may be a region.
#[must_use]
pub fn is_region(segment: &str) -> bool {
    segment.contains('-')
        && segment.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "111122223333_CloudTrail_us-east-1_20260801T0000Z_abc.json.gz";

    fn log() -> KeyKind {
        KeyKind::Log(LogKey { account: "111122223333".into(), region: "us-east-1".into() })
    }

    #[test]
    fn log_files_are_recognised_in_every_aws_layout() {
        for prefix in [
            "AWSLogs/111122223333",
            "trails/prod/AWSLogs/111122223333",
            "AWSLogs/o-exampleorg1/111122223333",
            "my-prefix/AWSLogs/o-exampleorg1/111122223333",
            "o-exampleorg1/AWSLogs/o-exampleorg1/111122223333",
            "o-exampleorg1/AWSLogs/111122223333",
            // Custom prefixes that look like the layout.
            "CloudTrail/AWSLogs/111122223333",
            "CloudTrail-Digest/AWSLogs/111122223333",
            "AWSLogs/AWSLogs/111122223333",
            "AWSLogs/444455556666/Config/AWSLogs/111122223333",
        ] {
            let key = format!("{prefix}/CloudTrail/us-east-1/2026/08/01/{FILE}");
            assert_eq!(KeyKind::of(&key), log(), "{key}");
        }
    }

    #[test]
    fn digests_insights_and_other_services_are_recognised_by_segment() {
        let digest = LogKey { account: "111122223333".into(), region: "us-gov-west-1".into() };
        let table = [
            (
                "AWSLogs/111122223333/CloudTrail-Digest/us-gov-west-1/2026/08/01/d.json.gz",
                KeyKind::Digest(digest.clone()),
            ),
            (
                "p/AWSLogs/o-exampleorg1/111122223333/CloudTrail-Digest/us-gov-west-1/2026/08/01/CloudTrail",
                KeyKind::Digest(digest),
            ),
            (
                "AWSLogs/111122223333/CloudTrail-Insight/us-east-1/2026/08/01/i.json.gz",
                KeyKind::Insight,
            ),
            (
                "AWSLogs/111122223333/Config/us-east-1/2026/8/1/ConfigHistory/c.json.gz",
                KeyKind::OtherService("Config".into()),
            ),
            (
                "CloudTrail/AWSLogs/111122223333/elasticloadbalancing/us-east-1/2026/08/01/e.log",
                KeyKind::OtherService("elasticloadbalancing".into()),
            ),
            (
                "AWSLogs/111122223333/CloudTrail-Aggregated/us-east-1/2026/08/01/a.json.gz",
                KeyKind::OtherService("CloudTrail-Aggregated".into()),
            ),
        ];
        for (key, kind) in table {
            assert_eq!(KeyKind::of(key), kind, "{key}");
        }
    }

    #[test]
    fn a_name_of_a_log_file_is_parsed_in_every_folder_and_never_another_service() {
        for folder in [
            "AWSLogs/111122223333/us-east-1/2026/08/01/",
            "AWSLogs/o-exampleorg1/111122223333/us-east-1/",
            "AWSLogs/111122223333/2026/08/01/",
            "AWSLogs/111122223333/cloudtrail/us-east-1/2026/08/01/",
            "AWSLogs/111122223333/CloudTrail-copy/us-east-1/2026/08/01/",
            "AWSLogs/111122223333/Config/",
            "evidence/",
            "",
        ] {
            let key = format!("{folder}{FILE}");
            let (account, region, time) = ("111122223333", "us-east-1", "20260801T0000Z");
            assert_eq!(LogFileName::of(&key), Some(LogFileName { account, region, time }), "{key}");
            assert_eq!(KeyKind::of(&key), KeyKind::Unknown, "{key}");
        }
        for name in [
            "111122223333_CloudTrail-Digest_us-east-1_trail_us-east-1_20260801T000000Z.json.gz",
            "111122223333_CloudTrail-Insight_us-east-1_20260801T0000Z_abc.json.gz",
            "111122223333_Config_us-east-1_ConfigHistory_AWS::S3::Bucket_20260801T000000Z_1.json.gz",
            "111122223333_elasticloadbalancing_us-east-1_app.web.1_20260801T0000Z_x.log.gz",
            "111122223333_CloudTrail_us-east-1_20260801T000000Z_abc.json.gz",
            "11112222333_CloudTrail_us-east-1_20260801T0000Z_abc.json.gz",
            "111122223333_CloudTrail_US_20260801T0000Z_abc.json.gz",
            "111122223333_CloudTrail_us-east-1",
            "",
        ] {
            let key = format!("AWSLogs/111122223333/copies/{name}");
            assert_eq!(LogFileName::of(&key), None, "{key}");
            let is_other = matches!(KeyKind::of(&key), KeyKind::OtherService(_) | KeyKind::Folder);
            assert!(is_other, "{key}");
        }
    }

    #[test]
    fn folder_markers_are_not_unknown_keys() {
        for key in ["AWSLogs/111122223333/CloudTrail/", "a/", "/"] {
            assert_eq!(KeyKind::of(key), KeyKind::Folder, "{key}");
        }
        for key in [
            "",
            "copy.json.gz",
            "AWSLogs",
            "AWSLogs/111122223333",
            "AWSLogs/111122223333/CloudTrail",
            "AWSLogs/111122223333/CloudTrail/file.json.gz",
            "AWSLogs/11112222333/CloudTrail/us-east-1/2026/08/01/f.json.gz",
            "AWSLogs/o-EXAMPLEORG1/111122223333/CloudTrail/us-east-1/2026/08/01/f.json.gz",
            "awslogs/111122223333/CloudTrail/us-east-1/2026/08/01/f.json.gz",
            "AWSLogs/111122223333/CloudTrail/us-east-1/2026/8/1/f.json.gz",
            "AWSLogs/111122223333/CloudTrail/US/2026/08/01/f.json.gz",
        ] {
            assert_eq!(KeyKind::of(key), KeyKind::Unknown, "{key}");
        }
    }

    #[test]
    fn regions_of_all_partitions_are_parsed() {
        for region in
            ["us-east-1", "us-gov-west-1", "cn-north-1", "us-iso-east-1", "eusc-de-east-1"]
        {
            let key = format!("AWSLogs/111122223333/CloudTrail/{region}/2026/08/01/f.json.gz");
            let KeyKind::Log(log) = KeyKind::of(&key) else { panic!("{key}") };
            assert_eq!(log.region, region);
        }
    }
}
