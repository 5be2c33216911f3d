//! Commands of more than one line: a quote that is open at the end of a line goes on in the next.

use std::borrow::Cow;

use redis_cluster::protocol::quote;

use crate::language;

/// The prompt while a quote is open.
pub(super) const CONTINUATION: &str = "...> ";

/// More input can still make this a line.
pub(super) fn is_open(line: &[u8]) -> bool {
    let splits = |end: &[u8]| quote::split(&[line, end].concat()).is_ok();
    let is_comment = line.trim_ascii_start().first() == Some(&b'#');
    !is_comment && !splits(b"") && (splits(b"\"") || splits(b"'"))
}

/// The same command without line breaks, for histories and scripts.
pub(super) fn on_one_line(line: &[u8]) -> Cow<'_, [u8]> {
    if !line.contains(&b'\n') {
        return line.into();
    }
    match quote::split(line) {
        Ok(words) => language::quote_words(&words).into_bytes().into(),
        // It was not run either.
        Err(_) => line.iter().map(|&byte| if byte == b'\n' { b' ' } else { byte }).collect::<Vec<_>>().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_quote_goes_on_and_a_wrong_one_does_not() {
        for open in ["set a \"b", "set a 'b", "set a \"b\\\"", "set a \"b\n c"] {
            assert!(is_open(open.as_bytes()), "{open}");
        }
        for not in ["set a b", "set a \"b\"", "set a \"b\"c", "", "# it's"] {
            assert!(!is_open(not.as_bytes()), "{not}");
        }
    }

    #[test]
    fn line_breaks_are_escaped() {
        assert_eq!(&*on_one_line(b"set a 'b c'"), b"set a 'b c'");
        let line = on_one_line(b"set a 'b\nc'");
        assert_eq!(&*line, b"set a \"b\\nc\"");
        assert_eq!(quote::split(&line).unwrap(), quote::split(b"set a 'b\nc'").unwrap());
    }
}
