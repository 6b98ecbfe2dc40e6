//! Remediations are executed: in `sh`, by awscli's parser, and with boto3 against moto.

use std::path::Path;
use std::process::Command;

use certrelay::event::{Advice, CallerKind, Names, Remediation};

use crate::event_samples::skip;
use crate::event_validators::python;

/// Names that are special to a shell.
const HOSTILE: [&str; 12] = [
    "$(touch injected)",
    "`touch injected`",
    "it's",
    "'; touch injected; '",
    "\"quoted\" \\ $HOME",
    "line\nbreak\n",
    "-rf",
    "--help",
    "* ? [a] {b,c} ~ # !",
    " leading and trailing ",
    "%s%n\\n\\0",
    "é漢😀\u{202e}",
];

fn names(name: &str) -> Names {
    let text = || name.to_owned();
    Names {
        done: Some(text()),
        status: Some(text()),
        user: Some(text()),
        certificate_id: text(),
        server_certificate: text(),
        server_certificate_id: text(),
        server_certificate_arn: text(),
        path: Some(text()),
        new_name: text(),
        new_arn: Some(text()),
        tags: vec![text(), "second".to_owned()],
        trail: text(),
        trail_region: text(),
        caller_kind: CallerKind::User,
        caller: text(),
        caller_account: text(),
        identity_store: text(),
        key: text(),
        read: text(),
        account: text(),
        partition: "aws".to_owned(),
    }
}

const KINDS: [CallerKind; 9] = [
    CallerKind::User,
    CallerKind::Role,
    CallerKind::Root,
    CallerKind::AssumedRoot,
    CallerKind::Federated,
    CallerKind::IdentityCenter,
    CallerKind::Account,
    CallerKind::Service,
    CallerKind::Other,
];

/// Returns every form of every remediation: by the caller's kind and by operation.
fn advice(names: &Names) -> Vec<Advice> {
    let kinds = KINDS.map(|caller_kind| Names { caller_kind, ..names.clone() });
    let set = Names { caller: format!("AWSReservedSSO_{}", names.caller), ..names.clone() };
    let set = [Names { caller_kind: CallerKind::Role, ..set }];
    let operations = [
        "StopLogging",
        "PutEventSelectors",
        "UpdateTrail",
        "UploadSigningCertificate",
        "UpdateServerCertificate",
        "DeleteServerCertificate",
        "UntagServerCertificate",
    ];
    let operations = operations.map(|done| Names { done: Some(done.to_owned()), ..names.clone() });
    let of = |names: &Names| Remediation::ALL.map(|one| one.advice(names)).to_vec();
    kinds.iter().chain(&set).chain(&operations).flat_map(of).collect()
}

/// Runs the lines in `sh` with a stub `aws` that records its arguments.
fn arguments_in_sh(lines: &[String], folder: &Path) -> Vec<Vec<String>> {
    let stub = "#!/bin/sh\nfor argument in \"$@\"; do printf '%s\\0' \"$argument\"; done >> recorded\nprintf '\\001\\0' >> recorded\n";
    std::fs::write(folder.join("aws"), stub).expect("written");
    std::fs::write(folder.join("script"), lines.join("\n")).expect("written");
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let mut chmod = Command::new("chmod");
    assert!(chmod.arg("+x").arg(folder.join("aws")).status().expect("chmod").success());
    let run = Command::new("sh")
        .arg("script")
        .current_dir(folder)
        .env("PATH", path)
        .output()
        .expect("sh");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let recorded = std::fs::read_to_string(folder.join("recorded")).expect("recorded");
    let calls = recorded.split("\u{1}\0").filter(|call| !call.is_empty());
    calls.map(|call| call.trim_end_matches('\0').split('\0').map(str::to_owned).collect()).collect()
}

#[test]
fn command_lines_reach_aws_unchanged_for_any_name() {
    for name in HOSTILE {
        let folder = tempfile::tempdir().expect("a folder");
        let advice = advice(&names(name));
        let lines: Vec<String> = advice.iter().flat_map(Advice::command_lines).collect();
        let expected: Vec<Vec<String>> = advice.into_iter().flat_map(|advice| advice.cli).collect();
        assert!(lines.len() >= 100);
        assert_eq!(arguments_in_sh(&lines, folder.path()), expected, "{name:?}");
        assert!(!folder.path().join("injected").exists(), "{name:?} was run");
    }
}

