//! The JSON object around an event. Always written from a struct: Splunk indexes neither an object
//! with an unknown key nor anything after it, and returns 200.

use std::fmt::Write as _;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::value::RawValue;

use crate::config::{Mapping, OutputFormat, SplunkConfig, SplunkMode};
use crate::error::{Code, Error};
use crate::event::{CallOutcome, Event};
use crate::sink::types::Render;

/// Writes the envelopes of a sink.
pub(super) struct Envelopes {
    index: Option<Mapping>,
    source: Option<Mapping>,
    sourcetype: Mapping,
    host: Option<Mapping>,
    mode: SplunkMode,
    format: OutputFormat,
    render: Render,
}

/// One object of a request: exactly the keys that HEC knows, without `event` and `fields`, which
/// follow.
#[derive(serde::Serialize)]
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

/// The indexed fields of an event: only strings and lists of strings, none of them empty.
struct Indexed<'a> {
    event: &'a Event,
    mode: SplunkMode,
}

impl Serialize for Indexed<'_> {
    /// With the add-on's own sourcetype only the id, labels and requested values: the add-on
    /// extracts everything else itself, and a second value of `region` would break its searches.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { event, mode } = *self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("event_id", &event.id)?;
        if mode == SplunkMode::Events {
            let fields = &event.fields;
            let outcome = match fields.outcome {
                CallOutcome::Success => "success",
                CallOutcome::Failure => "failure",
            };
            let values = [
                ("event_name", Some(fields.name.as_str())),
                ("event_source", Some(fields.source.as_str())),
                ("account", fields.account.as_deref()),
                ("region", fields.region.as_deref()),
                ("outcome", Some(outcome)),
                ("severity", Some(fields.severity.as_str())),
                ("channel", Some(event.channel.as_str())),
            ];
            for (name, value) in values {
                if let Some(value) = value.filter(|value| !value.is_empty()) {
                    map.serialize_entry(name, value)?;
                }
            }
            let findings: Vec<&str> = fields.findings.iter().map(|f| f.rule.id).collect();
            if !findings.is_empty() {
                map.serialize_entry("finding", &findings)?;
            }
        }
        if let Some(hash) = &event.file_sha256 {
            map.serialize_entry("file_sha256", hash)?;
        }
        let labels = event.labels().into_iter().filter(|(_, value)| !value.is_empty());
        for (name, value) in labels.take(MAX_LABELS) {
            // No name above starts with `label_`, and none of CloudTrail's.
            map.serialize_entry(&format!("label_{name}"), value)?;
        }
        map.end()
    }
}

/// Maximum labels of an event: the maximum of `[labels]`, and two of an account.
const MAX_LABELS: usize = 34;

impl Envelopes {
    /// The mode `records` sends the record itself, whatever the format.
    pub(super) fn new(settings: &SplunkConfig, format: OutputFormat, render: Render) -> Self {
        let (sourcetype, format) = match settings.mode {
            SplunkMode::Events => ("certrelay:event", format),
            SplunkMode::Records => ("aws:cloudtrail", OutputFormat::Raw),
        };
        Self {
            index: settings.index.clone(),
            source: settings.source.clone(),
            sourcetype: settings.sourcetype.clone().unwrap_or_else(|| sourcetype.into()),
            host: settings.host.clone(),
            mode: settings.mode,
            format,
            render,
        }
    }

    /// Appends one object to `out`, without a separator: HEC reads concatenated objects.
    ///
    /// A rendering is JSON because its record was parsed as such; parsing it again would cost a
    /// sixth of the sink's time. HEC would reject an invalid object alone, by its number.
    ///
    /// # Errors
    /// The event cannot be rendered, so it can never be sent; `out` then has a part of it.
    pub(super) fn wrap(&self, event: &Event, out: &mut Vec<u8>) -> Result<(), Error> {
        let time = time_of(event).and_then(|time| RawValue::from_string(time).ok());
        let origin = origin_of(event);
        let (host, source) = (chosen(&self.host, event), chosen(&self.source, event));
        let envelope = Envelope {
            time: time.as_deref(),
            host: host.or(event.fields.account.as_deref()),
            source: source.unwrap_or(&origin),
            sourcetype: event.choose(&self.sourcetype),
            index: chosen(&self.index, event),
        };
        serde_json::to_writer(&mut *out, &envelope).map_err(|error| not_json(&error))?;
        // Removes the closing brace: more members follow.
        out.pop();
        out.extend_from_slice(b",\"event\":");
        let before = out.len();
        (self.render)(event, self.format, out);
        if out.len() == before {
            return Err(not_json(&"it renders to nothing"));
        }
        out.extend_from_slice(b",\"fields\":");
        serde_json::to_writer(&mut *out, &Indexed { event, mode: self.mode })
            .map_err(|error| not_json(&error))?;
        out.push(b'}');
        Ok(())
    }

