//! The lanes of a worker: finding the one for a request, and what happens when a node goes away. Not here: what is read from
//! them ([`super::receive`]).

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use mio::{Interest, Token};

use super::{
    LANE_BIT, Worker,
    client::{Client, Stall},
    gather::Reply,
    lane::{BACKLOG_MAX, Lane, Receiver, State, Trouble},
};
use crate::{
    protocol::{Request, Version},
    proxy::{
        outbox::{Outbox, Sent},
        routing::{Access, NodeIndex, Routing},
    },
    slot::SlotId,
};

/// Databases that have lanes.
pub(super) const DATABASES: u8 = 16;
const NO_LANE: u32 = u32::MAX;
/// Lanes to a node beyond the ordinary ones, made when they are needed: the first for large requests and for clients who get
/// large replies, the second for others while a large reply keeps their own lane busy.
pub(super) const SPARE_LANES: usize = 2;
/// A request of this size on its way keeps those behind it waiting for longer than another connection takes.
const LARGE_REQUEST: usize = 256 << 10;
/// What so many arguments ask for takes long, or its reply does, whatever they are.
const MANY_ARGUMENTS: usize = 1000;

/// Whether others should not have to wait behind a request.
fn is_large(request: &Request<'_>) -> bool {
    request.len() >= MANY_ARGUMENTS || request.raw().is_some_and(|raw| raw.len() >= LARGE_REQUEST)
}
/// How long it is remembered in which slots there are large values.
const FORGET_LARGE: Duration = Duration::from_secs(600);

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
        let is_large = is_large(request);
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
    pub(super) fn lane_again(&mut self, index: u32) {
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
