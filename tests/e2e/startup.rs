//! What is logged and shown at start-up, before the first event.

use serde_json::Value;

use super::service::Service;
use super::setup::{self, Setup};
use crate::support::aws::{AwsSettings, AwsStandIns};
use crate::support::hec::{HecStandIn, Options, Token};
use crate::support::wait;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_is_logged_before_the_first_event() {
    let world = AwsStandIns::start(AwsSettings::default()).await.expect("loopback is there");
    let options = Options { tokens: vec![Token::new("another-token")], ..Options::default() };
    let splunk = HecStandIn::start(options).await.expect("loopback is there");
    let setup = Setup {
        s3: world.s3.url(),
        sqs: world.sqs_http.url(),
        sources: vec![(world.queue_url(), world.settings.bucket.clone())],
        kafka: None,
        splunk: splunk.url(),
        more: "",
    };
    let folder = setup::folder();
    let service = Service::start(folder.path(), &setup.text()).await;
    let states = wait::until("both sinks to be probed", async || {
        let (_, body) = service.get("/readyz").await;
        let body: Value = serde_json::from_str(&body).expect("JSON");
        let state = |at: usize| body["sinks"][at]["state"].as_str().map(str::to_owned);
        let both = [state(0)?, state(1)?];
        both.iter().all(|state| state != "unverified").then_some(both)
    })
    .await;
    assert!(states.iter().any(|state| state == "up"), "a file sink needs no probe: {states:?}");
    assert!(
        states
            .iter()
            .any(|state| state.starts_with("unverified: ") && state.contains("splunk_token")),
        "{states:?}"
    );
    let log = service.terminate().await.log;
    assert!(log[0]["version"].is_string(), "{log:#?}");
    let logged = |line: &&Value| line["sink"] == "soc" && line["level"] == "ERROR";
    assert_eq!(log.iter().filter(logged).count(), 1, "{log:#?}");
    assert_eq!(splunk.count(), 0);
}
