//! The JSON object around an event. Always from a struct: of an object with a key that Splunk does not know, Splunk
//! indexes nothing, nor anything after it, and answers 200.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::config::{Mapping, OutputFormat, SplunkConfig, SplunkMode};
use crate::error::{Code, Error};
use crate::event::{CallOutcome, Event};
use crate::sink::Render;

/// What is the same for all events of a sink.
pub(super) struct Envelopes {
    index: Option<Mapping>,
    source: Option<Mapping>,
    sourcetype: Mapping,
    host: Option<Mapping>,
    mode: SplunkMode,
    format: OutputFormat,
    render: Render,
}

/// One object of a request: exactly the keys that HEC knows, but for `event` and `fields`, which follow.
#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    source: &'a str,
    sourcetype: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<&'a str>,
}

/// Fields that are indexed beside the event: strings and lists of strings only, none of them empty.
#[derive(Serialize)]
struct Indexed<'a> {
    event_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    finding: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_sha256: Option<&'a str>,
    /// `label_team`: no name above begins so, and none of CloudTrail's.
    #[serde(flatten)]
    labels: BTreeMap<String, &'a str>,
}

/// Most labels of an event: as many as `[labels]` may have, and the two of an account.
const MOST_LABELS: usize = 34;

impl Envelopes {
    /// As the configuration says. `only` sends the record itself, whatever the format.
    pub(super) fn new(own: &SplunkConfig, format: OutputFormat, render: Render) -> Self {
        let (sourcetype, format) = match own.mode {
            SplunkMode::Events => ("certrelay:event", format),
            SplunkMode::Records => ("aws:cloudtrail", OutputFormat::Raw),
        };
        Self {
            index: own.index.clone(),
            source: own.source.clone(),
            sourcetype: own.sourcetype.clone().unwrap_or_else(|| sourcetype.into()),
            host: own.host.clone(),
            mode: own.mode,
            format,
            render,
        }
    }

    /// Appends one object to `out`, without anything after it: HEC reads objects one after the other.
    ///
    /// A rendering is JSON because its record was read as such; parsing it once more would cost a sixth of the sink's
    /// time. Were it ever broken, HEC refuses that object by its number, and it alone.
    ///
    /// # Errors
    /// The event cannot be rendered, so it can never be sent; `out` then has a part of it.
    pub(super) fn wrap(&self, event: &Event, out: &mut Vec<u8>) -> Result<(), Error> {
        let time = time_of(event).and_then(|time| RawValue::from_string(time).ok());
        let origin = origin_of(event);
        let (host, source) = (said(&self.host, event), said(&self.source, event));
        let envelope = Envelope {
            time: time.as_deref(),
            host: host.or(event.fields.account.as_deref()),
            source: source.unwrap_or(&origin),
            sourcetype: event.choose(&self.sourcetype),
            index: said(&self.index, event),
        };
        serde_json::to_writer(&mut *out, &envelope).map_err(|fault| not_json(&fault))?;
        // The closing brace: more members follow.
        out.pop();
        out.extend_from_slice(b",\"event\":");
        let before = out.len();
        (self.render)(event, self.format, out);
        if out.len() == before {
            return Err(not_json(&"it renders to nothing"));
        }
        out.extend_from_slice(b",\"fields\":");
        serde_json::to_writer(&mut *out, &self.indexed(event)).map_err(|fault| not_json(&fault))?;
        out.push(b'}');
        Ok(())
    }

    /// The index that `event` is meant for; `None`: the token's default.
    pub(super) fn index_of(&self, event: &Event) -> Option<&str> {
        said(&self.index, event)
    }

    /// With the add-on's own sourcetype only the id and what the operator calls things or asks for: its searches find everything
    /// else themselves, and a second value of `region` would only confuse them.
    fn indexed<'a>(&self, event: &'a Event) -> Indexed<'a> {
        let beside = self.mode == SplunkMode::Events;
        let if_beside = |value: &'a str| Some(value).filter(|value| beside && !value.is_empty());
        let fields = &event.fields;
        Indexed {
            event_id: &event.id,
            event_name: if_beside(&fields.name),
            event_source: if_beside(&fields.source),
            account: fields.account.as_deref().and_then(if_beside),
            region: fields.region.as_deref().and_then(if_beside),
            outcome: beside.then_some(match fields.outcome {
                CallOutcome::Success => "success",
                CallOutcome::Failure => "failure",
            }),
            severity: beside.then(|| fields.severity.as_str()),
            finding: match beside {
                true => fields.findings.iter().map(|finding| finding.rule.id).collect(),
                false => Vec::new(),
            },
            lane: beside.then(|| event.lane.as_str()),
            file_sha256: event.file_sha256.as_deref(),
            labels: labels_of(event),
        }
    }
}

