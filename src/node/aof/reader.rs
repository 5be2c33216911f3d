//! Requests out of the bytes of a log, and where each of them ends. Pure.
//!
//! What ends too early is no error by itself: a crash cuts what was being written. Anything else that is no request is damage.

use crate::protocol::Args;

/// Digits of the largest number that a log has, and then some.
const LINE_MAX: usize = 32;
/// As in Redis, no line of a log is longer.
const NOTE_MAX: usize = 1024;

/// What the next bytes are.
#[derive(Debug)]
pub enum Piece {
    /// A request, in so many bytes.
    Request(Args, usize),
    /// A note that is no request, in so many bytes.
    Note(usize),
    /// The begin of something; so many bytes more are needed at least.
    Cut(usize),
}

/// Bytes that no log has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} at byte {at}")]
pub struct Damage {
    /// How far behind the begin of the request.
    pub at: usize,
    /// What should be there.
    pub expected: &'static str,
}

/// Reads what these bytes begin with, which must not be none.
///
/// # Errors
/// They are of no log.
pub fn next(bytes: &[u8]) -> Result<Piece, Damage> {
    match bytes.first() {
        None => return Ok(Piece::Cut(1)),
        Some(b'#') => {
            let end = bytes.iter().take(NOTE_MAX).position(|&byte| byte == b'\n');
            return match end {
                Some(end) => Ok(Piece::Note(end + 1)),
                None if bytes.len() < NOTE_MAX => Ok(Piece::Cut(1)),
                None => Err(Damage { at: 0, expected: "a note that ends" }),
            };
        }
        Some(_) => {}
    }
    let mut at = 0;
    let Some(count) = number(bytes, &mut at, b'*', "'*' and how many words follow")? else {
        return Ok(Piece::Cut(1));
    };
    if count == 0 {
        return Err(Damage { at: 0, expected: "at least one word" });
    }
    let mut args = Args::new();
    for _ in 0..count {
        let begin = at;
        let Some(length) = number(bytes, &mut at, b'$', "'$' and the length of a word")? else {
            return Ok(Piece::Cut(1));
        };
        let Some(word) = bytes.get(at..).and_then(|rest| rest.get(..length)) else {
            return Ok(Piece::Cut((length + 2).saturating_sub(bytes.len() - at)));
        };
        at += length;
        match bytes.get(at..at + 2) {
            Some(b"\r\n") => at += 2,
            Some(_) => return Err(Damage { at, expected: "the end of a word" }),
            None if bytes.get(at).is_some_and(|&byte| byte != b'\r') => {
                return Err(Damage { at, expected: "the end of a word" });
            }
            None => return Ok(Piece::Cut(1)),
        }
        args.push(word).map_err(|_| Damage { at: begin, expected: "a request of less than 4 GiB" })?;
    }
    Ok(Piece::Request(args, at))
}

/// A line with a mark and a number; `None` if it is cut.
fn number(bytes: &[u8], at: &mut usize, mark: u8, expected: &'static str) -> Result<Option<usize>, Damage> {
    let damage = Damage { at: *at, expected };
    let rest = &bytes[*at..];
    if rest.first().is_some_and(|&byte| byte != mark) {
        return Err(damage);
    }
    let Some(end) = rest.iter().take(LINE_MAX).position(|&byte| byte == b'\n') else {
        let digits = rest.get(1..).unwrap_or_default();
        let digits = digits.strip_suffix(b"\r").unwrap_or(digits);
        let may_go_on = rest.len() < LINE_MAX && digits.iter().all(u8::is_ascii_digit);
        return if may_go_on { Ok(None) } else { Err(damage) };
    };
    let digits = rest[1..end].strip_suffix(b"\r").ok_or(damage)?;
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(damage);
    }
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<usize>().ok());
    *at += end + 1;
    // No request has parts of more than 4 GiB.
    number.filter(|&number| u32::try_from(number).is_ok()).map(Some).ok_or(damage)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n\r\n\r\n";

    #[test]
    fn a_request_cut_anywhere_is_cut_and_no_damage() {
        for length in 0..SET.len() {
            assert!(matches!(next(&SET[..length]), Ok(Piece::Cut(more)) if more >= 1), "{length}");
        }
        let Ok(Piece::Request(args, length)) = next(&[SET, b"*1"].concat()) else { panic!("whole") };
        assert_eq!(length, SET.len());
        assert_eq!(args.request().unwrap().args().collect::<Vec<_>>(), [&b"SET"[..], b"k", b"\r\n"]);
        assert!(matches!(next(b"#TS:1\r\n*"), Ok(Piece::Note(7))));
    }

    #[test]
    fn what_is_no_request_says_where() {
        for (bytes, at) in [
            (&b"SET k v\r\n"[..], 0),
            (b"*0\r\n", 0),
            (b"*x", 0),
            (b"*1\r\n+3\r\n", 4),
            (b"*1\r\n$3\r\nGETxx", 11),
            (b"*1\r\n$-1\r\n", 4),
            (b"*1\r\n$99999999999\r\n", 4),
            (b"\0\0\0\0", 0),
        ] {
            assert_eq!(next(bytes).unwrap_err().at, at, "{}", String::from_utf8_lossy(bytes));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes: Vec<u8>, flip: usize) {
            let _ = next(&bytes);
            let mut set = SET.to_vec();
            let at = flip % set.len();
            set[at] ^= 1 << (flip % 8);
            let _ = next(&set);
        }
    }
}
