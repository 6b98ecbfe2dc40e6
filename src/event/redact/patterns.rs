//! Patterns of private keys and certificates: the names of members, and what texts contain.
//!
//! Every text of every record is examined, and nearly none is redacted. So each question is first
//! asked in a cheap form that is `false` only where the exact one is (`equivalence` tests it).

use std::borrow::Cow;

use memchr::memchr2_iter;

use super::super::json::Node;

/// Why a span is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A private key, or text that contains one.
    PrivateKey,
    /// A certificate or a chain.
    Certificate,
}

impl Reason {
    /// Returns `private key` or `certificate`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::PrivateKey => "private key",
            Self::Certificate => "certificate",
        }
    }
}

/// Names of members whose value is a certificate or a chain, squashed.
/// Source: IAM `UploadServerCertificate`, `UploadSigningCertificate`; Roles Anywhere
/// `CreateTrustAnchor`.
const CERTIFICATE_NAMES: [&str; 3] = ["certificatebody", "certificatechain", "x509certificatedata"];

/// Returns whether a member of this name contains a certificate or a chain.
pub(super) fn names_certificate(name: &str) -> bool {
    CERTIFICATE_NAMES.iter().any(|known| squash(name).eq(known.chars()))
}

/// Returns whether a member of this name contains a private key, and not its ARN or type.
pub(super) fn names_private_key(name: &str) -> bool {
    if !may_name_private_key(name) {
        return false;
    }
    let name: String = squash(name).collect();
    name.contains("privatekey")
        && !["arn", "id", "name", "type"].iter().any(|suffix| name.ends_with(suffix))
}

/// Returns whether a member of this name is the value of a label.
pub(super) fn names_value(name: &str) -> bool {
    squash(name).take(5).eq("value".chars())
}

/// Returns whether this is `{"key": "privateKey", "value": …}`, as tags are written.
pub(super) fn is_labelled_private_key(node: &Node<'_>) -> bool {
    let names_label =
        |name: &str| ["key", "name", "tagkey"].iter().any(|known| squash(name).eq(known.chars()));
    node.members().iter().any(|member| {
        names_label(&member.name) && member.node.as_text().is_some_and(names_private_key)
    })
}

/// Returns why a text must be redacted: PEM anywhere in it, or `privateKey` followed by a value, as
/// in JSON inside a string or in a validation message that quotes the parameter; also if that JSON
/// writes letters as `\u00XX`, the only escape of a letter.
pub(super) fn reason_to_redact(text: &str) -> Option<Reason> {
    let found = reason_unescaped(text);
    if found == Some(Reason::PrivateKey) || !text.contains("\\u") {
        return found;
    }
    let has = |reason| in_any_layer(text, |layer| reason_unescaped(layer) == Some(reason));
    [Reason::PrivateKey, Reason::Certificate].into_iter().find(|reason| has(*reason))
}

fn reason_unescaped(text: &str) -> Option<Reason> {
    let pem = text.contains("-----") && (text.contains("-----BEGIN") || text.contains("-----END"));
    let key = may_name_private_key(text) && quotes_private_key(text);
    if pem && !key && !text.contains("PRIVATE KEY") {
        return Some(Reason::Certificate);
    }
    (pem || key).then_some(Reason::PrivateKey)
}

/// Returns how many of these items are the lines of one private key in PEM: from the first, if it
/// begins a key that it does not end, to the one that ends it; if none does, to the last text.
pub(super) fn key_lines(items: &[Node<'_>]) -> usize {
    let begins: fn(&str) -> bool = |text| {
        text.rfind("-----BEGIN").is_some_and(|at| {
            text[at..].contains("PRIVATE KEY") && !text[at..].contains("-----END")
        })
    };
    let is = |item: &Node<'_>, is: fn(&str) -> bool| {
        item.as_text().is_some_and(|text| in_any_layer(text, is))
    };
    let Some((_, rest)) = items.split_first().filter(|(first, _)| is(first, begins)) else {
        return 0;
    };
    let end = rest.iter().position(|item| is(item, |text| text.contains("-----END")));
    let last = || rest.iter().rposition(|item| item.as_text().is_some());
    end.or_else(last).map_or(1, |at| at + 2)
}

