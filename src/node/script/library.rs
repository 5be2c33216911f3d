//! Libraries of functions: their first line, and what their code says of the functions while it is loaded.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use mlua::{Function, Lua, MultiValue, Table, Value as LuaValue};

use super::{convert, errors};
use crate::{command::shebang::FLAGS, protocol::quote};

/// A library that takes longer to load is none.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a name may be.
const NAMES: &str = "Library names can only contain letters, numbers, or underscores(_) and must be at least one \
                     character long";

/// A function as its library registered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Registered {
    /// What callers call it.
    pub(super) name: Vec<u8>,
    /// What its code is kept under.
    pub(super) number: i64,
    /// For people.
    pub(super) description: Option<Vec<u8>>,
    /// Which of [`FLAGS`].
    pub(super) flags: Vec<&'static str>,
}

impl Registered {
    pub(super) fn has(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }
}

/// Letters, digits and underscores.
pub(super) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The name in the first line of a library, and its code with an empty line in place of that.
///
/// # Errors
/// The text of Redis, without a code.
pub(super) fn parse(source: &[u8]) -> Result<(Vec<u8>, &[u8]), Vec<u8>> {
    if !source.starts_with(b"#!") {
        return Err(b"Missing library metadata".to_vec());
    }
    let invalid = || b"Invalid library metadata".to_vec();
    // As C looks for it: not behind a zero byte.
    let end = memchr::memchr2(b'\n', 0, source).filter(|&end| source[end] == b'\n').ok_or_else(invalid)?;
    let words = quote::split(&source[..end]).map_err(|_| invalid())?;
    let (engine, words) = words.split_first().ok_or_else(invalid)?;
    let mut name: Option<Vec<u8>> = None;
    for word in words {
        match word.split_at_checked(5) {
            Some((key, given)) if key.eq_ignore_ascii_case(b"name=") => {
                if name.replace(given.to_vec()).is_some() {
                    let text = b"Invalid metadata value, name argument was given multiple times";
                    return Err(text.to_vec());
                }
            }
            _ => return Err([b"Invalid metadata value given: ", word.as_slice()].concat()),
        }
    }
    let name = name.ok_or(b"Library name was not given")?;
    if !is_name(&name) {
        return Err(NAMES.as_bytes().to_vec());
    }
    let engine = engine.get(2..).unwrap_or_default();
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err([b"Engine '", engine, b"' not found"].concat());
    }
    Ok((name, &source[end..]))
}

/// What a library has said so far.
#[derive(Debug)]
pub(super) struct Loading {
    functions: Vec<Registered>,
    next: i64,
    begun: Instant,
}

impl Loading {
    /// The functions.
    pub(super) fn into_functions(self) -> Vec<Registered> {
        self.functions
    }

    /// The number after the last that was given away.
    pub(super) fn next(&self) -> i64 {
        self.next
    }

    fn add(&mut self, mut function: Registered) -> Result<i64, &'static str> {
        if !is_name(&function.name) {
            return Err(NAMES);
        }
        if self.functions.iter().any(|known| known.name.eq_ignore_ascii_case(&function.name)) {
            return Err("Function already exists in the library");
        }
        function.number = self.next;
        self.next += 1;
        self.functions.push(function);
        Ok(self.next - 1)
    }
}

scoped_tls_hkt::scoped_thread_local!(
    /// The library that is loaded on this thread.
    static LOADING: RefCell<Loading>
);

/// Runs what loads a library.
pub(super) fn during<R>(first: i64, load: impl FnOnce() -> R) -> (R, Loading) {
    let loading = RefCell::new(Loading { functions: Vec::new(), next: first, begun: Instant::now() });
    let result = LOADING.set(&loading, load);
    (result, loading.into_inner())
}

/// Nobody waits for a library that does not end.
pub(super) fn check_time() -> mlua::Result<()> {
    if LOADING.is_set() && LOADING.with(|loading| loading.borrow().begun.elapsed() > PATIENCE) {
        return Err(errors::raise("ERR FUNCTION LOAD timeout"));
    }
    Ok(())
}

/// `redis.register_function`, which gives the prelude the number and the function to keep.
pub(super) fn install(lua: &Lua, loading: &Table) -> mlua::Result<()> {
    let register = lua.create_function(|_, words: MultiValue| {
        let refused = |text: &str| errors::raise(format!("ERR {text}"));
        if !LOADING.is_set() {
            return Err(refused("redis.register_function can only be called on FUNCTION LOAD command"));
        }
        let (registered, function) = read(&words).map_err(refused)?;
        let number = LOADING.with(|loading| loading.borrow_mut().add(registered)).map_err(refused)?;
        Ok((number, function))
    })?;
    loading.raw_set("register_function", register)
}

