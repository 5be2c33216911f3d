//! `DEBUG`: what is about one value goes to the node that has it, what is about a server to every member. Whether it is allowed is for
//! the nodes to say (`enable-debug-command`). What stops a server, or writes where the slots are another node's, is refused.

use std::sync::Arc;

use super::{
    Worker,
    client::{Client, Stall},
};
use crate::{
    command::{Spec, route::reason},
    protocol::Request,
    proxy::{
        merge::{AllSucceeded, Question},
        routing::{NodeIndex, Routing},
    },
    slot::SlotId,
};

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// The value of this key, by its place among the arguments.
    Key(usize),
    /// Nothing that differs from server to server.
    Nothing,
    /// Servers, each by itself.
    Servers,
    /// One server, and nobody can say which.
    OneServer,
}

impl Worker {
    /// See the module.
    pub(super) fn debug(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        spec: &'static Spec,
        members: &[NodeIndex],
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        match subject(request) {
            Subject::Key(index) => {
                self.one_key(client, routing, spec, request, SlotId::of_key(request.arg(index)))
            }
            Subject::Nothing => self.any_node(client, routing, request),
            Subject::Servers => {
                self.ask(client, routing, spec, Question::new(members, request.args(), AllSucceeded))
            }
            Subject::OneServer => {
                self.unavailable(client, spec, reason::DEBUGGING);
                Ok(())
            }
        }
    }
}

/// What is not known here is refused: it may be anything.
fn subject(request: &Request<'_>) -> Subject {
    let word = request.arg(1).to_ascii_lowercase();
    match (word.as_slice(), request.len()) {
        (b"object" | b"listpack" | b"quicklist" | b"htstats-key" | b"sdslen" | b"ziplist", 3..) => {
            Subject::Key(2)
        }
        (b"digest-value", 3) => Subject::Key(2),
        // What a server sends without being asked would be taken for something else on a connection of many.
        (b"protocol", 3) if request.arg(2).eq_ignore_ascii_case(b"push") => Subject::OneServer,
        (b"help" | b"protocol" | b"error" | b"stringmatch-len", _) => Subject::Nothing,
        (
            b"sleep"
            | b"reload"
            | b"loadaof"
            | b"log"
            | b"set-active-expire"
            | b"set-disable-deny-scripts"
            | b"quicklist-packed-threshold"
            | b"pause-cron"
            | b"change-repl-id"
            | b"replybuffer"
            | b"dict-resizing",
            _,
        ) => Subject::Servers,
        _ => Subject::OneServer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Args;

    #[test]
    fn only_what_is_known_goes_on_and_nothing_that_stops_a_server() {
        for (words, expected) in [
            (&["DEBUG", "Object", "k"][..], Subject::Key(2)),
            (&["DEBUG", "OBJECT"], Subject::OneServer),
            (&["DEBUG", "DIGEST-VALUE", "a", "b"], Subject::OneServer),
            (&["DEBUG", "PROTOCOL", "verbatim"], Subject::Nothing),
            (&["DEBUG", "PROTOCOL", "Push"], Subject::OneServer),
            (&["DEBUG", "sleep", "0"], Subject::Servers),
            (&["DEBUG", "SEGFAULT"], Subject::OneServer),
            (&["DEBUG", "POPULATE", "100"], Subject::OneServer),
            (&["DEBUG", "DIGEST"], Subject::OneServer),
        ] {
            let args = Args::of(words).unwrap();
            assert_eq!(subject(&args.request().unwrap()), expected, "{words:?}");
        }
    }
}
