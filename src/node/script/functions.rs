//! Functions, which come in libraries and are kept like data: by `FUNCTION`, for `FCALL`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Instant,
};

use super::{
    Call, Failure, NO_ROOM, QUICK, Rights, Running, WRITES, What,
    engine::Engine,
    library::{self, Registered},
    random::Random,
};
use crate::{
    node::{exec::Stage, rdb},
    protocol::Encoder,
};

/// What to do with libraries that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// They stay, and nothing of their name may come.
    Append,
    /// Those of the same name go.
    Replace,
    /// All go.
    Flush,
}

/// One library.
#[derive(Debug)]
struct Library {
    source: Vec<u8>,
    functions: Vec<Registered>,
}

/// Where a function is found: callers do not care for the case of its name.
#[derive(Clone, Debug)]
struct Place {
    library: Vec<u8>,
    index: usize,
    /// It was called before, and took no longer than [`QUICK`].
    is_quick: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Functions {
    /// Made for the first library: most nodes have none.
    engine: Option<Engine>,
    libraries: BTreeMap<Vec<u8>, Library>,
    places: BTreeMap<Vec<u8>, Place>,
    /// No number is used twice.
    next: i64,
    random: Arc<Mutex<Random>>,
}

fn failed(text: impl std::fmt::Display) -> Failure {
    Failure::new(format!("ERR {text}").into_bytes())
}

fn failed_with(text: &[u8]) -> Failure {
    Failure::new([b"ERR ", text].concat())
}

fn shown(name: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(name)
}

impl Functions {
    /// Loads a library, and says what it is called.
    ///
    /// # Errors
    /// It is none, or it is there already, or one of its functions; then nothing has changed.
    pub fn load(&mut self, source: &[u8], replace: bool, running: &Arc<Running>) -> Result<Vec<u8>, Failure> {
        let policy = if replace { Policy::Replace } else { Policy::Append };
        let (name, _) = library::parse(source).map_err(|text| failed_with(&text))?;
        if !replace && self.libraries.contains_key(&name) {
            return Err(failed(format_args!("Library '{}' already exists", shown(&name))));
        }
        let library = self.compile(source, running)?;
        self.join(BTreeMap::from([(name.clone(), library)]), policy)?;
        Ok(name)
    }

    fn compile(&mut self, source: &[u8], running: &Arc<Running>) -> Result<Library, Failure> {
        let (_, code) = library::parse(source).map_err(|text| failed_with(&text))?;
        if self.engine.is_none() {
            self.engine = Some(Engine::new(Arc::clone(running), Arc::clone(&self.random))?);
        }
        let Some(engine) = &self.engine else { return Err(failed("no Lua")) };
        let loading = engine.load(code, self.next)?;
        self.next = loading.next();
        let functions = loading.into_functions();
        if functions.is_empty() {
            return Err(failed("No functions registered"));
        }
        Ok(Library { source: source.to_vec(), functions })
    }

    /// Takes libraries in: all of them, or none.
    fn join(&mut self, libraries: BTreeMap<Vec<u8>, Library>, policy: Policy) -> Result<(), Failure> {
        let taken = libraries.keys().find(|name| self.libraries.contains_key(*name));
        let refused = match taken {
            Some(name) if policy == Policy::Append => {
                Some(failed(format_args!("Library {} already exists", shown(name))))
            }
            _ if policy == Policy::Flush => None,
            _ => {
                let mut functions = libraries.values().flat_map(|library| &library.functions);
                let taken = functions.find(|function| {
                    let place = self.places.get(&function.name.to_ascii_lowercase());
                    place.is_some_and(|place| !libraries.contains_key(&place.library))
                });
                taken
                    .map(|function| failed(format_args!("Function {} already exists", shown(&function.name))))
            }
        };
        if let Some(refused) = refused {
            self.forget_code(libraries.values())?;
            return Err(refused);
        }
        if policy == Policy::Flush {
            let all: Vec<Vec<u8>> = self.libraries.keys().cloned().collect();
            all.iter().try_for_each(|name| self.remove(name).map(|_| ()))?;
        }
        for (name, library) in libraries {
            self.remove(&name)?;
            for (index, function) in library.functions.iter().enumerate() {
                let place = Place { library: name.clone(), index, is_quick: false };
                self.places.insert(function.name.to_ascii_lowercase(), place);
            }
            self.libraries.insert(name, library);
        }
        Ok(())
    }

    fn forget_code<'l>(&self, libraries: impl Iterator<Item = &'l Library>) -> Result<(), Failure> {
        let numbers = libraries.flat_map(|library| library.functions.iter().map(|function| function.number));
        match &self.engine {
            Some(engine) => Ok(engine.forget(numbers)?),
            None => Ok(()),
        }
    }

    fn remove(&mut self, name: &[u8]) -> Result<bool, Failure> {
        let Some(library) = self.libraries.remove(name) else { return Ok(false) };
        self.forget_code(std::iter::once(&library))?;
        self.places.retain(|_, place| place.library != name);
        Ok(true)
    }

