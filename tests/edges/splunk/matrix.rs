//! Every code of HEC × index of the bad event × number of events × acknowledgement on and off: what
//! is indexed, what is rejected, and what is sent more than once.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use super::*;

/// Codes of an event that is bad by itself.
const EVENT_CODES: [i64; 4] = [6, 12, 13, 15];
/// The code of an event whose index is not allowed.
const INDEX_CODE: i64 = 7;
/// The code of a request without data.
const NO_DATA_CODE: i64 = 5;
/// Codes of an accepted request.
const ACCEPTED_CODES: [i64; 3] = [0, 24, 25];
/// HTTP status and codes of responses that reject a whole request.
const REQUEST_CODES: [(u16, &[i64]); 9] = [
    (200, &[17]),
    (400, &[10, 11, 14, 16, 21, 22, 28]),
    (401, &[2, 3]),
    (403, &[1, 4]),
    (404, &[404]),
    (405, &[405]),
    (429, &[26, 27]),
    (500, &[8]),
    (503, &[9, 18, 19, 20, 23]),
];
/// Statuses of proxies in front of HEC, whose bodies are not JSON.
const PAGES: [u16; 14] = [200, 204, 302, 303, 400, 401, 403, 404, 408, 415, 429, 500, 502, 504];

/// One cell: a collector, a sink, and `size` events.
struct Cell {
    hec: HecStandIn,
    running: Running,
    size: usize,
    ack: bool,
}

/// The expected result of a cell; all other events are delivered, in order, and sent once.
#[derive(Default)]
struct Expected {
    rejected: Vec<usize>,
    /// Events that are sent more than once.
    resent: Vec<usize>,
    /// Number of requests, if it is certain.
    requests: Option<usize>,
}

impl Cell {
    async fn new(size: usize, ack: bool) -> Self {
        let mut options = Options::default();
        options.tokens[0].use_ack = ack;
        let hec = HecStandIn::start(options).await.unwrap();
        let running = run(SplunkConfig { ack, ..settings(&hec) });
        Self { hec, running, size, ack }
    }

    async fn deliver(&self) -> Vec<Outcome> {
        self.running.deliver((0..self.size).map(event).collect()).await
    }

    /// Returns how many requests contained each event.
    fn request_counts(&self) -> Vec<usize> {
        let bodies = self.hec.requests().into_iter().filter(|seen| seen.path.ends_with("/event"));
        let bodies: Vec<String> =
            bodies.map(|seen| String::from_utf8(seen.body).unwrap()).collect();
        let in_body = |at: usize| format!("\"eventID\":\"event-{at}\"");
        let count = |at| bodies.iter().filter(|body| body.contains(&in_body(at))).count();
        (0..self.size).map(count).collect()
    }

    async fn expect(self, label: &str, outcomes: &[Outcome], expected: Expected) {
        let Expected { rejected, resent, requests } = expected;
        let label = format!("{label}, {} events, ack {}", self.size, self.ack);
        for (at, outcome) in outcomes.iter().enumerate() {
            let as_expected = match outcome {
                Outcome::Delivered => !rejected.contains(&at),
                Outcome::Rejected(_) => rejected.contains(&at),
                Outcome::Retry(_) => false,
            };
            assert!(as_expected, "{label}: event {at} {outcome:?}");
        }
        let indexed = (0..self.size).filter(|at| !rejected.contains(at));
        let indexed: Vec<String> = indexed.map(|at| format!("event-{at}")).collect();
        assert_eq!(ids(&self.hec), indexed, "{label}: each once, in order");
        let counts = self.request_counts();
        let again: Vec<usize> = (0..self.size).filter(|at| counts[*at] > 1).collect();
        assert_eq!(again, resent, "{label}: sent again");
        assert!(counts.iter().all(|count| *count >= 1), "{label}: {counts:?}");
        if let Some(requests) = requests {
            assert_eq!(posts(&self.hec), requests, "{label}");
        }
        self.running.finish().await;
    }
}

/// Sizes, with and without acknowledgement.
fn cells() -> impl Iterator<Item = (usize, bool)> {
    [1, 2, 7].into_iter().flat_map(|size| [(size, false), (size, true)])
}

/// First, middle and last index; each once.
fn indexes(size: usize) -> BTreeSet<usize> {
    [0, size / 2, size - 1].into()
}

#[test]
fn the_matrix_has_every_code() {
    let of_requests = REQUEST_CODES.into_iter().flat_map(|(_, codes)| codes.to_vec());
    let all = EVENT_CODES.into_iter().chain(ACCEPTED_CODES).chain(of_requests);
    let all: BTreeSet<i64> = all.chain([INDEX_CODE, NO_DATA_CODE]).collect();
    let known: BTreeSet<i64> = (0..=28).chain([404, 405]).collect();
    assert_eq!(all, known);
}

