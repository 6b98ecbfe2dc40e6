//! Remediations for signing certificates and server certificates.

use super::advice::{Advice, Names, aws};
use super::quote::{jmespath, python};

/// Returns the option `--user-name`, except for root.
fn user(names: &Names) -> impl Iterator<Item = (&str, &str)> {
    names.user.iter().map(|user| ("user-name", user.as_str()))
}

/// Returns `UserName=…`, except for root.
fn user_argument(names: &Names) -> String {
    names.user.as_ref().map(|user| format!("UserName={}", python(user))).unwrap_or_default()
}

pub(super) fn deactivate(names: &Names) -> Advice {
    let update = [("certificate-id", names.certificate_id.as_str()), ("status", "Inactive")];
    Advice {
        title: "Make the signing certificate inactive",
        console: "IAM → Users → the user → Security credentials → X.509 signing certificates → Actions → Deactivate",
        cli: vec![
            aws("iam list-signing-certificates", user(names)),
            aws("iam update-signing-certificate", user(names).chain(update)),
        ],
        boto3: format!(
            "iam = boto3.client(\"iam\")\n\
             for page in iam.get_paginator(\"list_signing_certificates\").paginate({user}):\n    \
                 for certificate in page[\"Certificates\"]:\n        \
                     print(certificate[\"CertificateId\"], certificate[\"Status\"], certificate[\"UploadDate\"])\n\
             iam.update_signing_certificate({user}{comma}CertificateId={id}, Status=\"Inactive\")\n",
            user = user_argument(names),
            comma = if names.user.is_some() { ", " } else { "" },
            id = python(&names.certificate_id),
        ),
        note: "Inactive first: it stops the credential and keeps the evidence. Root's are managed by root itself, or by a central `AssumeRoot` session.",
    }
}

pub(super) fn delete_signing(names: &Names) -> Advice {
    let options = user(names).chain([("certificate-id", names.certificate_id.as_str())]);
    Advice {
        title: "Delete the signing certificate",
        console: "IAM → Users → the user → Security credentials → X.509 signing certificates → Actions → Delete",
        cli: vec![aws("iam delete-signing-certificate", options)],
        boto3: format!(
            "iam = boto3.client(\"iam\")\niam.delete_signing_certificate({}{}CertificateId={})\n",
            user_argument(names),
            if names.user.is_some() { ", " } else { "" },
            python(&names.certificate_id),
        ),
        note: "Its body goes with it; list it first and keep the answer with the case.",
    }
}

pub(super) fn find_uses(names: &Names) -> Advice {
    let change = Change::of(names);
    let id = jmespath(&names.server_certificate_id);
    let new_arn = names.new_arn.as_ref().filter(|_| change == Change::Renamed);
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
    let listeners = [
        ("load-balancer-arn", "LOAD_BALANCER_ARN"),
        ("query", "Listeners[?Certificates].ListenerArn"),
    ];
    let certificates = [("listener-arn", "LISTENER_ARN"), ("query", served.as_str())];
    Advice {
        title: "Find what uses the server certificate",
        console: "EC2 → Load balancers → Listeners, in every region; CloudFront → Distributions → General → Custom SSL certificate",
        cli: [
            change.look_up(names),
            vec![
                aws("elb describe-load-balancers", [("query", classic.as_str())]),
                aws(
                    "elbv2 describe-load-balancers",
                    [("query", "LoadBalancers[].LoadBalancerArn")],
                ),
                aws("elbv2 describe-listeners", listeners),
                aws("elbv2 describe-listener-certificates", certificates),
                aws("cloudfront list-distributions", [("query", distributions.as_str())]),
            ],
        ]
        .concat(),
        boto3: format!(
            "arns, id = [{}], {}\n{FIND_USES}",
            arns.iter().map(|arn| python(arn)).collect::<Vec<_>>().join(", "),
            python(&names.server_certificate_id),
        ),
        note: change.note(),
    }
}

/// What the call did to the server certificate, which decides the name to look it up by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    None,
    Renamed,
    Deleted,
}

impl Change {
    fn of(names: &Names) -> Self {
        match names.done.as_deref() {
            Some("UpdateServerCertificate") => Self::Renamed,
            Some("DeleteServerCertificate") => Self::Deleted,
            _ => Self::None,
        }
    }

