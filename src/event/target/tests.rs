use super::super::json::parse;
use super::*;
use crate::event::CallOutcome;

const ACCOUNT: &str = "111122223333";

fn target(name: &str, rest: &serde_json::Value) -> Target {
    let mut record = serde_json::json!({
        "eventName": name, "awsRegion": "us-east-1", "recipientAccountId": ACCOUNT,
        "userIdentity": { "type": "IAMUser", "userName": "alice", "accountId": ACCOUNT,
                          "arn": "arn:aws:iam::111122223333:user/ops/alice" },
    });
    for (key, value) in rest.as_object().expect("an object") {
        record[key] = value.clone();
    }
    let text = record.to_string();
    let root = parse(text.as_bytes()).expect("valid");
    let call = Call {
        name,
        source: "iam.amazonaws.com",
        account: Some(ACCOUNT),
        region: root.text("awsRegion"),
        principal: root.text("userIdentity.arn"),
        outcome: CallOutcome::of(&root),
        error_code: None,
    };
    Target::of(&root, call)
}

#[test]
fn a_rename_names_the_old_and_the_new_certificate() {
    let parameters = serde_json::json!({ "requestParameters": {
        "serverCertificateName": "web", "newServerCertificateName": "web-old", "newPath": "/retired/" } });
    let certificate =
        target("UpdateServerCertificate", &parameters).server_certificate.expect("one");
    assert_eq!(
        certificate.arn.as_deref(),
        Some("arn:aws:iam::111122223333:server-certificate/web")
    );
    let renamed = certificate.renamed.expect("renamed");
    assert_eq!(renamed.name, "web-old");
    assert_eq!(
        renamed.arn.as_deref(),
        Some("arn:aws:iam::111122223333:server-certificate/retired/web-old")
    );
}

#[test]
fn a_missing_user_is_the_caller_with_its_own_path() {
    let user = target(
        "DeleteSigningCertificate",
        &serde_json::json!({ "requestParameters": { "certificateId": "C1" } }),
    )
    .user
    .expect("one");
    assert!(user.is_caller);
    assert_eq!(user.arn.as_deref(), Some("arn:aws:iam::111122223333:user/ops/alice"));
}

#[test]
fn a_missing_user_in_a_call_by_root_is_root() {
    let user = target("UploadSigningCertificate", &serde_json::json!({
        "requestParameters": { "certificateBody": "x" },
        "userIdentity": { "type": "Root", "accountId": ACCOUNT, "arn": "arn:aws:iam::111122223333:root" } })).user.expect("one");
    assert!(user.is_root && user.is_caller);
}

#[test]
fn a_user_named_root_is_not_root() {
    let by_root = |parameters: serde_json::Value, response: serde_json::Value| {
        let record = serde_json::json!({
            "requestParameters": parameters, "responseElements": response,
            "userIdentity": { "type": "Root", "accountId": ACCOUNT, "arn": "arn:aws:iam::111122223333:root" } });
        target("UploadSigningCertificate", &record).user.expect("one")
    };
    let response = |name: &str| serde_json::json!({ "certificate": { "userName": name, "certificateId": "C1" } });
    let named = by_root(
        serde_json::json!({ "userName": "root", "certificateBody": "x" }),
        response("root"),
    );
    assert!(!named.is_root && !named.is_caller, "{named:?}");
    assert_eq!(named.arn.as_deref(), Some("arn:aws:iam::111122223333:user/root"));
    for answered in ["root", "the-accounts-alias"] {
        let own = by_root(serde_json::json!({ "certificateBody": "x" }), response(answered));
        assert!(own.is_root && own.is_caller, "a missing user is the caller: {own:?}");
    }
    let of_itself = serde_json::json!({
        "requestParameters": { "userName": "root", "certificateId": "C1" },
        "userIdentity": { "type": "IAMUser", "userName": "root", "accountId": ACCOUNT, "arn": "arn:aws:iam::111122223333:user/root" } });
    let user = target("DeleteSigningCertificate", &of_itself).user.expect("one");
    assert!(user.is_caller && !user.is_root, "{user:?}");
}

#[test]
fn no_user_is_guessed_if_cloudtrail_omitted_the_parameters() {
    for parameters in
        [serde_json::json!(null), serde_json::json!({ "omitted": true, "originalSize": 120_000 })]
    {
        assert_eq!(
            target(
                "UploadSigningCertificate",
                &serde_json::json!({ "requestParameters": parameters })
            )
            .user,
            None
        );
    }
    let role = serde_json::json!({ "userIdentity": { "type": "AssumedRole" }, "requestParameters": { "certificateId": "C1" } });
    assert_eq!(target("DeleteSigningCertificate", &role).user, None);
}

#[test]
fn a_denied_call_names_its_target_in_the_message() {
    let message = |resource: &str| {
        serde_json::json!({ "errorCode": "AccessDenied", "requestParameters": null, "errorMessage":
        format!("User: arn:aws:iam::111122223333:user/ops/alice is not authorized to perform: iam:X on resource: {resource} because no identity-based policy allows the iam:X action") })
    };
    let denied = target("UploadSigningCertificate", &message("user bob"));
    assert!(denied.from_message);
    assert_eq!(
        denied.user.expect("one").arn.as_deref(),
        Some("arn:aws:iam::111122223333:user/bob")
    );
    let denied = target(
        "DeleteServerCertificate",
        &message("arn:aws:iam::111122223333:server-certificate/edge/eu/web"),
    );
    let certificate = denied.server_certificate.expect("one");
    assert_eq!(
        (certificate.name.as_str(), certificate.path.as_deref()),
        ("web", Some("/edge/eu/"))
    );
    assert_eq!(
        target(
            "ListServerCertificates",
            &message("arn:aws:iam::111122223333:server-certificate/*")
        )
        .server_certificate,
        None
    );
    assert!(
        target("UploadSigningCertificate", &message("user alice")).user.expect("one").is_caller
    );
}

#[test]
fn the_partition_is_that_of_the_arn_or_region() {
    let china = serde_json::json!({ "userIdentity": {}, "awsRegion": "cn-north-1", "requestParameters": { "serverCertificateName": "web" } });
    let certificate = target("GetServerCertificate", &china).server_certificate.expect("one");
    assert_eq!(
        certificate.arn.as_deref(),
        Some("arn:aws-cn:iam::111122223333:server-certificate/web")
    );
}

#[test]
fn a_same_named_user_of_another_account_is_not_the_caller() {
    let other = serde_json::json!({
        "userIdentity": { "type": "IAMUser", "userName": "bob", "accountId": "444455556666", "arn": "arn:aws:iam::444455556666:user/bob" },
        "requestParameters": { "userName": "bob", "certificateId": "C1" } });
    let user = target("DeleteSigningCertificate", &other).user.expect("one");
    assert!(!user.is_caller);
    assert_eq!(user.arn.as_deref(), Some("arn:aws:iam::111122223333:user/bob"));
}
