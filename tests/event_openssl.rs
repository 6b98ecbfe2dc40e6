//! Certificate facts against `openssl x509`, field by field, on certificates made here.

use std::path::Path;
use std::process::Command;

use certrelay::config::OutputFormat;
use serde_json::{Value, json};

use crate::event_fixtures::payload;
use crate::event_samples::skip;

/// Keys: name and arguments of `openssl genpkey`.
const KEYS: [(&str, &[&str]); 8] = [
    ("rsa2048", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
    ("rsa1024", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]),
    ("rsa1536", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1536"]),
    ("p256", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    ("p384", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
    ("p521", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"]),
    ("ed25519", &["-algorithm", "ED25519"]),
    ("ed448", &["-algorithm", "ED448"]),
];

/// Subjects, as `-subj` takes them.
const SUBJECTS: [&str; 18] = [
    "/CN=web.example.com",
    "/C=SE/ST=Skåne/L=Malmö/O=Exempel AB/OU=Säkerhet/CN=åäö.example.com",
    "/CN=漢字 😀",
    "/O=Comma, Plus + \"Quotes\" \\\\ <angle>; Inc/CN=x",
    "/CN= leading and trailing ",
    "/CN=#hash",
    "/CN=line\u{7f}control\u{1}",
    "/DC=com/DC=example/UID=alice/CN=alice",
    "/emailAddress=alice@example.com/CN=mail",
    "/CN=multi+OU=valued+O=name/C=SE",
    "/1.2.3.4.5=unknown type/CN=oid",
    "/serialNumber=12345/title=Dr/GN=Alice/SN=Example/CN=Alice Example",
    "/street=Street 1/postalCode=12345/businessCategory=x/CN=y",
    "/O=",
    "/CN=a/CN=b/CN=c",
    "/description=d/initials=i/dnQualifier=q/CN=n",
    "/CN=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "/organizationIdentifier=NTRSE-1/jurisdictionC=SE/CN=ev",
];

const SERIALS: [&str; 10] = [
    "1",
    "0",
    "127",
    "128",
    "255",
    "256",
    "0xE64B527FE7ED8BD8",
    "0x7fffffffffffffffffffffffffffffffffffffff",
    "-5",
    "-32768",
];

const NAMES: [&str; 4] = [
    "DNS:web.example.com,DNS:*.example.com,IP:203.0.113.9,IP:2001:db8::1",
    "email:alice@example.com,URI:https://example.com/x,RID:1.2.3.4",
    "DNS:db.internal",
    "DNS:localhost",
];

fn openssl(folder: &Path, arguments: &[&str]) -> Option<String> {
    let run = Command::new("openssl").args(arguments).current_dir(folder).output().ok()?;
    run.status.success().then(|| String::from_utf8_lossy(&run.stdout).into_owned())
}

/// Makes certificate `at` of the matrix, if this OpenSSL can.
fn make(folder: &Path, at: usize) -> Option<()> {
    let key = format!("{}.key", KEYS[at % KEYS.len()].0);
    let digest = ["-sha256", "-sha384", "-sha1", "-sha512", "-md5"][at % 5];
    let days = ["1", "90", "398", "399", "826", "20000"][at % 6];
    let constraint = if at.is_multiple_of(3) {
        "basicConstraints=critical,CA:TRUE"
    } else {
        "basicConstraints=CA:FALSE"
    };
    let name = format!("subjectAltName={}", NAMES[at % NAMES.len()]);
    let mask = ["utf8only", "default", "nombstr"][at % 3];
    std::fs::write(
        folder.join("req.cnf"),
        format!("[req]\nstring_mask={mask}\ndistinguished_name=d\n[d]\n"),
    )
    .ok()?;
    let mut arguments =
        vec!["req", "-x509", "-config", "req.cnf", "-utf8", "-multivalue-rdn", "-key", &key];
    if !key.starts_with("ed") {
        arguments.push(digest);
    }
    arguments.extend([
        "-days",
        days,
        "-set_serial",
        SERIALS[at % SERIALS.len()],
        "-subj",
        SUBJECTS[at % SUBJECTS.len()],
    ]);
    arguments.extend(["-addext", constraint, "-addext", &name, "-out", "certificate.pem"]);
    openssl(folder, &arguments).map(|_| ())
}

/// What follows `label` in OpenSSL's output, to the end of the line.
fn after<'t>(text: &'t str, label: &str) -> &'t str {
    text.split_once(label)
        .map_or("", |(_, rest)| rest.lines().next().unwrap_or_default())
        .trim_end_matches('\r')
}

fn facts(folder: &Path) -> Value {
    let pem = std::fs::read_to_string(folder.join("certificate.pem")).expect("PEM");
    let record = json!({ "eventName": "UploadServerCertificate", "eventSource": "iam.amazonaws.com", "requestParameters": { "certificateBody": pem } });
    let event: Value =
        serde_json::from_str(&payload(&record.to_string(), OutputFormat::Ocsf)).expect("JSON");
    event["enrichments"][0]["data"]["certificates"][0].clone()
}

/// Compares one certificate in every field.
fn compare(folder: &Path) {
    let ours = facts(folder);
    let read = |arguments: &[&str]| {
        openssl(folder, &[&["x509", "-in", "certificate.pem", "-noout"], arguments].concat())
            .expect("openssl reads it")
    };
    let all = [
        "-subject",
        "-issuer",
        "-serial",
        "-dates",
        "-dateopt",
        "iso_8601",
        "-nameopt",
        "RFC2253,-esc_msb",
    ];
    let text = read(&[&all[..], &["-fingerprint", "-sha256", "-text"]].concat());
    let context = format!("{text}\n{ours}");
    assert_eq!(ours["subject"], after(&text, "subject="), "{context}");
    assert_eq!(ours["issuer"], after(&text, "issuer="), "{context}");
    assert_eq!(ours["serial_number"], after(&text, "serial="), "{context}");
    let date = |label| after(&text, label).replace(' ', "T");
    assert_eq!(ours["created_time_dt"], date("notBefore="), "{context}");
    assert_eq!(ours["expiration_time_dt"], date("notAfter="), "{context}");
    let sha1 = read(&["-fingerprint", "-sha1"]);
    for (index, theirs) in [&text, &sha1].into_iter().enumerate() {
        let theirs = after(theirs, "ingerprint=").replace(':', "").to_lowercase();
        assert_eq!(ours["fingerprints"][index]["value"], theirs.as_str(), "{context}");
    }
    assert_eq!(ours["signature_algorithm"], after(&text, "Signature Algorithm: "), "{context}");
    assert_eq!(ours["is_ca"], text.contains("CA:TRUE"), "{context}");
    assert_eq!(ours["is_self_signed"], true, "{context}");
    let algorithm = after(&text, "Public Key Algorithm: ");
    let kind = match algorithm {
        "rsaEncryption" => "RSA",
        "id-ecPublicKey" => "EC",
        other => other,
    };
    assert_eq!(ours["key_type"], kind, "{context}");
    if let Some((_, bits)) =
        text.split_once(" bit)").and_then(|(before, _)| before.rsplit_once('('))
    {
        assert_eq!(ours["key_bits"].to_string(), bits, "{context}");
    }
    let listed = after(
        text.split_once("X509v3 Subject Alternative Name:")
            .map_or("", |(_, rest)| rest.trim_start_matches([' ', '\n'])),
        "",
    );
    let own: Vec<String> = ours["sans"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|name| {
            format!(
                "{}:{}",
                name["type"].as_str().unwrap_or_default(),
                name["name"].as_str().unwrap_or_default()
            )
        })
        .collect();
    // OpenSSL prints IPv6 addresses in capitals and without shortening.
    assert_eq!(
        own.join(", ").replace("2001:db8::1", "2001:DB8:0:0:0:0:0:1"),
        listed.trim(),
        "{context}"
    );
}

#[test]
fn facts_equal_those_of_openssl_on_fifty_certificates() {
    let folder = tempfile::tempdir().expect("a folder");
    if openssl(folder.path(), &["version"]).is_none() {
        return skip("certificate facts: no openssl");
    }
    for (name, arguments) in KEYS {
        let out = format!("{name}.key");
        openssl(folder.path(), &[&["genpkey", "-out", &out], arguments].concat())
            .unwrap_or_else(|| panic!("{name}"));
    }
    let mut compared = 0;
    for at in 0..72 {
        if make(folder.path(), at).is_some() {
            compare(folder.path());
            compared += 1;
        }
    }
    assert!(compared >= 50, "only {compared} certificates");
}

#[test]
fn garbage_is_reported_and_never_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let pem = crate::event_fixtures::PEM;
    for cut in [40, 100, 500, 1_000] {
        let mut broken: Vec<u8> = pem.bytes().collect();
        broken[cut] = if broken[cut] == b'A' { b'B' } else { b'A' };
        std::fs::write(folder.path().join("certificate.pem"), broken).expect("written");
        let facts = facts(folder.path());
        assert!(facts["subject"].is_string() || facts["x509_parse_error"].is_string(), "{facts}");
    }
}
