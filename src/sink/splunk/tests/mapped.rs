//! An index, a source … that differs from event to event.

use super::*;
use crate::config::{Mapping, MappingKey, MappingTable, Pattern};

/// An event of this account.
fn of_account(n: usize, account: &str) -> Arc<Event> {
    let mut event = (*event(n)).clone();
    event.fields.account = Some(account.to_owned());
    Arc::new(event)
}

fn by_account(values: &[(&str, &str)], default: &str) -> Mapping {
    let exact = values.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned()));
    Mapping::Table(MappingTable {
        by: MappingKey::Account,
        exact: exact.collect(),
        globs: Vec::new(),
        default: default.to_owned(),
    })
}

fn said(hec: &HecStandIn, key: &str) -> Vec<String> {
    let text = |event: hec::Indexed| event.envelope[key].as_str().unwrap_or("?").to_owned();
    hec.indexed().into_iter().map(text).collect()
}

#[tokio::test]
async fn each_event_goes_to_the_index_of_its_account_and_the_rest_to_the_default() {
    let hec = stand_in().await;
    let by_event = Mapping::Table(MappingTable {
        by: MappingKey::Event,
        exact: [].into(),
        globs: vec![(Pattern::new("Upload*").unwrap(), "uploads".to_owned())],
        default: "others".to_owned(),
    });
    let running = run(SplunkConfig {
        index: Some(by_account(&[("111122223333", "prod"), ("444455556666", "lab")], "main")),
        source: Some(by_event),
        ..settings(&hec)
    });
    let mut nobody_s = (*event(3)).clone();
    nobody_s.fields.account = None;
    nobody_s.fields.name = "DeleteServerCertificate".to_owned();
    let events = vec![
        of_account(0, "444455556666"),
        of_account(1, "111122223333"),
        of_account(2, "999999999999"),
        Arc::new(nobody_s),
    ];
    assert_eq!(running.built.deliver(events).await, vec![Outcome::Delivered; 4]);
    assert_eq!(said(&hec, "index"), ["lab", "prod", "main", "main"]);
    assert_eq!(said(&hec, "source"), ["uploads", "uploads", "uploads", "others"]);
    assert_eq!(posts(&hec), 1, "one request for all of them");
    running.finish().await;
}

#[tokio::test]
async fn an_index_that_is_refused_holds_back_only_what_is_meant_for_it() {
    let hec = stand_in().await;
    hec.change(|options| options.tokens[0].indexes = vec!["main".to_owned(), "lab".to_owned()]);
    let index = by_account(&[("111122223333", "prod"), ("444455556666", "lab")], "main");
    let running = run(SplunkConfig { index: Some(index), ..settings(&hec) });
    let accounts = ["444455556666", "111122223333", "999999999999", "111122223333", "444455556666"];
    let events = accounts.iter().enumerate().map(|(n, account)| of_account(n, account));
    let held = async {
        let error = running.trouble().await;
        let state = running.built.state();
        let before = ids(&hec);
        hec.change(|options| options.tokens[0].indexes.push("prod".to_owned()));
        (error.code, matches!(state, SinkState::Paused(_)), before)
    };
    let deliver = running.built.deliver(events.collect());
    let (outcomes, held) = futures_util::future::join(deliver, held).await;
    let others = ["event-0", "event-2", "event-4"].map(str::to_owned).to_vec();
    assert_eq!(held, (Code::SplunkIndex, true, others));
    assert_eq!(outcomes, vec![Outcome::Delivered; 5]);
    assert_eq!(ids(&hec), ["event-0", "event-2", "event-4", "event-1", "event-3"]);
    running.finish().await;
}
