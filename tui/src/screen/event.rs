//! What comes to the screen and what the screen asks for. Plain data: no handle, no channel, no clock.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use ratatui::crossterm::event::KeyEvent;
use redis_cluster::{cluster::member::Address, id::NodeId, time::Millis};

use super::{
    pages::ask::{Heard, Question},
    view::Zone,
};
use crate::{
    assist::Sought,
    format::Formatter,
    language::{ChangeOptions, Command, PlanRequest},
    session::{ClusterView, Status},
};

/// Something happened. Time passes only by [`Event::Clock`].
#[derive(Clone, Debug)]
pub enum Event {
    /// The wall clock; comes before whatever else woke the loop.
    Clock(Millis),
    /// A key went down.
    Key(KeyEvent),
    /// The mouse did this, there.
    Mouse(Mouse, Option<Zone>),
    /// Text came in one piece.
    Paste(String),
    /// Columns and rows.
    Resize(u16, u16),
    /// The terminal's keys are ours (`true`), or somebody else's now.
    Focus(bool),
    /// The cluster as it is known now.
    View(Arc<ClusterView>),
    /// A command that goes on has this to show so far.
    Progress(Finished),
    /// A command ended.
    Finished(Finished),
    /// A file of lines was read.
    Sourced {
        /// Of the [`Effect::Source`].
        run: u64,
        /// Which file.
        path: PathBuf,
        /// Its lines with their numbers, or why there are none.
        result: Result<Vec<(u64, String)>, String>,
    },
    /// An address was looked at for the dialog that asked.
    Probed {
        /// Of the [`Effect::Probe`].
        serial: u64,
        /// What was found, or why nothing was.
        result: Result<Probe, String>,
    },
    /// A dry run for the dialog that asked ended.
    Previewed {
        /// Of the [`Effect::Preview`].
        serial: u64,
        /// The plan, or why there is none; not yet escaped.
        result: Result<Plan, String>,
    },
    /// Keys or files were looked for.
    Found {
        /// Of the [`Effect::Find`].
        line: String,
        /// Their names.
        names: Vec<Vec<u8>>,
    },
    /// The answer to a question of a page.
    Answered {
        /// Of the [`Effect::Ask`].
        serial: u64,
        /// What was said, or why nothing was.
        result: Result<Heard, String>,
    },
    /// A node that is listened to ([`Model::monitored`](super::model::Model::monitored)) was asked something.
    Monitored {
        /// Which.
        node: NodeId,
        /// Lines, and how many more there were; or why there are no more.
        heard: Result<(Vec<String>, u64), String>,
    },
    /// SIGINT: the same as its key.
    Interrupt,
    /// Something behind the screen failed; one line.
    Trouble(String),
}

/// What a mouse does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mouse {
    /// Its left button went down.
    Click,
    /// Its wheel turned away from its user.
    Up,
    /// Its wheel turned towards its user.
    Down,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Of the [`Effect::Run`].
    pub run: u64,
    /// The database that commands run in afterwards.
    pub database: u32,
    /// The reply as text, not yet escaped.
    pub text: String,
    /// It is no error.
    pub ok: bool,
    /// Microseconds.
    pub took_us: u64,
    /// Who answered: `proxy p1`; empty: nobody was asked.
    pub via: String,
}

/// What listens at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Connect and `PING`, microseconds.
    pub ping_us: u64,
    /// In all databases; `None`: it does not say.
    pub keys: Option<u64>,
    /// Such as `redis 7.0.15`; empty: it does not say.
    pub version: String,
}

/// What a change would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The epoch of the topology it was made for.
    pub epoch: u64,
    /// The revision of the registry after which it is refused.
    pub revision: i64,
    /// Who gives how much to whom.
    pub shares: Vec<Share>,
    /// What the operator should know; not yet escaped.
    pub warnings: Vec<String>,
    /// Who was a member when it was made.
    pub members: BTreeSet<NodeId>,
}

/// Slots that one node gives to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Who gives; `None`: nobody owns them yet.
    pub from: Option<NodeId>,
    /// Who takes.
    pub to: NodeId,
    /// How many.
    pub slots: usize,
    /// About as many keys as are in them; `None`: the giver does not say.
    pub keys: Option<u64>,
}

/// What the screen wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Execute a command; answered by [`Event::Finished`] unless cancelled.
    Run {
        /// Tells runs apart.
        run: u64,
        /// What to execute.
        command: Command,
        /// How often.
        repeat: u32,
        /// How its reply is written.
        formatter: Formatter,
    },
    /// Read a file of lines; answered by [`Event::Sourced`] unless cancelled.
    Source {
        /// Tells runs apart.
        run: u64,
        /// Which file.
        path: PathBuf,
    },
    /// Write what was typed to a new file; answered by [`Event::Finished`].
    SaveScript {
        /// Tells runs apart.
        run: u64,
        /// Which file.
        path: PathBuf,
        /// Its content.
        lines: Vec<u8>,
    },
    /// Stop waiting for a run; no answer comes.
    Cancel {
        /// Which one.
        run: u64,
    },
    /// Look at an address; answered by [`Event::Probed`].
    Probe {
        /// Tells questions apart.
        serial: u64,
        /// Where.
        address: Address,
    },
    /// Ask what a change would do; answered by [`Event::Previewed`]. Changes nothing.
    Preview {
        /// Tells questions apart.
        serial: u64,
        /// Which change.
        request: PlanRequest,
        /// As it would be made.
        options: ChangeOptions,
    },
    /// Ask members for figures often, or (nobody looks) seldom.
    Follow {
        /// Seldom is enough.
        seldom: bool,
    },
    /// Look for keys or files; answered by [`Event::Found`].
    Find {
        /// The line that is completed.
        line: String,
        /// Which.
        sought: Sought,
    },
    /// Ask members for what a page shows; answered by [`Event::Answered`].
    Ask {
        /// Tells questions apart.
        serial: u64,
        /// Whom, and what.
        question: Question,
    },
    /// Give a text to the terminal's clipboard.
    Copy(String),
    /// Keep a line for the next session.
    Remember(String),
    /// Give the terminal to the shell until it continues this process.
    Suspend,
    /// Paint every cell again.
    Redraw,
    /// Leave with this exit status.
    Quit(Status),
}

/// What one event leads to, in order; most lead to nothing.
pub type Effects = Vec<Effect>;
