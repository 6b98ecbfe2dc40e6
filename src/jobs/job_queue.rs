//! A finite list of jobs as a queue: replay and backfill use the same path, with the same
//! guarantees, as messages of SQS.
//!
//! A deleted job is complete and recorded by its [`JobHandler`]; a released one is redelivered a
//! limited number of times. A process that dies has recorded nothing that was not complete.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::{Code, Error, MAX_RELEASE};
use crate::queue::{Entry, EntryError, Handle, Message, Queue, Receipt};

/// Visibility timeout of a job. Longer than any release: a shorter change of visibility is a
/// release.
pub(super) const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(4 * MAX_RELEASE.as_secs());

/// How long a receive waits for jobs, like SQS's long poll.
const LONG_POLL: Duration = Duration::from_secs(20);

/// Jobs that wait to be received: enough to keep the pipeline busy, too few to matter.
const CAPACITY: usize = 64;

/// One job.
#[derive(Debug, Clone)]
pub(super) struct Job {
    /// The message's id.
    pub(super) id: String,
    /// The message's body.
    pub(super) body: String,
    /// What the [`JobHandler`] knows the job by: a dead letter's location, an object's key.
    pub(super) key: String,
}

/// Records how each job ended.
pub(super) trait JobHandler: Send + Sync + 'static {
    /// Records that the job is final at every required sink.
    ///
    /// # Errors
    /// That could not be recorded; the job counts as failed.
    fn completed<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<(), Error>>;

    /// Records that the job is not final and is not redelivered in this run.
    fn failed(&self, job: &Job);
}

/// How many jobs ended how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobCounts {
    /// Final, and recorded.
    pub completed: u64,
    /// Not final, or not recorded.
    pub failed: u64,
}

/// The queue. It finishes when its sender is dropped and no job is left.
pub(super) struct JobQueue {
    name: String,
    max_receive_count: u32,
    incoming: tokio::sync::Mutex<mpsc::Receiver<Job>>,
    state: Mutex<State>,
    changed: Notify,
    handler: Arc<dyn JobHandler>,
    finished: CancellationToken,
}

#[derive(Default)]
struct State {
    last_handle: u64,
    /// Received jobs by handle, which names one receive.
    received: BTreeMap<u64, Received>,
    /// The sender is gone: no job is added.
    closed: bool,
    counts: JobCounts,
}

struct Received {
    job: Job,
    receive_count: u32,
    visible_at: Instant,
}

impl JobQueue {
    /// Creates an empty queue and its sender. Each job is delivered at most `max_receive_count`
    /// times.
    pub(super) fn new(
        name: String,
        max_receive_count: u32,
        handler: Arc<dyn JobHandler>,
    ) -> (Arc<Self>, mpsc::Sender<Job>) {
        let (sender, incoming) = mpsc::channel(CAPACITY);
        let queue = Self {
            name,
            max_receive_count,
            incoming: tokio::sync::Mutex::new(incoming),
            state: Mutex::default(),
            changed: Notify::new(),
            handler,
            finished: CancellationToken::new(),
        };
        (Arc::new(queue), sender)
    }

    /// Returns a token that is cancelled when all jobs have completed or failed.
    pub(super) fn finished(&self) -> CancellationToken {
        self.finished.clone()
    }

