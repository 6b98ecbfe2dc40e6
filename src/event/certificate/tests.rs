use ::time::macros::datetime;

use super::*;

const PEM: &str = include_str!("../../../tests/fixtures/events/web.example.com.pem");

#[test]
fn parsed_facts_equal_those_that_openssl_prints() {
    let chain = chain(PEM);
    let certificate = chain.leaf().expect("readable");
    assert_eq!(certificate.subject, "CN=web.example.com,O=Example AB,C=SE");
    assert_eq!(certificate.serial, "E64B527FE7ED8BD8");
    assert_eq!(certificate.not_before, Some(datetime!(2026-02-20 0:00 UTC)));
    assert_eq!((certificate.key_type.as_str(), certificate.key_bits), ("RSA", Some(2048)));
    assert_eq!(certificate.signature, "sha256WithRSAEncryption");
    assert_eq!(
        certificate.sha256,
        "05844e764503f9ad31a00da66ea15a08c3436a7f3116ff155d4864e358187a26"
    );
    assert_eq!(
        certificate.names,
        [("DNS", "web.example.com".to_owned()), ("DNS", "*.web.example.com".to_owned())]
    );
    assert_eq!(chain.ends_in_root(), Some(true));
    assert_eq!(
        certificate.flags(datetime!(2026-03-01 0:00 UTC)),
        [Flag::SelfSigned, Flag::Wildcard]
    );
    assert!(certificate.flags(datetime!(2026-06-01 0:00 UTC)).contains(&Flag::Expired));
    assert!(certificate.flags(datetime!(2026-01-01 0:00 UTC)).contains(&Flag::NotYetValid));
}

#[test]
fn pem_without_line_ends_is_parsed_and_garbage_is_reported() {
    let one_line: String = PEM.lines().collect();
    assert_eq!(chain(&one_line).leaf(), chain(PEM).leaf());
    assert_eq!(chain(&PEM.replace('\n', "\r\n")).leaf(), chain(PEM).leaf());
    for (text, reason) in [
        (
            "-----BEGIN CERTIFICATE-----\n<certificate-body>\n-----END CERTIFICATE-----",
            "not Base64",
        ),
        ("-----BEGIN CERTIFICATE-----\nAAAA", "no last line"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", ""),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "something else"),
    ] {
        let error = chain(text).certificates.remove(0).expect_err("garbage");
        assert!(error.contains(reason), "{error}");
    }
    assert_eq!(chain("no PEM at all"), Chain::default());
}

#[test]
fn other_blocks_and_comments_are_not_part_of_a_chain() {
    let block = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    let bundle = [
        "subject=CN = web.example.com\n# by hand\n",
        &block("EC PARAMETERS"),
        &block("CERTIFICATE REQUEST"),
        PEM,
        &block("ENCRYPTED PRIVATE KEY"),
        PEM,
    ]
    .concat();
    assert_eq!(chain(&bundle), chain(&PEM.repeat(2)));
}

#[test]
fn a_chain_is_bounded_and_its_order_is_reported() {
    let many = chain(&PEM.repeat(40));
    assert_eq!((many.certificates.len(), many.count, many.is_ordered()), (16, 40, None));
    assert_eq!(chain(&PEM.repeat(2)).is_ordered(), Some(true));
}

#[test]
fn serials_are_formatted_as_by_openssl() {
    for (der, expected) in [
        (&[0x00, 0xe6, 0x4b][..], "E64B"),
        (&[0x01], "01"),
        (&[0x00], "00"),
        (&[], "00"),
        (&[0xff], "-01"),
        (&[0x80, 0x00], "-8000"),
    ] {
        assert_eq!(serial(der), expected);
    }
}

#[test]
fn internal_names_are_distinguished_from_public_ones() {
    for host in ["db", "db.internal", "x.corp", "printer.local."] {
        assert!(is_internal(host), "{host}");
    }
    for host in ["example.com", "*.example.com", "internal.example.com"] {
        assert!(!is_internal(host), "{host}");
    }
}

#[test]
fn no_flipped_bit_makes_the_parser_panic() {
    let der = decode(blocks(PEM)[0]).expect("readable");
    let mut read = 0;
    for at in 0..der.len() {
        for bit in [0, 3, 5, 7] {
            let mut broken = der.clone();
            broken[at] ^= 1 << bit;
            if let Ok(certificate) = Certificate::read(&broken) {
                certificate.flags(datetime!(2026-03-01 0:00 UTC));
                read += 1;
            }
        }
    }
    assert!(read > der.len(), "most of a certificate is text and numbers");
    for length in 0..der.len() {
        assert!(Certificate::read(&der[..length]).is_err());
    }
}

#[test]
fn flags_are_named_as_in_the_configuration() {
    let all = [
        Flag::Expired,
        Flag::NotYetValid,
        Flag::LongValidity,
        Flag::VeryLongValidity,
        Flag::ShortKey,
        Flag::WeakSignature,
        Flag::SelfSigned,
        Flag::Authority,
        Flag::Wildcard,
        Flag::InternalName,
    ];
    assert_eq!(all.map(Flag::as_str), crate::config::CERTIFICATE_FLAGS);
}
