//! Regions of AWS: their partitions, and the region in a queue's host.

use url::Url;

use super::diagnostic::did_you_mean;

/// A partition: the prefix of its regions (empty: any other), the domains of its endpoints (IPv4
/// and dual-stack), and the region in whose log files the events of IAM are.
type Partition = (&'static str, [&'static str; 2], &'static str);

/// Sources: botocore's `partitions.json` (`regionRegex`, `dnsSuffix`, `dualStackDnsSuffix`) and
/// `endpoints.json` (`partitionEndpoint` of `iam`); AWS `CloudTrail` User Guide, "Global service
/// events".
const PARTITIONS: [Partition; 8] = [
    ("cn-", ["amazonaws.com.cn", "api.amazonwebservices.com.cn"], "cn-north-1"),
    ("us-gov-", ["amazonaws.com", "api.aws"], "us-gov-west-1"),
    ("us-iso-", ["c2s.ic.gov", "api.aws.ic.gov"], "us-iso-east-1"),
    ("us-isob-", ["sc2s.sgov.gov", "api.aws.scloud"], "us-isob-east-1"),
    ("us-isof-", ["csp.hci.ic.gov", "api.aws.hci.ic.gov"], "us-isof-south-1"),
    ("eu-isoe-", ["cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"], "eu-isoe-west-1"),
    ("eusc-de-", ["amazonaws.eu", "api.amazonwebservices.eu"], "eusc-de-east-1"),
    ("", ["amazonaws.com", "api.aws"], "us-east-1"),
];

/// Regions in December 2026, for suggestions: a region that is not among them may be a new one.
#[rustfmt::skip]
pub(super) const REGIONS: [&str; 46] = [
    "us-east-1", "us-east-2", "us-west-1", "us-west-2", "af-south-1", "ap-east-1", "ap-east-2",
    "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2",
    "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5",
    "ap-southeast-6", "ap-southeast-7", "ca-central-1", "ca-west-1", "eu-central-1",
    "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2",
    "eu-west-3", "il-central-1", "me-central-1", "me-south-1", "mx-central-1", "sa-east-1",
    "us-gov-east-1", "us-gov-west-1", "cn-north-1", "cn-northwest-1", "us-iso-east-1",
    "us-iso-west-1", "us-isob-east-1", "us-isob-west-1", "us-isof-east-1", "us-isof-south-1",
    "eu-isoe-west-1", "eusc-de-east-1",
];

/// Returns the partition of a region: as the AWS SDK, which asks the commercial partition for a
/// region of none.
fn partition(region: &str) -> &'static Partition {
    let [others @ .., commercial] = &PARTITIONS;
    let is_of = |(prefix, ..): &&Partition| {
        region.strip_prefix(prefix).is_some_and(|rest| rest.matches('-').count() == 1)
    };
    others.iter().find(is_of).unwrap_or(commercial)
}

/// Returns the region in whose log files the events of IAM are, for a queue in `region`: IAM is one
/// service per partition.
pub(super) fn iam_region(region: &str) -> &'static str {
    partition(region).2
}

/// Returns whether `region` is one of the partition that `own` is in. What a message or a response
/// names may be forged: a request to another partition would carry credentials there.
pub(crate) fn is_in_partition_of(own: &str, region: &str) -> bool {
    is_region(region) && partition(region) == partition(own)
}

/// Returns the endpoint that the AWS SDK asks for the queues of a region.
pub(super) fn queue_endpoint(region: &str, fips: bool, dual_stack: bool) -> Option<Url> {
    let (_, [ipv4, both], _) = partition(region);
    let (service, domain) =
        (if fips { "sqs-fips" } else { "sqs" }, if dual_stack { both } else { ipv4 });
    Url::parse(&format!("https://{service}.{region}.{domain}")).ok()
}

/// Returns what a queue's host has in the place of a region, and its domain, if AWS serves it:
/// `sqs.REGION.DOMAIN`, `sqs-fips.REGION.DOMAIN`, `vpce-….sqs.REGION.vpce.DOMAIN`, and the legacy
/// `REGION.queue.DOMAIN` and `queue.amazonaws.com`, which is us-east-1.
///
/// Source: AWS General Reference, "Amazon SQS endpoints and quotas".
fn region_in_host(host: &str) -> Option<(&str, &'static str)> {
    let domains = PARTITIONS.iter().flat_map(|(_, domains, _)| *domains);
    let (service, domain) = domains
        .filter_map(|domain| Some((host.strip_suffix(domain)?.strip_suffix('.')?, domain)))
        .min_by_key(|(service, _)| service.len())?;
    let parts: Vec<&str> = service.split('.').collect();
    match parts[..] {
        ["queue"] if domain == "amazonaws.com" => Some(("us-east-1", domain)),
        [region, "queue"]
        | ["sqs" | "sqs-fips", region]
        | [_, "sqs" | "sqs-fips", region, "vpce"] => Some((region, domain)),
        _ => None,
    }
}