    pub(super) fn counts(&self) -> JobCounts {
        self.state().counts
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    async fn receive_some(&self, max: usize) -> Vec<Message> {
        let until = Instant::now() + LONG_POLL;
        loop {
            // Created before the check, so that no change in between is missed.
            let changed = self.changed.notified();
            let redelivered = self.redeliver(max);
            if !redelivered.is_empty() || Instant::now() >= until {
                return redelivered;
            }
            let (closed, due) = {
                let state = self.state();
                (state.closed, state.received.values().map(|one| one.visible_at).min())
            };
            tokio::select! {
                biased;
                () = changed => {}
                jobs = self.next_jobs(max), if !closed => match jobs {
                    Some(jobs) => return self.deliver(jobs.into_iter().map(|job| (job, 0))),
                    None => self.state().closed = true,
                },
                () = tokio::time::sleep_until(due.map_or(until, |due| due.min(until))) => {}
            }
            self.finish_if_empty();
        }
    }

    /// Returns the jobs that were sent since, or `None` when the sender is gone. Dropping the
    /// future loses no job.
    async fn next_jobs(&self, max: usize) -> Option<Vec<Job>> {
        let mut incoming = self.incoming.lock().await;
        let mut jobs = vec![incoming.recv().await?];
        while jobs.len() < max
            && let Ok(job) = incoming.try_recv()
        {
            jobs.push(job);
        }
        Some(jobs)
    }

    /// Redelivers what was released and is due, and what was not deleted within its visibility
    /// timeout.
    fn redeliver(&self, max: usize) -> Vec<Message> {
        let now = Instant::now();
        let due: Vec<(Job, u32)> = {
            let mut state = self.state();
            let due = state.received.iter().filter(|(_, one)| one.visible_at <= now);
            let due: Vec<u64> = due.map(|(handle, _)| *handle).take(max).collect();
            let due = due.iter().filter_map(|handle| state.received.remove(handle));
            due.map(|one| (one.job, one.receive_count)).collect()
        };
        let (again, exhausted): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|(_, count)| *count < self.max_receive_count);
        for (job, _) in exhausted {
            self.fail(&job);
        }
        self.deliver(again.into_iter())
    }

    fn deliver(&self, jobs: impl Iterator<Item = (Job, u32)>) -> Vec<Message> {
        let now = Instant::now();
        let mut state = self.state();
        jobs.map(|(job, received_before)| {
            state.last_handle += 1;
            let (handle, receive_count) = (state.last_handle, received_before + 1);
            let message = Message {
                id: job.id.clone(),
                body: job.body.clone(),
                receipt: Receipt::new(handle.to_string().into()),
                receive_count,
                sent: None,
                first_received: None,
                received_at: now,
            };
            let visible_at = now + VISIBILITY_TIMEOUT;
            state.received.insert(handle, Received { job, receive_count, visible_at });
            message
        })
        .collect()
    }

    fn change_one(&self, handle: &Handle, time: Duration) -> Entry {
        let handle = handle.parse().unwrap_or_default();
        let exhausted = {
            let mut state = self.state();
            let Some(one) = state.received.get_mut(&handle) else {
                return Err(EntryError::Lost(lost()));
            };
            if time >= VISIBILITY_TIMEOUT || one.receive_count < self.max_receive_count {
                one.visible_at = Instant::now() + time;
                None
            } else {
                state.received.remove(&handle)
            }
        };
        if let Some(exhausted) = exhausted {
            self.fail(&exhausted.job);
        }
        self.changed.notify_waiters();
        Ok(())
    }

    async fn delete_one(&self, handle: &Handle) -> Entry {
        let handle = handle.parse().unwrap_or_default();
        let job = self.state().received.get(&handle).map(|one| one.job.clone());
        let Some(job) = job else { return Err(EntryError::Lost(lost())) };
        let recorded = self.handler.completed(&job).await;
        let removed = self.state().received.remove(&handle).is_some();
        match recorded {
            Ok(()) if removed => self.state().counts.completed += 1,
            Ok(()) => {}
            Err(error) => {
                let code = error.code.as_str();
                tracing::error!(
                    job = job.key,
                    code,
                    error = error.text,
                    "completed job not recorded"
                );
                self.fail(&job);
            }
        }
        self.changed.notify_waiters();
        self.finish_if_empty();
        Ok(())
    }

    fn fail(&self, job: &Job) {
        self.handler.failed(job);
        self.state().counts.failed += 1;
        self.finish_if_empty();
    }

    fn finish_if_empty(&self) {
        let state = self.state();
        if state.closed && state.received.is_empty() {
            self.finished.cancel();
        }
    }
}

fn lost() -> Error {
    Error::new(Code::LeaseLost, "the job was redelivered meanwhile")
}

