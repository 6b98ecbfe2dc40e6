//! Every code × place of the bad event × number of events × acknowledgement on and off: what is indexed, refused, and sent again.

use futures_util::future::join_all;

use super::*;

/// Codes of an event that is bad by itself.
const EVENT_CODES: [i64; 4] = [6, 12, 13, 15];
/// HTTP status and code of answers to a request as a whole that is not taken in.
const REQUEST_CODES: [(u16, i64); 20] = [
    (403, 1),
    (401, 2),
    (401, 3),
    (403, 4),
    (500, 8),
    (503, 9),
    (400, 10),
    (400, 11),
    (400, 14),
    (400, 16),
    (503, 18),
    (503, 19),
    (503, 20),
    (400, 21),
    (400, 22),
    (503, 23),
    (429, 26),
    (429, 27),
    (400, 28),
    (404, 404),
];

/// One cell: a collector, a sink, and what came of `size` events.
struct Cell {
    hec: HecStandIn,
    running: Running,
    size: usize,
    ack: bool,
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
        self.running.built.deliver((0..self.size).map(event).collect()).await
    }

    /// Everything but `refused` is delivered and indexed once, in order, with this many requests.
    async fn expect(
        self,
        label: &str,
        outcomes: &[Outcome],
        refused: &[usize],
        requests: Option<usize>,
    ) {
        let label = format!("{label}, {} events, ack {}", self.size, self.ack);
        for (at, outcome) in outcomes.iter().enumerate() {
            let as_expected = match outcome {
                Outcome::Delivered => !refused.contains(&at),
                Outcome::Refused(_) => refused.contains(&at),
                Outcome::Retry(_) => false,
            };
            assert!(as_expected, "{label}: event {at} {outcome:?}");
        }
        let expected = (0..self.size).filter(|at| !refused.contains(at));
        let expected: Vec<String> = expected.map(|at| format!("event-{at}")).collect();
        assert_eq!(ids(&self.hec), expected, "{label}");
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

#[tokio::test]
async fn a_bad_event_is_refused_wherever_it_stands_and_nothing_else_is() {
    let cell = async |code: i64, size: usize, ack: bool, bad: usize| {
        let cell = Cell::new(size, ack).await;
        cell.hec.change(|options| options.reject = vec![(format!("event-{bad}\""), code)]);
        let outcomes = cell.deliver().await;
        // Code 6 at event 0 may be a size in disguise: then halves are tried.
        let in_disguise = code == 6 && bad == 0 && size > 1;
        let requests = if bad + 1 == size { 1 } else { 2 };
        let requests = (!in_disguise).then_some(requests);
        cell.expect(&format!("code {code} at {bad}"), &outcomes, &[bad], requests).await;
    };
    for code in EVENT_CODES {
        let places = |size: usize| [0, size / 2, size - 1];
        let all =
            cells().flat_map(|(size, ack)| places(size).map(|bad| cell(code, size, ack, bad)));
        join_all(all).await;
    }
}

#[tokio::test]
async fn a_refused_index_pauses_and_is_resumed_where_it_stopped() {
    let cell = async |size: usize, ack: bool, bad: usize| {
        let cell = Cell::new(size, ack).await;
        cell.hec.change(|options| options.reject = vec![(format!("event-{bad}\""), 7)]);
        let mend = async {
            let why = cell.running.trouble().await;
            assert_eq!(why.code, "splunk_index");
            cell.hec.change(|options| options.reject.clear());
        };
        let (outcomes, ()) = futures_util::future::join(cell.deliver(), mend).await;
        cell.expect(&format!("code 7 at {bad}"), &outcomes, &[], None).await;
    };
    let places = |size: usize| [0, size / 2, size - 1];
    join_all(cells().flat_map(|(size, ack)| places(size).map(|bad| cell(size, ack, bad)))).await;
}

#[tokio::test]
async fn a_request_that_is_refused_as_a_whole_is_sent_again_as_a_whole() {
    let cell = async |status: u16, code: i64, size: usize, ack: bool| {
        let cell = Cell::new(size, ack).await;
        cell.hec.script([Fault::code(status, code)]);
        let outcomes = cell.deliver().await;
        cell.expect(&format!("code {code}"), &outcomes, &[], Some(2)).await;
    };
    let of = |(status, code)| cells().map(move |(size, ack)| (status, code, size, ack));
    let all = REQUEST_CODES.into_iter().flat_map(of);
    join_all(all.map(|(status, code, size, ack)| cell(status, code, size, ack))).await;
}

#[tokio::test]
async fn a_request_that_is_taken_in_is_never_sent_again() {
    let cell = async |code: i64, size: usize| {
        let cell = Cell::new(size, false).await;
        cell.hec.script([Fault { after_indexing: true, ..Fault::code(200, code) }]);
        let outcomes = cell.deliver().await;
        cell.expect(&format!("code {code}"), &outcomes, &[], Some(1)).await;
    };
    join_all([0, 24, 25].into_iter().flat_map(|code| [1, 2, 7].map(|size| cell(code, size)))).await;
}
