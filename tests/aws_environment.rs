//! AWS's clients honour the environment: trusted authorities, endpoints, proxy.
//!
//! `check --connect` creates the same clients as the service, so it covers both.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::support::aws::{AwsSettings, AwsStandIns};

/// A configuration with one queue as its only external system.
fn configuration(folder: &Path, queue_url: &str) -> PathBuf {
    let text = format!(
        "[[source]]\nqueue_url = \"{queue_url}\"\nregion = \"us-east-1\"\nbuckets = [\"audit-logs\"]\n\
         [[route]]\nname = \"default\"\nsinks = [\"screen\"]\n[sink.screen]\ntype = \"stdout\"\n\
         [dead_letter]\nredrive = true\n"
    );
    let path = folder.join("certrelay.toml");
    std::fs::write(&path, text).expect("a file");
    path
}

/// `certrelay check --connect`, with these variables and no others.
async fn check(queue_url: &str, variables: &[(&str, String)]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    check_file(&configuration(folder.path(), queue_url), variables).await
}

async fn check_file(path: &Path, variables: &[(&str, String)]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_certrelay"));
    command.args(["check", "--connect", "-c"]).arg(path);
    command.env_clear().stdin(Stdio::null());
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_MAX_ATTEMPTS", "1");
    command.env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE").env("AWS_SECRET_ACCESS_KEY", "x");
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let run = tokio::task::spawn_blocking(move || command.output().expect("certrelay runs"));
    let Output { status, stderr, .. } = run.await.expect("it does not panic");
    (status.code(), String::from_utf8(stderr).expect("text"))
}

fn pem(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/tls").join(name)
}

/// Starts TLS in front of a plain server at `behind`; returns its `https` URL and its tasks.
async fn tls_in_front_of(behind: &str) -> (String, JoinSet<()>) {
    let certificate = CertificateDer::from_pem_file(pem("server.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(pem("server.key")).expect("a key");
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate], key).expect("they belong together");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("bound"));
    let behind = behind.trim_start_matches("http://").to_owned();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            connections.spawn(async move {
                let Ok(mut outer) = acceptor.accept(stream).await else { return };
                let Ok(mut inner) = TcpStream::connect(behind).await else { return };
                let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
            });
        }
    });
    (url, tasks)
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_clients_trust_the_authorities_of_aws_ca_bundle_only_if_it_is_set() {
    let world = AwsStandIns::start(AwsSettings::default()).await.expect("the stand-ins");
    let (url, _tasks) = tls_in_front_of(world.sqs_http.url()).await;
    let endpoint = ("AWS_ENDPOINT_URL_SQS", url);
    let buckets = ("AWS_ENDPOINT_URL_S3", world.s3.url());
    let bundle = ("AWS_CA_BUNDLE", pem("ca.pem").display().to_string());
    let (code, printed) =
        check(&world.queue_url(), &[endpoint.clone(), buckets.clone(), bundle]).await;
    assert_eq!(code, Some(0), "{printed}");
    assert_eq!(world.sqs_http.calls().values().sum::<u64>(), 1, "one call over TLS arrived");

    let (code, printed) = check(&world.queue_url(), &[endpoint, buckets]).await;
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("sqs_unreachable") && printed.contains("certificate"), "{printed}");
    assert_eq!(world.sqs_http.calls().values().sum::<u64>(), 1, "nothing more did");
}

/// A proxy that records the heads of requests and rejects every connection.
struct Proxy {
    url: String,
    requests: Receiver<String>,
}

impl Proxy {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let (send, requests) = channel();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let _ = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
                if send.send(head.join("\n")).is_err() {
                    return;
                }
            }
        });
        Self { url, requests }
    }

    /// The request lines since the last call.
    fn requests(&self) -> BTreeSet<String> {
        let first = |head: String| head.lines().next().unwrap_or_default().to_owned();
        self.requests.try_iter().map(first).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fips_and_dual_stack_endpoints_are_connected_through_the_proxy() {
    const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/111122223333/cloudtrail-objects";
    let proxy = Proxy::start();
    let through = ("HTTPS_PROXY", proxy.url.clone());
    let on = |name| (name, "true".to_owned());
    for (variables, queue, objects) in [
        (vec![], "sqs.us-east-1.amazonaws.com", "s3.us-east-1.amazonaws.com"),
        (
            vec![on("AWS_USE_FIPS_ENDPOINT")],
            "sqs-fips.us-east-1.amazonaws.com",
            "s3-fips.us-east-1.amazonaws.com",
        ),
        (
            vec![on("AWS_USE_DUALSTACK_ENDPOINT")],
            "sqs.us-east-1.api.aws",
            "s3.dualstack.us-east-1.amazonaws.com",
        ),
    ] {
        let variables = [vec![through.clone()], variables].concat();
        let (code, printed) = check(QUEUE, &variables).await;
        assert_eq!(code, Some(1), "{printed}");
        assert!(printed.contains("sqs_unreachable"), "{printed}");
        assert!(
            queue.starts_with("sqs.us-east-1.amazonaws")
                || printed.contains(&format!(" at {queue}")),
            "{printed}"
        );
        let hosts = [queue.to_owned(), format!("audit-logs.{objects}")];
        let requests = hosts.map(|host| format!("CONNECT {host}:443 HTTP/1.1"));
        assert_eq!(proxy.requests(), BTreeSet::from(requests), "{printed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dead_letter_bucket_is_asked_in_the_environments_region_for_its_owner() {
    let server = Proxy::start();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("certrelay.toml");
    let text = format!(
        "[[source]]\ndirectory = \"logs\"\n[[route]]\nname = \"default\"\nsinks = [\"screen\"]\n\
         [sink.screen]\ntype = \"stdout\"\n[aws]\ns3_endpoint = \"{}\"\n\
         [dead_letter]\ns3 = \"s3://letters/\"\nexpected_owner = \"111122223333\"\n",
        server.url
    );
    std::fs::create_dir(folder.path().join("logs")).expect("a folder");
    std::fs::write(&path, text).expect("a file");
    let region = [("AWS_REGION", "us-gov-west-1".to_owned())];
    let (_, printed) = check_file(&path, &region).await;
    let heads: Vec<String> = server.requests.try_iter().collect();
    let head = heads.iter().find(|head| head.starts_with("GET /letters")).expect(&printed);
    assert!(head.contains("/us-gov-west-1/s3/aws4_request"), "{head}");
    assert!(head.contains("x-amz-expected-bucket-owner: 111122223333"), "{head}");
}