/// Returns the region that a queue's host contains, if AWS serves it.
pub(super) fn region_of_queue(url: &Url) -> Option<String> {
    let (region, domain) = region_in_host(url.host_str()?)?;
    let is_served = is_region(region) && partition(region).1.contains(&domain);
    is_served.then(|| region.to_owned())
}

/// Returns what is wrong with a queue's host of AWS that contains no region which AWS serves there.
pub(super) fn fault_of_queue_host(url: &Url) -> Option<String> {
    let (region, domain) = region_in_host(url.host_str()?)?;
    if !is_region(region) {
        return Some(format!("the host contains no region{}", did_you_mean(region, REGIONS)));
    }
    let domains = partition(region).1;
    (!domains.contains(&domain))
        .then(|| format!("this region's queues are at sqs.{region}.{}", domains[0]))
}

/// Returns whether it is a legacy host of a queue: the SDK asks its successor.
pub(super) fn is_legacy_queue(url: &Url) -> bool {
    url.host_str().is_some_and(|host| host.starts_with("queue.") || host.contains(".queue."))
}

/// Returns whether it is written like a region: `us-east-1`, `us-gov-west-1`, `ap-southeast-2`.
pub(super) fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    // It becomes a part of a host's name.
    text.len() <= 63
        && words.len() >= 2
        && words.iter().all(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase()))
        && !number.is_empty()
        && number.chars().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_read_from_every_kind_of_queue_host() {
        for (host, region) in [
            ("sqs.us-east-1.amazonaws.com", Some("us-east-1")),
            ("sqs.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("sqs-fips.us-gov-west-1.amazonaws.com", Some("us-gov-west-1")),
            ("sqs.us-gov-east-1.api.aws", Some("us-gov-east-1")),
            ("sqs.us-iso-east-1.c2s.ic.gov", Some("us-iso-east-1")),
            ("sqs.us-isob-east-1.sc2s.sgov.gov", Some("us-isob-east-1")),
            ("sqs.us-isof-south-1.csp.hci.ic.gov", Some("us-isof-south-1")),
            ("sqs.eu-isoe-west-1.cloud.adc-e.uk", Some("eu-isoe-west-1")),
            ("sqs.eusc-de-east-1.amazonaws.eu", Some("eusc-de-east-1")),
            ("sqs.eu-west-1.api.aws", Some("eu-west-1")),
            ("sqs.cn-north-1.api.amazonwebservices.com.cn", Some("cn-north-1")),
            ("sqs.us-iso-east-1.api.aws.ic.gov", Some("us-iso-east-1")),
            ("vpce-0a1b-us-east-1a.sqs.us-east-1.vpce.amazonaws.com", Some("us-east-1")),
            ("SQS.EU-WEST-1.AMAZONAWS.COM", Some("eu-west-1")),
            ("vpce-0a1.sqs.us-east-2.vpce.amazonaws.com", Some("us-east-2")),
            ("vpce-0a1.sqs.us-iso-east-1.vpce.c2s.ic.gov", Some("us-iso-east-1")),
            ("us-west-2.queue.amazonaws.com", Some("us-west-2")),
            ("us-isob-east-1.queue.sc2s.sgov.gov", Some("us-isob-east-1")),
            ("queue.amazonaws.com", Some("us-east-1")),
            ("cn-north-1.queue.amazonaws.com.cn", Some("cn-north-1")),
            ("us-iso-east-1.queue.c2s.ic.gov", Some("us-iso-east-1")),
            ("us-isof-east-1.queue.csp.hci.ic.gov", Some("us-isof-east-1")),
            ("eu-isoe-west-1.queue.cloud.adc-e.uk", Some("eu-isoe-west-1")),
            ("eusc-de-east-1.queue.amazonaws.eu", Some("eusc-de-east-1")),
            ("sqs.eusc-de-east-1.api.amazonwebservices.eu", Some("eusc-de-east-1")),
            ("sqs-fips.us-gov-west-1.api.aws", Some("us-gov-west-1")),
            ("vpce-0a1.sqs.eusc-de-east-1.vpce.amazonaws.eu", Some("eusc-de-east-1")),
            ("vpce-0a1.sqs-fips.us-east-1.vpce.amazonaws.com", Some("us-east-1")),
            ("queue.amazonaws.com.cn", None),
            ("queue.amazonaws.eu", None),
            ("sqs.us-east-1.amazonaws.eu", None),
            ("sqs.cn-north-1.amazonaws.com", None),
            ("sqs.eusc-de-east-1.amazonaws.com", None),
            ("sqs.eu-west1.amazonaws.com", None),
            ("localhost:4566", None),
            ("sqs.us-east-1.localhost.localstack.cloud", None),
            ("sqs.us-east-1.evilamazonaws.com", None),
            ("queue.example.com", None),
        ] {
            let url = Url::parse(&format!("https://{host}/111122223333/q")).unwrap();
            assert_eq!(region_of_queue(&url).as_deref(), region, "{host}");
        }
    }

    #[test]
    fn a_mistyped_or_foreign_region_in_a_queue_host_is_named() {
        for (host, fault) in [
            ("sqs.eu-west1.amazonaws.com", Some("no region; did you mean `eu-west-1`?")),
            ("sqs.us-east-1.amazonaws.eu", Some("are at sqs.us-east-1.amazonaws.com")),
            ("sqs.cn-north-1.amazonaws.com", Some("are at sqs.cn-north-1.amazonaws.com.cn")),
            ("sqs.eusc-de-east-1.amazonaws.com", Some("are at sqs.eusc-de-east-1.amazonaws.eu")),
            ("sqs.us-iso-east-1.sc2s.sgov.gov", Some("are at sqs.us-iso-east-1.c2s.ic.gov")),
            ("sqs.us-east-1.amazonaws.com", None),
            ("queue.amazonaws.com.cn", None),
            ("localhost", None),
        ] {
            let url = Url::parse(&format!("https://{host}/111122223333/q")).unwrap();
            let found = fault_of_queue_host(&url);
            let ends = fault.is_none_or(|fault| found.as_deref().unwrap().ends_with(fault));
            assert!(ends && found.is_some() == fault.is_some(), "{host}: {found:?}");
        }
    }

    #[test]
    fn only_regions_of_the_own_partition_are_trusted() {
        let regions = [
            ["us-east-1", "ap-southeast-9"],
            ["cn-north-1", "cn-northwest-1"],
            ["us-gov-west-1", "us-gov-east-1"],
            ["us-iso-east-1", "us-iso-west-1"],
            ["us-isob-east-1", "us-isob-west-1"],
            ["us-isof-south-1", "us-isof-east-1"],
            ["eu-isoe-west-1", "eu-isoe-west-2"],
            ["eusc-de-east-1", "eusc-de-west-1"],
        ];
        for (at, [own, sibling]) in regions.into_iter().enumerate() {
            assert!(is_in_partition_of(own, sibling), "{own} {sibling}");
            let others = regions.iter().enumerate().filter(|(other, _)| *other != at);
            for region in others.flat_map(|(_, regions)| regions) {
                assert!(!is_in_partition_of(own, region), "{own} {region}");
            }
        }
        // The SDK asks the commercial partition for a region of no partition.
        for region in ["cn-a-b-1", "us-gov-a-b-1", "us-isoz-east-1", "eusc-xx-east-1"] {
            assert!(!is_in_partition_of("cn-north-1", region), "{region}");
        }
        let long = format!("us-{}-1", "a".repeat(63));
        for text in ["", "EU", "us-east-1\r\nHost: x", "us-east-1.example.com", "aws-global", &long]
        {
            assert!(!is_in_partition_of("us-east-1", text), "{text}");
        }
    }

    #[test]
    fn iam_logs_in_one_region_of_each_partition() {
        for (region, iam) in [
            ("eu-west-1", "us-east-1"),
            ("us-gov-east-1", "us-gov-west-1"),
            ("cn-northwest-1", "cn-north-1"),
            ("us-iso-west-1", "us-iso-east-1"),
            ("us-isob-east-1", "us-isob-east-1"),
            ("us-isof-east-1", "us-isof-south-1"),
            ("eu-isoe-west-1", "eu-isoe-west-1"),
            ("eusc-de-east-1", "eusc-de-east-1"),
        ] {
            assert_eq!(iam_region(region), iam, "{region}");
        }
    }

    #[test]
    fn regions_have_words_and_a_number() {
        for text in ["us-east-1", "us-gov-west-1", "ap-southeast-2", "mx-central-1"] {
            assert!(is_region(text), "{text}");
        }
        assert!(REGIONS.into_iter().all(is_region));
        for text in ["us-east", "useast1", "US-EAST-1", "us-east-1a", "-1", ""] {
            assert!(!is_region(text), "{text}");
        }
    }
}