/// A string, or a number as one.
fn text(value: &LuaValue) -> Option<Vec<u8>> {
    match value {
        LuaValue::String(text) => Some(text.as_bytes().to_vec()),
        other => {
            convert::number(other).map(|number| crate::protocol::number::format_double(number).into_bytes())
        }
    }
}

/// The function in the arguments, in either of their forms.
fn read(words: &MultiValue) -> Result<(Registered, Function), &'static str> {
    let words: Vec<&LuaValue> = words.iter().collect();
    match words.as_slice() {
        [LuaValue::Table(named)] => read_named(named),
        [_] => Err("calling redis.register_function with a single argument is only applicable to Lua table \
                    (representing named arguments)."),
        [name, function] => {
            let name = text(name).ok_or("first argument to redis.register_function must be a string")?;
            let LuaValue::Function(function) = function else {
                return Err("second argument to redis.register_function must be a function");
            };
            let registered = Registered { name, number: 0, description: None, flags: Vec::new() };
            Ok((registered, function.clone()))
        }
        _ => Err("wrong number of arguments to redis.register_function"),
    }
}

fn read_named(named: &Table) -> Result<(Registered, Function), &'static str> {
    let mut registered = Registered { name: Vec::new(), number: 0, description: None, flags: Vec::new() };
    let (mut name, mut callback) = (None, None);
    for pair in named.pairs::<LuaValue, LuaValue>() {
        let (key, value) = pair.map_err(|_| "the arguments cannot be read")?;
        let key = text(&key).ok_or("named argument key given to redis.register_function is not a string")?;
        match key.to_ascii_lowercase().as_slice() {
            b"function_name" => {
                let given = text(&value)
                    .ok_or("function_name argument given to redis.register_function must be a string")?;
                name = Some(given);
            }
            b"description" => {
                let given = text(&value)
                    .ok_or("description argument given to redis.register_function must be a string")?;
                registered.description = Some(given);
            }
            b"callback" => {
                let LuaValue::Function(given) = value else {
                    return Err("callback argument given to redis.register_function must be a function");
                };
                callback = Some(given);
            }
            b"flags" => {
                let LuaValue::Table(given) = value else {
                    return Err("flags argument to redis.register_function must be a table representing \
                                function flags");
                };
                registered.flags = read_flags(&given).ok_or("unknown flag given")?;
            }
            _ => return Err("unknown argument given to redis.register_function"),
        }
    }
    registered.name = name.ok_or("redis.register_function must get a function name argument")?;
    let callback = callback.ok_or("redis.register_function must get a callback argument")?;
    Ok((registered, callback))
}

/// Those that are named, in the order in which they are always shown.
fn read_flags(given: &Table) -> Option<Vec<&'static str>> {
    let mut named = [false; FLAGS.len()];
    for index in 1.. {
        match given.get::<LuaValue>(index).ok()? {
            LuaValue::Nil => break,
            word => {
                let word = text(&word)?;
                let at = FLAGS.iter().position(|flag| flag.as_bytes().eq_ignore_ascii_case(&word))?;
                named[at] = true;
            }
        }
    }
    Some(FLAGS.into_iter().zip(named).filter(|(_, named)| *named).map(|(flag, _)| flag).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines() {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let parsed = |line: &str| parse(line.as_bytes()).map(|(name, _)| text(name)).map_err(text);
        assert_eq!(parsed("#!lua name=a_1\nx"), Ok("a_1".to_owned()));
        assert_eq!(parsed("#!LUA NAME=\"b\"\n"), Ok("b".to_owned()));
        assert_eq!(parse(b"#!lua name=a\nreturn 1").unwrap().1, b"\nreturn 1", "lines keep their numbers");
        for (line, wanted) in [
            ("return 1", "Missing library metadata"),
            ("#!lua name=a", "Invalid library metadata"),
            ("#!lua name='a\n", "Invalid library metadata"),
            ("#!lua\n", "Library name was not given"),
            ("#!lua name=a name=b\n", "Invalid metadata value, name argument was given multiple times"),
            ("#!lua name=a foo=b\n", "Invalid metadata value given: foo=b"),
            ("#!lua name=a-b\n", NAMES),
            ("#!js name=a\n", "Engine 'js' not found"),
        ] {
            assert_eq!(parsed(line), Err(wanted.to_owned()), "{line}");
        }
    }
}
