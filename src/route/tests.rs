//! The router against events of alice's, one question a test.

use bytes::Bytes;
use time::OffsetDateTime;

use super::*;
use crate::cloudtrail::{Origin, Record};
use crate::config::{Account, EventOptions, FINDINGS, Pattern, SEVERITIES};
use crate::event::{Arrival, CallOutcome, Channel};
use crate::event::{RULES, Severity};

/// An event read from a record, so that the router sees what it sees in service.
fn event(name: &str, outcome: CallOutcome, account: Option<&str>) -> Event {
    let mut record = serde_json::json!({
        "eventID": "e-1",
        "eventName": name,
        "eventSource": "iam.amazonaws.com",
        "eventTime": "2026-01-02T03:04:05Z",
        "awsRegion": "us-east-1",
    });
    if let Some(account) = account {
        record["recipientAccountId"] = account.into();
    }
    if outcome == CallOutcome::Failure {
        record["errorCode"] = "AccessDenied".into();
    }
    let record = Record { bytes: Bytes::from(record.to_string()), index: 0, offset: 0 };
    let arrival = Arrival {
        origin: Origin::Inline { message_id: "m-1".to_owned() },
        lane: Channel::S3,
        seen: OffsetDateTime::UNIX_EPOCH,
        delivered: None,
    };
    Event::read(record, arrival).expect("a sound record")
}

fn upload() -> Event {
    event("UploadServerCertificate", CallOutcome::Success, Some("111122223333"))
}

/// As the configuration reads it: `!` excludes.
fn condition(texts: &[&str]) -> Condition {
    let (none, any): (Vec<&str>, Vec<&str>) = texts.iter().partition(|text| text.starts_with('!'));
    let read = |list: Vec<&str>| {
        let bare = list.into_iter().map(|text| text.trim_start_matches('!'));
        bare.map(|text| Pattern::new(text).unwrap()).collect()
    };
    Condition { any: read(any), none: read(none) }
}

fn on_event(texts: &[&str]) -> When {
    When { event: condition(texts), ..When::default() }
}

/// Whether a route with this condition takes `event`.
fn takes(when: When, event: &Event) -> bool {
    let routes = [route("asked", when, &["soc"]), route("default", When::default(), &["lake"])];
    decided(&routes, event).0 == words(&["asked"])
}

fn route(name: &str, when: When, sinks: &[&str]) -> RouteConfig {
    let targets = sinks.iter().map(|sink| RouteTarget::new(sink)).collect();
    RouteConfig { name: name.to_owned(), when, targets, continues: false }
}

fn going_on(route: RouteConfig) -> RouteConfig {
    RouteConfig { continues: true, ..route }
}

/// The routes that matched and the sinks, as words.
fn decided(routes: &[RouteConfig], event: &Event) -> (Vec<String>, Vec<String>) {
    let router = Router::new(routes.to_vec());
    let decision = router.decide(event);
    let routes = decision.routes.iter().map(ToString::to_string).collect();
    (routes, decision.targets.iter().map(|target| target.sink.clone()).collect())
}

