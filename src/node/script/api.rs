//! What `redis.…` does for scripts.

use std::{cell::RefCell, sync::atomic::Ordering::Relaxed};

use mlua::{Lua, MultiValue, Table, Value as LuaValue};

use super::{Digest, Rights, Running, convert, engine::MEMORY_MAX, errors::raise, raw};
use crate::{
    acl::{Denied, log::Place},
    command::{Flags, ResolveError, Spec, TABLE, resolve},
    connection::{REDIS_VERSION, pause},
    node::{
        commands::table,
        exec::{
            self, Stage,
            memory::{OUT_OF_MEMORY, cannot_keep},
        },
    },
    protocol::{Args, Output, Request, TooLarge, Version, number::format_double},
};

/// What `redis.call` or `redis.pcall` comes to: bytes that stay where they are until the session is asked for the next one.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Answer {
    pub(super) start: *const u8,
    pub(super) len: usize,
    /// The reply was written for RESP3.
    pub(super) is_resp3: bool,
    /// It is an error of a command, or why there was none.
    pub(super) is_error: bool,
    /// The bytes are the error's text, and no reply.
    pub(super) is_plain: bool,
    /// The error has been counted.
    pub(super) is_counted: bool,
}

impl Answer {
    fn reply(bytes: &[u8], version: Version) -> Self {
        let is_error = matches!(bytes.first(), Some(b'-' | b'!'));
        let (start, len) = (bytes.as_ptr(), bytes.len());
        let is_resp3 = version == Version::Resp3;
        Self { start, len, is_resp3, is_error, is_plain: false, is_counted: true }
    }

    fn refusal(text: &[u8], is_counted: bool) -> Self {
        let (start, len) = (text.as_ptr(), text.len());
        Self { start, len, is_resp3: false, is_error: true, is_plain: true, is_counted }
    }
}

/// Why the words of a script are no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WordError {
    #[error("ERR Lua redis lib command arguments must be strings or integers")]
    Type,
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

/// Gives the words of a command.
type Words<'a> = dyn FnMut(&mut Args) -> Result<(), WordError> + 'a;

/// Runs the command that a script gives.
pub(super) fn answer(words: &mut Words<'_>) -> Answer {
    if !SESSION.is_set() {
        return Answer::refusal(NO_SESSION, false);
    }
    SESSION.with(|session| session.call(words))
}

/// Nothing that runs is a script.
const NO_SESSION: &[u8] = "ERR redis.… is for scripts that run".as_bytes();

scoped_tls_hkt::scoped_thread_local!(
    /// Of the script that runs on this thread.
    static SESSION: for<'a> &'a (dyn Host + 'a)
);

/// What a session is to functions that know no lifetimes.
trait Host {
    /// `redis.call` and `redis.pcall`.
    fn call(&self, words: &mut Words<'_>) -> Answer;
    /// `redis.acl_check_cmd`: whether the caller's rights allow a command.
    fn may_run(&self, words: &MultiValue) -> mlua::Result<bool>;
    /// `redis.setresp`.
    fn set_version(&self, words: &MultiValue) -> mlua::Result<()>;
    /// `redis.set_repl`: whether what follows is told to the journal.
    fn set_told(&self, told: bool);
}

/// What a script does with its session; nothing else calls what is of `redis.…`.
fn with_session<R>(lua: &Lua, action: impl FnOnce(&dyn Host) -> mlua::Result<R>) -> mlua::Result<R> {
    if !SESSION.is_set() {
        return Err(raise(NO_SESSION));
    }
    // What Lua code wants is limited, what we give it is not: asking for memory that may be refused takes Lua 5.1 much longer.
    lua.set_memory_limit(0)?;
    let result = SESSION.with(|session| action(session));
    lua.set_memory_limit(MEMORY_MAX)?;
    result
}

/// A run of a script: what it works on.
pub(super) struct Session<'a> {
    work: RefCell<Work<'a>>,
    running: &'a Running,
    rights: Rights,
    /// Those that the script was given.
    keys: &'a [&'a [u8]],
}

struct Work<'a> {
    stage: Stage<'a>,
    version: Version,
    /// The last command, its reply, and what else was answered.
    args: Args,
    output: Output,
    answered: Vec<u8>,
}