#[tokio::test]
async fn a_bad_event_is_rejected_alone_at_any_index() {
    let cell = async |code: i64, size: usize, ack: bool, bad: usize| {
        let cell = Cell::new(size, ack).await;
        cell.hec.change(|options| options.reject = vec![(format!("event-{bad}\""), code)]);
        let outcomes = cell.deliver().await;
        // Code 6 at event 0 may mean an oversized body: then halves are tried, down to the event
        // itself.
        let ambiguous = code == 6 && bad == 0 && size > 1;
        let resent = if ambiguous { 0..size } else { bad + 1..size };
        let requests = (!ambiguous).then_some(if bad + 1 == size { 1 } else { 2 });
        let expected = Expected { rejected: vec![bad], resent: resent.collect(), requests };
        cell.expect(&format!("code {code} at {bad}"), &outcomes, expected).await;
    };
    for code in EVENT_CODES {
        let all = cells()
            .flat_map(|(size, ack)| indexes(size).into_iter().map(move |bad| (size, ack, bad)));
        join_all(all.map(|(size, ack, bad)| cell(code, size, ack, bad))).await;
    }
}

#[tokio::test]
async fn a_denied_index_pauses_the_sink_which_resumes_where_it_stopped() {
    let cell = async |size: usize, ack: bool, bad: usize| {
        let cell = Cell::new(size, ack).await;
        cell.hec.change(|options| options.reject = vec![(format!("event-{bad}\""), INDEX_CODE)]);
        let fix = async {
            let error = cell.running.failure().await;
            assert_eq!(error.code, Code::SplunkIndex);
            cell.hec.change(|options| options.reject.clear());
        };
        let (outcomes, ()) = futures_util::future::join(cell.deliver(), fix).await;
        let expected = Expected { resent: (bad..size).collect(), ..Expected::default() };
        cell.expect(&format!("code 7 at {bad}"), &outcomes, expected).await;
    };
    let all =
        cells().flat_map(|(size, ack)| indexes(size).into_iter().map(move |bad| (size, ack, bad)));
    join_all(all.map(|(size, ack, bad)| cell(size, ack, bad))).await;
}

#[tokio::test]
async fn a_request_without_data_is_retried_in_halves() {
    let cell = async |size: usize, ack: bool| {
        let cell = Cell::new(size, ack).await;
        cell.hec.script([Fault::code(400, NO_DATA_CODE)]);
        let outcomes = cell.deliver().await;
        // A single event is rejected.
        let alone = size == 1;
        let expected = Expected {
            rejected: if alone { vec![0] } else { Vec::new() },
            resent: if alone { Vec::new() } else { (0..size).collect() },
            requests: Some(if alone { 1 } else { 3 }),
        };
        cell.expect("code 5", &outcomes, expected).await;
    };
    join_all(cells().map(|(size, ack)| cell(size, ack))).await;
}

#[tokio::test]
async fn a_request_rejected_as_a_whole_is_retried_as_a_whole() {
    let cell = async |label: String, fault: Fault, size: usize, ack: bool| {
        let cell = Cell::new(size, ack).await;
        cell.hec.script([fault]);
        let outcomes = cell.deliver().await;
        let expected =
            Expected { resent: (0..size).collect(), requests: Some(2), ..Expected::default() };
        cell.expect(&label, &outcomes, expected).await;
    };
    let page = |status| Fault { status, body: "<html>no</html>".to_owned(), ..Fault::default() };
    let codes = REQUEST_CODES.into_iter().flat_map(|(status, codes)| {
        codes.iter().map(move |code| (format!("code {code}"), Fault::code(status, *code)))
    });
    let pages = PAGES.into_iter().map(|status| (format!("page {status}"), page(status)));
    let cut = [("no response".to_owned(), Fault::cut(false))];
    let all = codes.chain(pages).chain(cut).flat_map(|(label, fault)| {
        cells().map(move |(size, ack)| (label.clone(), fault.clone(), size, ack))
    });
    join_all(all.map(|(label, fault, size, ack)| cell(label, fault, size, ack))).await;
}

#[tokio::test]
async fn an_accepted_request_is_never_sent_again() {
    let cell = async |code: i64, size: usize, ack: bool| {
        let cell = Cell::new(size, ack).await;
        cell.hec.change(|options| options.success = code);
        let outcomes = cell.deliver().await;
        let expected = Expected { requests: Some(1), ..Expected::default() };
        cell.expect(&format!("code {code}"), &outcomes, expected).await;
    };
    let all = ACCEPTED_CODES.into_iter().flat_map(|code| cells().map(move |(s, a)| (code, s, a)));
    join_all(all.map(|(code, size, ack)| cell(code, size, ack))).await;
}

#[tokio::test]
async fn a_request_that_is_too_large_is_retried_in_halves() {
    let cell = async |size: usize, ack: bool| {
        let cell = Cell::new(size, ack).await;
        let too_large = Fault { status: 413, body: "<html>".to_owned(), ..Fault::default() };
        cell.hec.script([too_large]);
        let outcomes = cell.deliver().await;
        let alone = size == 1;
        let expected = Expected {
            rejected: if alone { vec![0] } else { Vec::new() },
            resent: if alone { Vec::new() } else { (0..size).collect() },
            requests: Some(if alone { 1 } else { 3 }),
        };
        cell.expect("HTTP 413", &outcomes, expected).await;
    };
    join_all(cells().map(|(size, ack)| cell(size, ack))).await;
}
