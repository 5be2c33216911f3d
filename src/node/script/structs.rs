//! `struct` for scripts: numbers and strings as bytes, by a format.

use mlua::{Lua, MultiValue, Table, Value as LuaValue};

use super::{convert, errors};

/// The largest integer, in bytes.
const INTEGER_MAX: usize = 32;
/// What `!` aligns to.
const ALIGNED: usize = 8;

/// The library.
pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    let located = |lua: &Lua, text: String| errors::positioned(lua, text);
    let pack = lua.create_function(move |lua, words: MultiValue| {
        let packed = pack(&words.into_iter().collect::<Vec<_>>()).map_err(|text| located(lua, text))?;
        lua.create_string(packed)
    })?;
    let unpack = lua.create_function(move |lua, words: MultiValue| {
        let words: Vec<LuaValue> = words.into_iter().collect();
        unpack(lua, &words).map_err(|text| located(lua, text))
    })?;
    let size = lua.create_function(move |lua, words: MultiValue| {
        let words: Vec<LuaValue> = words.into_iter().collect();
        size(&words).map(|size| size as f64).map_err(|text| located(lua, text))
    })?;
    library.raw_set("pack", pack)?;
    library.raw_set("unpack", unpack)?;
    library.raw_set("size", size)?;
    Ok(library)
}

/// A format that is read, with what it has set so far.
struct Format<'a> {
    left: &'a [u8],
    is_big: bool,
    align: usize,
}

/// One element of a format: its letter, and how many bytes it takes, as far as the format says.
struct Item {
    kind: u8,
    size: usize,
}

impl<'a> Format<'a> {
    fn new(text: &'a [u8]) -> Self {
        let end = memchr::memchr(0, text).unwrap_or(text.len());
        Self { left: &text[..end], is_big: false, align: 1 }
    }

    fn number(&mut self, default: usize) -> Result<usize, String> {
        let digits = self.left.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Ok(default);
        }
        let (number, rest) = self.left.split_at(digits);
        self.left = rest;
        let number = std::str::from_utf8(number).ok().and_then(|digits| digits.parse::<i32>().ok());
        number.map(|number| number.unsigned_abs() as usize).ok_or("integral size overflow".to_owned())
    }

    /// The next element; what only sets options is done here.
    fn next(&mut self, name: &str) -> Result<Option<Item>, String> {
        while let Some((&kind, rest)) = self.left.split_first() {
            self.left = rest;
            let size = match kind {
                b'b' | b'B' | b'x' => 1,
                b'h' | b'H' => 2,
                b'l' | b'L' | b'T' | b'd' => 8,
                b'f' => 4,
                b'c' => self.number(1)?,
                b's' => 0,
                b'i' | b'I' => {
                    let size = self.number(4)?;
                    if size > INTEGER_MAX {
                        return Err(format!("integral size {size} is larger than limit of {INTEGER_MAX}"));
                    }
                    size
                }
                b' ' => continue,
                b'>' | b'<' => {
                    self.is_big = kind == b'>';
                    continue;
                }
                b'!' => {
                    let align = self.number(ALIGNED)?;
                    if !align.is_power_of_two() {
                        return Err(format!("alignment {align} is not a power of 2"));
                    }
                    self.align = align;
                    continue;
                }
                other => {
                    let other = char::from(other);
                    return Err(format!("bad argument #1 to '{name}' (invalid format option '{other}')"));
                }
            };
            return Ok(Some(Item { kind, size }));
        }
        Ok(None)
    }

    /// Bytes that stand in front of an element at this place.
    fn padding(&self, at: usize, item: &Item) -> usize {
        if item.size == 0 || item.kind == b'c' {
            return 0;
        }
        let size = item.size.min(self.align);
        size.wrapping_sub(at & (size - 1)) & (size - 1)
    }

    /// Bytes in the order of the format, of a number whose lowest comes first.
    fn ordered(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        if self.is_big {
            bytes.reverse();
        }
        bytes
    }
}

fn text_of(words: &[LuaValue], at: usize, name: &str) -> Result<Vec<u8>, String> {
    match words.get(at) {
        Some(LuaValue::String(text)) => Ok(text.as_bytes().to_vec()),
        Some(value) => match convert::number(value) {
            Some(number) => Ok(crate::protocol::number::format_double(number).into_bytes()),
            None => Err(expected(words, at, name, "string")),
        },
        None => Err(expected(words, at, name, "string")),
    }
}

fn number_of(words: &[LuaValue], at: usize, name: &str) -> Result<f64, String> {
    let number = match words.get(at) {
        Some(LuaValue::String(text)) => text.to_string_lossy().trim().parse().ok(),
        other => other.and_then(convert::number),
    };
    number.ok_or_else(|| expected(words, at, name, "number"))
}

/// What Lua says of an argument that is of another type.
pub(super) fn expected(words: &[LuaValue], at: usize, name: &str, wanted: &str) -> String {
    // What is packed is followed by a mark.
    let nothing = if name == "pack" && at == words.len() { "nil" } else { "no value" };
    let got = words.get(at).map_or(nothing, |value| match value {
        LuaValue::Integer(_) => "number",
        other => other.type_name(),
    });
    format!("bad argument #{} to '{name}' ({wanted} expected, got {got})", at + 1)
}

