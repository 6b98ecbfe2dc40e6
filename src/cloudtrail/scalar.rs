//! Finds where values without brackets end. They are rare: keys and what stands beside the records.

/// White space, as JSON has it.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// The index after the string that starts at `start`, if it ends in the window.
pub(super) fn string_end(window: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', window.get(at..)?)?;
        if window[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The index after the value without brackets that starts at `start`, if it ends in the window.
pub(super) fn scalar_end(first: u8, window: &[u8], start: usize, last: bool) -> Option<usize> {
    if first == b'"' {
        return string_end(window, start);
    }
    let ends = |byte: &u8| is_blank(*byte) || matches!(byte, b',' | b']' | b'}');
    match window[start..].iter().position(ends) {
        Some(length) => Some(start + length),
        None => last.then_some(window.len()),
    }
}
