//! Lua, with the world of scripts in it.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use mlua::{
    Function, HookTriggers, Lua, LuaOptions, MultiValue, StdLib, Table, Value as LuaValue, VmState,
    chunk::ChunkMode,
};

use super::{
    Running, What, api, bits, convert, errors, json,
    library::{self, Loading},
    msgpack,
    random::{self, Random},
    structs,
};
use crate::{
    node::exec::Stage,
    protocol::{Encoder, Request, number},
};

/// How often a script is asked whether it has been killed, in instructions.
const INSTRUCTIONS: u32 = 10_000;
/// Bytes that all scripts may have; one that wants more fails, and nothing else does. Limited is Lua's code, not what we give it.
pub(super) const MEMORY_MAX: usize = 1 << 30;
/// Runs between steps of the garbage collector.
const RUNS_PER_STEP: u64 = 50;
/// What Lua says that may have no more.
const NO_MEMORY: &[u8] = b"not enough memory";

/// Why a script did not come to its end: the reply, code first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The reply.
    pub text: Vec<u8>,
    /// It is that of a command, which has been counted.
    pub is_counted: bool,
}

impl Failure {
    pub(super) fn new(text: impl Into<Vec<u8>>) -> Self {
        Self { text: text.into(), is_counted: false }
    }
}

impl From<mlua::Error> for Failure {
    /// What nobody foresaw.
    fn from(error: mlua::Error) -> Self {
        Self::new(format!("ERR {}", errors::text_of(&error)))
    }
}

/// What a script is given.
#[derive(Debug)]
pub struct Call<'a> {
    /// Names of keys.
    pub keys: &'a [&'a [u8]],
    /// Everything else.
    pub arguments: &'a [&'a [u8]],
    /// It may not write, whatever it says of itself.
    pub read_only: bool,
    /// The whole request, to be shown while it runs.
    pub request: Request<'a>,
}

/// What a script may do.
#[derive(Clone, Copy, Debug)]
pub struct Rights {
    /// Nothing that writes.
    pub read_only: bool,
    /// Also what needs memory when there is none.
    pub allow_oom: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Engine {
    lua: Lua,
    /// What scripts find, `KEYS` and `ARGV` included.
    world: Table,
    /// What scripts and functions are compiled to, by their numbers: in Lua, which keeps any number of them.
    /// Handles of ours are few.
    compiled: Table,
    run: Function,
    call: Function,
    load: Function,
    running: Arc<Running>,
    runs: AtomicU64,
}

impl Engine {
    pub(super) fn new(running: Arc<Running>, random: Arc<Mutex<Random>>) -> mlua::Result<Self> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH;
        let lua = Lua::new_with(libraries, LuaOptions::new().catch_rust_panics(false))?;
        let (globals, api, loading) = (lua.create_table()?, lua.create_table()?, lua.create_table()?);
        api::install(&lua, &api)?;
        library::install(&lua, &loading)?;
        api::install_log(&lua, &loading)?;
        globals.raw_set("cjson", json::library(&lua)?)?;
        globals.raw_set("cmsgpack", msgpack::library(&lua)?)?;
        globals.raw_set("struct", structs::library(&lua)?)?;
        globals.raw_set("bit", bits::library(&lua)?)?;
        let (drawn, seeded) = (Arc::clone(&random), random);
        let draw = lua.create_function(move |lua, bounds: MultiValue| {
            let drawn = drawn.lock().unwrap_or_else(PoisonError::into_inner).next();
            random::within(lua, drawn, &bounds)
        })?;
        let seed = lua.create_function(move |_, seed: f64| {
            *seeded.lock().unwrap_or_else(PoisonError::into_inner) = Random::seeded(number::whole(seed));
            Ok(())
        })?;
        let raised = lua.create_function(|lua, error: LuaValue| errors::caught(lua, error))?;
        let shown = lua.create_function(|lua, error: LuaValue| errors::shown(lua, error))?;
        let handler = lua.create_function(|lua, error: LuaValue| errors::handle(lua, error))?;
        let compiled = lua.create_table()?;
        let prelude = lua.load(include_str!("prelude.lua")).set_name("=prelude");
        let given = (globals, api, loading, compiled.clone(), handler, raised, shown, draw, seed);
        let (world, run, call, load) = prelude.call(given)?;
        let engine = Self { lua, world, compiled, run, call, load, running, runs: AtomicU64::new(0) };
        engine.listen()?;
        Ok(engine)
    }