impl<'a> Session<'a> {
    pub(super) fn new(stage: Stage<'a>, rights: Rights, keys: &'a [&'a [u8]], running: &'a Running) -> Self {
        let (args, output, answered) = (Args::new(), Output::default(), Vec::new());
        let work = Work { stage, version: Version::Resp2, args, output, answered };
        Self { work: RefCell::new(work), running, rights, keys }
    }

    /// Runs scripts that work on it. Those of `redis.…` that need a session find it where they are called: on this thread.
    pub(super) fn during<R>(&self, run: impl FnOnce() -> R) -> R {
        SESSION.set(self, run)
    }

    /// The script has ended: what it kept from the journal was its own.
    pub(super) fn end(&self) {
        self.work.borrow_mut().stage.store.effects.mute(false);
    }

    /// What the script speaks.
    pub(super) fn version(&self) -> Version {
        self.work.borrow().version
    }

    /// Runs the command in `args`.
    fn run(&self, work: &mut Work<'_>) -> Result<(), String> {
        let Work { stage, version, args, output, .. } = work;
        let request = args.request().ok_or_else(|| NO_ARGUMENT.to_owned())?;
        let spec = resolve(&request).map_err(|error| match error {
            ResolveError::Arity { .. } => "ERR Wrong number of args calling Redis command from script",
            ResolveError::UnknownCommand { .. } | ResolveError::UnknownSubcommand { .. } => UNKNOWN,
        })?;
        let row = table::row(spec).ok_or(UNKNOWN)?;
        if let Err(text) = self.allow(stage, spec, &request) {
            stage.node.stats.command(spec).rejected.add(1);
            return Err(text);
        }
        if spec.flags.has(Flags::WRITE) || pause::may_change(spec) {
            self.running.wrote();
        }
        output.clear();
        let since = std::time::Instant::now();
        let mut reborrowed =
            Stage { store: &mut *stage.store, caller: &mut *stage.caller, node: stage.node, now: stage.now };
        exec::call(&mut reborrowed, row, request, None, usize::MAX, output.encoder(*version));
        if reborrowed.caller.tracking && spec.flags.has(Flags::READONLY) {
            exec::remember_keys(&mut reborrowed, self.keys);
        }
        stage.node.stats.ran(spec, since.elapsed(), 1, stage.node.config.keeps_times());
        stage.store.show(spec, &request, stage.caller, stage.node);
        // Whoever waits is served after the script; whoever listens hears of each command.
        stage.store.note_changes(stage.node, stage.now);
        Ok(())
    }

    /// Whether the script may run a command.
    fn allow(&self, stage: &Stage<'_>, spec: &'static Spec, request: &Request<'_>) -> Result<(), String> {
        if spec.flags.has(Flags::NOSCRIPT) && !stage.node.scripts_call_all.load(Relaxed) {
            return Err("ERR This Redis command is not allowed from script".to_owned());
        }
        if let Err(denied) = stage.caller.user.check(spec, request) {
            exec::admit::note_denied(denied, Place::Lua, spec, request, stage.caller, stage.node);
            let what = match denied {
                Denied::Command => "can't run this command or subcommand",
                Denied::Key(_) => "can't access at least one of the keys mentioned in the command arguments",
                Denied::Channel(_) => "can't publish to the channel mentioned in the command",
            };
            return Err(format!("ERR The user executing the script {what}"));
        }
        if spec.flags.has(Flags::WRITE) || pause::may_change(spec) {
            if self.rights.read_only {
                return Err("ERR Write commands are not allowed from read-only scripts.".to_owned());
            }
            if spec.flags.has(Flags::WRITE)
                && !self.running.has_written()
                && let Some(reason) = stage.node.refuses_writes()
            {
                return Err(reason.to_owned());
            }
            if spec.flags.has(Flags::WRITE) && stage.node.aof.shared.is_failed() {
                return Err(cannot_keep(stage.node));
            }
            if spec.flags.has(Flags::DENYOOM)
                && stage.store.out_of_memory
                && !self.rights.allow_oom
                && !self.running.has_written()
            {
                return Err(OUT_OF_MEMORY.to_owned());
            }
        }
        Ok(())
    }
}

impl Host for Session<'_> {
    fn set_told(&self, told: bool) {
        self.work.borrow_mut().stage.store.effects.mute(!told);
    }

