//! Lua, as Redis has it: one state for all scripts, used by whoever holds the store's lock.
//!
//! `prelude.lua` makes the world that scripts see, [`api`] is what `redis.…` does, [`errors`] what becomes of errors, [`convert`] goes between Lua's values and
//! replies, [`json`], [`msgpack`], [`structs`] and [`bits`] are libraries for scripts. [`engine`] runs them: one for the scripts that stand here, one for
//! [`functions`], which come in libraries that [`library`] reads. [`Running`] is what others may know of a script while it holds the lock;
//! [`aside`] is where it runs unless it is known to be quick. Which
//! commands lead here: `commands::script`.

mod api;
pub(super) mod aside;
mod bits;
mod convert;
mod engine;
mod errors;
mod functions;
mod json;
mod json_settings;
mod library;
mod msgpack;
mod random;
mod raw;
mod running;
mod structs;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use sha1::{Digest as _, Sha1};

pub use engine::{Call, Failure, Rights};
pub use functions::{Functions, Policy};
pub use running::{Called, NotKilled, Running, What};

use self::{engine::Engine, random::Random};
use super::exec::Stage;
pub use crate::command::shebang::{Declared, says_it_reads};
use crate::{command::shebang, protocol::Encoder};

/// A script that took no longer the last time runs where it is called, as every command does.
const QUICK: Duration = Duration::from_millis(1);

/// What others are told while a script has the data for too long.
pub const BUSY_SCRIPT: &str =
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
/// The same, while it is a function.
pub const BUSY_FUNCTION: &str =
    "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";

/// Whether a script has a first line that says what it does, and not that it may run when there is no more memory.
#[must_use]
pub fn says_it_needs_memory(source: &[u8]) -> bool {
    source.starts_with(b"#!") && shebang::parse(source).is_ok_and(|(declared, _)| declared.needs_memory())
}

/// `FUNCTION STATS`: the function that runs, and how many libraries and functions there are.
pub fn write_stats(
    running: &Running,
    called: Option<&Called>,
    counts: (usize, usize),
    out: &mut Encoder<'_>,
) {
    out.map(2);
    out.bulk("running_script");
    match called {
        Some(called) => {
            out.map(3);
            out.bulk("name");
            out.bulk(&called.name);
            out.bulk("command");
            out.array(called.command.len());
            called.command.iter().for_each(|word| out.bulk(word));
            out.bulk("duration_ms");
            let took = running.elapsed().unwrap_or_default().as_millis();
            out.integer(i64::try_from(took).unwrap_or(i64::MAX));
        }
        None => out.null(),
    }
    let (libraries, functions) = counts;
    out.bulk("engines");
    out.map(1);
    out.bulk("LUA");
    out.map(2);
    out.bulk("libraries_count");
    out.integer(libraries as i64);
    out.bulk("functions_count");
    out.integer(functions as i64);
}

/// To a script that says what it does, and not that it may run when there is no more memory.
const NO_ROOM: &[u8] =
    b"OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'";

/// To `EVAL_RO` and its like of a script that may write and says so.
const WRITES: &[u8] = b"ERR Can not execute a script with write flag using *_ro command.";

/// The digest of a script, in hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest([u8; 40]);

impl Digest {
    /// Of a script.
    #[must_use]
    pub fn of(source: &[u8]) -> Self {
        let mut digits = [0; 40];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(Sha1::digest(source)) {
            let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 0xF)]);
        }
        Self(digits)
    }

    /// As somebody writes it; `None` if it is none.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        text.to_ascii_lowercase().try_into().ok().map(Self)
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Scripts that can be called by their digest, and what runs them.
#[derive(Debug, Default)]
pub struct Scripts {
    /// Made for the first script: most nodes never run one.
    engine: Option<Engine>,
    known: HashMap<Digest, Known>,
    /// Bytes of all sources.
    memory: usize,
    /// It goes on when all scripts are forgotten. Made with the engine: this whole thing stands in for itself while a script runs.
    random: Option<Arc<Mutex<Random>>>,
}

