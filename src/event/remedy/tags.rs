//! Puts the tags of a server certificate back. Keys are in the record, values from before are not.

use super::names::words;
use super::quote::option;
use super::{Advice, Names, python};

pub(super) fn put_back(names: &Names) -> Advice {
    let name = || option("server-certificate-name", &names.server_certificate);
    let keys: Vec<_> = names.tags.iter().map(|key| python(key)).collect();
    let keys = format!("[{}]", keys.join(","));
    let pair = |key: &String| format!(r#"{{"Key":{},"Value":"OLD_VALUE"}}"#, python(key));
    let pairs: Vec<_> = names.tags.iter().map(pair).collect();
    let pairs = format!("[{}]", pairs.join(","));
    let mut cli = vec![words(["iam", "list-server-certificate-tags"], vec![name()])];
    let mut boto3 = format!(
        "name = {}\niam = boto3.client(\"iam\")\nprint(iam.list_server_certificate_tags(ServerCertificateName=name)[\"Tags\"])\n",
        python(&names.server_certificate)
    );
    if names.done.as_deref() != Some("UntagServerCertificate") {
        let rest = vec![name(), option("tag-keys", &keys)];
        cli.push(words(["iam", "untag-server-certificate"], rest));
        boto3.push_str(&format!(
            "iam.untag_server_certificate(ServerCertificateName=name, TagKeys={keys})\n"
        ));
    }
    let rest = vec![name(), option("tags", &pairs)];
    cli.push(words(["iam", "tag-server-certificate"], rest));
    boto3.push_str(&format!(
        "iam.tag_server_certificate(ServerCertificateName=name, Tags={pairs})\n"
    ));
    Advice {
        title: "Put the tags of the server certificate back",
        console: "None: the console does not manage server certificates in IAM",
        cli,
        boto3,
        mind: "The record has the keys, not the values from before: look them up in an earlier event or in the code that manages the certificate. A key that was new is taken off with untag; one that had a value, or was taken off, is given it again with tag.",
    }
}
