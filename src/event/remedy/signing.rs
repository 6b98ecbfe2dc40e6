//! Remedies for signing certificates.

use super::names::words;
use super::quote::option;
use super::{Advice, Names, python};

/// `--user-name=…`; nothing for root.
fn user(names: &Names) -> Vec<String> {
    names.user.iter().map(|user| option("user-name", user)).collect()
}

/// `UserName=…`; nothing for root.
fn user_argument(names: &Names) -> String {
    names.user.as_ref().map(|user| format!("UserName={}", python(user))).unwrap_or_default()
}

pub(super) fn deactivate(names: &Names) -> Advice {
    let id = || option("certificate-id", &names.certificate_id);
    Advice {
        title: "Make the signing certificate inactive",
        console: "IAM → Users → the user → Security credentials → X.509 signing certificates → Actions → Deactivate",
        cli: vec![
            words(["iam", "list-signing-certificates"], user(names)),
            words(
                ["iam", "update-signing-certificate"],
                [user(names), vec![id(), option("status", "Inactive")]].concat(),
            ),
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
        mind: "Inactive first: it stops the credential and keeps the evidence. Root's are managed by root itself, or by a central `AssumeRoot` session.",
    }
}

pub(super) fn delete(names: &Names) -> Advice {
    let rest = [user(names), vec![option("certificate-id", &names.certificate_id)]].concat();
    Advice {
        title: "Delete the signing certificate",
        console: "IAM → Users → the user → Security credentials → X.509 signing certificates → Actions → Delete",
        cli: vec![words(["iam", "delete-signing-certificate"], rest)],
        boto3: format!(
            "iam = boto3.client(\"iam\")\niam.delete_signing_certificate({}{}CertificateId={})\n",
            user_argument(names),
            if names.user.is_some() { ", " } else { "" },
            python(&names.certificate_id),
        ),
        mind: "Its body goes with it; list it first and keep the answer with the case.",
    }
}