    /// Deletes a library.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn delete(&mut self, name: &[u8]) -> Result<(), Failure> {
        if self.remove(name)? { Ok(()) } else { Err(failed("Library not found")) }
    }

    /// Deletes all, and everything that Lua has.
    pub fn flush(&mut self) {
        *self = Self { random: Arc::clone(&self.random), next: self.next, ..Self::default() };
    }

    /// Libraries and functions.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        (self.libraries.len(), self.places.len())
    }

    /// Bytes that libraries take, and those of Lua.
    #[must_use]
    pub fn memory(&self) -> (usize, usize) {
        let sources = self.libraries.values().map(|library| library.source.len()).sum();
        (sources, self.engine.as_ref().map_or(0, Engine::memory))
    }

    /// `FUNCTION LIST`: the libraries whose name is meant.
    pub fn list(&self, is_meant: impl Fn(&[u8]) -> bool, with_code: bool, out: &mut Encoder<'_>) {
        let meant = || self.libraries.iter().filter(|(name, _)| is_meant(name));
        out.array(meant().count());
        for (name, library) in meant() {
            out.map(if with_code { 4 } else { 3 });
            out.bulk("library_name");
            out.bulk(name);
            out.bulk("engine");
            out.bulk("LUA");
            out.bulk("functions");
            out.array(library.functions.len());
            for function in &library.functions {
                out.map(3);
                out.bulk("name");
                out.bulk(&function.name);
                out.bulk("description");
                match &function.description {
                    Some(description) => out.bulk(description),
                    None => out.null(),
                }
                out.bulk("flags");
                out.set(function.flags.len());
                function.flags.iter().for_each(|flag| out.simple(flag));
            }
            if with_code {
                out.bulk("library_code");
                out.bulk(&library.source);
            }
        }
    }

    /// The sources of all libraries.
    pub fn sources(&self) -> impl Iterator<Item = &[u8]> {
        self.libraries.values().map(|library| library.source.as_slice())
    }

    /// `FUNCTION DUMP`.
    #[must_use]
    pub fn dump(&self) -> Vec<u8> {
        rdb::dump_functions(self.sources())
    }

    /// `FUNCTION RESTORE`: all of the libraries in a payload, or none.
    ///
    /// # Errors
    /// What is wrong with the payload, or with one of them.
    pub fn restore(&mut self, payload: &[u8], policy: Policy, running: &Arc<Running>) -> Result<(), Failure> {
        let mut libraries: BTreeMap<Vec<u8>, Library> = BTreeMap::new();
        let read =
            rdb::restore_functions(payload).map_err(|error| Failure::new(error.to_string().into_bytes()))?;
        let loaded = read.iter().try_for_each(|source| {
            let (name, _) = library::parse(source).map_err(|text| failed_with(&text))?;
            if libraries.contains_key(&name) {
                return Err(failed(format_args!("Library '{}' already exists", shown(&name))));
            }
            let library = self.compile(source, running)?;
            let mut functions = libraries.values().flat_map(|library| &library.functions);
            let twice = functions.find(|known| {
                library.functions.iter().any(|function| function.name.eq_ignore_ascii_case(&known.name))
            });
            if let Some(twice) = twice {
                let text = failed(format_args!("Function {} already exists", shown(&twice.name)));
                self.forget_code(std::iter::once(&library))?;
                return Err(text);
            }
            libraries.insert(name, library);
            Ok(())
        });
        if let Err(failure) = loaded {
            self.forget_code(libraries.values())?;
            return Err(failure);
        }
        self.join(libraries, policy)
    }

    fn find(&self, name: &[u8]) -> Option<(&Place, &Registered)> {
        let place = self.places.get(&name.to_ascii_lowercase())?;
        Some((place, self.libraries.get(&place.library)?.functions.get(place.index)?))
    }

    /// Whether there is such a function.
    #[must_use]
    pub fn knows(&self, name: &[u8]) -> bool {
        self.find(name).is_some()
    }

    /// Whether a function is known not to take long: it was called, and did not.
    #[must_use]
    pub fn is_quick(&self, name: &[u8]) -> bool {
        self.find(name).is_some_and(|(place, _)| place.is_quick)
    }

    /// Whether a function says that it writes nothing.
    #[must_use]
    pub fn reads_only(&self, name: &[u8]) -> bool {
        self.find(name).is_some_and(|(_, function)| function.has("no-writes"))
    }

    /// Whether a function may not run when there is no more memory.
    #[must_use]
    pub fn needs_memory(&self, name: &[u8]) -> bool {
        self.find(name).is_some_and(|(_, function)| !(function.has("allow-oom") || function.has("no-writes")))
    }

    /// Calls a function, and writes what it returns.
    ///
    /// # Errors
    /// The reply if it fails, or if there is none of that name.
    pub fn call(
        &mut self,
        name: &[u8],
        call: &Call<'_>,
        stage: Stage<'_>,
        out: &mut Encoder<'_>,
    ) -> Result<(), Failure> {
        let (Some(engine), Some((_, function))) = (&self.engine, self.find(name)) else {
            return Err(failed("Function not found"));
        };
        let no_writes = function.has("no-writes");
        if call.read_only && !no_writes {
            return Err(Failure::new(WRITES.to_vec()));
        }
        if !no_writes && let Some(reason) = stage.node.refuses_writes() {
            return Err(Failure::new(reason));
        }
        let allow_oom = function.has("allow-oom");
        if stage.store.out_of_memory && !(allow_oom || no_writes) {
            return Err(Failure::new(NO_ROOM.to_vec()));
        }
        let (name_shown, counts) = (shown(&function.name).into_owned(), self.count());
        let what = What::Function { name: name_shown, number: function.number, counts };
        let begun = Instant::now();
        let ended = engine.run(&what, call, Rights { read_only: no_writes, allow_oom }, stage, out);
        let is_quick = begun.elapsed() <= QUICK;
        if let Some(place) = self.places.get_mut(&name.to_ascii_lowercase()) {
            place.is_quick = is_quick;
        }
        ended
    }
}
