//! Remedies for signing certificates.

use super::names::words;
use super::quote::option;
use super::{Advice, Names, python};

pub(super) fn deactivate(names: &Names) -> Advice {
    let user = || option("user-name", &names.user);
    let id = || option("certificate-id", &names.certificate_id);
    Advice {
        title: "Make the signing certificate inactive",
        console: "IAM → Users → the user → Security credentials → X.509 signing certificates → Actions → Deactivate",
        cli: vec![
            words(["iam", "list-signing-certificates"], vec![user()]),
            words(
                ["iam", "update-signing-certificate"],
                vec![user(), id(), option("status", "Inactive")],
            ),
        ],
        boto3: format!(
            "iam = boto3.client(\"iam\")\n\
             for page in iam.get_paginator(\"list_signing_certificates\").paginate(UserName={user}):\n    \
                 for certificate in page[\"Certificates\"]:\n        \
                     print(certificate[\"CertificateId\"], certificate[\"Status\"], certificate[\"UploadDate\"])\n\
             iam.update_signing_certificate(UserName={user}, CertificateId={id}, Status=\"Inactive\")\n",
            user = python(&names.user),
            id = python(&names.certificate_id),
        ),
        mind: "Inactive first: it stops the credential and keeps the evidence. For root leave out the user name and call as root.",
    }
}

pub(super) fn delete(names: &Names) -> Advice {
    let rest =
        vec![option("user-name", &names.user), option("certificate-id", &names.certificate_id)];
    Advice {
        title: "Delete the signing certificate",
        console: "IAM → Users → the user → Security credentials → X.509 signing certificates → Actions → Delete",
        cli: vec![words(["iam", "delete-signing-certificate"], rest)],
        boto3: format!(
            "iam = boto3.client(\"iam\")\niam.delete_signing_certificate(UserName={}, CertificateId={})\n",
            python(&names.user),
            python(&names.certificate_id),
        ),
        mind: "Its body goes with it; list it first and keep the answer with the case.",
    }
}
