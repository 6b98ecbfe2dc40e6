//! The region that a queue URL names, so that nobody has to configure it twice.

use url::Url;

/// The region in a queue URL's host; `None` where the host is not AWS's (a stand-in, a proxy).
///
/// Known forms: `sqs.<region>.amazonaws.com` in all partitions, dual-stack and FIPS hosts,
/// VPC endpoints (`vpce-….sqs.<region>.vpce.amazonaws.com`), and the legacy
/// `<region>.queue.amazonaws.com`, which without a region means `us-east-1`.
/// Source: AWS General Reference, "Amazon SQS endpoints"; SQS Developer Guide, "Amazon VPC endpoints".
#[must_use]
pub fn region_of(queue_url: &Url) -> Option<String> {
    let host = queue_url.host_str()?.to_ascii_lowercase();
    let labels: Vec<&str> = host.split('.').collect();
    let service = labels.iter().rposition(|label| matches!(*label, "sqs" | "sqs-fips"));
    if let Some(region) = service.and_then(|at| labels.get(at + 1)) {
        return is_region(region).then(|| (*region).to_owned());
    }
    match labels.as_slice() {
        ["queue", "amazonaws", "com"] => Some("us-east-1".to_owned()),
        [region, "queue", "amazonaws", ..] if is_region(region) => Some((*region).to_owned()),
        _ => None,
    }
}

/// Letters, at least one more word, and a number: `us-east-1`, `us-gov-west-1`, `us-isob-east-1`.
fn is_region(label: &str) -> bool {
    let words: Vec<&str> = label.split('-').collect();
    let Some((number, words)) = words.split_last() else { return false };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number
        && words.len() >= 2
        && words
            .iter()
            .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_queue_url_names_its_region() {
        for (host, region) in [
            ("sqs.us-east-1.amazonaws.com", Some("us-east-1")),
            ("sqs.us-gov-west-1.amazonaws.com", Some("us-gov-west-1")),
            ("sqs-fips.us-east-2.amazonaws.com", Some("us-east-2")),
            ("sqs.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("sqs.us-iso-east-1.c2s.ic.gov", Some("us-iso-east-1")),
            ("sqs.us-isob-east-1.sc2s.sgov.gov", Some("us-isob-east-1")),
            ("sqs.eu-west-1.api.aws", Some("eu-west-1")),
            ("sqs.cn-north-1.api.amazonwebservices.com.cn", Some("cn-north-1")),
            ("vpce-0a1b2c-3d4e.sqs.eu-west-1.vpce.amazonaws.com", Some("eu-west-1")),
            ("vpce-0a1b2c-3d4e-us-east-1a.sqs.us-east-1.vpce.amazonaws.com", Some("us-east-1")),
            ("SQS.EU-WEST-1.AMAZONAWS.COM", Some("eu-west-1")),
            ("eu-central-1.queue.amazonaws.com", Some("eu-central-1")),
            ("queue.amazonaws.com", Some("us-east-1")),
            ("sqs.eu-west-1.localhost.localstack.cloud:4566", Some("eu-west-1")),
            ("127.0.0.1:9324", None),
            ("localhost:4566", None),
            ("sqs.example.com", None),
            ("elasticmq:9324", None),
        ] {
            let url = Url::parse(&format!("https://{host}/111122223333/objects")).expect(host);
            assert_eq!(region_of(&url).as_deref(), region, "{host}");
        }
    }
}
