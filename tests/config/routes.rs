//! What conditions, and a sink's topic for one route, become.

use certrelay::config::{Condition, Mapping, OcsfVersion, OutputFormat, SinkKind};

/// As it could be written: `a b !c`.
fn written(condition: &Condition) -> String {
    let any = condition.any.iter().map(|pattern| pattern.as_str().to_owned());
    let none = condition.none.iter().map(|pattern| format!("!{}", pattern.as_str()));
    any.chain(none).collect::<Vec<_>>().join(" ")
}

/// Returns the parsed `severity` of a route.
fn severity(text: &str) -> Condition {
    let route = format!(
        "[[route]]\nname = \"severe\"\nwhen = {{ severity = {text} }}\nsinks = [\"screen\"]\n"
    );
    let config =
        super::parse(&super::sound_with(&route)).unwrap_or_else(|report| panic!("{report}"));
    config.routes[0].when.severity.clone()
}

#[test]
fn a_comparison_of_severities_is_expanded() {
    for (written_as, meant) in [
        ("\">=high\"", "high critical"),
        ("\"> high\"", "critical"),
        ("\"<=low\"", "informational low"),
        ("[\"<low\", \"critical\"]", "informational critical"),
        ("\"!<medium\"", "!informational !low"),
        ("\"{high,critical}\"", "{high,critical}"),
    ] {
        assert_eq!(written(&severity(written_as)), meant, "{written_as}");
    }
}

#[test]
fn an_exclamation_mark_excludes() {
    let text = super::sound_with(
        "[[route]]\nname = \"changes\"\nwhen = { event = [\"*\", \"!Get*\", \"!List*\"], principal = \
         \"!arn:aws:iam::111122223333:role/rotation\" }\nsinks = [\"screen\"]\n",
    );
    let when = &super::parse(&text).unwrap().routes[0].when;
    assert_eq!(written(&when.event), "* !Get* !List*");
    assert!(when.event.matches("UploadServerCertificate") && !when.event.matches("GetX"));
    assert!(!when.principal.matches("arn:aws:iam::111122223333:role/rotation"));
    assert!(when.principal.matches("") && !when.is_catch_all());
}

const TWO_TOPICS: &str = r#"
[[source]]
directory = "logs"
[[route]]
name = "changes"
when = { event = "Upload*" }
sinks = [{ sink = "lake", topic = "changes" }, { sink = "soc", index = "main" }]
[[route]]
name = "deletes"
when = { event = "Delete*" }
sinks = [{ sink = "lake", topic = "changes" }, { sink = "soc", index = "security" }]
[[route]]
name = "default"
sinks = [{ sink = "lake", topic = "certificates" }]
[sink.soc]
type = "splunk_hec"
endpoints = ["https://hec.example.com:8088"]
token = { env = "HEC_TOKEN" }
index = "main"
[sink.lake]
type = "kafka"
brokers = ["broker-1.example.com:9092"]
topic = "certificates"
"#;