fn words(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

#[test]
fn the_first_route_that_matches_decides() {
    let routes = [
        route("deletes", on_event(&["Delete*"]), &["soc"]),
        route("uploads", on_event(&["Upload*"]), &["lake"]),
        route("default", When::default(), &["archive"]),
    ];
    assert_eq!(decided(&routes, &upload()), (words(&["uploads"]), words(&["lake"])));
}

#[test]
fn what_no_condition_takes_goes_to_the_catch_all() {
    let routes = [
        route("deletes", on_event(&["Delete*"]), &["soc"]),
        route("default", When::default(), &["archive"]),
    ];
    assert_eq!(decided(&routes, &upload()), (words(&["default"]), words(&["archive"])));
}

#[test]
fn continue_asks_the_routes_below_until_one_does_not() {
    let routes = [
        going_on(route("all", When::default(), &["lake"])),
        route("uploads", on_event(&["Upload*"]), &["soc"]),
        route("default", When::default(), &["archive"]),
    ];
    let expected = (words(&["all", "uploads"]), words(&["lake", "soc"]));
    assert_eq!(decided(&routes, &upload()), expected);
}

#[test]
fn a_sink_is_named_once_and_by_the_first_route_that_names_it() {
    let routes = [
        going_on(route("one", When::default(), &["lake", "soc"])),
        going_on(route("two", When::default(), &["soc", "lake"])),
        route("default", When::default(), &["lake", "archive"]),
    ];
    let (matched, sinks) = decided(&routes, &upload());
    assert_eq!(matched, words(&["one", "two", "default"]));
    assert_eq!(sinks, words(&["lake", "soc", "archive"]));
}

#[test]
fn discard_matches_and_names_no_sink() {
    let routes = [
        route("noise", on_event(&["Get*", "List*"]), &[]),
        route("default", When::default(), &["lake"]),
    ];
    let read = event("ListServerCertificates", CallOutcome::Success, None);
    assert_eq!(decided(&routes, &read), (words(&["noise"]), vec![]));
}

#[test]
fn all_conditions_must_hold_and_one_pattern_of_each_is_enough() {
    let when = When {
        event: condition(&["Delete*", "Upload*"]),
        outcome: condition(&["failure"]),
        account: condition(&["1111*"]),
        region: condition(&["us-*", "eu-*"]),
        ..When::default()
    };
    let routes = [route("denied", when, &["soc"]), route("default", When::default(), &["lake"])];
    let denied = event("UploadServerCertificate", CallOutcome::Failure, Some("111122223333"));
    assert_eq!(decided(&routes, &denied).0, words(&["denied"]));
    assert_eq!(decided(&routes, &upload()).0, words(&["default"]));
    let elsewhere = event("UploadServerCertificate", CallOutcome::Failure, Some("999988887777"));
    assert_eq!(decided(&routes, &elsewhere).0, words(&["default"]));
}

#[test]
fn names_and_globs_match_whole_names_in_their_own_case() {
    for (pattern, matches) in [
        ("UploadServerCertificate", true),
        ("Upload*", true),
        ("*Certificate", true),
        ("Upload{Server,Signing}Certificate", true),
        ("UploadS[ei]*", true),
        ("Upload", false),
        ("upload*", false),
        ("?", false),
    ] {
        assert_eq!(takes(on_event(&[pattern]), &upload()), matches, "{pattern}");
    }
}

#[test]
fn a_record_without_an_account_matches_only_the_star() {
    let nameless = event("UploadServerCertificate", CallOutcome::Success, None);
    for (pattern, matches) in [("*", true), ("1111*", false), ("111122223333", false)] {
        let when = When { account: condition(&[pattern]), ..When::default() };
        assert_eq!(takes(when, &nameless), matches, "{pattern}");
    }
}

#[test]
fn an_exclusion_takes_everything_else() {
    assert!(takes(on_event(&["!Get*", "!List*"]), &upload()));
    assert!(!takes(on_event(&["!Upload*"]), &upload()));
    assert!(!takes(on_event(&["Upload*", "!*ServerCertificate"]), &upload()));
}

/// What a role's session did: made alice a signing certificate.
fn persistence() -> Event {
    let record = serde_json::json!({
        "eventID": "e-2",
        "eventName": "UploadSigningCertificate",
        "eventSource": "iam.amazonaws.com",
        "eventTime": "2026-01-02T03:04:05Z",
        "awsRegion": "us-east-1",
        "recipientAccountId": "111122223333",
        "userIdentity": {
            "type": "AssumedRole",
            "arn": "arn:aws:sts::111122223333:assumed-role/deploy/session",
            "accountId": "111122223333",
            "sessionContext": { "sessionIssuer": {
                "type": "Role",
                "arn": "arn:aws:iam::111122223333:role/deploy",
                "userName": "deploy",
            } },
        },
        "requestParameters": { "userName": "alice" },
        "responseElements": { "certificate": { "userName": "alice", "certificateId": "C1" } },
    });
    let record = Record { bytes: Bytes::from(record.to_string()), index: 0, offset: 0 };
    let arrival = Arrival {
        origin: Origin::Inline { message_id: "m-1".to_owned() },
        lane: Channel::EventBridge,
        seen: OffsetDateTime::UNIX_EPOCH,
        delivered: None,
    };
    Event::read(record, arrival).expect("a sound record")
}

#[test]
fn findings_severity_caller_target_and_lane_can_be_asked_for() {
    let event = persistence();
    let none = When::default;
    for (when, matches) in [
        (When { finding: condition(&["signing-certificate-other-user"]), ..none() }, true),
        (When { finding: condition(&["!signing-certificate-*"]), ..none() }, false),
        (When { finding: condition(&["denied"]), ..none() }, false),
        (When { severity: condition(&["high", "critical"]), ..none() }, true),
        (When { severity: condition(&["informational", "low"]), ..none() }, false),
        (When { principal: condition(&["arn:aws:iam::*:role/deploy"]), ..none() }, true),
        (When { principal: condition(&["*/session"]), ..none() }, false),
        (When { target: condition(&["arn:aws:iam::111122223333:user/alice"]), ..none() }, true),
        (When { target: condition(&["*:server-certificate/*"]), ..none() }, false),
        (When { channel: condition(&["eventbridge"]), ..none() }, true),
        (When { channel: condition(&["!eventbridge"]), ..none() }, false),
    ] {
        assert_eq!(takes(when.clone(), &event), matches, "{when:?} of {:?}", event.fields);
    }
}

#[test]
fn account_labels_and_flags_can_be_asked_for() {
    let account = Account {
        id: "111122223333".to_owned(),
        ou: Some("Workloads/Prod".to_owned()),
        environment: Some("production".to_owned()),
        ..Account::default()
    };
    let labels = [("team", "security"), ("environment", "unknown"), ("owner", "nobody")];
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let mut known = persistence();
    known.account = Some(account.into());
    known.options = EventOptions { labels, ..EventOptions::default() }.into();
    known.fields.certificate = vec!["self_signed", "wildcard"];
    let label = |name: &str, asked: &[&str]| When {
        labels: [(name.to_owned(), condition(asked))].into(),
        ..When::default()
    };
    let unknown = persistence();
    for (when, of_known, of_unknown) in [
        (When { ou: condition(&["Workloads/*"]), ..When::default() }, true, false),
        (When { ou: condition(&["!Workloads/*"]), ..When::default() }, false, true),
        (
            When { certificate: condition(&["self_signed", "expired"]), ..When::default() },
            true,
            false,
        ),
        (When { certificate: condition(&["!wildcard"]), ..When::default() }, false, true),
        (label("environment", &["prod*"]), true, false),
        (label("environment", &["unknown"]), false, false),
        (label("owner", &["nobody"]), true, false),
        (label("team", &["!security"]), false, true),
        (label("absent", &["*"]), true, true),
    ] {
        assert_eq!(takes(when.clone(), &known), of_known, "{when:?}");
        assert_eq!(takes(when.clone(), &unknown), of_unknown, "{when:?}");
    }
}

#[test]
fn the_configuration_s_words_are_those_of_the_events() {
    let ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(ids, FINDINGS);
    let scale = [
        Severity::Informational,
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ];
    assert_eq!(scale.map(Severity::as_str), SEVERITIES);
}

#[test]
fn a_sink_with_another_topic_is_still_the_same_sink() {
    let mut changes = going_on(route("changes", on_event(&["Upload*"]), &["lake"]));
    changes.targets[0].sink = "lake:changes".to_owned();
    let routes = [changes, route("default", When::default(), &["lake", "soc"])];
    let expected = (words(&["changes", "default"]), words(&["lake:changes", "soc"]));
    assert_eq!(decided(&routes, &upload()), expected);
}
