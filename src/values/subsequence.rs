//! The longest common subsequence of two strings: what `LCS` answers.

use crate::protocol::{Encoder, number::parse_i64};

/// Why there is no answer; Redis's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Words that do not belong there.
    #[error("ERR syntax error")]
    Syntax,
    /// Of `MINMATCHLEN`.
    #[error("ERR value is not an integer or out of range")]
    NotInteger,
    /// `LEN` and `IDX`.
    #[error("ERR If you want both the length and indexes, please just use IDX.")]
    Both,
    /// Beyond 32 bits.
    #[error("ERR String too long for LCS")]
    TooLong,
    /// The table is larger than it may be.
    #[error("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")]
    TooMuchMemory,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    ranges: bool,
    length: bool,
    with_match_length: bool,
    match_length_min: usize,
}

impl Options {
    /// From the words behind the two keys.
    ///
    /// # Errors
    /// They make no sense together.
    pub fn parse<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Result<Self, Invalid> {
        let is_word = |word: &[u8], known: &str| word.eq_ignore_ascii_case(known.as_bytes());
        let mut options = Self::default();
        while let Some(word) = words.next() {
            if is_word(word, "IDX") {
                options.ranges = true;
            } else if is_word(word, "LEN") {
                options.length = true;
            } else if is_word(word, "WITHMATCHLEN") {
                options.with_match_length = true;
            } else if is_word(word, "MINMATCHLEN") {
                let least = parse_i64(words.next().ok_or(Invalid::Syntax)?).ok_or(Invalid::NotInteger)?;
                options.match_length_min = usize::try_from(least).unwrap_or(0);
            } else {
                return Err(Invalid::Syntax);
            }
        }
        if options.ranges && options.length {
            return Err(Invalid::Both);
        }
        Ok(options)
    }
}

/// Answers for two strings. `memory_max`: bytes of the table; `proto-max-bulk-len`, as in Redis.
///
/// # Errors
/// They are too long.
pub fn answer(
    reply: &mut Encoder<'_>,
    a: &[u8],
    b: &[u8],
    options: Options,
    memory_max: usize,
) -> Result<(), Invalid> {
    let lengths = Lengths::of(a, b, memory_max)?;
    if options.length {
        reply.integer(i64::from(lengths.total()));
    } else if options.ranges {
        reply_ranges(reply, &lengths, options);
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
    /// `max`: bytes of the table.
    fn of(a: &'a [u8], b: &'a [u8], max: usize) -> Result<Self, Invalid> {
        if a.len().max(b.len()) >= u32::MAX as usize - 1 {
            return Err(Invalid::TooLong);
        }
        let cells = (a.len() + 1) as u128 * (b.len() + 1) as u128;
        if cells * size_of::<u32>() as u128 > max as u128 {
            return Err(Invalid::TooMuchMemory);
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
fn reply_ranges(reply: &mut Encoder<'_>, lengths: &Lengths<'_>, options: Options) {
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