    /// Returns the command that shows its id, by which CloudFront refers to it.
    fn look_up(self, names: &Names) -> Vec<Vec<String>> {
        let name = match self {
            Self::None => &names.server_certificate,
            Self::Renamed => &names.new_name,
            Self::Deleted => return Vec::new(),
        };
        vec![aws("iam get-server-certificate", [("server-certificate-name", name.as_str())])]
    }

    fn note(self) -> &'static str {
        match self {
            Self::None => {
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

pub(super) fn delete_server(names: &Names) -> Advice {
    let name = ("server-certificate-name", names.server_certificate.as_str());
    Advice {
        title: "Delete the server certificate",
        console: "None: the console does not manage server certificates in IAM",
        cli: vec![
            aws("iam get-server-certificate", [name]),
            aws("iam delete-server-certificate", [name]),
        ],
        boto3: format!(
            "iam = boto3.client(\"iam\")\n\
             print(iam.get_server_certificate(ServerCertificateName={name}))\n\
             iam.delete_server_certificate(ServerCertificateName={name})\n",
            name = python(&names.server_certificate),
        ),
        note: "Find and move its uses first. A certificate in use answers DeleteConflict where AWS knows of the use, and an outage where it does not.",
    }
}

pub(super) fn roll_back(names: &Names) -> Advice {
    // IAM rejects a rename to the present name.
    let old_name = Some(&names.server_certificate).filter(|old| **old != names.new_name);
    let mut options = vec![("server-certificate-name", names.new_name.as_str())];
    options.extend(old_name.map(|name| ("new-server-certificate-name", name.as_str())));
    options.extend(names.path.iter().map(|path| ("new-path", path.as_str())));
    let argument = |name: &str, value: &String| format!(", {name}={}", python(value));
    let old = old_name.map(|old| argument("NewServerCertificateName", old)).unwrap_or_default();
    let path = names.path.as_ref().map(|path| argument("NewPath", path)).unwrap_or_default();
    Advice {
        title: "Give the server certificate its old name and path",
        console: "None: the console does not manage server certificates in IAM",
        cli: vec![aws("iam update-server-certificate", options)],
        boto3: format!(
            "iam = boto3.client(\"iam\")\n\
             iam.update_server_certificate(ServerCertificateName={}{old}{path})\n",
            python(&names.new_name),
        ),
        note: "The record does not state the old path: look it up in an earlier event of the same certificate. The id survives a rename, the ARN does not.",
    }
}

/// Restores tags. The record has the keys, not the values from before.
pub(super) fn restore_tags(names: &Names) -> Advice {
    let name = ("server-certificate-name", names.server_certificate.as_str());
    let keys: Vec<_> = names.tags.iter().map(|key| python(key)).collect();
    let keys = format!("[{}]", keys.join(","));
    let pair = |key: &String| format!(r#"{{"Key":{},"Value":"OLD_VALUE"}}"#, python(key));
    let pairs: Vec<_> = names.tags.iter().map(pair).collect();
    let pairs = format!("[{}]", pairs.join(","));
    let mut cli = vec![aws("iam list-server-certificate-tags", [name])];
    let mut boto3 = format!(
        "name = {}\niam = boto3.client(\"iam\")\nprint(iam.list_server_certificate_tags(ServerCertificateName=name)[\"Tags\"])\n",
        python(&names.server_certificate)
    );
    if names.done.as_deref() != Some("UntagServerCertificate") {
        cli.push(aws("iam untag-server-certificate", [name, ("tag-keys", &keys)]));
        boto3.push_str(&format!(
            "iam.untag_server_certificate(ServerCertificateName=name, TagKeys={keys})\n"
        ));
    }
    cli.push(aws("iam tag-server-certificate", [name, ("tags", &pairs)]));
    boto3.push_str(&format!(
        "iam.tag_server_certificate(ServerCertificateName=name, Tags={pairs})\n"
    ));
    Advice {
        title: "Put the tags of the server certificate back",
        console: "None: the console does not manage server certificates in IAM",
        cli,
        boto3,
        note: "The record has the keys, not the values from before: look them up in an earlier event or in the code that manages the certificate. A key that was new is taken off with untag; one that had a value, or was taken off, is given it again with tag.",
    }
}
