//! A collector whose `/health` wants the token, too, as one of several endpoints.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_wants_the_token_for_its_health_comes_back_after_an_outage() {
    let Some(mut collector) =
        block_in_place(|| Collector::start("collector-health", Setup::default()))
    else {
        return;
    };
    let between = Between::start(collector.url()).await.expect("a proxy");
    let soc = Soc::new(&between.url, "");
    let one = format!("{:?}", between.url);
    let two = format!("{one}, \"http://127.0.0.1:1\"");
    let soc = Soc { text: soc.text.replace(&one, &two), ..soc };
    let running = soc.start();
    collector.kill();
    let events = soc.events(3, 0);
    let deliver = running.sink.deliver(events.clone());
    let trouble = Box::pin(running.trouble());
    let Either::Right((_, deliver)) = select(deliver, trouble).await else {
        panic!("delivered to nobody")
    };
    block_in_place(|| collector.start_again());
    assert_eq!(deliver.await, vec![Outcome::Delivered; 3]);
    assert_eq!(duplicates(&collector.exported(), &events), 0);
    let asked = between.asked();
    let healths = asked.iter().filter(|asked| asked.path.ends_with("/health"));
    let answers: Vec<u16> = healths.filter_map(|asked| asked.status).collect();
    assert!(!answers.is_empty() && answers.iter().all(|status| *status == 200), "{answers:?}");
    let bare = reqwest::get(format!("{}/services/collector/health", between.url)).await;
    assert_eq!(bare.expect("an answer").status().as_u16(), 401, "it is not asked without a token");
    running.finish().await;
}