    /// Scripts are asked now and then whether they have been killed, and libraries how long they have been loading.
    fn listen(&self) -> mlua::Result<()> {
        let running = Arc::clone(&self.running);
        let triggers = HookTriggers::new().every_nth_instruction(INSTRUCTIONS);
        self.lua.set_global_hook(triggers, move |lua, _| {
            if running.is_killed() {
                // Whoever catches that is asked again at once.
                lua.set_hook(HookTriggers::EVERY_LINE, |_, _| Err(errors::killed()))?;
                return Err(errors::killed());
            }
            library::check_time()?;
            Ok(VmState::Continue)
        })
    }

    /// Bytes that Lua has.
    pub(super) fn memory(&self) -> usize {
        self.lua.used_memory()
    }

    fn function(&self, name: &str, code: &[u8]) -> mlua::Result<Function> {
        let chunk = self.lua.load(code).set_name(name).set_mode(ChunkMode::Text);
        chunk.set_environment(self.world.clone()).into_function()
    }

    /// Keeps a script under a number: what Lua is given for each run, a string would have to be made.
    pub(super) fn compile(&self, number: i64, code: &[u8]) -> mlua::Result<()> {
        self.compiled.raw_set(number, self.function("@user_script", code)?)
    }

    /// Runs the code of a library, which tells its functions; each is kept under a number, from `first` on.
    pub(super) fn load(&self, code: &[u8], first: i64) -> Result<Loading, Failure> {
        let function = self.function("@user_function", code).map_err(|error| {
            Failure::new(format!("ERR Error compiling function: {}", errors::text_of(&error)).into_bytes())
        })?;
        let (loaded, loading) = library::during(first, || {
            self.lua.set_memory_limit(MEMORY_MAX)?;
            let loaded = self.load.call(function);
            self.lua.set_memory_limit(0)?;
            loaded
        });
        let (ok, value): (bool, LuaValue) = loaded?;
        if !ok {
            self.forget(first..loading.next())?;
            let mut text = b"ERR Error registering functions: ".to_vec();
            text.extend_from_slice(&errors::error_text(&value));
            return Err(Failure::new(text));
        }
        Ok(loading)
    }

    /// Functions that nobody calls any more.
    pub(super) fn forget(&self, numbers: impl IntoIterator<Item = i64>) -> mlua::Result<()> {
        numbers.into_iter().try_for_each(|number| self.compiled.raw_set(number, mlua::Nil))
    }

    fn names(&self, words: &[&[u8]]) -> mlua::Result<Table> {
        let table = self.lua.create_table_with_capacity(words.len(), 0)?;
        for (index, word) in (1..).zip(words) {
            table.raw_set(index, self.lua.create_string(word)?)?;
        }
        Ok(table)
    }

    /// Runs what is kept, and writes what it returns.
    pub(super) fn run(
        &self,
        what: &What,
        call: &Call<'_>,
        rights: Rights,
        stage: Stage<'_>,
        out: &mut Encoder<'_>,
    ) -> Result<(), Failure> {
        let running = &*self.running;
        let (keys, arguments) = (self.names(call.keys)?, self.names(call.arguments)?);
        let session = api::Session::new(stage, rights, call.keys, running);
        running.begin(what, || call.request.args_from(0).map(<[u8]>::to_vec).collect());
        let ended = session.during(|| {
            self.lua.set_memory_limit(MEMORY_MAX)?;
            let returned = match what {
                What::Script { number, .. } => self.run.call((*number, keys, arguments)),
                What::Function { number, .. } => self.call.call((*number, keys, arguments)),
            };
            self.lua.set_memory_limit(0)?;
            let (ok, value): (bool, LuaValue) = returned?;
            if ok {
                if let Some(failure) = errors::counted(&value) {
                    return Ok(Some(failure));
                }
                return convert::reply(&value, session.version(), 0, out).map(|()| None);
            }
            Ok::<_, mlua::Error>(Some(errors::failure(&value, what.name())))
        });
        if running.is_killed() {
            self.lua.remove_hook();
            self.listen()?;
        }
        running.end();
        session.end();
        // What scripts leave behind goes a little at a time, rather than when there is twice as much as is needed.
        let runs = self.runs.fetch_add(1, Relaxed);
        if runs.is_multiple_of(RUNS_PER_STEP) {
            self.lua.gc_step()?;
        }
        let failure = match ended {
            Ok(None) => return Ok(()),
            Ok(Some(failure)) => failure,
            Err(error) => error.into(),
        };
        if failure.text.windows(NO_MEMORY.len()).any(|part| part == NO_MEMORY) {
            // The next script is to find what this one had.
            self.lua.gc_collect()?;
        }
        Err(failure)
    }
}
