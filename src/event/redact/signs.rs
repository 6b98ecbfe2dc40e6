//! What gives a private key or a certificate away: the names of members, and what texts say.
//!
//! Every text of every record is judged, and nearly none has anything to hide. So each question is first asked in a
//! form that is cheap and says "no" only where the exact one would (`equal` proves it).

use memchr::memchr2_iter;

use super::super::json::Node;
use super::Reason;
use super::unread::in_any_layer;

/// Names of members whose value is a certificate or a chain of them, squashed.
/// Source: IAM `UploadServerCertificate`, `UploadSigningCertificate`; Roles Anywhere `CreateTrustAnchor`.
const CERTIFICATE_NAMES: [&str; 3] = ["certificatebody", "certificatechain", "x509certificatedata"];

/// Whether a member of this name holds a certificate or a chain.
pub(super) fn names_certificate(name: &str) -> bool {
    CERTIFICATE_NAMES.iter().any(|known| squash(name).eq(known.chars()))
}

/// Whether a member of this name holds a private key, not merely its ARN or type.
pub(super) fn names_private_key(name: &str) -> bool {
    if !may_say_private_key(name) {
        return false;
    }
    let name: String = squash(name).collect();
    name.contains("privatekey")
        && !["arn", "id", "name", "type"].iter().any(|suffix| name.ends_with(suffix))
}

/// Whether a member of this name is the value of a label.
pub(super) fn names_value(name: &str) -> bool {
    squash(name).take(5).eq("value".chars())
}

/// `{"key": "privateKey", "value": …}`, as tags are written.
pub(super) fn is_labelled_private_key(node: &Node<'_>) -> bool {
    let names_label =
        |name: &str| ["key", "name", "tagkey"].iter().any(|known| squash(name).eq(known.chars()));
    node.members().iter().any(|member| {
        names_label(&member.name) && member.node.as_text().is_some_and(names_private_key)
    })
}

/// What a text must be hidden for: PEM anywhere in it, or `privateKey` with a value behind it, as in
/// JSON inside a string or in a validation message that quotes the parameter; also where that JSON writes
/// letters as `\u00XX`, the only escape that stands for one.
pub(super) fn hidden_in(text: &str) -> Option<Reason> {
    let seen = hidden_as_it_stands(text);
    if seen == Some(Reason::PrivateKey) || !text.contains("\\u") {
        return seen;
    }
    let says = |reason| in_any_layer(text, |layer| hidden_as_it_stands(layer) == Some(reason));
    [Reason::PrivateKey, Reason::Certificate].into_iter().find(|reason| says(*reason))
}

fn hidden_as_it_stands(text: &str) -> Option<Reason> {
    let pem = text.contains("-----") && (text.contains("-----BEGIN") || text.contains("-----END"));
    let key = may_say_private_key(text) && quotes_private_key(text);
    if pem && !key && !text.contains("PRIVATE KEY") {
        return Some(Reason::Certificate);
    }
    (pem || key).then_some(Reason::PrivateKey)
}

/// How many of these items are the lines of one private key in PEM: from the first, if it begins a key that it does not
/// end, to the one that ends it; without such a one, to the last text.
pub(super) fn key_lines(items: &[Node<'_>]) -> usize {
    let begins: fn(&str) -> bool = |text| {
        text.rfind("-----BEGIN").is_some_and(|at| {
            text[at..].contains("PRIVATE KEY") && !text[at..].contains("-----END")
        })
    };
    let says = |item: &Node<'_>, says: fn(&str) -> bool| {
        item.as_text().is_some_and(|text| in_any_layer(text, says))
    };
    let Some((_, rest)) = items.split_first().filter(|(first, _)| says(first, begins)) else {
        return 0;
    };
    let end = rest.iter().position(|item| says(item, |text| text.contains("-----END")));
    let last = || rest.iter().rposition(|item| item.as_text().is_some());
    end.or_else(last).map_or(1, |at| at + 2)
}

/// Whether this text is what an earlier redaction left, so that a replayed record stays as it is. The
/// match is exact: nothing can hide in it.
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

/// A name without case and separators: `Private_Key` and `private-key` are `privateKey` too.
pub(super) fn squash(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase)
}

/// Whether "privatekey" can stand in a text, in whatever case and with whatever but letters and digits in between:
/// there must be a `v` whose next letter is an `a`. No other character becomes either in lower case.
fn may_say_private_key(text: &str) -> bool {
    memchr2_iter(b'v', b'V', text.as_bytes()).any(|at| {
        let next = text[at + 1..].chars().find(|c| c.is_alphanumeric());
        matches!(next, Some('a' | 'A'))
    })
}

/// Whether `privateKey` stands there with a value behind it.
pub(super) fn quotes_private_key(text: &str) -> bool {
    let text: String =
        text.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect();
    text.match_indices("privatekey").any(|(at, name)| {
        let after = text[at + name.len()..].trim_start_matches(['"', '\'', '\\', ' ', '\n', '\t']);
        after.starts_with([':', '=']) || text[..at].ends_with("' at '")
    })
}