/// What is known of a script besides its code.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// What its code is kept under.
    number: i64,
    declared: Declared,
    /// It ran before, and took no longer than [`QUICK`].
    is_quick: bool,
}

impl Scripts {
    /// Compiles a script, unless it is known, and says what it is called.
    ///
    /// # Errors
    /// It is none.
    pub fn load(&mut self, source: &[u8], running: &Arc<Running>) -> Result<Digest, Failure> {
        let digest = Digest::of(source);
        if self.known.contains_key(&digest) {
            return Ok(digest);
        }
        let (declared, code) = shebang::parse(source).map_err(|text| Failure::new(text.into_bytes()))?;
        if self.engine.is_none() {
            self.engine =
                Some(Engine::new(Arc::clone(running), Arc::clone(self.random.get_or_insert_default()))?);
        }
        let Some(engine) = &self.engine else { return Err(Failure::new(b"ERR no Lua".to_vec())) };
        // None is forgotten but with all others.
        let number = self.known.len() as i64;
        engine.compile(number, &code).map_err(|error| {
            let text = format!("ERR Error compiling script (new function): {}", errors::text_of(&error));
            Failure::new(text.into_bytes())
        })?;
        self.memory += source.len();
        self.known.insert(digest, Known { number, declared, is_quick: false });
        Ok(digest)
    }

    /// Whether a script is known.
    #[must_use]
    pub fn knows(&self, digest: &Digest) -> bool {
        self.known.contains_key(digest)
    }

    /// Whether a script that is known may write: it does not say that it only reads.
    #[must_use]
    pub fn may_write(&self, digest: &Digest) -> bool {
        self.known.get(digest).is_some_and(|known| !known.declared.no_writes)
    }

    /// Whether a script that is known says what it does, and not that it may run when there is no more memory.
    #[must_use]
    pub fn needs_memory(&self, digest: &Digest) -> bool {
        self.known.get(digest).is_some_and(|known| known.declared.needs_memory())
    }

    /// Whether a script is known not to take long: it ran, and did not.
    #[must_use]
    pub fn is_quick(&self, digest: &Digest) -> bool {
        self.known.get(digest).is_some_and(|known| known.is_quick)
    }

    /// Forgets all of them, and everything that Lua has.
    pub fn flush(&mut self) {
        *self = Self { random: self.random.take(), ..Self::default() };
    }

    /// Scripts that are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// None is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Bytes that scripts take, and those of Lua.
    #[must_use]
    pub fn memory(&self) -> (usize, usize) {
        (self.memory, self.engine.as_ref().map_or(0, Engine::memory))
    }

    /// Runs a script that is known, and writes what it returns.
    ///
    /// # Errors
    /// The reply if it fails.
    pub fn run(
        &mut self,
        digest: &Digest,
        call: &Call<'_>,
        stage: Stage<'_>,
        out: &mut Encoder<'_>,
    ) -> Result<(), Failure> {
        let (Some(engine), Some(known)) = (&self.engine, self.known.get_mut(digest)) else {
            return Err(Failure::new(b"NOSCRIPT No matching script. Please use EVAL.".to_vec()));
        };
        let begun = Instant::now();
        let read_only = call.read_only || known.declared.no_writes;
        if call.read_only && known.declared.is_declared && !known.declared.no_writes {
            return Err(Failure::new(WRITES.to_vec()));
        }
        if known.declared.is_declared
            && !known.declared.no_writes
            && let Some(reason) = stage.node.refuses_writes()
        {
            return Err(Failure::new(reason));
        }
        if stage.store.out_of_memory && known.declared.needs_memory() {
            return Err(Failure::new(NO_ROOM.to_vec()));
        }
        let rights = Rights { read_only, allow_oom: known.declared.allow_oom };
        let what = What::Script { digest: *digest, number: known.number };
        let ended = engine.run(&what, call, rights, stage, out);
        known.is_quick = begun.elapsed() <= QUICK;
        ended
    }
}
