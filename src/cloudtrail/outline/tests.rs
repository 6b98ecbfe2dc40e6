//! What an outline names, however the text comes and whatever draws it.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

use super::super::{Selection, simd};
use super::Outline;
use crate::config::{EventRule, Pattern};

/// An outline for two needles.
fn outline() -> Outline {
    let rule = |name| EventRule {
        source: "iam.amazonaws.com".to_owned(),
        name: Pattern::new(name).expect("a pattern"),
    };
    Outline::new(Arc::new(Selection::new(vec![rule("Yy_"), rule("Certificate")])))
}

/// Every place that an outline names, drawn piece by piece.
pub(in crate::cloudtrail) fn drawn(
    text: &[u8],
    piece: usize,
    draw: &dyn Fn(&mut Outline, &[u8]),
) -> Vec<usize> {
    let mut outline = outline();
    let mut places = Vec::new();
    for end in (0..text.len()).step_by(piece).skip(1).chain([text.len()]) {
        outline.draw_with(&text[..end], draw);
        places.extend(outline.taken());
    }
    places.push(usize::MAX);
    places.extend(outline.marks());
    places
}

/// Text that is full of what matters.
pub(in crate::cloudtrail) fn text() -> impl Strategy<Value = Vec<u8>> {
    let whole = ["Yy_", "Certificate", r"\u0059", r"\u004", r"\\u0059", "Cer"];
    let part = prop_oneof![
        5 => select(br#""\\"{}[]Yy_u0"#.to_vec()).prop_map(|byte| vec![byte]),
        1 => select(whole.to_vec()).prop_map(|part| part.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
        1 => (0..70_usize).prop_map(|length| vec![b' '; length]),
        1 => Just(vec![b'{'; 20]),
    ];
    vec(part, 0..200).prop_map(|parts| parts.concat())
}

#[test]
fn strings_hide_brackets_and_backslashes_hide_quotes() {
    let text = br#"{"a\"]":"\\","b":[1]}"#;
    let places = drawn(text, 64, &simd::draw);
    let found: Vec<u8> = places.iter().map_while(|place| text.get(*place)).copied().collect();
    assert_eq!(found, b"{[]}");
}

#[test]
fn a_needle_and_an_escape_are_marked_wherever_they_are_cut() {
    for part in ["Certificate", "Yy_", r"\u0059"] {
        for (before, piece) in (0..140).flat_map(|at| [1, 2, 63, 64, 65].map(|cut| (at, cut))) {
            let text = [&vec![b' '; before], part.as_bytes(), b"      "].concat();
            for draw in [simd::draw_plain as fn(&mut Outline, &[u8]), simd::draw] {
                let marks = drawn(&text, piece, &draw).split_off(1);
                assert!(marks.contains(&before), "{part} {before} {piece} {marks:?}");
            }
        }
    }
}
