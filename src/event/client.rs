//! Where a call came from: the forms of `sourceIPAddress` and `tlsDetails`.

use std::net::{IpAddr, SocketAddr};

/// Most addresses of proxies that are listed; the text itself is in the event.
const MAX_OTHERS: usize = 16;

/// The addresses of `sourceIPAddress`, which may be several (`203.0.113.7, 10.0.0.1`) and have
/// ports (`203.0.113.7:443`, `[2001:db8::1]:443`).
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SourceAddress {
    /// The client's address: the first one.
    pub(crate) ip: Option<IpAddr>,
    /// Its port.
    pub(crate) port: Option<u16>,
    /// The addresses of proxies, in order.
    pub(crate) others: Vec<IpAddr>,
}

impl SourceAddress {
    /// Returns the addresses of `text`. Host names, `AWS Internal` and the like have none.
    pub(crate) fn parse(text: &str) -> Self {
        let mut addresses = text.split(',').filter_map(|part| address(part.trim()));
        let (ip, port) = addresses.next().map_or((None, None), |(ip, port)| (Some(ip), port));
        Self { ip, port, others: addresses.map(|(ip, _)| ip).take(MAX_OTHERS).collect() }
    }
}

fn address(text: &str) -> Option<(IpAddr, Option<u16>)> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some((address.ip(), Some(address.port())));
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    Some((bare.parse().ok()?, None))
}

/// Returns protocol and version of `tlsVersion`: `TLSv1.3`, `TLS 1.2`, `1.3`, `SSLv3`.
pub(crate) fn tls_version(text: &str) -> Option<(&'static str, &str)> {
    let text = text.trim();
    let version = text.trim_start_matches(|c: char| !c.is_ascii_digit());
    let named = text.strip_suffix(version)?.to_ascii_lowercase();
    let named = named.trim_end_matches([' ', '_', '-']).trim_end_matches('v');
    let protocol = match named.trim_end() {
        "" | "tls" => "tls",
        "ssl" => "ssl",
        _ => return None,
    };
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    let is_number = |text: &str| text.len() == 1 && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(major) && is_number(minor)).then_some((protocol, version))
}

/// Returns whether the value of the member `name` states nothing: CloudTrail has written `-`, and
/// the member's own name.
pub(crate) fn is_placeholder(name: &str, value: &str) -> bool {
    let value = value.trim();
    [name, "null", "none", "n/a", "unknown"].iter().any(|one| value.eq_ignore_ascii_case(one))
        || !value.contains(|c: char| c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_their_order() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        for (text, first, port, others) in [
            ("203.0.113.7, 10.0.0.1:80,[2001:db8::1]", "203.0.113.7", None, 2),
            ("x,,[2001:db8::1]:443", "2001:db8::1", Some(443), 0),
            ("::ffff:203.0.113.7", "::ffff:203.0.113.7", None, 0),
        ] {
            let found = SourceAddress::parse(text);
            assert_eq!((found.ip, found.port), (Some(ip(first)), port), "{text}");
            assert_eq!(found.others.len(), others, "{text}");
        }
        let many = SourceAddress::parse(&"203.0.113.7,".repeat(1_000));
        assert_eq!(many.others.len(), MAX_OTHERS);
        for text in ["", "AWS Internal", "203.0.113.7:x", "203.0.113.7:99999", "[x]", "1.2.3.4.5"] {
            assert_eq!(SourceAddress::parse(text), SourceAddress::default(), "{text}");
        }
    }

    #[test]
    fn no_text_has_a_version_that_is_none() {
        for text in ["TLSv1.2.3", "TLSv12", "1", "TLS v1.3", "TLSv1.x", "\u{131}1", "1.2 TLS"] {
            let is_read = ["1", "TLS v1.3"].contains(&text);
            assert_eq!(tls_version(text).is_some(), is_read, "{text}");
        }
    }
}
