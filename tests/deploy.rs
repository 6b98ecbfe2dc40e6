//! What is shipped beside the binary: the image, the template, the compose file.

mod guide;
mod stack;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use certrelay::config;

use crate::skip::skip;

const TEMPLATE: &str = "deploy/cloudformation/certrelay.yaml";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|cause| panic!("{path}: {cause}"))
}

/// The block scalar (`|`) that follows the line containing `mark`, without its indentation.
fn block(yaml: &str, mark: &str) -> String {
    let after = &yaml[yaml.find(mark).unwrap_or_else(|| panic!("no {mark}"))..];
    let mut lines =
        after.lines().skip_while(|line| !line.trim_end().ends_with('|')).skip(1).peekable();
    let depth = lines.peek().map_or(0, |line| line.len() - line.trim_start().len());
    assert!(depth > 0, "{mark} has no block");
    lines
        .take_while(|line| line.trim().is_empty() || line.len() - line.trim_start().len() >= depth)
        .map(|line| format!("{}\n", line.get(depth..).unwrap_or_default()))
        .collect()
}

/// What CloudFormation makes of the template's configuration, with Splunk and a SCRAM login to
/// Kafka.
fn template_configuration() -> String {
    let template = read(TEMPLATE);
    let (splunk, kafka) = (block(&template, "SplunkSink: !If"), block(&template, "KafkaSink: !If"));
    let values = [
        ("${SplunkSink}", splunk.as_str()),
        ("${KafkaSink}", kafka.as_str()),
        ("${Sinks}", "\"splunk\", \"kafka\""),
        ("${Queue}", "https://sqs.us-east-1.amazonaws.com/111122223333/cloudtrail-objects"),
        ("${TrailBucket}", "audit-logs"),
        ("${TrailOwner}", "111122223333"),
        ("${AWS::AccountId}", "111122223333"),
        ("${DeadLetterBucket}", "certrelay-dead-letters"),
        ("${SplunkEndpoint}", "https://hec.example.com:8088"),
        ("${SplunkIndex}", "security"),
        ("${Brokers}", "b-1.example.com:9096\", \"b-2.example.com:9096"),
        ("${KafkaTopic}", "iam-certificate-events"),
        ("${Login}", "mechanism = \"scram-sha-512\", username = \"u\", password = \"p\""),
        (
            "${SplunkTokenSecretArn}",
            "arn:aws:secretsmanager:us-east-1:111122223333:secret:hec-AbCdEf",
        ),
        ("${Accounts}", "[accounts]\ns3 = \"s3://tables/accounts.csv\""),
        ("${Reports}", "[credential_reports]\nlocation = \"s3://tables/reports/\""),
    ];
    let mut text = block(&template, "Name: CERTRELAY_CONFIG");
    for (name, value) in values {
        text = text.replace(name, value);
    }
    text
}

fn checked(place: &str, text: &str) -> config::Config {
    config::parse(place, text, root()).unwrap_or_else(|error| panic!("{error}: {error:#?}\n{text}"))
}