#[test]
fn a_topic_of_a_route_s_own_becomes_a_sink_of_its_own() {
    let config = super::parse(TWO_TOPICS).unwrap();
    let names: Vec<&str> = config.sinks.iter().map(|sink| sink.name.as_str()).collect();
    assert_eq!(names, ["soc", "soc:security", "lake", "lake:changes"]);
    let topic = |at: usize| match &config.sinks[at].kind {
        SinkKind::Kafka(kafka) => kafka.topic.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!((topic(2), topic(3)), ("certificates".to_owned(), "changes".to_owned()));
    let SinkKind::SplunkHec(security) = &config.sinks[1].kind else { panic!("no Splunk") };
    assert_eq!(security.index.as_ref().and_then(Mapping::literal), Some("security"));
    let targets: Vec<(&str, &str)> = config
        .routes
        .iter()
        .flat_map(|route| &route.targets)
        .map(|target| (target.sink.as_str(), target.configured.as_str()))
        .collect();
    let expected = [
        ("lake:changes", "lake"),
        ("soc", "soc"),
        ("lake:changes", "lake"),
        ("soc:security", "soc"),
        ("lake", "lake"),
    ];
    assert_eq!(targets, expected);
}

#[test]
fn a_sink_that_is_only_used_with_other_topics_is_not_made() {
    let text = TWO_TOPICS.replace("topic = \"certificates\" }]", "topic = \"rest\" }]");
    let config = super::parse(&text).unwrap();
    let names: Vec<&str> = config.sinks.iter().map(|sink| sink.name.as_str()).collect();
    assert_eq!(names, ["soc", "soc:security", "lake:changes", "lake:rest"]);
}

#[test]
fn settings_of_events_are_in_the_options() {
    let text = super::sound_with(
        r#"
[events]
include = ["signing-certificate", "audit-trail"]
expected_principals = ["arn:aws:iam::111122223333:role/${SET}"]
known_networks = ["203.0.113.0/24"]
[privacy]
keep_pem = true
[format.ocsf]
version = "1.5.0"
"#,
    );
    let config = super::parse(&text).unwrap();
    let rule = |name| config.events.iter().find(|rule| rule.name.matches(name));
    assert_eq!(rule("StopLogging").map(|rule| &*rule.source), Some("cloudtrail.amazonaws.com"));
    assert!(rule("UploadServerCertificate").is_none());
    let options = &config.options;
    assert_eq!(options.expected_principals[0].as_str(), "arn:aws:iam::111122223333:role/alice");
    assert!(options.known_networks[0].contains("203.0.113.9".parse().unwrap()));
    assert!(options.keep_pem && options.ocsf == OcsfVersion::V1_5);
    assert!(config.summary().contains("1 expected principal, 1 known network, certificates kept"));
}

#[test]
fn a_format_fits_its_sink_unless_another_is_written() {
    let format = |extra: &str| {
        let text = TWO_TOPICS.replace("index = \"main\"\n", extra);
        super::parse(&text).unwrap().sinks[0].format
    };
    assert_eq!(format(""), OutputFormat::Cim);
    assert_eq!(format("mode = \"records\"\n"), OutputFormat::Raw);
    assert_eq!(format("format = \"ecs\"\n"), OutputFormat::Ecs);
    assert_eq!(super::parse(super::SOUND).unwrap().sinks[0].format, OutputFormat::Ocsf);
}

#[test]
fn conditions_can_match_labels_and_accounts() {
    let text = super::sound_with(
        r#"
[labels]
stage = "${SET}"
[accounts]
s3 = "s3://tables/org/accounts.json"
refresh = "10 min"
[[route]]
name = "production"
when = { ou = ["Workloads/*", "!Workloads/Test"], label = { environment = "prod*", stage = ["!x", "alice"] }, certificate = "!self_signed" }
sinks = ["screen"]
"#,
    );
    let config = super::parse(&text).unwrap();
    let when = &config.routes[0].when;
    assert_eq!(written(&when.ou), "Workloads/* !Workloads/Test");
    assert_eq!(written(&when.certificate), "!self_signed");
    let labels: Vec<String> =
        when.labels.iter().map(|(name, one)| format!("{name}: {}", written(one))).collect();
    assert_eq!(labels, ["environment: prod*", "stage: alice !x"]);
    assert_eq!(config.options.labels["stage"], "alice");
    let accounts = config.accounts.expect("a table");
    assert_eq!(accounts.location.to_string(), "s3://tables/org/accounts.json");
    assert_eq!(accounts.refresh.as_secs(), 600);
}

#[test]
fn a_route_of_one_label_does_not_hide_one_of_another() {
    let route = |name: &str, when: &str| {
        format!("[[route]]\nname = \"{name}\"\nwhen = {{ {when} }}\nsinks = [\"screen\"]\n")
    };
    let with = |first: &str, second: &str| {
        let table = "[labels]\nteam = \"x\"\n[accounts]\nfile = \"a.csv\"\n";
        let routes = route("first", first) + &route("second", second);
        super::parse(&super::sound_with(&format!("{table}{routes}")))
    };
    let prod = "label = { environment = \"prod*\" }";
    assert!(with(prod, "label = { team = \"x\" }").is_ok());
    assert!(with(prod, "ou = \"Prod\"").is_ok());
    assert!(with("certificate = \"expired\"", "certificate = \"!expired\"").is_ok());
    for later in [prod, "label = { environment = \"production\", team = \"x\" }"] {
        let report = with(prod, later).expect_err("hidden").to_string();
        assert!(report.contains("never reached: route \"first\""), "{report}");
    }
}
