//! A damaged file is an error, or it is whole: never a part of one.

use certrelay::cloudtrail::DecodeError;
use certrelay::config::Decode;
use certrelay::error::Code;

use super::{LIMITS, RECORD, assert_same, certificates, decode, decode_in_chunks, decoder, gzip};

fn document(records: usize) -> String {
    let numbered = |number| RECORD.replace('}', &format!(r#","eventID":"{number}"}}"#));
    let records: Vec<String> = (0..records).map(numbered).collect();
    format!("{{\"Records\":[{}]}}", records.join(","))
}

#[test]
fn every_truncation_of_a_file_is_an_error_however_it_comes() {
    let members = [gzip(document(20).as_bytes()), gzip(b""), gzip(b"\n")].concat();
    let mut decoder = decoder(&certificates(), LIMITS);
    let ends = [members.len() - 2 * gzip(b"").len() - 1, members.len() - gzip(b"\n").len()];
    let whole = decode(&mut decoder, &members).expect("sound");
    for length in 1..members.len() {
        let cut = &members[..length];
        let (at_once, streamed) =
            (decode(&mut decoder, cut), decode_in_chunks(&mut decoder, cut, 7));
        assert_same(&at_once, &streamed, &length);
        match at_once {
            Err(DecodeError::Gzip { .. }) => {}
            // Between members a file may end.
            Ok((found, _)) if ends.contains(&length) => assert_eq!(found, whole.0),
            other => panic!("{length}: {other:?}"),
        }
    }
}

#[test]
fn every_flipped_bit_is_an_error_or_changes_nothing() {
    let stored = gzip(document(3).as_bytes());
    let mut decoder = decoder(&certificates(), LIMITS);
    let whole = decode(&mut decoder, &stored).expect("sound");
    let (mut errors, mut same) = (0, 0);
    for bit in 0..stored.len() * 8 {
        let mut flipped = stored.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let at_once = decode(&mut decoder, &flipped);
        assert_same(&at_once, &decode_in_chunks(&mut decoder, &flipped, 3), &bit);
        match at_once {
            // "Probably text", the time, extra flags and operating system, and the bits after the
            // end of compressed data change no content.
            Ok(decoded)
                if bit == 24 || (4..10).contains(&(bit / 8)) || bit / 8 == stored.len() - 9 =>
            {
                assert_eq!(decoded, whole);
                same += 1;
            }
            Ok(decoded) => panic!("bit {bit}: {decoded:?}"),
            Err(_) => errors += 1,
        }
    }
    assert!(errors > 500 && (49..57).contains(&same), "{errors} {same}");
}

#[test]
fn a_file_of_two_equal_members_is_read_twice() {
    let member = gzip(document(3).as_bytes());
    let mut decoder = decoder(&certificates(), LIMITS);
    let (found, tally) = decode(&mut decoder, &[&member[..], &member].concat()).expect("sound");
    assert_eq!((tally.read, found.len()), (6, 6));
}

#[test]
fn headers_with_every_field_are_read() {
    let plain = gzip(document(3).as_bytes());
    let mut decoder = decoder(&certificates(), LIMITS);
    let whole = decode(&mut decoder, &plain).expect("sound").0;
    for flags in 0..32_u8 {
        let mut stored = vec![0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255];
        for (flag, field) in [(4, &b"\x03\0abc"[..]), (8, b"name\0"), (16, b"comment\0")] {
            if flags & flag != 0 {
                stored.extend_from_slice(field);
            }
        }
        if flags & 2 != 0 {
            let mut crc = flate2::Crc::new();
            crc.update(&stored);
            stored.extend_from_slice(&crc.sum().to_le_bytes()[..2]);
        }
        stored.extend_from_slice(&plain[10..]);
        assert_eq!(decode(&mut decoder, &stored).expect("sound").0, whole, "{flags}");
        assert_eq!(decode_in_chunks(&mut decoder, &stored, 1).expect("sound").0, whole);
    }
    let reserved = [&[0x1f, 0x8b, 8, 32][..], &plain[4..]].concat();
    assert_eq!(decode(&mut decoder, &reserved).unwrap_err().code(), Code::CorruptGzip);
}

#[test]
fn a_bomb_is_stopped_early() {
    let bomb = gzip(&vec![b' '; 64 << 20]);
    let mut decoder = decoder(&certificates(), Decode { max_ratio: 100, ..LIMITS });
    let mut pushed = 0;
    let mut stopped = None;
    for chunk in bomb.chunks(256) {
        pushed += chunk.len();
        if let Err(damage) = decoder.push(chunk, &mut Vec::new()) {
            stopped = Some(damage);
            break;
        }
    }
    assert_eq!(stopped, Some(DecodeError::OverLimit { name: "max_ratio", limit: 100 }));
    assert!(pushed < bomb.len() / 20, "{pushed} of {}", bomb.len());
    let small = Decode { max_decompressed: 1 << 20, ..LIMITS };
    let damage = decode(&mut super::decoder(&certificates(), small), &bomb).unwrap_err();
    assert_eq!(damage, DecodeError::OverLimit { name: "max_decompressed", limit: 1 << 20 });
}

#[test]
fn records_longer_than_a_window_are_whole() {
    let long = RECORD.replace('}', &format!(r#","policy":"{}"}}"#, "\\\"[é}".repeat(150_000)));
    let document = format!("[{RECORD},{long},{RECORD}]");
    let mut decoder = decoder(&certificates(), LIMITS);
    let expected = decode(&mut decoder, document.as_bytes()).expect("sound");
    assert_eq!((expected.1.selected, expected.1.bad), (3, 0));
    let (found, _) =
        decode_in_chunks(&mut decoder, &gzip(document.as_bytes()), 4096).expect("sound");
    assert_eq!(found, expected.0);
    let small = Decode { max_record: 1 << 19, ..LIMITS };
    let damage = decode(&mut super::decoder(&certificates(), small), document.as_bytes());
    assert_eq!(damage, Err(DecodeError::OverLimit { name: "max_record", limit: 1 << 19 }));
}

#[test]
fn a_decoder_is_ready_again_after_every_kind_of_end() {
    let good = gzip(document(2).as_bytes());
    let mut decoder = decoder(&certificates(), LIMITS);
    let expected = decode(&mut decoder, &good);
    for bad in [&good[..30], b"{\"Records\":[{", b"", b"{\"a\":1}", b"[1}", &[0x1f]] {
        assert!(decode(&mut decoder, bad).is_err());
        assert_eq!(decode(&mut decoder, &good), expected);
        assert!(decode_in_chunks(&mut decoder, bad, 2).is_err());
        assert_eq!(decode_in_chunks(&mut decoder, &good, 5), expected);
        decoder.push(&good[..40], &mut Vec::new()).expect("sound so far");
        decoder.reset();
        assert_eq!(decode_in_chunks(&mut decoder, &good, 11), expected);
    }
}
