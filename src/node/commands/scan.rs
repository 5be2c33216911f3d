//! Iterating over keys.

use std::ops::ControlFlow;

use super::support::{Outcome, as_c_string, integer, is_word, reply_element};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::{Cursor, RecordRef, type_name},
        object::Element,
    },
    protocol::{
        Encoder, Request, Version,
        glob::{Case, Glob},
    },
    time::Millis,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("keys", keys), ("scan", scan)];

/// Steps that a pattern may take beyond a few per byte of the keys ([`Glob::spent`]), some tens of milliseconds: `SCAN` goes on
/// another time then, `KEYS` gives up. No pattern comes near that is not made for it.
const PATTERN_STEPS: u64 = 1 << 26;

/// Keys that a client wants to see, written as they are found: their number comes before them, so they wait aside.
struct Found {
    replies: Vec<u8>,
    count: usize,
    glob: Option<Glob>,
    now: Millis,
}

impl Found {
    fn new(pattern: &[u8], now: Millis) -> Self {
        // One star is not compared: unlike any other pattern of stars it matches the empty key too.
        let glob = (pattern != b"*").then(|| Glob::new(pattern, Case::Exact));
        Self { replies: Vec::new(), count: 0, glob, now }
    }

    /// The pattern has taken so much time that the command has to end.
    fn is_enough(&self) -> bool {
        self.glob.as_ref().is_some_and(|glob| glob.spent() > PATTERN_STEPS)
    }

    fn offer(&mut self, record: RecordRef<'_>) {
        if record.expiry().is_some_and(|expiry| expiry < self.now) {
            return;
        }
        let key = record.key();
        if self.glob.as_ref().is_none_or(|glob| glob.matches(key)) {
            self.count += 1;
            Encoder::new(&mut self.replies, crate::protocol::Version::Resp2).bulk(key);
        }
    }

    fn reply(&self, reply: &mut Encoder<'_>) {
        reply.array(self.count);
        reply.raw(&self.replies);
    }
}

fn keys(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let mut found = Found::new(request.arg(1), ctx.now);
    ctx.db().for_each(&mut |record| {
        if !found.is_enough() {
            found.offer(record);
        }
    });
    if found.is_enough() {
        return Err(CommandError::other(
            "ERR this pattern takes too long with keys as long as these; use SCAN with MATCH",
        ));
    }
    found.reply(&mut ctx.reply);
    Ok(())
}

/// A cursor as `strtoul` reads it, which is what Redis does: nothing is 0, a sign is allowed, a blank in front is not.
pub(super) fn parse_cursor(text: &[u8]) -> Option<Cursor> {
    // As C reads it: what is behind a zero byte is not there.
    let text = as_c_string(text);
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() {
        return text.is_empty().then_some(Cursor::START);
    }
    let number = digits.iter().try_fold(0u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })?;
    Some(Cursor::from_number(if negative { number.wrapping_neg() } else { number }))
}

/// What a scan is asked for.
pub(super) struct Options<'a> {
    /// About so many elements a call.
    pub(super) count: usize,
    pattern: &'a [u8],
    of_type: Option<&'a [u8]>,
    /// Without values.
    pub(super) names_only: bool,
}

impl<'a> Options<'a> {
    /// From argument `from` on. Of a collection it says nothing of types.
    pub(super) fn parse(request: Request<'a>, from: usize, of_keys: bool) -> Result<Self, CommandError> {
        let mut options = Self { count: 10, pattern: b"*", of_type: None, names_only: false };
        let mut words = request.args_from(from);
        while let Some(word) = words.next() {
            if is_word(word, "NOVALUES") && request.name().eq_ignore_ascii_case(b"hscan") {
                options.names_only = true;
                continue;
            }
            let mut value = || words.next().ok_or(CommandError::Syntax);
            if is_word(word, "COUNT") {
                let number = integer(value()?)?;
                options.count =
                    usize::try_from(number).ok().filter(|&count| count > 0).ok_or(CommandError::Syntax)?;
            } else if is_word(word, "MATCH") {
                options.pattern = value()?;
            } else if is_word(word, "TYPE") && of_keys {
                options.of_type = Some(value()?);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    /// What has to match; `None`: everything does.
    fn glob(&self) -> Option<Glob> {
        (self.pattern != b"*").then(|| Glob::new(self.pattern, Case::Exact))
    }
}

/// Elements of a collection that a client wants to see.
pub(super) struct Elements {
    replies: Vec<u8>,
    count: usize,
    glob: Option<Glob>,
    version: Version,
}

impl Elements {
    pub(super) fn new(options: &Options<'_>, version: Version) -> Self {
        Self { replies: Vec::new(), count: 0, glob: options.glob(), version }
    }

    /// A name, and what stands behind it.
    pub(super) fn offer(&mut self, name: Element<'_>, with_value: impl FnOnce(&mut Encoder<'_>) -> usize) {
        if self.glob.as_ref().is_none_or(|glob| name.with(|name| glob.matches(name))) {
            let mut encoder = Encoder::new(&mut self.replies, self.version);
            reply_element(&mut encoder, name);
            self.count += 1 + with_value(&mut encoder);
        }
    }

    pub(super) fn reply(&self, reply: &mut Encoder<'_>, next: u64) {
        reply.array(2);
        reply.bulk(itoa::Buffer::new().format(next));
        reply.array(self.count);
        reply.raw(&self.replies);
    }
}

/// The reply about a collection that is not there.
pub(super) fn reply_nothing(reply: &mut Encoder<'_>) {
    reply.array(2);
    reply.bulk("0");
    reply.array(0);
}

/// A cursor in argument 2.
pub(super) fn cursor_of_collection(request: Request<'_>) -> Result<u64, CommandError> {
    parse_cursor(request.arg(2)).map(Cursor::number).ok_or(CommandError::other("ERR invalid cursor"))
}

fn scan(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let cursor = parse_cursor(request.arg(1)).ok_or(CommandError::other("ERR invalid cursor"))?;
    let options = Options::parse(request, 2, true)?;
    let (mut count, pattern, of_type) = (options.count, options.pattern, options.of_type);
    let is_wanted = |record: RecordRef<'_>| {
        of_type.is_none_or(|name| name.eq_ignore_ascii_case(type_name(record.content()).as_bytes()))
    };
    let mut found = Found::new(pattern, ctx.now);
    let next = ctx.db().scan_while(cursor, &mut |record| {
        if is_wanted(record) {
            found.offer(record);
        }
        count = count.saturating_sub(1);
        if count == 0 || found.is_enough() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    ctx.reply.array(2);
    ctx.reply.bulk(itoa::Buffer::new().format(next.number()));
    found.reply(&mut ctx.reply);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Cursor, parse_cursor};

    #[test]
    fn cursors_that_redis_accepts() {
        for (text, number) in [
            ("0", Some(0)),
            ("", Some(0)),
            ("+7", Some(7)),
            ("007", Some(7)),
            ("-1", Some(u64::MAX)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            (" 1", None),
            ("1 ", None),
            ("a", None),
            ("-", None),
            ("\0", Some(0)),
            ("5\0x", Some(5)),
        ] {
            assert_eq!(parse_cursor(text.as_bytes()).map(Cursor::number), number, "{text:?}");
        }
    }
}
