//! What an event is compared with: names and globs, the conditions of a route, networks.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use globset::{Glob, GlobMatcher};

/// One name or glob (`*`, `?`, `[…]`, `{a,b}`) as written.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    glob: GlobMatcher,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// Describes what is wrong with the glob.
    pub fn new(text: &str) -> Result<Self, String> {
        let glob = Glob::new(text).map_err(|cause| cause.kind().to_string())?;
        Ok(Self { text: text.to_owned(), glob: glob.compile_matcher() })
    }

    /// Returns whether it matches `value`.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        self.glob.is_match(value)
    }

    /// Returns it as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the one name that it matches, if it has no wildcards.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        (!self.text.contains(['*', '?', '[', ']', '{', '}', '\\'])).then_some(&self.text)
    }
}

impl fmt::Debug for Pattern {
    /// Shows it as written; the compiled form is long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

/// A condition on one field: one of `any`, none of `none`. If both are empty, any value matches.
#[derive(Debug, Clone, Default)]
pub struct Condition {
    /// Names or globs of which one must match; empty: any value, or none.
    pub any: Vec<Pattern>,
    /// Names or globs written with `!`, of which none may match.
    pub none: Vec<Pattern>,
}

impl Condition {
    /// Returns whether there is no condition.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.any.is_empty() && self.none.is_empty()
    }

    /// Returns whether a field with this value matches.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        self.matches_among(&[value])
    }

    /// As [`matches`](Self::matches), for a field with several values: `any` needs one of them to
    /// match, `none` needs all of them not to.
    #[must_use]
    pub fn matches_among(&self, values: &[&str]) -> bool {
        let has = |pattern: &Pattern| values.iter().any(|value| pattern.matches(value));
        (self.any.is_empty() || self.any.iter().any(has)) && !self.none.iter().any(has)
    }

    /// Returns whether this certainly matches whatever `other` matches. Compares the texts: `false`
    /// means only that it is not known.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let is_in = |list: &[Pattern], one: &Pattern| {
            list.iter().any(|pattern| pattern.as_str() == one.as_str())
        };
        let covered = |one: &Pattern| {
            is_in(&self.any, one)
                || one.literal().is_some_and(|own| self.any.iter().any(|all| all.matches(own)))
        };
        let all_covered =
            self.any.is_empty() || (!other.any.is_empty() && other.any.iter().all(covered));
        all_covered && self.none.iter().all(|one| is_in(&other.none, one))
    }
}

/// The conditions of a route, all of which must hold. The router does the matching.
#[derive(Debug, Clone, Default)]
pub struct When {
    /// `event`: `eventName`.
    pub event: Condition,
    /// `outcome`: `success`, `failure`.
    pub outcome: Condition,
    /// `severity`: the highest of all findings; a comparison is expanded to names.
    pub severity: Condition,
    /// `finding`: ids of all findings.
    pub finding: Condition,
    /// `account`: the recipient's id.
    pub account: Condition,
    /// `region`: `awsRegion`.
    pub region: Condition,
    /// `principal`: the caller's own ARN; for a session, its role's.
    pub principal: Condition,
    /// `target`: ARN of what was acted on.
    pub target: Condition,
    /// `channel`: `s3`, `eventbridge`.
    pub channel: Condition,
    /// `ou`: organisational unit of the recipient's account.
    pub ou: Condition,
    /// `certificate`: flags of the certificate in the call.
    pub certificate: Condition,
    /// `label`: by name; those of `[labels]`, or `owner` and `environment` of the recipient's
    /// account.
    pub labels: BTreeMap<String, Condition>,
}

impl When {
    /// Returns whether every event matches.
    #[must_use]
    pub fn is_catch_all(&self) -> bool {
        self.conditions().iter().all(|condition| condition.is_empty())
            && self.labels.values().all(Condition::is_empty)
    }

    /// Returns whether this certainly matches whatever `other` matches.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let anything = Condition::default();
        let others = |name| other.labels.get(name).unwrap_or(&anything);
        self.conditions().iter().zip(other.conditions()).all(|(own, other)| own.covers(other))
            && self.labels.iter().all(|(name, own)| own.covers(others(name)))
    }

    /// Returns all conditions but those on labels.
    fn conditions(&self) -> [&Condition; 11] {
        let Self {
            event,
            outcome,
            severity,
            finding,
            account,
            region,
            principal,
            target,
            channel,
            ou,
            certificate,
            labels: _,
        } = self;
        [
            event,
            outcome,
            severity,
            finding,
            account,
            region,
            principal,
            target,
            channel,
            ou,
            certificate,
        ]
    }
}

