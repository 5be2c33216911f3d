//! The lanes of a worker: finding the one for a request, reading replies, and what happens when a node goes away.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use mio::{Interest, Token};

use super::{
    LANE_BIT, READS_PER_TURN, Report, Worker,
    client::{Client, Stall},
    gather::Reply,
    lane::{BACKLOG_MAX, GreetingError, Lane, Receiver, State, Trouble},
};
use crate::{
    cluster::slot::SlotId,
    protocol::{Request, Version},
    proxy::{
        outbox::{LARGE, Outbox, Sent},
        routing::{Access, NodeIndex, Routing},
    },
};

/// Databases that have lanes.
pub(super) const DATABASES: u8 = 16;
const NO_LANE: u32 = u32::MAX;
/// Lanes to a node beyond the ordinary ones, made when they are needed: the first for large requests and for clients who get
/// large replies, the second for others while a large reply keeps their own lane busy.
pub(super) const SPARE_LANES: usize = 2;
/// A request of this size on its way keeps those behind it waiting for longer than another connection takes.
const LARGE_REQUEST: usize = 256 << 10;
/// How long it is remembered in which slots there are large values.
const FORGET_LARGE: Duration = Duration::from_secs(600);
/// Replies of one lane in one turn.
const REPLIES_PER_TURN: u64 = 4096;

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
        let database = usize::from(client.database);
        let version = usize::from(client.version == Version::Resp3);
        let place = (database * 2 + version) * self.clogged.len() + client.lane;
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
        let per_node = self.clogged.len() * usize::from(DATABASES) * 2;
        while self.lane_of.len() <= usize::from(node) {
            self.lane_of.push(vec![NO_LANE; per_node].into_boxed_slice());
        }
        let index = self.lanes.len() as u32;
        self.lanes.push(Lane::new(node, database, version, place % self.clogged.len()));
        self.lane_of[usize::from(node)][place] = index;
        index
    }

    /// Which lanes a client's requests take, one at every node. While something is under way it keeps to them, because only
    /// what goes the same way stays in order.
    #[inline]
    pub(super) fn choose_lanes(
        &mut self,
        client: &mut Client,
        request: &Request<'_>,
        in_flight: usize,
    ) -> Result<(), Stall> {
        let is_large = request.raw().is_some_and(|raw| raw.len() >= LARGE_REQUEST);
        let ordinary = self.clogged.len() - SPARE_LANES;
        if in_flight > 0 {
            return if is_large && client.lane != ordinary { Err(Stall::Drain) } else { Ok(()) };
        }
        let home = client.key.index as usize % ordinary;
        client.lane = if is_large || client.is_heavy() {
            ordinary
        } else if self.clogged[home] == 0 {
            home
        } else {
            (0..ordinary).find(|&number| self.clogged[number] == 0).unwrap_or(ordinary + 1)
        };
        Ok(())
    }

    /// The same once it is known which slot a request is for: where there are large values, a large reply may come.
    #[inline]
    pub(super) fn choose_lanes_by_slot(&self, client: &mut Client, slot: SlotId, request: &Request<'_>) {
        client.slot = Some(slot);
        if client.replies.in_flight() > 0 {
            return;
        }
        let large = self.clogged.len() - SPARE_LANES;
        if client.lane != large {
            if self.shared.large_slots.has(slot) {
                client.lane = large;
            }
        } else if request.raw().is_some_and(|raw| raw.len() >= LARGE_REQUEST) {
            self.shared.large_slots.note(slot);
        }
    }

    /// Keeps count of lanes that a large reply keeps busy.
    fn note_clogging(&mut self, index: u32) {
        let lane = &mut self.lanes[index as usize];
        let clogged = lane.is_receiving_much();
        if clogged != lane.clogged {
            lane.clogged = clogged;
            let count = &mut self.clogged[lane.number];
            *count = if clogged { *count + 1 } else { *count - 1 };
        }
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
    pub(super) fn push(&mut self, index: u32, receiver: Receiver) -> &mut Outbox {
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

    /// Goes on in the next turn.
    fn lane_again(&mut self, index: u32) {
        let lane = &mut self.lanes[index as usize];
        if !lane.again {
            lane.again = true;
            self.again.push(Token(index as usize | LANE_BIT));
        }
    }

    /// Goes on where the turn before ended.
    pub(super) fn continue_lane(&mut self, index: u32) {
        let lane = &mut self.lanes[index as usize];
        lane.again = false;
        if lane.backlog() > 0 {
            self.flush_lane(index);
        }
        self.read_lane(index);
    }

    /// Reads and deals out replies.
    pub(super) fn read_lane(&mut self, index: u32) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut failed = None;
        let replies_max = self.lanes[index as usize].answered + REPLIES_PER_TURN;
        for round in 0.. {
            if round == READS_PER_TURN || self.lanes[index as usize].answered >= replies_max {
                self.lane_again(index);
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
        if partial.is_empty() {
            let used = self.deal_complete(index, bytes)?;
            let lane = &mut self.lanes[index as usize];
            if used < bytes.len() || lane.clogged {
                lane.partial = bytes[used..].to_vec();
                self.note_clogging(index);
            }
            return Ok(());
        }
        partial.extend_from_slice(bytes);
        let lane = &mut self.lanes[index as usize];
        let Some(frame) = lane.scanner.scan(&partial).map_err(|error| error.to_string())? else {
            lane.waiting_since = (!lane.tags.is_empty()).then_some(self.now);
            lane.partial = partial;
            self.note_clogging(index);
            return Ok(());
        };
        let rest = if frame.len < LARGE {
            if self.take_reply(index, frame.kind, Reply::Small(&partial[..frame.len]))? {
                let used = self.deal_complete(index, &partial[frame.len..])?;
                partial.drain(..frame.len + used);
                partial
            } else {
                Vec::new()
            }
        } else {
            // It is passed on in this memory; what was read beyond it is less than one read.
            let mut whole = Bytes::from(partial);
            let reply = whole.split_to(frame.len);
            if self.take_reply(index, frame.kind, Reply::Large(reply))? {
                let used = self.deal_complete(index, &whole)?;
                whole[used..].to_vec()
            } else {
                Vec::new()
            }
        };
        self.lanes[index as usize].partial = rest;
        self.note_clogging(index);
        Ok(())
    }

    /// Deals out the complete replies at the front of `buffer`; returns how long they are.
    fn deal_complete(&mut self, index: u32, buffer: &[u8]) -> Result<usize, String> {
        let mut at = 0;
        while let Some(frame) =
            self.lanes[index as usize].scanner.scan(&buffer[at..]).map_err(|error| error.to_string())?
        {
            let reply = &buffer[at..at + frame.len];
            at += frame.len;
            if !self.take_reply(index, frame.kind, Reply::Small(reply))? {
                return Ok(buffer.len());
            }
        }
        let lane = &mut self.lanes[index as usize];
        lane.waiting_since = (!lane.tags.is_empty()).then_some(self.now);
        Ok(at)
    }

    /// One reply, to whom it is for; false if the connection is of no more use.
    #[inline]
    fn take_reply(&mut self, index: u32, kind: u8, reply: Reply<'_>) -> Result<bool, String> {
        if kind == b'>' {
            // Nobody asked for it on this connection.
            return Ok(true);
        }
        let lane = &mut self.lanes[index as usize];
        match lane.state {
            State::Ready { .. } => {
                let Some(tag) = lane.tags.pop_front() else {
                    return Err("it sent a reply that nobody asked for".to_owned());
                };
                lane.answered += 1;
                self.deliver(tag.receiver, reply);
                Ok(true)
            }
            State::Greeting { .. } => self.take_greeting(index, &reply),
            State::Idle | State::Connecting { .. } | State::Down { .. } => Ok(false),
        }
    }

    #[cold]
    fn take_greeting(&mut self, index: u32, reply: &Reply<'_>) -> Result<bool, String> {
        let lane = &mut self.lanes[index as usize];
        let reply = match reply {
            Reply::Small(reply) => reply,
            Reply::Large(reply) => &reply[..],
        };
        match lane.greeted(reply) {
            Ok(true) => {
                if !lane.dirty {
                    lane.dirty = true;
                    self.dirty_lanes.push(index);
                }
                Ok(true)
            }
            Ok(false) => Ok(true),
            Err(GreetingError::Login(reason)) => {
                let (user, node) = (lane.user().to_owned(), lane.node);
                let text = format!("it refused this proxy's login: {reason}");
                // Nobody listens any more when the proxy ends.
                let _ = self.reports.send(Report::LoginRefused { user, reason, node });
                Err(text)
            }
            Err(GreetingError::Other(trouble)) => {
                self.fail_lane(index, trouble);
                Ok(false)
            }
        }
    }

    /// One reply to whoever waits for it.
    #[inline]
    fn deliver(&mut self, receiver: Receiver, reply: Reply<'_>) {
        match receiver {
            Receiver::Client { client, sequence } => {
                if let Some(found) = self.clients.get_mut(client) {
                    match reply {
                        Reply::Small(reply) => found.replies.complete(sequence, reply),
                        Reply::Large(reply) => {
                            found.complete_large(sequence, reply, &self.shared.large_slots);
                        }
                    }
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
        match lane.flush(self.now) {
            Ok(Sent::All | Sent::Blocked) => {}
            Ok(Sent::More) => self.lane_again(index),
            Err(error) => return self.fail_lane(index, Trouble::Unreachable(plain(&error))),
        }
        let lane = &mut self.lanes[index as usize];
        lane.leave(&mut self.remains);
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
        self.note_clogging(index);
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
            let reply = Reply::Small(reply);
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
        if self.index == 0 && now >= self.forget_large {
            self.shared.large_slots.forget();
            self.forget_large = now + FORGET_LARGE;
        }
        let bound = self.shared.config.hold_without_registry;
        if self.registry_down_since.is_some_and(|since| now.duration_since(since) > bound) {
            self.resume.append(&mut self.held);
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