/// Returns whether this text is a placeholder of an earlier redaction, so that a replayed record
/// stays as it is. The match is exact: nothing else fits into it.
pub(super) fn is_placeholder(text: &str) -> bool {
    let certificate = || {
        let (sha256, rest) =
            text.strip_prefix("[redacted certificate: sha256 ")?.split_at_checked(64)?;
        let count = rest.strip_prefix(", ")?.strip_suffix(" characters]")?;
        let is_hex = sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_hex && count.len() < 12 && count.bytes().all(|byte| byte.is_ascii_digit()))
            .then_some(())
    };
    text == "[redacted private key]" || certificate().is_some()
}

/// Returns a name in lower case without separators: `Private_Key` and `private-key` are
/// `privateKey` too.
fn squash(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase)
}

/// Returns whether "privatekey" may occur in a text, in any case and with anything but letters and
/// digits in between: there must be a `v` whose next letter is an `a`. No other character becomes
/// either in lower case.
fn may_name_private_key(text: &str) -> bool {
    memchr2_iter(b'v', b'V', text.as_bytes()).any(|at| {
        let next = text[at + 1..].chars().find(|c| c.is_alphanumeric());
        matches!(next, Some('a' | 'A'))
    })
}

/// Returns whether `privateKey` occurs with a value behind it.
pub(super) fn quotes_private_key(text: &str) -> bool {
    let text: String =
        text.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect();
    text.match_indices("privatekey").any(|(at, name)| {
        let after = text[at + name.len()..].trim_start_matches(['"', '\'', '\\', ' ', '\n', '\t']);
        after.starts_with([':', '=']) || text[..at].ends_with("' at '")
    })
}

/// Most layers of escapes that are removed: a record in an EventBridge event in an SNS message has
/// two.
pub(super) const MAX_LAYERS: usize = 8;

/// Returns whether these bytes may contain a private key or a certificate, however escaped. Errs on
/// the side of `true`: the caller then stores a reference and a hash instead of the bytes.
pub(crate) fn may_hold_key(bytes: &[u8]) -> bool {
    in_any_layer(&String::from_utf8_lossy(bytes), |text| {
        mentions_private_key(text) || text.contains("-----BEGIN") || text.contains("-----END")
    })
}

/// Returns whether the text mentions a private key in any spelling or layer, PEM's `PRIVATE KEY`
/// included.
pub(super) fn mentions_private_key_escaped(text: &str) -> bool {
    in_any_layer(text, mentions_private_key)
}

fn mentions_private_key(text: &str) -> bool {
    squash(text).collect::<String>().contains("privatekey")
}

/// Returns whether `is` is true of the text itself, or of the strings in strings that it contains.
/// Returns `true` for a text with more than [`MAX_LAYERS`] layers: it is not examined further.
pub(super) fn in_any_layer(text: &str, is: impl Fn(&str) -> bool) -> bool {
    let mut layer = Cow::Borrowed(text);
    for _ in 0..MAX_LAYERS {
        if is(&layer) {
            return true;
        }
        if !layer.contains('\\') {
            return false;
        }
        layer = Cow::Owned(unescaped(&layer));
    }
    true
}

/// Removes one layer of JSON's escapes; also removes a backslash that is not an escape.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let code = rest.strip_prefix(['u', 'U']).and_then(|code| code.get(..4));
        let character =
            code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32);
        if let Some(character) = character {
            out.push(character);
            rest = &rest[5..];
        } else if rest.starts_with(['b', 'f', 'n', 'r', 't']) {
            out.push(' ');
            rest = &rest[1..];
        } else if let Some(after) = rest.strip_prefix('\\') {
            out.push('\\');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}
