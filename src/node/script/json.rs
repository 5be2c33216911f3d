//! `cjson`: JSON as Redis's library of that name reads and writes it.

use mlua::{Lua, MultiValue, Table, Value as LuaValue};

use super::{
    errors,
    json_settings::{self, Invalid, Settings, Shared},
};

/// The library.
pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let (library, shared) = (lua.create_table()?, Shared::default());
    json_settings::install(lua, &library, &shared)?;
    let (encoding, decoding) = (shared.clone(), shared);
    library.raw_set(
        "encode",
        lua.create_function(move |lua, words: MultiValue| {
            let [value] = &words.into_iter().collect::<Vec<_>>()[..] else {
                return Err(errors::positioned(lua, "bad argument #1 to 'encode' (expected 1 argument)"));
            };
            let mut out = Vec::new();
            encode(value, 0, encoding.get(), &mut out)
                .map_err(|error| errors::positioned(lua, errors::text_of(&error)))?;
            lua.create_string(out)
        })?,
    )?;
    library.raw_set(
        "decode",
        lua.create_function(move |lua, words: MultiValue| {
            let text = match &words.into_iter().collect::<Vec<_>>()[..] {
                [LuaValue::String(text)] => text.as_bytes().to_vec(),
                [LuaValue::Integer(number)] => number.to_string().into_bytes(),
                [LuaValue::Number(number)] => format_number(*number, 14).into_bytes(),
                _ => {
                    return Err(errors::positioned(lua, "bad argument #1 to 'decode' (expected 1 argument)"));
                }
            };
            let mut parser = Parser { lua, text: &text, at: 0, depth_max: decoding.get().decode_depth };
            parser.all().map_err(|error| errors::positioned(lua, errors::text_of(&error)))
        })?,
    )?;
    library.raw_set("null", LuaValue::NULL)?;
    library.raw_set("_NAME", "cjson")?;
    library.raw_set("_VERSION", "2.1.0")?;
    Ok(library)
}

