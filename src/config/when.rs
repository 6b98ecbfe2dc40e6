//! `when`: which events a route is for. Data, not code: lists of patterns that must all match.

use std::collections::BTreeMap;
use std::fmt;

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
    /// The glob's own words on what is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let glob = Glob::new(text).map_err(|cause| cause.kind().to_string())?;
        Ok(Self { text: text.to_owned(), glob: glob.compile_matcher() })
    }

    /// Whether `value` is one of those meant.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        self.glob.is_match(value)
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The one name that is meant, where no part of the pattern stands for anything else.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        (!self.text.contains(['*', '?', '[', ']', '{', '}', '\\'])).then_some(&self.text)
    }
}

impl fmt::Debug for Pattern {
    /// As written; the compiled form would fill a page.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

/// What a route asks of one field: one of `any`, none of `none`. Nothing in either asks nothing.
#[derive(Debug, Clone, Default)]
pub struct Condition {
    /// Names or globs of which one must match; empty: any value, and none, will do.
    pub any: Vec<Pattern>,
    /// Names or globs written with `!`, of which none may match.
    pub none: Vec<Pattern>,
}

impl Condition {
    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.any.is_empty() && self.none.is_empty()
    }

    /// Whether a field of this value is one that is asked for.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        self.matches_among(&[value])
    }

    /// As [`matches`](Self::matches), for a field that has several values: one of them is enough for
    /// `any`, and one is too many for `none`.
    #[must_use]
    pub fn matches_among(&self, values: &[&str]) -> bool {
        let has = |pattern: &Pattern| values.iter().any(|value| pattern.matches(value));
        (self.any.is_empty() || self.any.iter().any(has)) && !self.none.iter().any(has)
    }

    /// Whether this surely matches whatever `other` matches; by how they are written, so that `false`
    /// means only that it cannot be told.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let is_in = |list: &[Pattern], one: &Pattern| {
            list.iter().any(|pattern| pattern.as_str() == one.as_str())
        };
        let taken = |one: &Pattern| {
            is_in(&self.any, one)
                || one.literal().is_some_and(|own| self.any.iter().any(|all| all.matches(own)))
        };
        let all_taken =
            self.any.is_empty() || (!other.any.is_empty() && other.any.iter().all(taken));
        all_taken && self.none.iter().all(|one| is_in(&other.none, one))
    }
}

/// The conditions of a route, all of which must hold. The router does the matching.
#[derive(Debug, Clone, Default)]
pub struct When {
    /// `event`: `eventName`.
    pub event: Condition,
    /// `outcome`: `success`, `failure`.
    pub outcome: Condition,
    /// `severity`: the gravest finding's; a comparison is spelled out to the names it means.
    pub severity: Condition,
    /// `finding`: ids of all findings.
    pub finding: Condition,
    /// `account`: the recipient's id.
    pub account: Condition,
    /// `region`: AWS's name of it.
    pub region: Condition,
    /// `principal`: the caller's own ARN, for a session that of its role.
    pub principal: Condition,
    /// `target`: ARN of what was acted on.
    pub target: Condition,
    /// `lane`: `file`, `inline`.
    pub lane: Condition,
    /// `ou`: organisational unit of the recipient's account.
    pub ou: Condition,
    /// `certificate`: flags of the certificate that the call brings.
    pub certificate: Condition,
    /// `label`: by name; of `[labels]`, or `owner` and `environment` of the recipient's account.
    pub labels: BTreeMap<String, Condition>,
}

impl When {
    /// Whether nothing is asked: every event matches.
    #[must_use]
    pub fn is_catch_all(&self) -> bool {
        self.conditions().iter().all(|condition| condition.is_empty())
            && self.labels.values().all(Condition::is_empty)
    }

    /// Whether this surely matches whatever `other` matches.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let anything = Condition::default();
        let asked = |name| other.labels.get(name).unwrap_or(&anything);
        self.conditions().iter().zip(other.conditions()).all(|(own, other)| own.covers(other))
            && self.labels.iter().all(|(name, own)| own.covers(asked(name)))
    }

    /// All but those on labels.
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
            lane,
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
            lane,
            ou,
            certificate,
        ]
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
    fn one_of_those_asked_for_and_none_of_those_excluded() {
        let asked = condition(&["Upload*", "Delete*"], &["*Signing*"]);
        for (value, matches) in [
            ("UploadServerCertificate", true),
            ("DeleteSigningCertificate", false),
            ("ListServerCertificates", false),
            ("", false),
        ] {
            assert_eq!(asked.matches(value), matches, "{value}");
        }
        assert!(
            condition(&[], &["Get*"]).matches("") && !condition(&[], &["Get*"]).matches("GetX")
        );
    }

    #[test]
    fn of_several_values_one_is_enough_and_one_is_too_many() {
        let asked = condition(&["denied"], &["weak-certificate"]);
        assert!(asked.matches_among(&["denied", "other"]));
        assert!(!asked.matches_among(&["denied", "weak-certificate"]));
        assert!(!condition(&["*"], &[]).matches_among(&[]), "`*` asks for at least one");
        assert!(condition(&[], &["*"]).matches_among(&[]), "`!*` asks for none at all");
    }

    #[test]
    fn a_label_that_only_one_route_asks_for_narrows_it() {
        let asking = |labels: &[(&str, &str)]| When {
            labels: labels
                .iter()
                .map(|(name, value)| ((*name).to_owned(), condition(&[value], &[])))
                .collect(),
            ..When::default()
        };
        let production = asking(&[("environment", "prod*")]);
        let theirs = asking(&[("environment", "production"), ("owner", "*")]);
        assert!(When::default().covers(&production) && !production.covers(&When::default()));
        assert!(When::default().is_catch_all() && !production.is_catch_all());
        assert!(!theirs.covers(&production));
        assert!(
            asking(&[("environment", "prod*")])
                .covers(&asking(&[("environment", "prod*"), ("owner", "x")]))
        );
        assert!(production.covers(&theirs), "a literal that the glob matches");
        assert!(!asking(&[("owner", "x")]).covers(&production));
    }

    #[test]
    fn what_surely_takes_everything_that_another_asks_for_covers_it() {
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
}
