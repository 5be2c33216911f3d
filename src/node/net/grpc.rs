//! A gRPC caller's session: the same door, without a socket of its own.

use std::sync::Arc;

use bytes::Bytes;

use super::busy;
use crate::{
    node::{
        Node,
        caller::Caller,
        exec::{
            Stage,
            batch::{Plan, Stop},
        },
        store::Store,
    },
    protocol::{Args, Output, Value, Version},
    server::Addresses,
    time::Millis,
};

/// See the module.
#[derive(Debug)]
pub struct GrpcSession {
    node: Arc<Node>,
    caller: Caller,
    closing: bool,
}

impl Drop for GrpcSession {
    fn drop(&mut self) {
        self.node.forget(&self.caller.client);
    }
}

impl GrpcSession {
    pub(in crate::node) fn new(node: Arc<Node>, addresses: Addresses) -> Self {
        let state = &node.state;
        let client = state.clients.add(addresses, Arc::clone(state.acl.default_user()), Millis::now());
        let mut caller = Caller::new(state, client);
        caller.set_version(Version::Resp3);
        caller.answers_all = true;
        Self { node, caller, closing: false }
    }

    /// Runs commands as pipelines under one lock each; the replies are RESP3.
    pub(in crate::node) fn run(&mut self, commands: &[Vec<Bytes>]) -> Vec<Value> {
        let node = Arc::clone(&self.node);
        let mut replies = Vec::with_capacity(commands.len());
        let mut output = Output::default();
        while replies.len() < commands.len() && !self.closing {
            let Some(mut store) = node.store_unless_busy() else {
                replies.resize_with(commands.len(), || {
                    Value::Error(Bytes::from_static(busy::text(&node.state).as_bytes()))
                });
                break;
            };
            let stop = self.run_locked(&mut store, &commands[replies.len()..], &mut output, &mut replies);
            drop(store);
            match stop {
                // A command of a gRPC caller never waits, nor runs aside.
                Stop::End | Stop::Replies | Stop::Blocked(_) | Stop::Aside(_) => {}
                Stop::Paused(_) => {
                    // Whoever asks for a result does not want to wait for an operator.
                    let text = Bytes::from_static(b"ERR clients are paused (CLIENT PAUSE); nothing was done");
                    replies.resize_with(commands.len(), || Value::Error(text.clone()));
                }
                Stop::Room(room) => make_room(&mut output, room),
                Stop::Close => self.closing = true,
            }
        }
        replies.resize_with(commands.len(), closed);
        replies
    }

    /// Runs as many of these commands as fit into one batch of replies.
    fn run_locked(
        &mut self,
        store: &mut Store,
        commands: &[Vec<Bytes>],
        output: &mut Output,
        replies: &mut Vec<Value>,
    ) -> Stop {
        let args: Vec<Args> = match commands.iter().map(|words| Args::of(words)).collect() {
            Ok(args) => args,
            Err(error) => {
                let text = Bytes::from(error.to_string());
                replies.resize_with(replies.len() + commands.len(), || Value::Error(text.clone()));
                return Stop::End;
            }
        };
        // A command has a name: the service checked that.
        let requests: Vec<_> = args.iter().filter_map(Args::request).collect();
        let mut plan = Plan::default();
        plan.make(requests.iter().copied());
        let now = Millis::now();
        self.caller.client.note(now, 0, 0);
        let mut stage = Stage { store, caller: &mut self.caller, node: &self.node.state, now };
        let (_, stop) = stage.run(&mut plan, |index| requests[index], output);
        decode_all(&output.copy_from(0), replies);
        output.clear();
        stop
    }

    /// Reads, compares and deletes while nobody else can write.
    pub(in crate::node) fn delete_if_value(&mut self, key: &Bytes, value: &Bytes) -> Value {
        let node = Arc::clone(&self.node);
        let mut store = node.store();
        let mut one = |command: &'static [u8]| {
            let (mut output, mut replies) = (Output::default(), Vec::new());
            let words = vec![Bytes::from_static(command), key.clone()];
            while let Stop::Room(room) =
                self.run_locked(&mut store, std::slice::from_ref(&words), &mut output, &mut replies)
            {
                make_room(&mut output, room);
            }
            replies.pop().unwrap_or_else(closed)
        };
        match one(b"GET") {
            Value::Bulk(held) if held == *value => one(b"DEL"),
            Value::Bulk(_) | Value::Null => Value::Integer(0),
            other => other,
        }
    }
}

/// Without the lock: it is the system that takes its time.
fn make_room(output: &mut Output, room: usize) {
    output.reserve(room);
    output.touch(0, room);
}

fn closed() -> Value {
    Value::Error(Bytes::from_static(b"ERR the connection was closed by CLIENT KILL or QUIT"))
}

/// Our own encoder wrote them, so they are whole.
fn decode_all(mut output: &[u8], replies: &mut Vec<Value>) {
    while !output.is_empty() {
        match Value::decode(output) {
            Ok(Some((value, used))) => {
                replies.push(value);
                output = &output[used..];
            }
            other => {
                tracing::error!(?other, "a reply is not RESP");
                return;
            }
        }
    }
}
