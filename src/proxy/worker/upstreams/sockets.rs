//! The sockets of connections to nodes: making, reading, writing and losing them. Who is told of it: [`super::events`].

use std::{
    io::{self, Read as _, Write as _},
    time::{Duration, Instant},
};

use mio::{Interest, net::TcpStream};
use socket2::{SockRef, TcpKeepalive};

use super::{Connected, UpstreamId, Upstreams, label, plain};
use crate::proxy::{
    outbox::Sent,
    outcome::Outcome,
    remains::Remains,
    routing::{Access, Routing},
    upstream::{Lost, Trouble},
    worker::{Turn, stream::retry},
};

impl Upstreams {
    /// Begins a connection, or says why there can be none.
    pub(super) fn connect(&mut self, id: UpstreamId, routing: &Routing, now: Instant) -> Option<Lost> {
        let connected = &mut self.all[id.0 as usize];
        let node = connected.upstream.node;
        let login = match routing.member(node).map(|member| &member.access) {
            Some(Access::Ready(login)) => login,
            Some(Access::Loading) => {
                return Some(self.lose(id, Trouble::Refused(LOADING.to_vec()), routing, now));
            }
            Some(Access::Closed(reason)) => {
                return Some(self.lose(id, Trouble::Unreachable(reason.clone()), routing, now));
            }
            None => {
                let trouble = Trouble::Unreachable("it is not a member".to_owned());
                return Some(self.lose(id, trouble, routing, now));
            }
        };
        connected.upstream.connect(login, self.shared.config.connect_timeout, now);
        connected.figures.attempts.add(1);
        self.links_changed = true;
        let socket = TcpStream::connect(login.socket).and_then(|mut socket| {
            let both = Interest::READABLE | Interest::WRITABLE;
            self.registry.register(&mut socket, id.token(), both)?;
            watch_over(&socket, self.shared.config.node_timeout)?;
            Ok(socket)
        });
        match socket {
            Ok(socket) => {
                connected.socket = Some(socket);
                None
            }
            Err(error) => Some(self.lose(id, Trouble::Unreachable(plain(&error)), routing, now)),
        }
    }

    /// The kernel has news of an attempt: says hello if it succeeded.
    pub(super) fn opened(&mut self, id: UpstreamId) -> io::Result<()> {
        let Connected { upstream, socket: Some(socket), .. } = &mut self.all[id.0 as usize] else {
            return Ok(());
        };
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        match socket.peer_addr() {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(()),
            Err(error) => return Err(error),
        }
        socket.set_nodelay(true)?;
        let words = upstream.opened();
        if retry(|| socket.write(&words))? == Some(words.len()) {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::WriteZero, "the node does not take the login"))
        }
    }

    /// The connection is of no more use.
    pub(super) fn lose(&mut self, id: UpstreamId, trouble: Trouble, routing: &Routing, now: Instant) -> Lost {
        let connected = &mut self.all[id.0 as usize];
        connected.socket = None;
        let known = connected.upstream.trouble() == Some(&trouble);
        connected.note_sent();
        let lost = connected.upstream.lose(trouble, now);
        connected.figures.failures.add(1);
        for (_, outcome) in lost.receivers() {
            match outcome {
                Outcome::NotRun => connected.figures.not_run.add(1),
                Outcome::Answered | Outcome::Unknown => connected.figures.unknown.add(1),
            }
        }
        self.links_changed = true;
        if !known {
            let node = label(routing, connected.upstream.node);
            tracing::warn!(node, trouble = ?lost.trouble, "connection to a node failed");
        }
        self.note_clogging(id);
        lost
    }

    pub(in crate::proxy::worker) fn close(&mut self, id: UpstreamId) {
        let connected = &mut self.all[id.0 as usize];
        connected.socket = None;
        connected.upstream.close();
        self.links_changed = true;
    }

    /// Goes on in the next turn.
    pub(super) fn go_on_with(&mut self, id: UpstreamId, turn: &mut Turn) {
        let connected = &mut self.all[id.0 as usize];
        if !connected.again {
            connected.again = true;
            turn.again.push(id.token());
        }
    }

    pub(super) fn flush(
        &mut self,
        id: UpstreamId,
        turn: &mut Turn,
        remains: &mut Remains,
    ) -> Result<(), Trouble> {
        let connected = &mut self.all[id.0 as usize];
        connected.dirty = false;
        connected.note_sent();
        let Some(socket) = &mut connected.socket else { return Ok(()) };
        let before = connected.upstream.backlog();
        let sent = connected.upstream.send(socket, turn.now);
        connected.figures.output.add((before - connected.upstream.backlog()) as u64);
        match sent {
            Ok(Sent::All | Sent::Blocked) => {}
            Ok(Sent::More) => self.go_on_with(id, turn),
            Err(error) => return Err(Trouble::Unreachable(plain(&error))),
        }
        self.all[id.0 as usize].upstream.leave(remains);
        Ok(())
    }

    /// Reads once: bytes, `None` if there are none now; 0 at the end.
    pub(super) fn read(&mut self, id: UpstreamId, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let Connected { upstream, socket, .. } = &mut self.all[id.0 as usize];
        match socket {
            Some(socket) if !upstream.is_connecting() => retry(|| socket.read(buffer)),
            Some(_) | None => Ok(None),
        }
    }
}

/// What a server answers that reads its files.
const LOADING: &[u8] = b"-LOADING Redis is loading the dataset in memory\r\n";

/// A machine that is gone, or that nothing comes through to, is found out by the system, also while its node may take long over a reply.
fn watch_over(socket: &TcpStream, limit: Duration) -> io::Result<()> {
    let socket = SockRef::from(socket);
    let second = Duration::from_secs(1);
    let idle = (limit / 2).max(second);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle).with_interval(second).with_retries(3))?;
    socket.set_tcp_user_timeout(Some(limit.max(second)))
}
