//! The dialogs that ask before something changes: what they hold, and when they are ready. Drawing is `view::dialog`.

use std::{os::unix::ffi::OsStrExt as _, path::PathBuf};

use redis_cluster::{cluster::member::Address, id::NodeId};
use tui_input::Input;

use super::event::{Plan, Probe};
use crate::{
    language::{ChangeOptions, Command, Conflict, Operator, PlanRequest, quote_word},
    session::{ClusterView, Status},
};

/// One of them. While one is open it has all the keys.
#[derive(Clone, Debug)]
pub enum Dialog {
    /// A node joins.
    Add(Box<AddNode>),
    /// A node leaves.
    Remove(RemoveNode),
    /// Several lines were pasted.
    Paste(PastedLines),
    /// Leaving ends a cluster that holds keys.
    Leave(Leave),
    /// Keys of a file come into the cluster.
    Bring(BringKeys),
    /// Something that a page shows is changed, or a proxy is ended.
    Change(Change),
}

/// An answer that may not be there yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Answer<T> {
    /// Not asked.
    #[default]
    None,
    /// Asked under this number.
    Waiting(u64),
    /// It came.
    Here(Result<T, String>),
}

impl<T> Answer<T> {
    /// What came, if it is no error.
    #[must_use]
    pub fn here(&self) -> Option<&T> {
        match self {
            Self::Here(Ok(answer)) => Some(answer),
            _ => None,
        }
    }

    /// Takes the answer to question `serial`; one to an older question is dropped.
    pub fn take(&mut self, serial: u64, result: Result<T, String>) {
        if matches!(self, Self::Waiting(asked) if *asked == serial) {
            *self = Self::Here(result);
        }
    }
}

/// What the button that changes something would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Nothing: something has to be typed first.
    Incomplete,
    /// Nothing: the plan is not there yet.
    Waiting,
    /// Ask for the plan again: there is none, or the cluster has changed since it was made.
    Again,
    /// What it says.
    Ready,
}

/// The plan was made for a cluster that is not the one that is known now.
#[must_use]
pub fn is_outdated(plan: &Plan, view: &ClusterView) -> bool {
    let epoch = view.topology.as_ref().map_or(0, |known| known.topology.epoch.0);
    epoch > plan.epoch || !view.nodes.keys().eq(&plan.members)
}

impl Answer<Plan> {
    fn readiness(&self, view: &ClusterView) -> Readiness {
        match self {
            Self::None => Readiness::Incomplete,
            Self::Waiting(_) => Readiness::Waiting,
            Self::Here(Ok(plan)) if !is_outdated(plan, view) => Readiness::Ready,
            Self::Here(_) => Readiness::Again,
        }
    }

    /// Options that make the registry refuse whatever is not this plan, unless the operator said which revision counts.
    fn binding(&self, options: ChangeOptions) -> ChangeOptions {
        let revision = self.here().map(|plan| plan.revision);
        ChangeOptions { if_revision: options.if_revision.or(revision), ..options }
    }
}

/// What the keys act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The id that is typed.
    Id,
    /// The address that is typed.
    Address,
    /// The command that is edited.
    Command,
    /// One of several, chosen by the arrow keys.
    Choice,
    /// The button that gives up.
    Cancel,
    /// The button that does it.
    Confirm,
}

/// A node joins.
#[derive(Clone, Debug)]
pub struct AddNode {
    /// Its id.
    pub id: Input,
    /// Its address.
    pub address: Input,
    /// What the keys act on.
    pub field: Field,
    /// What listens there; of the address in `asked_about`.
    pub probe: Answer<Probe>,
    /// The plan.
    pub preview: Answer<Plan>,
    /// Id and address that probe and plan are about.
    pub asked_about: Option<(NodeId, Option<Address>)>,
    /// The cluster runs in this process, so a node without an address can be started there.
    pub embedded: bool,
    /// As they were typed.
    pub options: ChangeOptions,
}

/// Options as one types them, each with a blank before it.
pub(super) fn option_words(options: ChangeOptions) -> String {
    let mut words = String::new();
    if options.force {
        words.push_str(" --force");
    }
    if options.no_wait {
        words.push_str(" --no-wait");
    }
    if let Some(revision) = options.if_revision {
        words.push_str(&format!(" --if-rev {revision}"));
    }
    words
}

impl AddNode {
    /// Empty, but for the lowest number that no node has.
    #[must_use]
    pub fn new(view: &ClusterView, embedded: bool) -> Self {
        let free = (1u64..)
            .map(|number| number.to_string())
            .find(|text| !view.nodes.keys().any(|id| id.as_str() == text))
            .unwrap_or_default();
        Self {
            id: Input::new(free),
            address: Input::new(String::new()),
            field: Field::Address,
            probe: Answer::None,
            preview: Answer::None,
            asked_about: None,
            embedded,
            options: ChangeOptions::default(),
        }
    }