/// What the operator calls things; the record does not say it.
fn labels_of(event: &Event) -> BTreeMap<String, &str> {
    let labels = event.labels().into_iter().filter(|(_, value)| !value.is_empty());
    labels.take(MOST_LABELS).map(|(name, value)| (format!("label_{name}"), value)).collect()
}

/// What the operator says of an event, if anything.
fn said<'m>(mapping: &'m Option<Mapping>, event: &Event) -> Option<&'m str> {
    mapping.as_ref().map(|mapping| event.choose(mapping))
}

/// `eventTime` in plain decimal seconds: exponents are refused (code 15), and so is null.
fn time_of(event: &Event) -> Option<String> {
    let time = event.fields.time?;
    let seconds = time.unix_timestamp();
    (seconds >= 0).then(|| format!("{seconds}.{:03}", time.millisecond()))
}

/// The file, without the record's place in it: `source` is one of the few values Splunk keeps per
/// bucket, and the file is also what the AWS add-on calls it.
fn origin_of(event: &Event) -> String {
    let mut origin = String::with_capacity(192);
    // Writing to memory cannot fail.
    let _ = write!(origin, "{}", event.origin);
    if let Some(file) = origin.rfind('#') {
        origin.truncate(file);
    }
    origin
}

fn not_json(fault: &impl std::fmt::Display) -> Error {
    Error::new(Code::SplunkNotJson, format!("the event cannot be written as JSON: {fault}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::{EventOptions, Secret, Tls};
    use crate::sink::testing::{event, event_of, render_record};

    fn settings(mode: SplunkMode) -> SplunkConfig {
        SplunkConfig {
            endpoints: Vec::new(),
            token: Secret::Literal(std::sync::Arc::new("token".into())),
            mode,
            index: None,
            source: None,
            sourcetype: None,
            host: None,
            ack: false,
            tls: Tls::default(),
            max_batch_bytes: 1_000_000,
            timeout: std::time::Duration::from_secs(60),
        }
    }

    fn wrap(own: &SplunkConfig, event: &Event) -> Value {
        let envelopes = Envelopes::new(own, OutputFormat::Ocsf, render_record);
        serde_json::from_str(&written(&envelopes, event)).unwrap()
    }

    fn written(envelopes: &Envelopes, event: &Event) -> String {
        let mut out = b"before".to_vec();
        envelopes.wrap(event, &mut out).unwrap();
        String::from_utf8(out).unwrap().strip_prefix("before").unwrap().to_owned()
    }

    #[test]
    fn beside_another_feed_the_event_has_our_sourcetype_and_fields_to_join_on() {
        let given = event(1);
        let wrapped = wrap(&settings(SplunkMode::Events), &given);
        let findings: Vec<&str> =
            given.fields.findings.iter().map(|finding| finding.rule.id).collect();
        assert!(!findings.is_empty(), "the upload of a certificate is worth a look");
        let record: Value = serde_json::from_slice(&event(1).record().bytes).unwrap();
        let expected = json!({
            "time": 1_790_000_000.0, "host": "111122223333", "source": "s3://audit-logs/AWSLogs/file.json.gz",
            "sourcetype": "certrelay:event", "event": record,
            "fields": {
                "event_id": "event-1", "event_name": "UploadServerCertificate",
                "event_source": "iam.amazonaws.com", "account": "111122223333",
                "region": "us-east-1", "outcome": "success", "lane": "file",
                "severity": given.fields.severity.as_str(), "finding": findings,
            },
        });
        assert_eq!(wrapped, expected);
    }

    #[test]
    fn as_the_only_feed_it_looks_like_the_add_ons_own() {
        fn by_format(_: &Event, format: OutputFormat, out: &mut Vec<u8>) {
            out.extend_from_slice(format!(r#"{{"f":"{format:?}"}}"#).as_bytes());
        }
        let envelopes =
            Envelopes::new(&settings(SplunkMode::Records), OutputFormat::Ocsf, by_format);
        let wrapped: Value = serde_json::from_str(&written(&envelopes, &event(1))).unwrap();
        assert_eq!(wrapped["sourcetype"], "aws:cloudtrail");
        assert_eq!(wrapped["event"]["f"], "Raw");
        assert_eq!(wrapped["fields"], json!({ "event_id": "event-1" }));
    }

    #[test]
    fn what_the_operator_calls_things_is_indexed_in_both_modes_and_replaces_nothing() {
        let labels = [("team", "pki"), ("empty", ""), ("event_id", "mine"), ("owner", "alice")];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut labelled = (*event(1)).clone();
        let options = EventOptions { labels: labels.into(), ..EventOptions::default() };
        labelled.options = options.into();
        labelled.file_sha256 = Some("00ff".to_owned());
        for mode in [SplunkMode::Events, SplunkMode::Records] {
            let fields = wrap(&settings(mode), &labelled)["fields"].clone();
            assert_eq!(fields["event_id"], "event-1", "{mode:?}");
            assert_eq!(fields["label_event_id"], "mine", "{mode:?}");
            assert_eq!(fields["label_team"], "pki", "{mode:?}");
            assert_eq!(fields["label_owner"], "alice", "{mode:?}");
            assert_eq!(fields.get("label_empty"), None, "{mode:?}");
            assert_eq!(fields["file_sha256"], "00ff", "{mode:?}");
        }
        labelled.file_sha256 = None;
        let many = (0..100).map(|n| (format!("l{n:02}"), "x".to_owned())).collect();
        labelled.options = EventOptions { labels: many, ..EventOptions::default() }.into();
        let fields = wrap(&settings(SplunkMode::Records), &labelled)["fields"].clone();
        assert_eq!(fields.as_object().map(serde_json::Map::len), Some(1 + MOST_LABELS));
    }

    #[test]
    fn settings_replace_what_the_event_would_say() {
        let mut own = settings(SplunkMode::Records);
        own.index = Some("security".into());
        own.source = Some("certrelay".into());
        own.sourcetype = Some("my:type".into());
        own.host = Some("relay-1".into());
        let wrapped = wrap(&own, &event(1));
        let said = ["index", "source", "sourcetype", "host"].map(|key| wrapped[key].clone());
        assert_eq!(said, ["security", "certrelay", "my:type", "relay-1"]);
    }

    #[test]
    fn what_is_not_known_is_left_out_and_never_null_or_empty() {
        let mut bare = (*event(1)).clone();
        bare.fields.time = None;
        bare.fields.account = None;
        bare.fields.region = Some(String::new());
        let wrapped = wrap(&settings(SplunkMode::Events), &bare);
        for absent in ["time", "host", "index"] {
            assert_eq!(wrapped.get(absent), None, "{absent}");
        }
        assert_eq!(wrapped["fields"].get("account"), None);
        assert_eq!(wrapped["fields"].get("region"), None);
    }

    #[test]
    fn the_time_is_plain_decimal_with_milliseconds() {
        let mut late = (*event(1)).clone();
        let envelopes =
            Envelopes::new(&settings(SplunkMode::Records), OutputFormat::Raw, render_record);
        let written = |event: &Event| written(&envelopes, event);
        assert!(written(&late).starts_with(r#"{"time":1790000000.000,"#));
        late.fields.time = late.fields.time.map(|time| time + time::Duration::milliseconds(7));
        assert!(written(&late).starts_with(r#"{"time":1790000000.007,"#));
        late.fields.time = time::OffsetDateTime::from_unix_timestamp(-5).ok();
        assert!(written(&late).starts_with(r#"{"host":"#), "before the epoch: left out");
    }

    #[test]
    fn an_event_that_renders_to_nothing_is_refused() {
        let envelopes =
            Envelopes::new(&settings(SplunkMode::Records), OutputFormat::Raw, |_, _, _| {});
        let error = envelopes.wrap(&event(1), &mut Vec::new()).unwrap_err();
        assert_eq!(error.code, Code::SplunkNotJson);
    }

    #[test]
    fn whatever_the_record_holds_the_envelope_is_one_object_that_carries_it_whole() {
        let record =
            "{\"eventName\":\"x\\\"},{\",\"eventSource\":\"y\\\\\",\r\n\"a\":[{}] , \"a\":1.0}";
        for mode in [SplunkMode::Events, SplunkMode::Records] {
            let envelopes =
                Envelopes::new(&settings(mode), OutputFormat::Raw, crate::event::render);
            let written = written(&envelopes, &event_of(record));
            assert!(written.contains(&format!(",\"event\":{record},\"fields\":{{")), "{written}");
            assert!(serde_json::from_str::<Value>(&written).is_ok(), "{written}");
        }
    }
}