#[expect(clippy::cast_possible_truncation, reason = "as in C")]
fn single(number: f64) -> f32 {
    number as f32
}

/// The bits of a number without its fraction, with or without a sign.
#[expect(clippy::cast_possible_truncation, reason = "what is too much is the most there is")]
fn integer(number: f64) -> u64 {
    if number < 0.0 { (number as i64).cast_unsigned() } else { number as u64 }
}

fn place(number: f64) -> usize {
    usize::try_from(integer(number.max(0.0))).unwrap_or(usize::MAX)
}

fn pack(words: &[LuaValue]) -> Result<Vec<u8>, String> {
    let text = text_of(words, 0, "pack")?;
    let (mut format, mut out, mut at) = (Format::new(&text), Vec::new(), 1);
    while let Some(item) = format.next("pack")? {
        out.resize(out.len() + format.padding(out.len(), &item), 0);
        match item.kind {
            b'x' => out.push(0),
            b'f' => {
                let number = single(number_of(words, at, "pack")?);
                out.extend(format.ordered(number.to_le_bytes().to_vec()));
                at += 1;
            }
            b'd' => {
                let number = number_of(words, at, "pack")?;
                out.extend(format.ordered(number.to_le_bytes().to_vec()));
                at += 1;
            }
            b'c' | b's' => {
                let string = text_of(words, at, "pack")?;
                at += 1;
                let size = if item.size == 0 { string.len() } else { item.size };
                let string = string
                    .get(..size)
                    .ok_or_else(|| format!("bad argument #{} to 'pack' (string too short)", at + 1))?;
                out.extend_from_slice(string);
                if item.kind == b's' {
                    out.push(0);
                }
            }
            _ => {
                let number = number_of(words, at, "pack")?;
                let mut bytes = integer(number).to_le_bytes().to_vec();
                bytes.resize(item.size, 0);
                out.extend(format.ordered(bytes));
                at += 1;
            }
        }
    }
    Ok(out)
}

fn unpack(lua: &Lua, words: &[LuaValue]) -> Result<MultiValue, String> {
    const SHORT: &str = "bad argument #2 to 'unpack' (data string too short)";
    let (text, data) = (text_of(words, 0, "unpack")?, text_of(words, 1, "unpack")?);
    let start = if words.len() > 2 { number_of(words, 2, "unpack")? } else { 1.0 };
    if start < 1.0 {
        return Err("bad argument #3 to 'unpack' (offset must be 1 or greater)".to_owned());
    }
    let (mut format, mut at) = (Format::new(&text), place(start) - 1);
    let mut values: Vec<LuaValue> = Vec::new();
    let string = |bytes: &[u8]| {
        lua.create_string(bytes).map(LuaValue::String).map_err(|error| errors::text_of(&error))
    };
    while let Some(item) = format.next("unpack")? {
        at += format.padding(at, &item);
        let piece = |size: usize| at.checked_add(size).and_then(|end| data.get(at..end)).ok_or(SHORT);
        let mut size = item.size;
        let bytes = piece(size)?;
        let ordered = || format.ordered(bytes.to_vec());
        match item.kind {
            b'x' => {}
            b'f' => {
                let bytes: [u8; 4] = ordered().try_into().map_err(|_| SHORT)?;
                values.push(LuaValue::Number(f32::from_le_bytes(bytes).into()));
            }
            b'd' => {
                let bytes: [u8; 8] = ordered().try_into().map_err(|_| SHORT)?;
                values.push(LuaValue::Number(f64::from_le_bytes(bytes)));
            }
            b'c' => {
                if size == 0 {
                    let before = values.pop().as_ref().and_then(convert::number);
                    size = place(before.ok_or("format 'c0' needs a previous size")?);
                }
                values.push(string(piece(size)?)?);
            }
            b's' => {
                let rest = data.get(at..).ok_or(SHORT)?;
                let end = memchr::memchr(0, rest).ok_or("unfinished string in data")?;
                values.push(string(&rest[..end])?);
                size = end + 1;
            }
            kind => {
                // Of a longer one the lowest eight bytes.
                let (mut wide, kept) = ([0; 8], size.min(8));
                wide[..kept].copy_from_slice(&ordered()[..kept]);
                let number = u64::from_le_bytes(wide);
                let shift = 64 - 8 * kept;
                values.push(LuaValue::Number(match kind.is_ascii_lowercase() {
                    true if size > 0 => ((number << shift) as i64 >> shift) as f64,
                    _ => number as f64,
                }));
            }
        }
        at += size;
    }
    values.push(LuaValue::Number((at + 1) as f64));
    Ok(values.into_iter().collect())
}

fn size(words: &[LuaValue]) -> Result<usize, String> {
    let text = text_of(words, 0, "size")?;
    let (mut format, mut at) = (Format::new(&text), 0);
    while let Some(item) = format.next("size")? {
        let unsized_one = match (item.kind, item.size) {
            (b's', _) => Some("s"),
            (b'c', 0) => Some("c0"),
            _ => None,
        };
        if let Some(option) = unsized_one {
            return Err(format!("bad argument #1 to 'size' (option '{option}' has no fixed size)"));
        }
        at += format.padding(at, &item) + item.size;
    }
    Ok(at)
}
