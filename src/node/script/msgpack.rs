//! `cmsgpack` for scripts: MessagePack, by the rules of the library that Redis has.

use mlua::{Lua, MultiValue, Table, Value as LuaValue};
use rmp::{Marker, encode};

use super::{convert, errors, structs};

/// Tables inside tables; what is deeper is nil.
const DEPTH_MAX: usize = 16;
/// What lies in memory can be written to.
const WRITTEN: &str = "there is memory to write to";

/// The library.
pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    let pack = lua.create_function(|lua, values: MultiValue| {
        if values.is_empty() {
            return Err(errors::positioned(lua, "bad argument #0 to 'pack' (MessagePack pack needs input.)"));
        }
        let mut out = Vec::new();
        values.iter().try_for_each(|value| write(value, 0, &mut out))?;
        lua.create_string(out)
    })?;
    library.raw_set("pack", pack)?;
    library.raw_set(
        "unpack",
        lua.create_function(|lua, words: MultiValue| unpack(lua, "unpack", &words, Some((0, 0))))?,
    )?;
    library.raw_set(
        "unpack_one",
        lua.create_function(|lua, words: MultiValue| {
            let offset = whole(words.get(1)).unwrap_or(0);
            unpack(lua, "unpack_one", &words, Some((1, offset)))
        })?,
    )?;
    library.raw_set(
        "unpack_limit",
        lua.create_function(|lua, words: MultiValue| {
            let limits = whole(words.get(1)).map(|limit| (limit, whole(words.get(2)).unwrap_or(0)));
            unpack(lua, "unpack_limit", &words, limits)
        })?,
    )?;
    library.raw_set("_NAME", "cmsgpack")?;
    library.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    library.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    Ok(library)
}

fn whole(value: Option<&LuaValue>) -> Option<i64> {
    value.and_then(convert::number).map(crate::protocol::number::whole)
}

fn write(value: &LuaValue, depth: usize, out: &mut Vec<u8>) -> mlua::Result<()> {
    match value {
        LuaValue::Boolean(value) => encode::write_bool(out, *value).expect(WRITTEN),
        LuaValue::Integer(number) => write_integer(*number, out),
        LuaValue::Number(number) => write_number(*number, out),
        LuaValue::String(text) => {
            let bytes = text.as_bytes();
            encode::write_str_len(out, u32::try_from(bytes.len()).unwrap_or(u32::MAX)).expect(WRITTEN);
            out.extend_from_slice(&bytes);
        }
        LuaValue::Table(table) if depth < DEPTH_MAX => return write_table(table, depth + 1, out),
        _ => encode::write_nil(out).expect(WRITTEN),
    }
    Ok(())
}

fn write_integer(number: i64, out: &mut Vec<u8>) {
    encode::write_sint(out, number).expect(WRITTEN);
}

#[expect(clippy::cast_possible_truncation, reason = "what is not the same afterwards is not used")]
fn write_number(number: f64, out: &mut Vec<u8>) {
    let (integer, single) = (number as i64, number as f32);
    if integer as f64 == number {
        write_integer(integer, out);
    } else if f64::from(single) == number {
        encode::write_f32(out, single).expect(WRITTEN);
    } else {
        encode::write_f64(out, number).expect(WRITTEN);
    }
}

/// An array is what has the keys 1 to its length, and no others.
fn write_table(table: &Table, depth: usize, out: &mut Vec<u8>) -> mlua::Result<()> {
    let (mut count, mut highest, mut is_array) = (0_u32, 0.0_f64, true);
    table.for_each(|key: LuaValue, _: LuaValue| {
        count += 1;
        match convert::number(&key) {
            Some(key) if key > 0.0 && key.fract() == 0.0 => highest = highest.max(key),
            _ => is_array = false,
        }
        Ok(())
    })?;
    if is_array && highest == f64::from(count) {
        encode::write_array_len(out, count).expect(WRITTEN);
        for index in 1..=count {
            write(&table.raw_get(index)?, depth, out)?;
        }
        return Ok(());
    }
    encode::write_map_len(out, count).expect(WRITTEN);
    table.for_each(|key: LuaValue, value: LuaValue| {
        write(&key, depth, out)?;
        write(&value, depth, out)
    })
}

/// Why bytes are no values.
enum Broken {
    Short,
    Format,
    Lua(mlua::Error),
}

