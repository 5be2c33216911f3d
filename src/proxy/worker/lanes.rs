//! The lanes of a worker: finding the one for a request, reading replies, and what happens when a node goes away.

use std::{io, sync::Arc, time::Instant};

use mio::{Interest, Token};

use super::{
    LANE_BIT, READS_PER_TURN, Report, Worker,
    client::{Client, Stall},
    lane::{BACKLOG_MAX, GreetingError, Lane, Receiver, State, Trouble},
};
use crate::{
    protocol::Version,
    proxy::routing::{Access, NodeIndex, Routing},
};

/// Databases that have lanes.
pub(super) const DATABASES: u8 = 16;
const NO_LANE: u32 = u32::MAX;

impl Lane {
    /// Whether time passing may change something about it.
    pub(super) fn needs_time(&self) -> bool {
        match self.state {
            State::Idle => false,
            State::Connecting { .. } | State::Greeting { .. } | State::Down { .. } => true,
            State::Ready { .. } => !self.tags.is_empty(),
        }
    }
}

impl Worker {
    /// The lane for a client's requests to a node; made if there is none.
    #[inline]
    pub(super) fn lane_for(&mut self, node: NodeIndex, client: &Client) -> u32 {
        let per_node = self.shared.config.connections_per_node.get();
        let database = usize::from(client.database);
        let version = usize::from(client.version == Version::Resp3);
        let number = client.key.index as usize % per_node;
        let place = (database * 2 + version) * per_node + number;
        let node_place = usize::from(node);
        if let Some(lanes) = self.lane_of.get(node_place)
            && lanes[place] != NO_LANE
        {
            return lanes[place];
        }
        self.make_lane(node, place, client.database, client.version)
    }

    #[cold]
    fn make_lane(&mut self, node: NodeIndex, place: usize, database: u8, version: Version) -> u32 {
        let per_node = self.shared.config.connections_per_node.get() * usize::from(DATABASES) * 2;
        while self.lane_of.len() <= usize::from(node) {
            self.lane_of.push(vec![NO_LANE; per_node].into_boxed_slice());
        }
        let index = self.lanes.len() as u32;
        self.lanes.push(Lane::new(node, database, version));
        self.lane_of[usize::from(node)][place] = index;
        index
    }

    /// Whether a lane takes a request now; otherwise the client waits, or is told why not.
    #[inline]
    pub(super) fn check_lane(&mut self, index: u32, client: &Client) -> Result<Result<(), Vec<u8>>, Stall> {
        let lane = &mut self.lanes[index as usize];
        if lane.backlog() > BACKLOG_MAX {
            lane.waiters.push(client.key);
            return Err(Stall::Backlog);
        }
        if matches!(lane.state, State::Ready { .. }) {
            return Ok(Ok(()));
        }
        Ok(self.check_lane_slowly(index))
    }

    #[cold]
    fn check_lane_slowly(&mut self, index: u32) -> Result<(), Vec<u8>> {
        if matches!(self.lanes[index as usize].state, State::Idle) {
            self.connect_lane(index);
        }
        let lane = &self.lanes[index as usize];
        match lane.trouble() {
            None => Ok(()),
            Some(Trouble::Refused(reply)) => {
                Err(reply.strip_prefix(b"-").unwrap_or(reply).trim_ascii_end().to_vec())
            }
            Some(Trouble::Unreachable(reason)) => Err(format!(
                "CLUSTERDOWN {} is unreachable: {reason}; nothing was done",
                self.label(lane.node)
            )
            .into_bytes()),
        }
    }

    /// Takes a request for a lane that was checked; its bytes are to be appended to what is returned.
    #[inline]
    pub(super) fn push(&mut self, index: u32, receiver: Receiver) -> &mut Vec<u8> {
        let lane = &mut self.lanes[index as usize];
        if !lane.dirty {
            lane.dirty = true;
            self.dirty_lanes.push(index);
        }
        lane.push(receiver, self.now)
    }

    fn label(&self, node: NodeIndex) -> String {
        self.routing
            .member(node)
            .map_or_else(|| "a node that was removed".to_owned(), |member| member.label())
    }

    /// Begins a connection, or says why there can be none.
    pub(super) fn connect_lane(&mut self, index: u32) {
        let routing = Arc::clone(&self.routing);
        let timeout = self.shared.config.connect_timeout;
        let lane = &mut self.lanes[index as usize];
        let login = match routing.member(lane.node).map(|member| &member.access) {
            Some(Access::Ready(login)) => login,
            Some(Access::Closed(reason)) => {
                let trouble = Trouble::Unreachable(reason.clone());
                return self.fail_lane(index, trouble);
            }
            None => return self.fail_lane(index, Trouble::Unreachable("it is not a member".to_owned())),
        };
        let token = Token(index as usize | LANE_BIT);
        let connecting = lane.connect(login, timeout, self.now).and_then(|stream| {
            self.poll.registry().register(stream, token, Interest::READABLE | Interest::WRITABLE)
        });
        if let Err(error) = connecting {
            self.fail_lane(index, Trouble::Unreachable(plain(&error)));
        }
    }

