//! A service control policy against what happened, which must not bind those who clean up after it.

use super::policies::service_control;
use super::{Advice, Names};

/// Everything that changes a certificate: where the operation is not known.
const ALL: [&str; 8] = [
    "UploadSigningCertificate",
    "UpdateSigningCertificate",
    "DeleteSigningCertificate",
    "UploadServerCertificate",
    "UpdateServerCertificate",
    "DeleteServerCertificate",
    "TagServerCertificate",
    "UntagServerCertificate",
];

/// What was done, and what has the same effect in another way.
fn actions(names: &Names) -> &'static [&'static str] {
    let gave = names.status.as_deref() == Some("Active");
    match names.done.as_deref() {
        Some("UploadSigningCertificate") => {
            &["UploadSigningCertificate", "UpdateSigningCertificate"]
        }
        Some("UpdateSigningCertificate") if gave => {
            &["UpdateSigningCertificate", "UploadSigningCertificate"]
        }
        Some("UpdateSigningCertificate") => {
            &["UpdateSigningCertificate", "DeleteSigningCertificate"]
        }
        Some("DeleteSigningCertificate") => {
            &["DeleteSigningCertificate", "UpdateSigningCertificate"]
        }
        Some("UploadServerCertificate") => &["UploadServerCertificate"],
        Some("UpdateServerCertificate") => &["UpdateServerCertificate"],
        Some("DeleteServerCertificate") => &["DeleteServerCertificate"],
        Some("TagServerCertificate" | "UntagServerCertificate") => {
            &["TagServerCertificate", "UntagServerCertificate"]
        }
        _ => &ALL,
    }
}

pub(super) fn guard(names: &Names) -> Advice {
    let actions: Vec<_> =
        actions(names).iter().map(|action| format!(r#""iam:{action}""#)).collect();
    let role = |name: &str| format!(r#""arn:{}:iam::*:role/{name}""#, names.partition);
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"CertificatesByNamedRolesOnly","Effect":"Deny","Action":[{}],"Resource":"*","Condition":{{"ArnNotLike":{{"aws:PrincipalArn":[{},{}]}}}}}}]}}"#,
        actions.join(","),
        role("cert-rotation"),
        role("incident-response"),
    );
    let description = "Changes of IAM certificates are left to named roles";
    let (cli, boto3) =
        service_control("certificates-by-named-roles-only", description, &policy, &names.account);
    Advice {
        title: "Leave changes of certificates to named roles",
        console: "AWS Organizations → Policies → Service control policies → Create policy → Attach",
        cli,
        boto3,
        mind: "Service control policies bind member accounts, root included, but not the management account. Name your own two roles, with their paths: the one that renews certificates, and the one of incident response, without which nobody can make a certificate inactive any more. Contain first, attach then, and try it on one account.",
    }
}
