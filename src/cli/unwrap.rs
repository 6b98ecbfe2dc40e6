//! Finds CloudTrail records in the files of other tools that hold them: what the AWS CLI,
//! EventBridge, CloudWatch Logs, SQS, SNS, Splunk, Elasticsearch and Athena write.
//!
//! For people who have such a file. The service reads CloudTrail's own files only.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::cloudtrail::{DecodeError, DecodeStats, Decoded, Decoder};

/// Longest document, uncompressed: it is held in memory.
const MAX_DOCUMENT: u64 = 256 << 20;

/// Most wrappers around a record.
const MAX_DEPTH: usize = 16;

/// Members that hold the text of a record, and in which an object that looks like a record may have
/// it.
const TEXTS: [&str; 3] = ["CloudTrailEvent", "eventJson", "_raw"];

/// Members that hold one record, a list of them, or a further wrapper.
const WRAPPERS: &str = "Records Events events logEvents Messages hits results result _source detail Sns Message \
    Body body message @message event original";

/// Fields of records whose names Athena writes in lower case.
const FIELDS: &str = "accessKeyId accountId additionalEventData apiVersion awsRegion cipherSuite \
    clientProvidedHostHeader creationDate credentialId errorCode errorMessage eventCategory \
    eventID eventName eventSource eventTime eventType eventVersion federatedProvider \
    identityProvider identityStoreArn invokedBy managementEvent mfaAuthenticated onBehalfOf \
    principalId readOnly recipientAccountId requestID requestParameters responseElements \
    serviceEventDetails sessionContext sessionCredentialFromConsole sessionIssuer \
    sharedEventID sourceIPAddress sourceIdentity tlsDetails tlsVersion userAgent userId \
    userIdentity userName vpcEndpointAccountId vpcEndpointId webIdFederationData";

/// Columns whose objects have names of their own, which are not in lower case.
const PARAMETERS: [&str; 4] =
    ["requestParameters", "responseElements", "additionalEventData", "serviceEventDetails"];

/// What extracts records from any JSON that has them as objects or as text.
const EXTRACT: &str = "def all: .., (.. | strings | fromjson? | all); ";

/// What a notification is, and what to do with it.
const NOTIFICATION: &str = "it is a notification of S3, which names log files and holds no records; \
    to list them: jq -r '.Records[].s3 | \"s3://\\(.bucket.name)/\\(.object.key)\"' FILE";

/// The same for Athena's GetQueryResults.
const RESULT_SET: &str = "it is an answer of Athena's GetQueryResults; to read its rows: \
    jq -c '[.ResultSet.Rows[].Data | map(.VarCharValue)] | .[0] as $names | .[1:][] | \
    [$names, .] | transpose | map({(.[0]): .[1]}) | add' FILE | certrelay scan -";

/// The members of an object.
type Members<'v> = BTreeMap<String, &'v RawValue>;

/// Takes the text of an element, whether that is a record or not.
type Each<'e> = dyn FnMut(&str) -> Result<(), String> + 'e;

/// Decodes the records that a refused file wraps as if they were one log file. Calls `print` with
/// what was decoded.
///
/// # Errors
/// The file holds no records, or is invalid; or `print` failed.
pub(super) fn decode(
    stored: &mut dyn Read,
    refused: &DecodeError,
    decoder: &mut Decoder,
    print: &mut dyn FnMut(&mut Vec<Decoded>) -> Result<(), String>,
) -> Result<DecodeStats, String> {
    let Some(document) = read(stored) else { return Err(refused.to_string()) };
    if document.len() as u64 > MAX_DOCUMENT {
        return Err(format!(
            "{refused}; it is longer than 256 MiB: if it is one object with a list of records, \
             extract them: jq -cn --stream '{EXTRACT}fromstream(2 | truncate_stream(inputs)) | all \
             | objects | select(.eventID and .eventName)' FILE | certrelay scan -"
        ));
    }
    let is_refused = Cell::new(false);
    let text = |error: DecodeError| {
        is_refused.set(matches!(error, DecodeError::NotCloudTrail(_)));
        error.to_string()
    };
    let (mut found, mut before) = (Vec::new(), "{\"Records\":[");
    let mut each = |element: &str| {
        decoder.push(before.as_bytes(), &mut found).map_err(text)?;
        before = ",";
        decoder.push(element.as_bytes(), &mut found).map_err(text)?;
        print(&mut found)
    };
    let mut elements = Elements { each: &mut each, refusal: None };
    let walked = elements.document(&document);
    let refusal = elements.refusal;
    let decoded = walked.and_then(|()| {
        decoder.push(b"]}", &mut found).map_err(text)?;
        let stats = decoder.finish(&mut found).map_err(text)?;
        print(&mut found).map(|()| stats)
    });
    match (decoded, refusal) {
        (Err(_), Some(refusal)) if is_refused.get() => Err(format!("{refused}; {refusal}")),
        (Err(_), None) if is_refused.get() => Err(format!(
            "{refused}; if it holds records, extract them: jq -c '{EXTRACT}all | objects | \
             select(.eventID and .eventName)' FILE | certrelay scan -"
        )),
        (Err(_), _) if before != "," => Err(refused.to_string()),
        (decoded, _) => decoded.map_err(|cause| format!("{refused}; {cause}")),
    }
}

