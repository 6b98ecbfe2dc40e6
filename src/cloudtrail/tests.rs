//! Decodes every form of document, and checks the error of every kind of corrupt file.

use crate::error::Code;
use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{DecodeError, DecodeStats, Decoded, Decoder, DecoderSettings, Selection};
use crate::config::{Decode, EventRule, GROUPS, Pattern};

const WANTED: &str =
    r#"{"eventSource":"iam.amazonaws.com","eventName":"UploadServerCertificate","eventID":"a"}"#;
const OTHER: &str = r#"{"eventSource":"s3.amazonaws.com","eventName":"GetObject","policy":"UploadServerCertificate"}"#;

fn limits() -> Decode {
    Decode {
        max_decompressed: 1 << 30,
        max_record: 1 << 20,
        max_records: 1_000_000,
        max_nesting: 64,
        max_ratio: 200,
        strict: false,
        hash: false,
    }
}

fn certificates() -> Selection {
    let rules = GROUPS.iter().flat_map(|(_, source, names)| {
        names.iter().map(|name| EventRule {
            source: (*source).to_owned(),
            name: Pattern::new(name).unwrap(),
        })
    });
    Selection::new(rules.collect())
}

fn decode_with(limits: Decode, stored: &[u8]) -> Result<(Vec<Decoded>, DecodeStats), DecodeError> {
    let mut decoder = Decoder::new(DecoderSettings { selection: Arc::new(certificates()), limits });
    let mut found = Vec::new();
    let tally = decoder.decode(stored, &mut found)?;
    Ok((found, tally))
}

fn decode(stored: &[u8]) -> Result<(Vec<Decoded>, DecodeStats), DecodeError> {
    decode_with(limits(), stored)
}

fn gzip(document: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(document).unwrap();
    encoder.finish().unwrap()
}

/// Returns the index, the offset and the bytes of each record found.
fn records(found: &[Decoded]) -> Vec<(u64, u64, String)> {
    let parts = |found: &Decoded| match found {
        Decoded::Record(record) => {
            let text = String::from_utf8(record.bytes.to_vec()).unwrap();
            (record.index, record.offset, text)
        }
        Decoded::Invalid(bad) => panic!("{bad:?}"),
    };
    found.iter().map(parts).collect()
}

/// The same for a document with one selected record.
fn only(index: u64, document: &str) -> Vec<(u64, u64, String)> {
    vec![(index, document.find(WANTED).unwrap() as u64, WANTED.to_owned())]
}

