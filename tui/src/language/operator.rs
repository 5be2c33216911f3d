//! Operator words: what follows them.

use std::{ffi::OsString, os::unix::ffi::OsStringExt as _, path::PathBuf};

use redis_cluster::{
    cluster::member::Address,
    id::{NodeId, ProxyId},
};

use super::{Command, SyntaxError, parse_words, words::Word};

/// Something about the cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum Operator {
    /// `add ID [ADDRESS]`.
    Add {
        /// The new node's.
        id: NodeId,
        /// Where it listens; without one the console starts it (embedded cluster only).
        address: Option<Address>,
        /// How.
        options: ChangeOptions,
    },
    /// `remove ID`.
    Remove {
        /// Which node.
        id: NodeId,
        /// How.
        options: ChangeOptions,
    },
    /// `show …`.
    Show(Show),
    /// `ack ID`.
    Ack {
        /// Which node.
        id: NodeId,
    },
    /// `drain proxy ID`.
    DrainProxy {
        /// Which proxy.
        id: ProxyId,
        /// How.
        options: ChangeOptions,
    },
    /// `sync`.
    Sync,
    /// `plan add|remove …`.
    Plan(PlanRequest),
    /// `node ID COMMAND…`.
    Node {
        /// Which one.
        id: NodeId,
        /// Name and arguments.
        command: Vec<Vec<u8>>,
    },
    /// `delete KEY [VALUE]`.
    Delete {
        /// Which key.
        key: Vec<u8>,
        /// Only if it holds this.
        value: Option<Vec<u8>>,
    },
    /// `explain COMMAND…`.
    Explain(Vec<Vec<u8>>),
    /// `watch COMMAND…`.
    Watch(Box<Command>),
    /// `import FILE`.
    Import {
        /// An RDB file.
        path: PathBuf,
        /// What becomes of keys that are there.
        conflict: Conflict,
    },
    /// `export FILE`.
    Export {
        /// A new file.
        path: PathBuf,
        /// For Redis 7.4 and later.
        newer: bool,
    },
    /// `backup DIR`.
    Backup {
        /// A new directory.
        directory: PathBuf,
        /// As in `export`.
        newer: bool,
    },
    /// `restore DIR`.
    Restore {
        /// What `backup` made.
        directory: PathBuf,
        /// As in `import`; without it the cluster has to be empty.
        conflict: Option<Conflict>,
    },
    /// `help [WORD…]`.
    Help(Option<String>),
}

impl Operator {
    /// It carries keys between the cluster and files.
    #[must_use]
    pub fn is_transfer(&self) -> bool {
        matches!(self, Self::Import { .. } | Self::Export { .. } | Self::Backup { .. } | Self::Restore { .. })
    }
}

/// How a change of membership is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangeOptions {
    /// Even where keys are lost.
    pub force: bool,
    /// Return as soon as the registry has the plan.
    pub no_wait: bool,
    /// Do not ask first, where somebody could be asked.
    pub yes: bool,
    /// Refuse if the cluster changed after this revision of the registry.
    pub if_revision: Option<i64>,
}

/// What becomes of a key of a file that the cluster has too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The cluster's stays.
    Skip,
    /// The file's takes its place.
    Replace,
    /// Nothing more is written.
    Stop,
}

/// What a dry run is asked about.
#[derive(Clone, Debug, PartialEq)]
pub enum PlanRequest {
    /// `plan add ID ADDRESS`.
    Add {
        /// The new node's.
        id: NodeId,
        /// Where it listens.
        address: Address,
    },
    /// `plan remove ID`.
    Remove {
        /// Which node.
        id: NodeId,
    },
}

/// Tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Members.
    Nodes,
    /// Proxies with a lease.
    Proxies,
    /// Ranges and owners.
    Slots,
    /// Journal of moves.
    Moves,
    /// Who did what.
    Audit,
    /// The routing as it stands in the registry.
    Topology,
    /// Requests that took long.
    Slow,
    /// Keys that are asked for most, and large ones.
    HotKeys,
}

