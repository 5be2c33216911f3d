//! Between Lua's values and replies, by Redis's rules.

use mlua::{Lua, Table, Value as LuaValue};

use super::api;
use crate::protocol::{Encoder, Value, Version, number};

/// Tables inside tables that a reply may have.
const DEPTH_MAX: usize = 100;

/// A reply as Lua sees it.
///
/// # Errors
/// No memory.
pub(super) fn to_lua(lua: &Lua, value: &Value, version: Version) -> mlua::Result<LuaValue> {
    let single = |name: &str, value: LuaValue| {
        let table = lua.create_table_with_capacity(0, 1)?;
        table.raw_set(name, value)?;
        Ok(LuaValue::Table(table))
    };
    let string = |bytes: &[u8]| lua.create_string(bytes).map(LuaValue::String);
    match value {
        Value::Integer(number) => Ok(LuaValue::Number(*number as f64)),
        Value::Bulk(bytes) => string(bytes),
        Value::Simple(text) => single("ok", string(text)?),
        Value::Error(text) => error_table(lua, text),
        Value::Null if version == Version::Resp3 => Ok(LuaValue::Nil),
        Value::Null => Ok(LuaValue::Boolean(false)),
        Value::Boolean(value) => Ok(LuaValue::Boolean(*value)),
        Value::Double(number) => single("double", LuaValue::Number(*number)),
        Value::BigNumber(digits) => single("big_number", string(digits)?),
        Value::Verbatim(format, text) => {
            let inner = lua.create_table_with_capacity(0, 2)?;
            inner.raw_set("format", string(format)?)?;
            inner.raw_set("string", string(text)?)?;
            single("verbatim_string", LuaValue::Table(inner))
        }
        Value::Array(values) | Value::Push(values) => {
            let table = lua.create_table_with_capacity(values.len(), 0)?;
            for (index, value) in (1..).zip(values) {
                table.raw_set(index, to_lua(lua, value, version)?)?;
            }
            Ok(LuaValue::Table(table))
        }
        Value::Map(pairs) => {
            let inner = lua.create_table_with_capacity(0, pairs.len())?;
            for (key, value) in pairs {
                inner.raw_set(to_lua(lua, key, version)?, to_lua(lua, value, version)?)?;
            }
            single("map", LuaValue::Table(inner))
        }
        Value::Set(values) => {
            let inner = lua.create_table_with_capacity(0, values.len())?;
            for value in values {
                inner.raw_set(to_lua(lua, value, version)?, true)?;
            }
            single("set", LuaValue::Table(inner))
        }
    }
}

/// What an error is to a script.
pub(super) fn error_table(lua: &Lua, text: &[u8]) -> mlua::Result<LuaValue> {
    let table = lua.create_table_with_capacity(0, 2)?;
    table.raw_set("err", lua.create_string(text)?)?;
    table.raw_set(api::COUNTED, true)?;
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
    if let Some(number) = api::number(&table.raw_get("double")?) {
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
