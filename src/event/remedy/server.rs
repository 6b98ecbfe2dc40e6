//! Remedies for server certificates.

use super::names::words;
use super::quote::{jmespath, option};
use super::{Advice, Names, python};

pub(super) fn find_uses(names: &Names) -> Advice {
    let fate = Fate::of(names);
    let id = jmespath(&names.server_certificate_id);
    let new_arn = names.new_arn.as_ref().filter(|_| fate == Fate::Renamed);
    let arns: Vec<_> = std::iter::once(&names.server_certificate_arn).chain(new_arn).collect();
    let any = |field: &str| {
        let each = arns.iter().map(|arn| format!("{field}=={}", jmespath(arn)));
        each.collect::<Vec<_>>().join(" || ")
    };
    let classic = format!(
        "LoadBalancerDescriptions[?ListenerDescriptions[?{}]].LoadBalancerName",
        any("Listener.SSLCertificateId")
    );
    let served = format!("Certificates[?{}].CertificateArn", any("CertificateArn"));
    let distributions =
        format!("DistributionList.Items[?ViewerCertificate.IAMCertificateId=={id}].Id");
    Advice {
        title: "Find what uses the server certificate",
        console: "EC2 → Load balancers → Listeners, in every region; CloudFront → Distributions → General → Custom SSL certificate",
        cli: [
            fate.look_up(names),
            vec![
                words(["elb", "describe-load-balancers"], vec![option("query", &classic)]),
                words(
                    ["elbv2", "describe-load-balancers"],
                    vec![option("query", "LoadBalancers[].LoadBalancerArn")],
                ),
                words(
                    ["elbv2", "describe-listeners"],
                    vec![
                        option("load-balancer-arn", "LOAD_BALANCER_ARN"),
                        option("query", "Listeners[?Certificates].ListenerArn"),
                    ],
                ),
                words(
                    ["elbv2", "describe-listener-certificates"],
                    vec![option("listener-arn", "LISTENER_ARN"), option("query", &served)],
                ),
                words(["cloudfront", "list-distributions"], vec![option("query", &distributions)]),
            ],
        ]
        .concat(),
        boto3: format!(
            "arns, id = [{}], {}\n{FIND_USES}",
            arns.iter().map(|arn| python(arn)).collect::<Vec<_>>().join(", "),
            python(&names.server_certificate_id),
        ),
        mind: fate.mind(),
    }
}

/// What became of the server certificate, and so under which name it can be asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    Renamed,
    Deleted,
}

impl Fate {
    fn of(names: &Names) -> Self {
        match names.done.as_deref() {
            Some("UpdateServerCertificate") => Self::Renamed,
            Some("DeleteServerCertificate") => Self::Deleted,
            _ => Self::Stays,
        }
    }

    /// Its id, which CloudFront goes by.
    fn look_up(self, names: &Names) -> Vec<Vec<String>> {
        let name = match self {
            Self::Stays => &names.server_certificate,
            Self::Renamed => &names.new_name,
            Self::Deleted => return Vec::new(),
        };
        let name = option("server-certificate-name", name);
        vec![words(["iam", "get-server-certificate"], vec![name])]
    }

    fn mind(self) -> &'static str {
        match self {
            Self::Stays => {
                "Load balancers are regional: ask in every region in use. CloudFront names the certificate by id, load balancers by ARN."
            }
            Self::Renamed => {
                "Load balancers are regional: ask in every region in use. CloudFront names the certificate by id, which a rename keeps, load balancers by ARN: the old one and the new one are asked for. The old name may be another certificate's by now."
            }
            Self::Deleted => {
                "Load balancers are regional: ask in every region in use. The certificate is gone, so its id must come from an earlier event of the same name; CloudFront names it by that, load balancers by ARN."
            }
        }
    }
}

const FIND_USES: &str = r#"regions = [region["RegionName"] for region in boto3.client("ec2").describe_regions()["Regions"]]
for region in regions:
    for page in boto3.client("elb", region_name=region).get_paginator("describe_load_balancers").paginate():
        for balancer in page["LoadBalancerDescriptions"]:
            for listener in balancer["ListenerDescriptions"]:
                if listener["Listener"].get("SSLCertificateId") in arns:
                    print(region, balancer["LoadBalancerName"], listener["Listener"]["LoadBalancerPort"])
    elbv2 = boto3.client("elbv2", region_name=region)
    for page in elbv2.get_paginator("describe_load_balancers").paginate():
        for balancer in page["LoadBalancers"]:
            for listeners in elbv2.get_paginator("describe_listeners").paginate(LoadBalancerArn=balancer["LoadBalancerArn"]):
                for listener in listeners["Listeners"]:
                    if not listener.get("Certificates"):
                        continue
                    # those for further names (SNI) among them
                    for served in elbv2.get_paginator("describe_listener_certificates").paginate(ListenerArn=listener["ListenerArn"]):
                        if any(one["CertificateArn"] in arns for one in served["Certificates"]):
                            print(region, balancer["LoadBalancerName"], listener["Port"])
for page in boto3.client("cloudfront").get_paginator("list_distributions").paginate():
    for distribution in page["DistributionList"].get("Items", []):
        if distribution["ViewerCertificate"].get("IAMCertificateId") == id:
            print("cloudfront", distribution["Id"], distribution["DomainName"])
"#;

pub(super) fn delete(names: &Names) -> Advice {
    let name = || option("server-certificate-name", &names.server_certificate);
    Advice {
        title: "Delete the server certificate",
        console: "None: the console does not manage server certificates in IAM",
        cli: vec![
            words(["iam", "get-server-certificate"], vec![name()]),
            words(["iam", "delete-server-certificate"], vec![name()]),
        ],
        boto3: format!(
            "iam = boto3.client(\"iam\")\n\
             print(iam.get_server_certificate(ServerCertificateName={name}))\n\
             iam.delete_server_certificate(ServerCertificateName={name})\n",
            name = python(&names.server_certificate),
        ),
        mind: "Find and move its uses first. A certificate in use answers DeleteConflict where AWS knows of the use, and an outage where it does not.",
    }
}

pub(super) fn roll_back(names: &Names) -> Advice {
    // A name that was kept would be refused as taken.
    let old_name = Some(&names.server_certificate).filter(|old| **old != names.new_name);
    let mut rest = vec![option("server-certificate-name", &names.new_name)];
    rest.extend(old_name.map(|name| option("new-server-certificate-name", name)));
    rest.extend(names.path.iter().map(|path| option("new-path", path)));
    let argument = |name: &str, value: &String| format!(", {name}={}", python(value));
    let old = old_name.map(|old| argument("NewServerCertificateName", old)).unwrap_or_default();
    let path = names.path.as_ref().map(|path| argument("NewPath", path)).unwrap_or_default();
    Advice {
        title: "Give the server certificate its old name and path",
        console: "None: the console does not manage server certificates in IAM",
        cli: vec![words(["iam", "update-server-certificate"], rest)],
        boto3: format!(
            "iam = boto3.client(\"iam\")\n\
             iam.update_server_certificate(ServerCertificateName={}{old}{path})\n",
            python(&names.new_name),
        ),
        mind: "The record does not state the old path: look it up in an earlier event of the same certificate. The id survives a rename, the ARN does not.",
    }
}