#[test]
fn a_selected_record_is_returned_as_written() {
    let document = format!(r#"{{"Records":[{OTHER},{WANTED},{OTHER}]}}"#);
    let (found, tally) = decode(&gzip(document.as_bytes())).unwrap();
    assert_eq!(records(&found), only(1, &document));
    assert_eq!((tally.read, tally.selected, tally.bad, tally.filtered()), (3, 1, 0, 2));
    assert_eq!(tally.bytes, document.len() as u64);
}

#[test]
fn every_form_of_document_gives_the_same_records() {
    for document in [
        format!(r#"{{"Records":[{OTHER},{WANTED}]}}"#),
        format!(
            "\u{feff} {{ \"v\" : [1,{{}}], \"Records\" : [ {OTHER} ,\n{WANTED} ] , \"x\":\"}}\" }} \n"
        ),
        format!("[{OTHER},{WANTED}]"),
        format!("{OTHER}\n{WANTED}\n"),
        format!("{OTHER}\r\n\r\n{WANTED}"),
        format!(r#"{{"Records":[{OTHER}]}}{{"Records":[{WANTED}]}}"#),
        format!("{OTHER}\n{{\"Records\":[{WANTED}]}}"),
        format!("[{OTHER}]\n{WANTED}"),
    ] {
        for stored in [document.clone().into_bytes(), gzip(document.as_bytes())] {
            let (found, tally) = decode(&stored).expect(&document);
            assert_eq!(records(&found), only(1, &document), "{document}");
            assert_eq!((tally.read, tally.selected), (2, 1), "{document}");
        }
    }
}

#[test]
fn a_single_object_is_a_record_only_with_the_keys_of_one() {
    assert_eq!(decode(WANTED.as_bytes()).unwrap().1.selected, 1);
    for other in [r#"{"a":1}"#, "{}", r#"{"digestS3Bucket":"b","logFiles":[]}"#, r#"{"Records":1}"#]
    {
        assert!(matches!(decode(other.as_bytes()), Err(DecodeError::NotCloudTrail(_))), "{other}");
    }
}

#[test]
fn an_insights_event_is_filtered_even_if_every_record_is_selected() {
    let insight = r#"{"eventVersion":"1.08","eventTime":"2026-11-30T09:00:00Z","awsRegion":"us-east-1","eventID":"i","eventType":"AwsCloudTrailInsight","recipientAccountId":"111122223333","insightDetails":{"state":"Start","eventSource":"iam.amazonaws.com","eventName":"UploadServerCertificate"},"eventCategory":"Insight"}"#;
    for document in [insight.to_owned(), format!("[{insight}]"), format!("{OTHER}\n{insight}")] {
        for (selection, selected) in [(certificates(), 0), (Selection::everything(), 1)] {
            let settings = DecoderSettings { selection: Arc::new(selection), limits: limits() };
            let tally = Decoder::new(settings).decode(document.as_bytes(), &mut Vec::new());
            let tally = tally.expect("a log file");
            let others = u64::from(document.starts_with(OTHER)) * selected;
            assert_eq!((tally.selected, tally.bad), (others, 0), "{document}");
        }
    }
}

#[test]
fn an_empty_object_is_not_an_empty_list() {
    assert_eq!(decode(b""), Err(DecodeError::Empty));
    assert_eq!(decode(&gzip(b"")), Err(DecodeError::Empty));
    assert_eq!(decode(b" \n"), Err(DecodeError::Empty));
    assert_eq!(decode(br#"{"Records":[]}"#).unwrap().1.read, 0);
}

#[test]
fn a_bad_record_is_reported_and_the_rest_is_decoded() {
    let bad = r#"{"eventName":"UploadServerCertificate",}"#;
    let document = format!(r#"{{"Records":[{bad},7,{WANTED}]}}"#);
    let (found, tally) = decode(document.as_bytes()).unwrap();
    assert_eq!((tally.read, tally.selected, tally.bad), (3, 1, 2));
    let Decoded::Invalid(first) = &found[0] else { panic!("{found:?}") };
    assert_eq!((first.index, first.offset, &first.bytes[..]), (0, 12, bad.as_bytes()));
    assert_eq!(first.sha256.len(), 64);
}

/// Decodes a file that arrives in chunks of this size.
fn stream(stored: &[u8], size: usize) -> Result<(Vec<Decoded>, DecodeStats), DecodeError> {
    stream_with(limits(), stored, size)
}

fn stream_with(
    limits: Decode,
    stored: &[u8],
    size: usize,
) -> Result<(Vec<Decoded>, DecodeStats), DecodeError> {
    let settings = DecoderSettings { selection: Arc::new(certificates()), limits };
    let (mut decoder, mut found) = (Decoder::new(settings), Vec::new());
    stored.chunks(size).try_for_each(|chunk| decoder.push(chunk, &mut found))?;
    let tally = decoder.finish(&mut found)?;
    Ok((found, tally))
}

#[test]
fn a_list_without_a_record_is_not_cloudtrail_and_with_one_has_invalid_records() {
    let nothing =
        Err(DecodeError::NotCloudTrail("none of its elements is a CloudTrail record".to_owned()));
    for list in [
        "[1,2,3]",
        "[null]",
        r#"["a",[{}]]"#,
        r#"{"Records":[7]}"#,
        "[1]\n[[2]]",
        "[{}]",
        r#"[{"Records":[{"eventName":"x","eventSource":"y"}]}]"#,
        r#"{"Records":[{"detail":{"eventVersion":"1.11","eventName":"UploadServerCertificate"}}]}"#,
        r#"[{"EventName":"UploadServerCertificate","CloudTrailEvent":"{\"eventVersion\":1}"}]"#,
        r#"[{"eventname":"UploadServerCertificate"},{"message":"{\"eventVersion\":\"1.11\"}"}]"#,
        r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put"}]}"#,
        r#"{"eventSource":"aws:s3"}{"a":1}"#,
    ] {
        assert_eq!(decode(&gzip(list.as_bytes())), nothing, "{list}");
        let long = list.replace("1", &"1".repeat(300_000));
        for (list, size) in [(list, 1), (list, 3), (&*long, 100_000)] {
            assert_eq!(stream(list.as_bytes(), size), nothing, "{list}");
        }
    }
    for list in [
        r#"[1,2,{"eventName":0}]"#,
        r#"[{"eventSource":null},1,{}]"#,
        r#"[1,{}]{"\u0065ventVersion":"2"}"#,
        r#"[1]{"Records":[{"a":[],"eventType":""},{"a":{"eventType":""}}]}"#,
        "[1,2,{1}]",
        r#"{"eventVersion":"1.11"}{"detail":{"eventVersion":"1.11"}}{"result":{"_raw":""}}"#,
    ] {
        let (bad, list) = (if list == "[1,2,{1}]" { 3 } else { 2 }, list);
        let (_, tally) = decode(&gzip(list.as_bytes())).expect(list);
        assert_eq!((tally.read, tally.bad), (3, bad), "{list}");
        assert_eq!(stream(list.as_bytes(), 1).map(|(_, tally)| tally.bad), Ok(bad), "{list}");
    }
    assert_eq!(decode(b"[]").map(|(_, tally)| tally.read), Ok(0));
}

#[test]
fn invalid_structure_is_corrupt_json() {
    for document in [
        format!(r#"{{"Records":[{WANTED}]"#),
        format!(r#"{{"Records":[{WANTED}"#),
        format!(r#"{{"Records":[{WANTED}]}}x"#),
        format!(r#"{{"Records":[{WANTED},]}}"#),
        format!(r#"{{"Records":[{WANTED}{WANTED}]}}"#),
        format!(r#"{{"Records":[{WANTED}}}]}}"#),
        format!(r#"{{"Records":[[{{]}},{WANTED}]}}"#),
        format!(r#"{{"Records":[{{}},{{"a":[}}]}},{WANTED}]}}"#),
        format!(r#"{{"Records":[{WANTED},{{"a":[{{]}}}}]}}"#),
        format!(r#"{{"Records":[{WANTED}"]}}"#),
        format!(r#"{{"Records" [{WANTED}]}}"#),
        format!(r#"{{"Records":[{WANTED}],}}"#),
    ] {
        let error = decode(document.as_bytes()).expect_err(&document);
        assert_eq!(error.code(), Code::CorruptJson, "{document}: {error}");
    }
}

#[test]
fn every_member_of_a_file_is_decoded() {
    let document = format!(r#"{{"Records":[{OTHER},{WANTED}]}}"#);
    let (front, back) = document.split_at(40);
    let stored = [gzip(front.as_bytes()), gzip(b""), gzip(back.as_bytes())].concat();
    assert_eq!(decode(&stored).unwrap().1.selected, 1);
    for end in [&b"\0"[..], b"x", &[0; 512], &MAGIC_ONLY] {
        let error = decode(&[&stored[..], end].concat()).unwrap_err();
        assert_eq!(error.code(), Code::CorruptGzip);
    }
}

#[test]
fn files_of_other_formats_are_named() {
    let utf_16: Vec<u8> = "{\"Records\":[]}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let swapped: Vec<u8> = "[{".encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (document, named) in [
        (gzip(b"{}"), "gzip inside gzip"),
        (b"PK\x03\x04\x14".to_vec(), "a zip file (`unzip -p FILE`)"),
        (b"\x28\xb5\x2f\xfd\0".to_vec(), "zstd (`zstd -dc FILE`)"),
        (b"BZh91AY".to_vec(), "bzip2 (`bzip2 -dc FILE`)"),
        (b"\xfd7zXZ\0\0".to_vec(), "xz (`xz -dc FILE`)"),
        (b"PAR1\x15".to_vec(), "Parquet"),
        (b"Obj\x01".to_vec(), "Avro"),
        ([b"\xff\xfe", &utf_16[..]].concat(), "UTF-16 text (`iconv -f UTF-16 -t UTF-8 FILE`)"),
        (utf_16, "UTF-16 text (`iconv -f UTF-16LE -t UTF-8 FILE`)"),
        (swapped, "UTF-16 text (`iconv -f UTF-16BE -t UTF-8 FILE`)"),
    ] {
        let error = Err(DecodeError::NotCloudTrail(format!("it is {named}")));
        assert_eq!(decode(&gzip(&document)), error);
        assert_eq!(stream(&gzip(&document), 1), error);
        if named != "gzip inside gzip" {
            assert_eq!(decode(&document), error);
        }
    }
}

const MAGIC_ONLY: [u8; 2] = [0x1f, 0x8b];

#[test]
fn every_truncation_is_an_error() {
    let stored = gzip(format!(r#"{{"Records":[{OTHER},{WANTED}]}}"#).as_bytes());
    for length in 1..stored.len() {
        assert_eq!(decode(&stored[..length]).unwrap_err().code(), Code::CorruptGzip, "{length}");
    }
}

#[test]
fn every_limit_is_named_in_its_error() {
    let many = format!(r#"{{"Records":[{}]}}"#, vec![OTHER; 20_000].join(","));
    // Records that the prefilter skips.
    let plain = format!("[{OTHER},{{\"eventName\":\"{}\"}},{OTHER}]", "x".repeat(100));
    for (name, limits, document) in [
        ("max_records", Decode { max_records: 2, ..limits() }, plain.clone()),
        ("max_record", Decode { max_record: 100, ..limits() }, plain),
        ("max_decompressed", Decode { max_decompressed: 100, ..limits() }, many.clone()),
        ("max_records", Decode { max_records: 19_999, ..limits() }, many.clone()),
        ("max_record", Decode { max_record: 50, ..limits() }, many.clone()),
        ("invalid_records", limits(), format!("[{OTHER},{}1]", "1,".repeat(1000))),
        ("max_ratio", Decode { max_ratio: 5, ..limits() }, many),
    ] {
        match decode_with(limits, &gzip(document.as_bytes())) {
            Err(DecodeError::OverLimit { name: named, .. }) => assert_eq!(named, name),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn the_deepest_nesting_is_decoded_and_a_deeper_record_alone_is_invalid() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("{\"a\":[", "]}")] {
        for depth in [1, 29, 30, 31, 59, 60, 61, 62, 63, 64, 65, 125, 126, 127, 128, 1000, 20_000] {
            let levels = 1 + depth * close.len();
            let (opens, closes) = (open.repeat(depth), close.repeat(depth));
            let deep_record = format!("{{\"eventName\":{opens}1{closes}}}");
            for (document, around) in [
                (format!("{OTHER}\n{deep_record}\n{WANTED}"), 0),
                (format!("[{OTHER},{deep_record},{WANTED}]"), 1),
                (
                    format!(
                        r#"{{"x":{opens}{closes},"Records":[{OTHER},{deep_record},{WANTED}]}}"#
                    ),
                    2,
                ),
            ] {
                let bad = u64::from(levels + around > 62);
                for strict in [false, true] {
                    let limits = Decode { strict, ..limits() };
                    let decoded = decode_with(limits, &gzip(document.as_bytes())).expect(&document);
                    let reason = decoded.0.iter().find_map(|one| match one {
                        Decoded::Invalid(invalid) => Some(invalid.reason.as_str()),
                        Decoded::Record(_) => None,
                    });
                    assert_eq!(reason, (bad > 0).then_some("nested deeper than max_nesting = 62"));
                    let tally = &decoded.1;
                    assert_eq!((tally.read, tally.selected, tally.bad), (3, 1, bad), "{levels}");
                    let streamed = stream_with(limits, &gzip(document.as_bytes()), 1000);
                    assert_eq!(streamed, Ok(decoded));
                }
                let broken = document.replacen(&format!("1{close}"), &format!("1}}{close}]"), 1);
                let error = decode(broken.as_bytes()).map_err(|error| error.code());
                assert_eq!(error, Err(Code::CorruptJson), "{levels}");
            }
        }
    }
}

#[test]
fn the_hash_is_that_of_the_decompressed_document() {
    let (_, tally) =
        decode_with(Decode { hash: true, ..limits() }, &gzip(br#"{"Records":[]}"#)).unwrap();
    assert_eq!(
        tally.sha256.as_deref(),
        Some("26a792db36a3afba23b1dd277fcc9f15a7313c4a92e4e4cc0494846af345ecff")
    );
}
