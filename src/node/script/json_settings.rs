//! What scripts can set about `cjson`; it holds for all of them, as in Redis.

use std::sync::{Arc, Mutex, PoisonError};

use mlua::{Lua, MultiValue, Table, Value as LuaValue};

use super::{convert, errors};
use crate::protocol::number;

/// Numbers that JSON does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Invalid {
    /// An error.
    Off,
    /// As C prints them.
    On,
    /// `null`.
    Null,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Tables in tables.
    pub(super) encode_depth: usize,
    /// Values in values.
    pub(super) decode_depth: usize,
    /// Significant digits of numbers.
    pub(super) precision: usize,
    /// Nothing here: there is no buffer to keep.
    keep_buffer: bool,
    pub(super) encode_invalid: Invalid,
    decode_invalid: bool,
    /// An array with too many holes becomes an object.
    pub(super) sparse_convert: bool,
    /// An array may have holes: not if it has more of them than this says, unless it is short.
    pub(super) sparse_ratio: usize,
    /// What is short; a ratio of 0 allows everything.
    pub(super) sparse_safe: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            encode_depth: 1000,
            decode_depth: 1000,
            precision: 14,
            keep_buffer: true,
            encode_invalid: Invalid::Off,
            decode_invalid: true,
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
        }
    }
}

/// The settings of one state of Lua.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared(Arc<Mutex<Settings>>);

impl Shared {
    pub(super) fn get(&self) -> Settings {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<R>(&self, change: impl FnOnce(&mut Settings) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn bad(lua: &Lua, name: &str, text: impl std::fmt::Display) -> mlua::Error {
    errors::positioned(lua, format!("bad argument #1 to '{name}' ({text})"))
}

/// An integer in an argument, if there is one.
fn integer(
    lua: &Lua,
    name: &str,
    value: Option<&LuaValue>,
    min: usize,
    max: usize,
    setting: &mut usize,
) -> mlua::Result<()> {
    match value {
        None | Some(LuaValue::Nil) => Ok(()),
        Some(value) => {
            let given = convert::number(value).ok_or_else(|| bad(lua, name, "number expected"))?;
            if given < min as f64 || given > max as f64 {
                return Err(bad(lua, name, format_args!("expected integer between {min} and {max}")));
            }
            *setting = usize::try_from(number::whole(given)).unwrap_or(max);
            Ok(())
        }
    }
}

/// A truth value in an argument, or `on` or `off`; another word of those given is its place among them.
fn choice(lua: &Lua, name: &str, value: Option<&LuaValue>, words: &[&str]) -> mlua::Result<Option<usize>> {
    match value {
        None | Some(LuaValue::Nil) => Ok(None),
        Some(LuaValue::Boolean(value)) => Ok(Some(usize::from(*value))),
        Some(LuaValue::String(word)) => {
            let at = words.iter().position(|known| known.as_bytes() == &*word.as_bytes());
            at.map(Some)
                .ok_or_else(|| bad(lua, name, format_args!("invalid option '{}'", word.to_string_lossy())))
        }
        Some(_) => Err(bad(lua, name, "string expected")),
    }
}

const SWITCH: &[&str] = &["off", "on"];
const INT_MAX: usize = i32::MAX as usize;

/// A setting that is a number, and the bounds of it.
type Number = (&'static str, usize, usize, fn(&mut Settings) -> &mut usize);

/// A setting that is on or off.
type Switch = (&'static str, fn(&mut Settings) -> &mut bool);

/// Adds what sets them.
pub(super) fn install(lua: &Lua, library: &Table, shared: &Shared) -> mlua::Result<()> {
    let numbers: [Number; 3] = [
        ("encode_max_depth", 1, INT_MAX, |settings| &mut settings.encode_depth),
        ("decode_max_depth", 1, INT_MAX, |settings| &mut settings.decode_depth),
        ("encode_number_precision", 1, 14, |settings| &mut settings.precision),
    ];
    for (name, min, max, setting) in numbers {
        let shared = shared.clone();
        let set = move |lua: &Lua, words: MultiValue| {
            shared.change(|settings| {
                let setting = setting(settings);
                integer(lua, name, words.front(), min, max, setting)?;
                Ok(*setting as f64)
            })
        };
        library.raw_set(name, lua.create_function(set)?)?;
    }
    let switches: [Switch; 2] = [
        ("encode_keep_buffer", |settings| &mut settings.keep_buffer),
        ("decode_invalid_numbers", |settings| &mut settings.decode_invalid),
    ];
    for (name, setting) in switches {
        let shared = shared.clone();
        let set = move |lua: &Lua, words: MultiValue| {
            let chosen = choice(lua, name, words.front(), SWITCH)?;
            Ok(shared.change(|settings| {
                let setting = setting(settings);
                *setting = chosen.map_or(*setting, |chosen| chosen == 1);
                *setting
            }))
        };
        library.raw_set(name, lua.create_function(set)?)?;
    }
    let invalid = shared.clone();
    let set = move |lua: &Lua, words: MultiValue| {
        let chosen = choice(lua, "encode_invalid_numbers", words.front(), &["off", "on", "null"])?;
        let chosen = invalid.change(|settings| {
            match chosen {
                Some(0) => settings.encode_invalid = Invalid::Off,
                Some(1) => settings.encode_invalid = Invalid::On,
                Some(_) => settings.encode_invalid = Invalid::Null,
                None => {}
            }
            settings.encode_invalid
        });
        Ok(match chosen {
            Invalid::Null => LuaValue::String(lua.create_string("null")?),
            chosen => LuaValue::Boolean(chosen == Invalid::On),
        })
    };
    library.raw_set("encode_invalid_numbers", lua.create_function(set)?)?;
    let sparse = shared.clone();
    let set = move |lua: &Lua, words: MultiValue| {
        const NAME: &str = "encode_sparse_array";
        let chosen = choice(lua, NAME, words.front(), SWITCH)?;
        sparse.change(|settings| {
            settings.sparse_convert = chosen.map_or(settings.sparse_convert, |chosen| chosen == 1);
            integer(lua, NAME, words.get(1), 0, INT_MAX, &mut settings.sparse_ratio)?;
            integer(lua, NAME, words.get(2), 0, INT_MAX, &mut settings.sparse_safe)?;
            Ok((settings.sparse_convert, settings.sparse_ratio as f64, settings.sparse_safe as f64))
        })
    };
    library.raw_set("encode_sparse_array", lua.create_function(set)?)
}