    /// Something happened on a lane's socket.
    pub(super) fn lane_event(&mut self, index: u32, writable: bool) {
        let lane = &mut self.lanes[index as usize];
        if matches!(lane.state, State::Connecting { .. })
            && let Err(error) = lane.connected()
        {
            return self.fail_lane(index, Trouble::Unreachable(plain(&error)));
        }
        if writable && self.lanes[index as usize].backlog() > 0 {
            self.flush_lane(index);
        }
        self.read_lane(index);
    }

    /// Reads and deals out replies.
    pub(super) fn read_lane(&mut self, index: u32) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut failed = None;
        for round in 0.. {
            if round == READS_PER_TURN {
                self.again.push(Token(index as usize | LANE_BIT));
                break;
            }
            match self.lanes[index as usize].read(&mut scratch) {
                Ok(None) => break,
                Ok(Some(0)) => {
                    failed = Some("it closed the connection".to_owned());
                    break;
                }
                Ok(Some(count)) => {
                    if let Err(reason) = self.deal_out(index, &scratch[..count]) {
                        failed = Some(reason);
                        break;
                    }
                    // An end of the stream comes with an event of its own.
                    if count < scratch.len() {
                        break;
                    }
                }
                Err(error) => {
                    failed = Some(plain(&error));
                    break;
                }
            }
        }
        self.scratch = scratch;
        if let Some(reason) = failed {
            self.fail_lane(index, Trouble::Unreachable(reason));
        }
    }

    /// Cuts what a node sent into replies.
    fn deal_out(&mut self, index: u32, bytes: &[u8]) -> Result<(), String> {
        let mut partial = std::mem::take(&mut self.lanes[index as usize].partial);
        let joined = !partial.is_empty();
        if joined {
            partial.extend_from_slice(bytes);
        }
        let buffer = if joined { &partial[..] } else { bytes };
        let mut at = 0;
        loop {
            let lane = &mut self.lanes[index as usize];
            let frame = match lane.scanner.scan(&buffer[at..]) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => return Err(error.to_string()),
            };
            let reply = &buffer[at..at + frame.len];
            at += frame.len;
            if frame.kind == b'>' {
                // Nobody asked for it on this connection.
                continue;
            }
            match lane.state {
                State::Ready { .. } => {
                    let Some(tag) = lane.tags.pop_front() else {
                        return Err("it sent a reply that nobody asked for".to_owned());
                    };
                    lane.answered += 1;
                    self.deliver(tag.receiver, reply);
                }
                State::Greeting { .. } => match lane.greeted(reply) {
                    Ok(true) => {
                        if !lane.dirty {
                            lane.dirty = true;
                            self.dirty_lanes.push(index);
                        }
                    }
                    Ok(false) => {}
                    Err(GreetingError::Login(reason)) => {
                        let (user, node) = (lane.user().to_owned(), lane.node);
                        let text = format!("it refused this proxy's login: {reason}");
                        // Nobody listens any more when the proxy ends.
                        let _ = self.reports.send(Report::LoginRefused { user, reason, node });
                        return Err(text);
                    }
                    Err(GreetingError::Other(trouble)) => {
                        self.fail_lane(index, trouble);
                        return Ok(());
                    }
                },
                State::Idle | State::Connecting { .. } | State::Down { .. } => return Ok(()),
            }
        }
        let lane = &mut self.lanes[index as usize];
        lane.waiting_since = (!lane.tags.is_empty()).then_some(self.now);
        if at < buffer.len() {
            if joined {
                partial.drain(..at);
                lane.partial = partial;
            } else {
                lane.partial = buffer[at..].to_vec();
            }
        }
        Ok(())
    }

    /// One reply to whoever waits for it.
    #[inline]
    fn deliver(&mut self, receiver: Receiver, reply: &[u8]) {
        match receiver {
            Receiver::Client { client, sequence } => {
                if let Some(found) = self.clients.get_mut(client) {
                    found.replies.complete(sequence, reply);
                    if !found.dirty {
                        found.dirty = true;
                        self.dirty_clients.push(client);
                    }
                }
            }
            Receiver::Part { gather, part } => self.part_arrived(gather, part, reply, true),
        }
    }

    pub(super) fn flush_lane(&mut self, index: u32) {
        let lane = &mut self.lanes[index as usize];
        lane.dirty = false;
        if let Err(error) = lane.flush() {
            return self.fail_lane(index, Trouble::Unreachable(plain(&error)));
        }
        if !lane.waiters.is_empty() && lane.backlog() < BACKLOG_MAX / 2 {
            self.resume.append(&mut lane.waiters);
        }
    }

    /// The connection is of no more use: everyone waiting on it is told what is known.
    pub(super) fn fail_lane(&mut self, index: u32, trouble: Trouble) {
        let label = self.label(self.lanes[index as usize].node);
        let lane = &mut self.lanes[index as usize];
        if !matches!(lane.state, State::Down { .. }) && lane.trouble() != Some(&trouble) {
            tracing::warn!(node = label, ?trouble, "connection to a node failed");
        }
        let (reason, refused) = match &trouble {
            Trouble::Unreachable(reason) => (reason.clone(), None),
            Trouble::Refused(reply) => (String::new(), Some(reply.clone())),
        };
        let (tags, sent_to) = lane.fail(trouble, self.now);
        self.resume.append(&mut lane.waiters);
        let unsent = refused.unwrap_or_else(|| {
            format!("-CLUSTERDOWN {label} is unreachable: {reason}; nothing was done\r\n").into_bytes()
        });
        let sent = format!(
            "-ERR {label}: connection lost after the command was sent ({reason}); it may or may not have run\r\n"
        )
        .into_bytes();
        for tag in tags {
            let may_have_run = tag.was_sent(sent_to);
            let reply = if may_have_run { &sent } else { &unsent };
            match tag.receiver {
                Receiver::Part { gather, part } => self.part_arrived(gather, part, reply, may_have_run),
                receiver => self.deliver(receiver, reply),
            }
        }
    }

    /// After the table of routes changed: lanes to members that are gone or that let in another user now.
    pub(super) fn update_lanes(&mut self, routing: &Routing) {
        for index in 0..self.lanes.len() as u32 {
            let now = self.now;
            let lane = &mut self.lanes[index as usize];
            match routing.member(lane.node).map(|member| &member.access) {
                Some(Access::Ready(login)) => {
                    if login.user != lane.user() {
                        lane.retry_now(now);
                        if matches!(lane.state, State::Ready { .. }) && lane.tags.is_empty() {
                            lane.close();
                        }
                    }
                }
                Some(Access::Closed(_)) => {}
                None => {
                    if lane.tags.is_empty() {
                        lane.close();
                    }
                }
            }
        }
        let per_node = self.shared.config.connections_per_node.get();
        for &node in routing.owning() {
            if !matches!(routing.member(node).map(|member| &member.access), Some(Access::Ready(_))) {
                continue;
            }
            for number in 0..per_node {
                let known = self.lane_of.get(usize::from(node)).map_or(NO_LANE, |lanes| lanes[number]);
                let index =
                    if known == NO_LANE { self.make_lane(node, number, 0, Version::Resp2) } else { known };
                if matches!(self.lanes[index as usize].state, State::Idle) {
                    self.connect_lane(index);
                }
            }
        }
    }

    /// Timeouts, and new attempts.
    pub(super) fn tick(&mut self) {
        let now = self.now;
        let timeout = self.shared.config.node_timeout;
        for index in 0..self.lanes.len() as u32 {
            let lane = &mut self.lanes[index as usize];
            let late = |since: Instant| now.duration_since(since) > timeout;
            match &lane.state {
                State::Connecting { deadline, .. } | State::Greeting { deadline, .. } if now >= *deadline => {
                    self.fail_lane(
                        index,
                        Trouble::Unreachable("no answer to a connection attempt".to_owned()),
                    );
                }
                State::Ready { .. } if lane.waiting_since.is_some_and(late) => {
                    let reason = format!("no reply within {} ms", timeout.as_millis());
                    self.fail_lane(index, Trouble::Unreachable(reason));
                }
                State::Down { until, .. } if now >= *until => {
                    if self.routing.member(lane.node).is_some() {
                        self.connect_lane(index);
                    } else {
                        lane.close();
                    }
                }
                State::Ready { .. } if lane.tags.is_empty() => {
                    let is_other_user = match self.routing.member(lane.node).map(|member| &member.access) {
                        Some(Access::Ready(login)) => login.user != lane.user(),
                        Some(Access::Closed(_)) => false,
                        None => true,
                    };
                    if is_other_user {
                        lane.close();
                    }
                }
                _ => {}
            }
        }
    }
}

/// What the system said, without its number.
pub(super) fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        io::ErrorKind::BrokenPipe => "connection broken".to_owned(),
        io::ErrorKind::TimedOut => "connection timed out".to_owned(),
        _ => error.to_string(),
    }
}