impl From<mlua::Error> for Broken {
    fn from(error: mlua::Error) -> Self {
        Self::Lua(error)
    }
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Broken::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array_of<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        self.take(N)?.try_into().map_err(|_| Broken::Short)
    }

    /// A length of so many bytes.
    fn length(&mut self, bytes: usize) -> Result<usize, Broken> {
        Ok(self.take(bytes)?.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)))
    }

    fn string(&mut self, lua: &Lua, length: usize) -> Result<LuaValue, Broken> {
        Ok(LuaValue::String(lua.create_string(self.take(length)?)?))
    }

    fn sized(&mut self, lua: &Lua, bytes: usize) -> Result<LuaValue, Broken> {
        let length = self.length(bytes)?;
        self.string(lua, length)
    }

    fn array(&mut self, lua: &Lua, count: usize) -> Result<LuaValue, Broken> {
        let table = lua.create_table()?;
        for index in 1..=count {
            table.raw_set(index, self.value(lua)?)?;
        }
        Ok(LuaValue::Table(table))
    }

    fn map(&mut self, lua: &Lua, count: usize) -> Result<LuaValue, Broken> {
        let table = lua.create_table()?;
        for _ in 0..count {
            let key = self.value(lua)?;
            let value = self.value(lua)?;
            table.raw_set(key, value)?;
        }
        Ok(LuaValue::Table(table))
    }

    fn value(&mut self, lua: &Lua) -> Result<LuaValue, Broken> {
        let number = |number: f64| LuaValue::Number(number);
        Ok(match Marker::from_u8(self.take(1)?[0]) {
            Marker::Null => LuaValue::Nil,
            Marker::True => LuaValue::Boolean(true),
            Marker::False => LuaValue::Boolean(false),
            Marker::FixPos(value) => number(value.into()),
            Marker::FixNeg(value) => number(value.into()),
            Marker::U8 => number(u8::from_be_bytes(self.array_of()?).into()),
            Marker::U16 => number(u16::from_be_bytes(self.array_of()?).into()),
            Marker::U32 => number(u32::from_be_bytes(self.array_of()?).into()),
            Marker::U64 => number(u64::from_be_bytes(self.array_of()?) as f64),
            Marker::I8 => number(i8::from_be_bytes(self.array_of()?).into()),
            Marker::I16 => number(i16::from_be_bytes(self.array_of()?).into()),
            Marker::I32 => number(i32::from_be_bytes(self.array_of()?).into()),
            Marker::I64 => number(i64::from_be_bytes(self.array_of()?) as f64),
            Marker::F32 => number(f32::from_be_bytes(self.array_of()?).into()),
            Marker::F64 => number(f64::from_be_bytes(self.array_of()?)),
            Marker::FixStr(length) => self.string(lua, length.into())?,
            Marker::Str8 | Marker::Bin8 => self.sized(lua, 1)?,
            Marker::Str16 | Marker::Bin16 => self.sized(lua, 2)?,
            Marker::Str32 | Marker::Bin32 => self.sized(lua, 4)?,
            Marker::FixArray(count) => self.array(lua, count.into())?,
            Marker::Array16 => {
                let count = self.length(2)?;
                self.array(lua, count)?
            }
            Marker::Array32 => {
                let count = self.length(4)?;
                self.array(lua, count)?
            }
            Marker::FixMap(count) => self.map(lua, count.into())?,
            Marker::Map16 => {
                let count = self.length(2)?;
                self.map(lua, count)?
            }
            Marker::Map32 => {
                let count = self.length(4)?;
                self.map(lua, count)?
            }
            _ => return Err(Broken::Format),
        })
    }
}

/// Values from an offset on, with the next offset before them unless all are asked for.
fn unpack(lua: &Lua, name: &str, words: &MultiValue, limits: Option<(i64, i64)>) -> mlua::Result<MultiValue> {
    let arguments = || words.iter().cloned().collect::<Vec<_>>();
    let Some(LuaValue::String(text)) = words.front() else {
        return Err(errors::positioned(lua, structs::expected(&arguments(), 0, name, "string")));
    };
    let Some((limit, offset)) = limits else {
        return Err(errors::positioned(lua, structs::expected(&arguments(), 1, name, "number")));
    };
    let bytes = text.as_bytes();
    if offset < 0 || limit < 0 {
        let text = format!("Invalid request to unpack with offset of {offset} and limit of {}.", bytes.len());
        return Err(errors::positioned(lua, text));
    }
    let most = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
    let (offset, limit) = (most(offset), most(limit));
    if offset > bytes.len() {
        let text = format!("Start offset {offset} greater than input length {}.", bytes.len());
        return Err(errors::positioned(lua, text));
    }
    let all = limit == 0 && offset == 0;
    let (mut input, mut values) = (Input(&bytes[offset..]), Vec::new());
    while !input.0.is_empty() && (all || values.len() < limit) {
        match input.value(lua) {
            Ok(value) => values.push(value),
            Err(Broken::Short) => return Err(errors::positioned(lua, "Missing bytes in input.")),
            Err(Broken::Format) => return Err(errors::positioned(lua, "Bad data format in input.")),
            Err(Broken::Lua(error)) => return Err(error),
        }
    }
    if !all {
        let next = if input.0.is_empty() { -1.0 } else { (bytes.len() - input.0.len()) as f64 };
        values.insert(0, LuaValue::Number(next));
    }
    Ok(values.into_iter().collect())
}
