//! Event → sinks. Pure: ordered rules, the first match wins, nothing is implicit.

use crate::config::{Condition, RouteConfig, When};
use crate::error::{Code, Error};
use crate::event::Event;

/// Position of a sink in the configuration.
pub type SinkIndex = u16;

/// The routes of a configuration, with their sinks resolved to positions.
#[derive(Debug, Clone)]
pub struct Router {
    routes: Vec<Route>,
}

#[derive(Debug, Clone)]
struct Route {
    name: String,
    when: When,
    targets: Vec<Target>,
    continues: bool,
}

/// One sink of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The sink that receives the event.
    pub sink: SinkIndex,
    /// The first variant of the same `[sink.*]` table: an event is sent to each table at most once,
    /// whatever the topic or index.
    base: SinkIndex,
}

/// The sinks of one event, and the routes that named them: what `explain` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<'r> {
    /// Names of the routes that matched, in order.
    pub routes: Vec<&'r str>,
    /// Empty if a matching route discards the event.
    pub targets: Vec<Target>,
}

impl Router {
    /// Creates a router over checked routes; `sinks` are the names of all sinks in the order of the
    /// configuration. The configuration guarantees a catch-all route.
    ///
    /// # Errors
    /// A route names a sink that does not exist; the checked configuration rules it out.
    pub fn new<'s>(
        routes: Vec<RouteConfig>,
        sinks: impl IntoIterator<Item = &'s str>,
    ) -> Result<Self, Error> {
        let sinks: Vec<&str> = sinks.into_iter().collect();
        let mut bases = Vec::<(String, SinkIndex)>::new();
        let mut resolved = Vec::with_capacity(routes.len());
        for route in routes {
            let mut targets = Vec::with_capacity(route.targets.len());
            for target in route.targets {
                let sink = position(&sinks, &target.sink).ok_or_else(|| {
                    let text = format!("route {}: no sink is named {}", route.name, target.sink);
                    Error::new(Code::SinkConfiguration, text)
                })?;
                let base = match bases.iter().find(|(name, _)| *name == target.configured) {
                    Some((_, base)) => *base,
                    None => {
                        bases.push((target.configured, sink));
                        sink
                    }
                };
                targets.push(Target { sink, base });
            }
            let RouteConfig { name, when, continues, .. } = route;
            resolved.push(Route { name, when, targets, continues });
        }
        Ok(Self { routes: resolved })
    }

    /// Returns the routes' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.routes.iter().map(|route| route.name.as_str())
    }

    /// Returns the sinks of the first route that matches, and of those after it while `continue` is
    /// set.
    #[must_use]
    pub fn decide(&self, event: &Event) -> Decision<'_> {
        let mut decision = Decision { routes: Vec::new(), targets: Vec::new() };
        for route in self.routes.iter().filter(|route| matches(&route.when, event)) {
            decision.routes.push(&route.name);
            for target in &route.targets {
                if !decision.targets.iter().any(|seen| seen.base == target.base) {
                    decision.targets.push(*target);
                }
            }
            if !route.continues {
                break;
            }
        }
        decision
    }
}

fn position(sinks: &[&str], name: &str) -> Option<SinkIndex> {
    sinks.iter().position(|sink| *sink == name).and_then(|position| position.try_into().ok())
}

/// Returns whether `event` meets every condition of `when`. A field that the record lacks matches
/// as "".
fn matches(when: &When, event: &Event) -> bool {
    let fields = &event.fields;
    let is = |condition: &Condition, value: Option<&str>| condition.matches(value.unwrap_or(""));
    let findings: Vec<&str> = fields.findings.iter().map(|finding| finding.rule.id).collect();
    when.event.matches(&fields.name)
        && when.outcome.matches(fields.outcome.as_str())
        && when.severity.matches(fields.severity.as_str())
        && when.finding.matches_among(&findings)
        && is(&when.account, fields.account.as_deref())
        && is(&when.region, fields.region.as_deref())
        && is(&when.principal, fields.caller.as_deref())
        && is(&when.target, fields.target.as_deref())
        && when.channel.matches(event.channel.as_str())
        && is(&when.ou, event.account.as_ref().and_then(|account| account.ou.as_deref()))
        && when.certificate.matches_among(&fields.certificate)
        && when.labels.iter().all(|(name, condition)| is(condition, event.label(name)))
}

