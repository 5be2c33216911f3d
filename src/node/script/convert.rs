//! From Lua's values to replies, by Redis's rules. The way back is in [`raw`](super::raw).

use mlua::{Lua, Table, Value as LuaValue};

use super::errors;
use crate::protocol::{Encoder, Version, number};

/// The number that a value is.
pub(super) fn number(value: &LuaValue) -> Option<f64> {
    match value {
        LuaValue::Integer(number) => Some(*number as f64),
        LuaValue::Number(number) => Some(*number),
        _ => None,
    }
}

/// Tables inside tables that a reply may have.
const DEPTH_MAX: usize = 100;

/// What an error is to a script.
pub(super) fn error_table(lua: &Lua, text: &[u8]) -> mlua::Result<LuaValue> {
    let table = lua.create_table_with_capacity(0, 2)?;
    table.raw_set("err", lua.create_string(text)?)?;
    table.raw_set(errors::COUNTED, true)?;
    Ok(LuaValue::Table(table))
}

/// The string in a field, if there is one.
fn text(table: &Table, name: &str) -> mlua::Result<Option<Vec<u8>>> {
    Ok(match table.raw_get(name)? {
        LuaValue::String(text) => Some(text.as_bytes().to_vec()),
        _ => None,
    })
}

/// Line breaks would end a reply of one line.
fn one_line(text: &[u8]) -> Vec<u8> {
    text.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }).collect()
}

/// Writes what a script returned. `version` is what the script speaks.
///
/// # Errors
/// Of Lua, such as no memory.
pub(super) fn reply(
    value: &LuaValue,
    version: Version,
    depth: usize,
    out: &mut Encoder<'_>,
) -> mlua::Result<()> {
    match value {
        LuaValue::String(text) => out.bulk(&*text.as_bytes()),
        LuaValue::Integer(number) => out.integer(*number),
        LuaValue::Number(number) => out.integer(number::whole(*number)),
        LuaValue::Boolean(value) if version == Version::Resp3 => out.boolean(*value),
        LuaValue::Boolean(true) => out.integer(1),
        LuaValue::Boolean(false) => out.null(),
        LuaValue::Table(_) if depth >= DEPTH_MAX => out.error("ERR reached lua stack limit"),
        LuaValue::Table(table) => return reply_table(table, version, depth, out),
        _ => out.null(),
    }
    Ok(())
}

fn reply_table(table: &Table, version: Version, depth: usize, out: &mut Encoder<'_>) -> mlua::Result<()> {
    if let Some(error) = text(table, "err")? {
        let error = one_line(error.strip_prefix(b"-").unwrap_or(&error));
        out.error(error);
        return Ok(());
    }
    if let Some(status) = text(table, "ok")? {
        out.simple(&String::from_utf8_lossy(&one_line(&status)));
        return Ok(());
    }
    if let Some(number) = number(&table.raw_get("double")?) {
        out.double(number);
        return Ok(());
    }
    // How many there are is known after them. None is kept: Lua has handles for some thousand values at a time.
    let (start, mut count) = (out.mark(), 0);
    if let LuaValue::Table(map) = table.raw_get("map")? {
        map.for_each(|key: LuaValue, value: LuaValue| {
            count += 1;
            reply(&key, version, depth + 1, out)?;
            reply(&value, version, depth + 1, out)
        })?;
        out.insert_head(start, |out| out.map(count));
        return Ok(());
    }
    if let LuaValue::Table(set) = table.raw_get("set")? {
        set.for_each(|key: LuaValue, _: LuaValue| {
            count += 1;
            reply(&key, version, depth + 1, out)
        })?;
        out.insert_head(start, |out| out.set(count));
        return Ok(());
    }
    if let Some(digits) = text(table, "big_number")? {
        out.big_number(one_line(&digits));
        return Ok(());
    }
    if let LuaValue::Table(verbatim) = table.raw_get("verbatim_string")?
        && let (Some(format), Some(string)) = (text(&verbatim, "format")?, text(&verbatim, "string")?)
    {
        out.verbatim(&String::from_utf8_lossy(&format), string);
        return Ok(());
    }
    // An array ends where nothing is.
    loop {
        match table.raw_get::<LuaValue>(count + 1)? {
            LuaValue::Nil => break,
            element => reply(&element, version, depth + 1, out)?,
        }
        count += 1;
    }
    out.insert_head(start, |out| out.array(count));
    Ok(())
}
