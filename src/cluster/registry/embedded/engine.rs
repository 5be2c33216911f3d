//! The thread that owns the [`Core`] and its file. It takes the requests that wait, runs them, writes what they changed with
//! one sync, and only then answers them and tells the watchers.

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;
use tonic::Status;

use super::{core::Core, file::LogFile};

/// Requests that share one sync at most.
const BATCH: usize = 256;

/// Without leases there is nothing to wake up for; this is only a bound.
const IDLE: Duration = Duration::from_secs(3600);

/// Runs against the core, and gives what is to be done when its changes are safe, or are known not to be.
type Job = Box<dyn FnOnce(&mut Core) -> Reply + Send>;
type Reply = Box<dyn FnOnce(Option<&str>) + Send>;

enum Message {
    Job(Job),
    Stop,
}

/// Hands requests to the thread.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    queue: Sender<Message>,
}

/// The thread itself. Dropping it ends it without waiting, whoever still has an [`Engine`].
#[derive(Debug)]
pub(super) struct EngineThread {
    queue: Sender<Message>,
    thread: Option<JoinHandle<()>>,
}

impl EngineThread {
    /// Waits until it has answered what waits, and has closed its file. Blocks.
    pub(super) fn stop(mut self) -> thread::Result<()> {
        self.tell();
        self.thread.take().map_or(Ok(()), JoinHandle::join)
    }

    fn tell(&self) {
        // An error means that it has ended already.
        let _ = self.queue.send(Message::Stop);
    }
}

impl Drop for EngineThread {
    fn drop(&mut self) {
        self.tell();
    }
}

impl Engine {
    pub(super) fn start(core: Core, file: Option<LogFile>) -> io::Result<(Self, EngineThread)> {
        let (queue, messages) = channel();
        let thread = thread::Builder::new().name("registry".to_owned());
        let thread = Some(thread.spawn(move || run(core, file, &messages))?);
        Ok((Self { queue: queue.clone() }, EngineThread { queue, thread }))
    }

    /// The answer of `work`, once what it changed is on the disk.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Core) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let stopped = || Status::unavailable("the embedded registry is stopping");
        let (sender, answer) = oneshot::channel();
        let job: Job = Box::new(move |core| {
            let result = work(core);
            Box::new(move |failure| {
                let result = failure.map_or(result, |failure| Err(Status::unavailable(failure)));
                // The caller may have gone away.
                let _ = sender.send(result);
            })
        });
        self.queue.send(Message::Job(job)).map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }
}

fn run(mut core: Core, mut file: Option<LogFile>, queue: &Receiver<Message>) {
    let mut failure: Option<String> = None;
    let mut wake: Option<Instant> = core.expire();
    loop {
        let wait = wake.map_or(IDLE, |wake| wake.saturating_duration_since(Instant::now()));
        let first = match queue.recv_timeout(wait) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        core.now = Instant::now();
        let mut replies: Vec<Reply> = Vec::new();
        let mut stopping = false;
        for message in first.into_iter().chain(queue.try_iter()).take(BATCH) {
            match message {
                Message::Job(job) => replies.push(job(&mut core)),
                Message::Stop => {
                    stopping = true;
                    break;
                }
            }
        }
        wake = core.expire();
        core.trim();
        let records = core.take_records();
        if let Some(file) = &mut file
            && failure.is_none()
            && !records.is_empty()
        {
            if let Err(error) = file.append(records) {
                // What is in memory is ahead of the disk, and must not be shown to anybody.
                tracing::error!(%error, "the embedded registry cannot write");
                failure = Some(format!("{error}; the embedded registry answers again after a restart"));
            } else if file.wants_rewrite(core.store.size())
                && let Err(error) = file.rewrite(core.snapshot())
            {
                tracing::warn!(%error, "the registry's file could not be made smaller");
            }
        }
        if failure.is_some() {
            core.hub.fail();
        }
        for reply in replies {
            reply(failure.as_deref());
        }
        core.hub.flush();
        if stopping {
            return;
        }
    }
}