    fn set_version(&self, words: &MultiValue) -> mlua::Result<()> {
        let words: Vec<&LuaValue> = words.iter().collect();
        let [word] = words.as_slice() else {
            return Err(raise("ERR redis.setresp() requires one argument."));
        };
        self.work.borrow_mut().version = match convert::number(word) {
            Some(2.0) => Version::Resp2,
            Some(3.0) => Version::Resp3,
            _ => return Err(raise("ERR RESP version must be 2 or 3.")),
        };
        Ok(())
    }

    fn may_run(&self, words: &MultiValue) -> mlua::Result<bool> {
        let work = self.work.borrow();
        let args = arguments(words).map_err(raise)?;
        let invalid = || raise("ERR Invalid command passed to redis.acl_check_cmd()");
        let request = args.request().ok_or_else(invalid)?;
        let spec = match resolve(&request) {
            Ok(spec) => Some(spec),
            // How many arguments there are is not asked.
            Err(ResolveError::Arity { name }) => TABLE.iter().find(|spec| spec.name == name),
            Err(ResolveError::UnknownCommand { .. } | ResolveError::UnknownSubcommand { .. }) => None,
        };
        Ok(work.stage.caller.user.check(spec.ok_or_else(invalid)?, &request).is_ok())
    }

    fn call(&self, words: &mut Words<'_>) -> Answer {
        let work = &mut *self.work.borrow_mut();
        work.args.clear();
        let given = words(&mut work.args).map_err(|error| error.to_string());
        if let Err(text) = given.and_then(|()| self.run(work)) {
            work.stage.node.stats.error(text.as_bytes());
            work.answered = text.into_bytes();
            return Answer::refusal(&work.answered, true);
        }
        if !work.output.is_sharing() {
            return Answer::reply(work.output.piece(0), work.version);
        }
        work.answered = work.output.copy_from(0);
        Answer::reply(&work.answered, work.version)
    }
}

const UNKNOWN: &str = "ERR Unknown Redis command called from script";
const NO_ARGUMENT: &str = "ERR Please specify at least one argument for this redis lib call";

fn arguments(words: &MultiValue) -> Result<Args, String> {
    if words.is_empty() {
        return Err(NO_ARGUMENT.to_owned());
    }
    let mut args = Args::new();
    for word in words {
        let pushed = match word {
            LuaValue::String(text) => args.push(&text.as_bytes()),
            LuaValue::Integer(number) => args.push(format_double(*number as f64).as_bytes()),
            LuaValue::Number(number) => args.push(format_double(*number).as_bytes()),
            _ => return Err(WordError::Type.to_string()),
        };
        pushed.map_err(|error| error.to_string())?;
    }
    Ok(args)
}

/// Everything of `redis`.
pub(super) fn install(lua: &Lua, api: &Table) -> mlua::Result<()> {
    raw::install(lua, api)?;
    let asks = |lua: &Lua, words: MultiValue| with_session(lua, |session| session.may_run(&words));
    api.raw_set("acl_check_cmd", lua.create_function(asks)?)?;
    let speaks = |lua: &Lua, words: MultiValue| with_session(lua, |session| session.set_version(&words));
    api.raw_set("setresp", lua.create_function(speaks)?)?;
    install_log(lua, api)?;
    let replication =
        [("REPL_NONE", 0), ("REPL_AOF", 1), ("REPL_SLAVE", 2), ("REPL_REPLICA", 2), ("REPL_ALL", 3)];
    for (name, number) in replication {
        api.raw_set(name, number)?;
    }
    let reply = |field: &'static str, prefix: bool| {
        lua.create_function(move |lua, words: MultiValue| {
            let table = lua.create_table()?;
            let words: Vec<LuaValue> = words.into_iter().collect();
            let [LuaValue::String(text)] = words.as_slice() else {
                table.raw_set("err", "ERR wrong number or type of arguments")?;
                return Ok(table);
            };
            let text = text.as_bytes().to_vec();
            let text = match text.strip_prefix(b"-") {
                Some(rest) if prefix => rest.to_vec(),
                None if prefix && !text.contains(&b' ') => [b"ERR ", text.as_slice()].concat(),
                _ => text,
            };
            table.raw_set(field, lua.create_string(text)?)?;
            Ok(table)
        })
    };
    api.raw_set("error_reply", reply("err", true)?)?;
    api.raw_set("status_reply", reply("ok", false)?)?;
    api.raw_set("sha1hex", lua.create_function(|_, words: MultiValue| sha1hex(&words))?)?;
    api.raw_set("replicate_commands", lua.create_function(|_, _: MultiValue| Ok(true))?)?;
    api.raw_set("set_repl", lua.create_function(|lua, words: MultiValue| set_repl(lua, &words))?)?;
    api.raw_set("breakpoint", lua.create_function(|_, _: MultiValue| Ok(false))?)?;
    api.raw_set("debug", lua.create_function(|_, _: MultiValue| Ok(()))?)?;
    Ok(())
}