impl Show {
    /// All, with their words.
    pub const ALL: [(&'static str, Self); 8] = [
        ("nodes", Self::Nodes),
        ("proxies", Self::Proxies),
        ("slots", Self::Slots),
        ("moves", Self::Moves),
        ("audit", Self::Audit),
        ("topology", Self::Topology),
        ("slow", Self::Slow),
        ("hotkeys", Self::HotKeys),
    ];
}

fn text(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

fn usage(word: &Word, reason: impl Into<String>) -> SyntaxError {
    SyntaxError::Usage { reason: reason.into(), usage: word.usage() }
}

/// Takes the options out of the arguments, wherever they stand.
fn change_options(word: &Word, arguments: &[Vec<u8>]) -> Result<(Vec<Vec<u8>>, ChangeOptions), SyntaxError> {
    let mut options = ChangeOptions::default();
    let mut rest = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_slice() {
            b"--force" => options.force = true,
            b"--no-wait" => options.no_wait = true,
            b"--yes" => options.yes = true,
            b"--if-rev" => {
                let revision = arguments.next().and_then(|number| text(number).parse().ok());
                options.if_revision = Some(revision.ok_or_else(|| usage(word, "--if-rev needs a revision"))?);
            }
            option if option.starts_with(b"--") => {
                return Err(usage(word, format!("no option {}", text(option))));
            }
            _ => rest.push(argument.clone()),
        }
    }
    Ok((rest, options))
}

fn id(word: &[u8]) -> Result<NodeId, SyntaxError> {
    Ok(text(word).parse()?)
}

fn command(word: &Word, arguments: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, SyntaxError> {
    if arguments.is_empty() { Err(usage(word, "no command")) } else { Ok(arguments.to_vec()) }
}

pub(super) fn parse(word: &'static Word, arguments: &[Vec<u8>]) -> Result<Operator, SyntaxError> {
    if !word.available {
        return Err(SyntaxError::NotAvailable(word.name));
    }
    let wrong = || usage(word, "wrong number of arguments");
    Ok(match word.name {
        "add" => {
            let (arguments, options) = change_options(word, arguments)?;
            match arguments.as_slice() {
                [node] => Operator::Add { id: id(node)?, address: None, options },
                [node, address] => {
                    Operator::Add { id: id(node)?, address: Some(text(address).parse()?), options }
                }
                _ => return Err(wrong()),
            }
        }
        "remove" => {
            let (arguments, options) = change_options(word, arguments)?;
            let [node] = arguments.as_slice() else { return Err(wrong()) };
            Operator::Remove { id: id(node)?, options }
        }
        "show" => {
            let [what] = arguments else { return Err(wrong()) };
            let found = Show::ALL.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(what));
            let (_, show) =
                found.ok_or_else(|| usage(word, format!("nothing to show as {:?}", text(what))))?;
            Operator::Show(*show)
        }
        "ack" => {
            let [node] = arguments else { return Err(wrong()) };
            Operator::Ack { id: id(node)? }
        }
        "drain" => {
            let (arguments, options) = change_options(word, arguments)?;
            if options.if_revision.is_some() {
                return Err(usage(word, "no option --if-rev"));
            }
            match arguments.as_slice() {
                [what, proxy] if what.eq_ignore_ascii_case(b"proxy") => {
                    Operator::DrainProxy { id: text(proxy).parse()?, options }
                }
                [what, ..] if what.eq_ignore_ascii_case(b"node") => {
                    return Err(SyntaxError::NotAvailable("drain node"));
                }
                _ => return Err(wrong()),
            }
        }
        "sync" => match arguments {
            [] => Operator::Sync,
            _ => return Err(wrong()),
        },
        "plan" => Operator::Plan(plan(word, arguments)?),
        "node" => {
            let [node, rest @ ..] = arguments else { return Err(wrong()) };
            Operator::Node { id: id(node)?, command: command(word, rest)? }
        }
        "delete" => match arguments {
            [key] => Operator::Delete { key: key.clone(), value: None },
            [key, value] => Operator::Delete { key: key.clone(), value: Some(value.clone()) },
            _ => return Err(wrong()),
        },
        "explain" => Operator::Explain(command(word, arguments)?),
        "watch" => match parse_words(command(word, arguments)?)? {
            Command::Operator(Operator::Watch(_)) => return Err(usage(word, "watch of watch")),
            Command::Directive(_) => return Err(usage(word, "only commands can be watched")),
            watched => Operator::Watch(Box::new(watched)),
        },
        "import" => {
            let (path, conflict) = conflict(word, arguments)?;
            Operator::Import { path, conflict: conflict.unwrap_or(Conflict::Stop) }
        }
        "restore" => {
            let (directory, conflict) = conflict(word, arguments)?;
            Operator::Restore { directory, conflict }
        }
        "export" => {
            let (path, newer) = rdb_version(word, arguments)?;
            Operator::Export { path, newer }
        }
        "backup" => {
            let (directory, newer) = rdb_version(word, arguments)?;
            Operator::Backup { directory, newer }
        }
        "help" => match arguments {
            [] => Operator::Help(None),
            words => Operator::Help(Some(words.iter().map(|word| text(word)).collect::<Vec<_>>().join(" "))),
        },
        _ => return Err(SyntaxError::NotAvailable(word.name)),
    })
}

fn path(word: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(word.to_vec()))
}

