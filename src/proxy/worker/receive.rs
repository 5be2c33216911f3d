//! What nodes send: read in turns, cut into replies, and dealt out to those who wait for them. A reply is looked at once, and
//! one that is large stays in the memory it came in.

use bytes::Bytes;

use super::{
    READS_PER_TURN, Report, Worker,
    gather::Reply,
    lane::{GreetingError, Receiver, State, Trouble},
    lanes::plain,
};
use crate::proxy::outbox::LARGE;

/// Replies of one lane in one turn.
const REPLIES_PER_TURN: u64 = 4096;

impl Worker {
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
    pub(super) fn deliver(&mut self, receiver: Receiver, reply: Reply<'_>) {
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

    /// Keeps count of lanes that a large reply keeps busy.
    pub(super) fn note_clogging(&mut self, index: u32) {
        let lane = &mut self.lanes[index as usize];
        let clogged = lane.is_receiving_much();
        if clogged != lane.clogged {
            lane.clogged = clogged;
            let count = &mut self.clogged[lane.number];
            *count = if clogged { *count + 1 } else { *count - 1 };
        }
    }
}
