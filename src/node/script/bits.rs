//! `bit`: operations on 32 bits, as the library of the same name has them.

use mlua::{Lua, MultiValue, Table, Value as LuaValue};

use super::{convert, errors};

/// The lowest 32 bits of an argument, rounded to an integer.
fn bits(lua: &Lua, name: &str, words: &MultiValue, index: usize) -> mlua::Result<u32> {
    let word = words.get(index);
    let number = match word {
        Some(LuaValue::String(text)) => text.to_string_lossy().trim().parse().ok(),
        word => word.and_then(convert::number),
    };
    let number = number.ok_or_else(|| {
        let found = word.map_or("no value", LuaValue::type_name);
        let text = format!("bad argument #{} to '{name}' (number expected, got {found})", index + 1);
        errors::positioned(lua, text)
    })?;
    // Adding this pushes everything below one out of the mantissa.
    let shifted: f64 = number + 6_755_399_441_055_744.0;
    let low = shifted.to_bits() & 0xFFFF_FFFF;
    Ok(u32::try_from(low).unwrap_or_default())
}

fn signed(bits: u32) -> i64 {
    i64::from(bits.cast_signed())
}

/// The library.
pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    let unary = |name: &'static str, operation: fn(u32) -> u32| {
        let function = lua.create_function(move |lua, words: MultiValue| {
            Ok(signed(operation(bits(lua, name, &words, 0)?)))
        })?;
        library.raw_set(name, function)
    };
    unary("tobit", |a| a)?;
    unary("bnot", |a| !a)?;
    unary("bswap", u32::swap_bytes)?;
    let many = |name: &'static str, operation: fn(u32, u32) -> u32| {
        let function = lua.create_function(move |lua, words: MultiValue| {
            let first = bits(lua, name, &words, 0)?;
            let result = (1..words.len()).try_fold(first, |result, index| {
                Ok::<_, mlua::Error>(operation(result, bits(lua, name, &words, index)?))
            })?;
            Ok(signed(result))
        })?;
        library.raw_set(name, function)
    };
    many("band", |a, b| a & b)?;
    many("bor", |a, b| a | b)?;
    many("bxor", |a, b| a ^ b)?;
    let shift = |name: &'static str, operation: fn(u32, u32) -> u32| {
        let function = lua.create_function(move |lua, words: MultiValue| {
            let (a, by) = (bits(lua, name, &words, 0)?, bits(lua, name, &words, 1)? & 31);
            Ok(signed(operation(a, by)))
        })?;
        library.raw_set(name, function)
    };
    shift("lshift", |a, by| a << by)?;
    shift("rshift", |a, by| a >> by)?;
    shift("arshift", |a, by| (a.cast_signed() >> by).cast_unsigned())?;
    shift("rol", u32::rotate_left)?;
    shift("ror", u32::rotate_right)?;
    let hexadecimal = lua.create_function(|lua, words: MultiValue| {
        let number = bits(lua, "tohex", &words, 0)?;
        let digits = match words.get(1) {
            None => 8,
            Some(_) => bits(lua, "tohex", &words, 1)?.cast_signed(),
        };
        let width = usize::try_from(digits.unsigned_abs().min(8)).unwrap_or(8);
        let all = if digits < 0 { format!("{number:08X}") } else { format!("{number:08x}") };
        Ok(all[8 - width..].to_owned())
    })?;
    library.raw_set("tohex", hexadecimal)?;
    Ok(library)
}
