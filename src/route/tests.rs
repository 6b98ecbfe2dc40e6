//! The router against events of alice's, one question a test.

use bytes::Bytes;
use time::OffsetDateTime;

use super::*;
use crate::cloudtrail::{Origin, Record};
use crate::event::{Arrival, CallOutcome, Lane};

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
        lane: Lane::File,
        seen: OffsetDateTime::UNIX_EPOCH,
        delivered: None,
    };
    Event::read(record, arrival).expect("a sound record")
}

fn upload() -> Event {
    event("UploadServerCertificate", CallOutcome::Success, Some("111122223333"))
}

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::new(text).unwrap()).collect()
}

fn on_event(texts: &[&str]) -> When {
    When { event: patterns(texts), ..When::default() }
}

fn route(name: &str, when: When, sinks: &[&str]) -> RouteConfig {
    let targets = sinks.iter().map(|sink| RouteTarget { sink: (*sink).to_owned() }).collect();
    RouteConfig { name: name.to_owned(), when, targets, goes_on: false }
}

fn going_on(route: RouteConfig) -> RouteConfig {
    RouteConfig { goes_on: true, ..route }
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
        event: patterns(&["Delete*", "Upload*"]),
        outcome: patterns(&["failure"]),
        account: patterns(&["1111*"]),
        region: patterns(&["us-*", "eu-*"]),
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
        let routes = [
            route("asked", on_event(&[pattern]), &["soc"]),
            route("default", When::default(), &["lake"]),
        ];
        assert_eq!(decided(&routes, &upload()).0 == words(&["asked"]), matches, "{pattern}");
    }
}

#[test]
fn a_record_without_an_account_matches_only_the_star() {
    let nameless = event("UploadServerCertificate", CallOutcome::Success, None);
    for (pattern, matches) in [("*", true), ("1111*", false), ("111122223333", false)] {
        let when = When { account: patterns(&[pattern]), ..When::default() };
        let routes = [route("asked", when, &["soc"]), route("default", When::default(), &["lake"])];
        assert_eq!(decided(&routes, &nameless).0 == words(&["asked"]), matches, "{pattern}");
    }
}
