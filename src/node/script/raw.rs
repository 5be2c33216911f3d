//! `redis.call` and `redis.pcall` on Lua's own stack. What scripts do most takes no handles, no copies and no protection of its
//! own: it is inside the protected call of its script already.
//!
//! Lua 5.1 is C, and an error leaves by `longjmp` from whatever function of Lua raises it, for want of memory too. The frames in
//! between just cease to be. So the rule that every `SAFETY` comment leans on:
//!
//! > A frame that calls a function of Lua which may raise an error holds nothing that needs to be dropped, nor do the frames
//! > between it and Lua (RFC 2945 calls them plain old frames). Everything else happens in [`serve`], which calls only functions
//! > that never raise, and has returned before the first of the others is called.
//!
//! A panic does not get past `serve`, whose ABI ends the process instead.

#![expect(unsafe_code, reason = "Lua's own interface, see above")]

use std::ffi::c_int;

use mlua::{
    Lua, Table,
    ffi::{
        LUA_TNUMBER, LUA_TSTRING, lua_State, lua_checkstack, lua_createtable, lua_error, lua_gettop,
        lua_pushboolean, lua_pushlstring, lua_pushnil, lua_pushnumber, lua_rawset, lua_rawseti_, lua_settop,
        lua_tolstring, lua_tonumber, lua_type,
    },
};

use super::{
    api::{self, Answer, WordError},
    errors::COUNTED,
};
use crate::protocol::{
    Args,
    number::{format_double, parse_i64},
};

/// Places on the stack that one level of a reply takes: a table, a table in it, a name and a value.
const PLACES: c_int = 6;

/// Puts both functions into `redis`.
pub(super) fn install(lua: &Lua, api: &Table) -> mlua::Result<()> {
    // SAFETY: both keep to the rule of this module, and to Lua's: they return how many values they leave on the stack.
    let (call, pcall) = unsafe { (lua.create_c_function(call)?, lua.create_c_function(pcall)?) };
    api.raw_set("call", call)?;
    api.raw_set("pcall", pcall)
}

/// `redis.call`: an error ends the script, unless that catches it.
unsafe extern "C-unwind" fn call(state: *mut lua_State) -> c_int {
    let answer = serve(state);
    // SAFETY: Lua calls this with a state of its own, and `serve` has just told what it answers.
    unsafe {
        push_answer(state, answer);
        if answer.is_error {
            lua_error(state);
        }
    }
    1
}

/// `redis.pcall`: an error is a table.
unsafe extern "C-unwind" fn pcall(state: *mut lua_State) -> c_int {
    let answer = serve(state);
    // SAFETY: as in `call`.
    unsafe { push_answer(state, answer) };
    1
}

/// Runs the command whose words are on the stack. Raises nothing.
extern "C" fn serve(state: *mut lua_State) -> Answer {
    api::answer(&mut |args| words(state, args))
}

fn words(state: *mut lua_State, args: &mut Args) -> Result<(), WordError> {
    // SAFETY: `state` is the one Lua called us with. Its values stay where they are until that call returns, so a string's bytes stay
    // too. None of these functions raises: a string is not converted, and a number is.
    unsafe {
        for index in 1..=lua_gettop(state) {
            match lua_type(state, index) {
                LUA_TSTRING => {
                    let mut len = 0;
                    let start = lua_tolstring(state, index, &raw mut len);
                    args.push(std::slice::from_raw_parts(start.cast(), len))?;
                }
                LUA_TNUMBER => args.push(format_double(lua_tonumber(state, index)).as_bytes())?,
                _ => return Err(WordError::Type),
            }
        }
    }
    Ok(())
}

/// # Safety
/// `state` is Lua's, and nothing has been asked of the session since it gave this answer.
unsafe fn push_answer(state: *mut lua_State, answer: Answer) {
    // SAFETY: the session keeps these bytes until it is asked for the next answer. What is pushed meanwhile may collect garbage, which runs no
    // script: in Lua 5.1 only userdata have finalisers, and scripts cannot make any.
    unsafe {
        let bytes = std::slice::from_raw_parts(answer.start, answer.len);
        // The words have been read, and there may be as many as a stack holds.
        lua_settop(state, 0);
        if answer.is_plain {
            push_error(state, bytes, answer.is_counted);
        } else {
            push(state, bytes, 0, answer.is_resp3);
        }
    }
}

