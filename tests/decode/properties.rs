//! The functions of `fuzz`, run by proptest; the executions are counted, so that they happen.

use std::cell::Cell;

use certrelay::config::Decode;
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, TestRunner};

use super::fuzz::{any_bytes, any_document};
use super::{LIMITS, RECORD, assert_same, certificates, decode, decode_in_chunks, decoder, gzip};

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
}

#[test]
fn skipping_and_reading_everything_select_the_same_records() {
    let (executed, selected) = (Cell::new(0), Cell::new(0));
    runner(4000)
        .run(&vec(any::<u8>(), 0..600), |data| {
            executed.set(executed.get() + 1);
            selected.set(selected.get() + any_document(&data));
            Ok(())
        })
        .expect("the property holds");
    assert!(executed.get() >= 4000 && selected.get() > 150, "{executed:?} {selected:?}");
}

#[test]
fn any_bytes_are_an_error_or_a_file() {
    let pieces = proptest::sample::select(vec![
        &b"{\"Records\":["[..],
        b"{\"eventSource\":\"iam.amazonaws.com\",\"eventName\":\"GetServerCertificate\"}",
        b"]}",
        b",",
        b"\"",
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b" ",
        b"\n",
        b"1",
        b"\x1f\x8b\x08\0\0\0\0\0\0\0",
        b"\xff",
    ]);
    let sound = Cell::new(0);
    runner(1500)
        .run(&(vec(pieces, 0..12), any::<bool>(), any::<bool>()), |(pieces, listed, packed)| {
            let list = [&b"["[..], &pieces.join(&b","[..]), b"]"].concat();
            let document = if listed { list } else { pieces.concat() };
            let stored = if packed { gzip(&document) } else { document };
            sound.set(sound.get() + u32::from(any_bytes(&stored)));
            Ok(())
        })
        .expect("the property holds");
    // As a rule 115, give or take 11.
    assert!(sound.get() > 50, "{sound:?}");
}

/// `CERTRELAY_DOCUMENTS=1000000` before a release.
#[test]
fn any_document_is_read_as_if_nothing_were_skipped() {
    let count = super::documents().unwrap_or(2_000);
    let executed = Cell::new(0);
    runner(u32::try_from(count).expect("a count of cases"))
        .run(&vec(any::<u8>(), 0..600), |data| {
            executed.set(executed.get() + 1);
            any_document(&data);
            Ok(())
        })
        .expect("the property holds");
    assert!(executed.get() >= count);
}

/// Brackets of any kinds around a value, deeper than the limit or not.
#[test]
fn a_record_nested_too_deep_is_one_invalid_record_and_hides_no_other() {
    let (limit, too_deep) = (LIMITS.max_nesting as usize, Cell::new(0));
    let kinds = vec(any::<bool>(), 0..200);
    runner(500)
        .run(&(kinds, 0..3_usize, any::<bool>(), 1..300_usize), |(kinds, form, strict, chunk)| {
            let opens: String =
                kinds.iter().map(|k| if *k { "[" } else { "{\"Certificate\":" }).collect();
            let closes: String = kinds.iter().rev().map(|k| if *k { ']' } else { '}' }).collect();
            let deep = format!("{{\"eventVersion\":\"1.11\",\"a\":{opens}0{closes}}}");
            let document = match form {
                0 => format!("{{\"Records\":[{RECORD},{deep},{RECORD}]}}"),
                1 => format!("[{RECORD},{deep},{RECORD}]"),
                _ => format!("{RECORD}\n{deep}\n{RECORD}"),
            };
            let is_too_deep = kinds.len() + 1 + (2 - form) > limit;
            too_deep.set(too_deep.get() + u32::from(is_too_deep));
            let mut decoder = decoder(&certificates(), Decode { strict, ..LIMITS });
            for stored in [document.as_bytes(), &gzip(document.as_bytes())] {
                let whole = decode(&mut decoder, stored);
                assert_same(&whole, &decode_in_chunks(&mut decoder, stored, chunk), &document);
                let (_, tally) = whole.expect(&document);
                let counts = (tally.read, tally.selected, tally.bad);
                assert_eq!(counts, (3, 2, u64::from(is_too_deep)), "{document}");
            }
            Ok(())
        })
        .expect("the property holds");
    assert!(too_deep.get() > 100, "{too_deep:?}");
}

#[test]
fn noise_is_no_file() {
    runner(500)
        .run(&vec(any::<u8>(), 0..300), |noise| {
            any_bytes(&noise);
            Ok(())
        })
        .expect("the property holds");
}
