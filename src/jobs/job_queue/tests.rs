//! The list as the pipeline uses it: received, released, deleted, ended.

use super::*;
use crate::error::Code;

/// Remembers what it heard; can refuse to note an end.
#[derive(Default)]
struct Heard {
    done: Mutex<Vec<String>>,
    kept: Mutex<Vec<String>>,
    refuse: bool,
}

impl Progress for Heard {
    fn done<'a>(&'a self, work: &'a Work) -> BoxFuture<'a, Result<(), Error>> {
        let refuse = self.refuse;
        Box::pin(async move {
            if refuse {
                return Err(Error::new(Code::ResumeFile, "it cannot be noted"));
            }
            self.done.lock().unwrap().push(work.place.clone());
            Ok(())
        })
    }

    fn kept(&self, work: &Work) {
        self.kept.lock().unwrap().push(work.place.clone());
    }
}

fn work(place: &str) -> Work {
    Work { id: place.into(), body: "body".into(), place: place.into() }
}

async fn list(attempts: u32, places: &[&str], refuse: bool) -> (Arc<JobQueue>, Arc<Heard>) {
    let heard = Arc::new(Heard { refuse, ..Heard::default() });
    let (list, sender) = JobQueue::new("list".into(), attempts, Arc::clone(&heard) as _);
    for place in places {
        sender.send(work(place)).await.expect("room");
    }
    (list, heard)
}

async fn receive(list: &JobQueue) -> Vec<(String, u32, Handle)> {
    let messages = list.receive(10).await.expect("a list does not fail").into_iter();
    messages.map(|one| (one.id, one.receive_count, one.receipt.handle())).collect()
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_all_that_was_sent_has_ended() {
    let (list, heard) = list(5, &["a", "b"], false).await;
    let got = receive(&list).await;
    assert_eq!(got.len(), 2);
    assert!(!list.finished().is_cancelled());
    let handles = got.into_iter().map(|(_, _, handle)| handle).collect();
    list.delete(handles).await.expect("answered");
    assert!(receive(&list).await.is_empty());
    assert!(list.finished().is_cancelled());
    assert_eq!(list.counts(), Counts { done: 2, kept: 0 });
    assert_eq!(*heard.done.lock().unwrap(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_released_comes_again_when_it_is_due_and_so_often() {
    let (list, heard) = list(2, &["a"], false).await;
    let (_, _, first) = receive(&list).await.remove(0);
    let begin = Instant::now();
    list.change_visibility(vec![(first.clone(), Duration::from_secs(7))]).await.expect("answered");
    let (_, count, second) = receive(&list).await.remove(0);
    assert_eq!((begin.elapsed().as_secs(), count), (7, 2));
    let stale = list.delete(vec![first]).await.expect("answered").remove(0);
    assert!(matches!(stale, Err(EntryError::Lost(_))), "the first receive is over");
    list.change_visibility(vec![(second, Duration::ZERO)]).await.expect("answered");
    assert!(list.shelf().held.is_empty(), "given up at once");
    assert_eq!(*heard.kept.lock().unwrap(), ["a"]);
    assert!(receive(&list).await.is_empty());
    assert!(list.finished().is_cancelled());
    assert_eq!(list.counts(), Counts { done: 0, kept: 1 });
}

#[tokio::test(start_paused = true)]
async fn a_renewal_is_no_release() {
    let (list, _) = list(1, &["a"], false).await;
    let (_, _, handle) = receive(&list).await.remove(0);
    list.change_visibility(vec![(handle.clone(), LEASE)]).await.expect("answered");
    assert_eq!(list.counts(), Counts::default());
    list.delete(vec![handle]).await.expect("answered");
    assert_eq!(list.counts(), Counts { done: 1, kept: 0 });
}

#[tokio::test(start_paused = true)]
async fn an_end_that_cannot_be_noted_counts_as_not_final() {
    let (list, heard) = list(5, &["a"], true).await;
    let (_, _, handle) = receive(&list).await.remove(0);
    let entries = list.delete(vec![handle]).await.expect("answered");
    assert_eq!(entries, [Ok(())], "the pipeline need not ask again");
    assert_eq!(list.counts(), Counts { done: 0, kept: 1 });
    assert_eq!(*heard.kept.lock().unwrap(), ["a"]);
}