    /// Returns the index of `event`; `None`: the token's default.
    pub(super) fn index_of(&self, event: &Event) -> Option<&str> {
        chosen(&self.index, event)
    }
}

/// Returns the configured value for an event, if there is one.
fn chosen<'m>(mapping: &'m Option<Mapping>, event: &Event) -> Option<&'m str> {
    mapping.as_ref().map(|mapping| event.choose(mapping))
}

/// Returns `eventTime` in plain decimal seconds: HEC rejects exponents (code 15), and null.
fn time_of(event: &Event) -> Option<String> {
    let time = event.fields.time?;
    let seconds = time.unix_timestamp();
    (seconds >= 0).then(|| format!("{seconds}.{:03}", time.millisecond()))
}

/// Returns the file, without the record's index: `source` is one of the few values that Splunk
/// stores per bucket, and the AWS add-on uses the file too.
fn origin_of(event: &Event) -> String {
    let mut origin = String::with_capacity(192);
    // Writing to memory cannot fail.
    let _ = write!(origin, "{}", event.origin);
    if let Some(file) = origin.rfind('#') {
        origin.truncate(file);
    }
    origin
}

fn not_json(error: &impl std::fmt::Display) -> Error {
    Error::new(Code::SplunkNotJson, format!("the event cannot be written as JSON: {error}"))
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
    fn mode_events_uses_our_sourcetype_and_fields_to_join_on() {
        let given = event(1);
        let wrapped = wrap(&settings(SplunkMode::Events), &given);
        let findings: Vec<&str> =
            given.fields.findings.iter().map(|finding| finding.rule.id).collect();
        assert!(!findings.is_empty(), "the upload of a certificate has findings");
        let record: Value = serde_json::from_slice(&event(1).record().bytes).unwrap();
        let expected = json!({
            "time": 1_790_000_000.0, "host": "111122223333", "source": "s3://audit-logs/AWSLogs/file.json.gz",
            "sourcetype": "certrelay:event", "event": record,
            "fields": {
                "event_id": "event-1", "event_name": "UploadServerCertificate",
                "event_source": "iam.amazonaws.com", "account": "111122223333",
                "region": "us-east-1", "outcome": "success", "channel": "s3",
                "severity": given.fields.severity.as_str(), "finding": findings,
            },
        });
        assert_eq!(wrapped, expected);
    }

    #[test]
    fn mode_records_looks_like_the_add_ons_own_feed() {
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
    fn labels_are_indexed_in_both_modes_and_replace_nothing() {
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
        assert_eq!(fields.as_object().map(serde_json::Map::len), Some(1 + MAX_LABELS));
    }

    #[test]
    fn settings_replace_values_of_the_event() {
        let mut own = settings(SplunkMode::Records);
        own.index = Some("security".into());
        own.source = Some("certrelay".into());
        own.sourcetype = Some("my:type".into());
        own.host = Some("relay-1".into());
        let wrapped = wrap(&own, &event(1));
        let values = ["index", "source", "sourcetype", "host"].map(|key| wrapped[key].clone());
        assert_eq!(values, ["security", "certrelay", "my:type", "relay-1"]);
    }

    #[test]
    fn unknown_values_are_omitted_and_never_null_or_empty() {
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
        assert!(written(&late).starts_with(r#"{"host":"#), "before the epoch: omitted");
    }

    #[test]
    fn an_event_without_a_rendering_is_rejected() {
        let envelopes =
            Envelopes::new(&settings(SplunkMode::Records), OutputFormat::Raw, |_, _, _| {});
        let error = envelopes.wrap(&event(1), &mut Vec::new()).unwrap_err();
        assert_eq!(error.code, Code::SplunkNotJson);
    }

    #[test]
    fn the_envelope_is_one_object_with_the_whole_record_whatever_it_contains() {
        let record =
            "{\"eventName\":\"x\\\"},{\",\"eventSource\":\"y\\\\\",\r\n\"a\":[{}] , \"a\":1.0}";
        for mode in [SplunkMode::Events, SplunkMode::Records] {
            let envelopes =
                Envelopes::new(&settings(mode), OutputFormat::Raw, crate::format::render);
            let written = written(&envelopes, &event_of(record));
            assert!(written.contains(&format!(",\"event\":{record},\"fields\":{{")), "{written}");
            assert!(serde_json::from_str::<Value>(&written).is_ok(), "{written}");
        }
    }
}
