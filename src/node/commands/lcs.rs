//! The longest common subsequence of two strings.

use super::support::{Outcome, integer, is_word, with_bytes};
use crate::{
    node::{
        context::{CommandError, Context, Handler},
        keyspace::{Key, WrongType},
    },
    protocol::{Encoder, Request},
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("lcs", lcs)];

#[derive(Default)]
struct Options {
    ranges: bool,
    length: bool,
    with_match_length: bool,
    match_length_min: usize,
}

impl Options {
    fn parse(request: Request<'_>) -> Result<Self, CommandError> {
        let mut options = Self::default();
        let mut words = request.args_from(3);
        while let Some(word) = words.next() {
            if is_word(word, "IDX") {
                options.ranges = true;
            } else if is_word(word, "LEN") {
                options.length = true;
            } else if is_word(word, "WITHMATCHLEN") {
                options.with_match_length = true;
            } else if is_word(word, "MINMATCHLEN") {
                let least = integer(words.next().ok_or(CommandError::Syntax)?)?;
                options.match_length_min = usize::try_from(least).unwrap_or(0);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        if options.ranges && options.length {
            return Err(CommandError::other(
                "ERR If you want both the length and indexes, please just use IDX.",
            ));
        }
        Ok(options)
    }
}

fn lcs(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let access = ctx.access();
    let mut text = |index| match ctx.db().read_string(Key::new(request.arg(index)), access) {
        Ok(value) => Ok(value.map_or(Vec::new(), |value| with_bytes(value, <[u8]>::to_vec))),
        Err(WrongType) => Err(CommandError::other("ERR The specified keys must contain string values")),
    };
    let (a, b) = (text(1)?, text(2)?);
    let options = Options::parse(request)?;
    let lengths = Lengths::of(&a, &b, ctx.node.config.max_string())?;
    let reply = &mut ctx.reply;
    if options.length {
        reply.integer(i64::from(lengths.total()));
    } else if options.ranges {
        reply_ranges(reply, &lengths, &options);
    } else {
        let common: Vec<u8> = lengths.matches().map(|(at, _)| a[at]).collect();
        reply.bulk(common.into_iter().rev().collect::<Vec<u8>>());
    }
    Ok(())
}

/// How long the longest common subsequence of every two beginnings is.
struct Lengths<'a> {
    a: &'a [u8],
    b: &'a [u8],
    /// `(a.len() + 1)` rows of `b.len() + 1`.
    table: Vec<u32>,
}

impl<'a> Lengths<'a> {
    /// `max`: bytes of the table; `proto-max-bulk-len`, as in Redis.
    fn of(a: &'a [u8], b: &'a [u8], max: usize) -> Result<Self, CommandError> {
        if a.len().max(b.len()) >= u32::MAX as usize - 1 {
            return Err(CommandError::other("ERR String too long for LCS"));
        }
        let cells = (a.len() + 1) as u128 * (b.len() + 1) as u128;
        if cells * size_of::<u32>() as u128 > max as u128 {
            return Err(CommandError::other(
                "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
            ));
        }
        let mut table = vec![0u32; cells as usize];
        let width = b.len() + 1;
        for (row, byte) in a.iter().enumerate() {
            let (above, below) = table[row * width..(row + 2) * width].split_at_mut(width);
            for (column, other) in b.iter().enumerate() {
                below[column + 1] =
                    if byte == other { above[column] + 1 } else { above[column + 1].max(below[column]) };
            }
        }
        Ok(Self { a, b, table })
    }

    fn at(&self, a_len: usize, b_len: usize) -> u32 {
        self.table[a_len * (self.b.len() + 1) + b_len]
    }

    fn total(&self) -> u32 {
        self.at(self.a.len(), self.b.len())
    }

    /// Indexes of the bytes of one longest common subsequence, last ones first: the one that Redis chooses.
    fn matches(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let (mut a_len, mut b_len) = (self.a.len(), self.b.len());
        std::iter::from_fn(move || {
            while a_len > 0 && b_len > 0 {
                if self.a[a_len - 1] == self.b[b_len - 1] {
                    (a_len, b_len) = (a_len - 1, b_len - 1);
                    return Some((a_len, b_len));
                }
                if self.at(a_len - 1, b_len) > self.at(a_len, b_len - 1) {
                    a_len -= 1;
                } else {
                    b_len -= 1;
                }
            }
            None
        })
    }
}

/// The runs in which matching bytes follow each other in both strings, last ones first.
fn reply_ranges(reply: &mut Encoder<'_>, lengths: &Lengths<'_>, options: &Options) {
    // Where each run starts in both strings, and its length.
    let mut runs: Vec<(usize, usize, usize)> = Vec::new();
    for (a, b) in lengths.matches() {
        match runs.last_mut() {
            Some((a_start, b_start, length)) if *a_start == a + 1 && *b_start == b + 1 => {
                (*a_start, *b_start, *length) = (a, b, *length + 1);
            }
            _ => runs.push((a, b, 1)),
        }
    }
    runs.retain(|&(_, _, length)| length >= options.match_length_min);
    reply.map(2);
    reply.bulk("matches");
    reply.array(runs.len());
    for (a, b, length) in runs {
        reply.array(2 + usize::from(options.with_match_length));
        for start in [a, b] {
            reply.array(2);
            reply.integer(start as i64);
            reply.integer((start + length - 1) as i64);
        }
        if options.with_match_length {
            reply.integer(length as i64);
        }
    }
    reply.bulk("len");
    reply.integer(i64::from(lengths.total()));
}

#[cfg(test)]
mod tests {
    use super::Lengths;

    #[test]
    fn the_example_everybody_uses() {
        let lengths = Lengths::of(b"ohmytext", b"mynewtext", 1 << 20).unwrap();
        assert_eq!(lengths.total(), 6);
        let mut common: Vec<u8> = lengths.matches().map(|(at, _)| b"ohmytext"[at]).collect();
        common.reverse();
        assert_eq!(common, b"mytext");
    }
}
