//! What a journal gets of commands, from the door on.

use std::sync::Arc;

use parking_lot::Mutex;

use super::*;
use crate::{
    node::{
        aof::{
            journal::{Journal, Policy, Shared},
            output::Target,
        },
        caller::Caller,
        exec::{Stage, batch::Plan},
    },
    protocol::{Args, Output},
};

/// What a journal is written to.
#[derive(Debug, Default)]
struct Memory(Mutex<Vec<u8>>);

impl Target for Memory {
    fn append(&self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn sync(&self) -> std::io::Result<()> {
        Ok(())
    }

    fn cut(&self, _: u64) -> std::io::Result<()> {
        Ok(())
    }
}

/// A client of a node that keeps a journal.
struct Client {
    shared: Arc<Shared>,
    file: Arc<Memory>,
    store: Store,
    node: NodeState,
    caller: Caller,
    now: Millis,
}

impl Client {
    fn new() -> Self {
        let mut store = Store::new(16);
        let (shared, file) = (Arc::new(Shared::default()), Arc::new(Memory::default()));
        shared.set_policy(Policy::Never);
        store.set_journal(Some(Journal::open(Arc::clone(&shared), Arc::clone(&file) as _, 0)));
        Self {
            shared,
            file,
            store,
            node: NodeState::default(),
            caller: Caller::default(),
            now: Millis(1_000_000),
        }
    }

    /// Sends these lines as one pipeline and gives what the journal got, a line for each request.
    fn send(&mut self, lines: &[&str]) -> Vec<String> {
        let args: Vec<Args> =
            lines.iter().map(|line| Args::of(&line.split(' ').collect::<Vec<_>>()).unwrap()).collect();
        let requests: Vec<Request<'_>> = args.iter().filter_map(Args::request).collect();
        let mut plan = Plan::default();
        plan.make(requests.iter().copied());
        let mut output = Output::default();
        let Self { store, node, caller, now, .. } = self;
        Stage { store, caller, node, now: *now }.run(&mut plan, |index| requests[index], &mut output);
        assert_eq!(self.shared.after_batch(0, self.shared.appended()), None);
        let text = String::from_utf8(std::mem::take(&mut *self.file.0.lock())).unwrap();
        let requests = text.split('*').filter(|request| !request.is_empty());
        let words = |request: &str| {
            let lines = request.split("\r\n").skip(1).filter(|line| !line.is_empty());
            lines.filter(|line| !line.starts_with('$')).collect::<Vec<_>>().join(" ")
        };
        requests.map(words).collect()
    }
}

#[test]
fn what_a_clock_or_chance_decides_is_told_as_decided() {
    let mut client = Client::new();
    assert_eq!(client.send(&["SET a 1"]), ["SELECT 0", "SET a 1"]);
    assert_eq!(client.send(&["set a 1 ex 10 get"]), ["SET a 1 PXAT 1010000"]);
    assert_eq!(client.send(&["EXPIRE a 5 XX"]), ["PEXPIREAT a 1005000 XX"]);
    assert_eq!(client.send(&["EXPIRE a -1"]), ["DEL a"]);
    assert_eq!(client.send(&["INCRBYFLOAT f 1.5"]), ["SET f 1.5 KEEPTTL"]);
    assert_eq!(client.send(&["SADD s 1", "SPOP s"]), ["SADD s 1", "SREM s 1"]);
    assert_eq!(client.send(&["XADD x 5-* f v"]), ["XADD x 5-0 f v"]);
    assert_eq!(client.send(&["BLPOP nothing else 0.1", "GET f"]), Vec::<String>::new());
}

#[test]
fn what_changes_nothing_is_not_told_and_what_is_plain_is_told_like_the_rest() {
    let mut client = Client::new();
    let pipeline = ["SET a 1", "SETNX a 2", "GET a", "INCR a", "SADD s x", "SADD s x", "DEL none"];
    assert_eq!(client.send(&pipeline), ["SELECT 0", "SET a 1", "INCR a", "SADD s x"]);
    assert_eq!(client.send(&["FLUSHALL", "FLUSHALL"]), ["FLUSHALL", "FLUSHALL"]);
}

#[test]
fn what_belongs_together_is_a_transaction() {
    let mut client = Client::new();
    let queued = ["MULTI", "SET a 1", "GET a", "SELECT 2", "SET b 2", "EXEC"];
    assert_eq!(client.send(&queued), ["SELECT 0", "MULTI", "SET a 1", "SELECT 2", "SET b 2", "EXEC"]);
    assert_eq!(client.send(&["MULTI", "SET a 1", "EXEC"]), ["SET a 1"]);
    let script = "EVAL redis.call('SET','x','1')redis.set_repl(0)redis.call('SET','y','1') 0";
    assert_eq!(client.send(&[script, "SET z 1"]), ["SET x 1", "SET z 1"]);
}

#[test]
fn what_expired_goes_before_what_came_upon_it() {
    let mut client = Client::new();
    client.send(&["SET a 1 PX 5", "SET b 1 PX 5", "SET c 1 PX 5"]);
    client.now = Millis(1_000_100);
    assert_eq!(client.send(&["GET a"]), ["DEL a"]);
    assert_eq!(client.send(&["INCR b"]), ["MULTI", "DEL b", "INCR b", "EXEC"]);
    client.store.keyspace.expire_cycle(client.now, 1000);
    client.store.end_unit(Wrap::Apart, &client.node, client.now);
    assert_eq!(client.send(&["GET c"]), ["DEL c"]);
}
