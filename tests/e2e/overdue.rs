//! Destinations that are dead in every way: the operator is called, and the service goes on.

use serde_json::Value;
use tokio::net::TcpListener;

use super::service::Service;
use crate::support::hec::{Fault, HecStandIn, Options};
use crate::support::{tier, wait};

/// The first responds 503 for a while; the others never deliver.
fn config(unavailable: &str, silent: &str) -> String {
    let samples = tier::project().join("examples/cloudtrail");
    let hec = |name: &str, url: &str| {
        format!(
            "[sink.{name}]\ntype = \"splunk_hec\"\nendpoints = [\"{url}\"]\n\
             token = \"stand-in-token\"\ntimeout = \"1 s\"\n"
        )
    };
    [
        format!("[[source]]\ndirectory = {:?}\n", samples.display().to_string()),
        "[[route]]\nname = \"all\"\nsinks = [\"unavailable\", \"silent\", \"unknown\", \
         \"refused\", \"brokers\"]\n"
            .to_owned(),
        hec("unavailable", unavailable),
        hec("silent", silent),
        hec("unknown", "http://nowhere.invalid:8088"),
        hec("refused", "http://127.0.0.1:1"),
        "[sink.brokers]\ntype = \"kafka\"\nbrokers = [\"127.0.0.1:1\"]\ntopic = \"all\"\n\
         timeout = \"1 s\"\n[alerts]\nsink_after = \"1 s\"\n\
         [delivery]\nshutdown_grace_period = \"1 s\"\n[http]\nlisten = \"127.0.0.1:0\"\n"
            .to_owned(),
    ]
    .concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_required_sink_that_does_not_deliver_is_an_error_and_not_ready_until_it_does() {
    let hec = HecStandIn::start(Options::default()).await.expect("the stand-in");
    let unavailable = Fault { status: 503, ..Fault::default() };
    hec.script(std::iter::repeat_n(unavailable, 1000));
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent_url = format!("http://{}", silent.local_addr().expect("an address"));
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(folder.path(), &config(&hec.url(), &silent_url)).await;
    let errors = wait::until("an error about every sink", async || {
        let log = service.log();
        let is_ours = |line: &&Value| line["message"] == "sink has not delivered";
        let errors: Vec<Value> = log.iter().filter(is_ours).cloned().collect();
        (errors.len() == 5).then_some(errors)
    })
    .await;
    let code = |sink: &str| {
        let line = errors.iter().find(|line| line["sink"] == sink).expect("a line");
        assert_eq!(line["level"], "ERROR");
        line["code"].as_str().expect("a code").to_owned()
    };
    assert_eq!(code("unavailable"), "splunk_unavailable");
    assert_eq!([code("silent"), code("unknown")], ["splunk_timeout", "splunk_connect"]);
    assert_eq!(code("refused"), "splunk_connect");
    assert!(code("brokers").starts_with("kafka_"), "{errors:?}");
    assert_eq!(service.get("/livez").await.0, 200);
    let state = async |at: usize| {
        let (status, body) = service.get("/readyz").await;
        assert_eq!(status, 503, "{body}");
        let body: Value = serde_json::from_str(&body).expect("JSON");
        body["sinks"][at]["state"].as_str().expect("a state").to_owned()
    };
    for at in 0..5 {
        assert_eq!(state(at).await, "overdue");
    }
    hec.script([]);
    wait::until("the first sink to deliver", async || (state(0).await == "up").then_some(())).await;
    assert_eq!(state(1).await, "overdue");
    service.terminate().await;
}
