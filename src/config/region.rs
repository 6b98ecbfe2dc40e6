//! Regions of AWS: their partitions, and the region in a queue's host.

use url::Url;

/// A partition: the prefix of its regions (empty: any other), the domains of its endpoints (IPv4
/// and dual-stack), and the region in whose log files the events of IAM are.
type Partition = (&'static str, [&'static str; 2], &'static str);

/// Sources: botocore's `partitions.json` (`dnsSuffix`, `dualStackDnsSuffix`) and `endpoints.json`
/// (`partitionEndpoint` of `iam`); AWS `CloudTrail` User Guide, "Global service events".
const PARTITIONS: [Partition; 8] = [
    ("cn-", ["amazonaws.com.cn", "api.amazonwebservices.com.cn"], "cn-north-1"),
    ("us-gov-", ["amazonaws.com", "api.aws"], "us-gov-west-1"),
    ("us-iso-", ["c2s.ic.gov", "api.aws.ic.gov"], "us-iso-east-1"),
    ("us-isob-", ["sc2s.sgov.gov", "api.aws.scloud"], "us-isob-east-1"),
    ("us-isof-", ["csp.hci.ic.gov", "api.aws.hci.ic.gov"], "us-isof-south-1"),
    ("eu-isoe-", ["cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"], "eu-isoe-west-1"),
    ("eusc-", ["amazonaws.eu", "api.amazonwebservices.eu"], "eusc-de-east-1"),
    ("", ["amazonaws.com", "api.aws"], "us-east-1"),
];

/// Returns the region in whose log files the events of IAM are, for a queue in `region`: IAM is one
/// service per partition.
pub(super) fn iam_region(region: &str) -> &'static str {
    let partition = PARTITIONS.iter().find(|(prefix, ..)| region.starts_with(prefix));
    partition.map_or("us-east-1", |(.., iam)| iam)
}

/// Returns the region that a queue's host contains, if AWS serves it: `sqs.REGION.DOMAIN`,
/// `sqs-fips.REGION.DOMAIN`, `vpce-….sqs.REGION.vpce.DOMAIN`, and the legacy `REGION.queue.DOMAIN`
/// and `queue.amazonaws.com`, which is us-east-1.
///
/// Source: AWS General Reference, "Amazon SQS endpoints and quotas".
pub(super) fn region_of_queue(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    let domains = PARTITIONS.iter().flat_map(|(_, domains, _)| domains);
    let service = domains
        .filter_map(|domain| host.strip_suffix(domain)?.strip_suffix('.'))
        .min_by_key(|service| service.len())?;
    let parts: Vec<&str> = service.split('.').collect();
    let region = match parts[..] {
        ["queue"] => "us-east-1",
        [region, "queue"] | ["sqs" | "sqs-fips", region] | [_, "sqs", region, "vpce"] => region,
        _ => return None,
    };
    is_region(region).then(|| region.to_owned())
}

/// Returns whether it is written like a region: `us-east-1`, `us-gov-west-1`, `ap-southeast-2`.
pub(super) fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    words.len() >= 2
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
        for text in ["us-east", "useast1", "US-EAST-1", "us-east-1a", "-1", ""] {
            assert!(!is_region(text), "{text}");
        }
    }
}
