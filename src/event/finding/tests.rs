use std::collections::BTreeSet;

use super::*;

#[test]
fn every_rule_has_its_own_id_and_says_where_to_read_on() {
    let ids: BTreeSet<_> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), RULES.len());
    for rule in &RULES {
        assert!(!rule.remedies.is_empty(), "{}", rule.id);
        assert!(!rule.references.is_empty(), "{}", rule.id);
        assert!(rule.references.iter().all(|link| link.starts_with("https://")), "{}", rule.id);
        assert!(
            rule.attack.iter().all(|one| one.parent.is_some() == one.id.contains('.')),
            "{}",
            rule.id
        );
    }
}

#[test]
fn raising_and_lowering_stay_on_the_scale() {
    assert_eq!(Severity::Critical.raised(), Severity::Critical);
    assert_eq!(Severity::Critical.lowered(), Severity::Critical);
    assert_eq!(Severity::Informational.lowered(), Severity::Informational);
    assert_eq!(Severity::High.lowered(), Severity::Medium);
}

#[test]
fn a_denied_write_on_servers_or_trails_has_the_techniques_of_its_success() {
    let rule = |id: &str| RULES.iter().find(|rule| rule.id == id).expect("a rule");
    for (operation, success) in [
        ("UploadServerCertificate", "server-certificate-uploaded"),
        ("UpdateServerCertificate", "server-certificate-renamed"),
        ("DeleteServerCertificate", "server-certificate-deleted"),
        ("TagServerCertificate", "server-certificate-tags"),
        ("UntagServerCertificate", "server-certificate-tags"),
        ("StopLogging", "trail-silenced"),
    ] {
        assert_eq!(rule("denied").techniques(operation), rule(success).attack, "{operation}");
    }
}
