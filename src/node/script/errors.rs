//! Errors in Lua: what scripts may catch, what they and their callers see of them.

use std::fmt;

use mlua::{Lua, Value as LuaValue};

use super::{Failure, convert};

/// An error that a script may catch: a reply, code first.
#[derive(Clone, Debug)]
struct Raised {
    text: Vec<u8>,
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text))
    }
}

impl std::error::Error for Raised {}

pub(super) fn raise(text: impl Into<Vec<u8>>) -> mlua::Error {
    mlua::Error::external(Raised { text: text.into() })
}

/// The end of a script that somebody wants to end.
pub(super) fn killed() -> mlua::Error {
    raise("ERR Script killed by user with SCRIPT KILL.")
}

/// The text of an error without what was found on the stack.
pub(super) fn text_of(error: &mlua::Error) -> String {
    match error {
        mlua::Error::CallbackError { cause, .. } => text_of(cause),
        mlua::Error::ExternalError(error) => error.to_string(),
        mlua::Error::RuntimeError(text) | mlua::Error::SyntaxError { message: text, .. } => text.clone(),
        mlua::Error::MemoryError(_) => "not enough memory".to_owned(),
        mlua::Error::BadArgument { cause, .. } => text_of(cause),
        other => other.to_string(),
    }
}

/// The reply in an error of ours.
fn reply_in(error: &mlua::Error) -> Option<&[u8]> {
    match error {
        mlua::Error::CallbackError { cause, .. } => reply_in(cause),
        mlua::Error::ExternalError(error) => {
            error.downcast_ref::<Raised>().map(|raised| raised.text.as_slice())
        }
        _ => None,
    }
}

/// What `pcall` gives for an error: the text of ours and of tables with one, anything else as it is.
pub(super) fn caught(lua: &Lua, error: LuaValue) -> mlua::Result<LuaValue> {
    Ok(match error {
        LuaValue::Error(error) => match reply_in(&error) {
            Some(reply) => LuaValue::String(lua.create_string(reply)?),
            None => LuaValue::String(lua.create_string(text_of(&error))?),
        },
        LuaValue::Table(table) => match table.raw_get("err")? {
            text @ LuaValue::String(_) => text,
            _ => LuaValue::Table(table),
        },
        other => other,
    })
}

/// So many functions of ours may lie between an error and the script.
const LEVELS: usize = 8;

/// An error of a library, as Lua's own functions raise them: with the place of the call in front.
pub(super) fn positioned(lua: &Lua, text: impl fmt::Display) -> mlua::Error {
    let place = lua.inspect_stack(1, |debug| {
        let source = debug.source();
        let line = debug.current_line()?;
        source.short_src.map(|name| format!("{name}:{line}: "))
    });
    mlua::Error::runtime(format!("{}{text}", place.flatten().unwrap_or_default()))
}

/// An error as a handler of a script's own gets it.
pub(super) fn shown(lua: &Lua, error: LuaValue) -> mlua::Result<LuaValue> {
    match error {
        LuaValue::Error(error) => match reply_in(&error) {
            Some(reply) => convert::error_table(lua, reply),
            None => Ok(LuaValue::String(lua.create_string(text_of(&error))?)),
        },
        other => Ok(other),
    }
}

/// Makes a table of an error, with the place where it came up.
pub(super) fn handle(lua: &Lua, error: LuaValue) -> mlua::Result<LuaValue> {
    let table = match error {
        LuaValue::Table(table) => table,
        other => {
            let text = match &other {
                LuaValue::Error(error) => match reply_in(error) {
                    Some(reply) => reply.to_vec(),
                    None => format!("ERR {}", text_of(error)).into_bytes(),
                },
                LuaValue::String(text) => [b"ERR ", &*text.as_bytes()].concat(),
                other => format!("ERR {}", other.to_string()?).into_bytes(),
            };
            let table = lua.create_table()?;
            table.raw_set("err", lua.create_string(text)?)?;
            table
        }
    };
    // Level 0 is this, 1 what failed: perhaps a function of ours, with the script below it.
    let place = (1..LEVELS).find_map(|level| {
        lua.inspect_stack(level, |debug| {
            let source = debug.source();
            let of_script = source.what != "C" && source.source.as_deref() != Some("=prelude");
            of_script.then(|| (source.source.map(std::borrow::Cow::into_owned), debug.current_line()))
        })
        .flatten()
    });
    if let Some((Some(source), Some(line))) = place {
        table.raw_set("source", source)?;
        table.raw_set("line", line)?;
    }
    Ok(LuaValue::Table(table))
}

/// The reply to a script that failed with this table.
pub(super) fn failure(error: &LuaValue, name: &str) -> Failure {
    let field = |name: &str| match error {
        LuaValue::Table(table) => match table.raw_get(name) {
            Ok(LuaValue::String(text)) => Some(text.as_bytes().to_vec()),
            Ok(LuaValue::Integer(number)) => Some(number.to_string().into_bytes()),
            _ => None,
        },
        _ => None,
    };
    let mut text = error_text(error);
    if let (Some(source), Some(line)) = (field("source"), field("line")) {
        for part in [b" script: ", name.as_bytes(), b", on ", &source, b":", &line, b"."] {
            text.extend_from_slice(part);
        }
    }
    one_line(&mut text);
    Failure { text, is_counted: is_counted(error) }
}

/// What marks the error of a command, which has been counted.
pub(super) const COUNTED: &str = "ignore_error_stats_update";

fn is_counted(error: &LuaValue) -> bool {
    match error {
        LuaValue::Table(table) => matches!(table.raw_get(COUNTED), Ok(LuaValue::Boolean(true))),
        _ => false,
    }
}

/// The error of a command that a script returns.
pub(super) fn counted(returned: &LuaValue) -> Option<Failure> {
    is_counted(returned).then(|| {
        let text = error_text(returned);
        let text = text.strip_prefix(b"-").map_or_else(|| text.clone(), <[u8]>::to_vec);
        Failure { text, is_counted: true }
    })
}

/// The text of an error that a handler made a table of.
pub(super) fn error_text(error: &LuaValue) -> Vec<u8> {
    let field = match error {
        LuaValue::Table(table) => match table.raw_get("err") {
            Ok(LuaValue::String(text)) => Some(text.as_bytes().to_vec()),
            _ => None,
        },
        _ => None,
    };
    let mut text = field.unwrap_or_else(|| match error {
        // There was no memory left for a table.
        LuaValue::Error(error) => format!("ERR {}", text_of(error)).into_bytes(),
        LuaValue::String(text) => [b"ERR ", &*text.as_bytes()].concat(),
        _ => b"ERR not enough memory".to_vec(),
    });
    one_line(&mut text);
    text
}

fn one_line(text: &mut [u8]) {
    for byte in text {
        if matches!(byte, b'\r' | b'\n') {
            *byte = b' ';
        }
    }
}