/// C's `%.14g`, with so many digits.
fn format_number(number: f64, precision: usize) -> String {
    if number == 0.0 {
        return if number.is_sign_negative() { "-0" } else { "0" }.into();
    }
    let scientific = format!("{number:.digits$e}", digits = precision - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let shortened = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    let precision = i32::try_from(precision).unwrap_or(i32::MAX);
    if (-4..precision).contains(&exponent) {
        let decimals = usize::try_from(precision - 1 - exponent).unwrap_or(0);
        return shortened(&format!("{number:.decimals$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", shortened(mantissa), exponent.unsigned_abs())
}

fn encode_text(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'/' => out.extend_from_slice(b"\\/"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0C => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..=0x1F | 0x7F => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            byte => out.push(byte),
        }
    }
    out.push(b'"');
}

fn encode_number(number: f64, settings: Settings, out: &mut Vec<u8>) -> mlua::Result<()> {
    if number.is_finite() {
        out.extend_from_slice(format_number(number, settings.precision).as_bytes());
        return Ok(());
    }
    match settings.encode_invalid {
        Invalid::Off => {
            return Err(mlua::Error::runtime("Cannot serialise number: must not be NaN or Inf"));
        }
        Invalid::Null => out.extend_from_slice(b"null"),
        Invalid::On if number.is_nan() && number.is_sign_negative() => out.extend_from_slice(b"-nan"),
        Invalid::On if number.is_nan() => out.extend_from_slice(b"nan"),
        Invalid::On => out.extend_from_slice(if number > 0.0 { b"inf" } else { b"-inf" }),
    }
    Ok(())
}

fn encode(value: &LuaValue, depth: usize, settings: Settings, out: &mut Vec<u8>) -> mlua::Result<()> {
    match value {
        LuaValue::Nil => out.extend_from_slice(b"null"),
        LuaValue::LightUserData(pointer) if pointer.0.is_null() => out.extend_from_slice(b"null"),
        LuaValue::Boolean(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        LuaValue::Integer(number) => encode_number(*number as f64, settings, out)?,
        LuaValue::Number(number) => encode_number(*number, settings, out)?,
        LuaValue::String(text) => encode_text(&text.as_bytes(), out),
        LuaValue::Table(table) => return encode_table(table, depth + 1, settings, out),
        other => {
            let text = format!("Cannot serialise {}: type not supported", other.type_name());
            return Err(mlua::Error::runtime(text));
        }
    }
    Ok(())
}

/// How long a table is as an array; `None`: it is none.
fn array_len(table: &Table, settings: Settings) -> mlua::Result<Option<usize>> {
    let (mut longest, mut count) = (0, 0);
    for pair in table.pairs::<LuaValue, LuaValue>() {
        let (key, _) = pair?;
        match key {
            LuaValue::Integer(index) if index >= 1 => {
                longest = longest.max(usize::try_from(index).unwrap_or(usize::MAX));
                count += 1;
            }
            _ => return Ok(None),
        }
    }
    let Settings { sparse_convert, sparse_ratio, sparse_safe, .. } = settings;
    if sparse_ratio > 0 && longest > count * sparse_ratio && longest > sparse_safe {
        if sparse_convert {
            return Ok(None);
        }
        return Err(mlua::Error::runtime("Cannot serialise table: excessively sparse array"));
    }
    Ok((longest > 0).then_some(longest))
}

fn encode_table(table: &Table, depth: usize, settings: Settings, out: &mut Vec<u8>) -> mlua::Result<()> {
    if depth > settings.encode_depth {
        return Err(mlua::Error::runtime(format!("Cannot serialise, excessive depth ({depth})")));
    }
    if let Some(len) = array_len(table, settings)? {
        out.push(b'[');
        for index in 1..=len {
            if index > 1 {
                out.push(b',');
            }
            encode(&table.raw_get(index)?, depth, settings, out)?;
        }
        out.push(b']');
        return Ok(());
    }
    out.push(b'{');
    for (number, pair) in table.pairs::<LuaValue, LuaValue>().enumerate() {
        let (key, value) = pair?;
        if number > 0 {
            out.push(b',');
        }
        match key {
            LuaValue::String(text) => encode_text(&text.as_bytes(), out),
            LuaValue::Integer(number) => {
                encode_text(format_number(number as f64, settings.precision).as_bytes(), out);
            }
            LuaValue::Number(number) => {
                encode_text(format_number(number, settings.precision).as_bytes(), out);
            }
            other => {
                let text =
                    format!("Cannot serialise {}: table key must be a number or string", other.type_name());
                return Err(mlua::Error::runtime(text));
            }
        }
        out.push(b':');
        encode(&value, depth, settings, out)?;
    }
    out.push(b'}');
    Ok(())
}

struct Parser<'a> {
    lua: &'a Lua,
    text: &'a [u8],
    at: usize,
    depth_max: usize,
}

impl Parser<'_> {
    /// One value, and nothing behind it.
    fn all(&mut self) -> mlua::Result<LuaValue> {
        let value = self.value(0)?;
        self.blanks();
        match self.text.get(self.at) {
            None => Ok(value),
            Some(_) => Err(self.unexpected("the end")),
        }
    }

    fn blanks(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// What is wrong here, in the words of the library.
    fn unexpected(&self, expected: &str) -> mlua::Error {
        let found = match self.text.get(self.at) {
            None => "T_END",
            Some(b'{') => "T_OBJ_BEGIN",
            Some(b'}') => "T_OBJ_END",
            Some(b'[') => "T_ARR_BEGIN",
            Some(b']') => "T_ARR_END",
            Some(b'"') => "T_STRING",
            Some(b':') => "T_COLON",
            Some(b',') => "T_COMMA",
            Some(b'-' | b'0'..=b'9') => "T_NUMBER",
            Some(_) => "invalid token",
        };
        mlua::Error::runtime(format!("Expected {expected} but found {found} at character {}", self.at + 1))
    }

    fn word(&mut self, word: &[u8], value: LuaValue) -> mlua::Result<LuaValue> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            return Ok(value);
        }
        Err(self.unexpected("value"))
    }

    fn value(&mut self, depth: usize) -> mlua::Result<LuaValue> {
        if depth > self.depth_max {
            let text = format!("Found too many nested data structures ({depth})");
            return Err(mlua::Error::runtime(text));
        }
        self.blanks();
        match self.text.get(self.at) {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => {
                let text = self.string()?;
                self.lua.create_string(text).map(LuaValue::String)
            }
            Some(b't') => self.word(b"true", LuaValue::Boolean(true)),
            Some(b'f') => self.word(b"false", LuaValue::Boolean(false)),
            Some(b'n') if self.text[self.at..].starts_with(b"null") => self.word(b"null", LuaValue::NULL),
            Some(_) => self.number(),
            None => Err(self.unexpected("value")),
        }
    }

    fn object(&mut self, depth: usize) -> mlua::Result<LuaValue> {
        let table = self.lua.create_table()?;
        self.at += 1;
        self.blanks();
        if self.text.get(self.at) == Some(&b'}') {
            self.at += 1;
            return Ok(LuaValue::Table(table));
        }
        loop {
            self.blanks();
            if self.text.get(self.at) != Some(&b'"') {
                return Err(self.unexpected("object key string"));
            }
            let key = self.string()?;
            self.blanks();
            if self.text.get(self.at) != Some(&b':') {
                return Err(self.unexpected("colon"));
            }
            self.at += 1;
            let value = self.value(depth + 1)?;
            table.raw_set(self.lua.create_string(key)?, value)?;
            self.blanks();
            match self.text.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(LuaValue::Table(table));
                }
                _ => return Err(self.unexpected("comma or object end")),
            }
        }
    }

    fn array(&mut self, depth: usize) -> mlua::Result<LuaValue> {
        let table = self.lua.create_table()?;
        self.at += 1;
        self.blanks();
        if self.text.get(self.at) == Some(&b']') {
            self.at += 1;
            return Ok(LuaValue::Table(table));
        }
        for index in 1.. {
            let value = self.value(depth + 1)?;
            table.raw_set(index, value)?;
            self.blanks();
            match self.text.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    break;
                }
                _ => return Err(self.unexpected("comma or array end")),
            }
        }
        Ok(LuaValue::Table(table))
    }

    fn string(&mut self) -> mlua::Result<Vec<u8>> {
        let mut out = Vec::new();
        self.at += 1;
        loop {
            match self.text.get(self.at) {
                None | Some(0..=0x1F) => {
                    let text = format!(
                        "Expected value but found unexpected end of string at character {}",
                        self.at + 1
                    );
                    return Err(mlua::Error::runtime(text));
                }
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => self.escape(&mut out)?,
                Some(&byte) => {
                    out.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> mlua::Result<()> {
        let wrong = || mlua::Error::runtime("Expected value but found invalid escape code");
        let byte = *self.text.get(self.at + 1).ok_or_else(wrong)?;
        self.at += 2;
        out.push(match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 0x08,
            b'f' => 0x0C,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let mut code = self.unit().ok_or_else(wrong)?;
                if (0xD800..0xDC00).contains(&code) && self.text.get(self.at..self.at + 2) == Some(b"\\u") {
                    self.at += 2;
                    let low = self.unit().filter(|low| (0xDC00..0xE000).contains(low)).ok_or_else(wrong)?;
                    code = 0x1_0000 + ((code & 0x3FF) << 10 | (low & 0x3FF));
                }
                let character = char::from_u32(code).ok_or_else(wrong)?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(wrong()),
        });
        Ok(())
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u32> {
        let digits = std::str::from_utf8(self.text.get(self.at..self.at + 4)?).ok()?;
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }

    fn number(&mut self) -> mlua::Result<LuaValue> {
        let rest = &self.text[self.at..];
        let len = rest
            .iter()
            .take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .count();
        let text = std::str::from_utf8(&rest[..len]).unwrap_or_default();
        match text.parse::<f64>() {
            Ok(number) if len > 0 => {
                self.at += len;
                Ok(LuaValue::Number(number))
            }
            _ => Err(self.unexpected("value")),
        }
    }
}