impl Queue for JobQueue {
    fn receive(&self, max: usize) -> BoxFuture<'_, Result<Vec<Message>, Error>> {
        Box::pin(async move { Ok(self.receive_some(max).await) })
    }

    fn change_visibility(
        &self,
        batch: Vec<(Handle, Duration)>,
    ) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        Box::pin(async move {
            Ok(batch.iter().map(|(handle, time)| self.change_one(handle, *time)).collect())
        })
    }

    fn delete(&self, batch: Vec<Handle>) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        Box::pin(async move {
            let mut entries = Vec::with_capacity(batch.len());
            for handle in &batch {
                entries.push(self.delete_one(handle).await);
            }
            Ok(entries)
        })
    }

    fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Remembers how jobs ended; can fail to record a completion.
    #[derive(Default)]
    struct Recorder {
        completed: Mutex<Vec<String>>,
        failed: Mutex<Vec<String>>,
        broken: bool,
    }

    impl JobHandler for Recorder {
        fn completed<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<(), Error>> {
            Box::pin(async move {
                if self.broken {
                    return Err(Error::new(Code::ResumeFile, "it cannot be written"));
                }
                self.completed.lock().push(job.key.clone());
                Ok(())
            })
        }

        fn failed(&self, job: &Job) {
            self.failed.lock().push(job.key.clone());
        }
    }

    async fn queue(
        max_receive_count: u32,
        keys: &[&str],
        broken: bool,
    ) -> (Arc<JobQueue>, Arc<Recorder>) {
        let recorder = Arc::new(Recorder { broken, ..Recorder::default() });
        let (queue, sender) =
            JobQueue::new("jobs".into(), max_receive_count, Arc::clone(&recorder) as _);
        for key in keys {
            let job = Job { id: (*key).into(), body: "body".into(), key: (*key).into() };
            sender.send(job).await.expect("below the capacity");
        }
        (queue, recorder)
    }

    async fn receive(queue: &JobQueue) -> Vec<(String, u32, Handle)> {
        let messages = queue.receive(10).await.expect("a job queue does not fail").into_iter();
        messages.map(|one| (one.id, one.receive_count, one.receipt.handle())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_finishes_when_all_jobs_sent_have_ended() {
        let (queue, recorder) = queue(5, &["a", "b"], false).await;
        let received = receive(&queue).await;
        assert_eq!(received.len(), 2);
        assert!(!queue.finished().is_cancelled());
        let handles = received.into_iter().map(|(_, _, handle)| handle).collect();
        queue.delete(handles).await.expect("a response");
        assert!(receive(&queue).await.is_empty());
        assert!(queue.finished().is_cancelled());
        assert_eq!(queue.counts(), JobCounts { completed: 2, failed: 0 });
        assert_eq!(*recorder.completed.lock(), ["a", "b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_released_job_is_redelivered_when_due_until_its_receive_count_is_exhausted() {
        let (queue, recorder) = queue(2, &["a"], false).await;
        let (_, _, first) = receive(&queue).await.remove(0);
        let begin = Instant::now();
        let release = vec![(first.clone(), Duration::from_secs(7))];
        queue.change_visibility(release).await.expect("a response");
        let (_, count, second) = receive(&queue).await.remove(0);
        assert_eq!((begin.elapsed().as_secs(), count), (7, 2));
        let stale = queue.delete(vec![first]).await.expect("a response").remove(0);
        assert!(matches!(stale, Err(EntryError::Lost(_))), "the first receive is over");
        queue.change_visibility(vec![(second, Duration::ZERO)]).await.expect("a response");
        assert!(queue.state().received.is_empty(), "failed at once");
        assert_eq!(*recorder.failed.lock(), ["a"]);
        assert!(receive(&queue).await.is_empty());
        assert!(queue.finished().is_cancelled());
        assert_eq!(queue.counts(), JobCounts { completed: 0, failed: 1 });
    }

    #[tokio::test(start_paused = true)]
    async fn a_visibility_extension_is_not_a_release() {
        let (queue, _) = queue(1, &["a"], false).await;
        let (_, _, handle) = receive(&queue).await.remove(0);
        let extension = vec![(handle.clone(), VISIBILITY_TIMEOUT)];
        queue.change_visibility(extension).await.expect("a response");
        assert_eq!(queue.counts(), JobCounts::default());
        queue.delete(vec![handle]).await.expect("a response");
        assert_eq!(queue.counts(), JobCounts { completed: 1, failed: 0 });
    }

    #[tokio::test(start_paused = true)]
    async fn a_completion_that_cannot_be_recorded_counts_as_failed() {
        let (queue, recorder) = queue(5, &["a"], true).await;
        let (_, _, handle) = receive(&queue).await.remove(0);
        let entries = queue.delete(vec![handle]).await.expect("a response");
        assert_eq!(entries, [Ok(())], "the pipeline need not try again");
        assert_eq!(queue.counts(), JobCounts { completed: 0, failed: 1 });
        assert_eq!(*recorder.failed.lock(), ["a"]);
    }
}
