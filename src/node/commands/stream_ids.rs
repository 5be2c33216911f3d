//! IDs of entries as arguments, and entries as replies.

use super::support::{as_c_string, reply_element};
use crate::{
    node::{
        context::CommandError,
        object::stream::{Entry, StreamId},
    },
    protocol::Encoder,
};

const INVALID: CommandError = CommandError::Other(std::borrow::Cow::Borrowed(
    "ERR Invalid stream ID specified as stream command argument",
));
/// Redis looks at no more bytes of an ID.
const LONGEST: usize = 127;

/// A number as `strtoull` reads it: blanks and a sign in front are fine.
fn number(text: &[u8]) -> Option<u64> {
    let plain = text.first().is_some_and(u8::is_ascii_digit);
    let start = text.iter().position(|byte| !matches!(byte, b' ' | 9..=13))?;
    let (negative, digits) = match text[start..].split_first()? {
        (b'-', _) if start == 0 && crate::protocol::number::parse_i64(text).is_some() => return None,
        (b'-', digits) => (true, digits),
        (b'+', digits) => (false, digits),
        _ => (false, &text[start..]),
    };
    if digits.is_empty() || plain && start > 0 {
        return None;
    }
    let value = digits.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })?;
    Some(if negative { value.wrapping_neg() } else { value })
}

/// An ID; `missing` is the second number where there is none.
pub(super) fn strict(argument: &[u8], missing: u64) -> Result<StreamId, CommandError> {
    automatic(argument, missing, false).map(|(id, _)| id)
}

/// An ID whose second number may be `*`, and whether it is not.
pub(super) fn automatic(argument: &[u8], missing: u64, star: bool) -> Result<(StreamId, bool), CommandError> {
    if argument.len() > LONGEST {
        return Err(INVALID);
    }
    // As Redis, which takes an ID for a string of C.
    let argument = as_c_string(argument);
    let mut parts = argument.splitn(2, |&byte| byte == b'-');
    let ms = parts.next().and_then(number).ok_or(INVALID)?;
    let (seq, given) = match parts.next() {
        None => (missing, true),
        Some(b"*") if star => (0, false),
        Some(seq) => (number(seq).ok_or(INVALID)?, true),
    };
    Ok((StreamId { ms, seq }, given))
}

/// An ID, or one of the ends of all: `-` and `+`.
pub(super) fn loose(argument: &[u8], missing: u64) -> Result<StreamId, CommandError> {
    match argument {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => strict(argument, missing),
    }
}

/// The first ID of a range, which may be excluded.
pub(super) fn start(argument: &[u8]) -> Result<StreamId, CommandError> {
    match argument {
        [b'(', rest @ ..] if !rest.is_empty() => {
            strict(rest, 0)?.next().ok_or(CommandError::other("ERR invalid start ID for the interval"))
        }
        _ => loose(argument, 0),
    }
}

/// The last ID of a range, which may be excluded.
pub(super) fn end(argument: &[u8]) -> Result<StreamId, CommandError> {
    match argument {
        [b'(', rest @ ..] if !rest.is_empty() => strict(rest, u64::MAX)?
            .previous()
            .ok_or(CommandError::other("ERR invalid end ID for the interval")),
        _ => loose(argument, u64::MAX),
    }
}

/// Replies with an ID.
pub(super) fn reply_id(reply: &mut Encoder<'_>, id: StreamId) {
    reply.bulk(id.to_string());
}

/// Replies with an entry.
pub(super) fn reply_entry(reply: &mut Encoder<'_>, entry: Entry<'_>) {
    reply.array(2);
    reply_id(reply, entry.id);
    reply.array(2 * entry.len());
    entry.each(|field, value| {
        reply_element(reply, field);
        reply_element(reply, value);
    });
}

/// Replies with entries.
pub(super) fn reply_entries(reply: &mut Encoder<'_>, entries: &[Entry<'_>]) {
    reply.array(entries.len());
    entries.iter().for_each(|&entry| reply_entry(reply, entry));
}