/// Reads a document, which may be compressed. `None` if it is not text.
fn read(stored: &mut dyn Read) -> Option<String> {
    let mut stored = BufReader::new(stored);
    let is_gzip = stored.fill_buf().is_ok_and(|bytes| bytes.starts_with(&[0x1f, 0x8b]));
    let mut document = String::new();
    let read = match is_gzip {
        true => MultiGzDecoder::new(stored).take(MAX_DOCUMENT + 1).read_to_string(&mut document),
        false => stored.take(MAX_DOCUMENT + 1).read_to_string(&mut document),
    };
    read.ok().map(|_| document)
}

/// Walks through a document to the elements that are records, or would have to be.
struct Elements<'e> {
    each: &'e mut Each<'e>,
    /// What the document is, if it is known to hold no records.
    refusal: Option<&'static str>,
}

impl Elements<'_> {
    /// A sequence of values, or lines that end with one, as CloudWatch Logs exports them.
    fn document(&mut self, text: &str) -> Result<(), String> {
        let text = text.trim_start_matches('\u{feff}').trim_start();
        if text.lines().next().and_then(line_end).is_some() {
            return text.lines().try_for_each(|line| match line_end(line) {
                Some(value) => self.value(value, 0),
                None => (self.each)(&Value::from(line).to_string()),
            });
        }
        for value in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
            self.value(value.map_err(|cause| format!("invalid JSON: {cause}"))?.get(), 0)?;
        }
        Ok(())
    }

    fn value(&mut self, text: &str, depth: usize) -> Result<(), String> {
        if depth < MAX_DEPTH {
            if let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(text) {
                return list.iter().try_for_each(|value| self.value(value.get(), depth + 1));
            }
            if let Ok(members) = serde_json::from_str::<Members<'_>>(text) {
                return self.object(text, &members, depth);
            }
            if let Ok(inner) = serde_json::from_str::<String>(text)
                && serde_json::from_str::<&RawValue>(&inner).is_ok()
            {
                return self.value(inner.trim(), depth + 1);
            }
        }
        (self.each)(text)
    }

    fn object(&mut self, text: &str, members: &Members<'_>, depth: usize) -> Result<(), String> {
        let member = |name: &str| members.get(name).copied();
        let has = |name: &str| members.contains_key(name);
        if let Some(inner) = TEXTS.into_iter().find_map(member) {
            return self.value(inner.get(), depth + 1);
        }
        let from_s3 = members.get("eventSource").is_some_and(|source| source.get() == "\"aws:s3\"");
        if from_s3 || has("s3ObjectKey") {
            self.refusal = Some(NOTIFICATION);
        }
        if has("eventName") && has("eventSource") || has("eventVersion") || has("eventType") {
            return (self.each)(text);
        }
        if let Some(rows) = members.get("QueryResultRows")
            && let Ok(rows) = serde_json::from_str::<Vec<Vec<Members<'_>>>>(rows.get())
        {
            return rows.into_iter().try_for_each(|columns| {
                let row: Members<'_> = columns.into_iter().flatten().collect();
                let text = serde_json::to_string(&row).unwrap_or_default();
                self.object(&text, &row, depth + 1)
            });
        }
        if has("eventname") && has("eventsource") {
            return (self.each)(&restored(members));
        }
        // `event` and `message` of Elasticsearch may both exist, and one of them has the record.
        let has_record = |inner: &&RawValue| inner.get().contains("eventName");
        let wrappers = || WRAPPERS.split(' ').filter_map(member);
        if let Some(inner) = wrappers().find(has_record).or_else(|| wrappers().next()) {
            return self.value(inner.get(), depth + 1);
        }
        if has("ResultSet") {
            self.refusal = Some(RESULT_SET);
        } else if has("digestS3Bucket") {
            self.refusal = Some("it lists log files and holds no records");
        }
        (self.each)(text)
    }
}

/// Returns the object at the end of a line that begins with other text.
fn line_end(line: &str) -> Option<&str> {
    let at = line.find('{').filter(|_| !line.starts_with(['{', '[', '"']))?;
    serde_json::from_str::<&RawValue>(&line[at..]).ok().map(RawValue::get)
}

/// Returns the record of a row of Athena, whose columns are in lower case and may have objects as
/// text.
fn restored(row: &Members<'_>) -> String {
    let column = |(name, value): (&String, &&RawValue)| {
        let name = field(name);
        let value = serde_json::from_str(value.get()).unwrap_or_default();
        let value = match value {
            Value::String(text) if text.starts_with(['{', '[']) => {
                serde_json::from_str(&text).unwrap_or(Value::String(text))
            }
            Value::String(text) if ["readOnly", "managementEvent"].contains(&name) => {
                serde_json::from_str(&text).unwrap_or(Value::String(text))
            }
            value => value,
        };
        (name.to_owned(), if PARAMETERS.contains(&name) { value } else { with_names(value) })
    };
    Value::Object(row.iter().map(column).collect()).to_string()
}

/// Returns a value of which all members have their names in records.
fn with_names(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| (field(&name).to_owned(), with_names(value)))
                .collect::<Map<_, _>>(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(with_names).collect()),
        value => value,
    }
}

/// Returns the name in records of a column or member in lower case.
fn field(name: &str) -> &str {
    FIELDS.split(' ').find(|field| field.eq_ignore_ascii_case(name)).unwrap_or(name)
}