/// Runs a Python program over JSON input, or skips if packages are missing.
fn run_python(program: &str, input: &serde_json::Value, packages: &str) {
    let Some(python) = python() else { return };
    let present =
        Command::new(&python).args(["-c", &format!("import {packages}")]).output().expect("python");
    if !present.status.success() {
        return skip(&format!("remediations: the venv lacks one of {packages}"));
    }
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("input.json"), input.to_string()).expect("written");
    let run = Command::new(&python)
        .args(["-c", program])
        .current_dir(folder.path())
        .env_clear()
        .envs([
            ("AWS_ACCESS_KEY_ID", "testing"),
            ("AWS_SECRET_ACCESS_KEY", "testing"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ])
        .output()
        .expect("python");
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{out}\n{err}");
    assert!(out.trim_end().ends_with("done"), "{out}\n{err}");
}

/// Every API call is intercepted and validated by the service's model; nothing is sent.
const PARSE: &str = r#"
import contextlib, io, json, sys
import botocore.client, botocore.validate
from awscli.clidriver import create_clidriver

calls = []
def record(self, operation, arguments):
    model = self.meta.service_model.operation_model(operation)
    report = botocore.validate.ParamValidator().validate(arguments, model.input_shape) if model.input_shape else None
    if report is not None and report.has_errors():
        raise SystemExit("bad parameters: " + report.generate_report())
    calls.append(operation)
    return {}
botocore.client.BaseClient._make_api_call = record
lines = json.load(open("input.json"))
for arguments in lines:
    before, err = len(calls), io.StringIO()
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = create_clidriver().main(arguments)
        except SystemExit as stopped:
            code = stopped.code
    said = err.getvalue()
    if len(calls) == before and "trail" not in arguments[0] or "usage:" in said or isinstance(code, str) or code == 252:
        sys.exit("%r: %r %s" % (arguments, code, said))
print(len(lines), "lines", len(calls), "calls", "done")
"#;

#[test]
fn every_command_line_passes_awsclis_parser() {
    let plain = Names {
        account: "111122223333".to_owned(),
        key: "AKIAEXAMPLEALICE0001".to_owned(),
        certificate_id: "TA7SMP42TDN5Z26OBPJE7EXAMPLE".to_owned(),
        ..Names::default()
    };
    let dash = Names {
        user: Some("-rf".to_owned()),
        server_certificate: "--help".to_owned(),
        tags: vec!["--rf".to_owned(), "a,b=\"c\"".to_owned()],
        ..plain.clone()
    };
    let root = Names { user: None, path: None, new_arn: Some("arn:x".to_owned()), ..plain.clone() };
    let mut lines: Vec<Vec<String>> =
        [plain, dash, root].iter().flat_map(advice).flat_map(|advice| advice.cli).collect();
    lines.sort_unstable();
    lines.dedup();
    run_python(PARSE, &serde_json::json!(lines), "awscli, botocore");
}

/// The snippets, each in a fresh account that has what the event is about.
const SNIPPETS: &str = r#"
import json, logging
import boto3, botocore.client, botocore.validate
from moto import mock_aws

# moto has no UpdateServerCertificate, no tags of server certificates and no LookupEvents, and no user of the identity
# store: the parameters are held against the model; the effect of the first is made by hand.
BY_HAND = ("UpdateServerCertificate", "LookupEvents", "DescribeUser", "ListGroupMembershipsForMember", "ListServerCertificateTags", "TagServerCertificate", "UntagServerCertificate")
real = botocore.client.BaseClient._make_api_call
def call(self, operation, given):
    if operation not in BY_HAND:
        return real(self, operation, given)
    model = self.meta.service_model.operation_model(operation)
    assert not botocore.validate.ParamValidator().validate(given, model.input_shape).has_errors()
    if operation != "UpdateServerCertificate":
        return {"Tags": [], "Events": [], "UserName": "alice", "GroupMemberships": []}
    old = self.get_server_certificate(ServerCertificateName=given["ServerCertificateName"])["ServerCertificate"]
    self.delete_server_certificate(ServerCertificateName=given["ServerCertificateName"])
    self.upload_server_certificate(ServerCertificateName=given["NewServerCertificateName"], Path=given["NewPath"],
                                   CertificateBody=old["CertificateBody"], PrivateKey="key")
botocore.client.BaseClient._make_api_call = call