#[cfg(test)]
mod tests {
    //! The router and alice's events, one condition per test.

    use bytes::Bytes;
    use time::OffsetDateTime;

    use super::*;
    use crate::cloudtrail::{Origin, Record};
    use crate::config::{Account, EventOptions, FINDINGS, Pattern, RouteTarget, SEVERITIES};
    use crate::event::{Arrival, CallOutcome, Channel, RULES, Severity};

    /// Returns an event read from a record, as the service reads it.
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
            origin: Origin::Message { message_id: "m-1".to_owned() },
            channel: Channel::S3,
            seen: OffsetDateTime::UNIX_EPOCH,
            delivered: None,
        };
        Event::read(record, arrival).expect("a sound record")
    }

    fn upload() -> Event {
        event("UploadServerCertificate", CallOutcome::Success, Some("111122223333"))
    }

    /// Returns the condition that the configuration makes of `texts`: `!` excludes.
    fn condition(texts: &[&str]) -> Condition {
        let (none, any): (Vec<&str>, Vec<&str>) =
            texts.iter().partition(|text| text.starts_with('!'));
        let read = |list: Vec<&str>| {
            let bare = list.into_iter().map(|text| text.trim_start_matches('!'));
            bare.map(|text| Pattern::new(text).unwrap()).collect()
        };
        Condition { any: read(any), none: read(none) }
    }

    fn on_event(texts: &[&str]) -> When {
        When { event: condition(texts), ..When::default() }
    }

    /// Returns whether a route with this condition matches `event`.
    fn is_matched(when: When, event: &Event) -> bool {
        let routes =
            [route("tested", when, &["soc"]), route("default", When::default(), &["lake"])];
        decided(&routes, event).0 == words(&["tested"])
    }

    fn route(name: &str, when: When, sinks: &[&str]) -> RouteConfig {
        let targets = sinks.iter().map(|sink| RouteTarget::new(sink)).collect();
        RouteConfig { name: name.to_owned(), when, targets, continues: false }
    }

    fn continuing(route: RouteConfig) -> RouteConfig {
        RouteConfig { continues: true, ..route }
    }

    /// Returns the names of the routes that matched and of the sinks.
    fn decided(routes: &[RouteConfig], event: &Event) -> (Vec<String>, Vec<String>) {
        let sinks = ["lake", "lake:changes", "soc", "archive"];
        let router = Router::new(routes.to_vec(), sinks).expect("all sinks exist");
        let decision = router.decide(event);
        let names =
            decision.targets.iter().map(|target| sinks[usize::from(target.sink)].to_owned());
        (words(&decision.routes), names.collect())
    }

    fn words(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_first_route_that_matches_wins() {
        let routes = [
            route("deletes", on_event(&["Delete*"]), &["soc"]),
            route("uploads", on_event(&["Upload*"]), &["lake"]),
            route("default", When::default(), &["archive"]),
        ];
        assert_eq!(decided(&routes, &upload()), (words(&["uploads"]), words(&["lake"])));
    }

    #[test]
    fn an_event_that_no_condition_matches_goes_to_the_catch_all() {
        let routes = [
            route("deletes", on_event(&["Delete*"]), &["soc"]),
            route("default", When::default(), &["archive"]),
        ];
        assert_eq!(decided(&routes, &upload()), (words(&["default"]), words(&["archive"])));
    }

    #[test]
    fn continue_evaluates_the_following_routes_until_one_ends_it() {
        let routes = [
            continuing(route("all", When::default(), &["lake"])),
            route("uploads", on_event(&["Upload*"]), &["soc"]),
            route("default", When::default(), &["archive"]),
        ];
        let expected = (words(&["all", "uploads"]), words(&["lake", "soc"]));
        assert_eq!(decided(&routes, &upload()), expected);
    }

    #[test]
    fn a_sink_is_selected_once_by_the_first_route_that_names_it() {
        let routes = [
            continuing(route("one", When::default(), &["lake", "soc"])),
            continuing(route("two", When::default(), &["soc", "lake"])),
            route("default", When::default(), &["lake", "archive"]),
        ];
        let (matched, sinks) = decided(&routes, &upload());
        assert_eq!(matched, words(&["one", "two", "default"]));
        assert_eq!(sinks, words(&["lake", "soc", "archive"]));
    }

    #[test]
    fn discard_matches_and_selects_no_sink() {
        let routes = [
            route("noise", on_event(&["Get*", "List*"]), &[]),
            route("default", When::default(), &["lake"]),
        ];
        let read = event("ListServerCertificates", CallOutcome::Success, None);
        assert_eq!(decided(&routes, &read), (words(&["noise"]), vec![]));
    }

    #[test]
    fn all_conditions_must_match_and_one_pattern_of_each_is_enough() {
        let when = When {
            event: condition(&["Delete*", "Upload*"]),
            outcome: condition(&["failure"]),
            account: condition(&["1111*"]),
            region: condition(&["us-*", "eu-*"]),
            ..When::default()
        };
        let routes =
            [route("denied", when, &["soc"]), route("default", When::default(), &["lake"])];
        let denied = event("UploadServerCertificate", CallOutcome::Failure, Some("111122223333"));
        assert_eq!(decided(&routes, &denied).0, words(&["denied"]));
        assert_eq!(decided(&routes, &upload()).0, words(&["default"]));
        let other_account =
            event("UploadServerCertificate", CallOutcome::Failure, Some("999988887777"));
        assert_eq!(decided(&routes, &other_account).0, words(&["default"]));
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
            assert_eq!(is_matched(on_event(&[pattern]), &upload()), matches, "{pattern}");
        }
    }

    #[test]
    fn a_record_without_an_account_matches_only_the_star() {
        let nameless = event("UploadServerCertificate", CallOutcome::Success, None);
        for (pattern, matches) in [("*", true), ("1111*", false), ("111122223333", false)] {
            let when = When { account: condition(&[pattern]), ..When::default() };
            assert_eq!(is_matched(when, &nameless), matches, "{pattern}");
        }
    }

    #[test]
    fn an_exclusion_matches_everything_else() {
        assert!(is_matched(on_event(&["!Get*", "!List*"]), &upload()));
        assert!(!is_matched(on_event(&["!Upload*"]), &upload()));
        assert!(!is_matched(on_event(&["Upload*", "!*ServerCertificate"]), &upload()));
    }

    /// Returns the event of a role session that uploads a signing certificate for alice.
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
            origin: Origin::Message { message_id: "m-1".to_owned() },
            channel: Channel::EventBridge,
            seen: OffsetDateTime::UNIX_EPOCH,
            delivered: None,
        };
        Event::read(record, arrival).expect("a sound record")
    }

    #[test]
    fn routes_match_findings_severity_caller_target_and_channel() {
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
            assert_eq!(is_matched(when.clone(), &event), matches, "{when:?} of {:?}", event.fields);
        }
    }

    #[test]
    fn routes_match_account_labels_and_certificate_flags() {
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
        let label = |name: &str, texts: &[&str]| When {
            labels: [(name.to_owned(), condition(texts))].into(),
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
            assert_eq!(is_matched(when.clone(), &known), of_known, "{when:?}");
            assert_eq!(is_matched(when.clone(), &unknown), of_unknown, "{when:?}");
        }
    }

    #[test]
    fn the_configuration_and_the_events_use_the_same_names() {
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
    fn a_sink_with_another_topic_is_the_same_sink() {
        let mut changes = continuing(route("changes", on_event(&["Upload*"]), &["lake"]));
        changes.targets[0].sink = "lake:changes".to_owned();
        let routes = [changes, route("default", When::default(), &["lake", "soc"])];
        let expected = (words(&["changes", "default"]), words(&["lake:changes", "soc"]));
        assert_eq!(decided(&routes, &upload()), expected);
    }

    #[test]
    fn a_route_to_a_sink_that_does_not_exist_is_an_error() {
        let error =
            Router::new(vec![route("default", When::default(), &["lake"])], ["soc"]).unwrap_err();
        assert_eq!(error.code, Code::SinkConfiguration);
        assert!(error.text.contains("lake"), "{error}");
    }
}