#[test]
fn the_template_passes_cfn_lint() {
    let program = root().join("target/real/venv/bin/cfn-lint");
    if !program.exists() {
        return skip("cfn-lint", "needs Python 3 with venv; tests/real/setup installs it");
    }
    let output = Command::new(program).arg(root().join(TEMPLATE)).output().expect("cfn-lint runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_templates_configuration_is_valid() {
    assert_eq!(checked(TEMPLATE, &template_configuration()).sinks.len(), 2);
}

#[test]
fn the_compose_files_configuration_is_valid() {
    let text = block(&read("deploy/compose.yaml"), "CERTRELAY_CONFIG:");
    assert_eq!(checked("deploy/compose.yaml", &text).sinks.len(), 2);
}

#[test]
fn draining_ends_before_the_container_is_killed() {
    let margin = Duration::from_secs(10);
    let template = read(TEMPLATE);
    let stop = template.split("StopTimeout: ").nth(1).and_then(|rest| rest.lines().next());
    let stop = Duration::from_secs(stop.and_then(|text| text.parse().ok()).expect("StopTimeout"));
    let drain = checked(TEMPLATE, &template_configuration()).delivery.shutdown_grace_period;
    assert!(drain + margin <= stop, "drain {drain:?}, StopTimeout {stop:?}");
    assert!(stop <= Duration::from_secs(120), "Fargate allows no more than 120 s");

    let compose = read("deploy/compose.yaml");
    let grace = compose.split("stop_grace_period: ").nth(1).and_then(|rest| rest.split('s').next());
    let grace = Duration::from_secs(grace.and_then(|text| text.parse().ok()).expect("grace"));
    let drain =
        checked("compose", &block(&compose, "CERTRELAY_CONFIG:")).delivery.shutdown_grace_period;
    assert!(drain + margin <= grace, "drain {drain:?}, stop_grace_period {grace:?}");
}

#[test]
fn the_image_is_built_with_the_toolchain_that_the_crate_asks_for() {
    let manifest = read("Cargo.toml");
    let wanted = manifest.split("rust-version = \"").nth(1).and_then(|rest| rest.split('"').next());
    let from = format!("FROM rust:{}-bookworm AS build\n", wanted.expect("rust-version"));
    assert!(read("deploy/Dockerfile").contains(&from), "no {from}");
}

#[test]
fn the_image_copies_what_exists_and_what_its_ignore_file_lets_through() {
    let dockerfile = read("deploy/Dockerfile");
    let allowed = read("deploy/Dockerfile.dockerignore");
    let mut copied = 0;
    for line in dockerfile.lines().filter_map(|line| line.strip_prefix("COPY ")) {
        let words: Vec<&str> = line.split(' ').collect();
        if words[0].starts_with("--from") {
            continue;
        }
        for name in &words[..words.len() - 1] {
            assert!(root().join(name).exists(), "COPY {name}: no such thing");
            assert!(allowed.lines().any(|l| l == format!("!{name}")), "COPY {name}: ignored");
            copied += 1;
        }
    }
    assert!(copied >= 4, "no COPY was found");
}

/// Debian packages of the shared libraries that a binary may need beyond the base image's own.
fn packages_of(ldd: &str) -> Result<BTreeSet<&'static str>, String> {
    let mut packages = BTreeSet::new();
    for line in ldd.lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        let name = name.rsplit('/').next().unwrap_or_default();
        match name.split(".so").next().unwrap_or_default() {
            "libssl" | "libcrypto" => packages.insert("libssl3"),
            "libz" => packages.insert("zlib1g"),
            "linux-vdso" | "libc" | "libm" | "libdl" | "libpthread" | "librt" | "libgcc_s" => false,
            loader if loader.starts_with("ld-linux") => false,
            _ => return Err(format!("the image has no package for {name}")),
        };
    }
    Ok(packages)
}

#[test]
fn the_image_installs_what_the_binary_links() {
    let Ok(output) = Command::new("ldd").arg(env!("CARGO_BIN_EXE_certrelay")).output() else {
        return skip("shared libraries of the image", "needs ldd (libc-bin)");
    };
    let needed = packages_of(&String::from_utf8_lossy(&output.stdout)).expect("known libraries");
    let dockerfile = read("deploy/Dockerfile");
    let runtime = dockerfile.rsplit("FROM ").next().expect("a last stage");
    let install =
        runtime.lines().find(|line| line.contains("apt-get install")).expect("an install");
    for package in needed {
        assert!(install.split(' ').any(|word| word == package), "{package} is not installed");
    }
    assert!(install.contains("ca-certificates"));
}

#[test]
fn a_library_that_the_image_lacks_is_found() {
    let known = "\tlinux-vdso.so.1 (0x7f)\n\tlibssl.so.3 => /lib/libssl.so.3 (0x7f)\n\tlibz.so.1 => /lib/libz.so.1\n\t/lib64/ld-linux-x86-64.so.2 (0x7f)\n";
    assert_eq!(packages_of(known), Ok(BTreeSet::from(["libssl3", "zlib1g"])));
    assert!(packages_of("\tlibsasl2.so.2 => /lib/libsasl2.so.2 (0x7f)\n").is_err());
}