/// A range of IP addresses: `203.0.113.0/24`, `2001:db8::/32`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Parses `address/prefix` or a single address.
    ///
    /// # Errors
    /// Describes what is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr =
            address.parse().map_err(|_| format!("{address:?} is not an IP address"))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(most), |prefix| {
            let prefix = prefix.parse().ok().filter(|prefix| *prefix <= most);
            prefix.ok_or_else(|| format!("the prefix of {text:?} must be a number up to {most}"))
        })?;
        Ok(Self { address, prefix })
    }

    /// Returns whether `other` is in the range. An IPv4 address mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, other: IpAddr) -> bool {
        match (self.address, other.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.prefix);
                u64::from(own.to_bits()) >> shift == u64::from(other.to_bits()) >> shift
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.prefix);
                let top = |bits: u128| bits.checked_shr(shift).unwrap_or(0);
                top(own.to_bits()) == top(other.to_bits())
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(texts: &[&str]) -> Vec<Pattern> {
        texts.iter().map(|text| Pattern::new(text).expect("a pattern")).collect()
    }

    fn condition(any: &[&str], none: &[&str]) -> Condition {
        Condition { any: patterns(any), none: patterns(none) }
    }

    #[test]
    fn one_of_any_and_none_of_the_excluded_must_match() {
        let one = condition(&["Upload*", "Delete*"], &["*Signing*"]);
        for (value, matches) in [
            ("UploadServerCertificate", true),
            ("DeleteSigningCertificate", false),
            ("ListServerCertificates", false),
            ("", false),
        ] {
            assert_eq!(one.matches(value), matches, "{value}");
        }
        let none = |value| condition(&[], &["Get*"]).matches(value);
        assert!(none("") && !none("GetX"));
    }

    #[test]
    fn one_of_several_values_matches_any_and_none_excludes() {
        let one = condition(&["denied"], &["weak-certificate"]);
        assert!(one.matches_among(&["denied", "other"]));
        assert!(!one.matches_among(&["denied", "weak-certificate"]));
        assert!(!condition(&["*"], &[]).matches_among(&[]), "`*` needs a value");
        assert!(condition(&[], &["*"]).matches_among(&[]), "`!*` needs no value");
    }

    #[test]
    fn a_condition_on_another_label_narrows_a_route() {
        let with = |labels: &[(&str, &str)]| When {
            labels: labels
                .iter()
                .map(|(name, value)| ((*name).to_owned(), condition(&[value], &[])))
                .collect(),
            ..When::default()
        };
        let production = with(&[("environment", "prod*")]);
        let theirs = with(&[("environment", "production"), ("owner", "*")]);
        assert!(When::default().covers(&production) && !production.covers(&When::default()));
        assert!(When::default().is_catch_all() && !production.is_catch_all());
        assert!(!theirs.covers(&production));
        assert!(
            with(&[("environment", "prod*")])
                .covers(&with(&[("environment", "prod*"), ("owner", "x")]))
        );
        assert!(production.covers(&theirs), "a literal that the glob matches");
        assert!(!with(&[("owner", "x")]).covers(&production));
    }

    #[test]
    fn a_wider_condition_covers_a_narrower_one() {
        let nothing = condition(&[], &[]);
        for (one, other, covers) in [
            (nothing.clone(), condition(&["a"], &["b"]), true),
            (condition(&["a*"], &[]), nothing.clone(), false),
            (condition(&["a*", "b"], &[]), condition(&["ab", "b"], &[]), true),
            (condition(&["a*"], &[]), condition(&["a*"], &["ab"]), true),
            (condition(&["a*"], &[]), condition(&["ab*"], &[]), false),
            (condition(&["a"], &["b"]), condition(&["a"], &[]), false),
            (condition(&[], &["b"]), condition(&["a"], &["b", "c"]), true),
        ] {
            assert_eq!(one.covers(&other), covers, "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_network_contains_its_addresses_and_no_others() {
        for (range, inside, outside) in [
            ("203.0.113.0/24", "203.0.113.255", "203.0.114.0"),
            ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("203.0.113.0/24", "::ffff:203.0.113.9", "2001:db8::1"),
        ] {
            let network = Network::new(range).expect("a range");
            assert!(network.contains(inside.parse().expect("an address")), "{range} {inside}");
            assert!(!network.contains(outside.parse().expect("an address")), "{range} {outside}");
        }
        for everything in ["0.0.0.0/0", "::/0"] {
            let one = if everything.contains(':') { "2001:db8::1" } else { "203.0.113.1" };
            assert!(Network::new(everything).expect("a range").contains(one.parse().expect("one")));
        }
    }

    #[test]
    fn an_invalid_network_is_an_error() {
        for text in ["", "203.0.113", "203.0.113.0/33", "2001:db8::/129", "203.0.113.0/x", "a/8"] {
            assert!(Network::new(text).is_err(), "{text}");
        }
    }
}