    /// Id and address, or what is wrong with them.
    ///
    /// # Errors
    /// One line for the operator.
    pub fn parsed(&self, view: &ClusterView) -> Result<(NodeId, Option<Address>), String> {
        let id: NodeId = self.id.value().trim().parse().map_err(|error| format!("{error}"))?;
        if view.nodes.contains_key(&id) {
            return Err(format!("id {id} is taken: {}", view.nodes[&id].record.address));
        }
        let address = self.address.value().trim();
        if address.is_empty() {
            return if self.embedded { Ok((id, None)) } else { Err("no address yet".to_owned()) };
        }
        let address: Address = address.parse().map_err(|error| format!("{error}"))?;
        if let Some((other, _)) = view.nodes.iter().find(|(_, node)| node.record.address == address) {
            return Err(format!("{address} is node {other} already"));
        }
        Ok((id, Some(address)))
    }

    /// What the button would do.
    #[must_use]
    pub fn readiness(&self, view: &ClusterView) -> Readiness {
        match self.parsed(view) {
            Err(_) => Readiness::Incomplete,
            // The node has to be started before anybody can plan with it; it is the console's own.
            Ok((_, None)) => Readiness::Ready,
            Ok(_) => self.preview.readiness(view),
        }
    }

    /// What the button runs; `None` unless it is ready.
    #[must_use]
    pub fn command(&self, view: &ClusterView) -> Option<Command> {
        if self.readiness(view) != Readiness::Ready {
            return None;
        }
        let (id, address) = self.parsed(view).ok()?;
        let options = self.preview.binding(self.options);
        Some(Command::Operator(Operator::Add { id, address, options }))
    }

    /// The same as one would type it.
    #[must_use]
    pub fn words(&self) -> String {
        // An address that is understood is written without its password.
        let typed = self.address.value().trim();
        let address =
            typed.parse::<Address>().map_or_else(|_| typed.to_owned(), |address| address.to_string());
        let words = format!("add {} {address}", self.id.value().trim());
        format!("{}{}", words.trim_end(), option_words(self.preview.binding(self.options)))
    }

    /// The dry run that shows what the button would do.
    #[must_use]
    pub fn plan(&self) -> Option<PlanRequest> {
        let (id, address) = self.asked_about.clone()?;
        Some(PlanRequest::Add { id, address: address? })
    }

    /// The fields in the order of the tab key.
    pub const FIELDS: [Field; 4] = [Field::Id, Field::Address, Field::Cancel, Field::Confirm];
}

/// A node leaves.
#[derive(Clone, Debug)]
pub struct RemoveNode {
    /// Which one.
    pub id: NodeId,
    /// What was typed to confirm it.
    pub typed: Input,
    /// What the keys act on.
    pub field: Field,
    /// The plan.
    pub preview: Answer<Plan>,
    /// As they were typed.
    pub options: ChangeOptions,
}

impl RemoveNode {
    /// Nothing typed yet.
    #[must_use]
    pub fn new(id: NodeId) -> Self {
        Self {
            id,
            typed: Input::new(String::new()),
            field: Field::Id,
            preview: Answer::None,
            options: ChangeOptions::default(),
        }
    }

    /// The id was typed, exactly.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.typed.value() == self.id.as_str()
    }

    /// What the button would do.
    #[must_use]
    pub fn readiness(&self, view: &ClusterView) -> Readiness {
        match self.preview.readiness(view) {
            Readiness::Ready if !self.is_confirmed() => Readiness::Incomplete,
            readiness => readiness,
        }
    }

    /// What the button runs; `None` unless it is ready.
    #[must_use]
    pub fn command(&self, view: &ClusterView) -> Option<Command> {
        let options = self.preview.binding(self.options);
        let operator = Operator::Remove { id: self.id.clone(), options };
        (self.readiness(view) == Readiness::Ready).then_some(Command::Operator(operator))
    }

    /// The same as one would type it.
    #[must_use]
    pub fn words(&self) -> String {
        format!("remove {}{}", self.id, option_words(self.preview.binding(self.options)))
    }

    /// The fields in the order of the tab key.
    pub const FIELDS: [Field; 3] = [Field::Id, Field::Cancel, Field::Confirm];
}

/// Several lines were pasted; nothing runs by itself.
#[derive(Clone, Debug)]
pub struct PastedLines {
    /// Without the empty ones.
    pub lines: Vec<String>,
    /// [`Field::Cancel`] at first.
    pub field: Field,
}