/// What of `redis` is there while a library is loaded too.
pub(super) fn install_log(lua: &Lua, api: &Table) -> mlua::Result<()> {
    for (name, number) in [("LOG_DEBUG", 0), ("LOG_VERBOSE", 1), ("LOG_NOTICE", 2), ("LOG_WARNING", 3)] {
        api.raw_set(name, number)?;
    }
    // What INFO says: `a.b.c`, and as a number with a byte for each.
    api.raw_set("REDIS_VERSION", REDIS_VERSION)?;
    let parts = REDIS_VERSION.split('.').filter_map(|part| part.parse::<u8>().ok());
    api.raw_set("REDIS_VERSION_NUM", parts.fold(0_u32, |number, part| number << 8 | u32::from(part)))?;
    api.raw_set("log", lua.create_function(|_, words: MultiValue| log(&words))?)
}

fn sha1hex(words: &MultiValue) -> mlua::Result<String> {
    if words.len() != 1 {
        return Err(raise("ERR wrong number of arguments"));
    }
    let bytes = match words.front() {
        Some(LuaValue::String(text)) => text.as_bytes().to_vec(),
        Some(LuaValue::Integer(number)) => format_double(*number as f64).into_bytes(),
        Some(LuaValue::Number(number)) => format_double(*number).into_bytes(),
        _ => Vec::new(),
    };
    Ok(Digest::of(&bytes).as_str().to_owned())
}

/// The log of the daemon, with a level of Redis's.
fn log(words: &MultiValue) -> mlua::Result<()> {
    if words.len() < 2 {
        return Err(raise("ERR redis.log() requires two arguments or more."));
    }
    let level = words
        .front()
        .and_then(convert::number)
        .ok_or_else(|| raise("ERR First argument must be a number (log level)."))?;
    let texts = words.iter().skip(1).filter_map(|word| match word {
        LuaValue::String(text) => Some(text.to_string_lossy()),
        LuaValue::Integer(number) => Some(number.to_string()),
        LuaValue::Number(number) => Some(format_double(*number)),
        _ => None,
    });
    let text = texts.collect::<Vec<_>>().join(" ");
    match level {
        0.0 => tracing::trace!(target: "script", "{text}"),
        1.0 => tracing::debug!(target: "script", "{text}"),
        2.0 => tracing::info!(target: "script", "{text}"),
        3.0 => tracing::warn!(target: "script", "{text}"),
        _ => return Err(raise("ERR Invalid debug level.")),
    }
    Ok(())
}

/// There are no replicas; what is left is whether the journal gets the effects.
fn set_repl(lua: &Lua, words: &MultiValue) -> mlua::Result<()> {
    if words.len() != 1 {
        return Err(raise("ERR redis.set_repl() requires two arguments."));
    }
    match words.front().and_then(convert::number) {
        // Those with the bit of `REPL_AOF`, and those without.
        Some(number @ (0.0 | 1.0 | 2.0 | 3.0)) => with_session(lua, |session| {
            session.set_told(matches!(number, 1.0 | 3.0));
            Ok(())
        }),
        _ => Err(raise("ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.")),
    }
}