cases = json.load(open("input.json"))
pem = cases["pem"]
for title, snippet in cases["snippets"]:
    with mock_aws():
        iam = boto3.client("iam")
        for user in ("bob", "alice"):
            iam.create_user(UserName=user)
        signing = iam.upload_signing_certificate(UserName="bob", CertificateBody=pem)["Certificate"]["CertificateId"]
        iam.create_role(RoleName="ops", AssumeRolePolicyDocument="{}")
        key = iam.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"]
        iam.upload_server_certificate(ServerCertificateName="web", CertificateBody=pem, PrivateKey="key")
        iam.upload_server_certificate(ServerCertificateName="web-old", CertificateBody=pem, PrivateKey="key")
        boto3.client("s3").create_bucket(Bucket="BUCKET".lower())
        organizations = boto3.client("organizations")
        organizations.create_organization(FeatureSet="ALL")
        account = organizations.create_account(Email="a@example.com", AccountName="a")["CreateAccountStatus"]["AccountId"]
        code = snippet.replace("SIGNING_ID", signing).replace("KEY_ID", key).replace("111122223333", account).replace("BUCKET", "bucket").replace("REGION", "us-east-1")
        if "create_trail" not in code:
            boto3.client("cloudtrail").create_trail(Name="TRAIL", S3BucketName="bucket")
        if "update_server_certificate" in code:
            iam.delete_server_certificate(ServerCertificateName="web")
        exec(compile(code, title, "exec"), {"boto3": boto3})
        after = {
            "signing": [one["Status"] for one in iam.list_signing_certificates(UserName="bob")["Certificates"]],
            "server": sorted(one["ServerCertificateName"] for one in iam.list_server_certificates()["ServerCertificateMetadataList"]),
            "role": iam.list_role_policies(RoleName="ops")["PolicyNames"],
            "user": iam.list_user_policies(UserName="alice")["PolicyNames"],
            "logging": [boto3.client("cloudtrail").get_trail_status(Name="TRAIL")["IsLogging"]] if "cloudtrail." in code else [],
            "keys": [(one["AccessKeyId"] == key, one["Status"]) for one in iam.list_access_keys(UserName="alice")["AccessKeyMetadata"]],
        }
        expected = cases["after"].get(title, {})
        for name, value in expected.items():
            got = json.loads(json.dumps(after[name]))
            assert got == value, (title, name, got, value)
print(len(cases["snippets"]), "snippets done")
"#;

#[test]
fn every_boto3_snippet_has_the_effect_of_its_title() {
    let names = Names {
        user: Some("bob".to_owned()),
        certificate_id: "SIGNING_ID".to_owned(),
        server_certificate: "web".to_owned(),
        new_name: "web-old".to_owned(),
        caller: "alice".to_owned(),
        key: "KEY_ID".to_owned(),
        account: "111122223333".to_owned(),
        ..Names::default()
    };
    let role = Names {
        caller_kind: CallerKind::Role,
        caller: "ops".to_owned(),
        done: Some("UpdateServerCertificate".to_owned()),
        new_arn: Some("arn:aws:iam::111122223333:server-certificate/web-old".to_owned()),
        ..names.clone()
    };
    let others = KINDS[2..].iter().map(|caller_kind| Names {
        caller_kind: *caller_kind,
        done: Some("UntagServerCertificate".to_owned()),
        caller_account: "111122223333".to_owned(),
        ..names.clone()
    });
    let set = Names {
        caller_kind: CallerKind::Role,
        caller: "AWSReservedSSO_x".to_owned(),
        caller_account: "111122223333".to_owned(),
        ..names.clone()
    };
    let trails = ["StopLogging", "PutEventSelectors", "UpdateTrail"]
        .map(|done| Names { done: Some(done.to_owned()), ..names.clone() });
    let all: Vec<Names> = others.chain([set, role]).chain(trails).chain([names.clone()]).collect();
    let snippets: Vec<(&str, String)> = all
        .iter()
        .flat_map(|names| Remediation::ALL.map(|one| (names, one)))
        // Second factors are a user's and root's.
        .filter(|(names, one)| names.caller == "alice" || *one != Remediation::Mfa)
        .map(|(names, one)| one.advice(names))
        .map(|advice| (advice.title, format!("import boto3\n{}", advice.boto3)))
        .collect();
    let after = serde_json::json!({
        "Make the signing certificate inactive": { "signing": ["Inactive"] },
        "Delete the signing certificate": { "signing": [] },
        "Delete the server certificate": { "server": ["web-old"] },
        "Give the server certificate its old name and path": { "server": ["web"] },
        "Stop the caller's access key, replace it later": { "keys": [[false, "Active"]] },
        "Revoke the role's sessions": { "role": ["AWSRevokeOlderSessions"], "keys": [[true, "Active"]] },
        "Stop root's access keys": { "keys": [[true, "Active"]] },
        "Revoke the federated sessions of the user that got the token": { "user": ["AWSRevokeOlderSessions"], "keys": [[true, "Active"]] },
        "Start the trail again": { "logging": [true] },
        "Turn CloudTrail on everywhere, with log-file validation": { "logging": [true] },
    });
    let input = serde_json::json!({ "pem": crate::event_fixtures::PEM, "snippets": snippets, "after": after });
    run_python(SNIPPETS, &input, "boto3, moto");
}