/// A command that changes what a page shows. It stands there as it will run, and can be edited.
#[derive(Clone, Debug)]
pub struct Change {
    /// What the dialog is called.
    pub title: String,
    /// Labels and texts: what it is about; not escaped.
    pub about: Vec<(String, String)>,
    /// The command.
    pub command: Input,
    /// What the button says.
    pub verb: &'static str,
    /// What the keys act on: the button that gives up, at first, or the command where it has to be completed.
    pub field: Field,
}

impl Change {
    /// A command that is whole.
    #[must_use]
    pub fn new(title: &str, about: Vec<(String, String)>, command: String, verb: &'static str) -> Self {
        let command = Input::new(command);
        Self { title: title.to_owned(), about, command, verb, field: Field::Cancel }
    }

    /// The same, but the operator still has to type into it.
    #[must_use]
    pub fn to_edit(mut self) -> Self {
        self.field = Field::Command;
        self
    }

    /// The fields in the order of the tab key.
    pub const FIELDS: [Field; 3] = [Field::Command, Field::Cancel, Field::Confirm];
}

/// Keys of a file are about to come into the cluster.
#[derive(Clone, Debug)]
pub struct BringKeys {
    /// What is read: an RDB file, or what `backup` made.
    pub path: PathBuf,
    /// It is a backup.
    pub is_backup: bool,
    /// What becomes of keys that are there; `None`: there may be none.
    pub conflict: Option<Conflict>,
    /// What the keys act on.
    pub field: Field,
}

impl BringKeys {
    /// As it was typed.
    #[must_use]
    pub fn new(path: PathBuf, is_backup: bool, conflict: Option<Conflict>) -> Self {
        Self { path, is_backup, conflict, field: Field::Cancel }
    }

    /// What there is to choose from, the careful first.
    #[must_use]
    pub fn choices(&self) -> &'static [(Option<Conflict>, &'static str)] {
        const ALL: &[(Option<Conflict>, &str)] = &[
            (None, "none may be there"),
            (Some(Conflict::Stop), "stop"),
            (Some(Conflict::Skip), "skip"),
            (Some(Conflict::Replace), "replace"),
        ];
        if self.is_backup { ALL } else { &ALL[1..] }
    }

    /// Chooses the next, or the one before.
    pub fn choose(&mut self, forward: bool) {
        let choices = self.choices();
        let at = choices.iter().position(|(conflict, _)| *conflict == self.conflict).unwrap_or(0);
        let step = if forward { 1 } else { choices.len() - 1 };
        self.conflict = choices[(at + step) % choices.len()].0;
    }

    /// What becomes of keys that are there, in words.
    #[must_use]
    pub fn consequence(&self) -> &'static str {
        match self.conflict {
            None => "refused unless the cluster is empty",
            Some(Conflict::Stop) => "the first key that is there ends it; what was written stays",
            Some(Conflict::Skip) => "keys that are there stay as they are",
            Some(Conflict::Replace) => "keys that are there are REPLACED by those of the file",
        }
    }

    /// What the button runs.
    #[must_use]
    pub fn command(&self) -> Command {
        let path = self.path.clone();
        Command::Operator(match (self.is_backup, self.conflict) {
            (true, conflict) => Operator::Restore { directory: path, conflict },
            (false, conflict) => Operator::Import { path, conflict: conflict.unwrap_or(Conflict::Stop) },
        })
    }

    /// The same as one would type it.
    #[must_use]
    pub fn words(&self) -> String {
        let word = if self.is_backup { "restore" } else { "import" };
        let option = match self.conflict {
            None => "",
            Some(Conflict::Stop) => " --stop",
            Some(Conflict::Skip) => " --skip",
            Some(Conflict::Replace) => " --replace",
        };
        format!("{word} {}{option}", quote_word(self.path.as_os_str().as_bytes()))
    }

    /// The fields in the order of the tab key.
    pub const FIELDS: [Field; 3] = [Field::Choice, Field::Cancel, Field::Confirm];
}

/// The cluster lives in this process, and what it holds in its memory.
#[derive(Clone, Debug)]
pub struct Leave {
    /// That end with it; `None`: not known.
    pub keys: Option<u64>,
    /// To leave with.
    pub status: Status,
    /// [`Field::Cancel`] at first.
    pub field: Field,
}

impl Leave {
    /// The fields in the order of the tab key.
    pub const FIELDS: [Field; 2] = [Field::Cancel, Field::Confirm];
}

impl PastedLines {
    /// The fields in the order of the tab key.
    pub const FIELDS: [Field; 2] = [Field::Cancel, Field::Confirm];
}

/// The neighbour of a field, around the ends.
#[must_use]
pub fn neighbour(fields: &[Field], field: Field, forward: bool) -> Field {
    let at = fields.iter().position(|&one| one == field).unwrap_or(0);
    let step = if forward { 1 } else { fields.len() - 1 };
    fields[(at + step) % fields.len()]
}
