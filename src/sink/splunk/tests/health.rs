//! Which endpoint is used again, and when.

use super::*;

fn asked_for_health(hec: &HecStandIn) -> usize {
    hec.requests().iter().filter(|seen| seen.path.ends_with("/health")).count()
}

/// Endpoints that have failed, the first one first.
fn all_left_out(hecs: &[&HecStandIn]) -> (Http, Endpoints) {
    let urls = hecs.iter().map(|hec| hec.url().parse().unwrap()).collect();
    let own = SplunkConfig { endpoints: urls, ..settings(hecs[0]) };
    let endpoints = Endpoints::new("soc", &own.endpoints).unwrap();
    for endpoint in endpoints.all() {
        endpoints.judge(endpoint, false);
    }
    (Http::new("soc", &own).unwrap(), endpoints)
}

#[tokio::test]
async fn an_endpoint_that_failed_must_say_that_it_is_well_before_it_is_used_again() {
    let (sick, well) = (stand_in().await, stand_in().await);
    sick.set_healthy(false);
    let (http, endpoints) = all_left_out(&[&sick, &well]);
    // The one that failed first has its turn first, and is still sick.
    let chosen = endpoints.choose(&http).await;
    assert!(chosen.event_url.as_str().starts_with(&well.url()), "{}", chosen.event_url);
    assert_eq!((asked_for_health(&sick), asked_for_health(&well)), (1, 1));
    endpoints.judge(chosen, true);
    for _ in 0..3 {
        let chosen = endpoints.choose(&http).await;
        assert!(chosen.event_url.as_str().starts_with(&well.url()), "{}", chosen.event_url);
    }
    assert_eq!((asked_for_health(&sick), asked_for_health(&well)), (1, 1), "not asked of the well");
}

#[tokio::test]
async fn a_collector_whose_health_wants_a_token_is_asked_with_ours() {
    let (sick, guarded) = (stand_in().await, stand_in().await);
    guarded.change(|options| options.health_wants_token = true);
    guarded.set_healthy(false);
    let (http, endpoints) = all_left_out(&[&guarded, &sick]);
    let chosen = endpoints.choose(&http).await;
    // With the token it says what is true: that it is not well.
    assert!(chosen.event_url.as_str().starts_with(&sick.url()), "{}", chosen.event_url);
    guarded.set_healthy(true);
    let (http, endpoints) = all_left_out(&[&guarded, &sick]);
    let chosen = endpoints.choose(&http).await;
    assert!(chosen.event_url.as_str().starts_with(&guarded.url()), "{}", chosen.event_url);
    let asked = guarded.requests();
    let asked = asked.last().unwrap();
    assert_eq!(asked.header("authorization"), Some("Splunk stand-in-token"));
}

#[tokio::test]
async fn an_endpoint_that_refuses_the_token_of_the_question_is_there_and_says_so_to_the_events() {
    let (guarded, other) = (stand_in().await, stand_in().await);
    guarded.change(|options| {
        options.health_wants_token = true;
        options.tokens = vec![hec::Token::new("another-token")];
    });
    let (http, endpoints) = all_left_out(&[&guarded, &other]);
    let chosen = endpoints.choose(&http).await;
    assert!(chosen.event_url.as_str().starts_with(&guarded.url()), "{}", chosen.event_url);
    assert_eq!((asked_for_health(&guarded), asked_for_health(&other)), (1, 0));
}
