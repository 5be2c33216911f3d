//! The RESP loop of one connection: one read, one locked batch, one write, whenever the client has sent something.
//!
//! Buffers belong to the worker and are shared by its connections, because a batch is read, executed and answered
//! without waiting in between. A connection keeps memory of its own only while a request is incomplete, or while
//! replies wait for a client that does not read them; until it does, nothing more is read from it. What is written: [`sending`].

mod sending;

use std::{
    future::{Future as _, poll_fn},
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::BufMut as _;
use tokio::{net::TcpStream, time::Sleep};
use tokio_util::io::poll_read_buf;

use super::{
    busy,
    input::{Input, READ},
    room::Room,
    step::{Situation, Step},
    turn::{TURN, give_way},
    waiting::Waiting,
    worker::Worker,
};
use crate::{
    node::{
        Node,
        caller::Caller,
        clients::{BLOCKED, CLOSING, Client, PAUSED, Signal},
        exclusive::Held,
        exec::{Stage, batch::Stop},
        store::Store,
    },
    protocol::{Output, ProtocolError},
    server::{
        Addresses, Served,
        sniff::{Protocol, Sniff, sniff},
    },
    time::Millis,
};

/// The most of one read: whoever waits for the worker waits for the kernel's copy too.
const READ_MAX: usize = 256 << 10;
/// Between looks whether a script has ended that takes long.
const AGAIN: Duration = Duration::from_millis(5);

/// One connection.
struct Connection {
    worker: Rc<Worker>,
    stream: TcpStream,
    caller: Caller,
    /// Nothing more is executed; it closes once its replies are sent.
    closing: bool,
    /// The last command waits.
    blocked: Option<Waiting>,
    /// What it was served with is on its way to the client.
    handing_over: bool,
    /// When the store is asked for again that a script has.
    again: Option<Pin<Box<Sleep>>>,
    /// For a reply that is too long for the worker's buffer.
    room: Option<Room>,
    /// Input that waits for the rest of a request, or for the client to read its replies.
    waiting: Option<Box<Input>>,
    /// No reply leaves before the journal lasts up to here.
    held: Option<u64>,
    /// Replies the client has not taken yet, and how much of them it has.
    unsent: Output,
    sent: usize,
    /// Since the last batch.
    reads: u64,
    read_bytes: u64,
    /// The first bytes were RESP.
    is_resp: bool,
    /// Bytes read and written in this turn.
    moved: usize,
}

/// A client's place in the list, left when its connection ends in whatever way.
struct Registered(Arc<Node>, Arc<Client>);

impl Drop for Registered {
    fn drop(&mut self) {
        self.0.forget(&self.1);
    }
}

/// How a connection's loop ends.
enum End {
    Close,
    HandOver(Vec<u8>, Protocol),
}

pub(in crate::node) async fn serve(worker: Rc<Worker>, stream: TcpStream, addresses: Addresses) -> Served {
    let node = Arc::clone(&worker.node);
    let state = &node.state;
    let client = state.clients.add(addresses, Arc::clone(state.acl.default_user()), Millis::now());
    let _registered = Registered(Arc::clone(&node), Arc::clone(&client));
    if state.stop.is_cancelled() {
        // The signal to all clients may have been sent before this one was in the list.
        client.send(Signal::Drain);
    }
    let caller = Caller::new(state, client);
    let mut connection = Connection {
        worker,
        stream,
        caller,
        closing: false,
        blocked: None,
        handing_over: false,
        again: None,
        room: None,
        waiting: None,
        held: None,
        unsent: Output::default(),
        sent: 0,
        reads: 0,
        read_bytes: 0,
        is_resp: false,
        moved: 0,
    };
    match poll_fn(|cx| connection.poll(cx)).await {
        Ok(End::HandOver(read, protocol)) => Served::NotResp { stream: connection.stream, read, protocol },
        Ok(End::Close) => Served::Closed,
        Err(error) => {
            tracing::debug!(%error, client = %addresses.remote, "connection ended");
            Served::Closed
        }
    }
}

impl Connection {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<End>> {
        self.caller.client.watch(cx.waker());
        self.moved = 0;
        loop {
            if self.moved >= TURN {
                give_way(cx);
                return Poll::Pending;
            }
            let situation = Situation {
                signal: self.caller.client.signal(),
                closing: self.closing,
                unsynced: self.held.is_some(),
                unsent: !self.unsent.is_empty(),
                outbox: self.has_news(),
                blocked: self.blocked.is_some(),
                cramped: self.room.as_ref().is_some_and(|room| !room.is_complete()),
                runnable: self.waiting.as_ref().is_some_and(|input| input.is_runnable()),
            };
            match situation.step() {
                Step::End => return Poll::Ready(Ok(End::Close)),
                Step::Sync => {
                    if let Some(position) = self.held {
                        let aof = &self.worker.node.state.aof.shared;
                        if situation.signal == Signal::Drain && aof.is_failed() {
                            // Nobody knows what becomes of it: better no answer than a wrong one.
                            return Poll::Ready(Ok(End::Close));
                        }
                        ready!(self.worker.committer.poll_lasts(position, cx));
                    }
                    self.held = None;
                }
                Step::Send => ready!(self.poll_send(cx))?,
                Step::Collect => {
                    if self.blocked.is_some() && self.is_gone(cx)? {
                        return Poll::Ready(Ok(End::Close));
                    }
                    ready!(self.poll_collect(cx))?;
                }
                Step::Wait => {
                    let worker = Rc::clone(&self.worker);
                    if self.blocked.as_mut().is_some_and(|waiting| waiting.is_over(&worker.node, cx)) {
                        let node = &worker.node;
                        let (mut store, now) = (ready!(self.poll_store(node, cx)), Millis::now());
                        if store.pause.is_over(now) {
                            store.unpause();
                        }
                        store.time_out(&self.caller.client, &node.state, now);
                        // Either that is answered now, or it was served a moment ago.
                        if let Some(waiting) = &mut self.blocked {
                            (waiting.limit, waiting.until_synced) = (None, None);
                        }
                    } else if self.is_gone(cx)? {
                        return Poll::Ready(Ok(End::Close));
                    } else if !self.has_news() && self.moved < TURN {
                        return Poll::Pending;
                    }
                }
                Step::MakeRoom => {
                    if let Some(room) = &mut self.room {
                        self.moved += room.find_more();
                    }
                }
                Step::Work | Step::Read => {
                    if let Some(end) = ready!(self.poll_receive_and_work(cx))? {
                        return Poll::Ready(Ok(end));
                    }
                }
            }
        }
    }

    /// Reads, unless something read waits, and works on it.
    fn poll_receive_and_work(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<End>>> {
        let (mut input, own) = match self.waiting.take() {
            Some(input) => (input, true),
            None => (self.worker.take_input(), false),
        };
        if !input.is_runnable() {
            match self.poll_receive(&mut input, cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(Some(End::Close))),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    if own {
                        self.waiting = Some(input);
                    } else {
                        self.worker.give_back(input);
                    }
                    return Poll::Pending;
                }
            }
        }
        if !self.is_resp {
            match sniff(&input.bytes) {
                Sniff::Is(Protocol::Resp) => self.is_resp = true,
                Sniff::Is(protocol) => {
                    let read = std::mem::take(&mut input.bytes);
                    return Poll::Ready(Ok(Some(End::HandOver(read, protocol))));
                }
                Sniff::NeedMore => {
                    input.unread = false;
                    self.keep(input, own);
                    return Poll::Ready(Ok(None));
                }
            }
        }
        self.work(&mut input, cx)?;
        self.keep(input, own);
        Poll::Ready(Ok(None))
    }

    /// Somebody has a message for the client, or the end of its waiting, which need not have a reply.
    fn has_news(&self) -> bool {
        let client = &self.caller.client;
        client.has_messages() || self.blocked.as_ref().is_some_and(|waiting| !client.has_flag(waiting.flag))
    }

    /// Reads what a client sends while its command waits, and says whether it has gone.
    fn is_gone(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut input = self.waiting.take().unwrap_or_default();
        let limit = self.worker.node.state.config.limits().query_buffer;
        let gone = loop {
            match self.poll_receive(&mut input, cx) {
                Poll::Ready(Ok(0)) => break Ok(true),
                Poll::Ready(Ok(_)) if input.bytes.len() > limit => break Ok(true),
                // The others of the worker come first; the loop of the connection goes on in the next turn.
                Poll::Ready(Ok(_)) if self.moved >= TURN => break Ok(false),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => break Err(error),
                Poll::Pending => break Ok(false),
            }
        };
        self.keep(input, true);
        gone
    }

    /// The store, unless a script has it that takes long: others of this worker are served meanwhile.
    fn poll_store<'n>(&mut self, node: &'n Node, cx: &mut Context<'_>) -> Poll<Held<'n, Store>> {
        loop {
            if let Some(store) = node.store_unless_script() {
                self.again = None;
                return Poll::Ready(store);
            }
            let again = self.again.get_or_insert_with(|| Box::pin(tokio::time::sleep(AGAIN)));
            ready!(again.as_mut().poll(cx));
            self.again = None;
        }
    }

    /// Sends what others have for the client. The lock is what makes it come before whatever runs after.
    fn poll_collect(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let worker = Rc::clone(&self.worker);
        let mut output = worker.output.borrow_mut();
        {
            let store = ready!(self.poll_store(&worker.node, cx));
            self.caller.client.take_messages(&mut output.encoder(self.caller.version));
            if let Some(waiting) = self.blocked.take_if(|waiting| !self.caller.client.has_flag(waiting.flag))
            {
                if let Some(caller) = waiting.back.and_then(|back| back.take()) {
                    self.caller = caller;
                }
                if waiting.flag != PAUSED {
                    self.handing_over = waiting.flag == BLOCKED;
                    self.caller.replies = self.caller.replies.after().1;
                }
            }
            let aof = &worker.node.state.aof.shared;
            if aof.is_on() {
                let position = aof.appended();
                drop(store);
                self.held = aof.after_batch(position, position);
            }
        }
        Poll::Ready(self.write(&mut output, cx))
    }

    /// One read. Never asks for much more memory than the client has already filled.
    fn poll_receive(&mut self, input: &mut Input, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let length = input.bytes.len();
        let missing = input.batch.missing(length).max(READ / 4);
        if input.bytes.capacity() - length < missing {
            input.bytes.reserve(missing.min(length.max(READ / 4)));
        }
        let mut buffer = (&mut input.bytes).limit(READ_MAX);
        let read = ready!(poll_read_buf(Pin::new(&mut self.stream), cx, &mut buffer))?;
        self.moved += read;
        self.reads += 1;
        self.read_bytes += read as u64;
        input.unread = true;
        Poll::Ready(Ok(read))
    }

    /// Parses what is new, runs what is complete, and sends the replies with one write.
    fn work(&mut self, input: &mut Input, cx: &mut Context<'_>) -> io::Result<()> {
        let worker = Rc::clone(&self.worker);
        let node = &*worker.node;
        let mut limits = node.state.config.limits();
        if input.unread {
            if !self.caller.authenticated && node.state.acl.login_required() {
                limits = limits.unauthenticated();
            }
            input.parse(&limits);
        }
        let mut shared = worker.output.borrow_mut();
        let mut own = self.room.take().map(|room| room.output);
        let output = own.as_mut().unwrap_or(&mut shared);
        if input.has_requests() {
            match self.run(node, input, output) {
                Stop::Room(needed) => self.room = Some(Room::new(needed)),
                Stop::Close => {
                    self.closing = true;
                    node.leave(&self.caller.client);
                }
                Stop::Blocked(limit) => {
                    let until_synced = self.caller.until_synced.take();
                    self.blocked = Some(Waiting::for_key(limit, until_synced));
                }
                Stop::Aside(back) => self.blocked = Some(Waiting::for_aside(back)),
                Stop::Paused(until) => self.blocked = Some(Waiting::for_unpause(until)),
                Stop::End | Stop::Replies => {}
            }
        }
        if !input.has_requests() && !self.closing && self.blocked.is_none() {
            self.after_batch(input, limits.query_buffer, output);
        }
        self.write(output, cx)
    }

    fn run(&mut self, node: &Node, input: &mut Input, output: &mut Output) -> Stop {
        let worker = Rc::clone(&self.worker);
        let mut plan = worker.plan.borrow_mut();
        let (length, spare) = (input.bytes.len(), input.bytes.capacity() - input.bytes.len());
        input.run(|requests| {
            plan.make((0..requests.len()).map(|index| requests.get(index)));
            let now = Millis::now();
            let Some(mut store) = node.store_unless_busy() else {
                return busy::answer(
                    &plan,
                    |index| requests.get(index),
                    &node.state,
                    &mut self.caller,
                    output,
                );
            };
            let stats = &node.state.stats;
            stats.reads.add(std::mem::take(&mut self.reads));
            stats.input.add(std::mem::take(&mut self.read_bytes));
            self.caller.client.note(now, length, spare);
            if self.caller.client.has_messages() {
                self.caller.client.take_messages(&mut output.encoder(self.caller.version));
            }
            let (aof, before) = (&node.state.aof.shared, node.state.aof.shared.appended());
            let mut stage = Stage { store: &mut store, caller: &mut self.caller, node: &node.state, now };
            let ran = stage.run(&mut plan, |index| requests.get(index), output);
            stats.writes.add(1);
            stats.output.add(output.len() as u64);
            if aof.is_on() {
                let after = aof.appended();
                drop(store);
                self.held = aof.after_batch(before, after);
            }
            ran
        })
    }

    /// What follows the complete requests: nothing, an unfinished one, or something that is none.
    fn after_batch(&mut self, input: &mut Input, query_buffer: usize, output: &mut Output) {
        use ProtocolError::{UnauthenticatedBulkLength, UnauthenticatedMultibulkLength};
        match input.broken.take() {
            Some(UnauthenticatedBulkLength | UnauthenticatedMultibulkLength) if self.caller.authenticated => {
                // It logged in a moment ago: what follows is measured by other limits.
                input.batch.restart();
                input.unread = true;
            }
            Some(error) => {
                match error.reply() {
                    Some(text) => {
                        tracing::debug!(%error, client = %self.caller.client.addresses.remote, "protocol error");
                        output.encoder(self.caller.version).error(text);
                    }
                    None => {
                        output.clear();
                        let state = &self.worker.node.state;
                        state.connections.warn_of_http(self.caller.client.addresses.remote, Millis::now());
                    }
                }
                self.close();
            }
            None if input.bytes.len() + self.queued() > query_buffer => {
                let client = self.caller.client.addresses.remote;
                tracing::warn!(%client, "closed: client-query-buffer-limit reached");
                self.close();
            }
            None => {}
        }
    }

    /// Bytes that wait for `EXEC`.
    fn queued(&self) -> usize {
        self.caller.transaction.as_ref().map_or(0, |transaction| transaction.memory())
    }

    fn close(&mut self) {
        self.closing = true;
        self.caller.client.set_flag(CLOSING, true);
    }

    /// Keeps what is left of the input, and says so to who counts memory.
    fn keep(&mut self, input: Box<Input>, own: bool) {
        self.waiting = self.kept(input, own);
        let bytes = self.waiting.as_ref().map(|input| &input.bytes);
        let (length, capacity) = bytes.map_or((0, 0), |bytes| (bytes.len(), bytes.capacity()));
        self.caller.client.set_query(length, capacity - length);
        self.worker.node.state.limit_clients(Some(&self.caller.client));
    }

    /// What is left of the input, in memory of this connection and as much as needed; the rest goes back.
    fn kept(&self, mut input: Box<Input>, own: bool) -> Option<Box<Input>> {
        if input.bytes.is_empty() && !input.is_runnable() {
            if !own {
                self.worker.give_back(input);
            }
            return None;
        }
        let length = input.bytes.len();
        if !own {
            let kept = Box::new(Input {
                bytes: input.bytes.clone(),
                batch: std::mem::take(&mut input.batch),
                broken: input.broken.take(),
                ..*input
            });
            self.worker.give_back(input);
            return Some(kept);
        }
        if input.bytes.capacity() > 4 * length + READ {
            input.bytes.shrink_to(length + input.batch.missing(length).min(READ));
        }
        Some(input)
    }
}
