//! Which endpoint is used again, and when.

use super::*;

fn asked_for_health(hec: &HecStandIn) -> usize {
    hec.requests().iter().filter(|seen| seen.path.ends_with("/health")).count()
}

#[tokio::test]
async fn an_endpoint_that_failed_must_say_that_it_is_well_before_it_is_used_again() {
    let (sick, well) = (stand_in().await, stand_in().await);
    sick.set_healthy(false);
    let urls = [&sick, &well].map(|hec| hec.url().parse().unwrap());
    let own = SplunkConfig { endpoints: urls.to_vec(), ..settings(&sick) };
    let http = Http::new("soc", &own).unwrap();
    let endpoints = Endpoints::new("soc", &own.endpoints).unwrap();
    for endpoint in endpoints.all() {
        endpoints.judge(endpoint, false);
    }
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
