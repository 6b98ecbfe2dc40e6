//! What an operator is shown at once: refused objects, counters before their first event.

use std::time::Duration;

use certrelay::store::StoreErrorKind;

use crate::sim::world::events_in;
use crate::sim::{World, WorldSettings};
use crate::support::samples;

const HOUR: Duration = Duration::from_secs(3600);

fn world() -> World {
    World::new(WorldSettings::default())
}

#[tokio::test(start_paused = true)]
async fn a_source_whose_objects_are_refused_is_not_ready_until_one_is_read() {
    let (world, samples) = (world(), samples::generate(21, 1, 20));
    let object = &samples.objects[0];
    world.store.answers.lock().unwrap().insert(object.key.clone(), StoreErrorKind::KmsDenied);
    world.deliver(object, events_in(object, &samples), 1);
    let process = world.process(u64::MAX);
    let (health, stop) = (process.parts.health.clone(), process.stop.clone());
    let watch = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let refused = health.ready();
        world.store.answers.lock().unwrap().clear();
        tokio::time::sleep(HOUR).await;
        let mended = health.ready();
        stop.cancel();
        (refused, mended)
    };
    let (((ready, body), (mended, after)), _) = tokio::join!(watch, process.run());
    assert!(!ready, "{body}");
    assert_eq!(body["sources"][0]["state"], "refused", "{body}");
    assert_eq!(body["sources"][0]["code"], "kms_denied", "{body}");
    assert!(mended, "{after}");
    assert_eq!(world.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_can_be_counted_is_there_before_it_happens() {
    let metrics = world().run_until_empty(HOUR).await.expect("nothing is in the queue");
    let text = metrics.encode();
    for counter in [
        r#"sink_dropped_total{sink="soc"} 0"#,
        r#"sink_dead_lettered_total{sink="lake"} 0"#,
        r#"sink_failed_total{sink="lake"} 0"#,
        r#"route_matched_total{route="default"} 0"#,
        r#"dead_letters_total{reason="corrupt_gzip"} 0"#,
        r#"dead_letters_total{reason="unreadable_message"} 0"#,
        r#"objects_failed_total{reason="object_forbidden"} 0"#,
        r#"objects_skipped_total{reason="digest"} 0"#,
        r#"messages_settled_total{reason="lease_lost"} 0"#,
    ] {
        assert!(text.contains(counter), "{counter} is not in {text}");
    }
}
