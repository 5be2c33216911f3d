//! Scripts that are not known to be quick run on a thread of their own: the worker's other connections are served meanwhile, and
//! told after `busy-reply-threshold` that a script has the data. Without that an operator's `SCRIPT KILL` would wait for the very
//! script that it is to end whenever it comes to the same worker.
//!
//! The client waits as in a command that blocks. Its [`Caller`] goes along, because a transaction with scripts in it changes what it
//! was told; it comes back with the reply.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak, mpsc},
    thread,
};

use crate::{
    node::{
        Node,
        caller::{Caller, Origin},
        clients::{RUNNING, Signal},
        commands::table::Row,
        context::Flow,
        exec::{self, Stage},
    },
    protocol::{Args, Output},
    time::Millis,
};

/// Where a caller is while its command runs aside, and where it is fetched afterwards.
#[derive(Clone, Debug, Default)]
pub struct Return(Arc<Mutex<Option<Caller>>>);

impl Return {
    /// The caller, once it is back.
    pub fn take(&self) -> Option<Caller> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, caller: Caller) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(caller);
    }
}

#[derive(Debug)]
struct Job {
    caller: Caller,
    row: &'static Row,
    args: Args,
    back: Return,
    /// A reply that the client does not want.
    hidden: bool,
    /// It is to be closed afterwards.
    closes: bool,
}

/// The way to the thread. Where there is none, everything runs at once.
#[derive(Debug, Default)]
pub struct Aside(OnceLock<mpsc::Sender<Job>>);

impl Aside {
    /// Starts the thread; it ends with the node.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(&self, name: &str, node: &Arc<Node>) -> std::io::Result<()> {
        let (sender, receiver) = mpsc::channel();
        let node = Arc::downgrade(node);
        thread::Builder::new().name(format!("{name}-script")).spawn(move || serve(&node, &receiver))?;
        // Nobody starts it twice.
        let _ = self.0.set(sender);
        Ok(())
    }

    /// Has a command of a client run aside, if it may: what stays of the caller waits for it. `false`: it is to run now.
    pub fn take(&self, caller: &mut Caller, row: &'static Row, args: impl FnOnce() -> Args) -> bool {
        let Some(sender) = self.0.get().filter(|_| caller.origin == Origin::Client && !caller.answers_all)
        else {
            return false;
        };
        let mut stays = caller.waiting();
        let back = Return::default();
        stays.away = Some(back.clone());
        let (hidden, _) = caller.replies.after();
        stays.client.set_flag(RUNNING, true);
        let mut goes = std::mem::replace(caller, stays);
        goes.origin = Origin::Aside;
        let job = Job { caller: goes, row, args: args(), back, hidden, closes: false };
        // The thread ends with the node, which the sender is a part of, or by a panic, which ends the node.
        match sender.send(job) {
            Ok(()) => true,
            Err(mpsc::SendError(job)) => {
                *caller = Caller { origin: Origin::Client, ..job.caller };
                caller.client.set_flag(RUNNING, false);
                false
            }
        }
    }
}

fn serve(node: &Weak<Node>, jobs: &mpsc::Receiver<Job>) {
    while let Ok(mut job) = jobs.recv() {
        let Some(node) = node.upgrade() else { return };
        let mut store = node.store();
        let (client, now) = (Arc::clone(&job.caller.client), Millis::now());
        let mut output = Output::default();
        if client.signal() != Signal::Kill {
            let Some(request) = job.args.request() else { continue };
            let begun = std::time::Instant::now();
            store.make_room(&node.state, now);
            store.current = Some(client.id);
            let mut stage = Stage { store: &mut store, caller: &mut job.caller, node: &node.state, now };
            let encoder = output.encoder(stage.caller.version);
            let flow = exec::call(&mut stage, job.row, request, None, usize::MAX, encoder);
            job.closes = flow == Flow::Close;
            node.state.ran(job.row.spec, &request, begun.elapsed(), now, &client);
            store.settle(&node.state, now);
            // Its own messages first, as if it had not gone aside.
            let reply = if job.hidden { Vec::new() } else { output.copy_from(0) };
            client.deliver(&reply, &node.state.config.output_limits(), now);
            store.tell_own(client.id, &node.state, now);
            if store.tracking.has_broadcast() {
                store.broadcast(&node.state, now);
            }
            if let Some(garbage) = store.keyspace.take_garbage() {
                node.state.freer.free(garbage);
            }
        }
        job.caller.origin = Origin::Client;
        if job.closes {
            client.send(Signal::Drain);
        }
        job.back.put(job.caller);
        client.set_flag(RUNNING, false);
        client.wake();
    }
}