/// A path, and what is said about keys that are there.
fn conflict(word: &Word, arguments: &[Vec<u8>]) -> Result<(PathBuf, Option<Conflict>), SyntaxError> {
    let conflict = |option: &[u8]| match option {
        b"--skip" => Ok(Some(Conflict::Skip)),
        b"--replace" => Ok(Some(Conflict::Replace)),
        b"--stop" => Ok(Some(Conflict::Stop)),
        _ => Err(usage(word, format!("no option {}", text(option)))),
    };
    match arguments {
        [file] if !file.starts_with(b"--") => Ok((path(file), None)),
        [option, file] | [file, option] if option.starts_with(b"--") && !file.starts_with(b"--") => {
            Ok((path(file), conflict(option)?))
        }
        _ => Err(usage(word, "one path and at most one option")),
    }
}

/// A path, and whether the file is for Redis 7.4 and later.
fn rdb_version(word: &Word, arguments: &[Vec<u8>]) -> Result<(PathBuf, bool), SyntaxError> {
    let newer = |version: &[u8]| match version {
        b"10" => Ok(false),
        b"12" => Ok(true),
        _ => Err(usage(word, "files are of RDB version 10 (Redis 7.0) or 12 (Redis 7.4)")),
    };
    match arguments {
        [file] if !file.starts_with(b"--") => Ok((path(file), false)),
        [file, option, version] | [option, version, file] if option == b"--rdb" => {
            Ok((path(file), newer(version)?))
        }
        _ => Err(usage(word, "one path and at most one option")),
    }
}

fn plan(word: &'static Word, arguments: &[Vec<u8>]) -> Result<PlanRequest, SyntaxError> {
    let Some((what, rest)) = arguments.split_first() else { return Err(usage(word, "no change to plan")) };
    match (text(what).to_ascii_lowercase().as_str(), rest) {
        ("add", [node, address]) => Ok(PlanRequest::Add { id: id(node)?, address: text(address).parse()? }),
        ("remove", [node]) => Ok(PlanRequest::Remove { id: id(node)? }),
        ("rebalance", _) => Err(SyntaxError::NotAvailable("plan rebalance")),
        ("drain", _) => Err(SyntaxError::NotAvailable("plan drain")),
        _ => Err(usage(word, format!("cannot plan {:?}", text(what)))),
    }
}
