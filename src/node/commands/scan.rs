//! Iterating over keys.

use super::{
    key::STRING,
    support::{Outcome, integer, is_word},
};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::{Cursor, RecordRef},
    },
    protocol::{Encoder, Request, glob},
    time::Millis,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("keys", keys), ("scan", scan)];

/// Keys that a client wants to see, written as they are found: their number comes before them, so they wait aside.
struct Found<'p> {
    replies: Vec<u8>,
    count: usize,
    pattern: Option<&'p [u8]>,
    now: Millis,
}

impl<'p> Found<'p> {
    fn new(pattern: &'p [u8], now: Millis) -> Self {
        // One star is not compared: unlike any other pattern of stars it matches the empty key too.
        let pattern = (pattern != b"*").then_some(pattern);
        Self { replies: Vec::new(), count: 0, pattern, now }
    }

    fn offer(&mut self, record: RecordRef<'_>) {
        if record.expiry().is_some_and(|expiry| expiry < self.now) {
            return;
        }
        let key = record.key();
        if self.pattern.is_none_or(|pattern| glob::matches(pattern, key, glob::Case::Exact)) {
            self.count += 1;
            Encoder::new(&mut self.replies, crate::protocol::Version::Resp2).bulk(key);
        }
    }

    fn reply(&self, reply: &mut Encoder<'_>) {
        reply.array(self.count);
        reply.buffer().extend_from_slice(&self.replies);
    }
}

fn keys(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let mut found = Found::new(request.arg(1), ctx.now);
    ctx.db().for_each(&mut |record| found.offer(record));
    found.reply(&mut ctx.reply);
    Ok(())
}

/// A cursor as `strtoul` reads it, which is what Redis does: nothing is 0, a sign is allowed, a blank in front is not.
fn parse_cursor(text: &[u8]) -> Option<Cursor> {
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

fn scan(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let cursor = parse_cursor(request.arg(1)).ok_or(CommandError::other("ERR invalid cursor"))?;
    let (mut count, mut pattern, mut of_type): (usize, &[u8], Option<&[u8]>) = (10, b"*", None);
    let mut words = request.args_from(2);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(CommandError::Syntax);
        if is_word(word, "COUNT") {
            let number = integer(value()?)?;
            count = usize::try_from(number).ok().filter(|&count| count > 0).ok_or(CommandError::Syntax)?;
        } else if is_word(word, "MATCH") {
            pattern = value()?;
        } else if is_word(word, "TYPE") {
            of_type = Some(value()?);
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let wanted = of_type.is_none_or(|name| name.eq_ignore_ascii_case(STRING.as_bytes()));
    let mut found = Found::new(pattern, ctx.now);
    let next = ctx.db().scan(cursor, count, &mut |record| {
        if wanted {
            found.offer(record);
        }
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
        ] {
            assert_eq!(parse_cursor(text.as_bytes()).map(Cursor::number), number, "{text:?}");
        }
    }
}