/// Pushes the reply that begins at `at`, and tells where it ends.
///
/// # Safety
/// `state` is Lua's; this may raise.
unsafe fn push(state: *mut lua_State, bytes: &[u8], at: usize, is_resp3: bool) -> usize {
    // SAFETY: the room for what this level pushes is asked for first.
    unsafe {
        if lua_checkstack(state, PLACES) == 0 {
            push_string(state, b"ERR too many results to put on the stack of a script");
            lua_error(state);
        }
        let Some((kind, line, after)) = head(bytes, at) else {
            lua_pushnil(state);
            return bytes.len();
        };
        match kind {
            b':' => lua_pushnumber(state, parse_i64(line).unwrap_or(0) as f64),
            b'+' => push_field(state, b"ok", line),
            b'-' => push_error(state, line, true),
            b'(' => push_field(state, b"big_number", line),
            b',' => {
                lua_createtable(state, 0, 1);
                push_string(state, b"double");
                lua_pushnumber(state, double(line));
                lua_rawset(state, -3);
            }
            b'#' => lua_pushboolean(state, c_int::from(line == b"t")),
            b'$' | b'!' | b'=' => {
                let Some(body) = body(bytes, line, after) else {
                    push_null(state, is_resp3);
                    return after;
                };
                match kind {
                    b'$' => push_string(state, body),
                    b'!' => push_error(state, body, true),
                    _ => push_verbatim(state, body),
                }
                return after + body.len() + 2;
            }
            // Attributes are not for scripts; what they are about follows.
            b'|' => {
                let mut next = after;
                for _ in 0..2 * i64::from(count(line).unwrap_or(0)) {
                    next = push(state, bytes, next, is_resp3);
                    lua_settop(state, -2);
                }
                return push(state, bytes, next, is_resp3);
            }
            b'*' | b'>' | b'%' | b'~' => match count(line) {
                Some(count) => return push_elements(state, bytes, after, is_resp3, kind, count),
                None => push_null(state, is_resp3),
            },
            _ => push_null(state, is_resp3),
        }
        after
    }
}

/// Elements from `at` on: an array, or a map or a set in a table that says so.
///
/// # Safety
/// As of [`push`].
unsafe fn push_elements(
    state: *mut lua_State,
    bytes: &[u8],
    mut at: usize,
    is_resp3: bool,
    kind: u8,
    count: c_int,
) -> usize {
    // SAFETY: `push` has asked for room; each element leaves one value, which goes into the table below it.
    unsafe {
        let wrapper: Option<&[u8]> = match kind {
            b'%' => Some(b"map"),
            b'~' => Some(b"set"),
            _ => None,
        };
        match wrapper {
            Some(name) => {
                lua_createtable(state, 0, 1);
                push_string(state, name);
                lua_createtable(state, 0, count);
            }
            None => lua_createtable(state, count, 0),
        }
        for index in 1..=count {
            at = push(state, bytes, at, is_resp3);
            match kind {
                b'%' => {
                    at = push(state, bytes, at, is_resp3);
                    lua_rawset(state, -3);
                }
                b'~' => {
                    lua_pushboolean(state, 1);
                    lua_rawset(state, -3);
                }
                _ => lua_rawseti_(state, -2, index),
            }
        }
        if wrapper.is_some() {
            lua_rawset(state, -3);
        }
        at
    }
}

/// # Safety
/// As of [`push`], with room for one value.
unsafe fn push_string(state: *mut lua_State, text: &[u8]) {
    // SAFETY: Lua copies the bytes.
    unsafe { lua_pushlstring(state, text.as_ptr().cast(), text.len()) };
}

/// A table with one string in it.
///
/// # Safety
/// As of [`push`], with room for three values.
unsafe fn push_field(state: *mut lua_State, name: &[u8], text: &[u8]) {
    // SAFETY: as the caller's.
    unsafe {
        lua_createtable(state, 0, 1);
        push_string(state, name);
        push_string(state, text);
        lua_rawset(state, -3);
    }
}

/// # Safety
/// As of [`push`], with room for three values.
unsafe fn push_error(state: *mut lua_State, text: &[u8], is_counted: bool) {
    // SAFETY: as the caller's.
    unsafe {
        lua_createtable(state, 0, 2);
        push_string(state, b"err");
        push_string(state, text);
        lua_rawset(state, -3);
        if is_counted {
            push_string(state, COUNTED.as_bytes());
            lua_pushboolean(state, 1);
            lua_rawset(state, -3);
        }
    }
}

/// # Safety
/// As of [`push`], with room for five values.
unsafe fn push_verbatim(state: *mut lua_State, body: &[u8]) {
    let (format, text) = body.split_at_checked(3).unwrap_or((body, b""));
    // SAFETY: as the caller's.
    unsafe {
        lua_createtable(state, 0, 1);
        push_string(state, b"verbatim_string");
        lua_createtable(state, 0, 2);
        push_string(state, b"format");
        push_string(state, format);
        lua_rawset(state, -3);
        push_string(state, b"string");
        push_string(state, text.strip_prefix(b":").unwrap_or(text));
        lua_rawset(state, -3);
        lua_rawset(state, -3);
    }
}

/// # Safety
/// As of [`push`], with room for one value.
unsafe fn push_null(state: *mut lua_State, is_resp3: bool) {
    // SAFETY: neither raises.
    unsafe { if is_resp3 { lua_pushnil(state) } else { lua_pushboolean(state, 0) } }
}

/// What a reply is, the rest of its first line, and where the next begins.
fn head(bytes: &[u8], at: usize) -> Option<(u8, &[u8], usize)> {
    let rest = bytes.get(at..)?;
    let end = memchr::memchr(b'\r', rest)?;
    let (&kind, line) = rest.get(..end)?.split_first()?;
    Some((kind, line, at + end + 2))
}

fn body<'a>(bytes: &'a [u8], line: &[u8], after: usize) -> Option<&'a [u8]> {
    let len = parse_i64(line).and_then(|len| usize::try_from(len).ok())?;
    bytes.get(after..)?.get(..len)
}

fn count(line: &[u8]) -> Option<c_int> {
    parse_i64(line).and_then(|count| c_int::try_from(count).ok()).filter(|&count| count >= 0)
}

fn double(line: &[u8]) -> f64 {
    std::str::from_utf8(line).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}
